"""CSV text to entries: what a table may look like, and where what is wrong with it stands."""

import csv
import io
from collections.abc import Mapping
from typing import Any, Literal, cast
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exolink_reconcile.desired import csv_rows, tables
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.tables import Table
from exolink_reconcile.model import Diagnostic

KNOWN = ("identity", "displayName", "profileId", "profile", "id")
FIELDS: dict[str, Any] = {
    "known_fields": KNOWN,
    "reported": ("meterType",),
    "nearest": lambda word, known: "Did you mean ...?",
}


def table(text: str | bytes, familiar: tuple[str, ...] = KNOWN) -> Table:
    parsed = tables.parse("t.csv", text.encode() if isinstance(text, str) else text, familiar)
    assert isinstance(parsed, Table), parsed
    return parsed


def read(text: str | bytes, columns: Mapping[str, str] | None = None) -> list[object]:
    """The entries as plain mappings, and problems as `LINE:COLUMN code summary`."""
    parsed = tables.parse("t.csv", text.encode() if isinstance(text, str) else text, (*KNOWN, *(columns or ())))
    if isinstance(parsed, Diagnostic):
        return [shown(parsed)]
    parsed, problems = tables.with_fields(parsed, columns or {}, key="identity", **FIELDS)
    if problems:
        return [shown(problem) for problem in problems]
    entries = tables.entries(parsed, lambda text: (text, ()))
    return [dict(entry) if isinstance(entry, Node) else shown(entry) for entry in entries]


def shown(problem: Diagnostic) -> str:
    assert problem.source is not None and problem.source.path == "t.csv"
    return f"{problem.source.line}:{problem.source.column} {problem.code} {problem.summary}"


CP1, CP2 = {"identity": "CP-1", "displayName": "Lobby"}, {"identity": "CP-2"}

