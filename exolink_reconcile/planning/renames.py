"""New objects that look like a live one under a new name, to notes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from exolink_reconcile.model import Change, Changes, Note, Unmanaged, remote_id
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.resource import Address, Kind, compared, name_of_row


def notes(changes: Changes, choices: Choices, left_out: Sequence[Address]) -> list[Note]:
    """A note for each new object of this run that may be a live one under a new name; `left_out` are no part of the run."""
    not_planned = set(left_out)
    covered = [c for c in changes.changes if choices.cover(c.address) and c.address not in not_planned]
    creates = (change for change in covered if change.before is None)
    gone = (change for change in covered if change.removed)
    return _renames(creates, gone, changes.unmanaged)


def _renames(creates: Iterable[Change], gone: Iterable[Change], unmanaged: Iterable[Unmanaged]) -> list[Note]:
    """New objects that look like an object that is live and not declared, under a new name. Never an action.

    They have the same first field beside the key (the url of a CPMS, the displayName of a charger), and there is one
    candidate each way.
    """
    wanted: dict[tuple[str, Kind, Any], list[Address]] = defaultdict(list)
    live: dict[tuple[str, Kind, Any], list[tuple[Address, int]]] = defaultdict(list)
    for change in creates:
        if change.declared and (value := _likeness(change.kind, change.declared.resource)):
            wanted[change.address.tenant, change.kind, value].append(change.address)
    if not wanted:
        return []
    for tenant, kind, row in _rows(gone, unmanaged):
        if value := _likeness(kind, row):
            address = Address(tenant, kind.kind, name_of_row(kind, row))
            live[tenant, kind, value].append((address, remote_id(row)))
    notes: list[Note] = []
    for place, created in wanted.items():
        match created, live.get(place, []):
            case [new], [(old, number)]:
                notes.append(Note("W-RENAME", _renamed(new, old, number, compared(place[1])[0]), (new, old)))
    return notes


def _rows(gone: Iterable[Change], unmanaged: Iterable[Unmanaged]) -> Iterator[tuple[str, Kind, Any]]:
    for change in gone:
        if change.before is not None:
            yield change.address.tenant, change.kind, change.before
    for group in unmanaged:
        for row in group.rows:
            yield group.tenant, group.kind, row


def _likeness(kind: Kind, resource: Any) -> Any:
    """The value by which people would know the object again: that of the first field beside the key."""
    names = compared(kind)
    return getattr(resource, names[0]) if names else None


def _renamed(created: Address, old: Address, number: int, field: str) -> str:
    return (
        f"{created} looks like a new name of {old}, id {number}: they have the same {field}. A create makes a"
        " second object with another id; if the same one is meant, rename it in the web page"
    )
