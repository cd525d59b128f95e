"""A machine of everything that can happen to a tool with a journal: faults, kills, lags, and another human's hand.

The real apply command runs in process over a world, with a real journal in a folder; only time is made up. What must
hold after every step: each declared address has at most one live object that our runs made (G1), each write that took
effect was in the plan that was shown (G3), and what nobody declared is as its owner left it (G4). At the end, faults
over and the settle window past, two applies at most leave nothing to do (G2).
"""

import contextlib
import functools
import json
import re
import shutil
import tempfile
import time as real_time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from support_pipeline import CONTRACT_TEXT, contract_of, document, read_yaml
from world import World

from exolink_reconcile.applying import applier
from exolink_reconcile.applying.settings import Settings
from exolink_reconcile.cli.apply import Apply
from exolink_reconcile.cli.console import Console
from exolink_reconcile.cli.options import Options
from exolink_reconcile.errors import LeftOpen, PlanRefused, ReconcileError
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import Plan, Result, remote_id
from exolink_reconcile.pipeline import Wanted
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.state.journal import Journal

ORIGIN = "http://127.0.0.1"
WINDOW = 90.0
TENANTS = ("acme", "beta")
KEYS = {"cpms": "displayName", "charger": "identity"}
LISTS = {"cpms": "cpms", "charger": "chargers"}
Place = tuple[str, str, str]
ADDRESSES: list[Place] = [
    *(("acme", kind, name) for kind in KEYS for name in ("A", "B", "C", "D", "E")),
    ("beta", "cpms", "A"),
    ("beta", "charger", "A"),
]
URLS = ("wss://a.example/", "wss://b.example/")
BEFORE = ("lost before", "500 before", "422", "429", "401", "late")
AFTER = ("lost after", "500 after", "cut", "stale", "page")
KILLS = ("kill before", "kill after", "kill at journal", "kill, lands late")
THROTTLED = "429, then "  # and then a kill: the request that waited for its turn

FAST = settings(max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=3_000, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))

addresses = st.sampled_from(ADDRESSES)
few = st.lists(addresses, min_size=1, max_size=3, unique=True)
numbers = st.integers(1, 3)
urls = st.sampled_from(URLS)


class Killed(BaseException):
    """The process is gone."""


