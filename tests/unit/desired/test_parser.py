"""Text that YAML 1.2 or JSON allows and libyaml does not, read all the same; and the parser is the compiled one."""

import json
import subprocess
import sys

import _ruamel_yaml
import pytest

from exolink_reconcile.desired import documents, parser


def read_text(text: str) -> tuple[list[object], list[tuple[str, int, int]]]:
    """The bodies and the problems, as (code, line, column)."""
    parsed, problems = documents.read("f.yaml", text.encode(), {})
    places = [(problem.code, problem.source.line, problem.source.column) for problem in problems if problem.source]
    return [document.body for document in parsed], places


def test_the_c_parser_is_in_use() -> None:
    """The reader runs on libyaml: its parser is the compiled one, not the pure fallback."""
    c_parser = vars(parser)["CParser"]
    assert c_parser is _ruamel_yaml.CParser
    assert c_parser.__module__.endswith("_ruamel_yaml")
    assert (_ruamel_yaml.__file__ or "").endswith((".so", ".pyd"))
    assert type(c_parser(b"a: b").get_event()).__name__ == "StreamStartEvent"


def test_without_the_c_parser_nothing_is_read() -> None:
    """Without `ruamel.yaml.clib` the reader fails at once; it never goes on 25 times slower."""
    code = "import sys; sys.modules['_ruamel_yaml'] = None; import exolink_reconcile.desired.documents"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and "_ruamel_yaml" in done.stderr


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: {url: wss://host:80/p}", {"a": {"url": "wss://host:80/p"}}),
        ("a: {url: wss://h, t: 12:30}", {"a": {"url": "wss://h", "t": "12:30"}}),
        ("a: [a:b, {c: d:e}]", {"a": ["a:b", {"c": "d:e"}]}),
        ('a: {"k":v, url: wss://h}', {"a": {"k": "v", "url": "wss://h"}}),
        ("x:y: z\na: {url: wss://h}", {"x:y": "z", "a": {"url": "wss://h"}}),
        ("b: 'q:q'\nc: |\n  l:l\na: {url: é:日}", {"b": "q:q", "c": "l:l\n", "a": {"url": "é:日"}}),
    ],
)
def test_colons_inside_braces(text: str, value: object) -> None:
    """A colon between two characters is text, inside braces too, as YAML 1.2 has it."""
    assert read_text(text) == ([value], [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: {url: wss://h/?token=x}", {"a": {"url": "wss://h/?token=x"}}),
        ("a: {url: wss://h/?token=x&k=y, b: c}", {"a": {"url": "wss://h/?token=x&k=y", "b": "c"}}),
        ("a: [charger/CP-?, b?c]", {"a": ["charger/CP-?", "b?c"]}),
    ],
)
def test_question_marks_inside_braces(text: str, value: object) -> None:
    """A question mark inside plain text is text, inside braces too: the query of a URL, a glob of a policy."""
    assert read_text(text) == ([value], [])


@pytest.mark.parametrize("pair", [r"\ud83d\ude00", r"\U0001f600"])
def test_question_marks_beside_escapes_of_json(pair: str) -> None:
    """Text inside braces stays as it was written where a later line has an escape that JSON writes in two parts."""
    text = f'- {{a: wss://h/?b, c: "{pair}"}}\n- {{a: "{pair}", b: What?}}\n'
    assert read_text(f"k:\n{text}") == ([{"k": [{"a": "wss://h/?b", "c": "😀"}, {"a": "😀", "b": "What?"}]}], [])


@pytest.mark.parametrize("escape", ["\\ud83d\\ude00", "\\uD83D\\uDE00", "\\\\\\ud83d\\ude00"])
def test_places_behind_an_escape_of_json(escape: str) -> None:
    """A character that JSON escapes in two parts moves no place, and reads as one character."""
    text = f'{{"name": "{escape}", "k": ~}}'
    bodies, problems = read_text(text)
    assert bodies == [{"name": json.loads(f'"{escape}"'), "k": ""}]
    assert problems == [("E-NULL", 1, text.index("~") + 1)]


def test_escapes_of_json_as_text() -> None:
    """In single quotes an escape is text, beside a character that is escaped in the same way; half of one is an error."""
    text = "a: \"\\ud83d\\ude00\"\nb: '\\ud83d\\ude00'\nc: \\ud83d\\ude00\n"
    assert read_text(text) == ([{"a": "😀", "b": "\\ud83d\\ude00", "c": "\\ud83d\\ude00"}], [])
    assert [code for code, *_ in read_text('a: "\\ud83d"')[1]] == ["E-SYNTAX"]
    assert [code for code, *_ in read_text('a: "\\ud83d\\ude00 \ue100"')[1]] == ["E-SYNTAX"]


def test_places_behind_a_colon() -> None:
    """A shielded colon moves no place."""
    assert read_text("a: {url: wss://é:1/, k: ~}")[1] == [("E-NULL", 1, 26 - 1)]
