"""Writes that earlier runs left open, or made moments ago, to what became of them: with the same judge as this run's.

First we wait for every open write until the judge can decide, at the latest until the settle window after it was sent is
over. Then the plan is made. If it would create again what an earlier run made, a list lags: we wait until the list shows
that id, and plan again. What no list shows then, although it answers by its id, is held back.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from exolink_reconcile.applying import judge, knowledge
from exolink_reconcile.applying.judge import Verdict
from exolink_reconcile.applying.knowledge import Knowledge, Listing
from exolink_reconcile.applying.settings import Settings
from exolink_reconcile.applying.waiting import Stop, wait_until
from exolink_reconcile.contract import Contract
from exolink_reconcile.live import live_state
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import Action, HeldBack, Intent, LiveState, Plan, Step, remote_id
from exolink_reconcile.resource import Address, Kind, ListKey, Row, name_of_row


class Planned(Protocol):
    """A plan, and what it was made from."""

    @property
    def plan(self) -> Plan:
        """The plan."""

    @property
    def live(self) -> LiveState:
        """The live state that it was made from."""


class Memory(Protocol):
    """What the state remembers about earlier runs; see state.store.Store."""

    def open_intents(self, tenants: Iterable[str] | None = None) -> list[Intent]:
        """The writes that are still open."""

    def made_lately(self, tenants: Iterable[str], window: float) -> list[Intent]:
        """The creates of the last `window` seconds that are known to have made an object, its id as `remote_id`."""

    def last_made(self, addresses: Iterable[Address]) -> Mapping[Address, int]:
        """The id of what was made last at each of these addresses, as far as anything is on record."""

    def settle_earlier(self, intents: Mapping[int, str], new_ids: Mapping[int, int] | None = None) -> None:
        """Close writes of earlier runs."""

    def seen(self) -> Mapping[ListKey, int]:
        """How many rows each list had."""


_Planned = TypeVar("_Planned", bound=Planned)


@dataclass(slots=True)
class _Open:
    """A write that an earlier run left open, and what we know about it by now."""

    intent: Intent
    kind: Kind
    knowledge: Knowledge


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of earlier writes. `blind` are creates that were answered and never showed up: they stay open.

    `held` are creates of the plan that must wait: by address, the id that answers although no list shows it.
    """

    sentence: str = ""
    blind: tuple[Intent, ...] = ()
    held: Mapping[Address, int] = field(default_factory=dict)


