"""A saved plan, what is left of it, and globs to a wave: the reviewed steps that go now."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

from exolink_reconcile import globs
from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import PlanStale, problem
from exolink_reconcile.globs import Globs
from exolink_reconcile.model import DesiredState, LiveState, Outcome, Plan, Result, Status, Step
from exolink_reconcile.planning import choices
from exolink_reconcile.saved_plan import review
from exolink_reconcile.saved_plan.reader import SavedPlan

_STALE = "changed since it was reviewed"
_WAITS = "deletes and replaces go in the wave after which nothing else of their tenant is left"


@dataclass(frozen=True, slots=True)
class Wave:
    """The steps that go now, as a plan of its own.

    `moved` are steps whose object changed since the review, `vanished` are steps that are not in the plan any more and did
    not happen as planned. `open` are all steps that are left, of `total` reviewed. `waiting` are deletes and replaces at the
    wave's addresses that wait until nothing else of their tenant is left.
    """

    plan: Plan
    moved: tuple[Step, ...]
    vanished: tuple[str, ...]
    open: int
    total: int
    waiting: tuple[Step, ...] = ()

    def result(self, result: Result) -> Result:
        """The result of the wave, with notes on what was skipped because it changed, and how many steps are left."""
        done = sum(outcome.status is Status.DONE and not outcome.exit_code for outcome in result.outcomes)
        not_done = self.open - done
        skipped = [Outcome(step, Status.SKIPPED, _STALE, "E-STALE", Exit.INCOMPLETE) for step in self.moved]
        notes = [f"skipped {vanished}: {_STALE} (E-STALE)" for vanished in self.vanished]
        notes += [f"waits: {step.action.word} {step.address}: {_WAITS}" for step in self.waiting]
        notes += [f"{not_done} of {self.total} steps left."] if not_done else []
        exits = {*result.exit_codes, *((Exit.INCOMPLETE,) if not_done else ())}
        return replace(
            result,
            outcomes=(*result.outcomes, *skipped),
            notes=(*result.notes, *notes),
            exit_codes=tuple(sorted(exits)),
        )


def of(
    saved: SavedPlan,
    plan: Plan,
    digests: Sequence[str],
    desired: DesiredState,
    live: LiveState,
    patterns: Sequence[str],
) -> Wave:
    """The reviewed steps at addresses that match a glob. Deletes and replaces wait until all else of their tenant is done.

    `digests` are the digests of the plan's steps.

    Raises:
        InputError: a glob matches no reviewed step.
        PlanStale: the plan has a step that nobody reviewed, or nothing is left.

    """
    changes = saved.document.exolink.changes
    reviewed_addresses = {change.address: None for change in changes}
    _refuse_unmatched(patterns, reviewed_addresses)
    steps, addresses = tuple(plan.steps), ["/".join(step.address) for step in plan.steps]
    new = next((step for step, address in zip(steps, addresses) if address not in reviewed_addresses), None)
    if new is not None:
        raise PlanStale(
            "E-STALE",
            f"the plan is stale: it would now {new.action.word} {new.address}; nobody reviewed it. Plan again",
        )
    vanished = review.vanished(saved, plan, set(digests), desired, live)
    if not steps and not vanished:
        raise PlanStale("E-APPLIED", "this plan is already applied: nothing of it is left to do")
    covers, reviewed = Globs(patterns).match, {change.digest for change in changes}
    in_wave = [(step, own in reviewed) for step, address, own in zip(steps, addresses, digests) if covers(address)]
    unchanged = [step for step, is_reviewed in in_wave if is_reviewed]
    going = _going(plan, unchanged)
    return Wave(
        _part(plan, going),
        moved=tuple(step for step, is_reviewed in in_wave if not is_reviewed),
        vanished=tuple(f"{action} {address}" for action, address in vanished if covers(address)),
        open=len(steps) + len(vanished),
        total=len(changes),
        waiting=tuple(step for step in unchanged if id(step) not in going),
    )


def _refuse_unmatched(patterns: Sequence[str], addresses: Iterable[str]) -> None:
    for pattern in patterns:
        if not any(globs.matches(pattern, address) for address in addresses):
            raise problem("E-TARGET", f"--wave {pattern} matches no reviewed step", choices.nearest(pattern, addresses))


def _going(plan: Plan, unchanged: Sequence[Step]) -> set[int]:
    """The identities of the steps that go now, of those in the wave that are as reviewed."""
    going = {id(step) for step in unchanged if not step.deletes}
    waiting = {step.address.tenant for step in plan.steps if not step.deletes and id(step) not in going}
    return going | {id(step) for step in unchanged if step.deletes and step.address.tenant not in waiting}


def _part(plan: Plan, going: Container[int]) -> Plan:
    """The plan of only the steps that go now, in their order."""
    waves = (tuple(step for step in wave if id(step) in going) for wave in plan.waves)
    part = replace(plan, waves=tuple(wave for wave in waves if wave))
    is_all = all(id(step) in going for step in plan.steps)
    return part if is_all else replace(part, partial=(*plan.partial, "--wave"))
