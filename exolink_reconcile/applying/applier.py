"""Plan, API, journal to outcomes: does what the plan says, and decides nothing.

A wave is done in stages: of each (tenant, kind, action) one step goes alone, then ten, then the rest. What the first
write of a group did is read back before the others follow, so whatever the API does unexpectedly happens once. After
the wave every list it touched is read again: that one read learns ids, settles what got no answer, and verifies.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from exolink_reconcile.applying import readback
from exolink_reconcile.codes import Exit
from exolink_reconcile.contract import Contract
from exolink_reconcile.errors import ApiDenied, ApiError, Locked, NoClearAnswer, ReconcileError, StorageFailed
from exolink_reconcile.live import live_state
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import (
    Action,
    DesiredState,
    Left,
    LiveState,
    LiveTenant,
    Outcome,
    Plan,
    Result,
    Status,
    Step,
    remote_id,
)
from exolink_reconcile.planning import differ
from exolink_reconcile.resource import Address, Kind, Row, fields, masked_fields, masked_like

STAGES = (1, 10)
FAILURES_IN_A_ROW = 10
GRACE = 5.0
SAME_WISH = 0.2  # seconds: a person who presses Ctrl-C again is not that quick
READ_BACK = 2.0  # seconds for each list after a signal: a CI system kills about ten seconds after it asked
_POLL_AFTER = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
_Place = tuple[str, Kind]
# A step skipped for these reasons ends the run as the reason does, not just as incomplete.
_SKIPPED_EXIT = {
    "E-STORAGE": Exit.STORAGE,
    "E-LOCK-LOST": Exit.LOCKED,
    "E-LIST-BLIND": Exit.UNKNOWN,
    "E-DENIED": Exit.DENIED,
}


class Stop:
    """Asked by a signal: no new write starts. `signal` is its number, 0 while nobody asked."""

    def __init__(self) -> None:
        self.signal = 0
        self.at_once = False
        self._asked_at = 0.0

    def ask(self, signal: int) -> None:
        """Stop as soon as what is in flight has ended; asked again, at once.

        `timeout` signals the process and then its group: what comes at nearly the same time is the same wish.
        """
        now = time.monotonic()
        self.at_once |= self.signal != 0 and now - self._asked_at > SAME_WISH
        self._asked_at = self._asked_at if self.signal else now
        self.signal = signal


class Record(Protocol):
    """Where intents and outcomes go; see journal.Journal, which promises more."""

    def intend(self, step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Make an intent durable. Raises StorageFailed, Locked: then the write must not be sent."""

    def sending(self, step: Step, api_date: float | None = None) -> None:
        """Stamp an attempt right before it leaves. Raises StorageFailed, Locked: then it must not be sent."""

    def answered(self, step: Step, *, deleted: bool = False) -> None:
        """Remember that the write was answered, or of a replace the delete. Raises StorageFailed."""

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Take in outcomes. Raises StorageFailed."""


class Unrecorded:
    """A record that keeps nothing: for an API that is thrown away afterwards."""

    def intend(self, step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Nothing."""

    def sending(self, step: Step, api_date: float | None = None) -> None:
        """Nothing."""

    def answered(self, step: Step, *, deleted: bool = False) -> None:
        """Nothing."""

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to apply. `settle` is how long, in seconds, an object may take to show up in a list.

    `starting` and `sent` are called from several threads when the write of a step is about to go and was answered;
    `waiting` with a sentence when something has not shown up yet. `blind` names, by tenant and kind word,
    an earlier create that was answered and never showed up: nothing more is created there.
    """

    settle: float = 90.0
    record: Record = field(default_factory=Unrecorded)
    blind: Mapping[tuple[str, str], str] = field(default_factory=dict)
    starting: Callable[[Step], None] = lambda step: None
    waiting: Callable[[str], None] = lambda sentence: None
    sent: Callable[[Step], None] = lambda step: None
    sleep: Callable[[float], object] = time.sleep


def apply(
    plan: Plan,
    desired: DesiredState,
    contract: Contract,
    api: Api,
    stop: Stop,
    settings: Settings,
    before: LiveState | None = None,
) -> Result:
    """Do the plan's steps. One outcome a step, in the order of the plan; errors of the API are outcomes, not raised.

    `before` is what the plan was made from: what differed there already is not told as new, and what was there already is
    not taken for what a create made.
    """
    run = _Run(plan, contract, api, stop, settings, before)
    for wave in plan.waves:
        run.wave(wave)
    started = time.monotonic()
    outcomes = tuple(run.outcomes[step] for step in map(id, plan.steps))
    left, notes = _verify(plan, desired, run)
    for pause in _POLL_AFTER:
        # A row that was there and is not listed now: more likely a list that lags than a row that went.
        if not any(each.gone for each in left) or stop.signal or time.monotonic() + pause > started + settings.settle:
            break
        settings.sleep(pause)
        run.read_again({each.address for each in left})
        left, notes = _verify(plan, desired, run)
    if run.no_record:
        notes = (
            *notes,
            f"{run.no_record.summary}: what happened is not all on record; `unknowns` lists what is still open.",
        )
    counts = {(tenant, kind.kind): len(rows) for (tenant, kind), rows in run.rows.items()}
    return Result(outcomes, left, notes, run.exit_codes(outcomes), counts)


@dataclass(slots=True)
class _Group:
    """The steps of one (tenant, kind, action) of a wave, and whether they go on."""

    tenant: str
    kind: Kind
    action: Action
    steps: list[Step]
    stopped: str = ""
    code: str = ""
    failures: int = 0


@dataclass(slots=True)
class _Run:
    """One apply: what happened so far."""

    plan: Plan
    contract: Contract
    api: Api
    stop: Stop
    settings: Settings
    before: LiveState | None = None
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    sent: dict[int, readback.Sent] = field(default_factory=dict)
    checked: dict[int, tuple[Row, Mapping[str, Any]]] = field(default_factory=dict)
    at_wave: dict[_Place, Mapping[int, Row]] = field(default_factory=dict)
    rows: dict[_Place, Sequence[Row]] = field(default_factory=dict)
    troubled: set[str] = field(default_factory=set)
    half_done: set[_Place] = field(default_factory=set)
    missing_tenants: set[str] = field(default_factory=set)
    no_more: dict[tuple[Kind, Action], str] = field(default_factory=dict)
    denied: str = ""
    no_record: ReconcileError | None = None  # the record fails, or the lock was lost: nothing more may be sent
    wrote: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    listing: threading.Lock = field(default_factory=threading.Lock)

    # ----------------------------------------------------------------------------------------------------------- waves

    def wave(self, wave: Sequence[Step]) -> None:
        """Run one wave to its end, list included."""
        groups = self._groups(wave)
        self.at_wave = {}
        start = 0
        for size in (*STAGES, len(wave)):
            staged = [(group, group.steps[start : start + size]) for group in groups]
            staged = [(group, steps) for group, steps in staged if steps]
            if not staged:
                break
            self._stage(staged)
            more = [group for group in groups if len(group.steps) > start + size]
            if more:
                like = {(group.kind, group.action) for group in more}
                first = [group for group in groups if (group.kind, group.action) in like]
                self._look_back(first if start == 0 else [group for group in more if group.action is Action.DELETE])
            start += size
        self._settle(groups)
        self._record(groups)

    def _groups(self, wave: Sequence[Step]) -> list[_Group]:
        found: dict[tuple[str, Kind, Action], _Group] = {}
        for step in wave:
            place = (step.address.tenant, step.kind, step.action)
            found.setdefault(place, _Group(*place, steps=[])).steps.append(step)
        return list(found.values())

    def _stage(self, staged: Iterable[tuple[_Group, Sequence[Step]]]) -> None:
        """Run steps at the same time; after a signal wait only for those in flight."""
        futures: dict[Future[None], Step] = {}
        for group, steps in staged:
            for step in steps:
                if reason := self._skip_reason(group, step):
                    self._skip(step, *reason)
                else:
                    futures[self.api.pool.submit(self._do, group, step)] = step
        # A queue of those that ended: `concurrent.futures.wait` looks at all of 10,000 again for each one that ends.
        ended: SimpleQueue[Future[None]] = SimpleQueue()
        for future in futures:
            future.add_done_callback(ended.put)
        left = len(futures)
        gives_up_at = float("inf")
        while left:
            with suppress(Empty):
                ended.get(timeout=0.1 if self.stop.signal else 0.5).result()
                left -= 1
            if self.stop.signal and gives_up_at == float("inf"):
                gives_up_at = time.monotonic() + GRACE
                self.api.hurry(READ_BACK)
            if time.monotonic() > gives_up_at or self.stop.at_once:
                self._give_up(futures)
                return

    def _give_up(self, futures: Mapping[Future[None], Step]) -> None:
        for future, step in futures.items():
            if future.done():
                future.result()
            elif future.cancel():  # still waiting for a thread: nothing of it was sent
                self._skip(step, "E-INTERRUPTED", "interrupted before it started")
            else:
                self._abandon(step)

    def _abandon(self, step: Step) -> None:
        with self.lock:
            self.sent.setdefault(
                id(step), readback.Sent(step, clear=False, detail="interrupted before the API answered")
            )

    def _skip_reason(self, group: _Group, step: Step) -> tuple[str, str] | None:
        """Why a step does not start, with its word; None when it may."""
        tenant = step.address.tenant
        if self.stop.signal:
            return "E-INTERRUPTED", "interrupted before it started"
        if self.no_record:
            return self.no_record.code, f"{self.no_record.summary}; nothing was sent"
        if self.denied:
            return "E-DENIED", self.denied
        if step.creates and (blind := self.settings.blind.get((tenant, step.kind.kind))):
            return "E-LIST-BLIND", f"an earlier create, {blind}, was answered and never showed up (see `unknowns`)"
        if tenant in self.missing_tenants and step.kind.entries is not None:
            return "E-DEPENDS", f"tenant {tenant} was not created"
        if step.deletes and tenant in self.troubled:
            return "E-DEPENDS", f"nothing is deleted in tenant {tenant} after something failed there"
        if why := self.no_more.get((step.kind, step.action)):
            return "E-STOPPED", why
        if group.stopped:
            return group.code or "E-STOPPED", group.stopped
        return None

    # ----------------------------------------------------------------------------------------------------------- steps

    def _do(self, group: _Group, step: Step) -> None:
        """One step, in a thread of the pool: recheck, write, note what is known."""
        if reason := self._skip_reason(group, step):
            self._skip(step, *reason)
            return
        try:
            before = self._recheck(step, first=step is group.steps[0])
            if before is None:
                return
            self.settings.record.intend(
                step, before, masked_fields(step.declared.resource, step.sends) if step.declared else {}
            )
            self.settings.starting(step)
            self._write(step)
        except (StorageFailed, Locked) as error:
            self.no_record = error
            if id(step) not in self.sent:
                self._skip(step, error.code, f"{error.summary}; nothing was sent")
        except NoClearAnswer as error:
            self._note(step, clear=False, detail=error.summary)
            self._count_failure(group, step)
        except ApiDenied as error:
            self.denied = error.summary
            self._fail(group, step, error)
        except ApiError as error:
            self._fail(group, step, error)
        else:
            group.failures = 0
            self.settings.sent(step)

    def _recheck(self, step: Step, *, first: bool) -> Mapping[str, Any] | None:
        """The object as it is right now, if it still is what the plan saw; None when there is nothing to write.

        Right before the write, because the plan may be minutes old.
        """
        if step.before is None:
            return {}
        found = self._read_again(step, step.before)
        if found is None and step.action is Action.DELETE:
            self._note(step, done_before=True, detail="already gone")
            return None
        if found is not None and step.action is Action.UPDATE and not readback.to_do(step, found[0]):
            self._note(step, done_before=True, detail="already as declared")
            return None
        moved = "it is gone" if found is None else readback.moved(step, found[0])
        if found is None or moved:
            self._finish(Outcome(step, Status.SKIPPED, f"changed since the plan: {moved}", "E-STALE", Exit.STALE))
            return None
        self.checked[id(step)] = (found[0], found[1] if first else {})
        reported = {name: found[1].get(name) for name in step.kind.reported if name in found[1]}
        row = masked_like(found[0], step.declared.resource) if step.declared else found[0]
        return {**reported, **masked_fields(row, ("id", *fields(step.kind)))}

    def _read_again(self, step: Step, before: Row) -> tuple[Row, Mapping[str, Any]] | None:
        """The object now. What has no GET, or is not found by it, is looked for in the wave's list."""
        tenant, found = step.address.tenant, None
        if self.contract.offer(step.kind).get is not None:
            found = live_state.read_whole(self.api, step.kind, tenant, remote_id(before))
        if found is not None or step.kind.entries is None:
            return found
        with self.listing:
            if (tenant, step.kind) not in self.at_wave:
                self.at_wave[tenant, step.kind] = {remote_id(row): row for row in self._list(tenant, step.kind)[0]}
        row = self.at_wave[tenant, step.kind].get(remote_id(before))
        return (row, {}) if row is not None else None

    def _write(self, step: Step) -> None:
        tenant = step.address.tenant
        resource = step.declared.resource if step.declared else None
        body = {name: getattr(resource, name) for name in step.sends}
        record = self.settings.record
        self.wrote = True
        match step.action:
            case Action.CREATE:
                record.sending(step)
                self.api.create(step.kind, tenant, body)
                self._note(step)
            case Action.UPDATE:
                assert step.before is not None
                record.sending(step)
                self.api.update(step.kind, tenant, remote_id(step.before), body)
                self._note(step)
            case Action.DELETE:
                assert step.before is not None
                record.sending(step)
                self.api.delete(step.kind, tenant, remote_id(step.before))
                self._note(step, deleted=True)
            case Action.REPLACE:
                assert step.before is not None
                record.sending(step)
                self.api.delete(step.kind, tenant, remote_id(step.before))
                self._note(step, deleted=True, clear=False, detail="deleted; the create was not answered")
                record.answered(step, deleted=True)
                record.sending(step)
                self.api.create(step.kind, tenant, body)
                self._note(step, deleted=True)
        record.answered(step)

    def _note(
        self, step: Step, *, clear: bool = True, detail: str = "", done_before: bool = False, deleted: bool = False
    ) -> None:
        with self.lock:
            before = self.sent.get(id(step))
            deleted = deleted or (before is not None and before.deleted)
            checked, whole = self.checked.get(id(step), (None, {}))
            self.sent[id(step)] = readback.Sent(step, clear, detail, done_before, deleted, checked, whole)

    def _fail(self, group: _Group, step: Step, error: ApiError) -> None:
        self._count_failure(group, step)
        with self.lock:
            half = self.sent.pop(id(step), None)
            if half is not None:
                self.half_done.add((step.address.tenant, step.kind))
        destroyed = 1 if half is not None and half.deleted else 0
        where = f" ({step.source})" if step.source else ""
        detail = f"deleted, but not created again: {error.summary}" if destroyed else error.summary
        exit_code = Exit.DENIED if isinstance(error, ApiDenied) else Exit.INCOMPLETE
        self._finish(Outcome(step, Status.FAILED, detail + where, error.code, exit_code, destroyed=destroyed))

    def _count_failure(self, group: _Group, step: Step) -> None:
        with self.lock:
            group.failures += 1
            if group.failures >= FAILURES_IN_A_ROW and not group.stopped:
                group.stopped = f"{FAILURES_IN_A_ROW} {step.action.word}s of {step.kind.kind} failed in a row"

    def _skip(self, step: Step, code: str, reason: str) -> None:
        self._finish(Outcome(step, Status.SKIPPED, reason, code, _SKIPPED_EXIT.get(code, Exit.INCOMPLETE)))

    def _finish(self, outcome: Outcome) -> None:
        with self.lock:
            self.outcomes[id(outcome.step)] = outcome
            if outcome.exit_code:
                self.troubled.add(outcome.step.address.tenant)
                if outcome.step.kind.entries is None and outcome.step.creates:
                    self.missing_tenants.add(outcome.step.address.tenant)

    # ----------------------------------------------------------------------------------------------------------- reads

    def _look_back(self, groups: Iterable[_Group]) -> None:
        """Between stages: has what was written so far of each group done what it should, and nothing else?"""
        due = [group for group in groups if self._sent_of([group])]
        if self.stop.signal:
            return
        for (tenant, kind), alike in _by_place(due):
            try:
                rows = self._list_until(tenant, kind, self._sent_of(alike))
            except ApiError as error:
                if isinstance(error, ApiDenied):
                    self.denied = error.summary
                for group in alike:
                    group.stopped, group.code = f"its effect could not be read back: {error.summary}", "E-UNREAD"
                continue
            for group in alike:
                self._look_at(group, rows)

    def _look_at(self, group: _Group, rows: readback.Listed) -> None:
        for each in self._sent_of([group]):
            wrong = readback.wrong(each, rows)
            if wrong is not None:
                group.code, group.stopped = wrong
                if group.code in readback.NOT_KEPT:
                    self.no_more[group.kind, group.action] = group.stopped

    def _settle(self, groups: Iterable[_Group]) -> None:
        """After a wave: read each list it touched, once, and turn what was sent into outcomes."""
        for (tenant, kind), alike in _by_place(groups):
            sent = self._sent_of(alike)
            if not sent and (tenant, kind) not in self.half_done:
                continue
            try:
                rows = self._list_until(tenant, kind, sent)
            except ApiError as error:
                for each in sent:
                    self._finish(readback.unread(each, error))
                continue
            for each in sent:
                outcome = readback.became(each, rows)
                self._finish(outcome)
                if outcome.code in readback.NOT_KEPT:
                    self.no_more[kind, each.step.action] = f"{each.step.address}: {outcome.detail}"

    def _sent_of(self, groups: Iterable[_Group]) -> list[readback.Sent]:
        return [self.sent[id(step)] for group in groups for step in group.steps if id(step) in self.sent]

    def _record(self, groups: Iterable[_Group]) -> None:
        """Hand the outcomes of a wave to the record. When that fails nothing more is written; they stay open there."""
        outcomes = [self.outcomes[id(step)] for group in groups for step in group.steps if id(step) in self.outcomes]
        try:
            self.settings.record.settle(outcomes)
        except (StorageFailed, Locked) as error:
            self.no_record = self.no_record or error

    def _list_until(self, tenant: str, kind: Kind, sent: Sequence[readback.Sent]) -> readback.Listed:
        """The list as soon as it shows what was sent, or as it is when the settle window is over."""
        ends_at = time.monotonic() + self.settings.settle
        whole = {int(each.whole["id"]) for each in sent if "id" in each.whole}
        for number, pause in enumerate((*_POLL_AFTER, *(30.0 for _ in range(1000)))):
            rows = readback.Listed(kind, *self._list(tenant, kind, whole), self._before(tenant, kind))
            left = ends_at - time.monotonic()
            if left <= 0 or self.stop.signal or all(readback.shows(each, rows) for each in sent):
                break
            if number == 0:
                writes = f"what was written to {kind.kind} of tenant {tenant}"
                self.settings.waiting(f"Waiting up to {left:.0f} s for the API to show {writes}.")
            self.settings.sleep(min(pause, max(left, 0.05)))
        return rows

    def _before(self, tenant: str, kind: Kind) -> Sequence[Row] | None:
        """The rows that the plan was made from; None where that is not known."""
        found = self.before.tenants.get(tenant) if self.before is not None else None
        return found.rows.get(kind, ()) if found is not None else None

    def _list(
        self, tenant: str, kind: Kind, whole: Container[int] = ()
    ) -> tuple[Sequence[Row], Mapping[int, Mapping[str, Any]]]:
        rows: Sequence[Row]
        found: Mapping[int, Mapping[str, Any]] = {}
        if kind.entries is None:
            row = live_state.read_one(self.api, kind, tenant)
            rows = () if row is None else (row,)
        else:
            rows, found = live_state.read_rows(self.api, kind, tenant, whole)
        self.rows[tenant, kind] = rows
        return rows, found

    def read_again(self, addresses: Iterable[Address]) -> None:
        """Read the lists of some addresses once more; one that cannot be read stays as it was."""
        words = {(address.tenant, address.kind) for address in addresses}
        for tenant, kind in [place for place in self.rows if (place[0], place[1].kind) in words]:
            with suppress(ApiError):
                self._list(tenant, kind)

    def exit_codes(self, outcomes: Iterable[Outcome]) -> tuple[Exit, ...]:
        """Every code that applies. A stale step is 6 as long as nothing was written, else one of the incomplete."""
        exits = {outcome.exit_code for outcome in outcomes} - {Exit.DONE}
        if self.no_record:
            exits.add(self.no_record.exit_code)
        if Exit.STALE in exits and self.wrote:
            exits = (exits - {Exit.STALE}) | {Exit.INCOMPLETE}
        return tuple(sorted(exits))


