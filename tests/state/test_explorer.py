"""Two applies of one plan that share a database, interleaved at every request to the store and to the API.

The real command runs twice, each in a thread of its own, over one world and one database; only time is made up. At each
point, right before a statement of the store or a request to the API, a run waits for the baton. A schedule says at which
point of the first run the second one starts, at which point of that one the first goes on, and what befalls the one that
is left there: nothing, it dies before or after what it was about to do, or it stands still for longer than its lease. A
write of the API that was about to go then is on its way, and takes effect before the settle window is over.

Nothing is ever there twice, nothing is deleted that no plan names, no intent with an old token stands after one with a
newer, and the next apply finishes. A schedule that fails is printed; in `FAILED` it is a test from then on.

Where the runs are waves of one reviewed plan, nothing outside of its wave is written by any of them, and what is left is
counted as the world says; the waves go on afterwards, each in its turn, until the plan is done.
"""

import contextlib
import functools
import os
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from unittest.mock import patch

import httpx
import postgres_server
import pytest
from support_apply import ORIGIN, Clock, Killed, Written
from support_pipeline import CONTRACT_TEXT, OPTIONS, contract_of, pipeline, read_yaml
from world import WRITES, Request, World

from exolink_reconcile import globs
from exolink_reconcile.applying.settings import Settings
from exolink_reconcile.applying.waiting import Stop
from exolink_reconcile.cli.apply import Apply
from exolink_reconcile.cli.options import Options
from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import PlanStale, ReconcileError
from exolink_reconcile.live.api import Api
from exolink_reconcile.pipeline import Wanted
from exolink_reconcile.planning import digest
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.saved_plan import writer
from exolink_reconcile.state import database_url, homes
from exolink_reconcile.state.database_url import Database

pytest.importorskip("psycopg")
from exolink_reconcile.state import connection, leases  # noqa: E402  # below importorskip
from exolink_reconcile.state.postgres import PostgresStore  # noqa: E402  # below importorskip

WINDOW = 90.0
STANDSTILL = leases.LEASE + 1.0
ON_ITS_WAY = 10.0  # seconds more after which a write that was about to go takes effect
EVENTS = ("", "dies before", "dies after", "stands still")
KEYS = {"cpms": "displayName", "charger": "identity"}
PLANS = {
    "one wave": """
tenant: acme
cpms:
  - {displayName: A, url: "wss://a.example/", interval: 30}
  - {displayName: B, url: "wss://a.example/", interval: 30}
  - {displayName: C, url: "wss://a.example/", interval: 30}
  - {displayName: Changed, url: "wss://new.example/", interval: 30}
removed:
  - {cpms: Gone}
""",
    "two waves": """
tenant: acme
cpms:
  - {displayName: A, url: "wss://a.example/", interval: 30}
  - {displayName: B, url: "wss://a.example/", interval: 30}
chargers:
  - {identity: C, displayName: Left, profileId: 1}
  - {identity: Changed, displayName: New, profileId: 1}
removed:
  - {cpms: Gone}
""",
}
# Plans that somebody reviewed, and which wave of it each of the two runs takes. The delete goes in the last wave.
WAVES = {
    "a wave each": ("acme/cpms/*", "acme/charger/*"),
    "the other wave first": ("acme/charger/*", "acme/cpms/*"),
    "the same wave": ("acme/cpms/*", "acme/cpms/*"),
}
PLANS_OF_WAVES = dict.fromkeys(WAVES, PLANS["two waves"])
NEVER = 10_000


class Schedule(NamedTuple):
    """The second run starts at point `first` of the first one, which goes on at point `second` of the second."""

    plan: str
    first: int
    event: str = ""
    second: int = NEVER
    event_of_second: str = ""


FAILED: list[Schedule] = []


@dataclass
class Run:
    """One process."""

    name: str
    database: Database
    wave: str = ""  # of the reviewed plan; empty: the whole of what is declared
    points: int = 0
    writes: list[int] = field(default_factory=list)  # the points at which it was about to write to the API
    dead: bool = False
    dies_after: bool = False
    ended: bool = False
    result: Exit | ReconcileError | None = None
    text: str = ""
    store: PostgresStore | None = None
    on_its_way: "Underway | None" = None
    wrote: list[str] = field(default_factory=list)  # addresses

    @property
    def is_over(self) -> bool:
        """Whether nothing is left for a run like this one."""
        return self.result is Exit.DONE or (isinstance(self.result, PlanStale) and self.result.code == "E-APPLIED")


