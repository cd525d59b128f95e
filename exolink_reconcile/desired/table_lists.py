"""A document's `LISTFrom` to the entries of its tables, and everything that is wrong with them."""

from collections.abc import Callable, Iterator, Sequence

from exolink_reconcile.desired import tables
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.problems import Problems, Spot, at_key, at_value
from exolink_reconcile.desired.tables import IGNORE, Expand, Table, TableFile
from exolink_reconcile.model import Diagnostic
from exolink_reconcile.references import Diagnosed, Unresolved
from exolink_reconcile.resource import Kind, cell_keys, key
from exolink_reconcile.secret_url import quoted

_KEYS = ("file", "columns")


def key_of(kind: Kind) -> str:
    """The key of a document whose tables hold entries of this kind."""
    return f"{kind.entries}From"


def batches(
    document: Document,
    items: Sequence[Node],
    kind: Kind,
    problems: Problems,
    tables_before: dict[object, Spot],
    size: int,
) -> Iterator[tuple[Document, list[Node]]]:
    """The entries of the tables in batches, each with a document that stands for the table.

    `items` are the entries of `LISTFrom`; `tables_before` are the tables that the tenant named before, and where.
    """
    for item in items:
        if opened := _open(document, item, kind, problems, tables_before):
            table, expand = opened
            stand_in = Node()
            stand_in.file, stand_in.line, stand_in.column = table, 1, 1
            table_document = Document(stand_in, unresolved="${" in table.text)
            for nodes in _batches(table, expand, problems, size):
                yield table_document, nodes


def entries_at(document: Document, kind: Kind, lines: Callable[[str], Sequence[int]]) -> Iterator[Node]:
    """The entries that the document has from tables, if their rows start on the lines that `lines` gives for a path."""
    items = document.body.get(key_of(kind), ())
    for item in items if isinstance(items, list) else ():
        file = document.tables.get((item.line, item.column)) if isinstance(item, Node) else None
        wanted = lines(file.path) if file else ()
        if wanted and (opened := _open(document, item, kind, Problems(), {})):
            yield from tables.entries_at(opened[0], wanted)


def _batches(table: Table, expand: Expand, problems: Problems, size: int) -> Iterator[list[Node]]:
    nodes: list[Node] = []
    for entry in tables.entries(table, expand):
        if isinstance(entry, Diagnostic):
            _report(problems, entry)
            continue
        nodes.append(entry)
        if len(nodes) == size:
            yield nodes
            nodes = []
    if nodes:
        yield nodes


def _open(
    document: Document, item: Node, kind: Kind, problems: Problems, tables_before: dict[object, Spot]
) -> tuple[Table, Expand] | None:
    """The table of an item of `LISTFrom`, if its header can be read, and what gives its references their values."""
    for name in item:
        if name not in _KEYS:
            problems.unknown(item, name, f"unknown key `{name}` in `{key_of(kind)}`", _KEYS)
    columns = _columns(item, kind, problems)
    file = _file(document, item, kind, problems)
    if file is None or columns is None:
        return None
    if file.problem is not None:
        problems.error(file.problem.code, at_value(item, "file"), file.problem.summary, file.problem.detail)
        return None
    if (before := tables_before.setdefault(file.identity, at_value(item, "file"))).node is not item:
        summary = f"the table {file.path} is named twice"
        problems.error("E-TABLE", at_value(item, "file"), summary, "Keep one of the places.", also=before)
        return None
    table = tables.parse(file.path, file.data, {*cell_keys(kind), *kind.reported, *columns})
    if isinstance(table, Diagnostic):
        _report(problems, table)
        return None
    for name in columns:
        if name not in table.names:
            summary = f"the header of {file.path} has no column {quoted(name)}"
            problems.error("E-UNKNOWN-KEY", at_key(item["columns"], name), summary, problems.nearest(name, table.names))
    table, wrong = tables.with_fields(
        table, columns, key=key(kind), known_fields=cell_keys(kind), reported=kind.reported, nearest=problems.nearest
    )
    for problem in wrong:
        _report(problems, problem)
    return None if wrong else (table, file.expand)


def _file(document: Document, item: Node, kind: Kind, problems: Problems) -> TableFile | None:
    value = item.get("file")
    if value is None:
        problems.missing(item, "file", f"an item of `{key_of(kind)}` needs `file`", "Write `file: PATH.csv`.")
    elif isinstance(value, Unresolved):
        problems.needs(value, at_value(item, "file"))
    elif not isinstance(value, str) or not value:
        problems.error("E-TYPE", at_value(item, "file"), "`file` must be the path of a CSV file")
    else:
        return document.tables.get((item.line, item.column))
    return None


def _columns(item: Node, kind: Kind, problems: Problems) -> dict[str, str] | None:
    """The field of each name in `columns`; None where a value of it is not known."""
    value = item.get("columns")
    if value is None:
        return {}
    if not isinstance(value, Node):
        if not isinstance(value, Diagnosed):
            summary = "`columns` must be a mapping, of names in the header to fields"
            problems.error("E-TYPE", at_value(item, "columns"), summary, f"Write `columns: {{OCPP ID: {key(kind)}}}`.")
        return None
    columns: dict[str, str] = {}
    for name, field in value.items():
        if isinstance(field, Unresolved):
            problems.needs(field, at_value(value, name))
            return None
        if not isinstance(field, str):
            problems.error("E-TYPE", at_value(value, name), f"{quoted(name)} must name a field, or `{IGNORE}`")
        elif field == "createOnly":
            problems.error(
                "E-UNKNOWN-KEY",
                at_value(value, name),
                "`createOnly` is a list, which no cell can hold",
                "Write it in `defaults`.",
            )
        elif field not in (*cell_keys(kind), IGNORE):
            hint = problems.nearest(field, [*cell_keys(kind), IGNORE])
            problems.error("E-UNKNOWN-KEY", at_value(value, name), f"no field {quoted(field)} in a {kind.kind}", hint)
        columns[name] = field if isinstance(field, str) else IGNORE
    return columns


def _report(problems: Problems, diagnostic: Diagnostic) -> None:
    assert diagnostic.source is not None
    problems.error(diagnostic.code, diagnostic.source, diagnostic.summary, diagnostic.detail)
