"""The lists that are read while applying: each adds to what its steps know, and is compared with what the plan saw."""

import functools
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from exolink_reconcile.applying import judge, premises
from exolink_reconcile.applying.judge import Verdict
from exolink_reconcile.applying.knowledge import Knowledge, Listing
from exolink_reconcile.applying.settings import Settings
from exolink_reconcile.applying.task import Task
from exolink_reconcile.applying.waiting import Stop, wait_until
from exolink_reconcile.contract import Contract
from exolink_reconcile.errors import ApiError
from exolink_reconcile.live import live_state
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import LiveState, remote_id
from exolink_reconcile.resource import Address, Kind, ListKey, Row

Place = tuple[str, Kind]
_DATE_RESOLUTION = 1.0  # seconds: what a Date header leaves out
_ASKED_BY_ID = 10  # up to this many lost rows are read one by one; a list that lost more is not complete


class Lists:
    """Every list of one apply. `rows` are the last rows by place, `counts` the lengths of lists that lost nothing.

    `contradicted` says, by tenant, how a list contradicts what the plan was made from: nothing more is written there.
    `without_get` are the kinds for which a GET by id did not find what the list shows, although the contract offers it.
    """

    def __init__(
        self,
        api: Api,
        contract: Contract,
        tasks: Iterable[Task],
        before: LiveState | None,
        stop: Stop,
        settings: Settings,
    ) -> None:
        self._api, self._contract, self._before, self._stop, self._settings = api, contract, before, stop, settings
        self._tasks: dict[Place, list[Task]] = defaultdict(list)
        for task in tasks:
            self._tasks[task.step.address.tenant, task.step.kind].append(task)
        self._known = {place: self._ids_before(*place) for place in self._tasks}
        self._deleted_by_others: dict[Place, set[int]] = defaultdict(set)
        self._last: dict[Place, Listing] = {}
        self._reading = threading.Lock()
        self.rows: dict[Place, Sequence[Row]] = {}
        self.counts: dict[ListKey, int] = {}
        self.contradicted: dict[str, str] = {}
        self.without_get: set[Kind] = set()
        self.sleep = settings.sleep or stop.sleep

    def read(self, tenant: str, kind: Kind, raw_ids: Iterable[int] = ()) -> Listing:
        """Read a list now, and keep the rows with `raw_ids` as the API answers them. Raises ApiError."""
        with self._reading:
            return self._read(tenant, kind, frozenset(raw_ids))

    def fresh(self, tenant: str, kind: Kind, since: float) -> Listing:
        """A list that was read at `since` or later. Raises ApiError."""
        with self._reading:
            last = self._last.get((tenant, kind))
            return last if last is not None and last.at >= since else self._read(tenant, kind, frozenset())

    def wait(self, tenant: str, kind: Kind, tasks: Sequence[Task]) -> Listing:
        """The list as soon as it decides every task, or as it is when the settle window is over. Raises ApiError."""
        raw_ids = [int(task.raw_row["id"]) for task in tasks if "id" in task.raw_row]
        listings: list[Listing] = []

        def all_decided() -> bool:
            listings[:] = [self.read(tenant, kind, raw_ids)]
            self._ask_by_id(tenant, kind, tasks)
            waits = any(judge.judge(task.knowledge, self._settings.settle).waits for task in tasks if not task.already)
            return tenant in self.contradicted or not (waits or listings[0].lost)

        sentence = f"for the API to show what was written to {kind.kind} of tenant {tenant}"
        wait_until(
            all_decided,
            self._settings.settle,
            stop=self._stop,
            clock=self._settings.clock,
            sleep=self.sleep,
            waiting=lambda seconds: self._settings.waiting(f"Waiting up to {seconds:.0f} s {sentence}."),
        )
        for task in tasks:
            self._note_other_writer(task)
        if listings[0].lost:
            self.contradicted.setdefault(tenant, premises.lost(kind, tenant, listings[0].lost))
        return listings[0]

    def read_again(self, addresses: Iterable[Address]) -> None:
        """Read the lists of some addresses once more; a list that cannot be read stays as it was."""
        words = {(address.tenant, address.kind) for address in addresses}
        for tenant, kind in [place for place in self.rows if (place[0], place[1].kind) in words]:
            with suppress(ApiError):
                self.read(tenant, kind)

    # ------------------------------------------------------------------------------------------------------------ reading

    def _read(self, tenant: str, kind: Kind, raw_ids: frozenset[int]) -> Listing:
        place, at = (tenant, kind), self._settings.clock()
        rows, as_answered = self._rows(tenant, kind, raw_ids)
        ids_before, tasks = self._known.get(place), self._tasks[place]
        lost = self._lost(place, rows, ids_before) if ids_before is not None and not kind.is_tenant() else frozenset()
        listing = Listing(kind, rows, at, ids_before=ids_before, lost=lost, raw_rows=as_answered)
        for task in tasks:
            task.learn(lambda knowledge: knowledge.listed(listing))
        if sentence := premises.contradicted(kind, tenant, listing, tasks):
            self.contradicted.setdefault(tenant, sentence)
        self.rows[place] = rows
        if not lost:
            self.counts[ListKey(tenant, kind.kind)] = len(rows)
        self._last[place] = listing
        return listing

    def _rows(
        self, tenant: str, kind: Kind, raw_ids: frozenset[int]
    ) -> tuple[Sequence[Row], Mapping[int, Mapping[str, Any]]]:
        if not kind.is_tenant():
            return live_state.read_rows(self._api, kind, tenant, raw_ids)
        row = live_state.read_one(self._api, kind, tenant)
        return (() if row is None else (row,)), {}

    def _ids_before(self, tenant: str, kind: Kind) -> frozenset[int] | None:
        """The ids that the plan saw; None if that is not known."""
        live = self._before.tenants.get(tenant) if self._before is not None else None
        return frozenset(map(remote_id, live.rows.get(kind, ()))) if live is not None else None

    def _lost(self, place: Place, rows: Sequence[Row], ids_before: frozenset[int]) -> frozenset[int]:
        """The ids that a list lacks although nobody is known to have deleted them.

        A few of them are read by their id: what a GET does not find either, somebody else deleted.
        """
        tenant, kind = place
        gone = premises.missing(map(remote_id, rows), ids_before, self._tasks[place]) - self._deleted_by_others[place]
        if not gone or len(gone) > _ASKED_BY_ID or self._contract.offer(kind).get is None:
            return gone
        with suppress(ApiError):
            for number in sorted(gone):
                if live_state.read_one(self._api, kind, tenant, number) is None:
                    self._deleted_by_others[place].add(number)
        return gone - self._deleted_by_others[place]

    def _note_other_writer(self, task: Task) -> None:
        """Where an object is not as it was sent, note whether its `updatedAt` says that another writer came after us."""
        judgement = judge.judge(task.knowledge, self._settings.settle)
        step = task.step
        if judgement.made is not Verdict.DIFFERENT or judgement.row is None or task.answered_at is None:
            return
        if self._contract.offer(step.kind).get is None:
            return
        with suppress(ApiError):
            item = live_state.read_whole(self._api, step.kind, step.address.tenant, remote_id(judgement.row))
            updated = str(item[1].get("updatedAt", "")) if item is not None else ""
            with suppress(ValueError):
                moment = datetime.fromisoformat(updated)
                if moment.tzinfo is not None and moment.timestamp() > task.answered_at + _DATE_RESOLUTION:
                    task.written_since = updated

    def _ask_by_id(self, tenant: str, kind: Kind, tasks: Iterable[Task]) -> None:
        """Read by id the targets that a list lacks and whose write got no clear answer: only a GET shows that they are gone."""
        for task in tasks:
            if judge.asks(task.knowledge, self._settings.settle):
                at, target = self._settings.clock(), task.knowledge.write.target
                with suppress(ApiError):
                    row = live_state.read_item(self._api, kind, tenant, target)
                    task.learn(functools.partial(Knowledge.got, row=row, at=at))
