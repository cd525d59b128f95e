"""Plan to the rows of its page: every text inert, similar rows together, the most dangerous section first."""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

from exolink_reconcile.inert import inert
from exolink_reconcile.model import Action, FieldChange, HeldBack, Plan, Step, remote_id
from exolink_reconcile.report import numbered, text
from exolink_reconcile.report.links import Links
from exolink_reconcile.resource import Kind, Row, key, name_of_row
from exolink_reconcile.secret_url import SecretUrl

LONG = 200  # characters: a longer name or value is cut in its line and complete below it
_INFERRED = "Inferred: the vendor does not document this write."
_SECRET = "a secret in it changes"


FieldTexts = tuple[str, str | None, str | None]  # name, before, after; None for no value


class ObjectRow(NamedTuple):
    """One object, ready to show, with inert texts. A `sentence`, if it has one, replaces the changes on its line.

    `says` are sentences, `ways` the ways out. `besides` is what another hand did as well; it is on the line too.
    """

    tenant: str
    kind: str
    name: str
    place: str
    sentence: str
    fields: tuple[FieldTexts, ...]
    says: tuple[str, ...]
    ways: tuple[str, ...] = ()
    besides: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """All rows of one action. A `dangerous` section shows each row with all its facts, and is never folded."""

    word: str
    mark: str
    title: str
    label: str
    dangerous: bool
    rows: Sequence[ObjectRow] = field(default_factory=list)
    runs: Sequence["Run"] = ()


class Run(NamedTuple):
    """Similar rows in a row: where they start, how many there are, what they share, what differs, their names."""

    start: int
    size: int
    shared: tuple[FieldTexts, ...]
    own: str
    names: str


def sections(plan: Plan, rows_of: "Rows", show_unmanaged: bool) -> list[Section]:
    """The sections that have rows, most dangerous first."""
    by_action: dict[tuple[str, Action], list[Step]] = defaultdict(list)
    for step in plan.steps:
        by_action[text.whose(step) if plan.base else "", step.action].append(step)
    held = sorted(map(rows_of.held, plan.held_back), key=_tenant)
    sections = [Section("held", "!", "Held back, apply will not settle these", "Held back", True, held)]
    makers: tuple[tuple[Action, Callable[[Step], ObjectRow]], ...] = (
        (Action.DELETE, rows_of.delete),
        (Action.REPLACE, rows_of.replace),
        (Action.UPDATE, rows_of.update),
        (Action.CREATE, rows_of.create),
    )
    for whose, (action, make) in product(text.WHOSE if plan.base else ("",), makers):
        is_dangerous = action in (Action.DELETE, Action.REPLACE)
        label = action.word.capitalize()
        rows, runs = sorted(map(make, by_action[whose, action]), key=_tenant), list[Run]()
        if not is_dangerous:
            rows, runs = _arranged(rows)
        word, title = action.word, f"To {action.word}{text.WHOSE.get(whose, '')}"
        if whose not in ("", "change"):
            word, label = f"{word}-{whose}", f"{label} ({whose})"
        sections.append(Section(word, action.value, title, label, is_dangerous, rows, runs))
    if show_unmanaged:
        rows = [rows_of.unmanaged(group.tenant, group.kind, row) for group in plan.unmanaged for row in group.rows]
        sections.append(Section("unmanaged", " ", "Unmanaged, left alone", "Unmanaged", False, sorted(rows)))
    return [section for section in sections if section.rows]


