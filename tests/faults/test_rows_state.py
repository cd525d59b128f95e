"""The state folder while others have their hands on it: locks and journals that go, clocks, folders of others."""

import json
import shutil
import time
from collections.abc import Callable

import pytest

from . import server as fs
from .bench import Bench, fleet, live_chargers, wait_for
from .server import Hit


def answers_late(seconds: float) -> fs.Fault:
    """It does what it is asked at once, and keeps the answer to itself for a while."""

    def fault(hit: Hit) -> None:
        reply = hit.commit()
        time.sleep(seconds)
        hit.send(*reply)

    return fault


def held_writes(bench: Bench) -> Callable[[], bool]:
    return lambda: sum(exchange.is_write for exchange in bench.server.log) >= 1


@pytest.fixture
def slow(bench: Bench) -> Bench:
    """An apply of 30 chargers, each of whose writes takes a moment."""
    bench.write("exolink.yaml", fleet(30))
    bench.server.on(lambda hit: hit.method == "POST", answers_late(0.2))
    return bench


def test_row_A8_the_lock_goes_while_an_apply_works(slow: Bench) -> None:
    """It stops before its next write, 8, and says so; a second apply gets in, and nothing is made twice."""
    first = slow.start("apply", "--auto-approve")
    wait_for(held_writes(slow))
    shutil.rmtree(slow.state / "locks")
    second = slow.start("apply", "--auto-approve", "--lock-timeout", "20")
    ran = first.finish()
    slow.check(ran, {8, 9})
    assert "E-LOCK-LOST" in ran.text and 1 <= len(ran.writes) < 30, ran.report
    slow.check(second.finish())
    slow.converge()
    assert len(live_chargers(slow.world)) == 30


def test_row_A9_the_state_goes_while_an_apply_works(slow: Bench) -> None:
    """An intent that is on no disk protects nobody: no further write, 11."""
    first = slow.start("apply", "--auto-approve")
    wait_for(held_writes(slow))
    shutil.rmtree(slow.state)
    ran = first.finish()
    slow.check(ran, {11, 9})
    assert "removed or replaced" in ran.text and 1 <= len(ran.writes) < 30, ran.report
    slow.converge()
    assert len(live_chargers(slow.world)) == 30


def test_row_A13_the_state_was_lost_with_its_runner(bench: Bench) -> None:
    """A create that is still under way when a new runner with a new folder starts is not made again."""
    bench.write("exolink.yaml", fleet(3))
    bench.server.on(fs.to("POST"), fs.kill_late(1.0))
    bench.apply(code=-9)
    shutil.rmtree(bench.state)
    bench.server.heal()
    ran = bench.apply(code=0, env={"CI": "true"})
    assert "Waiting" in ran.err and "is new" in ran.err
    assert live_chargers(bench.world) == ["CP-001", "CP-002", "CP-003"]
    bench.write("exolink.yaml", fleet(4))
    assert "is new" not in bench.apply(code=0, env={"CI": "true"}).err
    bench.empty()


@pytest.mark.parametrize("state", [".", "shared"])
def test_a_folder_that_was_there_keeps_its_mode(bench: Bench, state: str) -> None:
    """The user's folder, a shared one: what it may be read by is not ours to change."""
    bench.write("exolink.yaml", fleet(1))
    (bench.folder / "shared").mkdir()
    (bench.folder / "shared").chmod(0o2775)
    bench.folder.chmod(0o755)
    bench.apply("--state", state, code=0)
    assert bench.folder.stat().st_mode & 0o7777 == 0o755
    assert (bench.folder / "shared").stat().st_mode & 0o7777 == 0o2775


def test_row_E12_a_state_that_a_pull_request_brought(bench: Bench) -> None:
    """Apply refuses it, 11, before any request; plan says that it does not believe it, and goes on."""
    bench.write("exolink.yaml", fleet(1))
    bench.apply("--state", "repo/state", code=0)
    bench.write("repo/.git", "gitdir: elsewhere")
    (bench.folder / "link").symlink_to("repo/state")
    bench.write("exolink.yaml", fleet(2))
    for state in ("repo/state", "link"):
        ran = bench.apply("--state", state, code=11)
        assert "E-STATE-UNSAFE" in ran.err and ran.log == []
        plan = bench.plan("--state", state, code=0)
        assert "Note:" in plan.err and "1 to add" in plan.out


def test_row_D12_times_have_a_zone(bench: Bench) -> None:
    """What is unknown is dated in UTC."""
    bench.write("exolink.yaml", fleet(1))
    bench.server.on(lambda hit: hit.method == "POST", fs.timeout_before)
    bench.apply(code=9)
    ran = bench.run("unknowns", "--format", "json", code=0)
    [unknown] = json.loads(ran.out)["unknowns"]
    assert unknown["when"].endswith("Z") and unknown["when"] in bench.open_unknowns()
