"""Whether a new plan is the one that was reviewed, what is left of it, or something else."""

from collections import defaultdict
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from operator import attrgetter

from exolink_reconcile.errors import PlanStale
from exolink_reconcile.model import DesiredState, LiveState, Plan, remote_id
from exolink_reconcile.planning import digest as plan_digests
from exolink_reconcile.resource import Address, ListKey, Row, key
from exolink_reconcile.saved_plan.format import PlannedChange, SavedChange
from exolink_reconcile.saved_plan.reader import SavedPlan
from exolink_reconcile.secret_url import may_be


def check_digest(digest: str, expected: str) -> None:
    """Refuse a plan whose digest does not start with `expected`. Raises PlanStale, with both digests."""
    if not digest.startswith(expected):
        raise PlanStale("E-STALE", f"the plan is not what was reviewed: expected {expected}, it is now {digest}")


def check_expected(digest: str, expected: str) -> None:
    """Refuse a saved plan whose digest does not start with `expected`. Raises PlanStale."""
    if not digest.startswith(expected):
        raise PlanStale("E-STALE", f"the plan file is not what was reviewed: expected {expected}, it is {digest}")


def check(saved: SavedPlan, plan: Plan, digests: Sequence[str], desired: DesiredState, live: LiveState) -> None:
    """Refuse unless the new plan is the reviewed one, or a part of it while the rest is live as planned.

    `digests` are the digests of the plan's steps.

    Raises:
        PlanStale: it says what was reviewed and what the plan is now.

    """
    if plan_digests.of_steps(plan.origin, digests) == saved.digest:
        return
    changes = saved.document.exolink.changes
    reviewed = {change.digest for change in changes}
    new = next((step for step, own in zip(plan.steps, digests) if own not in reviewed), None)
    if new is not None:
        was = next((change for change in changes if change.address == str(new.address)), None)
        reason = f"{was.action} was reviewed there, but something changed since" if was else "nobody reviewed it"
        raise PlanStale(
            "E-STALE",
            f"the plan is stale: it would now {new.action.word} {new.address}; {reason}. Reviewed: {len(reviewed)} steps; now: {len(digests)}. Plan again",
        )
    missing = next(_not_as_planned(saved, frozenset(digests), desired, live), None)
    if missing is not None:
        raise PlanStale(
            "E-STALE",
            f"the plan is stale: {missing.action} {missing.address} was reviewed, is not to do any more, and is not live as planned. Plan again",
        )
    if not digests:
        raise PlanStale("E-APPLIED", "this plan is already applied: nothing of it is left to do")


def vanished(
    saved: SavedPlan, plan: Plan, digests: Collection[str], desired: DesiredState, live: LiveState
) -> list[tuple[str, str]]:
    """Action and address of the reviewed steps that are not in the plan any more, and did not happen as planned.

    `digests` are the digests of the plan's steps.
    """
    missing = list(_not_as_planned(saved, digests, desired, live))
    addresses = {"/".join(step.address) for step in plan.steps} if missing else ()
    return [(change.action, change.address) for change in missing if change.address not in addresses]


def _not_as_planned(
    saved: SavedPlan, digests: Collection[str], desired: DesiredState, live: LiveState
) -> Iterator[PlannedChange]:
    """The reviewed changes that are not among today's steps, by digest, and are not live as planned."""
    pairs = zip(saved.document.exolink.changes, saved.document.resource_changes)
    done = [(change, row) for change, row in pairs if change.digest not in digests]
    if not done:
        return
    wanted: dict[ListKey, set[str]] = defaultdict(set)
    for change, _ in done:
        if (address := Address.parse(change.address)) is not None:
            wanted[address.list_key].add(address.name)
    rows_of, declared = _live(live, wanted), _declared(desired, wanted)
    ids = _live_ids(live) if any(change.action == "delete" for change, _ in done) else {}
    for change, row in done:
        as_planned = (
            _is_gone(change, row, ids) if change.action == "delete" else _is_live(change, row, declared, rows_of)
        )
        if not as_planned:
            yield change


def _live_ids(live: LiveState) -> dict[ListKey, set[int]]:
    return {
        ListKey(tenant, kind.kind): set(map(remote_id, kind_rows))
        for tenant, read in live.tenants.items()
        for kind, kind_rows in read.rows.items()
    }


def _is_gone(change: PlannedChange, row: SavedChange, ids: Mapping[ListKey, set[int]]) -> bool:
    """Whether a reviewed delete has happened: no object has its id, under any name."""
    address = Address.parse(change.address)
    assert address is not None
    place = address.list_key
    return row.change.before is not None and place in ids and row.change.before["id"] not in ids[place]


def _is_live(
    change: PlannedChange,
    row: SavedChange,
    declared: Container[Address],
    live_rows: Mapping[Address, list[Row]],
) -> bool:
    """Whether a reviewed step that is not in the plan any more has happened as planned."""
    address = Address.parse(change.address)
    if address is None or address not in declared:
        return False
    after = row.change.after or {}
    return any(
        all(may_be(getattr(live, name), after[name]) for name in change.sends) for live in live_rows.get(address, [])
    )


# The wanted names, by list.
_Names = Mapping[ListKey, Container[str]]


def _declared(desired: DesiredState, wanted: _Names) -> set[Address]:
    return {
        Address(tenant.name, kind.kind, name)
        for tenant in desired.tenants
        for kind, entries in tenant.declared.items()
        if (names := wanted.get(ListKey(tenant.name, kind.kind)))
        for name in map(attrgetter(f"resource.{key(kind)}"), entries)
        if name in names
    }


def _live(live: LiveState, wanted: _Names) -> dict[Address, list[Row]]:
    rows_by_address: dict[Address, list[Row]] = defaultdict(list)
    for tenant, read in live.tenants.items():
        for kind, live_rows in read.rows.items():
            names = wanted.get(ListKey(tenant, kind.kind), ())
            for name, row in zip(map(attrgetter(key(kind)), live_rows), live_rows) if names else ():
                if name in names:
                    rows_by_address[Address(tenant, kind.kind, name)].append(row)
    return rows_by_address
