"""YAML text to documents that know where they were written.

Premise. YAML is plain data here: every scalar is its text until a schema types it, and nothing in a file may stand for
something else. So this module reads ruamel.yaml's *event stream* and builds plain dicts, lists and strings itself. That
gives text scalars, duplicate keys, positions, a depth limit and speed at once; a YAML library's own loader gives none
of them together.

Places. A mapping remembers only where its first key stands. The place of a single key or value is needed for a few
diagnostics and changes, never for the good path: `locate` walks the events a second time for just those.

Long lists of plain entries do not go through the parser at all: see `plain_lists`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError

from exolink_reconcile.desired import parser, syntax
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.parser import YamlFile, cut_lists, parse_events
from exolink_reconcile.desired.plain_lists import Run
from exolink_reconcile.desired.repeats import Repeats
from exolink_reconcile.desired.tables import TableFile
from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.references import Diagnosed, Environment, Unresolved, expand

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 32
MAX_LINES = 1_000_000
_MAX_EVENTS = 3_000_000  # of the parser: values, and the beginnings and ends of lists and mappings
_MOST = 10_000  # problems that are kept of a file
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_UNUSUAL = _NULLS | {"<<"}
# libyaml ends a line at these; YAML 1.2, editors and `git diff` do not. What looks like a comment could declare things.
_OTHER_BREAKS = re.compile("[\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML mapping of a file. `unresolved` says that some value in it is `Unresolved`.

    `tables` are the files that its `LISTFrom` keys name, by the place of the item that names each.
    """

    body: Node
    unresolved: bool = False
    tables: Mapping[tuple[int, int], TableFile] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of its file, as the user gave it."""
        return self.body.file.path


def read(
    path: str,
    data: bytes,
    environment: Mapping[str, str] | None,
    allowed: Sequence[str] | None = None,
) -> tuple[list[Document], list[Diagnostic]]:
    """The documents of one file and every problem in it.

    `environment` gives `${env:NAME}` its value; None checks the syntax only. `allowed` are globs on the variables that may
    be named; None allows all but our own. A value whose variable is not read is `Unresolved`.
    """
    reader = _Reader(path, data, Environment(environment, allowed))
    if reader.check_bytes():
        reader.read()
    return reader.documents, reader.diagnostics()


class _Reader:
    """Reads one file: the documents it found, and the problems."""

    def __init__(self, path: str, data: bytes, environment: Environment) -> None:
        self.file = YamlFile(path, data, data)
        self.environment = environment
        self.documents: list[Document] = []
        self.problems: list[Diagnostic] = []
        self.repeats = Repeats()
        self.problem_count = 0
        self.unresolved = False
        self.runs: dict[tuple[int, int], Run] = {}
        self.plain = self.no_explicit_keys = False

    def check_bytes(self) -> bool:
        """Check encoding, size and line breaks; report what is wrong. False where the file cannot be read at all."""
        data = self.file.data
        if len(data) > MAX_BYTES:
            self._too_large(f"{MAX_BYTES // 1024 // 1024} MiB")
            return False
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            self._problem("E-ENCODING", "the file is UTF-16, not UTF-8", 1, 1, "Save it as UTF-8.")
            return False
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            self._problem("E-ENCODING", "the file is not UTF-8", *_place(data, error.start), "Save it as UTF-8.")
            return False
        if data.count(b"\n") + data.count(b"\r") > MAX_LINES:
            self._too_large(f"{MAX_LINES:,} lines")
            return False
        if line_break := _OTHER_BREAKS.search(text):
            summary = f"a line break that only some programs show: U+{ord(line_break.group()):04X}"
            place = _place(data, len(text[: line_break.start()].encode()))
            self._problem("E-SYNTAX", summary, *place, "Take out each of them; inside quotes write it as an escape.")
            # A space replaces each, so that every other line keeps the number that an editor shows.
            self.file = replace(self.file, text=_OTHER_BREAKS.sub(" ", text).encode())
        return True

    def _too_large(self, limit: str) -> None:
        self._problem(
            "E-SIZE", f"the file is larger than {limit}", 1, 1, "Split it: a tenant may be spread over files."
        )

    def read(self) -> None:
        """Fill `documents` and note the problems."""
        before = list(self.problems)
        if self._read_without_runs():
            return
        self._forget(before)
        try:
            self._read_documents(parse_events(self.file))
        except _Unreadable as error:
            self._at(error.code, error.summary, error.event)
        except MarkedYAMLError as error:
            other = parser.readable(self.file, error.problem)
            if other.text == self.file.text:
                self._report_syntax(error)
                return
            self.file = other
            self._forget(before)
            self.read()
        except ReaderError as error:
            place = _place(self.file.text, error.position)
            detail = "Control characters cannot be written in YAML."
            self._problem("E-SYNTAX", f"not YAML: {error.reason}", *place, detail)

    def _forget(self, before: list[Diagnostic]) -> None:
        """Drop what was read; keep the problems from before that."""
        self.documents, self.unresolved, self.runs = [], False, {}
        self.problems, self.repeats = list(before), Repeats()

    def _read_without_runs(self) -> bool:
        """Whether the file was read with its plain lists cut out. If not, the caller forgets it and reads the file whole."""
        cut = cut_lists(self.file)
        if cut is None:
            return False
        self.runs = {run.place: run for run in cut.runs}
        with suppress(YAMLError, _Unreadable):
            self._read_documents(parse_events(self.file, cut.rest()))
            if not self.runs:  # the parser met each of them
                return True
        return False

    def _report_syntax(self, error: MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        lines = self.file.data.split(b"\n", line)
        text = lines[line - 1] if line <= len(lines) else b""
        summary, detail = syntax.explain(error, text)
        self._problem("E-SYNTAX", summary, line, column, detail)

    def diagnostics(self) -> list[Diagnostic]:
        """The problems; of equal ones the first few, and a count of the rest."""
        return self.repeats.merged(self.problems)

    def _problem(self, code: str, summary: str, line: int, column: int, detail: str = "") -> None:
        self.problem_count += 1
        if self.repeats.is_news(self.file.path, code, summary) and len(self.problems) < _MOST:
            self.problems.append(Diagnostic(code, summary, Source(self.file.path, line, column), detail))

    def _at(self, code: str, summary: str, event: Any, detail: str = "") -> None:
        mark = event.start_mark
        self._problem(code, summary, mark.line + 1, mark.column + 1, detail)

    def _read_documents(self, events: Iterator[Any]) -> None:
        # Search the bytes once: in a file without these marks no scalar has a tag, an anchor or a reference, and a block
        # mapping starts where its first key does.
        text = self.file.text
        self.plain = not any(mark in text for mark in (b"!", b"&", b"$"))
        self.no_explicit_keys = not any(mark in text for mark in (b"? ", b"?\n", b"?\r", b"?\t"))
        events = _bounded(events)
        for event in events:
            kind = event.__class__
            if kind is DocumentStartEvent:
                before = self.problem_count
                first = next(events)
                body = self._value(events, first)
                if body is None and self.problem_count == before and not first.value:
                    continue  # an empty document declares nothing; the caller judges a file with nothing else
                if isinstance(body, Node):
                    self.documents.append(Document(body, self.unresolved))
                elif body is None and self.problem_count == before:
                    self._at(
                        "E-NULL", "no value here", first, "A document is a mapping that starts with `tenant: NAME`."
                    )
                elif self.problem_count == before:
                    self._at("E-TYPE", "a document is a mapping that starts with `tenant: NAME`", first)
            elif kind is StreamEndEvent:
                return

    def _value(self, events: Iterator[Any], event: Any) -> Any:
        """The value that starts with `event`."""
        kind = event.__class__
        if kind is ScalarEvent:
            if _is_null(event) and event.tag is None and event.anchor is None:
                return None
            return self._scalar(event)
        if kind is AliasEvent:
            return self._alias(event)
        self._check_properties(event)
        return self._collection(events, event)

    def _collection(self, events: Iterator[Any], event: Any) -> Any:
        """The mapping or list that starts with `event`: built without recursion, so that no input can exhaust the stack."""
        plain, no_explicit_keys = self.plain, self.no_explicit_keys
        placed = False
        root = parent = self._new(event)
        stack: list[tuple[Any, bool]] = []
        in_mapping = event.__class__ is MappingStartEvent
        key: str | None = None
        for event in events:
            kind = event.__class__
            if kind is ScalarEvent:
                # The two plain cases are written out: they run for each of a million scalars.
                value = event.value
                usual = value not in _UNUSUAL and (
                    plain or (event.tag is None and event.anchor is None and "$" not in value)
                )
                if not in_mapping:
                    parent.append(value if usual else self._scalar(event))
                elif key is None:
                    key = value if usual and (parent or placed) and value not in parent else self._key(parent, event)
                else:
                    parent[key], key = value if usual else self._scalar(event), None
            elif in_mapping and key is None and kind is not MappingEndEvent:
                self._skip_pair(events, event)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                if not plain:
                    self._check_properties(event)
                if len(stack) + 2 > MAX_DEPTH:
                    raise _Unreadable("E-DEPTH", _TOO_DEEP, event)
                child = self._new(event)
                placed = no_explicit_keys and not event.flow_style
                if in_mapping:
                    parent[key] = child
                else:
                    parent.append(child)
                    if self.runs and kind is MappingStartEvent and (child.line, child.column) in self.runs:
                        parent += self._inner(self.runs.pop((child.line, child.column)))
                stack.append((parent, in_mapping))
                parent, in_mapping, key = child, kind is MappingStartEvent, None
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                if not stack:
                    return root
                (parent, in_mapping), key = stack.pop(), None
            elif in_mapping:
                parent[key], key = self._alias(event), None
            else:
                parent.append(self._alias(event))
        return root

    def _new(self, event: Any) -> Any:
        return self._new_node(event) if event.__class__ is MappingStartEvent else []

    def _new_node(self, event: Any) -> Node:
        node = Node()
        node.file = self.file
        node.line, node.column = event.start_mark.line + 1, event.start_mark.column + 1  # moved by its first key
        return node

    def _inner(self, run: Run) -> list[Node]:
        for node in run.inner:
            node.file = self.file
        return run.inner

    def _scalar(self, event: Any) -> str:
        self._check_properties(event)
        if _is_null(event):
            self._at(
                "E-NULL",
                "no value here",
                event,
                'Leave the field out, or quote it if the text itself is meant: "null".',
            )
            self.unresolved = True
            return Diagnosed()
        return self._expand(event)

    def _expand(self, event: Any) -> str:
        value, problems = expand(event.value, self.environment)
        for code, summary, detail in problems:
            self._at(code, summary, event, detail)
        self.unresolved |= isinstance(value, Unresolved)
        return value

    def _key(self, mapping: Node, event: Any) -> str:
        key: str = event.value
        if not mapping:
            mapping.line, mapping.column = event.start_mark.line + 1, event.start_mark.column + 1
        if event.tag is not None or event.anchor is not None:
            self._check_properties(event)
        if key in mapping:
            self._at("E-DUPLICATE-KEY", f"the key `{key}` is given twice", event, "Keep one of them.")
        elif key == "<<" and not event.style:
            self._at("E-MERGE", "merge keys are not supported", event, "Use `defaults` for what many entries share.")
        elif _is_null(event):
            self._at("E-NULL", "a key must be text", event)
        elif "${" in key:
            self._at(
                "E-ENV", "a reference cannot stand in a key", event, "Write the key out; ${env:NAME} works in values."
            )
        return key

    def _skip_pair(self, events: Iterator[Any], event: Any) -> None:
        """Report a key that is not plain text; skip it and its value."""
        if event.__class__ is AliasEvent:
            self._alias(event)
        else:
            self._at("E-KEY", "a key must be plain text", event)
        depth, nodes = 0, 2
        while True:
            kind = event.__class__
            depth += (kind is MappingStartEvent or kind is SequenceStartEvent) - (
                kind is MappingEndEvent or kind is SequenceEndEvent
            )
            nodes -= depth == 0
            if not nodes:
                return
            if depth > MAX_DEPTH:
                raise _Unreadable("E-DEPTH", _TOO_DEEP, event)
            event = next(events)

    def _check_properties(self, event: Any) -> None:
        if event.anchor is not None:
            self._at("E-ANCHOR", "anchors are not supported", event, "Use `defaults` for what many entries share.")
        if event.tag is not None:
            self._at(
                "E-TAG", "tags are not supported", event, "Every value is plain text; its field says what it means."
            )

    def _alias(self, event: Any) -> Diagnosed:
        self._at("E-ALIAS", "aliases are not supported", event, "Use `defaults` for what many entries share.")
        self.unresolved = True
        return Diagnosed()


class _Unreadable(Exception):
    """A problem after which the rest of the file is not read."""

    def __init__(self, code: str, summary: str, event: Any) -> None:
        super().__init__(summary)
        self.code, self.summary, self.event = code, summary, event


def _bounded(events: Iterator[Any]) -> Iterator[Any]:
    return chain(islice(events, _MAX_EVENTS), _too_many(events))


def _too_many(events: Iterator[Any]) -> Iterator[Any]:
    for event in events:
        raise _Unreadable("E-SIZE", f"more than {_MAX_EVENTS:,} values in one file: split it", event)
    yield from ()


def _place(data: bytes, position: int) -> tuple[int, int]:
    """Line and column, 1-based, of a byte."""
    before = data[:position]
    return before.count(b"\n") + 1, len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1


def _is_null(event: Any) -> bool:
    return event.__class__ is ScalarEvent and not event.style and event.value in _NULLS
