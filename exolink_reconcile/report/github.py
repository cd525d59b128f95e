"""Diagnostics, a plan or a failure to GitHub annotations: workflow commands that show up on the lines of a pull request.

GitHub takes ten of a kind (errors, warnings, notices) from one step and drops the rest without a word. So there is one
annotation a line of YAML, however many objects the line changes; the most dangerous come first; and where more than ten
are left, the tenth says how many are not shown. The log of the step always has everything, as ordinary text.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from exolink_reconcile.causes import Cause, Caused
from exolink_reconcile.errors import InputError, ReconcileError
from exolink_reconcile.inert import inert
from exolink_reconcile.model import Action, Diagnostic, FieldChange, HeldBack, Plan, Source, Step, remote_id
from exolink_reconcile.report import text
from exolink_reconcile.resource import Kind, key

LIMIT = 10
_LONGEST = 60_000  # GitHub takes 64 KiB a message
_SAMPLE = 3
_Level = Literal["error", "warning", "notice"]
_LEVELS: tuple[_Level, ...] = ("error", "warning", "notice")
_HELD = "held back"
# What is said of it, most dangerous first, and how loudly.
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
    """One annotation: texts are inert already. `about` says in a few words what is lost where it is not shown."""

    level: _Level
    title: str
    message: str
    source: Source | None = None
    about: tuple[str, ...] = ()


def diagnostics(found: Iterable[Diagnostic], path_from_root: _PathFromRoot) -> str:
    """One annotation for each diagnostic, errors first, within the limit."""
    return _lines([_diagnostic(each) for each in found], path_from_root)


def failure(error: ReconcileError, path_from_root: _PathFromRoot) -> str:
    """What stopped a run."""
    if isinstance(error, InputError):
        return diagnostics(error.diagnostics, path_from_root)
    return _lines([_Annotation("error", error.code, inert(error.summary))], path_from_root)


def plan(plan: Plan, caused: Sequence[Caused], path_from_root: _PathFromRoot) -> str:
    """A notice for each line that changes or creates, a warning for deletes, replaces and what is held back.

    What apply would refuse is an error. `caused` are the differences of the plan with the places that cause them.
    """
    refusals = [_Annotation("error", each.code, inert(f"Apply will refuse: {each.summary}.")) for each in plan.refusals]
    groups: dict[tuple[int, object], _Group] = {}
    for each in caused:
        what = _HELD if isinstance(each.item, HeldBack) else each.item.action.word
        cause = each.causes[0] if each.causes else None
        # Without a place each object is by itself; with one, all that the line does is one annotation.
        line: object = (cause.source.path, cause.source.line) if cause else id(each.item)
        rank = list(_ORDER).index(what)
        groups.setdefault((rank, line), _Group(plan, what, cause)).add(each)
    ordered = sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1].objects)))
    return _lines([*refusals, *(group.annotation() for _, group in ordered)], path_from_root)


def _diagnostic(each: Diagnostic) -> _Annotation:
    said = "\n".join(inert(part) for part in (each.summary, each.detail) if part)
    return _Annotation(each.severity, each.code, said, each.source)


# ----------------------------------------------------------------------------------------------------- what a line does


class _Group:
    """All that one line of YAML does in one way: the objects, and the fields of each with their other causes."""

    def __init__(self, plan: Plan, what: str, cause: Cause | None) -> None:
        self.plan = plan
        self.what = what
        self.cause = cause
        self.objects: dict[int, list[Caused]] = defaultdict(list)

    def add(self, caused: Caused) -> None:
        """Take in one more difference."""
        self.objects[id(caused.item)].append(caused)

    @property
    def items(self) -> list[Step | HeldBack]:
        """The steps, or what is held back, in the order of the plan."""
        return [rows[0].item for rows in self.objects.values()]

    def annotation(self) -> _Annotation:
        """What the line does, in words."""
        items = self.items
        message = self._one(items[0]) if len(items) == 1 else self._many(items)
        about = tuple(
            f"{self.what} {inert(str(item.address))}" if self.what in ("delete", "replace") else self.what
            for item in items
        )
        code = {item.code for item in items if isinstance(item, HeldBack)}
        title = code.pop() if len(code) == 1 else f"plan: {self.what}"
        return _Annotation(_ORDER[self.what], title, _cut(message), self.cause.source if self.cause else None, about)

    # ------------------------------------------------------------------------------------------------------ one object

    def _one(self, item: Step | HeldBack) -> str:
        address = inert(str(item.address))
        fields = [row.field for row in self.objects[id(item)] if row.field is not None]
        if isinstance(item, HeldBack):
            said = "; ".join(f"{field.name} {self._change(item, field)}" for field in fields) or item.action.word
            return f"held back: {address}: {said}{self._through()}\n{_why(item)}"
        match item.action:
            case Action.DELETE:
                return _with_reminder(f"will delete {address} (id {_id(item)}): {inert(item.reason)}", item.kind)
            case Action.REPLACE:
                changes = ", ".join(f"{field.name} {self._change(item, field)}" for field in fields)
                said = f"will replace {address} (id {_id(item)}, gets a new id): {changes}{self._through()}"
                return _with_reminder(f"{said}\n{inert(item.reason)}", item.kind)
            case Action.CREATE:
                made = ", ".join(f"{c.name} {self._named(item, c)}" for c in item.fields if c.name != key(item.kind))
                return f"will create {address}: {made}" if made else f"will create {address}"
            case Action.UPDATE:
                if len(fields) == 1:
                    return (
                        f"will change {fields[0].name} of {address}: {self._change(item, fields[0])}{self._through()}"
                    )
                changes = ", ".join(f"{field.name} {self._change(item, field)}" for field in fields)
                return f"will change {address}: {changes}{self._through()}"

    def _through(self) -> str:
        return f" (through this line of {inert(self.cause.section)})" if self.cause and self.cause.section else ""

    # ---------------------------------------------------------------------------------------------------- many objects

    def _many(self, items: Sequence[Step | HeldBack]) -> str:
        of = f" of {inert(self.cause.section)}" if self.cause and self.cause.section else ""
        counted = _counted(items)
        addresses = [inert(str(item.address)) for item in items]
        match self.what:
            case "delete" | "replace":
                named = "\n".join(f"{address} (id {_id(item)})" for address, item in zip(addresses, items, strict=True))
                changes = f": {self._alike(items)}" if self.what == "replace" else ""
                return _with_reminder(f"this line{of} {self.what}s {counted}{changes}\n{named}", items[0].kind)
            case "held back":
                reasons = dict.fromkeys(_why(item) for item in items if isinstance(item, HeldBack))
                return "\n".join(
                    (f"this line{of} is held back for {counted}{self._fields(items)}", _few(addresses), *reasons)
                )
            case "create":
                return f"this line{of} creates {counted}\n{_few(addresses)}"
            case _:
                return f"this line{of} changes {counted}{self._fields(items)}\n{_few(addresses)}"

    def _fields(self, items: Sequence[Step | HeldBack]) -> str:
        alike = self._alike(items)
        return f": {alike}" if alike else ""

    def _alike(self, items: Sequence[Step | HeldBack]) -> str:
        """The changes of fields, each once with how many objects it is for where they differ, the commonest first."""
        counts = Counter(
            f"{row.field.name} {self._change(item, row.field)}"
            for item in items
            for row in self.objects[id(item)]
            if row.field is not None
        )
        shown = [said if count == len(items) else f"{said} ({count})" for said, count in counts.most_common(_SAMPLE)]
        return ", ".join([*shown, f"{len(counts) - _SAMPLE} other changes"] if len(counts) > _SAMPLE else shown)

    def _change(self, item: Step | HeldBack, change: FieldChange) -> str:
        return text.field_change(change, self._names(item, change))

    def _named(self, item: Step, change: FieldChange) -> str:
        names = self._names(item, change)
        shown = text.value(change.after)
        return f"{shown} ({inert(names[change.after])})" if change.after in names else shown

    def _names(self, item: Step | HeldBack, change: FieldChange) -> Mapping[Any, str]:
        return self.plan.names.get((item.address.tenant, change.field), {})


def _counted(items: Sequence[Step | HeldBack]) -> str:
    """`412 chargers and 1 cpms of acme`."""
    kinds = Counter((item.kind.entries or item.kind.kind) if item.kind else "" for item in items)
    tenants = list(dict.fromkeys(item.address.tenant for item in items))
    of = f" of {inert(tenants[0])}" if len(tenants) == 1 else ""
    return " and ".join(f"{count} {word}" for word, count in kinds.items()) + of


def _few(addresses: Sequence[str]) -> str:
    if len(addresses) <= _SAMPLE:
        return ", ".join(addresses)
    return f"{addresses[0]} … {addresses[-1]}"


def _why(held: HeldBack) -> str:
    ways = f" Ways out: {'; '.join(map(inert, held.ways_out))}." if held.ways_out else ""
    return f"{inert(f'{held.code}: {held.reason}')}.{ways}"


def _id(item: Step | HeldBack) -> str:
    return str(remote_id(item.before)) if isinstance(item, Step) and item.before is not None else "?"


def _with_reminder(said: str, kind: Kind) -> str:
    return f"{said}\n{inert(kind.when_gone)}" if kind.when_gone else said


def _cut(message: str) -> str:
    if len(message.encode()) <= _LONGEST:
        return message
    kept = message.encode()[:_LONGEST].decode(errors="ignore").rpartition("\n")[0] or message[: _LONGEST // 4]
    return f"{kept}\n… the log of this step has all of it"


# ------------------------------------------------------------------------------------------------------------ commands


def _lines(found: Sequence[_Annotation], path_from_root: _PathFromRoot) -> str:
    """The commands, a line each: errors, warnings, notices, of each no more than GitHub takes."""
    shown = [each for level in _LEVELS for each in _within_limit(level, [a for a in found if a.level == level])]
    return "".join(f"{_command(each, path_from_root)}\n" for each in shown)


def _within_limit(level: _Level, these: Sequence[_Annotation]) -> Iterator[_Annotation]:
    if len(these) <= LIMIT:
        yield from these
        return
    yield from these[: LIMIT - 1]
    left = these[LIMIT - 1 :]
    counts = Counter(said for each in left for said in each.about)
    said = (
        f"{len(left)} more {level}s are not shown here: GitHub takes {LIMIT} of a kind. The log of this step has all."
    )
    what = [about if count == 1 else f"{about} ({count} objects)" for about, count in counts.items()]
    message = f"{said}\nAmong them: {', '.join(what)}" if what else said
    yield _Annotation(level, "exolink-reconcile", _cut_words(message))


def _cut_words(message: str) -> str:
    if len(message.encode()) <= _LONGEST:
        return message
    return message.encode()[:_LONGEST].decode(errors="ignore").rpartition(", ")[0] + ", …"


def _command(each: _Annotation, path_from_root: _PathFromRoot) -> str:
    properties: dict[str, str] = {"title": each.title}
    if each.source is not None:
        properties["file"] = inert(path_from_root(each.source.path))
        properties["line"] = str(each.source.line)
        properties["col"] = str(each.source.column)
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{each.level} {written}::{_data(each.message)}"


def _data(message: str) -> str:
    """A message as the official toolkit writes it."""
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    """The value of a property as the official toolkit writes it."""
    return _data(value).replace(":", "%3A").replace(",", "%2C")