class Recovery:
    """The settling of earlier runs, for one run."""

    def __init__(
        self, api: Api, contract: Contract, kinds: Sequence[Kind], memory: Memory, tenants: Sequence[str], settings: Settings
    ) -> None:  # fmt: skip
        self._api, self._contract, self._memory, self._tenants = api, contract, memory, tenants
        self._settings, self._stop = settings, Stop()
        self._sleep = settings.sleep or self._stop.sleep
        self._kinds = {kind.kind: kind for kind in kinds}

    def run(self, plan: Callable[[Mapping[ListKey, int]], _Planned]) -> tuple[_Planned, Recovered]:
        """Settle what can be settled, then plan. `plan` gets how many rows each list had, for the shrink check.

        Raises:
            ApiError, StorageFailed, InputError: nothing was written to the API.

        """
        writes = self._open_writes()
        self._wait(writes)
        sentence, blind = self._close(writes)
        counts = self._counts(writes)
        planned = plan(counts)
        made_lately = self._made(writes)
        if hidden := self._hidden(planned, made_lately):
            self._wait_for(hidden)
            planned = plan(counts)
        return planned, Recovered(sentence, blind, self._held(planned))

    # ------------------------------------------------------------------------------------------------------ open writes

    def _open_writes(self) -> list[_Open]:
        now = self._settings.clock()
        intents = [intent for intent in self._memory.open_intents(self._tenants) if intent.address.kind in self._kinds]
        made_before = self._memory.last_made({intent.address for intent in intents}) if intents else {}
        return [
            _Open(
                intent,
                kind := self._kinds[intent.address.kind],
                knowledge.of_intent(
                    intent, kind, now, has_get=self._has_get(kind), made_before=made_before.get(intent.address)
                ),
            )
            for intent in intents
        ]

    def _has_get(self, kind: Kind) -> bool:
        return self._contract.offer(kind).get is not None

    def _wait(self, writes: Sequence[_Open]) -> None:
        """Read until the judge can decide every write, or the window of each is over."""
        if not writes:
            return
        window = self._settings.settle
        longest = max(0.0, window - min(write.intent.age for write in writes))

        def all_decided() -> bool:
            for tenant, kind in sorted({(w.intent.address.tenant, w.kind) for w in writes}, key=str):
                self._read(tenant, kind, [w for w in writes if (w.intent.address.tenant, w.kind) == (tenant, kind)])
            return not any(judge.judge(write.knowledge, window).waits for write in writes)

        def waiting(longest: float) -> None:
            if longest < 1:  # over before anybody could read the sentence
                return
            open_now = [write for write in writes if judge.judge(write.knowledge, window).waits]
            counted = Counter(write.intent.action for write in open_now)
            writes_by_action = ", ".join(f"{n} {action}{'s' if n > 1 else ''}" for action, n in sorted(counted.items()))
            self._settings.waiting(
                f"Waiting up to {longest:.0f} s for {writes_by_action} of an earlier run that got no answer."
            )

        wait_until(
            all_decided, longest, stop=self._stop, clock=self._settings.clock, sleep=self._sleep, waiting=waiting
        )

    def _read(self, tenant: str, kind: Kind, writes: Sequence[_Open]) -> None:
        """Read one list for the writes that it is about, and by id where only a GET can decide."""
        at = self._settings.clock()
        listing = Listing(kind, _rows(self._api, kind, tenant), at)
        for write in writes:
            write.knowledge = write.knowledge.listed(listing)
            if judge.asks(write.knowledge, self._settings.settle):
                at = self._settings.clock()
                write.knowledge = write.knowledge.got(
                    live_state.read_item(self._api, kind, tenant, write.knowledge.write.target), at
                )

    def _close(self, writes: Iterable[_Open]) -> tuple[str, tuple[Intent, ...]]:
        """Close on record the writes that the judge can decide; blind ones stay open."""
        outcomes: dict[int, str] = {}
        new_ids: dict[int, int] = {}
        blind: list[Intent] = []
        for write in writes:
            judgement = judge.judge(write.knowledge, self._settings.settle)
            number = write.intent.number
            if judgement.made is Verdict.BLIND or judgement.waits:
                blind.append(write.intent)
                continue
            outcomes[number] = "applied" if judgement.applied else "not applied"
            if judgement.row is not None and Action[write.intent.action.upper()].creates:
                new_ids[number] = remote_id(judgement.row)
        if outcomes:
            self._memory.settle_earlier(outcomes, new_ids)
        return _sentence(outcomes), tuple(blind)

    def _counts(self, writes: Iterable[_Open]) -> dict[ListKey, int]:
        """How many rows each list had, without those that our own deletes are known to have removed."""
        counts = dict(self._memory.seen())
        for write in writes:
            place = write.intent.address.list_key
            if place in counts and judge.judge(write.knowledge, self._settings.settle).deleted is Verdict.DONE:
                counts[place] -= 1
        return counts

    # ------------------------------------------------------------------------------------------------------ made lately

    def _made(self, writes: Iterable[_Open]) -> dict[Address, tuple[int, float]]:
        """What was made lately at each address: its id, and until when a list may still not show it."""
        now, window = self._settings.clock(), self._settings.settle
        made_lately = {
            op.address: (op.remote_id, now + window - op.age)
            for op in self._memory.made_lately(self._tenants, window)
            if op.remote_id is not None
        }
        for write in writes:
            for number, sighting in write.knowledge.products.items():
                made_lately[write.intent.address] = (number, sighting.at + window)
        return made_lately

    def _hidden(
        self, planned: Planned, made_lately: Mapping[Address, tuple[int, float]]
    ) -> dict[Address, tuple[int, float]]:
        """What the plan would create although an earlier run made it moments ago: the plan's lists do not show it yet."""
        listed = _ids(planned.live)
        return {
            step.address: made_lately[step.address]
            for step in planned.plan.steps
            if step.creates
            and step.address in made_lately
            and made_lately[step.address][1] > self._settings.clock()
            and made_lately[step.address][0] not in listed.get((step.address.tenant, step.kind), ())
        }

    def _wait_for(self, hidden: Mapping[Address, tuple[int, float]]) -> None:
        """Read until each of these ids is listed, the API says that it is deleted, or its window is over."""
        clock, unlisted = self._settings.clock, dict(hidden)

        def all_listed() -> bool:
            places = {(address.tenant, self._kinds[address.kind]) for address in unlisted}
            for tenant, kind in sorted(places, key=str):
                rows = {remote_id(row) for row in _rows(self._api, kind, tenant)}
                for address in [
                    candidate for candidate in unlisted if (candidate.tenant, candidate.kind) == (tenant, kind.kind)
                ]:
                    if (
                        unlisted[address][0] in rows
                        or clock() >= unlisted[address][1]
                        or self._deleted(kind, address, unlisted)
                    ):
                        del unlisted[address]
            return not unlisted

        def waiting(seconds: float) -> None:
            objects = "1 object" if len(unlisted) == 1 else f"{len(unlisted)} objects"
            self._settings.waiting(
                f"Waiting up to {seconds:.0f} s for the list to show {objects} that an earlier run made."
            )

        longest = max(until for _, until in hidden.values()) - clock()
        wait_until(all_listed, longest, stop=self._stop, clock=clock, sleep=self._sleep, waiting=waiting)

    def _deleted(self, kind: Kind, address: Address, unlisted: Mapping[Address, tuple[int, float]]) -> bool:
        """Whether a GET by id says that the object is deleted; a 404 may only mean that there is no such GET."""
        if not self._has_get(kind):
            return False
        row = live_state.read_item(self._api, kind, address.tenant, unlisted[address][0])
        return row is not None and bool(row.deletedAt)

    def _held(self, planned: Planned) -> dict[Address, int]:
        """The creates of objects that answer by their id although no list shows them, whenever they were made."""
        creates = {
            step.address: step
            for step in planned.plan.steps
            if step.creates and not step.kind.is_tenant() and self._has_get(step.kind)
        }
        if not creates:
            return {}
        ids = self._memory.last_made(creates)
        listed = _ids(planned.live)
        asked = {
            address: self._api.pool.submit(self._answers, step, ids[address])
            for address, step in creates.items()
            if address in ids and ids[address] not in listed.get((address.tenant, step.kind), ())
        }
        return {address: ids[address] for address, answer in asked.items() if answer.result()}

    def _answers(self, step: Step, number: int) -> bool:
        """Whether the object of this id is there, under this name. Raises ApiError."""
        row = live_state.read_one(self._api, step.kind, step.address.tenant, number)
        return row is not None and name_of_row(step.kind, row) == step.address.name


