"""Signals over the whole life of an apply: it ends, what it says is true, and the lock is free."""

import contextlib
import fcntl
import itertools
import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from . import server as fs
from .bench import Bench, Ran, fleet, wait_for

CODES = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}
COUNT = 14  # objects; a run sends about twice as many requests
REQUESTS = 2 * COUNT + 6
AFTER = -1  # not at a request: when the result begins to be told


@dataclass(frozen=True)
class Point:
    """Which signal comes when, to a run that tells what in which way to whom."""

    number: signal.Signals
    request: int
    format: str = "text"
    paused: bool = False

    def __str__(self) -> str:
        return f"{self.number.name}-{self.request}-{self.format}{'-paused' * self.paused}"


def some() -> Iterator[Point]:
    """A dozen: each signal early, in the middle, late and after the end, each format, each reader."""
    requests = [0, 2, 5, 12, REQUESTS - 6, AFTER]
    for (index, request), format in itertools.product(enumerate(requests), ("text", "json")):
        yield Point(list(CODES)[(index + (format == "json")) % 3], request, format, paused=index % 2 == 1)


def all_points() -> Iterator[Point]:
    for number, request, format, paused in itertools.product(
        CODES, (*range(REQUESTS), AFTER), ("text", "json"), (False, True)
    ):
        yield Point(number, request, format, paused)


@pytest.fixture
def bench(bench: Bench) -> Bench:
    bench.settle, bench.timeout = 0.5, 5.0
    bench.write("exolink.yaml", fleet(COUNT))
    return bench


@pytest.mark.parametrize("point", list(some()), ids=str)
def test_row_C1_a_dozen_moments(bench: Bench, point: Point) -> None:
    """Wherever a signal meets a run, and whether or not somebody reads what it says: it ends, and tells the truth."""
    sweep(bench, point)


def test_row_C1_the_lock_is_free_while_a_reader_pauses(bench: Bench) -> None:
    """Who pauses a pager holds up neither the writes nor the next apply; what it did not take yet comes afterwards."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with os.fdopen(reader, "rb") as pager:
        with os.fdopen(writer, "wb") as stdout:
            paused = bench.start("apply", "--auto-approve", "--format", "json", stdout=stdout)
        assert b'"version"' in os.read(reader, 512)
        wait_for(lambda: len(bench.world.live("acme", "charger")) == COUNT, timeout=60)
        bench.apply("--lock-timeout", "60")
        assert paused.process.poll() is None
        result = json.loads(pager.read().splitlines()[-1])
    bench.check(paused.finish(), 0)
    assert (result["type"], result["exit_code"]) == ("result", 0)


@pytest.mark.long
@pytest.mark.parametrize("point", list(all_points()), ids=str)
def test_row_C2_every_moment(bench: Bench, point: Point) -> None:
    """The same at each request of a run, and when its result is being told."""
    sweep(bench, point)


def sweep(bench: Bench, point: Point) -> None:
    """Run an apply to its end, with a signal on the way; judge what it said; then finish the work."""
    with interrupted(bench, point) as ran:
        assert ran.code in (0, 9, CODES[point.number]), ran.report
        live = len(bench.world.live("acme", "charger"))
        if not ran.writes:
            assert live == 0 and ran.code == CODES[point.number], ran.report
        if ran.code == 0:
            assert live == COUNT, ran.report
        if ran.code != 9:
            assert bench.open_unknowns() == "No write is unknown.\n", ran.report
        if point.format == "json" and not point.paused:
            judge_events(ran, live)
        elif not point.paused:
            judge_text(ran, live)
    bench.converge()


def judge_events(ran: Ran, live: int) -> None:
    result = json.loads(ran.out.splitlines()[-1])
    assert (result["type"], result["exit_code"]) == ("result", ran.code), ran.report
    if ran.code != 9:
        assert result["unknown"] == [] and result["changes"]["add"] == live, ran.report


def judge_text(ran: Ran, live: int) -> None:
    assert ("Nothing was written" in ran.text) <= (not ran.writes), ran.report
    assert ("Apply complete!" in ran.out) == (ran.code == 0), ran.report
    assert not ("Apply complete!" in ran.out and "nterrupted. N" in ran.text), ran.report
    if ran.writes and ran.code != 9:
        assert f"Resources: {live} added" in ran.out, ran.report


@contextlib.contextmanager
def interrupted(bench: Bench, point: Point) -> Iterator[Ran]:
    """An apply that gets the signal of a point. Whoever pauses takes the start of the output, and then no more."""
    sent = threading.Event()

    def send(hit: fs.Hit) -> None:
        running.signal(point.number)
        sent.set()

    if point.request != AFTER:
        bench.server.on(lambda hit: hit.index >= point.request and not sent.is_set(), send)
    ends: list[int] = []
    stdout = None
    if point.paused:
        ends = list(os.pipe())
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
        stdout = os.fdopen(ends[1], "wb")
    running = bench.start("apply", "--auto-approve", "--format", point.format, stdout=stdout)
    if stdout is not None:
        stdout.close()
        threading.Thread(target=read_some, args=(ends[0], sent), daemon=True).start()
    if point.request == AFTER:
        told = "Resources: " if point.format == "text" else '"apply"'
        wait_for(
            lambda: running.process.poll() is not None or told in running.printed() or len(bench.server.writes) == COUNT
        )
        with contextlib.suppress(ProcessLookupError):
            running.signal(point.number)
    try:
        ran = running.finish()
        bench.check(ran)
        yield ran
    finally:
        for end in ends[:1]:
            os.close(end)


def read_some(descriptor: int, sent: threading.Event) -> None:
    """Read as a pager does: until the signal was sent, and then no more."""
    with contextlib.suppress(OSError):
        while not sent.is_set() and os.read(descriptor, 512):
            pass


@pytest.mark.parametrize("number", list(CODES), ids=lambda number: number.name)
def test_row_C5_what_was_ignored_stays_ignored(bench: Bench, number: signal.Signals) -> None:
    """A signal that was ignored when the run began (`nohup`) is not listened to."""
    bench.server.on(fs.writes, lambda hit: running.signal(number))
    running = bench.start("apply", "--auto-approve", preexec=lambda: signal.signal(number, signal.SIG_IGN))
    ran = running.finish()
    bench.check(ran, 0)
    assert len(bench.world.live("acme", "charger")) == COUNT
