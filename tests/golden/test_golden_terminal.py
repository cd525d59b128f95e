"""What a terminal shows at 60, 80 and 200 columns: help, an error list, doctor. GOLDEN=write writes them anew; then read them."""

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from exolink_reconcile.cli import commands
from exolink_reconcile.codes import Exit
from exolink_reconcile.report import listings
from exolink_reconcile.report.lines import fitted
from exolink_reconcile.report.listings import Check

FOLDER = Path(__file__).parent / "terminal"
MISTAKES = FOLDER / "mistakes.yaml"
CHECKS = [
    Check("YAML", "ok", "1 tenant with 5 objects declared", Exit.DONE),
    Check("API name", "ok", "api.exolink.cloud is 203.0.113.7", Exit.DONE),
    Check("TLS", "warning", "TLSv1.3, certificate trusted until 2026-12-03", Exit.DONE),
    Check("token", "ok", "read from EXOLINK_TOKEN", Exit.DONE),
    Check(
        "tenant acme",
        "failed",
        "GET /tenant/acme: the API answered 403: this token may not read it (E-DENIED)",
        Exit.DENIED,
    ),
    Check("state", "ok", "the folder /home/ops/.local/state/exolink-reconcile", Exit.DONE),
    Check("clock", "warning", "this machine is 75 s ahead of the API", Exit.DONE),
]
Show = Callable[[Path, int], str]


def _help(*words: str) -> Show:
    def show(folder: Path, width: int) -> str:
        context = commands.main.make_context("exolink-reconcile", ["plan"])
        command = commands.command(words[0]) if words else commands.main
        parent = None if not words else context
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", str(width))
            name = words[0] if words else "exolink-reconcile"
            return command.get_help(command.context_class(command, parent, name, **command.context_settings)) + "\n"

    return show


def _doctor(folder: Path, width: int) -> str:
    return "".join(fitted(listings.check(check), width) for check in CHECKS)


def _errors(folder: Path, width: int, *, colour: bool = False) -> str:
    """On a pseudoterminal: a process of its own draws it."""
    shutil.copy(MISTAKES, folder)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm", "LANG": "C.UTF-8"}
    environment |= {} if colour else {"NO_COLOR": "1"}
    child = pexpect.spawn(
        sys.executable,
        ["-m", "exolink_reconcile", "validate", MISTAKES.name],
        cwd=str(folder),
        env=environment,
        encoding="utf-8",
        timeout=60,
        dimensions=(50, width),
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3
    return str(child.before).replace("\r\n", "\n")


STORIES: dict[str, tuple[Show, int]] = {
    f"{name}.{width}.txt": (show, width)
    for name, show in {
        "help": _help(),
        "plan-help": _help("plan"),
        "apply-help": _help("apply"),
        "doctor": _doctor,
        "errors": _errors,
    }.items()
    for width in (60, 80, 200)
}
STORIES["errors.colour.txt"] = (lambda folder, width: _errors(folder, width, colour=True), 80)


@pytest.mark.parametrize("name", STORIES)
def test_golden(name: str, tmp_path: Path) -> None:
    """It looks as it did when somebody last looked at it, and no line is cut in the middle of a word."""
    show, width = STORIES[name]
    text = show(tmp_path, width)
    if os.environ.get("GOLDEN") == "write":
        (FOLDER / name).write_text(text, "utf-8")
    assert text == (FOLDER / name).read_text("utf-8")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert [line for line in plain.splitlines() if len(line) > width and "  exolink-reconcile " not in line] == []


def test_nothing_is_left_over() -> None:
    """Every golden file belongs to a story."""
    assert {path.name for path in FOLDER.iterdir()} == {*STORIES, MISTAKES.name}
