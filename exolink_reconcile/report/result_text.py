"""The result of an apply to text: what went wrong first, then what to do next."""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from exolink_reconcile.codes import Exit
from exolink_reconcile.inert import inert
from exolink_reconcile.model import Action, Outcome, Plan, Result, Status
from exolink_reconcile.report.text import FOLD_ALIKE
from exolink_reconcile.resource import Address

_COMMANDS = 3


def result(result: Result, plan: Plan, code: Exit | None = None, state: str = "") -> str:
    """`Apply complete!` if everything happened; otherwise what did not, and what to do next.

    `code` is the exit code, if more than this result decides it. `state` is the option that commands to paste need.
    """
    troubled = [outcome for outcome in result.outcomes if outcome.exit_code]
    lines: list[str] = []
    for status in (Status.UNKNOWN, Status.FAILED, Status.SKIPPED, Status.DONE):
        lines += _outcomes([o for o in troubled if o.status is status], status)
    lines += [
        f"  ! {inert(str(difference.address))}: {inert(difference.detail)} ({difference.code})"
        for difference in result.left
    ]
    lines += [inert(note) for note in result.notes]
    lines += [f"  {inert(result.gated)}: nothing more was started (E-GATE)"] if result.gated else []
    added, changed, destroyed = result.totals
    totals = f"Resources: {added} added, {changed} changed, {destroyed} destroyed."
    if not (troubled or result.left or result.exit_codes or plan.held_back or code):
        return "\n".join([*lines, f"Apply complete! {totals}"]) + "\n"
    counts = {
        "not verified" if status is Status.DONE else status.value: sum(1 for o in troubled if o.status is status)
        for status in Status
    }
    counts |= {"held back": len(plan.held_back), "not settled": len(result.left)}
    counted = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    lines.append(f"Apply incomplete. {totals} {counted}." if counted else f"Apply incomplete. {totals}")
    lines += _what_now(troubled, result, plan, code, state)
    return "\n".join(lines) + "\n"


def _what_now(troubled: Sequence[Outcome], result: Result, plan: Plan, code: Exit | None, state: str) -> Iterator[str]:
    """What the user should do next, readable at 2 a.m."""
    statuses = {outcome.status for outcome in troubled}
    codes = {outcome.code for outcome in troubled}
    if blind := [o.step.address for o in troubled if o.code == "E-LIST-BLIND" and o.status is Status.UNKNOWN]:
        yield (
            "Next: look in the web page whether it is there. Apply settles it as soon as the list shows it; if it was never"
            " made, this lets it be made anew:"
        )
        yield from forget((address, state) for address in blind)
    elif "E-LIST-BLIND" in codes:
        yield (
            "Next: see what an earlier run left open, and how to drop it: the API answered that create, and never listed it:"
        )
        yield f"  exolink-reconcile unknowns{state}"
    elif Status.UNKNOWN in statuses:
        yield (
            "Next: run the same command again, with the same state, before anything else: it first reads what became of"
            " each write, and sends no create twice."
        )
    elif Exit.DENIED in {outcome.exit_code for outcome in troubled}:
        yield "Next: give a token that may write, then run the same command again; what is done stays done."
    elif "E-NORMALISED" in codes or "E-PUT-CLOBBERS" in codes:
        yield "Next: the API does not keep what is sent. Change the YAML to what it stores, or ask Exolink; then plan again."
    elif "E-STALE" in codes:
        yield "Next: plan again and have it reviewed: something changed since this plan. What is done stays done."
    elif codes and codes <= {"E-INTERRUPTED", "E-GATE"} and not result.left:
        yield "Next: run the same command again; what is done stays done."
    elif result.gated and not (troubled or result.left):
        yield "Next: see what the gate printed. Nothing of this run is left to do."
    elif troubled or result.left:
        yield "Next: fix what is listed above, then run the same command again; what is done stays done."
    elif code in (Exit.STORAGE, Exit.LOCKED):
        yield "Next: what is counted above was written. Its record is not whole: see the error, then plan again."
    elif code is Exit.UNKNOWN:
        yield "Next: see `unknowns`: a write of an earlier run is still open."
    elif "--wave" in plan.partial:
        yield "Next: the same plan with --wave for other addresses, or without it for all that is left."
    elif plan.held_back:
        yield "Next: see the ways out of what is held back, in the plan above."


def forget(writes: Iterable[tuple[Address, str]], rest: str = "see `unknowns`") -> Iterator[str]:
    """The commands that drop open writes, each at its address and with the options it needs; of many, the first few."""
    lines = list(
        dict.fromkeys(
            f"  exolink-reconcile unknowns --forget {shlex.quote(inert(str(address)))}{inert(options)}"
            for address, options in writes
        )
    )
    yield from lines[:_COMMANDS]
    if len(lines) > _COMMANDS:
        yield f"  … and {len(lines) - _COMMANDS} more: {rest}"


def _outcomes(outcomes: Sequence[Outcome], status: Status) -> list[str]:
    """The outcomes of one status, half-done replaces first; many with the same reason are counted."""
    outcomes = sorted(outcomes, key=lambda o: (not (o.step.action is Action.REPLACE and o.destroyed), o.step.address))
    by_reason: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_reason[f"{outcome.detail} ({outcome.code})"].append(outcome)
    lines = []
    for reason, same in by_reason.items():
        listed = same if len(same) <= FOLD_ALIKE or status is not Status.SKIPPED else same[:3]
        lines += [
            f"  {status.value} {o.step.action.word} {inert(str(o.step.address))}: {inert(reason)}" for o in listed
        ]
        if len(listed) < len(same):
            lines.append(f"  … and {len(same) - len(listed)} more {status.value} for the same reason")
    return lines
