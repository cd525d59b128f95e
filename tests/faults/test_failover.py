"""The database fails over to a standby that lacks its last commits, beside a real apply. The log of the API is the judge."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import postgres_server
import pytest

from . import server as fs
from .bench import LATE, Bench, fleet, live_chargers
from .server import Hit
from .test_shared_state import Gate, start

FLEET = [f"CP-{number:03}" for number in range(1, 7)]
NOTICED = "Another server than before answers"


@dataclass
class Site:
    """The command, and a database with a standby as its only memory."""

    bench: Bench
    primary: postgres_server.Server
    standby: postgres_server.Server

    def stop_following(self, hit: Hit | None = None) -> None:
        """From now on what the primary confirms is lost when the standby takes over. (A fault, too.)"""
        self.standby.stop_following(self.primary)

    def fail_over(self) -> None:
        self.standby.take_over(self.primary)


@pytest.fixture
def site(start_bench: Callable[..., Bench]) -> Iterator[Site]:
    postgres_server.server()
    bench = start_bench()
    bench.write("exolink.yaml", fleet(len(FLEET)))
    with postgres_server.pair() as (primary, standby):
        bench.state_url = postgres_server.url_of_either((primary, standby), primary.new_database())
        yield Site(bench, primary, standby)


@pytest.mark.parametrize("how", ["late", pytest.param("after", marks=pytest.mark.long)])
def test_the_memory_of_a_killed_apply_is_lost(site: Site, how: str) -> None:
    """Its write may still be on its way: the next apply sees that another server answers and waits, once."""
    site.stop_following()
    kill = {"late": fs.kill_late(LATE), "after": fs.kill_after}[how]
    site.bench.server.on(fs.nth_write(1), kill, times=1)
    site.bench.apply(code=-9)
    site.fail_over()
    ran = site.bench.apply(code=0)
    assert NOTICED in ran.err and live_chargers(site.bench.world) == FLEET
    assert NOTICED not in site.bench.apply(code=0).err


def test_the_memory_of_a_running_apply_is_lost(site: Site) -> None:
    """It writes nothing after it noticed, and says why; the next one waits and finishes, and nothing is made twice."""
    gate = Gate()
    site.bench.server.on(fs.nth_write(0), site.stop_following, times=1)
    site.bench.server.on(fs.nth_write(2), gate, times=1)
    try:
        running = start(site.bench, gate)
        site.fail_over()
    finally:
        gate.opened.set()
    ran = running.finish()
    site.bench.check(ran, (8, 9, 11))
    assert "has forgotten writes of this run" in ran.text or "E-LOCK-LOST" in ran.text, ran.report
    assert len(ran.writes) == 3, ran.report
    later = site.bench.apply(code=0)
    assert NOTICED in later.err and live_chargers(site.bench.world) == FLEET
