"""Plan to text for people: the most dangerous first, one line for each object if that is enough."""

import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, TypeVar

from exolink_reconcile.inert import inert
from exolink_reconcile.model import (
    Action,
    FieldChange,
    HeldBack,
    Plan,
    Source,
    Step,
    remote_id,
)
from exolink_reconcile.report import again, colours, numbered, sentences
from exolink_reconcile.report.view import PlanView
from exolink_reconcile.resource import key, name_of_row
from exolink_reconcile.secret_url import SecretUrl

_T = TypeVar("_T")
MOST_DANGEROUS_FIRST = (Action.DELETE, Action.REPLACE, Action.UPDATE, Action.CREATE)
FOLD_ALIKE = 10
FOLD_SIMILAR = 20
_TOOL = "exolink-reconcile "
_HELD_MARK = "!"
# Whose change a step is, if there is a base, and the words for it in a heading; in the order of the sections.
WHOSE: Mapping[str, str] = {
    "change": ", by this change",
    "unknown": ", not known whose change",
    "drift": ", drift: differs besides this change",
}


class Block(NamedTuple):
    """The lines of one object, one fold or one reason to hold back; `objects` is the number of objects in them.

    `tenant` is inert; `places` are the places in the YAML, for a fold only the first.
    """

    lines: Sequence[str]
    objects: int
    tenant: str = ""
    places: Sequence[Source] = ()


class Section(NamedTuple):
    """What is held back (`action` None), or the steps of one action; `whose` change they are is a key of `WHOSE`."""

    action: Action | None
    heading: str
    blocks: Sequence[Block]
    whose: str = ""


# ---------------------------------------------------------------------------------------------------------------- plan


def plan(
    plan: Plan,
    digest: str,
    *,
    full: bool = False,
    width: int = 100,
    terminal: bool = False,
    show_unmanaged: bool = False,
) -> str:
    """The complete plan. Deletes and replaces are always written out; similar creates and updates fold unless `full`.

    A change that is wider than `width` is broken only on a `terminal`: in a pipe it stays one line, so that `grep` finds it.
    """
    writer = Writer(plan, width, terminal=terminal)
    lines = [line for text in sentences.compared(plan) for line in (writer.broken(text, "") if terminal else [text])]
    lines += [colours.LEGEND + colours.GAP.join(_legend(plan)), ""] if plan.differs else []
    for section in writer.sections(full=full):
        tail = ", apply will not settle these:" if section.action is None else ":"
        lines += [f"{section.heading}{tail}", *_by_tenant(section, terminal), ""]
    if show_unmanaged and plan.unmanaged:
        lines += ["Unmanaged:", *unmanaged(plan), ""]
    return "\n".join([*lines, *(line for text in _ending(plan, digest) for line in writer.broken(text, ""))]) + "\n"


def _by_tenant(section: Section, terminal: bool) -> Iterator[str]:
    """The lines of a section; on a terminal each tenant has a heading, if there are several."""
    several = terminal and len({block.tenant for block in section.blocks}) > 1
    tenant = None
    for block in section.blocks:
        if several and block.tenant != tenant:
            tenant = block.tenant
            yield f" {tenant}"
        yield from block.lines


def value(scalar: Any) -> str:
    """One value on one line; secrets masked, text quoted only if it would be misread."""
    match scalar:
        case None:
            return "(none)"
        case bool():
            return "true" if scalar else "false"
        case str() if scalar != scalar.strip() or not scalar or " -> " in scalar:
            return '"' + inert(scalar).replace('"', '\\"') + '"'
        case _:
            return inert(str(scalar))


def field_change(change: FieldChange, names: Mapping[Any, str]) -> str:
    """`before -> after`, with the readable names of numbers."""
    return " ".join(_change_parts(change, names))


def _change_parts(change: FieldChange, names: Mapping[Any, str], head: str = "") -> list[str]:
    before, after = (named(side, names) for side in (change.before, change.after))
    secret = before == after and isinstance(change.after, SecretUrl)
    return [f"{head}{before}", f"-> {after}", *(["(a secret in it changes)"] if secret else [])]


