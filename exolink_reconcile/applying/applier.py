"""Plan, API and journal to outcomes: does what the plan says, and decides nothing.

A wave runs in stages: of each (tenant, kind, action) one step goes alone, then ten, then the rest. Each stage is read back
before the next one starts, so an unexpected effect of the API happens once. After the wave every list that it touched is
read again: that one read learns ids, settles writes without an answer, and verifies.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from exolink_reconcile.applying import knowledge, outcomes, verifying
from exolink_reconcile.applying.knowledge import End, Listing
from exolink_reconcile.applying.lists import Lists, Place
from exolink_reconcile.applying.sender import Sender
from exolink_reconcile.applying.settings import Settings
from exolink_reconcile.applying.task import Task, Withheld, skipped
from exolink_reconcile.applying.waiting import Stop, wait_until
from exolink_reconcile.codes import Exit
from exolink_reconcile.contract import Contract
from exolink_reconcile.errors import ApiDenied, ApiError, Locked, NoClearAnswer, ReconcileError, StorageFailed
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import Action, DesiredState, Left, LiveState, Outcome, Plan, Result, Status, Step
from exolink_reconcile.planning.notes import NO_BETTER_RECHECK
from exolink_reconcile.resource import Address, Kind

FAILURES_IN_A_ROW = 10
GRACE = 5.0
READ_BACK = 2.0  # seconds for each list after a signal: a CI system kills about ten seconds after its first signal


def apply(
    plan: Plan,
    desired: DesiredState,
    contract: Contract,
    api: Api,
    stop: Stop,
    settings: Settings,
    before: LiveState | None = None,
    differing: Collection[Address] = (),
) -> Result:
    """Do the plan's steps. One outcome a step, in the order of the plan; errors of the API are outcomes, not raised.

    `before` is the live state that the plan was made from: its objects are never taken for what a create made. `differing`
    are the addresses that differed already then: their differences are not reported as new.
    """
    run = _Run(plan, contract, api, stop, settings, before)
    for wave in run.waves:
        run.wave(wave)
    ended = tuple(task.outcome for wave in run.waves for task in wave if task.outcome is not None)
    remaining, notes = _verify(plan, desired, run, ended, differing, before)
    for kind in sorted(run.lists.without_get, key=lambda kind: kind.kind):
        sentence = f"GET of a single {kind.kind} does not show what its list shows: {NO_BETTER_RECHECK} (W-RECHECK)."
        notes = (*notes, sentence)
    if run.halted is not None:
        notes = (
            *notes,
            f"{run.halted.summary}: what happened is not all on record; `unknowns` lists what is still open.",
        )
    return Result(ended, remaining, notes, run.exits(ended), run.lists.counts, run.gated)


def _verify(
    plan: Plan,
    desired: DesiredState,
    run: "_Run",
    ended: Sequence[Outcome],
    differing: Collection[Address],
    before: LiveState | None,
) -> tuple[tuple[Left, ...], tuple[str, ...]]:
    """The differences left at the plan's addresses. A row that is gone is read again: most likely its list lags."""
    verified = [verifying.verify(plan, desired, run.lists.rows, ended, differing, before)]

    def nothing_is_gone() -> bool:
        if gone := {judgement.address for judgement in verified[-1][0] if judgement.gone}:
            run.lists.read_again(gone)
            verified.append(verifying.verify(plan, desired, run.lists.rows, ended, differing, before))
        return not any(judgement.gone for judgement in verified[-1][0])

    wait_until(nothing_is_gone, run.settings.settle, stop=run.stop, clock=run.settings.clock, sleep=run.lists.sleep)
    return verified[-1]


@dataclass(slots=True)
class _Group:
    """The steps of one (tenant, kind, action) of a wave, and why they stopped, if they did."""

    tenant: str
    kind: Kind
    action: Action
    tasks: list[Task]
    stopped: str = ""
    code: str = ""
    failures: int = 0


