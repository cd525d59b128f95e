"""Plan and documents to causes: the places in the YAML that make a plan do what it does.

Terms. A *cause* is a place; a *spot* is the same before its line is known. A field's value stands in the entry itself or,
where the entry does not write it, in the `defaults` of its document. A value written by name (`profile: night`) gets its
number from a table of the tenant (`profiles`), perhaps in another file.

Which of two. Where a name was used, both its line and the table's line are causes, and only the files' history knows which
one was edited. The live value is the best clue without it: if the table still has that number, or there is no live value,
the name was switched; else the number behind the name changed. That cause comes first.

Cost. Finding lines means walking over the files once more, so only the reports that show causes ask for them.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from exolink_reconcile import globs
from exolink_reconcile.desired import problems, table_lists
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.problems import Spot, at_item, at_value
from exolink_reconcile.model import Action, FieldChange, HeldBack, Plan, Source, Step
from exolink_reconcile.resource import Address, Kind, NamedBy, fields

# These are about the pinned id, if the entry has one.
_ABOUT_ID = frozenset({"E-NOT-LIVE", "E-OTHER-NAME", "E-PINNED"})


class Cause(NamedTuple):
    """A place that makes a plan do something, and the section of the document where that is not the object's own entry.

    `section` is `defaults`, the name of a table (`profiles`) or of a list of `policy` (`exclusive`); else empty.
    """

    source: Source
    section: str = ""


class Caused(NamedTuple):
    """One difference and its causes, the most likely one first.

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
    kinds = dict.fromkeys(item.kind for item, _ in differences)
    finder = _Finder(documents, (item.source for item, _ in differences), kinds)
    rows = [(item, field, tuple(finder.places(item, field))) for item, field in differences]
    located = problems.find(place.spot for _, _, places in rows for place in places)
    return tuple(
        Caused(item, field, tuple(Cause(located.source(spot), section) for spot, section in places) or _recorded(item))
        for item, field, places in rows
    )


def recorded(plan: Plan) -> tuple[Caused, ...]:
    """The causes when there are no documents: the place that the plan recorded for each object."""
    return tuple(Caused(item, field, _recorded(item)) for item, field in _differences(plan))


def entries(
    documents: Sequence[Document], sources: Iterable[Source | None], kinds: Iterable[Kind]
) -> dict[Source, tuple[Document, Node]]:
    """The entries at these places, each with its document; an entry of a table has its cells as the file writes them."""
    wanted = set(sources)
    lines: dict[str, list[int]] = defaultdict(list)
    for source in wanted:
        if source is not None:
            lines[source.path].append(source.line)
    entries: dict[Source, tuple[Document, Node]] = {}
    for document in documents:
        lists = (value for value in document.body.values() if isinstance(value, list))
        for node in (node for nodes in lists for node in nodes if isinstance(node, Node)):
            if (source := node.source) in wanted:
                entries[source] = (document, node)
        for node in _entries_of_tables(document, kinds, lines):
            entries.setdefault(node.source, (document, node))
    return entries


def _differences(plan: Plan) -> Iterator[tuple[Step | HeldBack, FieldChange | None]]:
    for step in plan.steps:
        if step.action in (Action.UPDATE, Action.REPLACE):
            yield from ((step, field) for field in step.fields)
        else:
            yield step, None
    yield from ((held, held.field) for held in plan.held_back)


def _recorded(item: Step | HeldBack) -> tuple[Cause, ...]:
    return (Cause(item.source),) if item.source else ()


def _entries_of_tables(document: Document, kinds: Iterable[Kind], lines: Mapping[str, Sequence[int]]) -> Iterator[Node]:
    """The entries that the document has from tables, on these lines of these paths."""
    for kind in kinds if document.tables else ():
        yield from table_lists.entries_at(document, kind, lambda path: lines.get(path, ()))


class _Place(NamedTuple):
    """Where a cause is, before its line is known, and the section that it stands in."""

    spot: Spot
    section: str = ""


