"""Any bytes as a table end in entries or in diagnostics with places; never in anything else.

What is read must be what Python's own reader of CSV reads, wherever that is strict enough to have the same opinion.
"""

import csv
import io

import atheris

with atheris.instrument_imports(include=["exolink_reconcile"]):
    from exolink_reconcile.desired import tables
    from exolink_reconcile.desired.nodes import Node
    from exolink_reconcile.model import Diagnostic

from support import fuzz

KNOWN = ("identity", "displayName", "profileId", "profile", "id")


def judge(data: bytes) -> None:
    """The rule above, on one input."""
    table = tables.parse("t.csv", data, KNOWN)
    if isinstance(table, Diagnostic):
        assert table.source is not None and table.source.line >= 1 and table.source.column >= 1
        return
    columns = {name: "identity" if not index else "~ignore" for index, name in enumerate(table.names)}
    table, _ = tables.with_fields(
        table, columns, key="identity", known_fields=KNOWN, reported=(), nearest=lambda word, known: "Known here."
    )
    entries = []
    for entry in tables.entries(table, lambda text: (text, ())):
        if isinstance(entry, Diagnostic):
            assert entry.source is not None and entry.source.line >= 1 and entry.source.column >= 1
        else:
            assert isinstance(entry, Node) and entry.line > table.line
            entries.append(entry)
    lines = {entry.line for entry in entries}
    assert [each.line for each in tables.entries_at(table, lines)] == sorted(lines)
    if len(entries) == len(list(tables.entries(table, lambda text: (text, ())))) and b"\r" not in data:
        rows = csv.reader(io.StringIO(table.text[table.body :], newline=""), delimiter=table.delimiter, strict=True)
        first = [row[0] for row in rows if any(row)]
        assert first == [entry.get("identity", "") for entry in entries]


fuzz(judge)
