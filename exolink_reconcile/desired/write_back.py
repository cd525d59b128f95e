"""Live values into the existing text: only the scalars that differ change, every other byte stays.

Premise. A value may be overwritten where it stands: in the entry itself, as a scalar that is nothing but its text. A value
from `defaults`, from the name of a profile or from `${env:}` concerns other objects or places too, so it is reported and
left alone. So is anything new, gone, secret, or impossible to write in YAML.

Safety. A new scalar keeps the style of the old one where that says the same. Then the text is read again: it must hold
exactly what was meant, and nothing else may have changed. A file that does not pass is written with double quotes, and one
that still does not is left as it was.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ruamel.yaml.events import (
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from exolink_reconcile.desired import documents as yaml_documents
from exolink_reconcile.desired import parser, problems, sources, tables
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.desired.nodes import File, Node
from exolink_reconcile.desired.parser import YamlFile
from exolink_reconcile.desired.problems import at_value
from exolink_reconcile.desired.tables import Table
from exolink_reconcile.inert import inert
from exolink_reconcile.model import Change, Changes, FieldChange, Source
from exolink_reconcile.references import as_written
from exolink_reconcile.resource import Kind, fields, name_of_row
from exolink_reconcile.secret_url import SecretUrl

# Why a live value must not be declared, in words; empty if it may be.
Refusal = Callable[[Kind, str, Any], str]


class Unwritten(NamedTuple):
    """A field or object that was not written: which, why, and where, if it has a place."""

    subject: str
    why: str
    source: Source | None = None


class Span(NamedTuple):
    """A stretch of a text, and the text that replaces it."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One file with its changes: the text before, and the stretches that change, in order."""

    path: str
    before: str
    spans: tuple[Span, ...]
    mark: bytes  # the byte order mark, where there is one

    @property
    def after(self) -> str:
        """The text with the changes."""
        pieces, at = [], 0
        for span in self.spans:
            pieces += [self.before[at : span.start], span.text]
            at = span.end
        return "".join((*pieces, self.before[at:]))

    @property
    def data(self) -> bytes:
        """The bytes of the file with the changes."""
        return self.mark + self.after.encode()


class _Edit(NamedTuple):
    node: Node
    field: str
    text: str
    subject: str
    source: Source


class _Refused(NamedTuple):
    """A field that is not written: where it stands, which it is, and why."""

    at: problems.Spot | Source
    subject: str
    why: str


def rewrite(documents: Sequence[Document], changes: Changes, refusal: Refusal) -> tuple[list[Rewrite], list[Unwritten]]:
    """The files with the live values of the fields that differ, and everything that was not written, with its place."""
    wanted = [change for change in changes.changes if change.fields and change.declared is not None]
    kinds = dict.fromkeys(change.kind for change in wanted)
    entries = sources.entries(documents, (change.declared.source for change in wanted if change.declared), kinds)
    decisions = [_decide(change, field, documents, entries, refusal) for change in wanted for field in change.fields]
    by_file, not_written = _by_file(decision for decision in decisions if isinstance(decision, _Edit))
    rewrites: list[Rewrite] = []
    for file, edits in by_file.items():
        if rewritten := _rewritten(file, edits):
            rewrites.append(rewritten)
        else:
            not_written += [Unwritten(edit.subject, "it cannot be changed in place", edit.source) for edit in edits]
    refused = _placed([decision for decision in decisions if isinstance(decision, _Refused)])
    everything = [*_objects_not_written(changes), *refused, *not_written]
    return rewrites, sorted(everything, key=lambda unwritten: unwritten.source or Source("~", 0, 0))


def _by_file(edits: Iterable[_Edit]) -> tuple[Mapping[File, list[_Edit]], list[Unwritten]]:
    """The edits of each file, and those that are not made because the file was read for another tenant, too."""
    by_file: dict[File, list[_Edit]] = defaultdict(list)
    not_written: list[Unwritten] = []
    file_at: dict[str, File] = {}
    for edit in edits:
        if file_at.setdefault(edit.node.file.path, edit.node.file) is edit.node.file:
            by_file[edit.node.file].append(edit)
        else:
            not_written.append(Unwritten(edit.subject, "another tenant has the same table", edit.source))
    return by_file, not_written


def _placed(refused: Sequence[_Refused]) -> Iterator[Unwritten]:
    """What is refused, with its place; each file is searched once."""
    places = problems.find(field.at for field in refused if isinstance(field.at, problems.Spot))
    for at, subject, why in refused:
        yield Unwritten(subject, why, places.source(at) if isinstance(at, problems.Spot) else at)