class Rows:
    """Makes the rows of one plan: values as text, numbers with their readable names.

    Texts that repeat (a tenant, a path, a profile) are made inert once.
    """

    def __init__(self, plan: Plan, links: Links) -> None:
        self.plan = plan
        self.names = plan.names
        self.links = links
        self.hrefs: dict[str, str] = {}  # the web address of a file, by its path as shown
        self.inert = functools.cache(inert)
        self.number = functools.cache(self._number)
        self.path = functools.cache(self._path)

    def held(self, held: HeldBack) -> ObjectRow:
        word = "" if held.field else held.action.word
        changes = self.changes(held.address.tenant, [held.field]) if held.field else ()
        says = (inert(f"{held.code}: {held.reason}."),)
        return ObjectRow(*self.where(held), word, changes, says, tuple(map(inert, held.ways_out)))

    def delete(self, step: Step) -> ObjectRow:
        assert step.before is not None
        goes = tuple((name, self.value(step.address.tenant, name, live), None) for name, live, _ in step.goes_with)
        return ObjectRow(*self.where(step), f"id {remote_id(step.before)}, {self.inert(step.reason)}", goes, ())

    def replace(self, step: Step) -> ObjectRow:
        assert step.before is not None
        sentence = f"id {remote_id(step.before)}, gets a new id, {self.inert(step.reason)}"
        goes = self.goes(step.address.tenant, step.goes_with)
        changes = (*self.changes(step.address.tenant, step.fields), *goes)
        return ObjectRow(*self.where(step), sentence, changes, (), besides=self.besides(step))

    def goes(self, tenant: str, changes: Iterable[FieldChange]) -> Iterator[FieldTexts]:
        """The fields that a replace takes away beside its differences, and which of them it puts back."""
        for name, before, after in changes:
            put_back = None if after is None else self.value(tenant, name, after)
            yield name, self.value(tenant, name, before), put_back

    def update(self, step: Step) -> ObjectRow:
        number = f"id {remote_id(step.before)}" if step.before is not None else ""
        reason = self.inert(step.reason) if step.reason != "differs" else ""
        says = tuple(filter(None, (", ".join(filter(None, (number, reason))), *_inferred(step))))
        changes = self.changes(step.address.tenant, step.fields)
        return ObjectRow(*self.where(step), "", changes, says, besides=self.besides(step))

    def besides(self, step: Step) -> str:
        """What another hand did to the same object; empty if it did nothing."""
        return inert(text.other_hand(step, self.plan))

    def create(self, step: Step) -> ObjectRow:
        key_name, tenant = key(step.kind), step.address.tenant
        values = [(name, None, self.value(tenant, name, after)) for name, _, after in step.fields if name != key_name]
        says = (self.inert(step.reason), *_inferred(step))
        return ObjectRow(*self.where(step), "", tuple(values), says, besides=self.besides(step))

    def unmanaged(self, tenant: str, kind: Kind, row: Row) -> ObjectRow:
        return ObjectRow(
            self.inert(tenant), kind.kind, inert(name_of_row(kind, row)), "", f"id {remote_id(row)}", (), ()
        )

    def where(self, item: Step | HeldBack) -> tuple[str, str, str, str]:
        """Tenant, kind, name and YAML place."""
        tenant, kind, name = item.address
        place = ""
        if item.source is not None:
            path, line, column = item.source
            place = f"{self.path(path)}:{line}:{column}"
        return self.inert(tenant), kind, inert(name), place

    def _path(self, path: str) -> str:
        """A path as it is shown; notes its web address, unless another path looks the same."""
        shown, href = inert(path), self.links.file(path)
        if href and self.hrefs.setdefault(shown, href) != href:
            self.hrefs[shown] = ""
        return shown

    def changes(self, tenant: str, changes: Iterable[FieldChange]) -> tuple[FieldTexts, ...]:
        """Before and after of each change. If only a secret changes, it says so, because both sides look the same."""
        rows = []
        for change in changes:
            field = change.field
            before, after = self.value(tenant, field, change.before), self.value(tenant, field, change.after)
            if before == after and isinstance(change.after, SecretUrl):
                after = f"{after} ({_SECRET})"
            rows.append((self.inert(change.name), before, after))
        return tuple(rows)

    def value(self, tenant: str, field: str, value: Any) -> str:
        return self.number(tenant, field, value) if type(value) is int else text.value(value)

    def _number(self, tenant: str, field: str, number: int) -> str:
        names = self.names.get((tenant, field), {})
        return f"{number} ({inert(names[number])})" if number in names else text.value(number)


def _inferred(step: Step) -> tuple[str, ...]:
    return (_INFERRED,) if step.inferred else ()


def _arranged(rows: Sequence[ObjectRow]) -> tuple[list[ObjectRow], list[Run]]:
    """The rows by tenant and kind, similar ones together; and the runs of similar rows."""
    arranged: list[ObjectRow] = []
    runs: list[Run] = []
    by_kind: dict[Any, list[ObjectRow]] = defaultdict(list)
    for row in rows:
        by_kind[row.tenant, row.kind].append(row)
    for of_kind in by_kind.values():
        for group in _alike(of_kind):
            if len(group) > text.FOLD_ALIKE:
                runs.append(_run(len(arranged), group))
            arranged += group
    return arranged, runs


def _alike(rows: Sequence[ObjectRow]) -> Iterable[list[ObjectRow]]:
    """Runs of rows with the same changes, then of rows that change the same fields, then single rows."""
    same: dict[Any, list[ObjectRow]] = defaultdict(list)
    for row in rows:
        same[row.fields, row.besides].append(row)
    similar: dict[Any, list[ObjectRow]] = defaultdict(list)
    for run in same.values():
        if len(run) <= text.FOLD_ALIKE:
            similar[tuple(change[0] for change in run[0].fields), run[0].besides] += run
    single = {id(row) for run in similar.values() if len(run) <= text.FOLD_ALIKE for row in run}
    return [
        *(run for groups in (same, similar) for run in groups.values() if len(run) > text.FOLD_ALIKE),
        *([row] for row in rows if id(row) in single),
    ]


def _run(start: int, rows: Sequence[ObjectRow]) -> Run:
    """The run of these rows: their number, what they share, what differs, and as many names as fit."""
    shared = tuple(change for change in rows[0].fields if all(change in row.fields for row in rows))
    own = [change[0] for change in rows[0].fields if change not in shared]
    says = f"each its own {shortened(' and '.join(own))}" if own else ""
    says = ", ".join(filter(None, (says, rows[0].besides)))
    return Run(start, len(rows), shared, says, shortened(numbered.names([row.name for row in rows])))


def shortened(escaped_text: str) -> str:
    """A text, cut if it is too long for a line; the full text stands below the line."""
    return escaped_text if len(escaped_text) <= LONG else f"{escaped_text[:LONG]}… ({len(escaped_text):,} characters)"


def _tenant(row: ObjectRow) -> str:
    return row.tenant
