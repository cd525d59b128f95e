"""Desired, live to changes: how they differ, without a word on what to do about it.

Terms. A live row *matches* a declared entry by the id that the entry pins, else by its natural key. Premise: a match is
certain or there is none: two live rows with one key, or a row that another entry pins, make the address *unclear*.
Algorithm: the few pins and keys that occur twice are set aside first; what is left is one dict look-up an entry.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from exolink_reconcile.model import (
    Change,
    Changes,
    Declared,
    DesiredState,
    DesiredTenant,
    FieldChange,
    LiveState,
    Removed,
    Unclear,
    Unmanaged,
    remote_id,
)
from exolink_reconcile.resource import Address, Kind, Row, attributes, compared, key


def diff(desired: DesiredState, live: LiveState) -> Changes:
    """Every difference between what is declared or removed and what was read, in the order of the declaration.

    Kinds that were not read are left out: nothing is known of them.
    """
    changes: list[Change] = []
    unclear: list[Unclear] = []
    unmanaged: list[Unmanaged] = []
    counts: dict[tuple[str, str], int] = {}
    for tenant in desired.tenants:
        read = live.tenants.get(tenant.name)
        for kind in tenant.declared:
            if read is not None and (kind in read.rows or (kind.entries is None and not read.exists)):
                rows = read.rows.get(kind, ())
                counts[tenant.name, kind.kind] = len(rows)
                one = _Kind(tenant, kind, rows)
                changes += one.changes
                unclear += one.unclear
                if one.rest:
                    unmanaged.append(Unmanaged(tenant.name, kind, tuple(one.rest)))
    return Changes(tuple(changes), tuple(unclear), tuple(unmanaged), counts)


def _field_changes(
    names: Iterable[str], declared: Declared, live: Iterable[Any], desired: Iterable[Any]
) -> tuple[FieldChange, ...]:
    """The managed fields that differ. A field that is create-only, or that the YAML does not write, is not compared."""
    managed = declared.resource.model_fields_set
    create_only = declared.create_only
    found: list[FieldChange] = []
    for name, before, after in zip(names, live, desired):
        if before != after and name in managed and name not in create_only:
            if before is not None and isinstance(after, (dict, list, tuple)):
                found += _nested(name, before, after)
            else:
                found.append(FieldChange(name, before, after))
    return tuple(found)


class _Kind:
    """The comparison of one kind of one tenant: what changes, what is unclear, which rows are nobody's."""

    def __init__(self, tenant: DesiredTenant, kind: Kind, rows: Sequence[Row]) -> None:
        self.tenant = tenant
        self.kind = kind
        self.key = key(kind)
        self.fields = (self.key, *compared(kind))
        self.values = attributes(self.fields)
        self.changes: list[Change] = []
        self.unclear: list[Unclear] = []
        declared = tenant.declared[kind]
        removed = tenant.removed[kind]
        pins = {pin: d for d in declared if (pin := d.pinned_id) is not None}
        ids_named = set(pins) | {r.remote_id for r in removed if r.remote_id is not None}
        self.by_id = {remote_id(row): row for row in rows if remote_id(row) in ids_named} if ids_named else {}
        self.pins: Mapping[int, Declared] = {i: d for i, d in pins.items() if i in self.by_id}
        self.by_key, self.twice = _by_key(rows, self.key, self.pins)
        taken: set[str] = set()
        for each in declared:
            name = getattr(each.resource, self.key)
            taken.add(name)
            row = self.by_key.get(name)
            if pins and each.pinned_id is not None:
                self._pinned(each, name, each.pinned_id)
            elif row is None:
                self._not_there(each, name)
            else:
                self._compare(each, name, row)
        for entry in removed:
            if (name := self._removed(entry)) is not None:
                taken.add(name)
        taken_ids = {i for i in ids_named if i in self.by_id}
        self.rest = _rest(rows, self.key, taken, taken_ids)

    def _not_there(self, declared: Declared, name: str) -> None:
        """No live object has this name for itself."""
        if name in self.twice:
            self._is_unclear(name, declared, "E-DUPLICATE-LIVE", _twice(self.twice[name]))
            return
        holder = next((i for i, d in self.pins.items() if getattr(self.by_id[i], self.key) == name), None)
        if holder is None:
            self.changes.append(Change(Address(self.tenant.name, self.kind.kind, name), self.kind, None, declared))
            return
        other = getattr(self.pins[holder].resource, self.key)
        self._is_unclear(
            name,
            declared,
            "E-PINNED",
            f"the live object with this name (id {holder}) is pinned by {Address(self.tenant.name, self.kind.kind, other)}",
        )

    def _pinned(self, declared: Declared, name: str, pin: int) -> None:
        row = self.by_id.get(pin)
        if row is None:
            self._is_unclear(name, declared, "E-NOT-LIVE", f"id {pin}, which the YAML pins, is not live")
            return
        live_name = getattr(row, self.key)
        others = [*self.twice.get(name, ()), *([self.by_key[name]] if name in self.by_key else [])]
        if live_name != name and others:
            ids = " and ".join(map(str, sorted(map(remote_id, others))))
            self._is_unclear(
                name,
                declared,
                "E-DUPLICATE-LIVE",
                f"id {pin} is called {live_name} live, and another object (id {ids}) has this name",
            )
            return
        self._compare(declared, name, row)

    def _compare(self, declared: Declared, name: str, row: Row) -> None:
        live, desired = self.values(row), self.values(declared.resource)
        if live == desired:  # most objects are as declared in every field: two calls in C find that out
            return
        if fields := _field_changes(self.fields, declared, live, desired):
            address = Address(self.tenant.name, self.kind.kind, name)
            self.changes.append(Change(address, self.kind, row, declared, fields))

    def _removed(self, removed: Removed) -> str | None:
        """Compare one removed entry; the name whose rows it speaks of, None where it speaks of one id or of nothing."""
        row = self.by_key.get(removed.name)
        if removed.remote_id is not None:
            row = self.by_id.get(removed.remote_id)
            if row is not None and getattr(row, self.key) != removed.name:
                self._is_unclear(
                    removed.name,
                    removed,
                    "E-OTHER-NAME",
                    f"id {removed.remote_id} is called {getattr(row, self.key)} live",
                )
                return None
        elif removed.name in self.twice:
            self._is_unclear(
                removed.name,
                removed,
                "E-DUPLICATE-LIVE",
                f"{_twice(self.twice[removed.name])}; give the id of the one to remove",
            )
            return removed.name
        if row is not None:
            address = Address(self.tenant.name, self.kind.kind, removed.name)
            self.changes.append(Change(address, self.kind, row, None, removed=removed))
            return removed.name if removed.remote_id is None else None
        return None

    def _is_unclear(self, name: str, entry: Declared | Removed, code: str, reason: str) -> None:
        address = Address(self.tenant.name, self.kind.kind, name)
        self.unclear.append(Unclear(address, self.kind, code, reason, entry.source, isinstance(entry, Removed)))


