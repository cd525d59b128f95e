"""What must stand under a key: a mapping or a list of mappings; anything else is a problem at its place."""

import pytest

from exolink_reconcile.desired import documents, shapes
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.problems import Problems


def body(text: str) -> Node:
    [document], problems = documents.read("a.yaml", text.encode(), {})
    assert problems == []
    return document.body


def seen(problems: Problems) -> list[tuple[str, str]]:
    """The code of each problem and its place."""
    return [(problem.code, str(problem.source)) for problem in problems.diagnostics()]


def test_a_mapping_is_itself() -> None:
    """A mapping with known keys is given back, and nothing is reported."""
    problems = Problems()
    mapping = shapes.mapping(problems, body("policy: {protect: []}\n"), "policy", ["protect"])
    assert mapping == {"protect": []} and seen(problems) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("policy: all\n", [("E-TYPE", "a.yaml:1:9")]),
        ("policy: [a]\n", [("E-TYPE", "a.yaml:1:9")]),
        ("policy: ${env:X}\n", [("E-ENV", "a.yaml:1:9"), ("E-TYPE", "a.yaml:1:9")]),
        ("policy: {protct: []}\n", [("E-UNKNOWN-KEY", "a.yaml:1:10")]),
        ("other: 1\n", []),
    ],
)
def test_what_is_not_a_mapping_is_reported(text: str, expected: list[tuple[str, str]]) -> None:
    """Text, a list and an unknown key have their code and their place; a key that is missing is none of it."""
    problems = Problems()
    shapes.mapping(problems, body(text), "policy", ["protect"])
    assert seen(problems) == expected


def test_any_key_is_fine_where_none_is_named() -> None:
    """A table of names, like `profiles`, has the keys that its writer chose."""
    problems = Problems()
    assert shapes.mapping(problems, body("profiles: {night: 1}\n"), "profiles", None) == {"night": "1"}
    assert seen(problems) == []


def test_the_good_entries_of_a_list_are_kept() -> None:
    """One entry that is not a mapping is reported at its place, and the others are still read."""
    problems = Problems()
    nodes = shapes.entries(
        problems, body("cpms: [{displayName: A}, B, {displayName: C}]\n"), "cpms", "- displayName: X"
    )
    assert [node["displayName"] for node in nodes] == ["A", "C"] and seen(problems) == [("E-TYPE", "a.yaml:1:26")]


@pytest.mark.parametrize(("text", "hint"), [("cpms: {displayName: A}\n", "dash"), ("cpms: A\n", "dash")])
def test_a_list_that_is_not_one_says_how_to_write_it(text: str, hint: str) -> None:
    """The hint shows an entry with its dash."""
    problems = Problems()
    assert shapes.entries(problems, body(text), "cpms", "- displayName: X") == []
    [problem] = problems.diagnostics()
    assert problem.code == "E-TYPE" and hint in problem.detail and "- displayName: X" in problem.detail


def test_every_variable_that_an_entry_needs_is_named() -> None:
    """Variables in values and in the items of lists are reported, each at its place."""
    problems = Problems()
    shapes.needs_all(problems, body("a: ${env:ONE}\nb: [x, '${env:TWO}']\n"))
    assert [(problem.summary.split()[3], str(problem.source)) for problem in problems.diagnostics()] == [
        ("ONE", "a.yaml:1:4"),
        ("TWO", "a.yaml:2:8"),
    ]
