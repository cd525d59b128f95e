"""Entries read without the parser are those that the parser reads, places included."""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exolink_reconcile.desired import documents, places, plain_lists
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.parser import YamlFile


@pytest.fixture(autouse=True)
def short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_lists, "SHORTEST", 3)


def nodes(value: object) -> Iterator[Node]:
    """Every mapping in a value."""
    if isinstance(value, Node):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(each)


def reading(data: bytes) -> tuple[object, ...]:
    """All there is to know of a file: values, places of mappings, problems, places of every key, value and item."""
    parsed, problems = documents.read("f.yaml", data, {})
    all_nodes = [node for document in parsed for node in nodes(document.body)]
    marks = [(node.line, node.column) for node in all_nodes]
    located = [
        places.locate(YamlFile("f.yaml", data, data), wanted) for wanted in (marks, *([mark] for mark in marks[:20]))
    ]
    return (
        [(document.body, document.unresolved) for document in parsed],
        [(node.line, node.column, type(each)) for node in all_nodes for each in (node, *node.values())],
        problems,
        located,
    )


def by_the_parser(data: bytes) -> tuple[object, ...]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_lists, "SHORTEST", sys.maxsize)
        return reading(data)


def taken(text: str) -> int:
    """How many entries the parser need not see."""
    cut = plain_lists.cut(text)
    return sum(len(run.inner) for run in cut.runs) if cut else 0


HEAD = "tenant: acme\nchargers:\n"
PLAIN = [
    "  - identity: CP-1\n    displayName: Lobby left\n    profileId: 2\n",
    "  - {identity: CP-2, displayName: Lobby right}\n",
    "  - { identity: CP-3, profile: night }\n",
    '  - identity: "CP: 4"\n    displayName: \'Bay #4, "left"\'\n',
    "  - {identity: '5', displayName: \"\"}\n",
    "  - identity: 0012\n    displayName: Grüße, (日本) it's 50% & more; a=b <x> [y] {z} ~ ^ | ! * @ + why?\n",
    "  - identity: No\n",
]


def test_plain_entries_are_not_parsed() -> None:
    """What people write for a charger is plain, in every usual form."""
    text = HEAD + "".join(PLAIN)
    assert taken(text) == len(PLAIN) - 2
    assert reading(text.encode()) == by_the_parser(text.encode())
    (document,), _ = documents.read("f.yaml", text.encode(), {})
    assert document.body["chargers"][3] == {"identity": "CP: 4", "displayName": 'Bay #4, "left"'}


@pytest.mark.parametrize("value", ['Bay 5"', "the Smiths'", "it's", '"a: b"', "'a: b'", "''", "'x'", 'a"b"'])
@pytest.mark.parametrize("line", ["  - a: {}\n", "  - b: x\n    a: {}\n", "  - {b: x, a: {}}\n", "  - { a: {} }\n"])
def test_quotes(line: str, value: str) -> None:
    """Only a text that begins with a quote is quoted; one that ends with it, or has it inside, keeps it."""
    text = HEAD + PLAIN[0] + line.replace("{}", value) * 2 + PLAIN[0]
    assert taken(text) == 2 and reading(text.encode()) == by_the_parser(text.encode())


@pytest.mark.parametrize(
    "line", ["  {identity: x}\n", "    {identity: x}\n", "    {identity: x\n", "  { identity: x }\n"]
)
def test_a_brace_without_a_dash(line: str) -> None:
    """It is not an entry, and ends a run."""
    text = HEAD + RUN + line + RUN
    assert reading(text.encode()) == by_the_parser(text.encode())


def test_crlf_and_bom() -> None:
    """A file from Windows is read as quickly, and to the same places."""
    text = "\ufeff" + (HEAD + "".join(PLAIN)).replace("\n", "\r\n")
    assert taken(text) == len(PLAIN) - 2
    assert reading(text.encode()) == by_the_parser(text.encode())


RUN = "".join(f"  - identity: CP-{number}\n" for number in range(9))


