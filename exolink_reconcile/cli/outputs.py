"""Where results may be written: never over an input of the same command."""

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