def whose(step: Step) -> str:
    """Whose change a step is: a key of `WHOSE`."""
    if step.cause is None:
        return "unknown"
    return "drift" if step.cause == "drift" else "change"


def other_hand(step: Step, plan: Plan) -> str:
    """A sentence on what another hand did to an object of this change; empty if it did nothing.

    What another checkout declares may never have been applied; what the state remembers was.
    """
    if step.cause != "both":
        return ""
    may_be_new = plan.base is not None and plan.base.kind == "path"
    if step.action is Action.CREATE:
        return (
            f"It was declared before, and another hand deleted it{', or it was not applied yet' if may_be_new else ''}."
        )
    tenant = step.address.tenant
    values = [f"{name} {named(value, plan.names.get((tenant, name), {}))}" for name, value in step.was]
    unapplied = ", or what was declared is not applied yet" if may_be_new else ""
    return f"Another hand changed it, too{unapplied}. Declared before: {', '.join(values)}."


def named(number: Any, names: Mapping[Any, str]) -> str:
    """A value; a number with its readable name."""
    return f"{number} ({inert(names[number])})" if isinstance(number, int) and number in names else value(number)


class Head(NamedTuple):
    """The first line of an entry before it is laid out: mark and address, what happens (in parts), the place."""

    first: str
    what: Sequence[str]
    place: str
    hang: bool = True

    @property
    def sentence(self) -> str:
        """What happens, as one text."""
        return " ".join(self.what)


