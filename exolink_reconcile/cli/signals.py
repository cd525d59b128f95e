"""SIGINT, SIGTERM and SIGHUP to an end of the run that says what happened.

A handler runs between any two instructions of the main thread, with whatever locks that holds. So it only remembers
the signal, and
- before the first write it raises `Interrupted`, once: what was read is thrown away;
- from the first write on it passes the wish to the apply, which checks it before each write;
- while the result is shown it does nothing: the exit code of the result stands.
"""

import signal
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal came before anything was written."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


class Signals:
    """The signals of this process. `number` is the first signal of this run, 0 if there was none."""

    def __init__(self) -> None:
        self.number = 0
        self._wish: Callable[[int], None] | None = None

    def listen(self) -> None:
        """Begin a run. A signal that was ignored when we started (`nohup`) stays ignored."""
        self.number, self._wish = 0, None
        for number in _NUMBERS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)

    def hand_to(self, wish: Callable[[int], None]) -> None:
        """From now on a signal interrupts nothing but calls `wish`, which must take no lock and print nothing."""
        self._wish = wish

    def finish(self) -> None:
        """From now on signals change nothing."""
        self._wish = _nothing

    def outcome(self, work: Callable[[], _T]) -> _T | BaseException:
        """What `work` gives, or what ends it. From then on signals change nothing: there is one outcome."""
        try:
            try:
                result = work()
                self.finish()
                return result
            except BaseException as failure:
                self.finish()
                return failure
        except Interrupted as failure:  # between the end and `finish`; it is raised only once
            return failure

    def _handle(self, number: int, frame: object) -> None:
        first, self.number = not self.number, self.number or number
        if self._wish is not None:
            self._wish(number)
        elif first:
            raise Interrupted(number)


def _nothing(number: int) -> None:
    pass


# The signals of this process.
SIGNALS = Signals()