def _objects_not_written(changes: Changes) -> Iterator[Unwritten]:
    """The objects that are new, gone, or cannot be matched."""
    for change in changes.changes:
        if change.declared is not None and change.before is None:
            yield Unwritten(str(change.address), "it is not live", change.declared.source)
        elif change.removed is not None and change.before is not None:
            yield Unwritten(str(change.address), "it is live, though `removed` names it", change.removed.source)
    for unclear in changes.unclear:
        yield Unwritten(str(unclear.address), unclear.reason, unclear.source)
    for unmanaged in changes.unmanaged:
        for row in unmanaged.rows:
            name = name_of_row(unmanaged.kind, row)
            subject = f"{unmanaged.tenant}/{unmanaged.kind.kind}/{name}"
            yield Unwritten(subject, f"it is new: live as id {row.id}, and not declared")


def _decide(
    change: Change,
    field: FieldChange,
    documents: Sequence[Document],
    entries: Mapping[Source, tuple[Document, Node]],
    refusal: Refusal,
) -> _Edit | _Refused:
    """The edit that writes a field, or where and why it is not written."""
    assert change.declared is not None
    kind, name, source = change.kind, field.field, change.declared.source
    subject = f"{name} of {change.address}"
    document, node = _home(change, name, documents, entries)
    if node is None or document is None:
        return _Refused(source, subject, "its place was not found")
    mark = fields(kind)[name].named_by
    if name not in node:
        if mark is not None and mark.alias in node:
            why = f"it is written as `{mark.alias}: {as_written(node[mark.alias])}`"
            return _Refused(at_value(node, mark.alias), subject, why)
        return _Refused(_default_spot(document, kind, name) or source, subject, "it comes from `defaults`")
    spot = at_value(node, name)
    written = as_written(node[name])
    if "${" in written.replace("$${", ""):
        return _Refused(spot, subject, "it comes from the environment")
    if isinstance(node.file, Table) and "${env:" in node.file.path:
        return _Refused(spot, subject, "the name of its table comes from the environment")
    value = field.before
    if value is None:
        return _Refused(spot, subject, "live, it has no value")
    if fields(kind)[name].secret and isinstance(value, SecretUrl) and (value.has_secret or "***" in str(field.after)):
        return _Refused(spot, subject, "it holds a secret")
    if why := refusal(kind, name, value):
        return _Refused(spot, subject, why)
    text = value.reveal() if isinstance(value, SecretUrl) else _text(value)
    if isinstance(node.file, Table) and not text:
        return _Refused(spot, subject, "live it is empty, which a table cannot say")
    return _Edit(node, name, text.replace("${", "$${"), subject, source)


def _home(
    change: Change, name: str, documents: Sequence[Document], entries: Mapping[Source, tuple[Document, Node]]
) -> tuple[Document | None, Node | None]:
    if change.kind.is_tenant():
        of_tenant = (document for document in documents if document.body.get("tenant") == change.address.tenant)
        home = next((document for document in of_tenant if name in document.body), None)
        return home, home.body if home else None
    assert change.declared is not None
    return entries.get(change.declared.source, (None, None))


def _default_spot(document: Document, kind: Kind, name: str) -> problems.Spot | None:
    defaults = document.body.get("defaults")
    own = defaults.get(str(kind.entries)) if isinstance(defaults, Node) else None
    if not isinstance(own, Node):
        return None
    mark = fields(kind)[name].named_by
    return next((at_value(own, field) for field in (name, mark.alias if mark else "") if field in own), None)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# --------------------------------------------------------------------------------------------------------------- files


def _rewritten(file: File, edits: Sequence[_Edit]) -> Rewrite | None:
    """The file with these edits; None if they cannot be made for certain."""
    for only_quotes in (False, True):
        rewritten = None
        if isinstance(file, Table):
            rewritten = _in_table(file, edits, only_quotes)
        elif isinstance(file, YamlFile):
            rewritten = _in_yaml(file, edits, only_quotes)
        if rewritten is not None:
            return rewritten
    return None


def _in_table(table: Table, edits: Sequence[_Edit], only_quotes: bool) -> Rewrite | None:
    places = tables.locate(table, {edit.node.line for edit in edits})
    spans = []
    for edit in edits:
        cell = places[edit.node.line][table.fields.index(edit.field)]
        old = table.text[cell.start : cell.end]
        needs_quotes = only_quotes or old.startswith('"') or bool(set(edit.text) & {table.delimiter, '"', "\r", "\n"})
        text = '"' + edit.text.replace('"', '""') + '"' if needs_quotes else edit.text
        spans.append(Span(cell.start, cell.end, text))
    rewritten = Rewrite(table.path, table.text, tuple(sorted(spans)), _mark(table.data))
    return rewritten if _means_in_table(rewritten, table, edits) else None


