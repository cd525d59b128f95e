"""Where text goes: results to stdout, progress, notes and errors to stderr, colour only on a terminal."""

import os
import shutil
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NoReturn, TextIO

_PLAIN_WIDTH = 100


class Console:
    """The two streams of this process. A reader that went away (`| head`) never stops what is under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.lost = ""  # why a result could not be written, where that is not because the reader had enough
        self.annotating = False  # whether what stops the command is to be shown as a GitHub annotation too
        # A stream that was closed before we started is None to Python: what goes there goes nowhere.
        sys.stdout = sys.stdout or _nowhere()
        sys.stderr = sys.stderr or _nowhere()

    @property
    def terminal(self) -> bool:
        """Whether a person sees results as they come."""
        return sys.stdout.isatty()

    @property
    def width(self) -> int:
        """Columns to write for: the terminal's, or 100 where there is none."""
        if not self.terminal:
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

    def result(self, pieces: Iterable[str] | Sequence[bytes]) -> None:
        """What a renderer gives: texts, or the pieces of a long result in ASCII."""
        if isinstance(pieces, Sequence) and pieces and isinstance(pieces[0], bytes):
            self._out_all(piece for piece in pieces if isinstance(piece, bytes))
            return
        for piece in pieces:
            self.out(piece if isinstance(piece, str) else piece.decode("ascii"))

    def _out_all(self, pieces: Iterable[bytes]) -> None:
        """A long result, ASCII, in pieces: written as it is where the stream lets us."""
        stream = getattr(sys.stdout, "buffer", None)
        if stream is None:
            self.out(b"".join(pieces).decode("ascii"))
            return
        with self._lock:
            try:
                sys.stdout.flush()
                stream.writelines(pieces)
                stream.flush()
            except OSError as error:
                self._cut_off(sys.stdout, error)

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
                self._cut_off(stream, error)
            except UnicodeEncodeError:  # a terminal that is not UTF-8
                stream.write(
                    text.encode(stream.encoding or "ascii", "backslashreplace").decode(stream.encoding or "ascii")
                )
                stream.flush()

    def _cut_off(self, stream: TextIO, error: OSError) -> None:
        if not isinstance(error, BrokenPipeError) and stream is sys.stdout:
            self.lost = error.strerror or type(error).__name__
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def leave(code: int) -> NoReturn:
    """End the process now: no thread that waits for an answer is waited for, no memory is tidied up first."""
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


# The console of this process.
CONSOLE = Console()
