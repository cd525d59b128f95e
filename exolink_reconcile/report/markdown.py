"""Plan to Markdown, for a pull-request comment or a step summary: what matters first, and never larger than allowed.

Everything from YAML or the API stands inside a fence that is longer than any run of backticks in it. It is made `still`
on top of inert: no mention, no reference, no link, even where a mail shows the fence as plain text.

What is held back, deleted or replaced is never left out. A plan over `max_size` first loses creates, then updates, one
object at a time, and says how many; then the details of the others, down to their addresses. If that is still too large,
it is an error: a comment that hides a delete would be worse than none.
"""

import hashlib
import json
import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from exolink_reconcile.errors import problem
from exolink_reconcile.inert import inert
from exolink_reconcile.model import Action, Plan, Source
from exolink_reconcile.report import again, sentences, text
from exolink_reconcile.report.links import NO_LINKS, Links
from exolink_reconcile.report.text import Block, Writer
from exolink_reconcile.report.view import PlanView

_WIDTH = 100  # about what a comment shows without scrolling
_OPEN_LINES = 20
_TENANTS_NAMED = 3
_LINKS = 50  # below a section; the fence has every place
_LONGEST_FACT = 200  # characters of a fact from --provenance or a CI variable
_ZERO_WIDTH = "\u200b"
_ACTIVE = re.compile(r"@(?=\S)|#(?=\w)|gh-(?=\d)|(?:https?|ftp)(?=://)|www(?=\.)|<(?=!--)|--(?=>)", re.IGNORECASE)
_PLAIN_URL = re.compile(r"[\w.:/\[\]-]+", re.ASCII)