GOOD = {
    "as it should be": "identity,displayName\nCP-1,Lobby\nCP-2,\n",
    "no line end at the end": "identity,displayName\nCP-1,Lobby\nCP-2,",
    "semicolons": "identity;displayName\nCP-1;Lobby\nCP-2;\n",
    "tabs": "identity\tdisplayName\nCP-1\tLobby\nCP-2\t\n",
    "CRLF": "identity,displayName\r\nCP-1,Lobby\r\nCP-2,\r\n",
    "CRLF, a last return": "identity,displayName\r\nCP-1,Lobby\r\nCP-2,\r",
    "a byte order mark": "\ufeffidentity,displayName\nCP-1,Lobby\nCP-2,\n",
    "quotes": '"identity","displayName"\n"CP-1","Lobby"\n"CP-2",""\n',
    "some quotes": 'identity,"displayName"\n"CP-1",Lobby\nCP-2,""\n',
    "blank lines": "\n\nidentity,displayName\n\nCP-1,Lobby\n\r\nCP-2,\n\n\n",
    "empty rows below": "identity;displayName\r\nCP-1;Lobby\r\nCP-2;\r\n;\r\n;\r\n",
    "empty rows below, quoted": 'identity,displayName\nCP-1,Lobby\nCP-2,\n"",""\n',
    "empty columns beside": "identity;displayName;;;\r\nCP-1;Lobby;;;\r\nCP-2;;;;\r\n;;;;\r\n",
    "empty columns beside, quoted": 'identity,displayName,"",\nCP-1,Lobby,"",""\nCP-2,,,\n',
    "empty rows above": ";\n;\nidentity;displayName\nCP-1;Lobby\nCP-2;\n",
    "another order": "displayName,identity\nLobby,CP-1\n,CP-2\n",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_what_spreadsheets_write_is_read(text: str) -> None:
    """The delimiter is the header's; quotes, line ends, a byte order mark, empty rows and columns mean nothing."""
    assert read(text) == [CP1, CP2]


def test_a_cell_is_its_text() -> None:
    """Blanks at the ends, words of YAML, formulas and digits are what was typed."""
    cells = [
        " a ",
        "null",
        "NO",
        "=1+1",
        "0123",
        "12:30:45",
        "1e5",
        "~",
        "#x",
        "'a'",
        "a: b",
        "- a",
        "$5",
        "\u00e4\U0001f50c",
    ]
    assert [
        dict(cast(Any, each))["displayName"]
        for each in read("identity,displayName\n" + "".join(f"C,{c}\n" for c in cells))
    ] == cells


def test_a_quoted_cell_may_hold_anything() -> None:
    """Delimiters, doubled quotes and line breaks stand inside of quotes; a row may have several lines."""
    assert read('identity,displayName\n"a,b","say ""hi"""\nc,"one\ntwo\r\nthree"\n"","x"\n') == [
        {"identity": "a,b", "displayName": 'say "hi"'},
        {"identity": "c", "displayName": "one\ntwo\r\nthree"},
        {"displayName": "x"},
    ]


def test_a_table_without_rows_declares_nothing() -> None:
    """A header is enough."""
    assert read("identity\n") == [] == read("identity") == read("identity,displayName\r\n,\r\n")


def test_the_delimiter_is_the_one_that_finds_the_fields() -> None:
    """A name may hold the other delimiters."""
    columns = {"Site, room; floor": "displayName"}
    assert read("identity\tSite, room; floor\nCP-1\tLobby\nCP-2\t\n", columns) == [CP1, CP2]
    assert read('identity;"Site, room; floor"\nCP-1;Lobby\nCP-2;\n', columns) == [CP1, CP2]


def test_columns_are_translated_or_left_out() -> None:
    """`columns` names the field of a column; `~ignore` leaves it out."""
    text = "OCPP ID,Site,Notes,Cost\nCP-1,Lobby,x,y\nCP-2,,,\n"
    columns = {"OCPP ID": "identity", "Site": "displayName", "Notes": "~ignore", "Cost": "~ignore"}
    assert read(text, columns) == [CP1, CP2]


BAD = {
    "too many cells": ("identity,displayName\nCP-1,a\nCP-2,b,c\n", "3:1 E-TABLE a row of more than 2 cells, under a header of 2 columns"),
    "too few cells": ("identity,displayName\nCP-1\n", "2:1 E-TABLE a row of 1 cell, under a header of 2 columns"),
    "too few empty cells": ("identity,displayName,id\nCP-1,,\n,\n", "3:1 E-TABLE a row of 2 cells, under a header of 3 columns"),
    "ragged and quoted": ('identity,displayName\n"a\nb",c,d,e,f\n', "2:1 E-TABLE a row of more than 2 cells, under a header of 2 columns"),
    "text after a quote": ('identity,displayName\na,"b"c\n', "2:3 E-TABLE text after the closing quote of a cell"),
    "a quote inside": ('identity,displayName\na,5" pipe\n', "2:3 E-TABLE a quote inside of a cell without quotes"),
    "a blank before a quote": ('identity,displayName\na, "b"\n', "2:3 E-TABLE a quote inside of a cell without quotes"),
    "never closed": ('identity,displayName\n"x\ny",z\na,"b\nc\nd\n', "4:3 E-TABLE the quote that opens this cell is never closed"),
    "never closed in the header": ('identity,"displayName\nCP-1,a\n', "1:10 E-TABLE the quote that opens this cell is never closed"),
    "line ends of old": ("identity,displayName\rCP-1,Lobby\r", "1:10 E-TABLE a carriage return without a line feed"),
    "a lone return": ("identity,displayName\nCP-1,a\rb\n", "2:6 E-TABLE a carriage return without a line feed"),
    "NUL": ("identity,displayName\nCP-1,a\0b\n", "2:7 E-TABLE a NUL character"),
    "nothing": ("", "1:1 E-TABLE no header"),
    "only blank lines": ("\n\r\n;;;\n\n", "1:1 E-TABLE no header"),
    "UTF-16": ("identity\n".encode("utf-16"), "1:1 E-ENCODING the file is UTF-16, not UTF-8"),
    "Latin-1": ("identity\nK\u00f6ln\nM\u00fcnchen".encode("latin-1"), "2:2 E-ENCODING the file is not UTF-8"),
    "a column twice": ("identity,id,identity\n", "1:13 E-DUPLICATE-KEY the column `identity` is there twice: also at t.csv:1:1"),
    "an unknown column": ("identity,dispayName\n", "1:10 E-UNKNOWN-KEY unknown column `dispayName`"),
    "a column of the device": ("identity,meterType\n", "1:10 E-READ-ONLY the column `meterType` is read-only: the API reports it"),
    "a list": ("identity,createOnly\n", "1:10 E-UNKNOWN-KEY `createOnly` is a list, which no cell can hold"),
    "a gap between columns": ("identity,,id\n", "1:10 E-UNKNOWN-KEY a column without a name"),
    "no key": ("\ndisplayName,id\n", "2:1 E-REQUIRED no column for `identity`"),
    "a cell beside": ("identity;;\nCP-1;;\nCP-2;;x\n", "3:7 E-TABLE a cell in a column without a name"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_has_its_place(text: str | bytes, problem: str) -> None:
    """The physical line, and the character where the cell starts; of a row as a whole column 1."""
    assert [entry for entry in read(text) if isinstance(entry, str)] == [problem]


def test_two_columns_for_one_field_are_refused() -> None:
    """Which of the two would win is nothing to guess."""
    problem = "1:10 E-DUPLICATE-KEY a second column for `identity`: also at t.csv:1:1"
    assert read("identity,OCPP ID\n", {"OCPP ID": "identity"}) == [problem]


def test_all_problems_are_reported_and_the_good_rows_are_kept() -> None:
    """A bad row does not hide the next one."""
    assert read('identity,id\na\nb,"1"2\nc,3\nd,4,5\n') == [
        "2:1 E-TABLE a row of 1 cell, under a header of 2 columns",
        "3:3 E-TABLE text after the closing quote of a cell",
        {"identity": "c", "id": "3"},
        "5:1 E-TABLE a row of more than 2 cells, under a header of 2 columns",
    ]


def test_places_of_cells_are_where_an_editor_shows_them() -> None:
    """Characters count, not bytes; a row starts on the line of its first cell."""
    parsed = table('\ufeffidentity,displayName,id\nä🔌,"a\nbc",7\nx,y,z\n')
    places = tables.locate(parsed, [2, 4])
    assert [(line, [span[2:] for span in spans]) for line, spans in places.items()] == [
        (2, [(2, 1), (2, 4), (3, 5)]),
        (4, [(4, 1), (4, 3), (4, 5)]),
    ]
    assert [parsed.text[span.start : span.end] for span in places[2]] == ["ä🔌", '"a\nbc"', "7"]
    assert [span[2:] for span in parsed.header()] == [(1, 1), (1, 10), (1, 22)]


def test_a_reference_gets_its_value_and_its_problem_a_place() -> None:
    """What stands for a value is handed over cell by cell."""
    parsed, _ = tables.with_fields(
        table("identity,displayName\na,${env:X}\n${env:Y},${env:X}\n"), {}, key="identity", **FIELDS
    )
    values: dict[str, tuple[str, Any]] = {"${env:X}": ("x", ()), "${env:Y}": ("", [("E-ENV", "not set", "Set it.")])}
    entries = list(tables.entries(parsed, lambda text: values[text]))
    problem = entries.pop(1)
    assert entries == [{"identity": "a", "displayName": "x"}, {"identity": "", "displayName": "x"}]
    assert isinstance(problem, Diagnostic) and shown(problem) == "3:1 E-ENV not set"


HOSTILE = {
    "a million columns": "a," * 1_000_000 + "\n",
    "a million cells in a row": "identity\n" + "," * 1_000_000 + "\n",
    "a million quoted cells in a row": "identity\n" + '"",' * 1_000_000 + "\n",
    "a huge header": "a" * 2_000_000 + "\n",
    "a huge cell": "identity\n" + "a" * 2_000_000 + "\n",
    "a huge quoted cell": 'identity\n"' + "a\n" * 1_000_000 + '"\n',
    "a quote that is never closed": 'identity\n"' + '""' * 1_000_000,
    "quotes in every line": 'identity\n"a"b' + '\n"a"b' * 20_000,
    "columns without a name": "identity" + "," * 999 + "\n" + ("x" + "," * 999 + "\n") * 100 + "y" + ",y" * 999,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_table_ends_in_an_error_with_a_place(text: str) -> None:
    """Bounded in time and memory: a bound that breaks makes this test hang."""
    problems = [entry for entry in read(text) if isinstance(entry, str)]
    assert problems
    assert all(len(problem) < 300 for problem in problems)


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=2, max_size=2)
    ),
    st.sampled_from(csv_rows.DELIMITERS),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_what_pythons_writer_writes_is_read_back(
    rows: list[list[str]], delimiter: str, end: str, quoting: Literal[0, 1, 2, 3]
) -> None:
    """Any text survives, whichever delimiter and however it is quoted."""
    if quoting == csv.QUOTE_MINIMAL:  # a carriage return that it does not quote is the end of a line
        rows = [[cell.replace("\r", " ") for cell in row] for row in rows]
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([["identity", "displayName"], *rows])
    expected = [
        {name: cell for name, cell in zip(("identity", "displayName"), row) if cell} for row in rows if any(row)
    ]
    assert read(file.getvalue()) == expected


@given(
    st.lists(
        st.sampled_from(["a", "b,", ",", ";", '"a', '"', '"c"', "\r", "\n", "\n", "\r\n", "${", "é "]), max_size=30
    ),
    st.sampled_from(["identity", "identity,displayName", "identity,displayName,", "identity;displayName"]),
    st.sampled_from([8, 20, tables._PIECE]),
)
def test_a_table_reads_the_same_piece_by_piece_and_row_by_row(body: list[str], header: str, piece: int) -> None:
    """However a table is cut into pieces, its entries, their lines and its problems are those of its rows one by one."""

    def seen(size: int) -> list[object]:
        parsed = tables.parse("t.csv", "".join([header, "\n", *body, "\n"]).encode(), KNOWN)
        if isinstance(parsed, Diagnostic):
            return [shown(parsed)]
        parsed, _ = tables.with_fields(parsed, {}, key="identity", **FIELDS)
        with patch.object(tables, "_PIECE", size):
            entries = list(tables.entries(parsed, lambda text: (text, ())))
        return [
            (entry.line, entry.column, list(entry.items())) if isinstance(entry, Node) else shown(entry)
            for entry in entries
        ]

    assert seen(piece) == seen(1)
