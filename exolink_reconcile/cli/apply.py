"""The apply command without its options: from a reviewed or approved plan to a finished apply."""

import os
import shlex
import time
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from exolink_reconcile import __version__, files, pipeline
from exolink_reconcile.applying import applier, recovery, verified
from exolink_reconcile.applying import gate as gates
from exolink_reconcile.applying.settings import Settings, no_gate
from exolink_reconcile.applying.waiting import Stop
from exolink_reconcile.cli import event_stream, progress, start, variables
from exolink_reconcile.cli.console import Console
from exolink_reconcile.cli.event_stream import EventStream
from exolink_reconcile.cli.metrics import METRICS
from exolink_reconcile.cli.options import Options
from exolink_reconcile.cli.progress import Progress
from exolink_reconcile.cli.recorded_options import recorded
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.cli.signals import SIGNALS, Interrupted
from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import LeftOpen, Locked, PlanRefused, PlanStale, ReconcileError, StorageFailed, problem
from exolink_reconcile.inert import inert
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import connection
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import Diagnostic, Intent, LiveState, Plan, Result, Status, Step
from exolink_reconcile.pipeline import PlannedRun, Wanted
from exolink_reconcile.report import colours, result_text, since, text
from exolink_reconcile.resource import ListKey
from exolink_reconcile.saved_plan import reader, review
from exolink_reconcile.saved_plan import wave as waves
from exolink_reconcile.saved_plan.reader import SavedPlan
from exolink_reconcile.saved_plan.wave import Wave
from exolink_reconcile.state import homes
from exolink_reconcile.state.store import Base, NewBase, Store

_MOST_SHOWN = 20