@pytest.mark.parametrize(
    "text",
    [
        HEAD + RUN + "    displayName: of the last one\n",
        HEAD + RUN + "      goes on with the last name\n",
        HEAD + RUN + "    createOnly:\n      - profileId\n      - x\n",
        HEAD + RUN + "  # a comment\n" + RUN,
        HEAD + RUN + "\n\n" + RUN.replace("CP", "DP"),
        HEAD + RUN + "removed:\n" + RUN.replace("identity", "charger"),
        HEAD + RUN + "---\n" + HEAD + RUN,
        HEAD + RUN.replace("  -", "-"),
        HEAD.replace("\n", "\n\n") + RUN,
        "tenant: |\n" + RUN + "chargers:\n" + RUN,
        "tenant: |\n" + RUN,
        "tenant: >-\n  x\n" + RUN + "name: x\n",
        "tenant: 'x\n" + RUN + "'\n",
        'tenant: "x\n' + RUN + '"\n',
        "tenant: x\n" + RUN,
        "chargers: [\n" + RUN + "]\n",
        "chargers: {\n" + RUN + "}\n",
        "chargers:\n  - - a: b\n" + RUN.replace("  -", "    -"),
        "chargers:\n  - x:\n" + RUN.replace("  -", "      -") + RUN,
        HEAD + RUN + "    identity: twice\n",
        HEAD + RUN.replace("CP-5", "CP-5\n    identity: twice"),
        HEAD + RUN.replace("CP-5", "null"),
        HEAD + RUN.replace("CP-5", "${env:X}"),
        HEAD + RUN.replace("CP-5", "&x y"),
        HEAD + RUN.replace("CP-5", "CP-5 # last"),
        HEAD + RUN.replace("CP-5", "CP-5 "),
        HEAD + RUN.replace("CP-5", " CP-5"),
        HEAD + RUN.replace("CP-5", "CP: 5"),
        HEAD + RUN.replace("CP-5", "CP-5:"),
        HEAD + RUN.replace("CP-5", "'it''s'"),
        HEAD + RUN.replace("CP-5", '"a\\n"'),
        HEAD + RUN.replace("identity: CP-5", "null: x"),
        HEAD + RUN.replace("identity: CP-5", "{identity: x, identity: y}"),
        HEAD + RUN.replace("identity: CP-5", "{identity: null}"),
        HEAD + RUN.replace("identity: CP-5", "{identity: x}\n    displayName: y"),
        HEAD + RUN.replace("identity: CP-5", "{url: wss://h/?a=b, x: y}"),
        HEAD + RUN.replace("CP-5", "x\u2028y"),
        HEAD + RUN.replace("CP-5", "x\x85y"),
        HEAD + RUN.replace("CP-5", "x\ry"),
        HEAD + RUN.replace("CP-5", "\u115fx"),
        HEAD + RUN.replace("CP-5", "x\x01"),
        HEAD + RUN + "\x01",
        HEAD + RUN + "\tx: y\n",
        HEAD + RUN + "      deeper: x\n" + RUN,
        HEAD + RUN + "  - identity: 'x'\n      deeper: x\n" + RUN,
        HEAD + RUN + "  - identity: 'x'\n  shallower: x\n" + RUN,
        HEAD + RUN + "   identity: shallower\n" + RUN,
        *(f"# {other}# x\n{HEAD}  - identity: x # not plain\n{RUN}" for other in "\r\x85\u2028\u2029"),
    ],
)
def test_what_stands_around_a_run_changes_nothing(text: str) -> None:
    """A run ends where something else begins, and is none inside a longer text."""
    assert reading(text.encode()) == by_the_parser(text.encode())


@pytest.mark.parametrize(
    "value",
    [
        "${env:X}", "&x y", "*x", "!t x", "'it''s'", '"a\\n"', "x # c", "|", ">-", "[a]", "{a: b}", "null", "~", "", " x", "x ",
        "x: y", "x:", "'x", '"x', "- x", "? x", "@x", "`x", "%x", "x\x01", "x\ty", "#x", "=", "<<", "-1", ".5", "x, y",
    ],
)  # fmt: skip
@pytest.mark.parametrize("line", ["    displayName: {}\n", "    a: {}\n    b: x\n", "    identity: {}\n"])
def test_a_line_that_goes_on_with_an_entry(line: str, value: str) -> None:
    """A text that is not plain is never taken, in no line of an entry."""
    for at in ("CP-5\n", "CP-8\n"):
        text = HEAD + RUN.replace(at, at + line.replace("{}", value)) + RUN.replace("CP", "DP")
        assert reading(text.encode()) == by_the_parser(text.encode())


