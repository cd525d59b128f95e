"""CSV text to entries that know their line and column.

Terms. A *row* is what RFC 4180 calls a record: cells with a delimiter between them, on one line, or on several where a
quoted cell has line breaks in it. The first row that is not blank is the *header*; each cell of it names a *column*. A row
whose cells are all empty is blank: spreadsheets write such rows below the last one, and columns without a name beside it.

Premise. A fleet has very many rows, and hardly any of them has a quote. So a piece of the text without quotes and
references, whose lines are all as wide as the header, is simply split. Any other piece is read row by row: a line without
a quote is split, and a line with one goes to a pattern that matches a whole row or nothing. Text that the pattern does not
match is explained then. The places of cells are computed only for messages about them.

Bounds. Whatever the bytes are, each character is read a few times at most: the patterns never backtrack, and a row that is
wider than the header is not cut into all its cells.
"""

import re
from collections.abc import Callable, Collection, Container, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from exolink_reconcile.desired import csv_rows
from exolink_reconcile.desired.csv_rows import DELIMITERS, MAX_COLUMNS, MAX_ROW, Span
from exolink_reconcile.desired.nodes import File, Node
from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.references import Problem
from exolink_reconcile.secret_url import quoted

IGNORE = "~ignore"
MAX_BYTES = 64 * 1024 * 1024
MAX_LINES = 500_000
_PIECE = 64 * 1024  # characters, fewer than a row may have
_SAVE_AS = "Save it as CSV in UTF-8; in Excel that is `CSV UTF-8`."

_Row = tuple[int, int, list[str]]  # line, where it starts in the text, cells
# The text of a cell to its value, and what is wrong with the references in it.
Expand = Callable[[str], tuple[str, Sequence[Problem]]]


@dataclass(frozen=True, slots=True, eq=False)
class TableFile(File):
    """The bytes of a file that an item of `LISTFrom` names, or the `problem` why there are none.

    Two with the same `identity` are the same file.
    """

    identity: object = None
    expand: Expand = lambda text: (text, ())
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Table(File):
    """A CSV file whose header can be read. `text` has no byte order mark.

    The header starts at `start`, on line `line`; the rows below it start at `body`. `fields` has the field of each column,
    None for a column that is not used; it is empty until `with_fields`.
    """

    text: str
    delimiter: str
    names: tuple[str, ...]
    line: int
    start: int
    body: int
    fields: tuple[str | None, ...] = ()

    def header(self) -> list[Span]:
        """Where the names of the columns stand."""
        return csv_rows.spans(self.text, self.delimiter, self.start, self.line)


def parse(path: str, data: bytes, familiar: Container[str] = ()) -> Table | Diagnostic:
    """The table in the bytes of a file, or why there is none. `familiar` are the names that its header may have.

    They decide the delimiter: it is the one that finds most of them in the header.
    """
    text = _decode(path, data)
    return text if isinstance(text, Diagnostic) else _with_header(path, data, text, familiar)