def plan(
    plan: Plan,
    digest: str,
    *,
    paths: Sequence[str],
    options: Mapping[str, Any],
    full: bool = False,
    show_unmanaged: bool = False,
    max_size: int | None = None,
    links: Links = NO_LINKS,
    provenance: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The plan as Markdown of at most `max_size` bytes. `paths` and `options` are those that it was made with.

    The size is in bytes of UTF-8: a step summary is measured in them, and a comment never has more characters than bytes.
    Links are left out first.

    Raises:
        InputError: what must not be left out does not fit.

    """
    writer = Writer(plan, _WIDTH, terminal=True)
    parts = _parts(writer, full, show_unmanaged)
    may = [part for part in parts if not part.must]
    page = _Page(
        head=[*_head(plan, paths, options), *_refusals(writer)],
        middle=_reminders(plan),
        tail=[*_origins(provenance), *_tail(plan, digest, paths, options)],
    )
    for shown_links in dict.fromkeys((links, NO_LINKS)):
        linked = [part.linked(shown_links) for part in parts]
        page_text = _joined(page.written(linked, linked))
        if max_size is None or _size([page_text]) <= max_size:
            return page_text
    assert max_size is not None
    for kept, frame in ((parts, page), ([*_addresses(plan), *may], page.short(digest))):
        room = max_size - _size(frame.written(kept, []))
        if room >= 0:
            return _joined(frame.written(kept, _filled(may, room)))
    least = max_size - room
    raise problem(
        "E-MAX-SIZE",
        f"the plan does not fit in --max-size {max_size}: what it holds back, deletes and replaces is never left out,"
        f" and takes {least} bytes even as bare addresses",
        "Allow more, show it elsewhere (a step summary takes 1048576 bytes), or make the change in smaller parts.",
    )


def still(text: str) -> str:
    """Inert text that also pings nobody and links nowhere: a zero-width space breaks what would. For display only."""
    low = text.lower()
    # Most text has nothing to break, and seven searches for a word cost a tenth of one with the expression.
    if "@" in low or "#" in low or "://" in low or "www." in low or "gh-" in low or "<!" in low or "-->" in low:
        return _ACTIVE.sub(lambda match: match[0] + _ZERO_WIDTH, text)
    return text


# --------------------------------------------------------------------------------------------------------------- parts


class _Entry(NamedTuple):
    """A block of the text, its lines as one string; `objects` is the number of objects in it."""

    text: str
    objects: int


@dataclass(frozen=True, slots=True)
class _Part:
    """A section: a heading, and entries in one fence. `must`: never left out. `folded`: shown on a click."""

    heading: str
    word: str
    entries: Sequence[_Entry]
    ticks: int
    must: bool = False
    folded: bool = False
    places: Sequence[Source] = ()
    links: str = ""

    def linked(self, links: Links) -> "_Part":
        """The section with links to its places below."""
        return replace(self, links=_links(self.places, links))

    @property
    def objects(self) -> int:
        return _objects(self.entries)

    def written(self, entries: Sequence[_Entry]) -> Iterator[str]:
        """The section with these entries only, and the number of objects that are left out."""
        missing = self.objects - _objects(entries)
        heading = f"{self.heading}, {missing} of them not shown" if missing else self.heading
        yield f"<details><summary>{heading}</summary>\n\n" if self.folded else f"#### {heading}\n\n"
        yield f"{'`' * self.ticks}diff\n"
        yield from (entry.text for entry in entries)
        yield f"{'`' * self.ticks}\n\n"
        yield self.links
        if self.folded:
            yield "</details>\n\n"


def _parts(writer: Writer, full: bool, show_unmanaged: bool) -> list[_Part]:
    """The sections in their order."""
    parts = []
    for section in writer.sections(full=full):
        word = section.action.word if section.action else "held back"
        word += f" ({section.whose})" if section.whose not in ("", "change") else ""
        if section.action in (Action.UPDATE, Action.CREATE):
            parts.append(_part(section.heading, word, section.blocks, may_fold=True))
        else:
            heading = section.heading if section.action else f"{section.heading}, apply will not settle these"
            parts.append(_part(heading, word, section.blocks, must=True))
    if show_unmanaged and writer.plan.unmanaged:
        blocks = [Block([line], 1) for line in text.unmanaged(writer.plan)]
        parts.append(_part(f"Unmanaged ({len(blocks)}), left alone", "unmanaged", blocks, may_fold=True))
    return parts


def _part(heading: str, word: str, blocks: Sequence[Block], *, must: bool = False, may_fold: bool = False) -> _Part:
    # A mark stands in the first column, where `diff` looks for it.
    entries, places, tenant = [], list[Source](), None
    several = len({block.tenant for block in blocks}) > 1
    for block in blocks:
        head = f"@@ {still(block.tenant)} @@\n" if several and block.tenant != tenant else ""
        tenant = block.tenant
        entries.append(_Entry(head + "".join([f"{still(line[2:])}\n" for line in block.lines]), block.objects))
        places += block.places
    count = sum(entry.text.count("\n") for entry in entries)
    ticks = _ticks(entry.text for entry in entries)
    return _Part(heading, word, entries, ticks, must, may_fold and count > _OPEN_LINES, places)


def _links(places: Sequence[Source], links: Links) -> str:
    """The places as links, each once; a fence cannot hold links."""
    addresses = {str(place): address for place in places if (address := links.line(place))}
    shown = [f"[{_code(place)}]({address})" for place, address in list(addresses.items())[:_LINKS]]
    more = [f"and {len(addresses) - _LINKS} more"] if len(addresses) > _LINKS else []
    return " · ".join([*shown, *more]) + "\n\n" if shown else ""


def _addresses(plan: Plan) -> list[_Part]:
    """The sections that must never be left out, as addresses only."""
    held = [
        Block(
            [f"  ! {inert(str(held.address))}  {held.field.name if held.field else held.action.word}: {held.code}"], 1
        )
        for held in plan.held_back
    ]
    heading = f"Held back ({len(held)}), apply will not settle these"
    parts = [_part(heading, "held back", held, must=True)] if held else []
    for action in (Action.DELETE, Action.REPLACE):
        steps = [step for step in plan.steps if step.action is action]
        blocks = [Block([f"  {action.value} {inert(str(step.address))}"], 1) for step in steps]
        parts += [_part(f"To {action.word} ({len(steps)})", action.word, blocks, must=True)] if steps else []
    return parts


def _filled(parts: Sequence[_Part], room: int) -> list[_Part]:
    """The parts with as many entries, from the first on, as fit into `room` bytes."""
    filled = []
    for part in parts:
        room -= _size(part.written([]))
        fitting = 0
        for entry in part.entries:
            room -= _size([entry.text])
            if room < 0:
                break
            fitting += 1
        if fitting:
            filled.append(replace(part, entries=part.entries[:fitting]))
        if fitting < len(part.entries):
            break
    return filled


# ---------------------------------------------------------------------------------------------------------------- page


@dataclass(frozen=True, slots=True)
class _Page:
    """Everything around the sections."""

    head: Sequence[str]
    middle: Sequence[str]
    tail: Sequence[str]

    def short(self, digest: str) -> "_Page":
        """The page without the command, which may be long."""
        return _Page(self.head, self.middle, [_digest(digest)])

    def written(self, parts: Sequence[_Part], kept: Sequence[_Part]) -> list[str]:
        """The page with everything that must be there, and of the rest what `kept` has; it says what is left out."""
        entries = {part.word: part.entries for part in kept}
        missing = {part.word: part.objects - _objects(entries.get(part.word, ())) for part in parts if not part.must}
        lines = [*self.head, *_cut(missing)]
        first = next((part for part in parts if not part.must), None)
        for part in parts:
            if part is first:
                lines += self.middle
            if part.must:
                lines += part.written(part.entries)
            elif part.word in entries:
                lines += part.written(entries[part.word])
        return [*lines, *(self.middle if first is None else ()), *self.tail]


def _cut(missing: Mapping[str, int]) -> Iterator[str]:
    lines = [
        f"{count} to {word}" if word != "unmanaged" else f"{count} unmanaged"
        for word, count in missing.items()
        if count
    ]
    if lines:
        yield f"**Cut to size. Not shown here: {', '.join(lines)}.** They are part of this plan and of its digest;"
        yield " `exolink-reconcile plan --full` shows all of them.\n\n"


def _head(plan: Plan, paths: Sequence[str], options: Mapping[str, Any]) -> Iterator[str]:
    yield f"<!-- exolink-reconcile plan {_identity(plan, paths, options)} -->\n"
    tenants = plan.tenants
    names = ", ".join(map(_code, tenants)) if len(tenants) <= _TENANTS_NAMED else f"{len(tenants)} tenants"
    yield f"### Exolink plan{f' for {names}' if names else ''}\n\n"
    yield from _compared(plan)
    yield "\n"
    yield from (f"{line}\n" for line in sentences.summary(plan))
    yield "\n"


def _compared(plan: Plan) -> Iterator[str]:
    """Which API was compared; its address is code, so that it is not a link."""
    first, *rest = sentences.compared(plan)
    yield f"`{first}`\n" if _PLAIN_URL.fullmatch(plan.origin) else f"{_code(first)}\n"
    yield from (f"\n{line}\n" for line in rest)


def _identity(plan: Plan, paths: Sequence[str], options: Mapping[str, Any]) -> str:
    """What identifies the comment of this plan: where it goes and what it covers, not its content."""
    scope = [
        plan.origin,
        sorted(plan.tenants),
        sorted(map(posixpath.normpath, paths)),
        sorted(options.get("target") or ()),
        sorted(options.get("exclude") or ()),
    ]
    return hashlib.sha256(json.dumps(scope).encode()).hexdigest()[:12]


def _refusals(writer: Writer) -> Iterator[str]:
    """The guardrails and notes; they name addresses, so they stand in a fence."""
    warnings = [*sentences.refusals(writer.plan), *sentences.notes(writer.plan)]
    lines = [still(line) for warning in warnings for line in writer.broken(warning, "")]
    if writer.plan.refusals:
        yield "**Apply will refuse this plan as it stands.**\n\n"
    if lines:
        yield from _fenced("text", lines)


def _reminders(plan: Plan) -> list[str]:
    return [f"> {line}\n\n" for line in sentences.reminders(plan)]


def _tail(plan: Plan, digest: str, paths: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    if not plan.differs:
        return []
    lines = [_digest(digest)]
    if plan.waves:
        lines += ["\nTo apply exactly this, and nothing else:\n\n", *_fenced("sh", [_command(digest, paths, options)])]
    return lines


def _origins(provenance: Mapping[str, str]) -> list[str]:
    """Where the plan comes from, on one line."""
    facts = [f"{name} {_code(inert(fact[:_LONGEST_FACT]))}" for name, fact in provenance.items()]
    return [f"Made from: {', '.join(facts)}\n\n"] if facts else []


def _digest(digest: str) -> str:
    return f"Digest: `{digest}`\n"


def _command(digest: str, paths: Sequence[str], options: Mapping[str, Any]) -> str:
    """The command that applies this plan; with paths and options only if they can be shown unchanged."""
    arguments = again.arguments(paths, options)
    command = f"exolink-reconcile apply --expect {digest}"
    line = " ".join([command, *map(shlex.quote, arguments)])
    url = str(options.get("api_url", ""))
    steady = all(
        argument == still(inert(argument)) or (argument == url and _PLAIN_URL.fullmatch(url)) for argument in arguments
    )
    return line if steady else f"{command}  # with the paths and options of this plan"


# ---------------------------------------------------------------------------------------------------------------- text


def _fenced(language: str, lines: Sequence[str]) -> Iterator[str]:
    ticks = "`" * _ticks(lines)
    yield f"{ticks}{language}\n"
    yield from (f"{line}\n" for line in lines)
    yield f"{ticks}\n\n"


def _ticks(lines: Iterable[str]) -> int:
    """How many backticks a fence needs so that nothing in these lines can close it."""
    return max([3, *(len(run) + 1 for line in lines if "`" in line for run in re.findall("`+", line))])


def _code(text: str) -> str:
    ticks = "`" * (max([0, *map(len, re.findall("`+", text))]) + 1)
    pad = " " if "`" in text else ""
    return f"{ticks}{pad}{still(inert(text))}{pad}{ticks}"


def _objects(entries: Iterable[_Entry]) -> int:
    return sum(entry.objects for entry in entries)


def _joined(texts: Sequence[str]) -> str:
    return "".join(texts).rstrip("\n") + "\n"


def _size(texts: Iterable[str]) -> int:
    return sum(len(line) if line.isascii() else len(line.encode()) for line in texts)


def render(view: PlanView) -> tuple[str]:
    """A plan as Markdown. Raises InputError if what must be shown does not fit."""
    page = plan(
        view.plan, view.digest, paths=view.paths, options=view.options,
        full=view.full, show_unmanaged=view.show_unmanaged, max_size=view.max_size,
        links=view.links, provenance=view.provenance,
    )  # fmt: skip
    return (page,)