class _Run:
    """One apply and what happened in it so far."""

    def __init__(
        self, plan: Plan, contract: Contract, api: Api, stop: Stop, settings: Settings, before: LiveState | None
    ) -> None:
        def task(step: Step) -> Task:
            return Task(step, knowledge.of_step(step, has_get=contract.offer(step.kind).get is not None))

        self.waves = [[task(step) for step in wave] for wave in plan.waves]
        tasks = (task for wave in self.waves for task in wave)
        self.api, self.stop, self.settings = api, stop, settings
        self.lists = Lists(api, contract, tasks, before, stop, settings)
        self.sender = Sender(api, contract, self.lists, settings, self._withhold)
        self.troubled: set[str] = set()
        self.missing_tenants: set[str] = set()
        self.no_more: dict[tuple[Kind, Action], str] = {}
        self.denied = ""
        self.gated = ""
        self.stage = 0
        self.halted: ReconcileError | None = None
        self.lock = threading.Lock()

    # ----------------------------------------------------------------------------------------------------------- waves

    def wave(self, wave: Sequence[Task]) -> None:
        """Run one wave to its end, the last read of its lists included."""
        groups = _groups(wave)
        start, last = 0, list[Task]()
        for number, size in enumerate((*self.settings.stages, len(wave))):
            staged = [(group, group.tasks[start : start + size]) for group in groups]
            staged = [(group, tasks) for group, tasks in staged if tasks]
            if not staged:
                break
            self._stage(staged)
            start += size
            last = [task for _, tasks in staged for task in tasks]
            if more := [group for group in groups if len(group.tasks) > start]:
                alike = {(group.kind, group.action) for group in more}
                first = [group for group in groups if (group.kind, group.action) in alike]
                self._look_back(first if number == 0 else more)
                self._ask_gate(last)
                last = []
        self._settle(groups)
        self._record(groups)
        self._ask_gate(last)

    def _stage(self, staged: Iterable[tuple[_Group, Sequence[Task]]]) -> None:
        """Run tasks at the same time; after a signal wait only for those in flight."""
        since = self.settings.clock()
        futures: dict[Future[None], Task] = {}
        for group, tasks in staged:
            for task in tasks:
                if reason := self._skip_reason(group, task):
                    self._close(skipped(task, *reason), task)
                else:
                    futures[self.api.pool.submit(self._attempt, group, task, since)] = task
        # A queue, because `concurrent.futures.wait` looks at all of 10,000 futures again for each one that ends.
        ended: SimpleQueue[Future[None]] = SimpleQueue()
        for future in futures:
            future.add_done_callback(ended.put)
        unfinished = len(futures)
        gives_up_at = float("inf")
        while unfinished:
            with suppress(Empty):
                ended.get(timeout=0.1 if self.stop.signal else 0.5).result()
                unfinished -= 1
            if self.stop.signal and gives_up_at == float("inf"):
                gives_up_at = time.monotonic() + GRACE
                self.api.hurry(READ_BACK)
            if time.monotonic() > gives_up_at or self.stop.at_once:
                self._give_up(futures)
                return

    def _give_up(self, futures: Mapping[Future[None], Task]) -> None:
        """Stop waiting for tasks that do not end: a request without an answer is unclear, all others are never sent."""
        for future, task in futures.items():
            if future.done():
                future.result()
                continue
            future.cancel()
            task.learn(
                lambda so_far: (
                    so_far.ended(End.UNCLEAR, "interrupted before the API answered") if so_far.attempts else so_far
                )
            )
            task.withheld = task.withheld or _INTERRUPTED
            if not task.may_be_in_flight and task.outcome is None:
                self._close(skipped(task, *_INTERRUPTED), task)

    def _skip_reason(self, group: _Group, task: Task) -> tuple[str, str] | None:
        """Why a task must not start, with its code; None if it may."""
        step, tenant = task.step, task.step.address.tenant
        if reason := self._withhold(task):
            return reason
        if step.creates and (blind := self.settings.blind.get(step.address.list_key)):
            return "E-LIST-BLIND", f"an earlier create, {blind}, was answered and never showed up (see `unknowns`)"
        if tenant in self.missing_tenants and not step.kind.is_tenant():
            return "E-DEPENDS", f"tenant {tenant} was not created"
        if step.deletes and tenant in self.troubled:
            return "E-DEPENDS", f"nothing is deleted in tenant {tenant} after something failed there"
        if why := self.no_more.get((step.kind, step.action)):
            return "E-STOPPED", why
        if group.stopped:
            return group.code or "E-STOPPED", group.stopped
        return None

    def _withhold(self, task: Task) -> tuple[str, str] | None:
        """Why no request of a task may leave now, even if the task has started; called from several threads."""
        if self.stop.signal:
            return _INTERRUPTED
        if self.halted is not None:
            return self.halted.code, f"{self.halted.summary}; nothing was sent"
        if self.gated:
            return "E-GATE", self.gated
        if self.denied:
            return "E-DENIED", self.denied
        if sentence := self.lists.contradicted.get(task.step.address.tenant):
            return "E-CONTRADICTED", sentence
        return None

    # ----------------------------------------------------------------------------------------------------------- steps

    def _attempt(self, group: _Group, task: Task, since: float) -> None:
        """Do one task, in a thread of the pool."""
        if reason := self._skip_reason(group, task):
            self._close(skipped(task, *reason), task)
            return
        try:
            self.sender.do(task, first=task is group.tasks[0], since=since)
            group.failures = 0
        except Withheld as withheld:
            self._note_withheld(task, withheld.code, withheld.reason)
        except (StorageFailed, Locked) as error:
            self.halted = self.halted or error
            self._note_withheld(task, error.code, f"{error.summary}; nothing was sent")
        except NoClearAnswer as error:
            self._note_denied(error.__cause__)
            self._count_failure(group, task)
        except ApiError as error:
            self._note_denied(error)
            self._count_failure(group, task)
            self._failed(task, error)
        else:
            if task.outcome is not None:
                self._close(task.outcome, task)

    def _note_withheld(self, task: Task, code: str, reason: str) -> None:
        """Note that a request did not leave. The step was skipped if no request of it may have had an effect."""
        task.withheld = code, reason
        if not task.may_be_in_flight:
            self._close(skipped(task, code, reason), task)

    def _note_denied(self, error: BaseException | None) -> None:
        if isinstance(error, ApiDenied):
            self.denied = error.summary

    def _failed(self, task: Task, error: ApiError) -> None:
        """Close a task that got a clear no, or whose object could not be read; a half-done replace waits for its wave."""
        if task.may_be_in_flight:
            return
        if task.knowledge.attempts:
            self._close(outcomes.of(task, self.settings.settle), task)
            return
        exit_code = Exit.DENIED if isinstance(error, ApiDenied) else Exit.INCOMPLETE
        place = f" ({task.step.source})" if task.step.source else ""
        self._close(Outcome(task.step, Status.FAILED, error.summary + place, error.code, exit_code), task)

    def _count_failure(self, group: _Group, task: Task) -> None:
        with self.lock:
            group.failures += 1
            if group.failures >= FAILURES_IN_A_ROW and not group.stopped:
                step = task.step
                group.stopped = f"{FAILURES_IN_A_ROW} {step.action.word}s of {step.kind.kind} failed in a row"

    def _close(self, outcome: Outcome, task: Task) -> None:
        with self.lock:
            task.outcome = outcome
            if outcome.exit_code:
                self.troubled.add(outcome.step.address.tenant)
                if outcome.step.kind.is_tenant() and outcome.step.creates:
                    self.missing_tenants.add(outcome.step.address.tenant)
        self.settings.ended(outcome)

    # ----------------------------------------------------------------------------------------------------------- reads

    def _look_back(self, groups: Iterable[_Group]) -> None:
        """Between stages: stop each group whose writes so far did not do what they should, or did something else too."""
        if self.stop.signal:
            return
        for (tenant, kind), alike in _by_place(groups):
            touched = _touched(alike)
            if not touched:
                continue
            try:
                listing = self.lists.wait(tenant, kind, touched)
            except ApiError as error:
                self._note_denied(error)
                for group in alike:
                    group.stopped, group.code = f"its effect could not be read back: {error.summary}", "E-UNREAD"
                continue
            for group in alike:
                self._check_group(group, listing)

    def _check_group(self, group: _Group, listing: Listing) -> None:
        for task in _touched([group]):
            outcome = outcomes.of(task, self.settings.settle, listing.raw_rows)
            if (stops := outcomes.stops(task, outcome)) is not None:
                group.code, group.stopped = stops
                if group.code in outcomes.NOT_KEPT:
                    self.no_more[group.kind, group.action] = group.stopped

    def _ask_gate(self, tasks: Iterable[Task]) -> None:
        """After a stage that wrote something, while no write is in flight: ask whether the next one may start."""
        addresses = [str(task.step.address) for task in tasks if task.may_be_in_flight]
        if not addresses or self.stop.signal or self.gated:
            return
        self.stage += 1
        try:
            self.gated = self.settings.gate(self.stage, addresses)
        except StorageFailed as error:
            self.halted = self.halted or error

    def _settle(self, groups: Iterable[_Group]) -> None:
        """After a wave: read each list that it touched, once, and turn what was sent into outcomes."""
        for (tenant, kind), alike in _by_place(groups):
            touched = [task for task in _touched(alike) if task.outcome is None]
            if not touched:
                continue
            try:
                listing = self.lists.wait(tenant, kind, touched)
            except ApiError as error:
                for task in touched:
                    self._close(outcomes.unread(task, error), task)
                continue
            for task in touched:
                outcome = outcomes.of(task, self.settings.settle, listing.raw_rows)
                self._close(outcome, task)
                if outcome.code in outcomes.NOT_KEPT:
                    self.no_more[kind, task.step.action] = f"{task.step.address}: {outcome.detail}"

    def _record(self, groups: Iterable[_Group]) -> None:
        """Put the outcomes of a wave on record. If that fails, nothing more is written, and its writes stay open there."""
        ended = [task.outcome for group in groups for task in group.tasks if task.outcome is not None]
        try:
            self.settings.record.settle(ended)
            self.settings.record.saw(self.lists.counts)
        except (StorageFailed, Locked) as error:
            self.halted = self.halted or error

    def exits(self, ended: Iterable[Outcome]) -> tuple[Exit, ...]:
        """Every exit code that applies. A stale step means 6 while nothing was written, and "incomplete" after that."""
        exits = {outcome.exit_code for outcome in ended} - {Exit.DONE}
        if self.halted is not None:
            exits.add(self.halted.exit_code)
        if self.gated:
            exits.add(Exit.INCOMPLETE)
        if Exit.STALE in exits and any(task.may_be_in_flight for wave in self.waves for task in wave):
            exits = (exits - {Exit.STALE}) | {Exit.INCOMPLETE}
        return tuple(sorted(exits))


_INTERRUPTED = ("E-INTERRUPTED", "interrupted before it started")


def _groups(wave: Sequence[Task]) -> list[_Group]:
    groups: dict[tuple[str, Kind, Action], _Group] = {}
    for task in wave:
        place = (task.step.address.tenant, task.step.kind, task.step.action)
        groups.setdefault(place, _Group(*place, tasks=[])).tasks.append(task)
    return list(groups.values())


def _by_place(groups: Iterable[_Group]) -> Iterable[tuple[Place, list[_Group]]]:
    by_place: dict[Place, list[_Group]] = defaultdict(list)
    for group in groups:
        by_place[group.tenant, group.kind].append(group)
    return by_place.items()


def _touched(groups: Iterable[_Group]) -> list[Task]:
    return [task for group in groups for task in group.tasks if task.touched]
