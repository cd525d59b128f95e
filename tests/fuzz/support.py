"""What the harnesses share: how one is started, and how long an input may take."""

import sys
import time
from collections.abc import Callable

import atheris

SLOW = 5.0


def timed(judge: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """`judge`, which must come to an end in bounded time."""

    def one(data: bytes) -> None:
        started = time.monotonic()
        judge(data)
        took = time.monotonic() - started
        assert took < SLOW, f"{len(data)} bytes took {took:.1f} s"

    return one


def fuzz(judge: Callable[[bytes], None]) -> None:
    """Hand `judge` bytes until the time given on the command line is over; what it raises is a finding."""
    atheris.Setup(sys.argv, timed(judge))
    atheris.Fuzz()