class Columns(NamedTuple):
    """The columns of a section: what happens begins 2 behind `address`, the place 2 behind `place`; 0: not aligned."""

    address: int
    place: int

    @staticmethod
    def of(heads: Sequence[Head], width: int) -> "Columns":
        """The columns in which most of these fit; an address that is too long does not widen them."""
        address = max((len(head.first) for head in heads if len(head.first) <= width // 2), default=0)
        ends = [(max(address, len(head.first)) + 2 + len(head.sentence), len(head.place)) for head in heads]
        fitting = [end for end, place in ends if end + 2 + place <= width]
        return Columns(address, max(fitting) if len(fitting) * 2 > len(heads) else 0)


class Draft(NamedTuple):
    """A block whose first lines are not laid out in columns yet."""

    lines: Sequence[str | Head]
    objects: int
    tenant: str
    kind: str
    places: Sequence[Source]


class Writer:
    """Writes the sections of one plan. Every line is inert."""

    def __init__(self, plan: Plan, width: int, *, terminal: bool) -> None:
        self.plan = plan
        self.width = width
        self.terminal = terminal

    def sections(self, *, full: bool) -> Iterator[Section]:
        """Held back; then this change, then what differs besides it, each as deletes, replaces, updates, creates.

        Within a section the tenants follow each other in the order of their names.
        """
        if held_back := sorted(self.plan.held_back, key=_tenant):
            groups = _grouped(held_back, lambda held: (_tenant(held), held.code, held.reason, len(held.ways_out)))
            yield Section(None, f"Held back ({len(held_back)})", self.set(map(self.held, groups)))
        for cause, action in product(WHOSE if self.plan.base else ("",), MOST_DANGEROUS_FIRST):
            steps = [s for s in self.plan.steps if s.action is action and cause in ("", whose(s))]
            if not steps:
                continue
            steps.sort(key=_tenant)
            fold = not full and action not in (Action.DELETE, Action.REPLACE)
            blocks = self.set(self.folded(steps) if fold else map(self.step, steps))
            yield Section(action, f"To {action.word} ({len(steps)}){WHOSE.get(cause, '')}", blocks, cause)

    def set(self, drafts: Iterable[Draft]) -> list[Block]:
        """The blocks of a section. On a terminal the objects of one tenant and kind share columns."""
        if not self.terminal:
            return [self._block(draft, self.line) for draft in drafts]
        blocks = []
        for alike in _grouped(drafts, lambda draft: (draft.tenant, draft.kind)):
            heads = [line for draft in alike for line in draft.lines if isinstance(line, Head)]
            columns = Columns.of(heads, self.width)
            blocks += [self._block(draft, lambda head: self.aligned(head, columns)) for draft in alike]  # noqa: B023  used before the loop goes on
        return blocks

    def _block(self, draft: Draft, write: Callable[[Head], Iterable[str]]) -> Block:
        lines = [text for line in draft.lines for text in ((line,) if isinstance(line, str) else write(line))]
        return Block(lines, draft.objects, draft.tenant, draft.places)

    def held(self, alike: Sequence[HeldBack]) -> Draft:
        """The entries that one reason holds back, one by one, then the reason and the ways out."""
        return Draft(list(self._held(alike)), len(alike), inert(_tenant(alike[0])), alike[0].kind.kind, _sources(alike))

    def _held(self, alike: Sequence[HeldBack]) -> Iterator[str | Head]:
        for held in alike:
            what = self.change(held.address.tenant, held.field) if held.field else [held.action.word]
            yield _head(_HELD_MARK, held, what)
        ways = alike[0].ways_out
        same = all(held.ways_out == ways for held in alike)
        end = (" Ways out:" if same else " Ways out, here for the first of them:") if ways else ""
        yield from self.wrapped(inert(f"{alike[0].code}: {alike[0].reason}.{end}"))
        for way in ways:
            intro, tool, command = inert(way).partition(_TOOL)
            if tool and self.terminal and len(way) + 8 > self.width:  # a command is pasted, so it stays one line
                yield from self.wrapped(intro.rstrip(), "        ")
                yield f"          {tool}{command}"
            elif tool:
                yield f"        {intro}{tool}{command}"
            else:
                yield from self.wrapped(inert(way), "        ")

    def step(self, step: Step) -> Draft:
        """One step: one line if it fits, else one line and one more for each field."""
        return Draft(list(self._step(step)), 1, inert(_tenant(step)), step.kind.kind, _sources([step]))

    def _step(self, step: Step) -> Iterator[str | Head]:
        mark = step.action.value
        match step.action:
            case Action.DELETE:
                goes = [f"{change.name}: {self.named(step, change.before, change)}" for change in step.goes_with]
                yield _head(mark, step, _listed(f"(id {_id(step)}) {inert(step.reason)}", goes))
            case Action.CREATE:
                fields = [f"{c.name} {self.named(step, c.after, c)}" for c in step.fields if c.name != key(step.kind)]
                yield _head(mark, step, [f"{piece}," for piece in fields[:-1]] + fields[-1:], hang=False)
            case _:
                changes = [self.change(step.address.tenant, change) for change in step.fields]
                if step.action is Action.REPLACE:
                    parts = [f"(id {_id(step)}, gets a new id) {inert(step.reason)}"]
                else:
                    parts = changes.pop() if len(changes) == 1 else []
                yield _head(mark, step, parts)
                for change in changes:
                    yield from self.parts(change)
                if step.action is Action.REPLACE:
                    for other in step.goes_with:
                        yield from self.parts(self.lost(step, other))
        yield from self.besides(step)

    def besides(self, step: Step) -> Iterator[str]:
        """What another hand did to the object of a step, broken into lines."""
        if sentence := other_hand(step, self.plan):
            yield from self.wrapped(sentence)

    def lost(self, step: Step, change: FieldChange) -> list[str]:
        """A field that a replace takes away: it is put back, or not, because the YAML does not write it."""
        before = f"{change.name}: {self.named(step, change.before, change)}"
        return [before] if change.after == change.before else [before, "-> (not set: the YAML does not write it)"]

    def aligned(self, head: Head, columns: Columns) -> Iterator[str]:
        """Mark, address, what happens and place in columns; if most have no room, what happens is on its own line."""
        start = f"{head.first:{columns.address}}  {head.sentence}"
        line = f"{start:{columns.place}}  {head.place}".rstrip()
        if columns.place and len(line) <= self.width:
            yield line
        else:
            yield from self._apart(head, columns.address)

    def line(self, head: Head) -> Iterator[str]:
        """Mark, address, what happens and place on one line if they fit, else the place, then the rest, on more lines."""
        first, sentence, place = head.first, head.sentence, head.place
        one_line = "  ".join(part for part in (first, sentence, place) if part)
        if len(one_line) <= self.width or not (sentence or place):
            yield one_line
        elif sentence and len(first) + 2 + len(sentence) <= self.width:
            yield f"{first}  {sentence}"
            if place:
                yield f"      {place}"
        else:
            yield from self._apart(head)

    def _apart(self, head: Head, address: int = 0) -> Iterator[str]:
        """The place behind the address if it fits, and what happens below."""
        line = "  ".join(part for part in (f"{head.first:{address}}", head.place) if part)
        fits = len(line) <= self.width
        yield line if fits else head.first
        yield from self.parts(head.what, hang=head.hang)
        if head.place and not fits:
            yield f"      {head.place}"

    def parts(self, parts: Sequence[str], *, hang: bool = True) -> Iterator[str]:
        """What changes, on a line of its own; if a terminal has no room, a line for each part, the later ones indented."""
        line = f"      {' '.join(parts)}"
        if len(line) <= self.width or not self.terminal:
            yield from ([line] if parts else [])
            return
        for number, part in enumerate(parts):
            indent = "        " if number and hang else "      "
            yield from self.broken(indent + part, indent)

    def wrapped(self, text: str, indent: str = "      ") -> Iterator[str]:
        """A sentence under an entry, broken at spaces."""
        return self.broken(indent + text, indent)

    def broken(self, text: str, indent: str) -> Iterator[str]:
        """A line as it is if it fits, else broken at spaces, the later lines indented."""
        line, *words = text[len(indent) :].split(" ")
        line = indent + line
        for word in words:
            if len(line) + 1 + len(word) > self.width and line != f"{indent}->":
                yield line
                line = indent + word
            else:
                line += f" {word}"
        yield line

    def folded(self, steps: Sequence[Step]) -> Iterator[Draft]:
        """For each tenant and kind: long runs of similar steps as one line, then runs that change the same fields, then the rest."""
        for of_kind in _grouped(steps, lambda step: (_tenant(step), step.kind)):
            folded: set[int] = set()
            for alike in _grouped(of_kind, self._alike):
                if len(alike) > FOLD_ALIKE:
                    folded.update(map(id, alike))
                    fold = self.fold(alike, self._what_alike(alike[0]))
                    yield fold._replace(lines=[*fold.lines, *self.besides(alike[0])])
            rest = [step for step in of_kind if id(step) not in folded]
            for similar in _grouped(rest, lambda step: tuple(c.name for c in step.fields)):
                if len(similar) > FOLD_SIMILAR:
                    yield self._example(similar)
                else:
                    yield from map(self.step, similar)

    def fold(self, steps: Sequence[Step], sentence: str) -> Draft:
        """`500 chargers: profileId 1 -> 2`, with as many names as fit on a line."""
        first = steps[0]
        tenant, kind = inert(first.address.tenant), first.kind
        many = kind.entries or kind.kind
        lines = [
            f"  {first.action.value} {tenant}: {len(steps)} {many}: {sentence}",
            f"      {numbered.names([step.address.name for step in steps])}  {_places(steps)}",
        ]
        return Draft(lines, len(steps), tenant, kind.kind, _sources(steps)[:1])

    def _example(self, steps: Sequence[Step]) -> Draft:
        """A run whose steps change the same fields to different values, with the first step as an example."""
        fold = self.fold(
            steps, f"{' and '.join(change.name for change in steps[0].fields)}, each its own; for example:"
        )
        example = self._block(self.step(steps[0]), self.line).lines
        return fold._replace(lines=[*fold.lines, *(f"      {line[2:]}" for line in example)])

    def _alike(self, step: Step) -> Any:
        """A key that is equal for similar steps: the same changes; for creates (and values that all differ) the same fields."""
        return (
            step.address.tenant,
            step.kind,
            step.was,
            tuple((c.name, *map(str, c[1:])) for c in step.fields if self._counts(step, c)),
        )

    def _counts(self, step: Step, change: FieldChange) -> bool:
        return step.action is Action.UPDATE or not isinstance(change.after, str)

    def _what_alike(self, step: Step) -> str:
        if step.action is Action.UPDATE:
            return ", ".join(f"{c.name} {field_change(c, self.names(step.address.tenant, c))}" for c in step.fields)
        same = [f"{c.name} {self.named(step, c.after, c)}" for c in step.fields if self._counts(step, c)]
        own = [c.name for c in step.fields if not self._counts(step, c)]
        return ", ".join([*same, f"each its own {' and '.join(own)}"] if own else same)

    def change(self, tenant: str, change: FieldChange) -> list[str]:
        """`field: before` and `-> after`, with readable names; joined by a space, or broken there."""
        return _change_parts(change, self.names(tenant, change), f"{change.name}: ")

    def named(self, step: Step, value: Any, change: FieldChange) -> str:
        """One side of a change, with its readable name."""
        return named(value, self.names(step.address.tenant, change))

    def names(self, tenant: str, change: FieldChange) -> Mapping[Any, str]:
        """The readable names of a field's numbers."""
        return self.plan.names.get((tenant, change.field), {})


def _head(mark: str, item: Step | HeldBack, what: Sequence[str], *, hang: bool = True) -> Head:
    place = inert(str(item.source)) if item.source else ""
    return Head(f"  {mark} {inert(str(item.address))}", what, place, hang)


def _tenant(item: Step | HeldBack) -> str:
    return item.address.tenant


def _sources(items: Sequence[Step | HeldBack]) -> list[Source]:
    return [item.source for item in items if item.source]


def _grouped(items: Iterable[_T], alike: Callable[[_T], Any]) -> Iterable[list[_T]]:
    groups: dict[Any, list[_T]] = defaultdict(list)
    for item in items:
        groups[alike(item)].append(item)
    return groups.values()


def _places(steps: Sequence[Step]) -> str:
    """Where a run was declared: one place, the lines of one file, or a number of files."""
    sources = [step.source for step in steps if step.source]
    paths = sorted({source.path for source in sources})
    if len(paths) == 1:
        lines = [source.line for source in sources]
        return inert(f"{paths[0]}:{min(lines)}-{max(lines)}")
    return f"{len(paths)} files" if paths else ""


def _listed(head: str, items: Sequence[str]) -> list[str]:
    """A head, a semicolon, and items separated by commas; joined by a space, or broken there."""
    return [f"{head};", *(f"{item}," for item in items[:-1]), items[-1]] if items else [head]


def _legend(plan: Plan) -> list[str]:
    used = {step.action for step in plan.steps}
    held = [f"{_HELD_MARK} held back"] if plan.held_back else []
    return [*held, *(f"{action.value} {action.word}" for action in MOST_DANGEROUS_FIRST if action in used)]


def _id(step: Step) -> str:
    return str(remote_id(step.before)) if step.before is not None else "?"


def _ending(plan: Plan, digest: str) -> Iterator[str]:
    yield from sentences.notes(plan)
    yield from sentences.refusals(plan)
    yield from sentences.reminders(plan)
    yield from sentences.summary(plan)
    if plan.differs:
        yield f"Digest: {digest}"


def unmanaged(plan: Plan) -> Iterator[str]:
    """What is live and not declared, a line each."""
    for group in plan.unmanaged:
        names = sorted((name_of_row(group.kind, row), remote_id(row)) for row in group.rows)
        for name, number in names:
            yield f"    {inert(f'{group.tenant}/{group.kind.kind}/{name}')}  (id {number})"


def render(view: PlanView) -> tuple[str]:
    """A plan as text for a console: its width, its colours."""
    output = plan(
        view.plan,
        view.digest,
        full=view.full,
        width=view.width,
        terminal=view.terminal,
        show_unmanaged=view.show_unmanaged,
    )
    head = "\n".join([*saved(view), "", ""]) if view.is_saved else ""
    return (head + (colours.paint(output) if view.colours else output),)


def saved(view: PlanView) -> Iterator[str]:
    """Which API and tenants a plan file is for; shown before its content, because the file may be forged."""
    yield f"Saved plan for {inert(view.plan.origin)}"
    yield f"Tenants: {inert(', '.join(view.plan.tenants)) or '(none)'}"
    yield f"Digest: {view.digest}"
    words = map(shlex.quote, again.arguments(view.paths, view.options))
    yield f"Options: {' '.join(map(inert, words))}"
    if view.left:
        yield view.left
