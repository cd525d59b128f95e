"""Where text goes: results to stdout, progress, notes and errors to stderr, colour only on a terminal."""

import os
import shutil
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn, TextIO

_PLAIN_WIDTH = 100


class Console:
    """The two streams of this process. A reader that went away (`| head`) never stops what is under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.lost = False  # a result could not be written, and not because the reader had enough
        # A stream that was closed before we started is None to Python: what goes there goes nowhere.
        sys.stdout = sys.stdout or _nowhere()
        sys.stderr = sys.stderr or _nowhere()

    @property
    def width(self) -> int:
        """Columns to write for: the terminal's, or 100 where there is none."""
        if not sys.stdout.isatty():
            return _PLAIN_WIDTH
        return max(60, shutil.get_terminal_size((_PLAIN_WIDTH, 24)).columns)

    @property
    def colours(self) -> bool:
        """Whether results may be coloured."""
        return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def can_ask(self) -> bool:
        """Whether a person is there to answer."""
        return sys.stdin is not None and sys.stdin.isatty()

    def out(self, text: str) -> None:
        """A result."""
        self._write(sys.stdout, text)

    def out_all(self, pieces: Iterable[bytes]) -> None:
        """A long result, ASCII, in pieces."""
        for piece in pieces:
            self._write(sys.stdout, piece.decode("ascii"))

    def err(self, text: str) -> None:
        """Progress, a note or an error."""
        self._write(sys.stderr, text)

    def ask(self, question: str) -> str:
        """What a person answers; empty at the end of the input. Raises KeyboardInterrupt."""
        self.err(question)
        return sys.stdin.readline().strip()

    def _write(self, stream: TextIO, text: str) -> None:
        with self._lock:
            try:
                stream.write(text)
                stream.flush()
            except OSError as error:
                self.lost |= not isinstance(error, BrokenPipeError) and stream is sys.stdout
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            except UnicodeEncodeError:  # a terminal that is not UTF-8
                stream.write(
                    text.encode(stream.encoding or "ascii", "backslashreplace").decode(stream.encoding or "ascii")
                )
                stream.flush()


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def leave(code: int) -> NoReturn:
    """End the process now: threads that wait for an answer are not waited for."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class Progress:
    """How far an apply is: a bar on a terminal, else a line a step (or every twentieth part of a long plan)."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self.total = total
        self._done = 0
        self._bar = sys.stderr.isatty()
        self._every = 1 if total <= 50 else total // 20
        self._lock = threading.Lock()

    def step(self, what: str) -> None:
        """One more write was answered; called from several threads."""
        with self._lock:
            self._done += 1
            if self._bar:
                filled = self._done * 30 // self.total
                self._console.err(f"\r[{'#' * filled}{'.' * (30 - filled)}] {self._done}/{self.total}")
            elif self._done % self._every == 0 or self._done == self.total:
                self._console.err(f"{self._done}/{self.total} {what}\n")

    def end(self) -> None:
        """Leave the line of the bar."""
        if self._bar and self._done:
            self._console.err("\n")
