"""Progress of an apply: it ends with the apply, however that ends."""

import threading
from pathlib import Path

import pytest
from support_apply import Runs
from support_journal import step
from support_pipeline import document
from world import World

from exolink_reconcile.cli import progress
from exolink_reconcile.cli.console import Console


def test_no_progress_after_the_end(tmp_path: Path) -> None:
    """Where an apply breaks off, nothing goes on to draw over the error."""
    runs = Runs(tmp_path / "state", World())
    runs.world.before_request = lambda index, method, path: runs.kill() if method == "POST" else None
    assert runs.apply(document("acme", chargers=[{"identity": "CP-1", "displayName": "L", "profileId": 1}])) is None
    assert [thread.name for thread in threading.enumerate() if thread.name == "progress"] == []


@pytest.mark.parametrize(("columns", "bar"), [(60, 0), (70, 0), (80, 15), (200, 60)])
def test_the_bar_takes_what_the_words_leave(monkeypatch: pytest.MonkeyPatch, columns: int, bar: int) -> None:
    """Which write has been in flight for long is worth more than a bar; a wide terminal gets a long one."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(progress, "_LONG", 0.0)
    drawn: list[str] = []
    console = Console()
    monkeypatch.setattr(console, "note", drawn.append)
    shown = progress.Progress(console, 100)
    monkeypatch.setattr(progress.Progress, "seconds", 2.0)
    for number in range(51):
        shown.started(one := step(f"Backend {number:05}"))
        if number < 50:
            shown.answered(one)
    shown._tick()
    line = drawn[-1].removeprefix("\r").removesuffix("\x1b[K")
    assert len(line) < columns and line.count("█") + line.count("░") == bar
    assert "50/100  2.0 s  waiting " in line
    assert line.endswith(" for create acme/cpms/Backend 00050" if columns > 60 else "…")
