"""When the next request may start, on a clock that only sleeping moves."""

import threading
import time

import pytest

from exolink_reconcile.live import pace
from exolink_reconcile.live.pace import MAX_PAUSE, Pace


class Clock:
    """Time that stands still until somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def starts(pace: Pace, clock: Clock, count: int) -> list[float]:
    """When each of so many requests starts, from now."""
    begin = clock.now
    return [round(pace.wait(clock.sleep) - begin, 4) for _ in range(count)]


def test_nobody_waits_for_an_origin_that_never_refused(clock: Clock) -> None:
    """The first request and all others start at once."""
    assert starts(Pace(), clock, 3) == [0.0, 0.0, 0.0]
    assert clock.slept == []


def test_a_pause_holds_every_request(clock: Clock) -> None:
    """Nothing starts before its end; what starts after it does not wait."""
    pace = Pace()
    assert pace.pause(5.0)
    assert starts(pace, clock, 2) == [5.0, 5.0]
    assert clock.slept == [5.0]


def test_after_a_pause_each_request_has_one_turn(clock: Clock) -> None:
    """The one whose turn is the end of the pause takes no more than that: the next starts one distance later."""
    pace = Pace()
    pace.refused(clock.now)
    assert pace.pause(5.0)
    assert starts(pace, clock, 3) == [5.0, 5.01, 5.02]


def test_a_shorter_pause_does_not_end_a_longer_one(clock: Clock) -> None:
    """Of two pauses the one that ends later counts."""
    pace = Pace()
    assert pace.pause(5.0) and pace.pause(1.0)
    assert starts(pace, clock, 1) == [5.0]


def test_a_pause_that_begins_while_waiting_counts(clock: Clock) -> None:
    """A request that waits for its turn sees a pause that another thread began meanwhile."""
    pace = Pace()
    pace.pause(1.0)

    def interrupted(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.slept) == 1:
            pace.pause(3.0)

    assert pace.wait(interrupted) == 1004.0
    assert clock.slept == [1.0, 3.0]


def test_pauses_without_end_are_not_waited_for(clock: Clock) -> None:
    """A request starts after ten waits, whatever begins meanwhile."""
    pace = Pace()
    pace.pause(1.0)

    def again(seconds: float) -> None:
        clock.sleep(seconds)
        pace.pause(1.0)

    assert pace.wait(again) == 1010.0


@pytest.mark.parametrize(("seconds", "paused"), [(MAX_PAUSE, True), (MAX_PAUSE + 0.5, False)])
def test_a_pause_is_bounded(clock: Clock, seconds: float, paused: bool) -> None:
    """A server that asks for longer is not waited for at all."""
    pace = Pace()
    assert pace.pause(seconds) is paused
    assert starts(pace, clock, 1) == [MAX_PAUSE if paused else 0.0]


def test_pauses_in_a_row_are_bounded_together(clock: Clock) -> None:
    """The bound counts from the first refusal, until a request is answered with something else."""
    pace = Pace()
    assert pace.pause(200.0)
    clock.sleep(200.0)
    assert not pace.pause(200.0)
    assert pace.pause(100.0)
    clock.sleep(100.0)
    assert not pace.pause(1.0)
    pace.accepted()
    assert pace.pause(200.0)


def test_each_refusal_doubles_the_distance(clock: Clock) -> None:
    """From 10 ms on, up to one second: all threads together start no faster."""
    pace = Pace()
    distances = []
    for _ in range(9):
        clock.now += 10.0
        pace.refused(clock.now)
        first, second = starts(pace, clock, 2)
        distances.append(round(second - first, 4))
    assert distances == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0]


def test_refusals_of_requests_that_were_under_way_together_count_once(clock: Clock) -> None:
    """Eight threads that are refused at one moment do not make the distance 256 times as long."""
    pace = Pace()
    for started in (1000.0, 999.5, 999.9):
        pace.refused(started)
    assert starts(pace, clock, 2) == [0.0, 0.01]
    clock.now += 1.0
    pace.refused(1000.0)  # started when the first refusal came: it is the next one
    assert starts(pace, clock, 3) == [0.0, 0.02, 0.04]


def test_good_answers_shorten_the_distance_until_there_is_none(clock: Clock) -> None:
    """By a hundredth each; what is below a millisecond is nothing."""
    pace = Pace()
    pace.refused(clock.now)
    pace.accepted()
    assert starts(pace, clock, 2) == [0.0, 0.0099]
    clock.now += 1.0
    answers = 1
    while starts(pace, clock, 2)[1]:
        pace.accepted()
        answers += 1
        clock.now += 1.0
    assert answers == 231 and 0.01 * 0.99**229 > 0.001 >= 0.01 * 0.99**230


def test_two_threads_do_not_get_the_same_turn() -> None:
    """A turn is given once, however many ask at one moment."""
    pace = Pace()
    pace.refused(time.monotonic())
    turns: list[float] = []
    threads = [threading.Thread(target=lambda: turns.append(pace._claim())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(turns)) == 8