def _by_key(
    rows: Iterable[Row], key_name: str, pins: Mapping[int, Declared]
) -> tuple[dict[str, Row], dict[str, list[Row]]]:
    """The rows that no entry pins, by key, and apart from them the rows whose key occurs twice."""
    by_key: dict[str, Row] = {}
    twice: dict[str, list[Row]] = {}
    for row in rows:
        if pins and remote_id(row) in pins:
            continue
        name = getattr(row, key_name)
        if (first := by_key.setdefault(name, row)) is not row:
            twice.setdefault(name, [first]).append(row)
    for name in twice:
        del by_key[name]
    return by_key, twice


def _rest(rows: Iterable[Row], key_name: str, taken: set[str], taken_ids: set[int]) -> list[Row]:
    """The rows that neither a declared nor a removed entry speaks of."""
    if taken_ids:
        return [row for row in rows if getattr(row, key_name) not in taken and remote_id(row) not in taken_ids]
    return [row for row in rows if getattr(row, key_name) not in taken]


def _twice(rows: Iterable[Row]) -> str:
    ids = " and ".join(map(str, sorted(map(remote_id, rows))))
    return f"live more than once, as ids {ids}"


def _nested(name: str, before: Any, after: Any) -> Iterable[FieldChange]:
    """One change for each place inside a mapping or list that differs."""
    from deepdiff import DeepDiff  # 30 ms and slow: only for a value with an inside, and only when it differs

    differences = DeepDiff(before, after, view="tree")
    levels = [level for group in differences.values() for level in group]
    return [FieldChange(name + level.path(root=""), _or_none(level.t1), _or_none(level.t2)) for level in levels]


def _or_none(value: Any) -> Any:
    return None if type(value).__name__ == "NotPresent" else value