def hold_back(plan: Plan, held: Mapping[Address, int]) -> Plan:
    """The plan with the creates of `held` held back: these objects are there although no list shows them."""
    waves = (tuple(step for step in wave if step.address not in held) for wave in plan.waves)
    back = [
        HeldBack(
            step.address, step.kind, step.action, "E-LIST-BLIND",
            f"an earlier run made it, and it still answers by its id ({held[step.address]}), but no list shows it", step.source,
        )
        for step in plan.steps if step.address in held
    ]  # fmt: skip
    return replace(plan, waves=tuple(wave for wave in waves if wave), held_back=(*plan.held_back, *back))


def _rows(api: Api, kind: Kind, tenant: str) -> Sequence[Row]:
    if kind.is_tenant():
        row = live_state.read_one(api, kind, tenant)
        return () if row is None else (row,)
    return live_state.read_list(api, kind, tenant)


def _ids(live: LiveState) -> dict[tuple[str, Kind], frozenset[int]]:
    """The ids in the lists that a plan was made from."""
    return {
        (name, kind): frozenset(map(remote_id, rows))
        for name, tenant in live.tenants.items()
        for kind, rows in tenant.rows.items()
    }


def _sentence(outcomes: Mapping[int, str]) -> str:
    """One line for the user; empty where nothing was settled."""
    if not outcomes:
        return ""
    done, total = sum(outcome == "applied" for outcome in outcomes.values()), len(outcomes)
    writes = "1 write" if total == 1 else f"{total} writes"
    return f"Settled {writes} of an earlier run: {done} had been applied, {total - done} had not."
