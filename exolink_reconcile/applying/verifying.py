"""The last lists against what is declared: what is left after an apply."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from exolink_reconcile.applying import outcomes
from exolink_reconcile.model import DesiredState, Left, LiveState, LiveTenant, Outcome, Plan
from exolink_reconcile.planning import differ
from exolink_reconcile.resource import Kind, Row


def verify(
    plan: Plan,
    desired: DesiredState,
    rows: Mapping[tuple[str, Kind], Sequence[Row]],
    ended: Iterable[Outcome],
    before: LiveState | None,
) -> tuple[tuple[Left, ...], tuple[str, ...]]:
    """Compare once more, with the last list of each kind that was written: what is left at the plan's addresses, notes."""
    by_tenant: dict[str, dict[Kind, Sequence[Row]]] = defaultdict(dict)
    for (tenant, kind), kind_rows in rows.items():
        by_tenant[tenant][kind] = kind_rows
    changes = differ.diff(
        desired, LiveState({tenant: LiveTenant(True, kind_rows) for tenant, kind_rows in by_tenant.items()})
    )
    planned = {step.address for step in plan.steps}
    held_addresses = {held.address for held in plan.held_back}
    settled = {outcome.step.address for outcome in ended if outcome.exit_code}
    differing = {change.address: outcomes.words(change.fields) for change in changes.changes}
    missing = {change.address for change in changes.changes if change.before is None}
    differing.update({unclear.address: unclear.reason for unclear in changes.unclear})
    remaining = tuple(
        Left(address, detail, "E-NOT-SETTLED", gone=address in missing)
        for address, detail in sorted(differing.items())
        if address in planned and address not in settled and address not in held_addresses
    )
    elsewhere = {address for address in differing if address not in planned and address not in held_addresses}
    if elsewhere and before is not None:
        earlier = differ.diff(desired, before)
        elsewhere -= {change.address for change in earlier.changes} | {unclear.address for unclear in earlier.unclear}
    if not elsewhere:
        return remaining, ()
    first = min(elsewhere)
    if len(elsewhere) == 1:
        return remaining, (f"A new difference at an address that this plan did not touch: {first}.",)
    return remaining, (
        f"{len(elsewhere)} new differences at addresses that this plan did not touch, {first} among them.",
    )
