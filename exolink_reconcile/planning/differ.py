"""Desired and live state to changes: how they differ, without a word on what to do about it.

Terms. A live row *matches* a declared entry by the id that the entry pins, else by its natural key.
Premise. A match is certain, or there is none. These make an address *unclear*: two live rows with one key, a row that
another entry pins, an id whose row has another name, a name that people would take for the entry's name.
Algorithm. The few pins and keys that occur twice are set aside first; all others take one dict look-up an entry. Names are
folded only for entries without a row and rows without an entry.
"""

import functools
import operator
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from exolink_reconcile.confusables import skeletons
from exolink_reconcile.model import (
    Change,
    Changes,
    Declared,
    DesiredState,
    DesiredTenant,
    FieldChange,
    LiveState,
    LiveTenant,
    Note,
    Removed,
    Unclear,
    Unmanaged,
    remote_id,
)
from exolink_reconcile.resource import (
    Address,
    Kind,
    ListKey,
    Row,
    attributes,
    compared,
    folded,
    key,
    masked_like,
    name_of,
)


def diff(desired: DesiredState, live: LiveState) -> Changes:
    """Every difference between what is declared or removed and what was read, in the order of the declaration.

    Kinds that were not read are left out: nothing is known about them.
    """
    changes: list[Change] = []
    unclear: list[Unclear] = []
    unmanaged: list[Unmanaged] = []
    counts: dict[ListKey, int] = {}
    notes: list[Note] = []
    for tenant in desired.tenants:
        read = live.tenants.get(tenant.name)
        for kind in tenant.declared:
            if read is not None and (kind in read.rows or (kind.is_tenant() and not read.exists)):
                rows = read.rows.get(kind, ())
                counts[ListKey(tenant.name, kind.kind)] = len(rows)
                group = _Kind(tenant, kind, rows)
                changes += group.changes
                unclear += group.unclear
                notes += group.notes
                if group.rest:
                    unmanaged.append(Unmanaged(tenant.name, kind, tuple(group.rest)))
    return Changes(tuple(changes), tuple(unclear), tuple(unmanaged), counts, tuple(notes), live)


def narrowed(
    desired: DesiredState, before: LiveState, after: LiveState, addresses: Iterable[Address]
) -> tuple[DesiredState, LiveState]:
    """The part of `desired` and `after` in which a diff can find what it did not find in `before`, and `addresses`.

    A row matters only to the names that people would take for its own. So a name is left out if each row of such a name
    is the same object in both; but where an entry gives an id, or most names are in question, nothing is left out.
    """
    names: dict[ListKey, set[str]] = defaultdict(set)
    for address in addresses:
        names[address.list_key].add(_folded(address.name))
    tenants, live_tenants = [], dict(after.tenants)
    for tenant in desired.tenants:
        live, live_before = after.tenants.get(tenant.name), before.tenants.get(tenant.name)
        if live is not None and live_before is not None:
            for kind in live.rows.keys() & live_before.rows.keys():
                asked = names[ListKey(tenant.name, kind.kind)]
                tenant, live = _narrowed(tenant, kind, asked, live_before, live)
            live_tenants[tenant.name] = live
        tenants.append(tenant)
    return replace(desired, tenants=tuple(tenants)), LiveState(live_tenants)


def _narrowed(
    tenant: DesiredTenant, kind: Kind, asked: set[str], before: LiveTenant, after: LiveTenant
) -> tuple[DesiredTenant, LiveTenant]:
    """The same for one kind of a tenant; `asked` are the names of its addresses, as people read them."""
    declared, removed, rows = tenant.declared[kind], tenant.removed[kind], after.rows[kind]
    if any(d.pinned_id is not None for d in declared) or any(r.remote_id is not None for r in removed):
        return tenant, after
    same = {*map(id, before.rows[kind])} & {*map(id, rows)}
    others = [row for row in (*before.rows[kind], *rows) if id(row) not in same]
    if len(asked) + len(others) > len(declared) // 2:
        return tenant, after
    name_of_live = operator.attrgetter(key(kind))
    names = asked | {_folded(name_of_live(row)) for row in others}
    declared = [entry for entry in declared if _folded(name_of(entry.resource)) in names]
    removed = [entry for entry in removed if _folded(entry.name) in names]
    rows = [row for row in rows if _folded(name_of_live(row)) in names]
    return (
        replace(tenant, declared={**tenant.declared, kind: declared}, removed={**tenant.removed, kind: removed}),
        replace(after, rows={**after.rows, kind: rows}),
    )


