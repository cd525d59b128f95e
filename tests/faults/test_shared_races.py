"""Machines that share a state and start at the same moment: clocks apart, other homes, kills, a database that restarts."""

import contextlib
import random
import threading
from collections.abc import Callable

import postgres_server
import pytest

from . import bench as benches
from .bench import Bench, Ran, fleet, seldom
from .server import duplicates

SKEWED = """
if "exolink_reconcile" in " ".join(sys.orig_argv):
    import os, time
    skew, real = float(os.environ.get("SKEW", "0")), time.time
    time.time = lambda: real() + skew
"""
NAMES = [f"B{number}" for number in range(6)]


def backends(url: str, *, removed: int = 0) -> str:
    """A document that declares the backends, but for the first few, which are removed."""
    entries = "".join(f"  - {{displayName: {name}, url: 'wss://{url}/', interval: 30}}\n" for name in NAMES[removed:])
    gone = "".join(f"  - {{cpms: {name}}}\n" for name in NAMES[:removed])
    return f"tenant: acme\ncpms:\n{entries}" + (f"removed:\n{gone}" if gone else "")


CASES = {
    "the same creates": (backends("one"), backends("one")),
    "opposite updates": (backends("one"), backends("two")),
    "deletes against updates": (backends("one", removed=4), backends("two")),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("number", [0, *seldom(*range(1, 30))])
def test_two_machines_start_together(
    start_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, case: str, number: int
) -> None:
    """One of them works and the other is locked out, or they go one after the other: the end is what one declares."""
    monkeypatch.setattr(benches, "SHORT_LEASES", benches.SHORT_LEASES + SKEWED)
    server, bench = postgres_server.server(), start_bench()
    bench.state_url = server.url(server.new_database())
    if case != "the same creates":
        bench.may_delete = {bench.world.add("acme", "cpms", displayName=name, url="wss://old/") for name in NAMES}
    choice = random.Random(number)
    running = []
    for machine, document in zip("ab", CASES[case], strict=True):
        bench.write(f"{machine}.yaml", document)
        (bench.folder / machine).mkdir()
        waits = choice.choice(("0", "30"))
        running.append(
            bench.start(
                "apply", "--auto-approve", "--allow-deletes", "4", "--lock-timeout", waits, f"{machine}.yaml",
                env={"HOME": str(bench.folder / machine), "SKEW": str(choice.choice((-3600, 0, 3600)))},
            )
        )  # fmt: skip
    ended = [process.finish() for process in running]
    report = "\n\n".join(ran.report for ran in ended)
    for ran in ended:
        assert "Traceback" not in ran.text and ran.code in (0, 5, 6, 7, 8), report
    assert any(ran.code == 0 for ran in ended) and duplicates(bench.world) == [], report
    states = {tuple((name, f"wss://{url}/") for name in NAMES[removed:]) for url, removed in (("one", 0), ("one", 4), ("two", 0))}  # fmt: skip
    live = tuple(sorted((row["displayName"], row["url"]) for row in bench.world.live("acme", "cpms")))
    assert live in states, f"{live}\n{report}"


def soak(start_bench: Callable[..., Bench], seed: int, applies: int, *, processes: int = 8) -> None:
    """So many applies on two tenants by so many processes at a time, a third of them killed, the database restarted."""
    choice, counting = random.Random(seed), threading.Lock()
    bench = start_bench(tenants=("acme", "beta"))
    with postgres_server.own_server() as server:
        bench.state_url = server.url(server.new_database())
        for tenant in ("acme", "beta"):
            for version in range(3):
                bench.write(f"{tenant}{version}.yaml", fleet(4 + 3 * version, tenant=tenant))
        left, ran = [applies], list[Ran]()

        def work() -> None:
            while True:
                with counting:
                    if not left[0]:
                        return
                    left[0] -= 1
                    file = f"{choice.choice(('acme', 'beta'))}{choice.randrange(3)}.yaml"
                    killed = choice.choice((None, None, choice.uniform(0.5, 3.0)))
                    restart = left[0] % 40 == 20
                    running = bench.start("apply", "--auto-approve", "--lock-timeout", "60", file)
                if restart:
                    server.stop()
                    server.start()
                if killed is not None:
                    with contextlib.suppress(Exception):
                        running.process.wait(killed)
                    running.process.kill()
                ran.append(running.finish(300))

        threads = [threading.Thread(target=work) for _ in range(processes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ran) == applies
        for finished in ran:
            assert "Traceback" not in finished.text and finished.code in (-9, 0, 4, 5, 6, 8, 9, 11), finished.report
        assert duplicates(bench.world) == []
        for tenant in ("acme", "beta"):
            last = bench.apply("--lock-timeout", "60", f"{tenant}2.yaml", code=None)
            assert last.code in (0, 9), last.report
            assert bench.apply("--lock-timeout", "60", f"{tenant}2.yaml", code=None).code == 0
            assert len(bench.world.live(tenant, "charger")) == 10
        assert bench.start("locks", "--format", "json").finish().json["locks"] == []


def test_a_short_soak(start_bench: Callable[..., Bench]) -> None:
    """Nothing is doubled and nothing stays locked, whatever is killed."""
    soak(start_bench, 7, 12, processes=4)


@pytest.mark.long
def test_a_soak(start_bench: Callable[..., Bench]) -> None:
    """A thousand applies by eight processes."""
    soak(start_bench, 1, 1_000)