def _means_in_table(rewritten: Rewrite, table: Table, edits: Sequence[_Edit]) -> bool:
    again = tables.parse(table.path, rewritten.data, set(table.names))
    if not isinstance(again, Table) or again.names != table.names:
        return False
    meant = {(edit.node.line, edit.field): edit.text for edit in edits}
    before = tables.entries(table, _as_is)
    after = tables.entries(replace(again, fields=table.fields), _as_is)
    for old, new in zip(before, after, strict=True):
        if not isinstance(old, Node) or not isinstance(new, Node):
            return False
        if {**old, **{name: meant[old.line, name] for name in old if (old.line, name) in meant}} != new:
            return False
    return True


def _as_is(text: str) -> tuple[str, tuple[()]]:
    return text, ()


def _in_yaml(file: YamlFile, edits: Sequence[_Edit], only_quotes: bool) -> Rewrite | None:
    wanted = {(edit.node.line, edit.node.column) for edit in edits}
    texts = {(edit.node.line, edit.node.column, edit.field): edit.text for edit in edits}
    text = file.data.decode("utf-8-sig")
    starts = _line_starts(text)
    spans: list[Span] = []
    for place, field, event, in_flow in _scalars(file, wanted):
        if (*place, field) not in texts:
            continue
        start = starts[event.start_mark.line] + event.start_mark.column
        end = starts[event.end_mark.line] + event.end_mark.column
        old = text[start:end]
        if event.style in ("|", ">"):
            if "#" in old.partition("\n")[0]:
                return None
            end = start + len(old.rstrip())
        spans.append(Span(start, end, _scalar(texts[(*place, field)], event.style, in_flow, old, only_quotes)))
    if len(spans) != len(texts):
        return None
    rewritten = Rewrite(file.path, text, tuple(sorted(spans)), _mark(file.data))
    return rewritten if _means(rewritten, file.data, texts) else None


def _means(rewritten: Rewrite, data: bytes, texts: Mapping[tuple[int, int, str], str]) -> bool:
    """Whether the new text says what was meant, and everything else as before."""
    before, _ = yaml_documents.read(rewritten.path, data, None)
    after, wrong = yaml_documents.read(rewritten.path, rewritten.data, None)
    if wrong or len(before) != len(after):
        return False
    return all(_same(old.body, new.body, texts) for old, new in zip(before, after))


def _same(old: Any, new: Any, texts: Mapping[tuple[int, int, str], str]) -> bool:
    if isinstance(old, Node):
        if not isinstance(new, Node) or list(old) != list(new):
            return False
        for name, value in old.items():
            meant = texts.get((old.line, old.column, name))
            if meant is not None:
                if as_written(new[name]) != meant:
                    return False
            elif not _same(value, new[name], texts):
                return False
        return True
    if isinstance(old, list):
        return (
            isinstance(new, list)
            and len(old) == len(new)
            and all(_same(before, after, texts) for before, after in zip(old, new))
        )
    return isinstance(new, str) and as_written(old) == as_written(new)


def _scalars(file: YamlFile, wanted: set[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], str, Any, bool]]:
    """The scalar values in the mappings whose first keys are at the wanted places: place, key, event, in braces or not."""
    cut = parser.cut_lists(file)
    events = parser.parse_events(file, cut.rest({line for line, _ in wanted}) if cut else None)
    stack: list[_Open] = []
    for event in events:
        kind = event.__class__
        if kind is MappingEndEvent or kind is SequenceEndEvent:
            stack.pop()
            continue
        if kind not in (ScalarEvent, MappingStartEvent, SequenceStartEvent):
            continue
        top = stack[-1] if stack else None
        if top is not None and top.is_mapping:
            if top.key is None:
                top.place = top.place or (event.start_mark.line + 1, event.start_mark.column + 1)
                top.key = getattr(event, "value", "")
            else:
                if kind is ScalarEvent and top.place in wanted:
                    yield top.place, top.key, event, top.in_flow
                top.key = None
        if kind is not ScalarEvent:
            in_flow = bool(event.flow_style) or (top is not None and top.in_flow)
            stack.append(_Open(kind is MappingStartEvent, in_flow))