def with_fields(
    table: Table,
    columns: Mapping[str, str],
    *,
    key: str,
    known_fields: Sequence[str],
    reported: Collection[str],
    nearest: Callable[[str, Collection[str]], str],
) -> tuple[Table, list[Diagnostic]]:
    """The table with the field of each column, and what is wrong with its header.

    `columns` translates names to fields or to `~ignore`; a name that is not in it is the name of a field.
    """
    fields = [columns.get(name, name) for name in table.names]
    named = max((number for number, name in enumerate(table.names, 1) if name), default=0)
    problems: list[Diagnostic] = []
    spans = table.header()
    seen_names: dict[str, Span] = {}
    seen_fields: dict[str, Span] = {}

    def report(code: str, summary: str, detail: str) -> None:
        problems.append(Diagnostic(code, summary, Source(table.path, span.line, span.column), detail))

    for name, field, span in zip(table.names[:named], fields, spans):
        if before := seen_names.get(name):
            also = f"{table.path}:{before.line}:{before.column}"
            report(
                "E-DUPLICATE-KEY",
                f"the column {_quoted(name)} is there twice: also at {also}",
                "Keep one of them, or rename one.",
            )
        elif field == IGNORE or (name in columns and field not in known_fields):
            pass  # left out, or reported where `columns` says so
        elif not name:
            report("E-UNKNOWN-KEY", "a column without a name", f'Name it, or say `columns: {{"": {IGNORE}}}`.')
        elif field not in known_fields:
            report(*_unknown(name, known_fields, reported, nearest))
        elif before := seen_fields.get(field):
            also = f"{table.path}:{before.line}:{before.column}"
            report("E-DUPLICATE-KEY", f"a second column for `{field}`: also at {also}", "Keep one of them.")
        seen_names.setdefault(name, span)
        seen_fields.setdefault(field, span)
    if key not in fields:
        span = spans[0]
        detail = f"Name it `{key}`, or say which one it is: `columns: {{NAME: {key}}}`."
        report("E-REQUIRED", f"no column for `{key}`", detail)
    return replace(table, fields=tuple(field if field in known_fields else None for field in fields)), problems


def entries(table: Table, expand: Expand) -> Iterator[Node | Diagnostic]:
    """Each row as an entry, and what is wrong with rows and references, in the order of the lines.

    An empty cell leaves its field out, and a column without a field leaves out all its cells.
    """
    fields = [name or "" for name in table.fields]
    named = all(name or field for name, field in zip(table.names, fields, strict=True))
    at, line = table.body, table.line + table.text.count("\n", table.start, table.body)
    while at < len(table.text):
        end = table.text.rfind("\n", at, at + _PIECE) + 1
        nodes = _plain_entries(table, fields, at, end, line) if named and end else None
        if nodes is None:
            at, line = yield from _checked_entries(table, fields, (at, line), end or at + 1, expand)
        else:
            yield from nodes
            at, line = end, line + table.text.count("\n", at, end)


def _plain_entries(table: Table, fields: Sequence[str], start: int, end: int, first: int) -> list[Node] | None:
    """The entries of whole lines; None if one of them needs a closer look. Line number `first` starts at `start`."""
    piece = table.text[start : end - 1]
    if "\r" in piece:
        piece = piece.removesuffix("\r").replace("\r\n", "\n")
    if '"' in piece or "\r" in piece or "${" in piece:
        return None
    width = len(fields)
    rows = [line.split(table.delimiter, width) for line in piece.split("\n")]
    if set(map(len, rows)) != {width}:
        return None
    some_left_out = "" in fields
    nodes: list[Node] = []
    for line, cells in enumerate(rows, first):
        if some_left_out or "" in cells:
            if not any(cells):
                continue
            entry = _entry(fields, cells, some_left_out)
        else:
            entry = Node(zip(fields, cells))
        entry.file, entry.line, entry.column = table, line, 1
        nodes.append(entry)
    return nodes


def _checked_entries(
    table: Table, fields: Sequence[str], place: tuple[int, int], end: int, expand: Expand
) -> Generator[Node | Diagnostic, None, tuple[int, int]]:
    """Yields the entries of the rows that start from `place` on and before `end`; returns the place of the next row."""
    unnamed = [index for index, name in enumerate(table.names) if not name and not fields[index]]
    reader = _RowReader(table, *place)
    while reader.at < end:
        row = reader.read()
        if row is None:
            continue
        if isinstance(row, Diagnostic):
            yield row
            continue
        line, start, cells = row
        stray = next((index for index in unnamed if cells[index]), None) if unnamed else None
        if stray is not None:
            span = csv_rows.spans(table.text, table.delimiter, start, line)[stray]
            detail = "Name its column in the header, or empty the cell. Cells that hold a delimiter need quotes."
            yield csv_rows.problem(table.path, span.line, span.column, "a cell in a column without a name", detail)
            continue
        entry = _entry(fields, cells, "" in fields)
        entry.file, entry.line, entry.column = table, line, 1
        if any("${" in cell for cell in entry.values()):
            yield from _expanded(table, entry, start, expand)
        yield entry
    return reader.at, reader.line


