"""The last lists against the desired state: the differences that are left after an apply."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from exolink_reconcile.applying import outcomes
from exolink_reconcile.model import DesiredState, Left, LiveState, LiveTenant, Outcome, Plan
from exolink_reconcile.planning import differ
from exolink_reconcile.resource import Address, Kind, Row


def verify(
    plan: Plan,
    desired: DesiredState,
    rows: Mapping[tuple[str, Kind], Sequence[Row]],
    ended: Iterable[Outcome],
    differing_before: Collection[Address],
    before: LiveState | None = None,
) -> tuple[tuple[Left, ...], tuple[str, ...]]:
    """Compare once more, with the last list of each kind that was written: differences at the plan's addresses, and notes.

    `differing_before` are the addresses that differed before the apply, in `before`: their differences are not new.
    """
    by_tenant: dict[str, dict[Kind, Sequence[Row]]] = defaultdict(dict)
    for (tenant, kind), kind_rows in rows.items():
        by_tenant[tenant][kind] = kind_rows
    live = LiveState({tenant: LiveTenant(True, kind_rows) for tenant, kind_rows in by_tenant.items()})
    planned = {step.address for step in plan.steps}
    if before is not None:
        desired, live = differ.narrowed(desired, before, live, planned)
    changes = differ.diff(desired, live)
    held_addresses = {held.address for held in plan.held_back}
    judged = planned - held_addresses - {outcome.step.address for outcome in ended if outcome.exit_code}
    remaining = {
        change.address: Left(change.address, outcomes.words(change.fields), "E-NOT-SETTLED", gone=change.before is None)
        for change in changes.changes
        if change.address in judged
    }
    for unclear in changes.unclear:
        if unclear.address in judged:
            remaining[unclear.address] = Left(unclear.address, unclear.reason, "E-NOT-SETTLED")
    elsewhere = set(differ.addresses(changes)) - planned - held_addresses - set(differing_before)
    return tuple(left for _, left in sorted(remaining.items())), _notes(elsewhere)


def _notes(elsewhere: Collection[Address]) -> tuple[str, ...]:
    if not elsewhere:
        return ()
    first = min(elsewhere)
    if len(elsewhere) == 1:
        return (f"A new difference at an address that this plan did not touch: {first}.",)
    return (f"{len(elsewhere)} new differences at addresses that this plan did not touch, {first} among them.",)