def addresses(changes: Changes) -> list[Address]:
    """The addresses where anything differs or is unclear."""
    return [change.address for change in changes.changes] + [unclear.address for unclear in changes.unclear]


def _field_changes(
    names: Iterable[str], declared: Declared, live: Iterable[Any], desired: Iterable[Any]
) -> tuple[FieldChange, ...]:
    """The managed fields that differ. Fields that are create-only, or that the YAML does not write, are not compared."""
    managed = declared.resource.model_fields_set
    create_only = declared.create_only
    changes: list[FieldChange] = []
    for name, before, after in zip(names, live, desired):
        if before != after and name in managed and name not in create_only:
            if before is not None and isinstance(after, (dict, list, tuple)):
                changes += _nested(name, before, after)
            else:
                changes.append(FieldChange(name, before, after))
    return tuple(changes)


class _Kind:
    """The comparison of one kind of one tenant: what changes, what is unclear, which rows no entry mentions."""

    def __init__(self, tenant: DesiredTenant, kind: Kind, rows: Sequence[Row]) -> None:
        self.tenant = tenant
        self.kind = kind
        self.key = key(kind)
        self.fields = (self.key, *compared(kind))
        self.values = attributes(self.fields)
        self.changes: list[Change] = []
        self.unclear: list[Unclear] = []
        self.notes: list[Note] = []
        declared = tenant.declared[kind]
        removed = tenant.removed[kind]
        pins = {pin: d for d in declared if (pin := d.pinned_id) is not None}
        ids_named = set(pins) | {r.remote_id for r in removed if r.remote_id is not None}
        self.by_id = {remote_id(row): row for row in rows if remote_id(row) in ids_named} if ids_named else {}
        self.pins: Mapping[int, Declared] = {i: d for i, d in pins.items() if i in self.by_id}
        self.by_key, self.twice = _by_key(rows, self.key, self.pins)
        names = {getattr(d.resource, self.key) for d in declared if not pins or d.pinned_id is None}
        removed_names = [r.name for r in removed if r.remote_id is None]
        names.update(removed_names)
        self.rest = _rest(rows, self.key, names, set(self.by_id))
        self.alike = _LookAlikes(self.rest, [self.by_key[n] for n in removed_names if n in self.by_key], self.key)
        for declared_entry in declared:
            name = getattr(declared_entry.resource, self.key)
            row = self.by_key.get(name)
            if pins and declared_entry.pinned_id is not None:
                self._pinned(declared_entry, name, declared_entry.pinned_id)
            elif row is None:
                self._not_there(declared_entry, name)
            else:
                self._compare(declared_entry, name, row)
        for entry in removed:
            self._removed(entry)
        self.rest = self.alike.others(self.rest)
        if self.rest:
            self._note_look_alikes(names)
            self._note_confusables([getattr(d.resource, self.key) for d in declared])

    def _not_there(self, declared: Declared, name: str) -> None:
        """Note an entry without a live object of its own: to create, or unclear."""
        if name in self.twice:
            self._is_unclear(name, declared, "E-DUPLICATE-LIVE", _twice(self.twice[name]))
            return
        if reason := self._pinned_by(name):
            self._is_unclear(name, declared, "E-PINNED", reason)
        elif reason := self.alike.take(name):
            self._is_unclear(name, declared, "E-SAME-NAME", reason)
        else:
            self.changes.append(Change(self._address(name), self.kind, None, declared))

    def _pinned_by(self, name: str) -> str:
        """Why a live object of this name cannot be used: another entry pins it. Empty if none does."""
        holder = next((i for i, d in self.pins.items() if getattr(self.by_id[i], self.key) == name), None)
        if holder is None:
            return ""
        other = self._address(getattr(self.pins[holder].resource, self.key))
        return f"the live object with this name (id {holder}) is pinned by {other}"

    def _pinned(self, declared: Declared, name: str, pin: int) -> None:
        """Compare with the row that has the pinned id. A row with another name is another object: it is never shown."""
        row = self.by_id.get(pin)
        if row is None:
            other = self.by_key.get(name)
            which = f"id {remote_id(other)} has this name" if other else "correct it, or leave `id` out"
            self._is_unclear(name, declared, "E-NOT-LIVE", f"id {pin}, which the YAML pins, is not live; {which}")
        elif getattr(row, self.key) != name:
            self._is_unclear(name, declared, "E-OTHER-NAME", f"id {pin}, which the YAML pins, has another name live")
        else:
            self._compare(declared, name, row)

    def _compare(self, declared: Declared, name: str, row: Row) -> None:
        live, desired = self.values(row), self.values(declared.resource)
        if live == desired:  # most objects are as declared in every field, and two calls in C show that
            return
        row = masked_like(row, declared.resource)
        if fields := _field_changes(self.fields, declared, self.values(row), desired):
            address = Address(self.tenant.name, self.kind.kind, name)
            self.changes.append(Change(address, self.kind, row, declared, fields))

    def _removed(self, removed: Removed) -> None:
        """Compare one removed entry. An object that is already gone is not a change."""
        name = removed.name
        row = self.by_key.get(name)
        if removed.remote_id is not None:
            row = self.by_id.get(removed.remote_id)
            if row is not None and getattr(row, self.key) != name:
                self._is_unclear(name, removed, "E-OTHER-NAME", f"id {removed.remote_id} has another name live")
                return
        elif name in self.twice:
            reason = f"{_twice(self.twice[name])}; give the id of the one to remove"
            self._is_unclear(name, removed, "E-DUPLICATE-LIVE", reason)
            return
        if row is not None:
            self.changes.append(Change(self._address(name), self.kind, row, None, removed=removed))
        elif removed.remote_id is not None:
            return
        elif reason := self._pinned_by(name):
            self._is_unclear(name, removed, "E-PINNED", reason)
        elif reason := self.alike.take(name):
            self._is_unclear(name, removed, "E-SAME-NAME", reason)

    def _note_look_alikes(self, names: set[str]) -> None:
        """Note rows that no entry mentions, but whose name people would take for one that is declared or removed."""
        pinned = {getattr(d.resource, self.key): pin for pin, d in self.pins.items()}
        live = {_folded(name): name for name in names if name in self.by_key or name in self.twice}
        live.update({_folded(name): name for name in pinned})
        for row in sorted(self.rest, key=remote_id):
            other = getattr(row, self.key)
            if (name := live.get(_folded(other))) is None:
                continue
            address, beside = self._address(name), self._address(other)
            difference = f"its name differs only in {_IN_WHAT}"
            if name == other:
                difference = f"it has the same name; the YAML pins id {pinned[name]}"
            summary = f"{beside} (id {remote_id(row)}) is live beside {address}: {difference}"
            self.notes.append(Note("E-DUPLICATE-LIVE" if name == other else "E-SAME-NAME", summary, (address, beside)))

    def _note_confusables(self, declared_names: Sequence[str]) -> None:
        """Note live names that no entry mentions and that look like another name, but have different characters."""
        names = [*declared_names, *(getattr(row, self.key) for row in sorted(self.rest, key=remote_id))]
        looks = skeletons(names)
        if len(set(looks)) == len(looks):
            return
        first: dict[str, str] = dict(zip(looks[: len(declared_names)], declared_names))
        for look, name in zip(looks[len(declared_names) :], names[len(declared_names) :]):
            other = first.setdefault(look, name)
            if _folded(name) != _folded(other):
                pair = (self._address(other), self._address(name))
                self.notes.append(Note("W-CONFUSABLE", f"{pair[1]} is live and looks like {pair[0]}", pair))

    def _address(self, name: str) -> Address:
        return Address(self.tenant.name, self.kind.kind, name)

    def _is_unclear(self, name: str, entry: Declared | Removed, code: str, reason: str) -> None:
        is_removed = isinstance(entry, Removed)
        self.unclear.append(Unclear(self._address(name), self.kind, code, reason, entry.source, is_removed))