def entries_at(table: Table, lines: Iterable[int]) -> Iterator[Node]:
    """The entries whose rows start on these lines, with their cells as they are written."""
    fields = [name or "" for name in table.fields]
    for line, spans in locate(table, lines).items():
        cells = [csv_rows.unquoted(table.text[span.start : span.end]) for span in spans]
        if len(cells) == len(fields):
            entry = _entry(fields, cells, some_left_out=True)
            entry.file, entry.line, entry.column = table, line, 1
            yield entry


def _entry(fields: Sequence[str], cells: Sequence[str], some_left_out: bool) -> Node:
    if "" in cells:
        return Node((name, cell) for name, cell in zip(fields, cells, strict=True) if cell and name)
    entry = Node(zip(fields, cells, strict=True))
    if some_left_out:
        entry.pop("", None)
    return entry


def locate(table: Table, lines: Iterable[int]) -> dict[int, list[Span]]:
    """Where the cells of the rows that start on these lines stand."""
    spans: dict[int, list[Span]] = {}
    at, line = 0, 1
    for wanted in sorted(set(lines)):
        while line < wanted and (end := table.text.find("\n", at)) >= 0:
            at, line = end + 1, line + 1
        if line == wanted:
            spans[wanted] = csv_rows.spans(table.text, table.delimiter, at, line)
    return spans


# ----------------------------------------------------------------------------------------------------------------- text


def _decode(path: str, data: bytes) -> str | Diagnostic:
    if len(data) > MAX_BYTES:
        summary = f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB"
        return Diagnostic("E-SIZE", summary, Source(path, 1, 1), "Split it: a list may come from several tables.")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Diagnostic("E-ENCODING", "the file is UTF-16, not UTF-8", Source(path, 1, 1), _SAVE_AS)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        return Diagnostic(
            "E-ENCODING", "the file is not UTF-8", Source(path, *csv_rows.place(before, len(before))), _SAVE_AS
        )
    if text.count("\n") > MAX_LINES:
        summary = f"the file has more than {MAX_LINES:,} lines"
        return Diagnostic("E-SIZE", summary, Source(path, 1, 1), "Split it: a list may come from several tables.")
    if (at := text.find("\0")) >= 0:
        return csv_rows.problem(path, *csv_rows.place(text, at), "a NUL character", f"This is not text. {_SAVE_AS}")
    return text


def _with_header(path: str, data: bytes, text: str, familiar: Container[str]) -> Table | Diagnostic:
    at = _BLANK.match(text).end()  # type: ignore[union-attr]  # it matches the empty text
    line = text.count("\n", 0, at) + 1
    if at == len(text):
        return csv_rows.problem(path, 1, 1, "no header", "The first row names the fields, like `identity,displayName`.")
    best: tuple[int, int] = (-1, -1)
    table: Table | None = None
    for delimiter in DELIMITERS:
        grammar = csv_rows.grammar(delimiter)
        match = grammar.row.match(text, at)
        if match is None:
            continue
        names = grammar.cells(text[at : match.end()], MAX_COLUMNS + 1)
        score = (sum(name in familiar for name in names), len(names))
        if score > best:
            best = score
            body = csv_rows.after_line(text, match.end())
            table = Table(path, data, text, delimiter, tuple(names), line, at, body)
    if table is None:
        return csv_rows.explained(path, text, csv_rows.grammar(csv_rows.likely(text, at)), at, line)[0]
    if len(table.names) > MAX_COLUMNS:
        span = csv_rows.spans(text, table.delimiter, at, line, MAX_COLUMNS + 1)[-1]
        return csv_rows.problem(
            path, span.line, span.column, f"more than {MAX_COLUMNS} columns", "Is this a table of chargers?"
        )
    if table.body - at > MAX_ROW:
        return csv_rows.too_long(path, line)
    return table