@dataclass(slots=True)
class _Open:
    """A collection that the walk is inside of: in braces or brackets or not, its place, the key whose value comes next."""

    is_mapping: bool
    in_flow: bool
    place: tuple[int, int] | None = None
    key: str | None = None


_PLAIN = re.compile(r"\w(?:[\w ./()+@=-]*[\w./()+@=-])?")
_PLAIN_URL = re.compile(r"wss?://[\w./@=&?%+~-]*[\w/]", re.IGNORECASE)
_NOT_PLAIN = frozenset({"null", "Null", "NULL"})


def _scalar(text: str, style: str | None, in_flow: bool, old: str, only_quotes: bool) -> str:
    """The text as a scalar, in the style of the one that it replaces where that means the same."""
    is_url = _PLAIN_URL.fullmatch(text) is not None and (not in_flow or "://" in old)
    if not style and not only_quotes and text not in _NOT_PLAIN and (is_url or _PLAIN.fullmatch(text)):
        return text
    if style == "'" and not only_quotes and inert(text) == text:
        return "'" + text.replace("'", "''") + "'"
    return inert(json.dumps(text, ensure_ascii=False))


def _line_starts(text: str) -> list[int]:
    """Where each line starts, as the parser counts them."""
    return [0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", text))]


def _mark(data: bytes) -> bytes:
    return b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""


# ---------------------------------------------------------------------------------------------------------------- diff

_CONTEXT = 3
_REFERENCE = re.compile(r"\$\{env:\w+\}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")


def unified_diff(rewrite: Rewrite) -> Iterator[str]:
    """The lines of a unified diff. Secrets in URLs are masked, and what could steer a terminal or a runner is escaped."""
    before = rewrite.before.split("\n")
    groups = list(_groups(rewrite))
    yield f"--- {inert(rewrite.path)}"
    yield f"+++ {inert(rewrite.path)}"
    shift = at = 0
    while at < len(groups):
        upto = at + 1
        while upto < len(groups) and groups[upto].first - groups[upto - 1].last <= 2 * _CONTEXT:
            upto += 1
        yield from _hunk(before, groups[at:upto], shift)
        shift += sum(len(group.after) - (group.last - group.first + 1) for group in groups[at:upto])
        at = upto


class _Group(NamedTuple):
    """Lines that change together, from `first` to `last`, and the lines that come in their place."""

    first: int
    last: int
    after: list[str]


def _groups(rewrite: Rewrite) -> Iterator[_Group]:
    text = rewrite.before
    spans = list(rewrite.spans)
    line = at = 0
    while spans:
        own = [spans.pop(0)]
        start = text.rfind("\n", 0, own[0].start) + 1
        end = _line_end(text, own[0].end)
        while spans and spans[0].start <= end:
            own.append(spans.pop(0))
            end = _line_end(text, own[-1].end)
        line += text.count("\n", at, start)
        at = start
        after = Rewrite(
            "", text[start:end], tuple(Span(s.start - start, s.end - start, s.text) for s in own), b""
        ).after
        yield _Group(line, line + text.count("\n", start, end), after.split("\n"))


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _hunk(before: Sequence[str], groups: Sequence[_Group], shift: int) -> Iterator[str]:
    last_line = len(before) - 1 if before[-1] == "" else len(before)  # how many lines there are
    start = max(0, groups[0].first - _CONTEXT)
    end = min(last_line, groups[-1].last + 1 + _CONTEXT)
    lines: list[str] = []
    at = start
    for group in groups:
        lines += [f" {_shown(line)}" for line in before[at : group.first]]
        lines += [f"-{_shown(line)}" for line in before[group.first : group.last + 1]]
        lines += [f"+{_shown(line)}" for line in group.after]
        at = group.last + 1
    lines += [f" {_shown(line)}" for line in before[at:end]]
    grown = sum(len(group.after) - (group.last - group.first + 1) for group in groups)
    yield f"@@ -{start + 1},{end - start} +{start + 1 + shift},{end - start + grown} @@"
    yield from lines
    if end == len(before) and before[-1] != "":
        yield "\\ No newline at end of file"


def _masked(name: str, value: str) -> str:
    return value if _REFERENCE.fullmatch(value) else "***"


def _shown(line: str) -> str:
    line, end = (line[:-1], "\r") if line.endswith("\r") else (line, "")
    masked = _URL.sub(lambda match: SecretUrl(match[0]).rewrite(_masked), line)
    return "\t".join(map(inert, masked.split("\t"))) + end
