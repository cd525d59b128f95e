"""Where results may be written: never over an input of the same command, nor over what is there."""

import os
from collections.abc import Iterable

from exolink_reconcile.cli.options import Options
from exolink_reconcile.errors import problem
from exolink_reconcile.inert import inert

_INPUT_SUFFIXES = (".yaml", ".yml", ".csv")


def refuse_input(out: str, options: Options, files: Iterable[str]) -> None:
    """Refuse a file that is an input of this plan, or would be one of the next. Raises InputError."""
    inputs = (options.contract, options.token_file, options.ca_file, *options.paths, *files)
    if any(path is not None and _same(path, out) for path in inputs):
        raise problem(
            "E-EXISTS", f"--out {inert(out)} is an input of this plan: name another file. Nothing was written"
        )
    folders = [path for path in (*options.paths, *(() if options.paths else ("exolink",))) if os.path.isdir(path)]
    if out.lower().endswith(_INPUT_SUFFIXES) and any(_inside(out, folder) for folder in folders):
        raise problem(
            "E-EXISTS", f"--out {inert(out)} would be an input of the next plan: name another file. Nothing was written"
        )


def refuse_existing(paths: Iterable[str], way_out: str) -> None:
    """Refuse to write over files that are there. Raises InputError."""
    if existing := [path for path in paths if os.path.lexists(path)]:
        are = "is there already" if len(existing) == 1 else "are there already"
        raise problem("E-EXISTS", f"{', '.join(existing)} {are}, and nothing was written", way_out)


def _same(path: str, out: str) -> bool:
    try:
        return os.path.samefile(path, out)
    except (OSError, ValueError):
        return False


def _inside(path: str, folder: str) -> bool:
    try:
        root = os.path.realpath(folder)
        return os.path.commonpath([root, os.path.realpath(path)]) == root
    except (OSError, ValueError):
        return False