@pytest.mark.parametrize("count", range(6))
def test_how_long_a_run_is(count: int) -> None:
    """From the shortest length on, all but the first entry and the last are taken."""
    text = HEAD + "".join(f"  - identity: CP-{number}\n" for number in range(count))
    assert taken(text) == (count - 2 if count >= 3 else 0)
    assert (plain_lists.cut(text) is None) == (count < 3)


def test_what_is_left_for_the_parser() -> None:
    """As many lines as before: blank where an entry was taken, and as they were everywhere else and where it is kept."""
    entries = [*PLAIN, "  # no entry\n", *PLAIN]
    text = HEAD + "".join(entries) + "name: x\n"
    cut = plain_lists.cut(text)
    assert cut is not None
    lines = text.split("\n")
    inner = [node.line for run in cut.runs for node in run.inner]
    ends = {line: next(end for end in sorted([*inner, *(run.end for run in cut.runs)]) if end > line) for line in inner}
    for keep in ([], inner[:1], inner[-1:], inner[1:3], inner):
        blank = {number for line in inner if line not in keep for number in range(line, ends[line])}
        expected = ["" if number in blank else line for number, line in enumerate(lines, 1)]
        assert cut.rest(keep).split("\n") == expected


def test_an_error_behind_a_run_has_its_place() -> None:
    """Where something is wrong the whole file is parsed: the parser says what, and where."""
    text = HEAD + RUN + "name: [\n"
    assert taken(text) > 0
    parsed, (problem,) = documents.read("f.yaml", text.encode(), {})
    assert (parsed, problem.code, problem.source and problem.source.line) == ([], "E-SYNTAX", 13)


LINES = st.sampled_from(
    [
        *(line + "\n" for entry in PLAIN for line in entry.splitlines()), *PLAIN, *PLAIN, RUN, RUN, RUN, HEAD, "chargers:\n",
        "  - a: |\n", "    a: >\n", "  - a: 'x\n", '    a: "x\n', "    y'\n", '    y"\n', "  more\n", "      more text\n", "\n", "# c\n",
        "  # c\n", "---\n", "...\n", "  - - a: b\n", "    - c: d\n", "- e: f\n", " - g: h\n", "   - i: j\n", "  -\n", "  - x\n",
        "  - k: null\n", "  - null: k\n", "  - l: m #n\n", "  - l: m#n\n", "  - o: p \n", "  - q:  r\n", "  - s: &t u\n", "  - s: !t u\n",
        "  - v: ${env:W}\n", "  - x: [\n", "  ]\n", "y: {\n", "}\n", "  - ? z\n", "    : z\n", "  - a: b: c\n", "  - ü: ä\n", "  - {a: b,}\n",
        "  - {a: b\n", "  - {a: b} \n", "  - {a: {b: c}}\n", "  - { a: b}\n", "  - a: b\r\n", "  - a: \u2028b\n", "  - a: \u0308b\n", "%YAML 1.1\n",
        "    a: b\n", "  a: b\n", "      a: b\n", "    displayName: again\n", "  - <<: x\n", "  - a: <<\n", "  - a: *b\n", "\t- a: b\n", "  - a: \t\n",
        "  - a: b\x01\n", "\ufeff", "  - a: b", "  - a: -1\n", "  - a: .5\n", "  - a: 1:2\n", "  - 'a': b\n", "  - a b: c\n", "  - a1: b\n", "  - a:b\n",
    ]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(LINES, max_size=14).map("".join))
def test_any_lines_are_read_as_the_parser_reads_them(text: str) -> None:
    """Whatever lines come together, nothing is read differently for being read quickly."""
    assert reading(text.encode()) == by_the_parser(text.encode())