# ----------------------------------------------------------------------------------------------------------------- rows

_BLANK = re.compile(r"(?:[,;\t]*+\r?\n)*+(?:[,;\t]*+\r?\Z)?")


class _RowReader:
    """Reads row after row. The next one starts at `at`, on line `line`."""

    def __init__(self, table: Table, at: int, line: int) -> None:
        self.at, self.line = at, line
        self._table = table
        self._grammar = csv_rows.grammar(table.delimiter)

    def read(self) -> _Row | Diagnostic | None:
        """The next row, as wide as the header; None for one that is blank."""
        path, text, delimiter = self._table.path, self._table.text, self._table.delimiter
        start, first, width = self.at, self.line, len(self._table.names)
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        row = text[start:end]
        if '"' in row or "\r" in row[:-1]:
            match = self._grammar.row.match(text, start)
            if match is None:
                problem, self.at = csv_rows.explained(path, text, self._grammar, start, first)
                self.line += text.count("\n", start, self.at)
                return problem
            self.at = csv_rows.after_line(text, match.end())
            self.line += text.count("\n", start, self.at)
            cells = self._grammar.cells(text[start : match.end()], width + 1)
            count = len(cells)
        else:
            self.at, self.line = end + 1, first + 1
            row = row.removesuffix("\r")
            count = row.count(delimiter) + 1
            cells = row.split(delimiter) if count == width else [row]
        if self.at - start > MAX_ROW:
            return csv_rows.too_long(path, first)
        if count == width:
            return (first, start, cells) if any(cells) else None
        return _ragged(self._table, first, count) if cells != [""] else None


def _expanded(table: Table, entry: Node, start: int, expand: Expand) -> Iterator[Diagnostic]:
    """Put the values of its references into the entry; yields what is wrong with them."""
    spans = None
    for name, cell in entry.items():
        if "${" not in cell:
            continue
        value, problems = expand(cell)
        entry[name] = value
        for code, summary, detail in problems:
            spans = spans or csv_rows.spans(table.text, table.delimiter, start, entry.line)
            span = spans[table.fields.index(name)]
            yield Diagnostic(code, summary, Source(table.path, span.line, span.column), detail)


# ----------------------------------------------------------------------------------------------------- what is wrong there


def _ragged(table: Table, line: int, count: int) -> Diagnostic:
    width = len(table.names)
    cells = f"{count} cell{'s' if count != 1 else ''}" if count <= width else f"more than {width} cells"
    columns = f"{width} column{'s' if width != 1 else ''}"
    detail = (
        f"Give each row as many cells as the header; quote a cell that holds a {_DELIMITER_NAMES[table.delimiter]}."
    )
    return csv_rows.problem(table.path, line, 1, f"a row of {cells}, under a header of {columns}", detail)


_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}


def _unknown(
    name: str, known_fields: Sequence[str], reported: Collection[str], nearest: Callable[[str, Collection[str]], str]
) -> tuple[str, str, str]:
    ignore = f"leave it out with `columns: {{NAME: {IGNORE}}}`"
    if name in reported:
        return "E-READ-ONLY", f"the column {_quoted(name)} is read-only: the API reports it", _sentence(ignore)
    if name == "createOnly":
        return "E-UNKNOWN-KEY", "`createOnly` is a list, which no cell can hold", "Write it in `defaults`."
    hint = nearest(name, known_fields) if len(name) <= _QUOTABLE else f"Known here: {', '.join(known_fields)}."
    return "E-UNKNOWN-KEY", f"unknown column {_quoted(name)}", f"{hint} Or {ignore}."


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


_QUOTABLE = 80


def _quoted(text: str) -> str:
    """Header text for a message, cut short: where a file has no header it is a row, which may hold a password."""
    return quoted(text[:_QUOTABLE])
