"""The grammar of CSV, after RFC 4180: one row of text to its cells, where they stand, and why it is not a row."""

import re
from functools import cache
from itertools import islice
from typing import NamedTuple

from exolink_reconcile.model import Diagnostic, Source

DELIMITERS = (",", ";", "\t")
MAX_COLUMNS = 1_000
MAX_ROW = 256 * 1024  # characters
_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')
_PLAIN_END = re.compile(r'["\r\n]')


class Span(NamedTuple):
    """Where a cell stands in the text, its quotes included, and its place: line and column, 1-based."""

    start: int
    end: int
    line: int
    column: int


class Grammar(NamedTuple):
    """The patterns of one delimiter. `row` matches a whole row, `before` all its cells but the last."""

    delimiter: str
    row: re.Pattern[str]
    before: re.Pattern[str]
    cell: re.Pattern[str]
    next_cell: re.Pattern[str]

    def cells(self, row: str, most: int) -> list[str]:
        """The cells of a row that `row` matched, no more than `most`."""
        with_delimiter = self.delimiter + row
        if with_delimiter.count(self.delimiter) <= most:
            pairs = self.next_cell.findall(with_delimiter)
        else:
            pairs = [match.groups("") for match in islice(self.next_cell.finditer(with_delimiter), most)]
        return [quoted.replace('""', '"') if quoted else plain for quoted, plain in pairs]


@cache
def grammar(delimiter: str) -> Grammar:
    """The patterns of a delimiter."""
    cell = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^"{delimiter}\r\n]*+)'
    return Grammar(
        delimiter,
        re.compile(rf"{cell}(?:{delimiter}{cell})*+(?=\r?\n|\r?\Z)"),
        re.compile(rf"(?:{cell}{delimiter})*+"),
        re.compile(cell),
        re.compile(rf'{delimiter}(?:"([^"]*+(?:""[^"]*+)*+)"|([^"{delimiter}\r\n]*+))'),
    )


def spans(text: str, delimiter: str, start: int, line: int, most: int = MAX_COLUMNS) -> list[Span]:
    """Where the cells of the row that starts at `start` stand, no more than `most`."""
    cell = grammar(delimiter).cell
    spans: list[Span] = []
    at, line_start = start, start
    while len(spans) < most:
        match = cell.match(text, at)
        assert match is not None  # it matches the empty text
        spans.append(Span(at, match.end(), line, at - line_start + 1))
        if breaks := text.count("\n", at, match.end()):
            line, line_start = line + breaks, text.rindex("\n", at, match.end()) + 1
        at = match.end() + 1
        if text[match.end() : at] != delimiter:
            break
    return spans


def unquoted(cell: str) -> str:
    """The value of a cell as it is written, without its quotes."""
    return cell[1:-1].replace('""', '"') if cell.startswith('"') else cell


def likely(text: str, at: int) -> str:
    """The most frequent delimiter in the line at `at`."""
    end = text.find("\n", at)
    line = text[at : end if end >= 0 else len(text)]
    return max(DELIMITERS, key=line.count)


def explained(path: str, text: str, grammar: Grammar, start: int, line: int) -> tuple[Diagnostic, int]:
    """Why the pattern of a row does not match what starts at `start`, and where to go on reading."""
    before = grammar.before.match(text, start)
    assert before is not None  # it matches the empty text
    at = before.end()
    line += text.count("\n", start, at)
    column = at - (text.rfind("\n", start, at) + 1 or start) + 1
    quoted = _QUOTED.match(text, at)
    if quoted is not None:
        summary, detail = "text after the closing quote of a cell", 'Inside of quotes, write a quote twice: "".'
        return problem(path, line, column, summary, detail), after_line(text, quoted.end())
    if text.startswith('"', at):
        summary, detail = "the quote that opens this cell is never closed", "Close it, or take it out."
        return problem(path, line, column, summary, detail), len(text)
    end = _PLAIN_END.search(text, at)
    if end is not None and end.group() == '"':
        summary, detail = (
            "a quote inside of a cell without quotes",
            'Put quotes around the cell, and write it twice: "".',
        )
    else:
        summary, detail = "a carriage return without a line feed", "Save the file with line ends of Unix or Windows."
    return problem(path, line, column, summary, detail), after_line(text, at)


def too_long(path: str, line: int) -> Diagnostic:
    """The problem of a row that is too long."""
    detail = "Is a quote missing that closes a cell?"
    return problem(path, line, 1, f"a row of more than {MAX_ROW // 1024} KiB", detail)


def problem(path: str, line: int, column: int, summary: str, detail: str) -> Diagnostic:
    """What is wrong at a place of a table."""
    return Diagnostic("E-TABLE", summary, Source(path, line, column), detail)


def place(text: str, at: int) -> tuple[int, int]:
    """Line and column, 1-based, of a character."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def after_line(text: str, at: int) -> int:
    """Where the line after this place starts."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1