_IN_WHAT = "case, blanks or the form of an accent"


class _LookAlikes:
    """The live rows that no declared entry matches, by their name as people read it."""

    def __init__(self, rest: Sequence[Row], going: Sequence[Row], key_name: str) -> None:
        self._rows = (*rest, *going)
        self._going = set(map(remote_id, going))
        self._key = key_name
        self._taken: set[int] = set()

    @functools.cached_property
    def _by_folded(self) -> Mapping[str, list[Row]]:
        rows: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(self._rows, key=remote_id):
            rows[_folded(getattr(row, self._key))].append(row)
        return rows

    def take(self, name: str) -> str:
        """Why rows that look like this name are in its way; empty if there are none. They count as mentioned from now on."""
        rows = self._by_folded.get(_folded(name)) if self._rows else None
        if not rows:
            return ""
        ids = {remote_id(row) for row in rows}
        self._taken |= ids
        names = " and ".join(f"`{getattr(row, self._key)}` (id {remote_id(row)})" for row in rows)
        advice = "write it as it is live, or rename the live one in the web page"
        if ids <= self._going:
            advice = "this plan removes that one: apply it, then plan again"
        return f"live as {names}, which differs only in {_IN_WHAT}; {advice}"

    def others(self, rows: list[Row]) -> list[Row]:
        """The rows that were not taken."""
        return [row for row in rows if remote_id(row) not in self._taken] if self._taken else rows


