"""Plan, outcomes or diagnostics to text for people: the most dangerous first, one line an object where that is enough."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from exolink_reconcile.inert import inert
from exolink_reconcile.model import (
    Action,
    Diagnostic,
    FieldChange,
    HeldBack,
    Operation,
    Outcome,
    Plan,
    Result,
    Source,
    Status,
    Step,
    remote_id,
)
from exolink_reconcile.resource import SecretUrl, key

_T = TypeVar("_T")
NO_CHANGES = "No changes. Your infrastructure matches the configuration."
FOLD_ALIKE = 10
FOLD_SIMILAR = 20
_HELD_MARK = "!"
_WORDS = {Action.CREATE: "create", Action.UPDATE: "update", Action.REPLACE: "replace", Action.DELETE: "delete"}
_COLOURS = {"+": "32", "~": "33", "-/+": "35", "-": "31", "!": "36"}


# ---------------------------------------------------------------------------------------------------------------- plan


def plan(plan: Plan, digest: str, *, full: bool = False, width: int = 100, show_unmanaged: bool = False) -> str:
    """The whole plan. Deletes and replaces are always written out; alike creates and updates fold unless `full`."""
    writer = _Writer(plan, width)
    lines = list(writer.sections(full))
    legend = _legend(plan)
    if legend:
        lines = [legend, "", *lines]
    if show_unmanaged and plan.unmanaged:
        lines += ["Unmanaged:", *_unmanaged(plan), ""]
    return "\n".join([*lines, *(line for text in _ending(plan, digest) for line in writer.broken(text, ""))]) + "\n"


def value(shown: Any) -> str:
    """One value on one line; secrets masked, text quoted only where it would be misread."""
    match shown:
        case None:
            return "(none)"
        case bool():
            return "true" if shown else "false"
        case str() if shown != shown.strip() or not shown or " -> " in shown:
            return '"' + inert(shown).replace('"', '\\"') + '"'
        case _:
            return inert(str(shown))


def field_change(change: FieldChange, names: Mapping[Any, str]) -> str:
    """`before -> after`, with the readable names of numbers."""
    before, after = (_named(each, names) for each in (change.before, change.after))
    if before == after and isinstance(change.after, SecretUrl):
        return f"{before} -> {after} (a secret in it changes)"
    return f"{before} -> {after}"


def colour(text: str) -> str:
    """The same text with each line that starts with a mark in the colour of that mark."""
    return re.sub(
        r"(?m)^( +)(-/\+|[+~!-])( .*)$",
        lambda found: f"{found[1]}\x1b[{_COLOURS[found[2]]}m{found[2]}{found[3]}\x1b[0m",
        text,
    )


def _named(number: Any, names: Mapping[Any, str]) -> str:
    return f"{number} ({inert(names[number])})" if isinstance(number, int) and number in names else value(number)


class _Writer:
    """Writes the sections of one plan."""

    def __init__(self, plan: Plan, width: int) -> None:
        self.plan = plan
        self.width = width

    def sections(self, full: bool) -> Iterator[str]:
        """Held back, deletes, replaces, updates, creates."""
        if self.plan.held_back:
            yield f"Held back ({len(self.plan.held_back)}), apply will not settle these:"
            for alike in _grouped(self.plan.held_back, lambda held: (held.code, held.reason)):
                yield from self.held(alike)
            yield ""
        for action in (Action.DELETE, Action.REPLACE, Action.UPDATE, Action.CREATE):
            steps = [step for step in self.plan.steps if step.action is action]
            if not steps:
                continue
            yield f"To {_WORDS[action]} ({len(steps)}):"
            if full or action in (Action.DELETE, Action.REPLACE):
                for step in steps:
                    yield from self.step(step)
            else:
                yield from self.folded(steps)
            yield ""

    def held(self, alike: Sequence[HeldBack]) -> Iterator[str]:
        """The entries that one reason holds back, each by itself, then the reason and the ways out."""
        for held in alike:
            what = (
                f"{held.field.name}: {self.change(held.address.tenant, held.field)}" if held.field else held.action.word
            )
            yield from self.line(_HELD_MARK, inert(str(held.address)), what, held.source)
        ways = alike[0].ways_out
        end = " Ways out:" if ways else ""
        yield from self.wrapped(inert(f"{alike[0].code}: {alike[0].reason}.{end}"))
        for way in ways:
            yield from self.wrapped(way, "        ")

    def step(self, step: Step) -> Iterator[str]:
        """One step: a line if it fits, else a line and one for each field."""
        address, mark = inert(str(step.address)), step.action.value
        match step.action:
            case Action.DELETE:
                yield from self.line(mark, address, f"(id {_id(step)}) {inert(step.reason)}", step.source)
            case Action.CREATE:
                fields = [f"{c.name} {self.named(step, c)}" for c in step.fields if c.name != key(step.kind)]
                yield from self.line(mark, address, ", ".join(fields), step.source)
            case _:
                changes = [f"{c.name}: {self.change(step.address.tenant, c)}" for c in step.fields]
                if step.action is Action.REPLACE:
                    yield from self.line(
                        mark, address, f"(id {_id(step)}, gets a new id) {inert(step.reason)}", step.source
                    )
                    yield from (f"      {change}" for change in changes)
                elif len(changes) == 1:
                    yield from self.line(mark, address, changes[0], step.source)
                else:
                    yield from self.line(mark, address, "", step.source)
                    yield from (f"      {change}" for change in changes)

    def line(self, mark: str, address: str, what: str, source: Source | None) -> Iterator[str]:
        """Mark, address, what and place on one line where they fit, else on two or three."""
        place = inert(str(source)) if source else ""
        parts = [part for part in (what, place) if part]
        whole = "  ".join([f"  {mark} {address}", *parts])
        if len(whole) <= self.width or not parts:
            yield whole
            return
        if place and len(f"  {mark} {address}  {place}") <= self.width:
            yield f"  {mark} {address}  {place}"
            parts = [what]
        else:
            yield f"  {mark} {address}"
        for part in parts:
            if part:
                yield f"      {part}"

    def wrapped(self, text: str, indent: str = "      ") -> Iterator[str]:
        """A sentence under an entry, broken at spaces."""
        return self.broken(indent + text, indent)

    def broken(self, text: str, indent: str) -> Iterator[str]:
        """A line as it is where it fits, else broken at spaces, the later ones indented."""
        line, *words = text[len(indent) :].split(" ")
        line = indent + line
        for word in words:
            if len(line) + 1 + len(word) > self.width:
                yield line
                line = indent + word
            else:
                line += f" {word}"
        yield line

    def folded(self, steps: Sequence[Step]) -> Iterator[str]:
        """Long runs of alike steps as one line with a count, then long runs that change the same fields, then the rest."""
        folded: set[int] = set()
        for alike in _grouped(steps, self._alike):
            if len(alike) > FOLD_ALIKE:
                folded.update(map(id, alike))
                yield from self.fold(alike, self._what_alike(alike[0]))
        rest = [step for step in steps if id(step) not in folded]
        for similar in _grouped(
            rest, lambda step: (step.address.tenant, step.kind, tuple(c.name for c in step.fields))
        ):
            if len(similar) > FOLD_SIMILAR:
                names = " and ".join(change.name for change in similar[0].fields)
                yield from self.fold(similar, f"{names}, each its own; for example:")
                similar = similar[:3]
            yield from (line for step in similar for line in self.step(step))

    def fold(self, steps: Sequence[Step], what: str) -> Iterator[str]:
        """`500 chargers: profileId 1 -> 2`, with the first and the last name."""
        first, last = steps[0], steps[-1]
        tenant, kind = inert(first.address.tenant), first.kind
        many = kind.entries or kind.kind
        yield f"  {first.action.value} {tenant}: {len(steps)} {many}: {what}"
        yield f"      {inert(first.address.name)} … {inert(last.address.name)}  {_places(steps)}"

    def _alike(self, step: Step) -> Any:
        """What makes two steps alike: the same changes; for creates (and where values all differ) the same fields."""
        return (
            step.address.tenant,
            step.kind,
            tuple((c.name, *map(str, c[1:])) for c in step.fields if self._counts(step, c)),
        )

    def _counts(self, step: Step, change: FieldChange) -> bool:
        return step.action is Action.UPDATE or not isinstance(change.after, str)

    def _what_alike(self, step: Step) -> str:
        if step.action is Action.UPDATE:
            return ", ".join(f"{c.name} {self.change(step.address.tenant, c)}" for c in step.fields)
        same = [f"{c.name} {self.named(step, c)}" for c in step.fields if self._counts(step, c)]
        own = [c.name for c in step.fields if not self._counts(step, c)]
        return ", ".join([*same, f"each its own {' and '.join(own)}"] if own else same)

    def change(self, tenant: str, change: FieldChange) -> str:
        """`before -> after` with readable names."""
        return field_change(change, self.plan.names.get((tenant, change.field), {}))

    def named(self, step: Step, change: FieldChange) -> str:
        """A created value with its readable name."""
        return _named(change.after, self.plan.names.get((step.address.tenant, change.field), {}))


def _grouped(these: Iterable[_T], alike: Callable[[_T], Any]) -> Iterable[list[_T]]:
    groups: dict[Any, list[_T]] = defaultdict(list)
    for each in these:
        groups[alike(each)].append(each)
    return groups.values()


def _places(steps: Sequence[Step]) -> str:
    """Where a run was declared: one place, or the lines of one file, or a number of files."""
    sources = [step.source for step in steps if step.source]
    paths = sorted({source.path for source in sources})
    if len(paths) == 1:
        lines = [source.line for source in sources]
        return inert(f"{paths[0]}:{min(lines)}-{max(lines)}")
    return f"{len(paths)} files" if paths else ""


def _legend(plan: Plan) -> str:
    used = {step.action for step in plan.steps}
    marks = [f"{action.value} {_WORDS[action]}" for action in Action if action in used]
    if plan.held_back:
        marks.append(f"{_HELD_MARK} held back")
    return "Marks: " + "   ".join(marks) if marks else ""


def _id(step: Step) -> str:
    return str(remote_id(step.before)) if step.before is not None else "?"


def _ending(plan: Plan, digest: str) -> Iterator[str]:
    for note in plan.notes:
        yield inert(note)
    if not plan.differs:
        yield NO_CHANGES
        if rest := _counts(plan):
            yield rest
        return
    for refusal in plan.refusals:
        yield inert(f"Apply will refuse: {refusal.summary} ({refusal.code}).")
    yield from dict.fromkeys(step.kind.when_gone for step in plan.steps if step.deletes and step.kind.when_gone)
    if inferred := sum(1 for step in plan.steps if step.inferred):
        yield f"{inferred} of these writes are inferred from the documentation, not documented (see `capabilities`)."
    add, change, destroy = plan.counts
    yield f"Plan: {add} to add, {change} to change, {destroy} to destroy."
    if rest := _counts(plan):
        yield rest
    yield f"Digest: {digest}"


def _counts(plan: Plan) -> str:
    unmanaged = sum(plan.unmanaged_counts.values())
    said = [f"{len(plan.held_back)} held back."] if plan.held_back else []
    return " ".join([*said, f"{unmanaged} unmanaged."] if unmanaged else said)


def _unmanaged(plan: Plan) -> Iterator[str]:
    for group in plan.unmanaged:
        names = sorted((getattr(row, key(group.kind)), remote_id(row)) for row in group.rows)
        for name, number in names:
            yield f"    {inert(f'{group.tenant}/{group.kind.kind}/{name}')}  (id {number})"


# -------------------------------------------------------------------------------------------------------------- result


def result(result: Result, plan: Plan) -> str:
    """What happened: `Apply complete!` only if everything did; else what did not, and what to do next."""
    troubled = [outcome for outcome in result.outcomes if outcome.exit_code]
    lines: list[str] = []
    for status in (Status.UNKNOWN, Status.FAILED, Status.SKIPPED, Status.DONE):
        lines += _outcomes([o for o in troubled if o.status is status], status)
    lines += [f"  ! {inert(str(left.address))}: {inert(left.detail)} ({left.code})" for left in result.left]
    lines += [inert(note) for note in result.notes]
    added, changed, destroyed = result.totals
    totals = f"Resources: {added} added, {changed} changed, {destroyed} destroyed."
    if not (troubled or result.left or result.exit_codes or plan.held_back):
        return "\n".join([*lines, f"Apply complete! {totals}"]) + "\n"
    counts = {
        "not verified" if status is Status.DONE else status.value: sum(1 for o in troubled if o.status is status)
        for status in Status
    }
    counts |= {"held back": len(plan.held_back), "not settled": len(result.left)}
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    lines.append(f"Apply incomplete. {totals} {said}." if said else f"Apply incomplete. {totals}")
    lines += _what_now(troubled, result, plan)
    return "\n".join(lines) + "\n"


def _what_now(troubled: Sequence[Outcome], result: Result, plan: Plan) -> Iterator[str]:
    """What the person at 2 a.m. does next."""
    statuses = {outcome.status for outcome in troubled}
    codes = {outcome.code for outcome in troubled}
    if Status.UNKNOWN in statuses:
        yield "Next: run plan. It shows what is live now; nothing was sent twice. Then apply again."
    elif 10 in {outcome.exit_code for outcome in troubled}:
        yield "Next: give a token that may write, then run the same command again; what is done stays done."
    elif "E-NORMALISED" in codes or "E-PUT-CLOBBERS" in codes:
        yield "Next: the API does not keep what is sent. Change the YAML to what it stores, or ask Exolink; then plan again."
    elif troubled or result.left:
        yield "Next: mend what is named above, then run the same command again; what is done stays done."
    elif plan.held_back:
        yield "Next: see the ways out of what is held back, in the plan above."


def _outcomes(outcomes: Sequence[Outcome], status: Status) -> list[str]:
    """The outcomes of one status, half-done replaces first; a long run of one reason is counted."""
    outcomes = sorted(outcomes, key=lambda o: (not (o.step.action is Action.REPLACE and o.destroyed), o.step.address))
    by_reason: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_reason[f"{outcome.detail} ({outcome.code})"].append(outcome)
    lines = []
    for reason, same in by_reason.items():
        shown = same if len(same) <= FOLD_ALIKE or status is not Status.SKIPPED else same[:3]
        lines += [f"  {status.value} {o.step.action.word} {inert(str(o.step.address))}: {inert(reason)}" for o in shown]
        if len(shown) < len(same):
            lines.append(f"  … and {len(same) - len(shown)} more {status.value} for the same reason")
    return lines


def unknowns(operations: Sequence[Operation], when: Callable[[float], str]) -> str:
    """The writes whose outcome is not known, one a line; `when` puts seconds since the epoch in words."""
    if not operations:
        return "No write is unknown.\n"
    lines = []
    for each in operations:
        what = "answered, but never showed up in the list" if each.answered else "sent, no clear answer"
        lines.append(
            f"  {each.action} {inert(str(each.address))}: {what}, since {when(each.intended_at)}, at {inert(each.origin)}"
        )
    lines.append("The next apply settles them by reading. `unknowns --forget ADDRESS` drops one for good.")
    return "\n".join(lines) + "\n"


# --------------------------------------------------------------------------------------------------------- diagnostics


def diagnostics(found: Iterable[Diagnostic]) -> str:
    """One line a diagnostic: place, severity, word, sentence; then what to do."""
    lines = []
    for each in found:
        place = f"{inert(str(each.source))}: " if each.source else ""
        lines.append(f"{place}{each.severity}: {each.code}: {inert(each.summary)}")
        if each.detail:
            lines.append(f"    {inert(each.detail)}")
    return "".join(f"{line}\n" for line in lines)