class Clock:
    """Time that passes only when somebody sleeps. Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.passed: Any = lambda: None

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.0)
        self.passed()

    gmtime = staticmethod(real_time.gmtime)
    strftime = staticmethod(real_time.strftime)


class Silent(Console):
    """A console that nobody reads."""

    def out(self, text: str, paint: object = None) -> None:
        pass

    err = out


@dataclass
class Fault:
    """What goes wrong at the `at`-th request (or write, or journal call) of one apply, and the `times - 1` after it."""

    name: str = ""
    at: int = 0
    times: int = 1
    writes_only: bool = True
    delay: float = 0.0
    met: int = 0

    def now(self, is_write: bool) -> str:
        """What happens to this request, empty where nothing does."""
        if self.name == "kill at journal" or not self.hits(is_write):
            return ""
        if not self.name.startswith(THROTTLED):
            return self.name
        return "429" if self.met - 1 == self.at else self.name.removeprefix(THROTTLED)

    def hits(self, is_write: bool) -> bool:
        if not self.name or (self.writes_only and not is_write):
            return False
        self.met += 1
        return self.at <= self.met - 1 < self.at + self.times


class Machine(RuleBasedStateMachine):
    """Any history of declarations, applies, faults and strangers."""

    counted: Counter[str] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.clock.passed = self.deliver
        self.world = World(tenants=TENANTS)
        shm = Path("/dev/shm")  # a journal flushes: memory is quicker, and the disk is not what is tested here
        self.folder = Path(tempfile.mkdtemp(dir=shm if shm.is_dir() else None))
        self.declared: dict[Place, dict[str, Any]] = {}
        self.removed: set[Place] = set()
        self.claimed: set[Place] = set()
        self.theirs: dict[int, dict[str, Any]] = {}  # rows at addresses that no apply was ever about
        self.ours: dict[int, Place] = {}  # rows that a request of ours made, under the name it gave
        self.taken: set[Place] = set()  # what we made there a human renamed or deleted
        self.staleness: list[float] = []  # of the list reads of one apply, in turn
        self.lists_read = 0
        self.excepted: set[Place] = set()  # another writer made the same key while a create of ours was under way
        self.late: list[tuple[float, str, dict[str, str], bytes]] = []
        self.hidden: dict[int, float] = {}
        self.lag = 0.0
        self.fault = Fault()
        self.hand: Any = None
        self.dead = False
        self.plan: Plan | None = None
        self.result: Result | None = None
        self.writes = 0
        self.wrong: list[str] = []
        self.versions: dict[str, list[tuple[float, bytes]]] = defaultdict(list)
        self.remember()
        self.patches = contextlib.ExitStack()
        for target, new in (
            ("state.journal.time", self.clock),
            ("state.journal_rows.time", self.clock),
            ("cli.apply.Settings", functools.partial(Settings, sleep=self.clock.sleep, clock=self.clock.monotonic)),
            ("applying.applier.apply", functools.partial(self.applied, applier.apply)),
            ("cli.start.connected", self.connected),
            ("cli.start.wanted", self.wanted),
            ("state.journal.Journal", functools.partial(MortalJournal, self)),
        ):
            self.patches.enter_context(patch(f"exolink_reconcile.{target}", new))

    # ----------------------------------------------------------------------------------------------- the declaration

    @rule(places=st.lists(addresses, min_size=1, unique=True), url=urls, number=numbers)
    def declare(self, places: list[Place], url: str, number: int) -> None:
        self.declare_all(places, url, number)

    def declare_all(self, places: list[Place], url: str, number: int) -> None:
        for place in places:
            self.removed.discard(place)
            self.declared[place] = self.values(place, url, number)

    @staticmethod
    def values(place: Place, url: str, number: int) -> dict[str, Any]:
        """The fields of an object beside its key."""
        return {"url": url, "interval": number} if place[1] == "cpms" else {"displayName": url, "profileId": number}

    @precondition(lambda self: self.declared)
    @rule(data=st.data())
    def undeclare(self, data: st.DataObject) -> None:
        del self.declared[data.draw(st.sampled_from(sorted(self.declared)))]

    @rule(place=addresses)
    def remove(self, place: Place) -> None:
        self.declared.pop(place, None)
        self.removed.add(place)

    # ------------------------------------------------------------------------------------------ another human's hand

    @rule(place=addresses, url=urls, number=numbers)
    def human_creates(self, place: Place, url: str, number: int) -> None:
        tenant, kind, name = place
        if kind == "charger" and self.at(place):
            return  # the API lets no identity be used twice
        row_id = self.world.add(tenant, kind, **{KEYS[kind]: name}, **self.values(place, url, number))
        if any(place == self.place_of(target, body) for _, target, _, body in self.late):
            self.excepted.add(place)
        self.left_by_human(row_id)

    @rule(data=st.data())
    def human_edits_or_deletes(self, data: st.DataObject) -> None:
        if act := self.human_act(data):
            act()

    def human_act(self, data: st.DataObject) -> Any:
        """Something that a human does to a row that is there now: edit, rename, soft-delete."""
        rows = [(t, k, row["id"]) for t in TENANTS for k in KEYS for row in self.world.live(t, k)]
        if not rows:
            return None
        tenant, kind, row_id = data.draw(st.sampled_from(rows))
        what = data.draw(st.sampled_from(("edit", "rename", "delete")))
        url, number = data.draw(urls), data.draw(numbers)

        def act() -> None:
            if not any(row["id"] == row_id for row in self.world.live(tenant, kind)):
                return
            if what != "edit" and row_id in self.ours:
                self.taken.add(self.ours[row_id])
            if what == "delete":
                self.world.soft_delete(tenant, kind, row_id)
            elif what == "rename":
                self.world.edit(tenant, kind, row_id, **{KEYS[kind]: f"by hand {row_id}"})
                self.ours.pop(row_id, None)
            else:
                self.world.edit(tenant, kind, row_id, **self.values((tenant, kind, ""), url, number))
            self.left_by_human(row_id)

        return act

    def left_by_human(self, row_id: int) -> None:
        self.remember()
        place, row = self.rows()[row_id]
        if place not in self.claimed:
            self.theirs[row_id] = row

    # ------------------------------------------------------------------------------------------------ applies, faults

    @rule()
    def apply(self) -> None:
        self.run_apply()

    @rule(
        fault=st.sampled_from((*BEFORE, *AFTER)),
        at=st.integers(0, 3),
        times=st.integers(1, 5),
        writes_only=st.booleans(),
        delay=st.floats(0, 40),
        places=few,
        url=urls,
        number=numbers,
    )
    def apply_with_a_fault(
        self,
        fault: str,
        at: int,
        times: int,
        writes_only: bool,
        delay: float,
        places: list[Place],
        url: str,
        number: int,
    ) -> None:
        self.declare_all(places, url, number)
        self.run_apply(Fault(fault, at, times, writes_only, delay))

    @rule(
        fault=st.sampled_from((*KILLS, *(THROTTLED + kill for kill in KILLS if kill != "kill at journal"))),
        at=st.integers(0, 3),
        writes_only=st.booleans(),
        delay=st.floats(0, 40),
        places=few,
        url=urls,
        number=numbers,
    )
    def apply_is_killed(
        self, fault: str, at: int, writes_only: bool, delay: float, places: list[Place], url: str, number: int
    ) -> None:
        self.declare_all(places, url, number)
        self.run_apply(Fault(fault, at, 10_000, writes_only or "late" in fault, delay))

    @rule(seconds=st.lists(st.floats(0, 45), min_size=2, max_size=4))
    def apply_with_stale_lists(self, seconds: list[float]) -> None:
        """Each list is as it was some time ago, and no two need be as old."""
        self.staleness = seconds
        self.run_apply()
        self.staleness = []

    @rule(at=st.integers(0, 8), data=st.data())
    def apply_while_a_human_acts(self, at: int, data: st.DataObject) -> None:
        self.hand = self.human_act(data)
        self.run_apply(Fault("hand", at, 10_000, writes_only=False))
        self.hand = None

    @rule(seconds=st.floats(0, 40))
    def lists_lag(self, seconds: float) -> None:
        self.lag = seconds

    @rule(seconds=st.floats(0, 2 * WINDOW))
    def time_passes(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    def run_apply(self, fault: Fault | None = None, **choices: Any) -> int | ReconcileError | None:
        """One process of the apply command: its exit code, the error it ended with, or None if it was killed."""
        self.claimed |= self.declared.keys() | self.removed
        self.theirs = {row_id: row for row_id, row in self.theirs.items() if self.rows()[row_id][0] not in self.claimed}
        self.counted["applies"] += 1
        self.fault, self.dead, self.plan, self.result, self.writes = fault or Fault(), False, None, None, 0
        options = Options(
            api_url=ORIGIN, token_file=None, ca_file=None, contract=None, parallelism=1, timeout=5.0, log=None, verbose=False,
            paths=("exolink.yaml",), target=(), exclude=(), prune=False, allow_replace=(), allow_inferred=False, probe=False, allow_unreachable=(),
            allow_deletes=choices.get("allow_deletes"), allow_shrunk=tuple(sorted(choices.get("allow_shrunk", ()))),
            state=str(self.folder), lock_timeout=0.0, settle=WINDOW, base=None, only=None,
        )  # fmt: skip
        try:
            return Apply(Silent(), True, None, None, "text").run(options, ())
        except Killed:
            return None
        except ReconcileError as error:
            refused = error.__cause__ if isinstance(error, LeftOpen) else error
            return self.answer_a_rail(refused, choices) if isinstance(refused, PlanRefused) else error
        finally:
            self.fault = Fault()

    def answer_a_rail(self, refused: PlanRefused, choices: dict[str, Any]) -> int | ReconcileError | None:
        """What a person does who knows what the world is like: says the number, or that the list really is empty."""
        if refused.code == "E-DELETES" and "allow_deletes" not in choices:
            match = re.search(r"--allow-deletes (\d+)", refused.summary)
            assert match
            return self.run_apply(**choices, allow_deletes=int(match.group(1)))
        if refused.code == "E-LIST-SHRANK":
            match = re.search(r"--allow-shrunk (\w+)/(\w+)", refused.summary)
            assert match
            place = f"{match.group(1)}/{match.group(2)}"
            shrunk = choices.pop("allow_shrunk", frozenset())
            if place not in shrunk and not self.shown(*match.groups()):
                return self.run_apply(**choices, allow_shrunk=shrunk | {place})
        return refused

    def applied(self, apply: Any, plan: Plan, *rest: Any) -> Result:
        self.plan = plan
        self.result = apply(plan, *rest)
        return self.result

    def wanted(self, options: Options, console: Console, *, reviewed: bool, saved: object = None) -> Wanted:
        desired = read_yaml(self.yaml())
        choices = Choices(may_infer=True, allow_deletes=options.allow_deletes, allow_shrunk=options.allow_shrunk)
        return Wanted(options.api_url, desired, contract_of(), CONTRACT_TEXT, choices)

    def yaml(self) -> str:
        texts = []
        for tenant in TENANTS:
            lists: dict[str, list[dict[str, Any]]] = {name: [] for name in LISTS.values()}
            replace = []
            for (owner, kind, name), fields in sorted(self.declared.items()):
                if owner == tenant:
                    lists[LISTS[kind]].append({KEYS[kind]: name, **fields})
                    replace.append(f"{kind}/{name}")
            removed = [{kind: name} for owner, kind, name in sorted(self.removed) if owner == tenant]
            policy = {"policy": {"allowReplace": replace}} if replace else {}
            texts.append(document(tenant, **policy, **lists, removed=removed))
        return "---\n".join(texts)

    @contextlib.contextmanager
    def connected(self, *args: Any) -> Iterator[Api]:
        api = Api(
            ORIGIN,
            token=self.world.token,
            parallelism=1,  # one order of requests: what failed can be played again
            transport=lambda: httpx.MockTransport(self.answer),
            sleep=self.clock.sleep,
        )
        with api:
            try:
                yield api
            finally:
                api.pool.shutdown(wait=True, cancel_futures=True)

    # ---------------------------------------------------------------------------------------------------- the network

    def answer(self, request: httpx.Request) -> httpx.Response:
        """One request of ours, with whatever goes wrong with it."""
        if self.dead:
            raise Killed
        method, target = request.method, request.url.raw_path.decode("ascii")
        headers, body = dict(request.headers), request.read()
        what = self.fault.now(method != "GET")
        if what == "hand" and method == "GET" and self.hand:
            # Never between the recheck of a row and its write: that gap of one round trip is not promised.
            act, self.hand = self.hand, None
            act()
        if what == "kill before":
            self.die()
        if "late" in what and method == "POST":
            self.late.append((self.clock.now + self.fault.delay, target, headers, body))
        if what == "kill, lands late":
            self.die()
        if what == "late":
            raise httpx.ReadTimeout("no answer", request=request)
        if what == "lost before":
            raise httpx.ReadError("reset", request=request)
        if what == "500 before":
            return httpx.Response(500)
        if what in ("422", "429", "401"):
            return httpx.Response(
                int(what), json={"error": "no"}, headers={"Retry-After": "3"} if what == "429" else {}
            )
        status, answer_headers, answer = self.commit(method, target, headers, body)
        if what == "kill after":
            self.die()
        if what == "lost after":
            raise httpx.ReadError("reset", request=request)
        if what == "500 after":
            return httpx.Response(500)
        if what == "page" and method != "GET":
            return httpx.Response(200, html="<html>Please log in</html>")
        if method == "GET" and status == 200:
            if self.staleness and target in self.versions:
                self.lists_read += 1
                answer = self.stale(target, answer, self.staleness[self.lists_read % len(self.staleness)])
            answer = self.stale(target, answer, self.fault.delay) if what == "stale" else self.lagging(answer)
            if what == "cut":
                answer = answer[: len(answer) // 2]
        return httpx.Response(status, headers=answer_headers, content=answer)

    def die(self) -> None:
        self.dead = True
        raise Killed

    def commit(
        self, method: str, target: str, headers: dict[str, str], body: bytes, landed: float | None = None
    ) -> Any:
        """Let the world answer; judge what took effect."""
        before = self.rows()
        answer = self.world.respond(method, target, headers, body)
        if method == "GET" or answer[0] >= 300:
            return answer
        self.remember(landed)
        self.writes += 1
        self.counted["writes"] += 1
        steps = list(self.plan.steps) if self.plan else []
        if method == "POST":
            place = self.place_of(target, body)
            (made,) = self.rows().keys() - before.keys()
            self.ours[made] = place
            self.hidden[made] = (self.clock.now if landed is None else landed) + self.lag
            if landed is None and not any(step.creates and tuple(step.address) == place for step in steps):
                self.wrong.append(f"created {place}, which the plan does not")
            return answer
        row_id = int(target.rpartition("/")[2])
        place, _ = before[row_id]
        planned = [step for step in steps if step.before is not None and remote_id(step.before) == row_id]
        if not any(tuple(step.address) == place and (method != "DELETE" or step.deletes) for step in planned):
            self.wrong.append(f"{method} of {place}, id {row_id}, which the plan does not show")
        if place not in self.declared and (method == "PUT" or place not in self.removed):
            self.wrong.append(f"{method} of {place}, which is not declared so")
        return answer

    def stale(self, target: str, answer: bytes, seconds: float) -> bytes:
        """A list as it was some time ago: a version that was committed within the last 45 seconds."""
        versions = [body for at, body in self.versions[target] if at <= self.clock.now - seconds]
        return versions[-1] if versions else answer

    def remember(self, since: float | None = None) -> None:
        """Keep what every list shows now, or has shown since a moment that a sleep went past."""
        for tenant in TENANTS:
            for kind in KEYS:
                target = f"/tenant/{tenant}/{kind}"
                _, _, body = self.world.respond("GET", target, {"authorization": f"Bearer {self.world.token}"}, b"")
                if not self.versions[target] or self.versions[target][-1][1] != body:
                    self.versions[target].append((self.clock.now if since is None else since, body))

    def lagging(self, answer: bytes) -> bytes:
        rows = json.loads(answer)
        if not isinstance(rows, list):
            return answer
        return json.dumps([row for row in rows if self.hidden.get(row["id"], 0.0) <= self.clock.now]).encode()

    def deliver(self) -> None:
        """Creates that were under way arrive."""
        due = sorted((answer for answer in self.late if answer[0] <= self.clock.now), key=lambda each: each[0])
        self.late = [answer for answer in self.late if answer[0] > self.clock.now]
        for at, target, headers, body in due:
            self.commit("POST", target, headers, body, landed=at)

    # ------------------------------------------------------------------------------------------------------ the truth

    def rows(self) -> dict[int, tuple[Place, dict[str, Any]]]:
        """Every row there is or was, by id, with its address."""
        return {
            row["id"]: ((tenant, kind, row[KEYS[kind]]), row)
            for tenant in TENANTS
            for kind in KEYS
            for row in self.world.rows(tenant, kind)
        }

    def at(self, place: Place) -> list[dict[str, Any]]:
        """The live rows of an address."""
        tenant, kind, name = place
        return [row for row in self.world.live(tenant, kind) if row[KEYS[kind]] == name]

    def shown(self, tenant: str, kind: str) -> list[int]:
        """The ids that a list shows now."""
        return [r["id"] for r in self.world.live(tenant, kind) if self.hidden.get(r["id"], 0.0) <= self.clock.now]

    @staticmethod
    def place_of(target: str, body: bytes) -> Place:
        _, _, tenant, kind = target.split("/")
        return tenant, kind, json.loads(body)[KEYS[kind]]

    @invariant()
    def at_most_one_of_ours(self) -> None:
        """G1."""
        live = {row["id"] for tenant in TENANTS for kind in KEYS for row in self.world.live(tenant, kind)}
        counted = Counter(place for row_id, place in self.ours.items() if row_id in live)
        assert {place: n for place, n in counted.items() if n > 1 and place not in self.excepted} == {}

    @invariant()
    def only_what_was_shown_was_done(self) -> None:
        """G3."""
        assert self.wrong == []

    @invariant()
    def what_is_theirs_is_as_they_left_it(self) -> None:
        """G4."""
        now = self.rows()
        assert {row_id: now[row_id][1] for row_id in self.theirs} == self.theirs

    def teardown(self) -> None:
        self.counted["histories"] += 1
        try:
            self.converges()
        finally:
            self.patches.close()
            shutil.rmtree(self.folder)

    def converges(self) -> None:
        """G2: the faults are over, and what was under way has arrived."""
        self.lag = 0.0
        self.clock.sleep(2 * WINDOW)
        ends = [self.run_apply(), self.run_apply()]
        if self.forget_what_was_taken():
            ends += [self.run_apply(), self.run_apply()]
        ends.append(self.run_apply())
        assert (self.plan, self.writes) == (None, 0), (ends, self.plan)  # no plan reached the applier: nothing to do
        assert ends[-1] in (0, 5), ends
        with Journal(self.folder, ORIGIN) as journal:
            assert journal.open_intents(TENANTS) == [], ends
        for place, fields in self.declared.items():
            rows = self.at(place)
            assert len(rows) == 1 or (len(rows) > 1 and ends[-1] == 5), (place, rows)
            assert len(rows) > 1 or {name: rows[0][name] for name in fields} == fields, (place, rows)
        for place in self.removed:
            assert len(rows := self.at(place)) == 0 or (len(rows) > 1 and ends[-1] == 5), (place, rows)
        self.at_most_one_of_ours()
        self.only_what_was_shown_was_done()
        self.what_is_theirs_is_as_they_left_it()

    def forget_what_was_taken(self) -> bool:
        """What a person does where a create was answered, and another human took its object before any list showed it."""
        with Journal(self.folder, ORIGIN) as journal:
            blind = journal.open_intents(TENANTS)
            assert all(op.answered and tuple(op.address) in self.taken for op in blind), blind
            journal.forget(blind)
        return bool(blind)


class MortalJournal(Journal):
    """The journal of a process that can be killed at each of its calls; nothing gets into it after that."""

    def __init__(self, machine: Machine, *args: Any) -> None:
        self.machine = machine
        super().__init__(*args)

    def __getattribute__(self, name: str) -> Any:
        if name in ("intend", "sending", "answered", "settle", "settle_earlier", "saw", "started", "ended"):
            machine = object.__getattribute__(self, "machine")
            if machine.dead:
                raise Killed
            if machine.fault.name == "kill at journal" and machine.fault.hits(True):
                machine.die()
        return super().__getattribute__(name)


def test_whatever_happens() -> None:
    """G1 to G4 hold in any short history."""
    run_state_machine_as_test(Machine, settings=FAST)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_whatever_happens_long(record_property: Callable[[str, object], None]) -> None:
    """G1 to G4 hold in thousands of histories."""
    Machine.counted.clear()
    run_state_machine_as_test(Machine, settings=LONG)
    for name, count in Machine.counted.items():
        record_property(f"figure: {name} of the state machine", count)