@dataclass
class Underway:
    """A request of the API that was about to go when its run stood still, and its answer once it took effect."""

    send: Callable[[], Any]
    left: float
    answer: Any = None


@dataclass
class Explorer:
    """A world, a database, and one schedule."""

    schedule: Schedule
    server: postgres_server.Server
    name: str
    world: World = field(default_factory=World)
    clock: Clock = field(default_factory=Clock)
    runs: list[Run] = field(default_factory=list)
    turn: int = 0
    wrong: list[str] = field(default_factory=list)
    bystander: int = 0

    def __post_init__(self) -> None:
        self.baton = threading.Condition()
        self.threads: dict[int, Run] = {}
        self.may_go, self.bystander = populate(self.world)
        self.clock.passed = lambda: None
        self.clock.sleep = self.sleep  # type: ignore[method-assign]  # a stand-in for this test

    # ----------------------------------------------------------------------------------------------------------- runs

    def explore(self) -> None:
        with self.patched():
            waves = WAVES.get(self.schedule.plan, ("", ""))
            self.runs = [self.run(name, wave) for name, wave in zip(("first", "second"), waves, strict=True)]
            threads = [threading.Thread(target=self.work, args=(run,), daemon=True) for run in self.runs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive(), f"{self.schedule}: a run hangs"
            self.deliver(NEVER)
            self.pass_time(STANDSTILL)
            if all(waves):
                self.finish("a later wave", sorted(set(waves)) if len(set(waves)) > 1 else [*waves, "acme/charger/*"])
            self.check(self.finish("last", [""]))

    def run(self, name: str, wave: str) -> Run:
        return Run(name, database_url.parse(self.server.url(self.name)), wave)

    def finish(self, name: str, waves: Sequence[str]) -> Run:
        """Runs that nothing befalls, each wave in its turn, until nothing is left; returns the last."""
        for wave in [*waves] * 3:
            last = self.run(name, wave)
            self.runs.append(last)
            self.turn = len(self.runs) - 1
            self.work(last)
            self.count_left(last)
            if last.is_over:
                break
        else:
            self.wrong.append(f"{name} does not finish")
        return last

    def work(self, run: Run) -> None:
        self.threads[threading.get_ident()] = run
        console = Written()
        console.quiet = True
        values: dict[str, Any] = {
            **dict.fromkeys(Options.__dataclass_fields__, None),
            "api_url": ORIGIN,
            "parallelism": 1,
            "timeout": 5.0,
            "paths": ("exolink.yaml",),
            "state": "",
            "lock_timeout": 0.0,
            "settle": WINDOW,
            **dict.fromkeys(("target", "exclude", "allow_replace", "allow_shrunk", "allow_unreachable"), ()),
        }
        options = Options(**values)
        try:
            self.await_turn(run)
            if run.wave:
                apply = Apply(console, False, None, self.schedule.plan, "text", waves=(run.wave,))
            else:
                apply = Apply(console, True, None, None, "text")
            run.result = apply.run(options, ())
        except Killed:
            pass
        except ReconcileError as error:
            run.result = error
        finally:
            run.ended, run.text = True, "".join(console.lines)
            with self.baton:
                if self.turn < 2:
                    self.turn = next((n for n, other in enumerate(self.runs) if not other.ended), self.turn)
                self.baton.notify_all()

    @contextlib.contextmanager
    def patched(self) -> Iterator[None]:
        def wanted(options: Options, console: Any, **more: Any) -> Wanted:
            return Wanted(
                ORIGIN, desired(self.schedule.plan), contract_of(CONTRACT_TEXT), CONTRACT_TEXT, Choices(may_infer=True)
            )

        with contextlib.ExitStack() as patches:
            for target, new in (
                ("state.leases.time", self.clock),
                ("state.leases.HEARTBEAT", 3600.0),
                ("state.group_commit.LINGER", 3600.0),  # an answer is on record with the next intent, as late as can be
                ("state.postgres.time", self.clock),
                ("cli.apply.Settings", functools.partial(Settings, sleep=self.clock.sleep, clock=self.clock.monotonic)),
                ("cli.start.connected", self.connected),
                ("files.read", lambda path, *more: reviewed(path)),
                ("cli.start.wanted", wanted),
                ("cli.apply.Stop", Stop),
                ("state.homes.home", lambda state, environment: Opened(self.threads[threading.get_ident()])),
                ("state.postgres.PostgresStore.sending", self.sending(PostgresStore.sending)),
                ("state.connection.Link.ask", self.asking(connection.Link.ask)),
                ("state.connection.Link.transaction", self.transacting(connection.Link.transaction)),
            ):
                patches.enter_context(patch(f"exolink_reconcile.{target}", new))
            yield

    @contextlib.contextmanager
    def connected(self, *args: Any) -> Iterator[Api]:
        run = self.threads[threading.get_ident()]
        transport = functools.partial(Transport, self, run)
        with Api(ORIGIN, token=self.world.token, parallelism=1, transport=transport, sleep=self.clock.sleep) as api:
            try:
                yield api
            finally:
                api.pool.shutdown(wait=True, cancel_futures=True)

    # --------------------------------------------------------------------------------------------------------- points

    def sending(self, sending: Any) -> Any:
        """Between an intent and the last look a process may stand still too."""

        def stamped(store: PostgresStore, *args: Any) -> Any:
            self.before(next(run for run in self.runs if run.store is store))
            return sending(store, *args)

        return stamped

    def asking(self, ask: Any) -> Any:
        def asked(link: connection.Link, *args: Any) -> Any:
            return self.at_point(self.run_of(link), lambda: ask(link, *args))

        return asked

    def transacting(self, transaction: Any) -> Any:
        @contextlib.contextmanager
        def transacted(link: connection.Link) -> Iterator[Any]:
            run = self.run_of(link)
            if run is None:
                with transaction(link) as database:
                    yield database
                return
            self.before(run)
            with transaction(link) as database:
                yield database
            self.after(run)

        return transacted

    def run_of(self, link: connection.Link) -> Run | None:
        """The run that uses a connection; None for its heartbeat, which beats when it sleeps."""
        run = next(run for run in self.runs if run.database is link.database)
        return None if run.store is not None and link is run.store._leases._heart else run

    def at_point(self, run: Run | None, do: Callable[[], Any], *, is_write: bool = False) -> Any:
        if run is None:
            return do()
        self.before(run, do if is_write else None)
        if run.on_its_way is not None and is_write:
            request, run.on_its_way = run.on_its_way, None
            result = self.effect(request)
        else:
            result = do()
        self.after(run)
        return result

    def before(self, run: Run, write: Callable[[], Any] | None = None) -> None:
        """A point: hand the baton over if the schedule says so, and wait until it is back."""
        if run.dead:
            raise Killed
        if run in self.runs[:2] and not run.dies_after:
            schedule = self.schedule
            number, event = (
                (schedule.first, schedule.event) if run is self.runs[0] else (schedule.second, schedule.event_of_second)
            )
            run.writes += [run.points] if write is not None else []
            if run.points == number:
                self.befall(run, event, write)
            run.points += 1
        self.await_turn(run)
        if run.dead:
            raise Killed

    def after(self, run: Run) -> None:
        if run.dies_after:
            run.dead = True
            self.pass_time(STANDSTILL)
            self.hand_over(run)
            raise Killed

    def befall(self, run: Run, event: str, write: Callable[[], Any] | None) -> None:
        if event == "dies after":
            run.dies_after = True
            return
        if event == "dies before":
            run.dead = True
        if event == "stands still" and write is not None:
            run.on_its_way = Underway(write, ON_ITS_WAY)
        if event:
            self.pass_time(STANDSTILL)
        self.hand_over(run)

    def hand_over(self, run: Run) -> None:
        with self.baton:
            other = 1 - self.runs.index(run)
            if not self.runs[other].ended:
                self.turn = other
                self.baton.notify_all()

    def await_turn(self, run: Run) -> None:
        with self.baton:
            assert self.baton.wait_for(lambda: run.dead or self.runs[self.turn] is run, 50), (
                "nobody hands the baton over"
            )

    # ----------------------------------------------------------------------------------------------------------- time

    def sleep(self, seconds: float) -> None:
        """The one whose turn it is sleeps, and its heart goes on."""
        while seconds > 0:
            step = min(seconds, 5.0)
            seconds -= step
            self.pass_time(step)
            run = self.runs[self.turn]
            if run.store is not None and run.store._leases.tokens:
                run.store._leases.renew(self.clock.now)

    def pass_time(self, seconds: float) -> None:
        """Let time pass for the machines and for the database."""
        self.clock.now += seconds
        self.server_sql(
            f"""UPDATE exolink.op SET intended_at = intended_at - interval '{seconds} s', sent_at = sent_at - interval '{seconds} s';
            UPDATE exolink.lease SET seen = seen - interval '{seconds} s', expires = expires - interval '{seconds} s'"""
        )
        self.deliver(seconds)

    def deliver(self, seconds: float) -> None:
        for run in self.runs:
            request = run.on_its_way
            if request is not None and request.answer is None:
                request.left -= seconds if seconds != STANDSTILL else 0
                if request.left <= 0:
                    self.effect(request)

    def effect(self, request: Underway) -> Any:
        if request.answer is None:
            request.answer = request.send()
        return request.answer

    def server_sql(self, statement: str) -> Any:
        return database_of(self.server, self.name).execute(statement.encode())

    # --------------------------------------------------------------------------------------------------------- judges

    def look(self) -> None:
        """After each request that may have changed something."""
        for kind, key in KEYS.items():
            names = [row[key] for row in self.world.live("acme", kind)]
            self.wrong += [f"{kind} {name} is there twice" for name in set(names) if names.count(name) > 1]
        if not any(row["id"] == self.bystander for row in self.world.live("acme", "cpms")):
            self.wrong.append("the bystander is gone")

    def wrote(self, run: Run, request: Request) -> None:
        """A run changed something: put its address on record, and judge it."""
        _, _, tenant, kind, *more = request.path.split("/")
        number = int(more[0]) if more else max(row["id"] for row in self.world.rows(tenant, kind))
        [row] = [row for row in self.world.rows(tenant, kind) if row["id"] == number]
        run.wrote.append(f"{tenant}/{kind}/{row[KEYS[kind]]}")
        if run.wave and not globs.matches(run.wave, run.wrote[-1]):
            self.wrong.append(f"the wave {run.wave} wrote {run.wrote[-1]}")

    def count_left(self, run: Run) -> None:
        """What a wave says that is left is what the world lacks."""
        left = steps_left(self.world)
        if run.wave and run.result is Exit.INCOMPLETE and f"{left} of 5 steps left" not in run.text:
            self.wrong.append(f"{left} steps are left, but {run.name} counts otherwise")

    def check(self, last: Run) -> None:
        results = "\n".join(f"{run.name}: {run.result!r}\n{run.text}" for run in self.runs)
        tokens = [row[0] for row in self.server_sql("SELECT token FROM exolink.op ORDER BY number").fetchall()]
        if tokens != sorted(tokens):
            self.wrong.append(f"an intent with an old token stands after one with a newer: {tokens}")
        if WAVES.get(self.schedule.plan) and last.wrote:
            self.wrong.append(f"the waves left something undone: {last.wrote}")
        deleted = {request.path for request in self.world.writes if request.method == "DELETE" and request.changed}
        if len(deleted) > 1 or any(not path.endswith(f"/{self.may_go}") for path in deleted):
            self.wrong.append(f"deletes that no plan names: {deleted}")
        if held := self.server_sql(
            "SELECT tenant FROM exolink.lease WHERE run IS NOT NULL AND expires > clock_timestamp()"
        ).fetchall():
            self.wrong.append(f"still held: {held}")
        assert not self.wrong, f"{self.schedule}: {self.wrong}\n{results}"


class Transport(httpx.BaseTransport):
    """The world for one run, each request a point."""

    def __init__(self, explorer: Explorer, run: Run) -> None:
        self.explorer, self.run = explorer, run

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        target, body, headers = request.url.raw_path.decode("ascii"), request.read(), dict(request.headers)

        def send() -> Any:
            answer = self.explorer.world.respond(request.method, target, headers, body)
            if request.method in WRITES:
                if self.explorer.world.log[-1].changed:
                    self.explorer.wrote(self.run, self.explorer.world.log[-1])
                self.explorer.look()
            return answer

        is_write = request.method in WRITES
        status, answered, content = self.explorer.at_point(self.run, send, is_write=is_write)
        return httpx.Response(status, headers=answered, content=content, request=request)


class Opened:
    """The home of a run: its database, and its store once it is open."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @contextlib.contextmanager
    def open(self, origin: str) -> Iterator[PostgresStore]:
        with homes.DatabaseHome(self.run.database).open(origin) as store:
            assert isinstance(store, PostgresStore)
            self.run.store = store
            yield store


def populate(world: World) -> tuple[int, int]:
    """What is there before any run: the ids of what may be deleted, and of what nobody may touch."""
    may_go = world.add("acme", "cpms", displayName="Gone")
    world.add("acme", "charger", identity="Changed", displayName="Old", profileId=1)
    world.add("acme", "cpms", displayName="Changed", url="wss://old.example/")
    return may_go, world.add("acme", "cpms", displayName="Bystander", url="wss://theirs.example/")


@functools.cache
def desired(plan: str) -> Any:
    return read_yaml({**PLANS, **PLANS_OF_WAVES}[plan])


def steps_left(world: World) -> int:
    """How many of the five steps of PLANS_OF_WAVES a world lacks."""
    backends = {row["displayName"] for row in world.live("acme", "cpms")}
    chargers = {row["identity"]: row["displayName"] for row in world.live("acme", "charger")}
    lacks = (
        "A" not in backends,
        "B" not in backends,
        "Gone" in backends,
        "C" not in chargers,
        chargers["Changed"] != "New",
    )
    return sum(lacks)


@functools.cache
def reviewed(plan: str) -> bytes:
    """The file of a plan that somebody reviewed before any of the runs."""
    populate(world := World())
    with pipeline(world) as run:
        made = replace(run.plan(desired(plan)), origin=ORIGIN)
    options = {**OPTIONS, "api_url": ORIGIN}
    return b"".join(writer.plan(made, digest.of_each(made), config_digest="", paths=(os.curdir,), options=options))


@functools.cache
def database_of(server: postgres_server.Server, name: str) -> Any:
    import psycopg

    return psycopg.connect(server.url(name), autocommit=True)


@functools.cache
def name_of(server: postgres_server.Server) -> str:
    return server.new_database()


def explore(schedule: Schedule) -> Explorer:
    server = postgres_server.server()
    name = name_of(server)
    tables = ("lease", "op", "seen", "base", "audit")
    database_of(server, name).execute("; ".join(f"DELETE FROM exolink.{table}" for table in tables).encode())
    explorer = Explorer(schedule, server, name)
    explorer.explore()
    return explorer


@functools.cache
def undisturbed(plan: str) -> Run:
    """An apply of a plan that nobody disturbs: how many points it has, and at which of them it writes."""
    return explore(Schedule(plan, NEVER)).runs[0]


@pytest.mark.parametrize("plan", PLANS)
def test_an_apply_that_nobody_disturbs(plan: str) -> None:
    """It writes what the plan says, once; the second one finds nothing to do."""
    explorer = explore(Schedule(plan, NEVER))
    assert [run.result for run in explorer.runs] == [Exit.DONE] * 3
    assert len(explorer.world.writes) == 5


def any_schedule(seed: int, plans: Iterable[str] = PLANS) -> Schedule:
    """A schedule by its seed. Half of the switches are around a write to the API: there it is that something goes wrong."""
    choice = random.Random(seed)
    plan = choice.choice(sorted(plans))
    run = undisturbed(plan)

    def point() -> int:
        return choice.choice([choice.randrange(run.points), choice.choice(run.writes) + choice.randint(-2, 1)])

    return Schedule(plan, point(), choice.choice(EVENTS), choice.choice([NEVER, point()]), choice.choice(EVENTS))


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_schedules(start: int) -> None:
    """Some of all schedules, each by its seed."""
    for seed in range(start, start + 20):
        explore(any_schedule(seed))


@pytest.mark.long
@pytest.mark.timeout(0)  # two hours for all of them
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("plan", PLANS)
def test_all_schedules(plan: str, event: str) -> None:
    """Every schedule with up to two switches, whatever befalls either run."""
    for first in range(undisturbed(plan).points):
        length = explore(Schedule(plan, first, event)).runs[1].points
        for second in range(length):
            for event_of_second in EVENTS:
                explore(Schedule(plan, first, event, second, event_of_second))


@pytest.mark.parametrize("plan", WAVES)
def test_waves_that_nobody_disturbs(plan: str) -> None:
    """Each writes its part, once; the delete goes when nothing else is left; then there is nothing to do."""
    explorer = explore(Schedule(plan, NEVER))
    assert len(explorer.world.writes) == 5
    assert [address for run in explorer.runs for address in run.wrote].index("acme/cpms/Gone") == 4


@pytest.mark.parametrize("start", range(1000, 1060, 10))
def test_schedules_of_waves(start: int) -> None:
    """Some of all schedules of two waves of one reviewed plan, each by its seed."""
    for seed in range(start, start + 10):
        explore(any_schedule(seed, PLANS_OF_WAVES))


@pytest.mark.long
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("plan", PLANS_OF_WAVES)
def test_all_schedules_of_waves(plan: str, event: str) -> None:
    """Every schedule with one switch, and for each of them a few with two."""
    choice = random.Random(plan + event)
    for first in range(undisturbed(plan).points):
        length = explore(Schedule(plan, first, event)).runs[1].points
        for _ in range(3):
            explore(Schedule(plan, first, event, choice.randrange(length), choice.choice(EVENTS)))


@pytest.mark.parametrize("schedule", FAILED)
def test_schedules_that_failed(schedule: Schedule) -> None:
    """Each of them did once."""
    explore(schedule)
