"""The wish to stop, and waiting for what a read does not show yet: one loop for everything that waits."""

import time
from collections.abc import Callable
from itertools import chain, repeat

SAME_WISH = 0.2  # seconds: a person who presses Ctrl-C again is not that quick
_SLICE = 0.2  # seconds: how late a wish to stop may be noticed while waiting
_PAUSES = (1.0, 2.0, 5.0, 10.0, 15.0)
_LONGEST_PAUSE = 30.0
_SHORTEST_PAUSE = 0.05


class Stop:
    """The wish to stop, by a signal: no new write starts. `signal` is its number, 0 without a wish."""

    def __init__(self) -> None:
        self.signal = 0
        self.at_once = False
        self._asked_at = 0.0

    def ask(self, signal: int) -> None:
        """Stop as soon as the writes in flight have ended; at once if asked again.

        `timeout` signals the process and then its group: two signals at nearly the same time are one wish.
        """
        now = time.monotonic()
        self.at_once |= self.signal != 0 and now - self._asked_at > SAME_WISH
        self._asked_at = self._asked_at if self.signal else now
        self.signal = signal

    def sleep(self, seconds: float) -> None:
        """Sleep; a wish to stop ends it."""
        ends_at = time.monotonic() + seconds
        while not self.signal and (seconds_left := ends_at - time.monotonic()) > 0:
            time.sleep(min(seconds_left, _SLICE))


def wait_until(
    condition: Callable[[], bool],
    seconds: float,
    *,
    stop: Stop,
    clock: Callable[[], float],
    sleep: Callable[[float], object],
    waiting: Callable[[float], None] = lambda seconds: None,
) -> None:
    """Ask `condition`, now and after ever longer pauses, until it is true, the seconds are over, or somebody wishes to stop.

    It is asked once more when the seconds are over: only that last read may prove an absence. `waiting` is called before the
    first pause, with how long it may take.
    """
    ends_at = clock() + seconds
    for number, pause in enumerate(chain(_PAUSES, repeat(_LONGEST_PAUSE))):
        over = clock() >= ends_at
        if condition() or over or stop.signal:
            return
        remaining = ends_at - clock()
        if number == 0:
            waiting(remaining)
        sleep(min(pause, max(remaining, _SHORTEST_PAUSE)))
