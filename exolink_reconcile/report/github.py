"""Diagnostics, a plan or a failure to GitHub annotations: workflow commands that show up on the lines of a pull request.

GitHub takes ten annotations of each level (error, warning, notice) from a step and drops the rest in silence. So each line
of YAML has one annotation, however many objects it changes. If that makes more than ten, lines that follow each other and do
the same share one. The most dangerous come first, and if there are still more than ten, the tenth says what is not shown.
The log of the step always has everything, as ordinary text.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from exolink_reconcile.desired import sources
from exolink_reconcile.desired.sources import Cause, Caused
from exolink_reconcile.errors import InputError, ReconcileError
from exolink_reconcile.inert import inert
from exolink_reconcile.model import Action, Diagnostic, FieldChange, HeldBack, Plan, Source, Step, remote_id
from exolink_reconcile.report import numbered, text
from exolink_reconcile.report.view import PlanView
from exolink_reconcile.resource import Kind, key

LIMIT = 10
_LONGEST = 60_000  # GitHub takes 64 KiB a message
_SAMPLE = 3
_Level = Literal["error", "warning", "notice"]
_LEVELS: tuple[_Level, ...] = ("error", "warning", "notice")
_HELD = "held back"
# The words for what a line does, most dangerous first, and their level.
_ORDER: Mapping[str, _Level] = {
    Action.DELETE.word: "warning",
    Action.REPLACE.word: "warning",
    _HELD: "warning",
    Action.UPDATE.word: "notice",
    Action.CREATE.word: "notice",
}
_PathFromRoot = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Annotation:
    """One annotation; its texts are inert already. `about` says in a few words what is missing if it is not shown."""

    level: _Level
    title: str
    message: str
    source: Source | None = None
    about: tuple[str, ...] = ()
    last_line: int | None = None


def diagnostics(findings: Iterable[Diagnostic], path_from_root: _PathFromRoot) -> str:
    """One annotation for each diagnostic, errors first, within the limit."""
    return _lines([_diagnostic(finding) for finding in findings], path_from_root)


def failure(error: ReconcileError, path_from_root: _PathFromRoot) -> str:
    """What stopped a run."""
    if isinstance(error, InputError):
        return diagnostics(error.diagnostics, path_from_root)
    return _lines([_Annotation("error", error.code, inert(error.summary), error.source)], path_from_root)


def plan(plan: Plan, caused: Sequence[Caused], path_from_root: _PathFromRoot) -> str:
    """A notice for each line that changes or creates, a warning for deletes, replaces and what is held back.

    A refusal of `apply` is an error. `caused` are the differences of the plan with the places that cause them.
    """
    refusals = [
        _Annotation("error", refusal.code, inert(f"Apply will refuse: {refusal.summary}.")) for refusal in plan.refusals
    ]
    groups = _groups(plan, (difference for difference in caused if not _is_drift(difference)))
    merged = [group for level in _LEVELS for group in _merged([g for g in groups if _ORDER[g.word] == level])]
    merged.sort(key=lambda group: (list(_ORDER).index(group.word), -len(group.objects)))
    drift, notes = _drift(filter(_is_drift, caused)), _notes(plan)
    # The log of the step has all notes; in what GitHub shows, notes must not crowd out the changes.
    changes = (group.annotation() for group in merged)
    return _lines([*refusals, *drift, *notes[:_SAMPLE], *changes, *notes[_SAMPLE:]], path_from_root)


def _is_drift(difference: Caused) -> bool:
    return isinstance(difference.item, Step) and difference.item.cause == "drift"


def _groups(plan: Plan, differences: Iterable[Caused]) -> Iterable["_Group"]:
    """The differences by action and line. An object whose place is not known has a group of its own."""
    groups: dict[tuple[str, object], _Group] = {}
    for difference in differences:
        word = _HELD if isinstance(difference.item, HeldBack) else difference.item.action.word
        cause = difference.causes[0] if difference.causes else None
        line: object = (cause.source.path, cause.source.line) if cause else id(difference.item)
        groups.setdefault((word, line), _Group(plan, word, cause)).add(difference)
    return groups.values()


def _drift(differences: Iterable[Caused]) -> Iterator[_Annotation]:
    """One notice for everything that differs besides this change."""
    addresses = list(dict.fromkeys(str(difference.item.address) for difference in differences))
    if addresses:
        objects = "1 object differs" if len(addresses) == 1 else f"{len(addresses)} objects differ"
        yield _Annotation("notice", "plan: drift", f"{objects} besides this change: {numbered.names(addresses)}")


def _notes(plan: Plan) -> list[_Annotation]:
    """A notice for each note, at the line of the new object that it is about, if there is one."""
    places = {step.address: step.source for step in plan.steps if step.creates} if plan.notes else {}
    return [
        _Annotation(
            "notice", note.code, inert(f"{note.summary}."), next(filter(None, map(places.get, note.addresses)), None)
        )
        for note in plan.notes
    ]


def _diagnostic(finding: Diagnostic) -> _Annotation:
    message = "\n".join(inert(part) for part in (finding.summary, finding.detail) if part)
    return _Annotation(finding.severity, finding.code, message, finding.source)


# ----------------------------------------------------------------------------------------------------- what a line does


class _Group:
    """Everything of one action that a line of YAML (or a run of lines) causes: the objects and their differences."""

    def __init__(self, plan: Plan, word: str, cause: Cause | None) -> None:
        self.plan = plan
        self.word = word
        self.cause = cause
        self.lines = 1
        self.objects: dict[int, list[Caused]] = defaultdict(list)

    def add(self, caused: Caused) -> None:
        """Add a difference."""
        self.objects[id(caused.item)].append(caused)

    def follows(self, before: "_Group") -> bool:
        """Whether this is the line after `before` in the same section, and does the same."""
        first, second = before.cause, self.cause
        if first is None or second is None or (before.word, first.section) != (self.word, second.section):
            return False
        return (first.source.path, first.source.line + before.lines) == (second.source.path, second.source.line)

    def take(self, other: "_Group") -> None:
        """Merge a group that follows into this one."""
        self.lines += other.lines
        for item, rows in other.objects.items():
            self.objects[item] += rows

    @property
    def items(self) -> list[Step | HeldBack]:
        """The steps, or what is held back, in the order of the plan."""
        return [rows[0].item for rows in self.objects.values()]

    def annotation(self) -> _Annotation:
        """The annotation that says what the line does."""
        items = self.items
        message = f"{self._one(items[0])}{self._other_hand(items[0])}" if len(items) == 1 else self._many(items)
        about = tuple(
            f"{self.word} {inert(str(item.address))}" if self.word in ("delete", "replace") else self.word
            for item in items
        )
        codes = {item.code for item in items if isinstance(item, HeldBack)}
        title = codes.pop() if len(codes) == 1 else f"plan: {self.word}"
        source = self.cause.source if self.cause else None
        last_line = source.line + self.lines - 1 if source and self.lines > 1 else None
        return _Annotation(_ORDER[self.word], title, message, source, about, last_line)

    # ------------------------------------------------------------------------------------------------------ one object

    def _one(self, item: Step | HeldBack) -> str:
        address = inert(str(item.address))
        fields = [row.field for row in self.objects[id(item)] if row.field is not None]
        changes = ", ".join(f"{field.name} {self._change(item, field)}" for field in fields)
        if isinstance(item, HeldBack):
            return f"held back: {address}: {changes or item.action.word}{self._through()}\n{_why(item)}"
        match item.action:
            case Action.DELETE:
                deleting = f"will delete {address} (id {_id(item)}): {inert(item.reason)}{self._goes(item)}"
                return _with_reminder(deleting, [item.kind])
            case Action.REPLACE:
                replacing = f"will replace {address} (id {_id(item)}, gets a new id): {changes}{self._through()}"
                return _with_reminder(f"{replacing}\n{inert(item.reason)}{self._goes(item)}", [item.kind])
            case Action.CREATE:
                values = ", ".join(f"{c.name} {self._named(item, c)}" for c in item.fields if c.name != key(item.kind))
                return f"will create {address}: {values}" if values else f"will create {address}"
            case Action.UPDATE if len(fields) == 1:
                return f"will change {fields[0].name} of {address}: {self._change(item, fields[0])}{self._through()}"
            case Action.UPDATE:
                return f"will change {address}: {changes}{self._through()}"

    def _other_hand(self, item: Step | HeldBack) -> str:
        sentence = text.other_hand(item, self.plan) if isinstance(item, Step) else ""
        return f"\n{inert(sentence)}" if sentence else ""

    def _goes(self, item: Step | HeldBack) -> str:
        """The other fields that are lost with an object."""
        if not isinstance(item, Step) or not item.goes_with:
            return ""
        fields = [f"{field.name} {text.named(field.before, self._names(item, field))}" for field in item.goes_with]
        return f"; with it {'goes' if len(fields) == 1 else 'go'} {', '.join(fields)}"

    def _through(self) -> str:
        lines = "this line" if self.lines == 1 else "these lines"
        return f" (through {lines} of {inert(self.cause.section)})" if self.cause and self.cause.section else ""

    # ---------------------------------------------------------------------------------------------------- many objects

    def _many(self, items: Sequence[Step | HeldBack]) -> str:
        of = f" of {inert(self.cause.section)}" if self.cause and self.cause.section else ""
        subject, verb = (f"this line{of}", f"{self.word}s") if self.lines == 1 else (f"these lines{of}", self.word)
        counted = _counted(items)
        addresses = list(dict.fromkeys(str(item.address) for item in items))
        match self.word:
            case "delete" | "replace":
                named = "\n".join(f"{inert(str(item.address))} (id {_id(item)}){self._goes(item)}" for item in items)
                sentence = f"{subject} {verb} {counted}{self._fields(items)}\n{named}"
                return _with_reminder(sentence, [item.kind for item in items])
            case "held back":
                reasons = dict.fromkeys(_why(item) for item in items if isinstance(item, HeldBack))
                is_or_are = "is" if self.lines == 1 else "are"
                sentence = f"{subject} {is_or_are} held back for {counted}{self._fields(items)}"
                return "\n".join((sentence, numbered.names(addresses), *reasons))
            case "create":
                return f"{subject} {verb} {counted}\n{numbered.names(addresses)}"
            case _:
                verb = verb.replace("update", "change")
                return f"{subject} {verb} {counted}{self._fields(items)}\n{numbered.names(addresses)}"

    def _fields(self, items: Sequence[Step | HeldBack]) -> str:
        """The changes of fields, the most common first, each with its number of objects unless it is all of them."""
        counts = Counter(
            f"{row.field.name} {self._change(item, row.field)}"
            for item in items
            for row in self.objects[id(item)]
            if row.field is not None
        )
        if not counts:
            return ""
        counted = [
            field if count == len(items) else f"{field} ({count})" for field, count in counts.most_common(_SAMPLE)
        ]
        more = [f"{len(counts) - _SAMPLE} other changes"] if len(counts) > _SAMPLE else []
        return f": {', '.join([*counted, *more])}"

    def _change(self, item: Step | HeldBack, change: FieldChange) -> str:
        return text.field_change(change, self._names(item, change))

    def _named(self, item: Step, change: FieldChange) -> str:
        return text.named(change.after, self._names(item, change))

    def _names(self, item: Step | HeldBack, change: FieldChange) -> Mapping[Any, str]:
        return self.plan.names.get((item.address.tenant, change.field), {})


def _merged(groups: Sequence[_Group]) -> list[_Group]:
    """The groups of one level; if they are more than GitHub takes, lines that follow each other become one."""
    if len(groups) <= LIMIT:
        return list(groups)
    placed = [group for group in groups if group.cause]
    merged = [group for group in groups if not group.cause]
    placed.sort(key=lambda g: (g.word, g.cause.section, g.cause.source) if g.cause else ())
    for group in placed:
        if merged and group.follows(merged[-1]):
            merged[-1].take(group)
        else:
            merged.append(group)
    return merged


def _counted(items: Sequence[Step | HeldBack]) -> str:
    """`412 chargers and 1 cpms of acme`."""
    kinds = {item.address: item.kind.entries or item.kind.kind for item in items}
    tenants = list(dict.fromkeys(address.tenant for address in kinds))
    of = f" of {inert(tenants[0])}" if len(tenants) == 1 else ""
    return " and ".join(f"{count} {word}" for word, count in Counter(kinds.values()).items()) + of


def _why(held: HeldBack) -> str:
    ways = f" Ways out: {'; '.join(map(inert, held.ways_out))}." if held.ways_out else ""
    return f"{inert(f'{held.code}: {held.reason}')}.{ways}"


def _id(item: Step | HeldBack) -> str:
    return str(remote_id(item.before)) if isinstance(item, Step) and item.before is not None else "?"


def _with_reminder(sentence: str, kinds: Iterable[Kind]) -> str:
    """The sentence, with what to check before an object of these kinds is deleted."""
    return "\n".join([sentence, *dict.fromkeys(inert(kind.when_gone) for kind in kinds if kind.when_gone)])


# ------------------------------------------------------------------------------------------------------------ commands


def _lines(annotations: Sequence[_Annotation], path_from_root: _PathFromRoot) -> str:
    """The commands, one a line: errors, warnings, notices, of each no more than GitHub takes."""
    limited = [
        annotation
        for level in _LEVELS
        for annotation in _within_limit(level, [a for a in annotations if a.level == level])
    ]
    return "".join(f"{_command(annotation, path_from_root)}\n" for annotation in limited)


def _within_limit(level: _Level, annotations: Sequence[_Annotation]) -> Iterator[_Annotation]:
    if len(annotations) <= LIMIT:
        yield from annotations
        return
    yield from annotations[: LIMIT - 1]
    not_shown = annotations[LIMIT - 1 :]
    counts = Counter(about for annotation in not_shown for about in annotation.about)
    rest = f"{len(not_shown)} more {level}s are not shown here: GitHub takes {LIMIT} of a kind. The log of this step has all."
    counted = [about if count == 1 else f"{about} ({count} objects)" for about, count in counts.items()]
    message = f"{rest}\nAmong them: {', '.join(counted)}" if counted else rest
    yield _Annotation(level, "exolink-reconcile", message)


def _command(annotation: _Annotation, path_from_root: _PathFromRoot) -> str:
    properties: dict[str, str] = {"title": annotation.title}
    if annotation.source is not None:
        properties["file"] = inert(path_from_root(annotation.source.path))
        properties["line"] = str(annotation.source.line)
        # Columns only count on a single line.
        properties |= (
            {"endLine": str(annotation.last_line)} if annotation.last_line else {"col": str(annotation.source.column)}
        )
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{annotation.level} {written}::{_data(_cut(annotation.message))}"


def _cut(message: str) -> str:
    """A message that GitHub takes: if it is too long, it is cut after a line or an item, and says so."""
    if len(message.encode()) <= _LONGEST:
        return message
    kept = message.encode()[:_LONGEST].decode(errors="ignore")
    end = max(kept.rfind("\n"), kept.rfind(", "))
    return f"{kept[:end] if end > 0 else kept}\n… the log of this step has all of it"


def _data(message: str) -> str:
    """A message, escaped like GitHub's own toolkit does it."""
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    """The value of a property, escaped like GitHub's own toolkit does it."""
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def render(view: PlanView) -> tuple[str, ...]:
    """Annotations on the lines that cause a plan (without documents, on the places that it recorded), then its text."""
    caused = sources.find(view.plan, view.documents) if view.documents else sources.recorded(view.plan)
    return (plan(view.plan, caused, view.path_from_root), *text.render(view))
