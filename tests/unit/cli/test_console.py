"""Where text goes, and what becomes of it when a reader pauses."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exolink_reconcile.cli.console import Console
from exolink_reconcile.cli.signals import SIGNALS

MORE_THAN_A_PIPE_HOLDS = 300_000


@contextmanager
def piped() -> Iterator[int]:
    """Stdout is a pipe; its reading end, which never waits."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    with os.fdopen(write, "w", encoding="utf-8") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        yield read
    os.close(read)


def taken(reader: int) -> str:
    pieces = []
    while True:
        try:
            pieces.append(os.read(reader, 1 << 20))
        except BlockingIOError:
            return b"".join(pieces).decode()


def test_row_C1_a_lock_is_not_held_for_a_reader_that_pauses() -> None:
    """While a lock is held nobody waits for a reader; what it did not take is kept, in order, and written later."""
    with piped() as reader:
        console = Console()
        with console.not_waiting():
            console.out("a" * MORE_THAN_A_PIPE_HOLDS)
            console.out("b\n")
            first = taken(reader)
            console.out("c\n")
            second = taken(reader)
        output = first + second
        while not output.endswith("c\n"):
            with console.not_waiting():
                console.finish()
            output += taken(reader)
        assert output == "a" * MORE_THAN_A_PIPE_HOLDS + "b\nc\n"
        assert 0 < len(first) < MORE_THAN_A_PIPE_HOLDS


def test_row_C1_a_signal_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that pauses is not waited for without end once a signal came, at the end of a run neither."""
    with piped() as reader:
        monkeypatch.setattr("exolink_reconcile.cli.console._PATIENCE", 0.2)
        monkeypatch.setattr(SIGNALS, "number", 15)
        console = Console()
        with console.not_waiting():
            console.out("a" * MORE_THAN_A_PIPE_HOLDS)
        console.finish()
        console.out("b\n")
        assert "b" not in taken(reader)


def test_a_reader_that_left_is_not_written_to() -> None:
    """What was kept for a reader that went away is dropped, and nothing is lost that anybody asked for."""
    with piped() as reader:
        console = Console()
        with console.not_waiting():
            console.out("a" * MORE_THAN_A_PIPE_HOLDS)
        other, _ = os.pipe()
        os.dup2(other, reader)
        console.finish()
        assert console.lost == "" and console._kept["stdout"] == type(console._kept["stdout"])()
