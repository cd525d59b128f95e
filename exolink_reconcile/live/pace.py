"""When the next request to an origin may start: at once, until the origin throttles; then as fast as it lets us.

A pause alone is not enough: all threads come back at the same moment and most are refused again. So each refusal also
doubles the distance between the starts of two requests, and each good answer shortens it a little.
"""

import threading
import time
from collections.abc import Callable

MAX_PAUSE = 300.0
_FIRST_DISTANCE = 0.01
_LONGEST_DISTANCE = 1.0
_SHORTER = 0.99
_NONE_BELOW = 0.001
_NEVER = float("-inf")


class Pace:
    """The pace of one origin, shared by all threads. All times are in seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resume_at = _NEVER
        self._free_at = _NEVER
        self._distance = 0.0
        self._slowed_at = _NEVER
        self._refused_since: float | None = None

    def wait(self, sleep: Callable[[float], object]) -> float:
        """Wait for this request's turn, through pauses that begin meanwhile too; returns the time when it starts."""
        for _ in range(10):
            start = self._claim()
            if (seconds := start - time.monotonic()) > 0:
                sleep(seconds)
            if self._resume_at <= start:
                break
        return time.monotonic()

    def pause(self, seconds: float) -> bool:
        """Start no request for this long. False, without a pause, if the last good answer would be too long ago then."""
        now = time.monotonic()
        with self._lock:
            since = self._refused_since = now if self._refused_since is None else self._refused_since
            if now + seconds > since + MAX_PAUSE:
                return False
            self._resume_at = max(self._resume_at, now + seconds)
            return True

    def refused(self, started: float) -> None:
        """Note that a request that started then was refused. Requests that were under way together count once."""
        with self._lock:
            if started >= self._slowed_at:
                self._slowed_at = time.monotonic()
                self._distance = min(max(2 * self._distance, _FIRST_DISTANCE), _LONGEST_DISTANCE)

    def accepted(self) -> None:
        """Note that a request was answered with anything but a refusal."""
        if self._distance or self._refused_since is not None:
            with self._lock:
                self._refused_since = None
                self._distance = self._distance * _SHORTER if self._distance > _NONE_BELOW else 0.0

    def _claim(self) -> float:
        with self._lock:
            start = max(time.monotonic(), self._resume_at, self._free_at)
            self._free_at = start + self._distance
            return start
