"""Where text goes: results to stdout, progress, notes and errors to stderr, colour only on a terminal."""

import os
import select
import shutil
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn, TextIO

from exolink_reconcile.cli.signals import SIGNALS
from exolink_reconcile.report.lines import fitted

_PLAIN_WIDTH = 100
_NARROW = 60  # columns: a terminal with fewer breaks lines itself
_LOOK = 0.1  # seconds between two checks for a signal
_FILE_PIECE = 1 << 20  # bytes; a file never makes us wait
_PATIENCE = 5.0  # seconds for a reader that pauses, after a signal


class Console:
    """The two streams of this process. A reader that went away (`| head`) never stops the command.

    The console waits for a reader that pauses (a pager, a log that stalls); after a signal, only for a short time. An apply
    that holds a lock does not wait: the console keeps what the reader does not take, and the apply goes on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gone: set[str] = set()  # the streams that nobody reads any more
        # Text that a reader did not take yet.
        self._kept: dict[str, deque[memoryview]] = {"stdout": deque(), "stderr": deque()}
        self._waits = True
        self.lost = ""  # why a result could not be written, unless the reader went away
        self.quiet = False  # whether notes and progress are left out
        # Python has None for a stream that was closed before we started; its text is dropped.
        sys.stdout = sys.stdout or _nowhere()
        sys.stderr = sys.stderr or _nowhere()

    def begin(self) -> None:
        """Forget an earlier run of this process."""
        self._waits = True
        self.lost, self.quiet = "", False

    @contextmanager
    def not_waiting(self) -> Iterator[None]:
        """Wait for no reader meanwhile; text that is kept for one is written when it reads again, or at the end."""
        self._waits = False
        try:
            yield
        finally:
            self._waits = True

    def finish(self) -> None:
        """Write the text that was kept for a reader that paused."""
        for name in self._kept:
            self._write(name, ())

    @property
    def terminal(self) -> bool:
        """Whether results go to a terminal."""
        return sys.stdout.isatty()

    @property
    def width(self) -> int:
        """Columns to write for: the terminal's, or 100 without a terminal."""
        if not self.terminal:
            return _PLAIN_WIDTH
        return _columns()

    @property
    def colours(self) -> bool:
        """Whether results may be coloured."""
        return _coloured(sys.stdout)

    @property
    def error_colours(self) -> bool:
        """Whether progress, notes and errors may be coloured."""
        return _coloured(sys.stderr)

    @property
    def can_ask(self) -> bool:
        """Whether a user is there to answer."""
        return sys.stdin is not None and sys.stdin.isatty()

    def out(self, text: str, paint: Callable[[str], str] | None = None) -> None:
        """A result; `paint` colours it, where results may be coloured."""
        self._write("stdout", (paint(text) if paint and self.colours else text,))

    def prose(self, text: str, paint: Callable[[str], str] | None = None) -> None:
        """A result in words: on a terminal its long lines are broken between words, before it is coloured."""
        self.out(fitted(text, self.width) if self.terminal else text, paint)

    def shown(self, text: str, format: str) -> None:
        """A result in a format; formats that programs read stay as they are."""
        (self.prose if format == "text" else self.out)(text)

    def result(self, pieces: Iterable[str] | Sequence[bytes]) -> None:
        """The output of a renderer: texts, or the pieces of a long result in ASCII."""
        self._write("stdout", pieces)

    def err(self, text: str) -> None:
        """A warning, an error or a question."""
        self._write("stderr", (_for_errors(text),))

    def note(self, text: str) -> None:
        """Progress or a note; left out by --quiet."""
        if not self.quiet:
            self._write("stderr", (_for_errors(text),))

    def ask(self, question: str) -> str:
        """The user's answer; empty at the end of the input. The question goes to the terminal, wherever stderr goes."""
        waits, self._waits = self._waits, True
        self.finish()
        if sys.stderr.isatty():
            self.err(question)
        else:
            with suppress(OSError), open("/dev/tty", "w", encoding="utf-8", errors="backslashreplace") as terminal:
                terminal.write(question)
        self._waits = waits
        return sys.stdin.readline().strip()

    def _write(self, name: str, pieces: Iterable[str | bytes]) -> None:
        stream: TextIO = getattr(sys, name)
        kept = self._kept[name]
        with self._lock:
            if name in self._gone:
                return
            try:
                descriptor = stream.fileno()
            except (OSError, ValueError):  # not a file: a test reads it
                stream.write("".join(piece if isinstance(piece, str) else piece.decode("ascii") for piece in pieces))
                return
            try:
                stream.flush()
                for piece in pieces:
                    data = piece if isinstance(piece, bytes) else _encoded(piece, stream.encoding)
                    kept.append(memoryview(data))
                    self._send(name, descriptor, 0.0 if len(kept) > 1 and not self._waits else _LOOK)
                self._send(name, descriptor, _LOOK if self._waits else 0.0)
            except OSError as error:
                self._gone.add(name)
                kept.clear()
                if not isinstance(error, BrokenPipeError) and name == "stdout":
                    self.lost = error.strerror or type(error).__name__

    def _send(self, name: str, descriptor: int, look: float) -> None:
        """Write the kept text; all of it if we wait, unless nobody reads and a signal asked us to end.

        A writable pipe takes PIPE_BUF bytes at once, so this never blocks where it cannot notice a signal.
        """
        kept, patience = self._kept[name], _PATIENCE
        most = _FILE_PIECE if stat.S_ISREG(os.fstat(descriptor).st_mode) else select.PIPE_BUF
        while kept:
            if select.select([], [descriptor], [], look)[1]:
                rest = kept.popleft()
                if rest := rest[os.write(descriptor, rest[:most]) :]:
                    kept.appendleft(rest)
            elif not self._waits:
                return
            elif SIGNALS.number:
                patience -= look
                if patience <= 0:
                    self._gone.add(name)
                    kept.clear()


def _encoded(text: str, encoding: str | None) -> bytes:
    return text.encode(encoding or "utf-8", "backslashreplace")


def _for_errors(text: str) -> str:
    """The text, broken to fit a terminal on stderr."""
    if not sys.stderr.isatty():
        return text
    return fitted(text, _columns())


def _columns() -> int:
    """Columns of the terminal."""
    return max(_NARROW, shutil.get_terminal_size((_PLAIN_WIDTH, 24)).columns)


def _coloured(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") != "0":
        return bool(os.environ["FORCE_COLOR"])
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def leave(code: int) -> NoReturn:
    """End the process now, without waiting for threads and without cleaning up memory."""
    os._exit(code)


# The console of this process.
CONSOLE = Console()
