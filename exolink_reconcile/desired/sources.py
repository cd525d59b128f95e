"""Plan and documents to causes: the places in the YAML that make a plan do what it does.

Terms. A *cause* is a place; a *spot* is the same before its line is known: a key in a mapping of a document. A field's
value stands in the entry itself or, where the entry does not write it, in the `defaults` of its document; and a value
written by name (`profile: night`) gets its number from a table of the tenant (`profiles`), perhaps in another file.

Which of two. Where a name was used, both its line and the table's line are causes, and only the files' history could
tell which one was edited. The live value tells as much as can be known without it: where it is a number that the table
still has (or there is none), the name was switched; else the number behind the name changed. That cause comes first.

Only for those who ask: finding lines means walking over the files once more.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from exolink_reconcile import globs
from exolink_reconcile.desired import places as yaml_places
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.model import Action, FieldChange, HeldBack, Plan, Source, Step
from exolink_reconcile.resource import Address, NamedBy, fields

# What these say is about the pinned id, where the entry has one.
_ABOUT_ID = frozenset({"E-NOT-LIVE", "E-OTHER-NAME", "E-PINNED"})


class Cause(NamedTuple):
    """A place that makes a plan do something, and the section of the document where that is not the object's own entry.

    `section` is `defaults`, the name of a table (`profiles`) or of a list of `policy` (`exclusive`); else empty.
    """

    source: Source
    section: str = ""


class Caused(NamedTuple):
    """One difference and its causes, the one to point at first.

    `field` is the field that differs; None where the item is about the object as a whole.
    """

    item: Step | HeldBack
    field: FieldChange | None
    causes: tuple[Cause, ...]


def find(plan: Plan, documents: Sequence[Document]) -> tuple[Caused, ...]:
    """The causes of each step and of what is held back, in the order of the plan.

    `documents` are those that the plan was made from. Each field of an update or a replace is a row of its own.
    """
    differences = list(_differences(plan))
    finder = _Finder(documents, (item.source for item, _ in differences))
    found = [(item, field, tuple(finder.spots(item, field))) for item, field in differences]
    places = _Places(spot for _, _, spots in found for spot in spots)
    return tuple(
        Caused(item, field, tuple(places.cause(spot) for spot in spots) or _recorded(item))
        for item, field, spots in found
    )


def recorded(plan: Plan) -> tuple[Caused, ...]:
    """The same where there are no documents: the place that the plan recorded for each object."""
    return tuple(Caused(item, field, _recorded(item)) for item, field in _differences(plan))


def _differences(plan: Plan) -> Iterator[tuple[Step | HeldBack, FieldChange | None]]:
    for step in plan.steps:
        if step.action in (Action.UPDATE, Action.REPLACE):
            yield from ((step, field) for field in step.fields)
        else:
            yield step, None
    yield from ((held, held.field) for held in plan.held_back)


def _recorded(item: Step | HeldBack) -> tuple[Cause, ...]:
    return (Cause(item.source),) if item.source else ()


class _Spot(NamedTuple):
    """A key in a mapping of a document, or item `item` of the list that is its value."""

    document: Document
    node: Node
    key: str
    section: str = ""
    item: int | None = None


class _Finder:
    """Finds the spots of differences. `sources` are the entries that will be asked for."""

    def __init__(self, documents: Sequence[Document], sources: Iterable[Source | None]) -> None:
        self.by_tenant: dict[str, list[Document]] = defaultdict(list)
        self.entries: dict[Source, tuple[Document, Node]] = {}
        self.tables: dict[tuple[str, str], tuple[dict[str, _Spot], set[str]]] = {}
        self.patterns: dict[tuple[str, str], list[tuple[str, _Spot]]] = {}
        wanted = set(sources)
        for document in documents:
            self.by_tenant[document.body["tenant"]].append(document)
            lists = (value for value in document.body.values() if isinstance(value, list))
            for node in (node for nodes in lists for node in nodes if isinstance(node, Node)):
                if (source := document.source(node)) in wanted:
                    self.entries[source] = (document, node)

    def spots(self, item: Step | HeldBack, field: FieldChange | None) -> Iterator[_Spot]:
        """The spots of one difference, the most likely first; none where the place of its entry says it all."""
        pruned = item.pruned if isinstance(item, Step) else item.source is None and item.action is Action.DELETE
        if pruned:
            yield from self._pattern("exclusive", item.address)
            return
        if field is not None:
            yield from self._field(item, field)
        elif isinstance(item, HeldBack) and item.code in _ABOUT_ID and item.source in self.entries:
            document, node = self.entries[item.source]
            if "id" in node:
                yield _Spot(document, node, "id")
        if isinstance(item, HeldBack) and item.code == "E-PROTECTED":
            yield from self._pattern("protect", item.address)

    def _field(self, item: Step | HeldBack, field: FieldChange) -> Iterator[_Spot]:
        kind, tenant = item.kind, item.address.tenant
        if kind.entries is None:
            written = (
                _Spot(each, each.body, field.field) for each in self.by_tenant[tenant] if field.field in each.body
            )
            yield from islice(written, 1)
            return
        if item.source not in self.entries:
            return
        document, node = self.entries[item.source]
        defaults = document.body.get("defaults", {}).get(kind.entries, {})
        named_by = fields(kind)[field.field].named_by
        for section, mapping in (("", node), ("defaults", defaults)):
            if field.field in mapping:
                yield _Spot(document, mapping, field.field, section)
                return
            if named_by is not None and named_by.alias in mapping:
                yield from self._named(tenant, _Spot(document, mapping, named_by.alias, section), named_by, field)
                return

    def _named(self, tenant: str, spot: _Spot, named_by: NamedBy, field: FieldChange) -> Iterator[_Spot]:
        """The spot of a name and that of its number, the one that was edited (as far as can be told) first."""
        rows, known = self._table(tenant, named_by.table)
        number = rows.get(spot.node[spot.key])
        numbers = (number,) if number else ()
        switched = field.before is None or str(field.before) in known
        yield from (spot, *numbers) if switched else (*numbers, spot)

    def _table(self, tenant: str, table: str) -> tuple[dict[str, _Spot], set[str]]:
        """The rows of a tenant's table by name, and the numbers it has, as text."""
        if (tenant, table) not in self.tables:
            parts = [(each, each.body[table]) for each in self.by_tenant[tenant] if table in each.body]
            rows = {name: _Spot(document, part, name, table) for document, part in parts for name in part}
            self.tables[tenant, table] = rows, {number for _, part in parts for number in part.values()}
        return self.tables[tenant, table]

    def _pattern(self, name: str, address: Address) -> Iterator[_Spot]:
        """The first pattern of a policy list that matches the address, as the planner takes it."""
        matching = (spot for glob, spot in self._patterns(address.tenant, name) if globs.matches(glob, address.local))
        yield from islice(matching, 1)

    def _patterns(self, tenant: str, name: str) -> list[tuple[str, _Spot]]:
        if (tenant, name) not in self.patterns:
            policies = [(each, each.body.get("policy", {})) for each in self.by_tenant[tenant]]
            self.patterns[tenant, name] = [
                (glob if re.search("[/*?]", glob) else f"{glob}/*", _Spot(document, policy, name, name, index))
                for document, policy in policies
                for index, glob in enumerate(policy.get(name, ()))
            ]
        return self.patterns[tenant, name]


class _Places:
    """The places of spots: one walk over each file that has any."""

    def __init__(self, spots: Iterable[_Spot]) -> None:
        wanted: dict[str, set[tuple[int, int]]] = defaultdict(set)
        data: dict[str, bytes] = {}
        for spot in spots:
            wanted[spot.document.path].add((spot.node.line, spot.node.column))
            data[spot.document.path] = spot.document.data
        self.found = {path: yaml_places.locate(data[path], marks) for path, marks in wanted.items()}

    def cause(self, spot: _Spot) -> Cause:
        """Where the value of a spot stands: that is what an edit changes, also when its key is on a line before."""
        path, here = spot.document.path, (spot.node.line, spot.node.column)
        places = self.found[path].get(here, {}).get(spot.key)
        if places is not None:
            here = places.value
            if spot.item is not None and spot.item < len(places.items):
                here = places.items[spot.item]
        return Cause(Source(path, *here), spot.section)