@dataclass(slots=True)
class Apply:
    """One run of the apply command: how it was approved, and how it is shown."""

    console: Console
    auto_approve: bool
    expect: str | None
    plan_path: str | None
    format: str
    stages: tuple[int, ...] = (1, 10)
    gate: str | None = None
    gate_timeout: float = 600.0
    waves: tuple[str, ...] = ()
    events: EventStream = field(init=False)
    saved: SavedPlan | None = None
    wave: Wave | None = None
    options: Options = field(init=False)

    def __post_init__(self) -> None:
        self.events = EventStream(self.console, quiet=self.format != "json")

    @property
    def reviewed(self) -> bool:
        """Whether somebody approved this plan beforehand."""
        return self.expect is not None or self.plan_path is not None

    @property
    def _state(self) -> str:
        """The option with which a command to paste finds the same state."""
        return homes.option(self.options.state, os.environ)

    def run(self, options: Options, names_given: Collection[str]) -> Exit:
        """Run the command; returns its exit code. `names_given` are the options that the user gave, in any way.

        Raises:
            ReconcileError: nothing was written.

        """
        self.events.version(__version__)
        outcome = SIGNALS.outcome(lambda: self._run(options, names_given))
        if isinstance(outcome, Exit):
            self.events.end(outcome, None)
            return outcome
        variables.clean(outcome)
        self.events.end(event_stream.exit_code_of(outcome), outcome)
        raise outcome

    def _run(self, options: Options, names_given: Collection[str]) -> Exit:
        self._check_approval()
        self.saved = saved = self._read_plan()
        self.options = options = recorded(saved, options, names_given) if saved else options
        wanted = start.wanted(options, self.console, reviewed=self.reviewed, saved=saved.reviewed if saved else None)
        self.events.diagnostics(variables.without_values(wanted.desired.warnings))
        with start.connected(options, wanted.contract_text, self.console) as api, self._locked(wanted) as journal:
            journal.api_now = api.now
            api.keep_lists()
            with self._left_open(wanted, journal):
                whole_run, blind = self._settled_plan(wanted, api, journal)
                run = self._shown(self._reviewed(whole_run), blind)
                self._check_guardrails(run)
                journal.saw(_counts(run.live))
                if not run.plan.waves:
                    return self._nothing_to_do(journal, wanted, run, blind)
                self._approve()
            result, code = self._apply(wanted, run, whole_run, api, journal, blind)
        # The lock is free: a slow reader of the result keeps nobody waiting.
        self._tell_open(blind)
        METRICS.applied(result)
        self._tell_result(result, run.plan, code)
        if self.format != "json":
            self.console.note(f"Took {progress.duration(RUN.seconds)}.\n")
        return code

    def _check_approval(self) -> None:
        """Refuse a run that nobody approved, and that cannot ask. Raises InputError."""
        if self.waves and self.plan_path is None:
            raise problem("E-USAGE", "--wave takes a part of a saved plan: give --plan FILE too")
        if not (self.auto_approve or self.reviewed or self.console.can_ask):
            raise problem("E-NO-APPROVAL", "there is no terminal to ask, and no --auto-approve, --plan or --expect")
        if self.format == "json" and not (self.auto_approve or self.reviewed):
            raise problem("E-NO-APPROVAL", "--format json asks nobody: give --auto-approve, --plan or --expect")
        if self.expect is not None and not _is_digest(self.expect):
            raise problem("E-USAGE", "--expect takes a digest or its first 32 or more hex digits")

    def _read_plan(self) -> SavedPlan | None:
        """The saved plan, if one was given. Raises InputError, PlanStale: it is not the one that --expect names."""
        if self.plan_path is None:
            return None
        saved = reader.read(files.read(self.plan_path, "the plan file", files.LARGEST_PLAN))
        if self.expect is not None:
            review.check_expected(saved.digest, self.expect.lower())
        return saved

    @contextmanager
    def _locked(self, wanted: Wanted) -> Iterator[Store]:
        """The store, with the tenants of the run locked, before anything is read."""
        options = self.options
        origin = connection.origin(options.api_url)
        with (
            homes.home(options.state, os.environ).open(origin) as store,
            store.hold(wanted.tenants, options.lock_timeout, self._tell),
            self.console.not_waiting(),  # a paused pager would keep the lock
        ):
            yield store

    @contextmanager
    def _left_open(self, wanted: Wanted, store: Store) -> Iterator[None]:
        """If the run ends before its first write and leaves a write of an earlier run open, exit code 9 says so."""
        try:
            yield
        except (ReconcileError, Interrupted) as error:
            intents = store.open_intents(wanted.tenants)
            if not intents:
                raise
            self.events.left_open(intents)
            reason = error.summary if isinstance(error, ReconcileError) else "interrupted"
            raise LeftOpen(
                "E-AMBIGUOUS", f"{reason.rstrip('.')}. Still open: {_named(intents)}; see `unknowns`"
            ) from error

    def _settled_plan(self, wanted: Wanted, api: Api, store: Store) -> tuple[PlannedRun, Sequence[Intent]]:
        """The plan, made after the writes of earlier runs are settled; and the creates that a blind list keeps open."""
        settings = Settings(settle=self.options.settle, waiting=self._tell)
        settling = recovery.Recovery(api, wanted.contract, KINDS, store, wanted.tenants, settings)
        run, recovered = settling.run(lambda counts: self._plan(wanted, api, store, counts))
        if pause := self._may_have_forgotten(store, run):
            time.sleep(pause)
            run = self._plan(wanted, api, store, store.seen())
        if recovered.sentence:
            self._tell(recovered.sentence)
        if recovered.held:
            run = pipeline.with_plan(run, recovery.hold_back(run.plan, recovered.held))
        return run, recovered.blind

    def _plan(self, wanted: Wanted, api: Api, store: Store, counts_before: Mapping[ListKey, int]) -> PlannedRun:
        with progress.reading(self.console, wanted):
            return pipeline.plan(wanted, api, counts_before, _bases(store, wanted))

    def _may_have_forgotten(self, store: Store, run: PlannedRun) -> float:
        """Seconds for which writes of earlier runs may be under way that the state has forgotten; if any, say so."""
        if store.took_over is not None:
            return self._forgot_last_writes(store, run, store.took_over)
        if not (store.is_new and os.environ.get("CI")):
            return 0.0
        name = store.where[:1].upper() + store.where[1:]
        forgotten = f"{name} is new: what earlier runs sent or saw is not remembered."
        if not any(step.creates for step in run.plan.steps):
            self._tell(forgotten)
            return 0.0
        self._tell(
            f"{forgotten} Waiting {self.options.settle:.0f} s once, so that what they created shows up, before planning"
            " again. Keep the state between runs, or share one."
        )
        return self.options.settle

    def _forgot_last_writes(self, store: Store, run: PlannedRun, noticed: float) -> float:
        """The same for a shared state that another server keeps than before, noticed so many seconds ago."""
        pause = max(0.0, self.options.settle - noticed)
        if not pause or not run.plan.waves:
            return 0.0
        self._tell(
            f"Another server than before answers for {store.where}: a standby that took over, or a restored copy, may have"
            f" forgotten the last writes. Waiting {pause:.0f} s, so that they show up, before planning again."
        )
        return pause

    def _reviewed(self, run: PlannedRun) -> PlannedRun:
        """The run, or its wave, if it is what was reviewed. Raises PlanStale after it has shown what differs."""
        if self.saved is None:
            if self.expect is not None:
                review.check_digest(run.digest, self.expect.lower())
            return run
        try:
            if self.waves:
                self.wave = waves.of(self.saved, run.plan, run.digests, run.desired, run.live, self.waves)
                return pipeline.with_plan(run, self.wave.plan)
            review.check(self.saved, run.plan, run.digests, run.desired, run.live)
        except PlanStale as error:
            if error.code == "E-STALE":
                self._tell_difference(self.saved, run)
            raise
        return run

    def _tell_difference(self, saved: SavedPlan, run: PlannedRun) -> None:
        """Show what the plan would do now and the reviewed one would not, and the reverse, like `show --since`."""
        now = reader.read(b"".join(start.document(run, self.options)))
        self.console.err(f"Since the review:\n{since.since(saved.document, now.document, most=_MOST_SHOWN)}")

    def _shown(self, run: PlannedRun, blind: Sequence[Intent]) -> PlannedRun:
        """The run with what --probe found, after it was shown and counted."""
        run = start.probed(run, self.options)
        start.tell_unprobed(run, self.options, self.console)
        METRICS.planned(run.plan, run.lists, len(blind))
        # A wave has the digest that was reviewed: that of the whole plan.
        digest = self.saved.digest if self.saved is not None and self.wave is not None else run.digest
        self.events.plan(run.plan, digest)
        if self.format != "json":
            output = text.plan(run.plan, digest, width=self.console.width, terminal=self.console.terminal)
            self.console.out(output, colours.paint)
        if self.wave is not None:
            count = f"{sum(1 for _ in run.plan.steps)} of {self.wave.total} reviewed steps"
            self._tell(f"This wave is {count}; the digest is that of the whole plan.")
        return run

    def _check_guardrails(self, run: PlannedRun) -> None:
        if run.plan.refusals:
            first = run.plan.refusals[0]
            raise PlanRefused(first.code, f"{first.summary}. Nothing was written{self._where_to_permit}")
        for probe in run.plan.probes or ():
            if not probe.reachable and str(probe.address) not in self.options.allow_unreachable:
                option = shlex.quote(f"--allow-unreachable={probe.address}")
                raise PlanRefused(
                    "E-UNREACHABLE-CPMS",
                    f"{probe.address} cannot be reached from here: {probe.reason}. Nothing was written;"
                    f" where only the broker can reach it: {option}",
                )

    @property
    def _where_to_permit(self) -> str:
        """Where to give a missing permission: a saved plan has the options that it was made with."""
        return ". A saved plan keeps its options: make it again with the one it lacks" if self.plan_path else ""

    def _nothing_to_do(self, store: Store, wanted: Wanted, run: PlannedRun, blind: Sequence[Intent]) -> Exit:
        """The end of a run without any step that can go now."""
        unknown = (Exit.UNKNOWN,) if blind else ()
        if self.wave is not None:
            self._tell_open(blind)
            result = self.wave.result(Result(()))
            code = Exit.worst((*result.exit_codes, *unknown))
            self._tell_result(result, run.plan, code)
            return code
        self._keep_base(store, wanted, run)
        if self.format != "json" and run.plan.held_back:
            self.console.err("Nothing was written: what differs is held back. See the ways out above.\n")
        self._tell_open(blind)
        return Exit.worst((Exit.INCOMPLETE if run.plan.held_back else Exit.DONE, *unknown))

    def _keep_base(self, store: Store, wanted: Wanted, run: PlannedRun, result: Result | None = None) -> None:
        """Remember what is declared and verified, for each tenant of the run."""
        not_verified = verified.NotVerified(run.plan, wanted.choices, result)
        for tenant in run.desired.tenants:
            if tenant.name in run.plan.tenants:
                base = NewBase(
                    declared=verified.declared(tenant, but=not_verified),
                    keep=not_verified,
                    removed=verified.removed(tenant),
                    exclusive=[pattern.glob for pattern in tenant.policy.exclusive],
                )
                store.keep_base(tenant.name, base)

    def _approve(self) -> None:
        if self.auto_approve or self.reviewed:
            return
        question = f"Do you want to do this at {self.options.api_url}?\n  Only `yes` will be accepted: "
        if self.console.ask(question) != "yes":
            raise PlanRefused("E-NOT-APPROVED", "not approved. Nothing was written")

    def _apply(
        self,
        wanted: Wanted,
        run: PlannedRun,
        whole_run: PlannedRun,
        api: Api,
        journal: Store,
        blind: Sequence[Intent],
    ) -> tuple[Result, Exit]:
        stop = Stop()
        bar = Progress(self.console, sum(1 for _ in run.plan.steps))

        def starting(step: Step) -> None:
            self.events.started(step)
            bar.started(step)

        def answered(step: Step) -> None:
            self.events.answered(step)
            bar.answered(step)

        blind_places = {op.address.list_key: str(op.address) for op in blind}
        settings = Settings(
            settle=self.options.settle,
            record=journal,
            blind=blind_places,
            starting=starting,
            sent=answered,
            ended=bar.ended,
            waiting=bar.note,
            stages=self.stages,
            gate=self._gate(stop, wanted.variables),
        )
        journal.digest = self.saved.digest if self.saved is not None else run.digest  # what somebody approved
        journal.started(bar.total)
        # From here on a signal would only stop the report of what was written.
        SIGNALS.hand_to(stop.ask)
        with bar:
            result = applier.apply(run.plan, run.desired, run.contract, api, stop, settings, run.live, run.differing)
        result = self.wave.result(result) if self.wave is not None else result
        code = self._remember(journal, wanted, whole_run, result, _code_of(result, run.plan, stop))
        if result.gated:
            self._tell_ways_on(journal)
        return result, Exit.worst((code, Exit.UNKNOWN)) if blind else code

    def _gate(self, stop: Stop, variables: Container[str]) -> Callable[[int, Sequence[str]], str]:
        """The gate that is asked after each stage."""
        if self.gate is None:
            return no_gate
        gate_environment = gates.environment(os.environ, variables)
        return gates.Gate(
            self.gate, self.gate_timeout, gate_environment, lambda line: self._tell(f"gate: {line}"), stop
        )

    def _remember(self, journal: Store, wanted: Wanted, run: PlannedRun, result: Result, code: Exit) -> Exit:
        """Put the end of the run on record. If that fails now, the exit code says so: the writes are done."""
        try:
            journal.saw(result.live_counts)
            self._keep_base(journal, wanted, run, result)
            journal.ended(code, result.totals)
        except (StorageFailed, Locked) as error:
            self._tell(f"error: {error.code}: {error.summary}.")
            self.events.diagnostics([Diagnostic(error.code, error.summary)])
            return Exit.worst((code, error.exit_code))
        return code

    def _tell_ways_on(self, store: Store) -> None:
        """After a gate stopped the run: say how to put back what it did."""
        self._tell("To put back what this run did, look at")
        self._tell(f"  exolink-reconcile history --run {store.run} --format yaml{self._state}")

    def _tell_open(self, blind: Sequence[Intent]) -> None:
        """Name the writes of earlier runs that stay open."""
        self.events.left_open(blind)
        if blind:
            self._tell(f"Still open from an earlier run: {_named(blind)}; see `unknowns`.")

    def _tell_result(self, result: Result, plan: Plan, code: Exit) -> None:
        self.events.result(result, code)
        if self.format != "json":
            self.console.prose(result_text.result(result, plan, code, self._state), colours.paint_result)

    def _tell(self, sentence: str) -> None:
        self.console.err(f"{inert(sentence)}\n")


