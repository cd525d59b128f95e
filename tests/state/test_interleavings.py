"""Runs that share a database, their steps in any order: leases that end, are broken, processes that die or stand still.

A failing schedule prints its seed; `SEEDS` then gets it, so that it is a test from then on.
"""

import contextlib
import random
import time
from dataclasses import dataclass, field

import postgres_server
import pytest

from exolink_reconcile.errors import Locked
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, Outcome, Status, Step
from exolink_reconcile.resource import Address
from exolink_reconcile.state import database_url

pytest.importorskip("psycopg")
from exolink_reconcile.state import leases  # noqa: E402  # below importorskip
from exolink_reconcile.state.postgres import PostgresStore  # noqa: E402  # below importorskip

ORIGIN = "https://api.example.com"
CPMS = KINDS[1]
RUNS = 3
MOVES = 40
SEEDS = range(12)
LONG_SEEDS = range(1000, 1300)


@dataclass
class Run:
    """One process: its store, what it holds, and the writes whose intent was confirmed to it."""

    store: PostgresStore
    holding: contextlib.ExitStack | None = None
    token: int = 0
    confirmed: list[Step] = field(default_factory=list)


class World:
    """A database, and runs that come and go."""

    def __init__(self, seed: int) -> None:
        server = postgres_server.server()
        self.name = server.new_database()
        self.server, self.database = server, database_url.parse(server.url(self.name))
        self.random = random.Random(seed)
        self.runs = [self.start() for _ in range(RUNS)]
        self.newest = 0
        self.names = 0
        self.confirmed: dict[str, int] = {}

    def start(self) -> Run:
        return Run(PostgresStore(self.database, ORIGIN))

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        return self.server.sql(statement, self.name)

    def move(self) -> None:
        run = self.random.choice(self.runs)
        moves = [self.take, self.intend, self.intend, self.send, self.settle, self.beat, self.release]
        moves += [self.expire, self.break_, self.die, self.stand_still]
        self.random.choice(moves)(run)

    # What a run does.

    def take(self, run: Run) -> None:
        if run.holding is not None:
            return
        holding = contextlib.ExitStack()
        try:
            holding.enter_context(run.store.hold(["acme"], 0.0, lambda sentence: None))
        except Locked:
            return
        run.holding, run.token = holding, run.store._leases.tokens["acme"]
        assert run.token > self.newest, "a token that was given out before"
        self.newest = run.token

    def intend(self, run: Run) -> None:
        if run.holding is None:
            return
        self.names += 1
        step = Step(Action.CREATE, Address("acme", "cpms", f"N{self.names}"), CPMS, "declared", None)
        try:
            run.store.intend(step, {}, {})
        except Locked:
            return
        assert run.token == self.newest, "an intent was confirmed to a run whose lock somebody else has"
        run.confirmed.append(step)
        self.confirmed[step.address.name] = run.token

    def send(self, run: Run) -> None:
        if run.holding is None or not run.confirmed:
            return
        with contextlib.suppress(Locked):
            run.store._fresh.clear()
            run.store.sending(self.random.choice(run.confirmed))
            assert run.token == self.newest, "an attempt was confirmed to a run whose lock somebody else has"

    def settle(self, run: Run) -> None:
        if run.confirmed:
            step = run.confirmed.pop(self.random.randrange(len(run.confirmed)))
            run.store.settle([Outcome(step, self.random.choice([Status.DONE, Status.UNKNOWN]))])

    def beat(self, run: Run) -> None:
        if run.holding is not None:
            lost = run.store._leases.renew(time.monotonic())
            assert lost or run.token == self.newest

    def release(self, run: Run) -> None:
        if run.holding is not None:
            run.holding.close()
            run.holding = None

    # What happens to it.

    def expire(self, run: Run) -> None:
        self.sql("UPDATE exolink.lease SET expires = clock_timestamp() - interval '1 second'")

    def stand_still(self, run: Run) -> None:
        if run.holding is not None:
            run.store._leases.deadline = time.monotonic() - 1

    def break_(self, run: Run) -> None:
        for lease in run.store.leases():
            run.store.break_lease(lease, "a test")

    def die(self, run: Run) -> None:
        """Nothing is given back."""
        run.store._leases._stop.set()
        run.store._leases.tokens, run.store._leases.deadline = {}, None
        run.store._link.close()
        run.store._leases._heart.close()
        self.runs[self.runs.index(run)] = self.start()

    # What must hold.

    def check(self) -> None:
        rows = self.sql("SELECT name, token FROM exolink.op ORDER BY number")
        tokens = [int(str(token)) for _, token in rows]
        assert tokens == sorted(tokens), "an intent with an old token stands after one with a newer"
        live = {row[0]: row[1] for row in rows}
        assert {name: live.get(name) for name in self.confirmed} == self.confirmed, "a confirmed intent is not there"

    def close(self) -> None:
        for run in self.runs:
            run.store.close()


@pytest.fixture(autouse=True)
def no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """It beats when the schedule says so."""
    monkeypatch.setattr(leases, "HEARTBEAT", 3600.0)


@pytest.mark.parametrize("seed", [*SEEDS, *(pytest.param(seed, marks=pytest.mark.long) for seed in LONG_SEEDS)])
def test_any_order(seed: int) -> None:
    """No intent is confirmed to a run that lost its lock, none with an old token follows a newer one, none is lost."""
    world = World(seed)
    try:
        for _ in range(MOVES):
            world.move()
        world.check()
    finally:
        world.close()
