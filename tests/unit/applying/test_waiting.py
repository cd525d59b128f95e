"""Waiting for what a read does not show yet, with a clock that only moves when somebody sleeps."""

from exolink_reconcile.applying.waiting import Stop, wait_until


class Clock:
    """The time, and what was slept."""

    def __init__(self) -> None:
        self.now, self.sleeps = 100.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


def test_it_ends_as_soon_as_the_condition_holds() -> None:
    """It is asked at once, then after ever longer pauses; how long it may take is said once, before the first."""
    clock, asked, announced = Clock(), list[float](), list[float]()

    def third_time() -> bool:
        asked.append(clock.now)
        return len(asked) == 3

    wait_until(third_time, 90.0, stop=Stop(), clock=clock, sleep=clock.sleep, waiting=announced.append)
    assert (asked, announced) == ([100.0, 101.0, 103.0], [90.0])


def test_it_is_asked_once_more_when_the_time_is_over() -> None:
    """Only what a read after the whole window lacks may be taken for absent."""
    clock, asked = Clock(), list[float]()

    def never() -> bool:
        asked.append(clock.now)
        return False

    wait_until(never, 10.0, stop=Stop(), clock=clock, sleep=clock.sleep)
    assert asked[-1] >= 110.0 and asked[-2] < 110.0


def test_who_wishes_to_stop_waits_no_longer() -> None:
    """After a signal one more read is made, and nothing is waited for."""
    clock, stop = Clock(), Stop()
    stop.ask(2)
    wait_until(lambda: False, 90.0, stop=stop, clock=clock, sleep=clock.sleep)
    assert clock.sleeps == [] and stop.signal == 2 and not stop.at_once
