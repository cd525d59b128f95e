"""YAML text to plain data with places."""

import re

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from support_yaml import dumped

from exolink_reconcile.desired import documents
from exolink_reconcile.references import Unresolved


def read(text: str, environment: dict[str, str] | None = None) -> tuple[list[object], list[tuple[str, int, int]]]:
    """The bodies and the problems, as (code, line, column)."""
    parsed, problems = documents.read("f.yaml", text.encode(), environment if environment is not None else {})
    places = [(problem.code, problem.source.line, problem.source.column) for problem in problems if problem.source]
    return [document.body for document in parsed], places


# ------------------------------------------------------------------------------------------------- against an oracle


words = st.text(alphabet="aZ09é日 :#-,[]{}'\"\\/.=@|>&*!%~<", max_size=8).filter(
    lambda word: not re.search(r"""(^|[\s"'\[\]{},]):""", word)  # `{a: :b, c: x :y}`: refused, as libyaml does
)
trees = st.recursive(
    words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words.filter(bool), inner, max_size=4),
    max_leaves=12,
)


def oracle(text: str) -> list[object] | None:
    """What the pure implementation reads; None where it refuses."""
    try:
        return [document for document in YAML(typ="safe", pure=True).load_all(text) if document is not None]
    except Exception:
        return None


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(words.filter(bool), trees, min_size=1, max_size=4), st.sampled_from([True, False, None]))
def test_as_the_pure_implementation_reads_it(tree: dict[str, object], flow: bool | None) -> None:
    """What another YAML implementation writes and reads as text is read the same here, in every style."""
    text = dumped(tree, flow=flow)
    assume(oracle(text) == [tree])  # it does not always read what it writes
    assert read(text) == ([tree], [])


PLAIN = st.lists(
    st.sampled_from(
        ["a", "b1", ": ", ":", "- ", "\n", "\n  ", "{", "}", "[", "]", ", ", '"', "'", "#", " #", "wss://h"]
    ),
    max_size=14,
).map("".join)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(PLAIN)
def test_never_another_reading_than_the_pure_implementation(text: str) -> None:
    """Whatever somebody types: if both take it, both read the same text; and nothing but a diagnostic is ever raised."""
    text = f"k: {text}\n"
    bodies, problems = read(text)
    assume(not problems)
    expected = oracle(text)
    assume(expected is not None)
    assert bodies == expected


# ------------------------------------------------------------------------------------------------------- plain data


@pytest.mark.parametrize(
    "text", ["0123", "12:30:45", "1e5", "NO", "0x1F", "1_000", ".5", "2025-10-15", "true", "=", "-"]
)
@pytest.mark.parametrize("form", ["{}", "'{}'", '"{}"'])
def test_scalars_are_their_text(text: str, form: str) -> None:
    """A scalar is what was typed, whatever YAML 1.1 would have made of it."""
    if text == "-" and form == "{}":
        text = "-x"
    assert read(f"tenant: {form.format(text)}") == ([{"tenant": text}], [])


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_null(text: str) -> None:
    """Plain null is an error at its place; quoted it is text."""
    assert read(f"a: b\nname: {text}\n")[1][0][:2] == ("E-NULL", 2)
    assert read(f'name: "{text}"')[1] == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x b", ("E-ANCHOR", 1, 4)),
        ("a: !!str b", ("E-TAG", 1, 4)),
        ("a: !secret b", ("E-TAG", 1, 4)),
        ("a: b\na: c", ("E-DUPLICATE-KEY", 2, 1)),
        ("a: b\n'a': c", ("E-DUPLICATE-KEY", 2, 1)),
        ("a: {<<: b}", ("E-MERGE", 1, 5)),
        ("- a", ("E-TYPE", 1, 1)),
        ("a: [b", ("E-SYNTAX", 2, 1)),
        ("a:\n\t- b", ("E-SYNTAX", 2, 1)),
        ("[a]: b", ("E-KEY", 1, 1)),
        ("${env:A}: b", ("E-ENV", 1, 1)),
        ("a: ${oops}", ("E-ENV", 1, 4)),
        ("a: ${env:A", ("E-ENV", 1, 4)),
        ("a: b\x01", ("E-SYNTAX", 1, 5)),
    ],
)
def test_refused_with_its_place(text: str, problem: tuple[str, int, int]) -> None:
    """What is refused is reported with its code, line and column."""
    assert read(text)[1] == [problem]


def test_alias() -> None:
    """An alias is refused where it stands, beside its anchor."""
    assert read("a: &x b\nc: *x\n")[1] == [("E-ANCHOR", 1, 4), ("E-ALIAS", 2, 4)]


def test_a_quoted_merge_key_is_text() -> None:
    """`"<<"` is a key like any other."""
    assert read('"<<": b') == ([{"<<": "b"}], [])


@pytest.mark.parametrize("data", [b"\xff\xfea\x00", b"\xfe\xff\x00a", b"a: \xe9"])
def test_not_utf8(data: bytes) -> None:
    """Any other encoding than UTF-8 is refused."""
    assert [problem.code for problem in documents.read("f.yaml", data, {})[1]] == ["E-ENCODING"]


def test_bom_and_crlf() -> None:
    """A leading BOM and Windows line ends are fine, and do not move a place."""
    parsed, problems = documents.read("f.yaml", b"\xef\xbb\xbftenant: a\r\nname: b\r\n", {})
    assert (parsed[0].body, problems) == ({"tenant": "a", "name": "b"}, [])
    assert parsed[0].body.source[1:] == (1, 1)


@pytest.mark.parametrize(("depth", "codes"), [(32, []), (33, ["E-DEPTH"]), (5_000, ["E-DEPTH"])])
@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_depth(depth: int, codes: list[str], pair: str) -> None:
    """32 levels are read, the 33rd is refused, and no depth ends in a crash."""
    inner = depth - 2
    text = "a: " + ("[" * inner + "[]" + "]" * inner if pair == "[]" else "{a: " * inner + "{}" + "}" * inner)
    assert [code for code, _, _ in read(text)[1]] == codes


def test_environment() -> None:
    """A reference is replaced in every value; `$${` is a literal; without an environment only the syntax is checked."""
    text = "a: 'x${env:A}y$${env:A}'"
    assert read(text, {"A": "1"}) == ([{"a": "x1y${env:A}"}], [])
    parsed, problems = documents.read("f.yaml", text.encode(), None)
    assert problems == [] and isinstance(parsed[0].body["a"], Unresolved) and parsed[0].unresolved


def test_the_environment_cannot_inject() -> None:
    """What a variable holds is text: neither YAML nor another reference."""
    assert read("a: ${env:A}", {"A": "b}\nc: ${env:A}"}) == ([{"a": "b}\nc: ${env:A}"}], [])


# ----------------------------------------------------------------------------------------------------------- places


def test_several_documents() -> None:
    """A file may hold several documents; an empty one declares nothing."""
    assert read("---\na: b\n---\n---\n# nothing\n---\nc: d\n") == ([{"a": "b"}, {"c": "d"}], [])