# -------------------------------------------------------------------------------------------------------------- rules


def _by_place(groups: Iterable[_Group]) -> Iterable[tuple[_Place, list[_Group]]]:
    found: dict[_Place, list[_Group]] = defaultdict(list)
    for group in groups:
        found[group.tenant, group.kind].append(group)
    return found.items()


def _verify(plan: Plan, desired: DesiredState, run: _Run) -> tuple[tuple[Left, ...], tuple[str, ...]]:
    """Compare once more, with the last list of each kind that was written: what is left at the plan's addresses."""
    by_tenant: dict[str, dict[Kind, Sequence[Row]]] = defaultdict(dict)
    for (tenant, kind), rows in run.rows.items():
        by_tenant[tenant][kind] = rows
    live = LiveState({tenant: LiveTenant(True, rows) for tenant, rows in by_tenant.items()})
    changes = differ.diff(desired, live)
    planned = {step.address for step in plan.steps}
    known = {held.address for held in plan.held_back}
    settled = {o.step.address for o in run.outcomes.values() if o.exit_code}
    differing = {change.address: readback.words(change.fields) for change in changes.changes}
    missing = {change.address for change in changes.changes if change.before is None}
    differing.update({unclear.address: unclear.reason for unclear in changes.unclear})
    left = tuple(
        Left(address, detail, "E-NOT-SETTLED", gone=address in missing)
        for address, detail in sorted(differing.items())
        if address in planned and address not in settled and address not in known
    )
    elsewhere = {address for address in differing if address not in planned and address not in known}
    if elsewhere and run.before is not None:
        earlier = differ.diff(desired, run.before)
        elsewhere -= {change.address for change in earlier.changes} | {unclear.address for unclear in earlier.unclear}
    if not elsewhere:
        return left, ()
    first = min(elsewhere)
    if len(elsewhere) == 1:
        return left, (f"A new difference at an address that this plan did not touch: {first}.",)
    return left, (f"{len(elsewhere)} new differences at addresses that this plan did not touch, {first} among them.",)