class _Finder:
    """Finds the places of differences. `sources` are the entries that will be asked for."""

    def __init__(self, documents: Sequence[Document], sources: Iterable[Source | None], kinds: Iterable[Kind]) -> None:
        self.by_tenant: dict[str, list[Document]] = defaultdict(list)
        self.entries = entries(documents, sources, kinds)
        self.tables: dict[tuple[str, str], tuple[dict[str, _Place], set[str]]] = {}
        self.patterns: dict[tuple[str, str], list[tuple[str, _Place]]] = {}
        for document in documents:
            self.by_tenant[document.body["tenant"]].append(document)

    def places(self, item: Step | HeldBack, field: FieldChange | None) -> Iterator[_Place]:
        """The places of one difference, the most likely first; none where the place of its entry is all there is to say."""
        pruned = item.pruned if isinstance(item, Step) else item.source is None and item.action is Action.DELETE
        if pruned:
            yield from self._pattern("exclusive", item.address)
            return
        if field is not None:
            yield from self._field(item, field)
        elif isinstance(item, HeldBack) and item.code in _ABOUT_ID and item.source in self.entries:
            _, node = self.entries[item.source]
            if "id" in node:
                yield _Place(at_value(node, "id"))
        if isinstance(item, HeldBack) and item.code == "E-PROTECTED":
            yield from self._pattern("protect", item.address)

    def _field(self, item: Step | HeldBack, field: FieldChange) -> Iterator[_Place]:
        kind, tenant = item.kind, item.address.tenant
        if kind.is_tenant():
            bodies = (own.body for own in self.by_tenant[tenant] if field.field in own.body)
            yield from (_Place(at_value(body, field.field)) for body in islice(bodies, 1))
            return
        if item.source not in self.entries:
            return
        document, node = self.entries[item.source]
        defaults = document.body.get("defaults", {}).get(kind.entries, {})
        named_by = fields(kind)[field.field].named_by
        for section, mapping in (("", node), ("defaults", defaults)):
            if field.field in mapping:
                yield _Place(at_value(mapping, field.field), section)
                return
            if named_by is not None and named_by.alias in mapping:
                yield from self._named(tenant, _Place(at_value(mapping, named_by.alias), section), named_by, field)
                return

    def _named(self, tenant: str, place: _Place, named_by: NamedBy, field: FieldChange) -> Iterator[_Place]:
        """The place of a name and the place of its number; the one that was probably edited comes first."""
        rows, known_numbers = self._table(tenant, named_by.table)
        number = rows.get(place.spot.node[str(place.spot.key)])
        numbers = (number,) if number else ()
        switched = field.before is None or str(field.before) in known_numbers
        yield from (place, *numbers) if switched else (*numbers, place)

    def _table(self, tenant: str, table: str) -> tuple[dict[str, _Place], set[str]]:
        """The rows of a tenant's table by name, and the numbers it has, as text."""
        if (tenant, table) not in self.tables:
            parts = [document.body[table] for document in self.by_tenant[tenant] if table in document.body]
            rows = {name: _Place(at_value(part, name), table) for part in parts for name in part}
            self.tables[tenant, table] = rows, {number for part in parts for number in part.values()}
        return self.tables[tenant, table]

    def _pattern(self, name: str, address: Address) -> Iterator[_Place]:
        """The first pattern of a policy list that matches the address, as the planner takes it."""
        matching = (place for glob, place in self._patterns(address.tenant, name) if globs.matches(glob, address.local))
        yield from islice(matching, 1)

    def _patterns(self, tenant: str, name: str) -> list[tuple[str, _Place]]:
        if (tenant, name) not in self.patterns:
            policies = [document.body.get("policy", {}) for document in self.by_tenant[tenant]]
            self.patterns[tenant, name] = [
                (glob if re.search("[/*?]", glob) else f"{glob}/*", _Place(at_item(policy, name, index), name))
                for policy in policies
                for index, glob in enumerate(policy.get(name, ()))
            ]
        return self.patterns[tenant, name]