def _named(intents: Sequence[Intent]) -> str:
    """The first few writes, in words."""
    listed = ", ".join(f"{op.action} {op.address}" for op in intents[:3])
    return f"{listed} and {len(intents) - 3} more" if len(intents) > 3 else listed


def _counts(live: LiveState) -> dict[ListKey, int]:
    return {
        ListKey(name, kind.kind): len(rows)
        for name, tenant in live.tenants.items()
        for kind, rows in tenant.rows.items()
        if tenant.exists
    }


def _code_of(result: Result, plan: Plan, stop: Stop) -> Exit:
    """The exit code that asks for the most care. Steps that a signal skipped count for the signal, not as incomplete."""
    exits = {*result.exit_codes, *((Exit.INCOMPLETE,) if plan.held_back or result.left else ())}
    not_skipped = [o for o in result.outcomes if o.code != "E-INTERRUPTED" or o.status is not Status.SKIPPED]
    if stop.signal and len(not_skipped) < len(result.outcomes):
        if not any(o.exit_code is Exit.INCOMPLETE for o in not_skipped) and not (plan.held_back or result.left):
            exits.discard(Exit.INCOMPLETE)
        exits.add(Exit.of_signal(stop.signal))
    return Exit.worst(exits)


def _is_digest(text: str) -> bool:
    return 32 <= len(text) <= 64 and all(character in "0123456789abcdefABCDEF" for character in text)


def _bases(store: Store, wanted: Wanted) -> dict[str, Base]:
    """What earlier applies declared, unless another base was given."""
    if wanted.base is not None:
        return {}
    bases = {tenant: store.base(tenant) for tenant in wanted.tenants}
    return {tenant: base for tenant, base in bases.items() if base is not None}
