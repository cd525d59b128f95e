"""What every format says about a plan beside its changes, a sentence each. Every sentence is inert."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from exolink_reconcile.inert import inert
from exolink_reconcile.model import Note, Plan

NO_CHANGES = "No changes. Your infrastructure matches the configuration."
NO_CHANGES_HERE = "No changes in the part that --target, --exclude and --only leave."
NO_CHANGES_IN_WAVE = "No changes in the part that --wave leaves."
_SHOWN_NOTES = 5


def compared(plan: Plan) -> Iterator[str]:
    """Which API and how many objects were compared, and which options leave a part out."""
    counts = [counted(count, kind) for kind, count in plan.compared.items()] or ["nothing"]
    yield inert(f"Compared {_and(counts)} with {plan.origin}.")
    if plan.partial:
        yield f"This plan is partial: it holds only what {_and(plan.partial)} leave{'s' * (len(plan.partial) == 1)}."


def counted(number: int, noun: str) -> str:
    """`1 write`, `2 writes`, `2 cpms`."""
    return f"{number} {noun}" if number == 1 or noun.endswith("s") else f"{number} {noun}s"


def _and(words: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def no_changes(plan: Plan) -> str:
    """The sentence of a plan without differences."""
    if "--wave" in plan.partial:
        return NO_CHANGES_IN_WAVE
    return NO_CHANGES_HERE if plan.partial else NO_CHANGES


def summary(plan: Plan) -> Iterator[str]:
    """Terraform's sentence, then what it does not count."""
    add, change, destroy = plan.counts
    yield f"Plan: {add} to add, {change} to change, {destroy} to destroy." if plan.differs else no_changes(plan)
    unmanaged = sum(plan.unmanaged_counts.values())
    rest = [f"{len(plan.held_back)} held back."] if plan.held_back else []
    if unmanaged:
        rest.append(f"{unmanaged} unmanaged.")
    if plan.left_out:
        rest.append(f"{len(plan.left_out)} left out by --only.")
    if whose := whose_change(plan):
        rest.append(f"{whose}.")
    if plan.base and plan.not_attributed:
        rest.append(f"{plan.not_attributed} not known whose change.")
    if rest:
        yield " ".join(rest)


def notes(plan: Plan) -> Iterator[str]:
    """Notes that are not steps, a sentence each."""
    for code, notes in _by_code(plan.notes).items():
        yield from (inert(f"Note: {note.summary} ({code}).") for note in notes[:_SHOWN_NOTES])
        if (more := len(notes) - _SHOWN_NOTES) > 0:
            yield f"Note: {more} more of this kind ({inert(code)}); --format json has all."
    yield from (inert(f"Probe: {probe}.") for probe in plan.probes or ())


def _by_code(notes: Iterable[Note]) -> Mapping[str, list[Note]]:
    by_code: dict[str, list[Note]] = defaultdict(list)
    for note in notes:
        by_code[note.code].append(note)
    return by_code


def whose_change(plan: Plan) -> str:
    """`2 by this change, 1 drift`; empty if no cause is claimed."""
    counts = {"by this change": plan.by_this_change, "drift": plan.drift}
    return ", ".join(f"{count} {whose}" for whose, count in counts.items() if count) if plan.base else ""


def refusals(plan: Plan) -> Iterator[str]:
    """The guardrails that refuse the plan, a sentence each."""
    return (inert(f"Apply will refuse: {refusal.summary} ({refusal.code}).") for refusal in plan.refusals)


def reminders(plan: Plan) -> Iterator[str]:
    """What to think of before saying yes. These sentences hold no name from outside."""
    yield from dangers(plan)
    yield from inferred(plan)


def dangers(plan: Plan) -> Iterator[str]:
    """What may be lost with what the plan deletes, and is not visible from here."""
    yield from dict.fromkeys(step.kind.when_gone for step in plan.steps if step.deletes and step.kind.when_gone)


def inferred(plan: Plan) -> Iterator[str]:
    """How many of the writes the contract only infers."""
    if count := sum(1 for step in plan.steps if step.inferred):
        writes = "1 write is" if count == 1 else f"{count} writes are"
        yield f"{writes} inferred, not documented (see `capabilities`); the real API needs --allow-inferred."
