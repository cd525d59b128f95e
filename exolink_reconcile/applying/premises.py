"""A list that is read while applying, against what the plan saw: what it contradicts, and what it lost.

The plan was made from lists that seemed complete. A later list may show that one was not: a name that we just made and that
was there already, or objects that the plan is still about to make. Then no further step of the plan is safe in that tenant.
"""

from collections.abc import Iterable, Sequence

from exolink_reconcile.applying.knowledge import Listing
from exolink_reconcile.applying.task import Task
from exolink_reconcile.model import remote_id
from exolink_reconcile.resource import Kind

_SHOWN = 3


def contradicted(kind: Kind, tenant: str, listing: Listing, tasks: Iterable[Task]) -> str:
    """How a list shows that the plan's list was not complete; empty if it does not."""
    if listing.ids_before is None:
        return ""
    twice: list[str] = []
    unsent: list[str] = []
    for task in tasks:
        if not task.step.creates:
            continue
        new = [
            row for row in listing.by_name.get(task.step.address.name, ()) if remote_id(row) not in listing.ids_before
        ]
        if task.may_have_created:
            twice += [task.step.address.name] if len(new) > 1 else []
        elif new:
            unsent.append(task.step.address.name)
    place = f"the list of {kind.kind} of tenant {tenant}"
    if twice:
        return f"{place} shows {_named(twice)} more than once after one create: the plan saw a list that was not whole"
    if unsent:
        return f"{place} shows {_named(unsent)}, which the plan did not see and which was not created yet"
    return ""


def missing(listing_ids: Iterable[int], ids_before: frozenset[int], tasks: Iterable[Task]) -> frozenset[int]:
    """The ids that were there when the plan was made, are not listed now, and were not deleted by us."""
    gone = ids_before.difference(listing_ids)
    if not gone:
        return gone
    return gone - {
        remote_id(task.step.before) for task in tasks if task.step.before is not None and task.may_have_deleted
    }


def lost(kind: Kind, tenant: str, ids: Iterable[int]) -> str:
    """The sentence about rows that are gone although nobody is known to have deleted them."""
    numbers = sorted(ids)
    objects = "1 object that" if len(numbers) == 1 else f"{len(numbers)} objects that"
    listed_numbers = ", ".join(map(str, numbers[:_SHOWN])) + (", …" if len(numbers) > _SHOWN else "")
    return (
        f"the list of {kind.kind} of tenant {tenant} lacks {objects} the plan saw and nobody is known to have deleted"
        f" (id {listed_numbers})"
    )


def _named(names: Sequence[str]) -> str:
    listed_names = ", ".join(sorted(names)[:_SHOWN])
    return f"{listed_names} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else listed_names