def _folded(name: str) -> str:
    """A name as people read it: without case, blanks at the ends, repeated blanks, and the form of accents."""
    return folded(" ".join(name.split()))


def _by_key(
    rows: Iterable[Row], key_name: str, pins: Mapping[int, Declared]
) -> tuple[dict[str, Row], dict[str, list[Row]]]:
    """The rows that no entry pins, by key; and, apart from them, the rows whose key occurs twice.

    A row that an entry of another name pins is in neither, but its name counts as an occurrence.
    """
    by_key: dict[str, Row] = {}
    twice: dict[str, list[Row]] = {}
    claimed: dict[str, list[Row]] = {}
    for row in rows:
        name = getattr(row, key_name)
        if pins and (pinning := pins.get(remote_id(row))) is not None:
            if name_of(pinning.resource) != name:
                claimed.setdefault(name, []).append(row)
            continue
        if (first := by_key.setdefault(name, row)) is not row:
            twice.setdefault(name, [first]).append(row)
    for name, others in claimed.items():
        if name in by_key:
            twice[name] = [*twice.get(name, [by_key[name]]), *others]
    for name in twice:
        del by_key[name]
    return by_key, twice


def _rest(rows: Iterable[Row], key_name: str, used_names: set[str], used_ids: set[int]) -> list[Row]:
    """The rows that neither a declared nor a removed entry mentions."""
    if used_ids:
        return [row for row in rows if getattr(row, key_name) not in used_names and remote_id(row) not in used_ids]
    return [row for row in rows if getattr(row, key_name) not in used_names]


def _twice(rows: Iterable[Row]) -> str:
    ids = " and ".join(map(str, sorted(map(remote_id, rows))))
    return f"live more than once, as ids {ids}"


def _nested(name: str, before: Any, after: Any) -> Iterable[FieldChange]:
    """One change for each place inside a mapping or list that differs. No kind has such a field yet; the next one may."""
    from deepdiff import DeepDiff  # 30 ms and slow: only for a nested value, and only when it differs

    differences = DeepDiff(before, after, view="tree")
    levels = [level for group in differences.values() for level in group]
    return [FieldChange(name + level.path(root=""), _or_none(level.t1), _or_none(level.t2)) for level in levels]


def _or_none(value: Any) -> Any:
    return None if type(value).__name__ == "NotPresent" else value
