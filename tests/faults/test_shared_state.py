"""The fault server, a shared state and no folder of one's own: machines that come and go. Its log is the judge."""

import signal
import threading
from collections.abc import Callable, Iterator
from typing import cast

import postgres_server
import pytest

from exolink_reconcile.state import store

from . import server as fs
from .bench import LATE, PASSWORD, TOKEN, Bench, Running, bystanders, fleet, live_chargers, seldom, twelve, wait_for
from .server import Hit


@pytest.fixture
def shared(start_bench: Callable[..., Bench]) -> Iterator[Bench]:
    """The command, a world, a file with 12 steps, and a database of its own as the only memory.

    Neither the token nor a password of the YAML is in any row of it afterwards.
    """
    server = postgres_server.server()
    bench = twelve(start_bench())
    database = server.new_database()
    bench.state_url = server.url(database)
    yield bench
    tables = ("version", "lease", "op", "seen", "audit")
    rows = [str(row) for table in tables for row in server.sql(f"SELECT t::text FROM exolink.{table} AS t", database)]
    bases = server.sql("SELECT tenant, content FROM exolink.base", database)
    rows += [
        str(store.unpack_base(str(tenant), 0.0, bytes(content)))
        for tenant, content in cast(list[tuple[str, bytes]], bases)
    ]
    assert rows and not [row for row in rows if TOKEN in row or PASSWORD in row], "G9: a secret in the database"


class Gate:
    """A fault: what it is asked is done, and the answer comes when the gate opens."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, hit: Hit) -> None:
        reply = hit.commit()
        self.reached.set()
        self.opened.wait(100)
        hit.send(*reply)


@pytest.fixture
def gate(shared: Bench) -> Iterator[Gate]:
    """An apply of 20 chargers, one after the other, that gets no answer to its fourth write until the gate opens."""
    shared.write("exolink.yaml", fleet(20))
    made = Gate()
    shared.server.on(fs.nth_write(3), made, times=1)
    yield made
    made.opened.set()


def start(bench: Bench, gate: Gate) -> Running:
    running = bench.start("apply", "--auto-approve", "--parallelism", "1", "--timeout", "100")
    assert gate.reached.wait(60)
    return running


def made(bench: Bench) -> int:
    """How many of the fleet's chargers there are, each counted as often as it exists."""
    return sum(name.startswith("CP-0") for name in live_chargers(bench.world))


KILLS = {"before": fs.kill_before, "after": fs.kill_after, "answered": fs.kill_answered, "late": fs.kill_late(LATE)}
WRITES = 12
KEY_CELLS = [("late", 1), ("after", 4), ("before", 9), ("answered", 11)]
CELLS = [(how, number) for how in KILLS for number in range(WRITES)]


@pytest.mark.parametrize(("how", "number"), [*KEY_CELLS, *seldom(*(cell for cell in CELLS if cell not in KEY_CELLS))])
def test_killed_at_a_write(shared: Bench, how: str, number: int) -> None:
    """`kill -9` at any write, on a machine whose disk is lost: the next one makes nothing twice and finishes (G1, G2)."""
    before = bystanders(shared.world)
    shared.server.on(fs.nth_write(number), KILLS[how], times=1)
    may_end_before = (how, number) == ("answered", WRITES - 1)
    shared.apply(code=(-9, 0) if may_end_before else -9)
    shared.converge(applies=3)
    assert bystanders(shared.world) == before
    assert not shared.state.exists() and not [*(shared.folder / "home").rglob("journal.db")]


@pytest.mark.parametrize("place", ["postgres.PostgresStore.intend", *seldom("postgres.PostgresStore.settle", "postgres.PostgresStore.sending", "postgres.PostgresStore.answered")])  # fmt: skip
def test_killed_in_the_store(shared: Bench, place: str) -> None:
    """Between the commit of an intent and its request, and after each other statement of the store."""
    module, owner, method = place.split(".")
    code = f"""
import os, signal, sys
if "exolink_reconcile" in " ".join(sys.orig_argv):
    from exolink_reconcile.state import {module}
    original, calls = {module}.{owner}.{method}, []
    def dies(*args, **options):
        result = original(*args, **options)
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    {module}.{owner}.{method} = dies
"""
    from . import bench as benches

    patched = benches.SHORT_LEASES + code
    env = shared.patch(patched)
    try:
        benches.SHORT_LEASES, kept = patched, benches.SHORT_LEASES
        ran = shared.apply(code=None, env=env)
    finally:
        benches.SHORT_LEASES = kept
    assert ran.code in (-9, 0), ran.report
    shared.converge(applies=3)


def test_row_48_two_machines_at_once(shared: Bench, gate: Gate) -> None:
    """Of two applies one works and the other exits 8, or waits; nothing is made twice."""
    first = start(shared, gate)
    second = shared.apply("--lock-timeout", "0", code=8)
    assert "E-LOCKED" in second.err and "last seen" in second.err and second.log == []
    gate.opened.set()
    shared.apply(code=0)
    shared.check(first.finish(), 0)
    assert len(shared.server.writes) == 20 and made(shared) == 20


def test_row_49_the_holder_stands_still(shared: Bench, gate: Gate) -> None:
    """A machine that sleeps longer than its lease writes nothing after it woke; another one has gone on meanwhile."""
    first = start(shared, gate)
    first.signal(signal.SIGSTOP)
    second = shared.apply("--settle", "1", code=None)
    assert second.code in (0, 5, 9), second.report
    before = len(shared.server.writes)
    gate.opened.set()
    first.signal(signal.SIGCONT)
    ran = first.finish()
    assert ran.code in (8, 9) and "E-LOCK-LOST" in ran.text, ran.report
    assert len(shared.server.writes) == before, ran.report
    shared.converge(applies=3)
    assert made(shared) == 20


def test_the_lock_is_broken_while_an_apply_works(shared: Bench, gate: Gate) -> None:
    """It stops before its next write, 8, and what it sent is read back."""
    first = start(shared, gate)
    [lock] = shared.start("locks", "--format", "json").finish().json["locks"]
    for token, code in ((lock["token"] + 1, 7), (lock["token"], 0)):
        broke = shared.start("locks", "--break", "acme", "--token", str(token), "--reason", "it hangs").finish()
        assert broke.code == code, broke.report
    gate.opened.set()
    ran = first.finish()
    assert ran.code in (8, 9) and "E-LOCK-LOST" in ran.text and len(shared.server.writes) == 4, ran.report
    shared.converge(applies=3)
    assert made(shared) == 20


def test_the_store_is_not_there(shared: Bench) -> None:
    """apply is 11 before any request; plan shows the same plan as ever, with a note; history, locks, unknowns are 11."""
    url, shared.state_url = shared.state_url, "postgresql://u:pwcanary9e1b77@127.0.0.1:1/x"
    ran = shared.apply(code=11)
    assert ran.log == []
    away = shared.plan(code=0)
    assert "Note: what earlier runs left is not known" in away.err
    for command in ("history", "locks", "unknowns"):
        assert "E-STORAGE" in shared.run(command, code=11).err
    shared.state_url = url
    assert shared.plan(code=0).out == away.out


def test_an_interrupted_apply_frees_its_lock(shared: Bench, gate: Gate) -> None:
    """The lock is free as soon as the process has ended, not only when the lease is over."""
    first = start(shared, gate)
    first.signal(signal.SIGINT)
    wait_for(lambda: "Stopping" in first.printed())
    gate.opened.set()
    ran = first.finish()
    assert ran.code in (130, 9), ran.report
    assert shared.start("locks", "--format", "json").finish().json["locks"] == []
