"""Live values into the existing text: the scalars that differ change, in their own style, and nothing else does."""

import pytest
from support_pipeline import pipeline
from world import World

from exolink_reconcile.desired import desired_state, documents, write_back
from exolink_reconcile.desired.write_back import Rewrite, Span, Unwritten
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.planning import differ

ENVIRONMENT = {"HOST": "env.example.com", "PW": "pw"}


def written(text: str, world: World, refused: str = "") -> tuple[str, list[Unwritten]]:
    """The text with the live values, and what was not written; YAML must not declare the live value of field `refused`."""
    read, problems = documents.read("a.yaml", text.encode(), ENVIRONMENT)
    assert problems == []
    desired = desired_state.build(read, KINDS)
    with pipeline(world) as run:
        changes = differ.diff(desired, run.live(desired))
    rewrites, unwritten = write_back.rewrite(read, changes, lambda kind, name, value: "no" if name == refused else "")
    assert len(rewrites) <= 1
    return (rewrites[0].after if rewrites else text), unwritten


def live(**fields: str | int) -> World:
    """A tenant with one backend and one charger."""
    world = World()
    world.add("acme", "cpms", displayName="Main", **{"url": "wss://h/", "interval": 30, **fields})
    world.add("acme", "charger", identity="CP-1", displayName="New", profileId=2)
    return world


def entry(url: str) -> str:
    return f"tenant: acme\ncpms:\n  - displayName: Main # ours\n    url: {url}   # host\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("wss://old/", "wss://new/a"),
        ("'wss://old/'", "'wss://new/a'"),
        ('"wss://old/"', '"wss://new/a"'),
        ('"wss:\\/\\/old/"', '"wss://new/a"'),
    ],
)
def test_a_scalar_keeps_its_style(before: str, after: str) -> None:
    """Plain stays plain, a quote stays that quote, and every comment and blank stays."""
    assert written(entry(before), live(url="wss://new/a")) == (entry(after), [])


def test_escapes_of_json_stay() -> None:
    """An escape in two parts, as JSON writes it, stays as it is: only the scalar that differs changes."""
    text = (
        r'{"tenant": "acme", "removed": [{"charger": "X", "reason": "\ud83d\ude00"}],'
        ' "chargers": [{"identity": "CP-1", "displayName": "%s"}]}\n'
    )
    assert written(text % "Old", live()) == (text % "New", [])


@pytest.mark.parametrize(
    ("name", "scalar"),
    [
        ("Left: door", '"Left: door"'),
        ("null", '"null"'),
        ("# not a comment", '"# not a comment"'),
        (" blank ", '" blank "'),
        ("${HOME}", '"$${HOME}"'),
        ("::error::x", '"\\u003a\\u003aerror\\u003a\\u003ax"'),
    ],
)
def test_text_that_plain_would_misread_is_quoted(name: str, scalar: str) -> None:
    """What YAML, this tool's references or a CI runner would take for something else stands in double quotes."""
    world = World()
    world.add("acme", "charger", identity="CP-1", displayName=name, profileId=1)
    text = "tenant: acme\nchargers:\n  - {identity: CP-1, displayName: Old}\n"
    after, unwritten = written(text, world)
    assert unwritten == [] and after.startswith("tenant: acme\nchargers:\n  - {identity: CP-1, displayName: ")
    [read], problems = documents.read("a.yaml", after.encode(), {})
    assert problems == [] and read.body["chargers"][0]["displayName"] == name
    assert "::error" not in after and (scalar in after or name.startswith("::"))


@pytest.mark.parametrize(
    ("text", "why", "place"),
    [
        ("cpms: [{displayName: Main, url: 'wss://${env:HOST}/'}]", "it comes from the environment", "2:33"),
        ("defaults: {cpms: {interval: 60}}\ncpms: [{displayName: Main}]", "it comes from `defaults`", "2:29"),
        (
            "profiles: {day: 1}\nchargers: [{identity: CP-1, profile: day}]",
            "it is written as `profile: day`",
            "3:38",
        ),
        ("cpms: [{displayName: Gone}]", "it is not live", "2:9"),
        ("removed: [{cpms: Main}]", "it is live, though `removed` names it", "2:12"),
        ("cpms: [{displayName: Main, interval: 60}]", "no", "2:38"),
    ],
)
def test_what_is_not_written_says_why_and_where(text: str, why: str, place: str) -> None:
    """A value that also concerns other objects, or must not be declared, is left with its reason and its place."""
    text = f"tenant: acme\n{text}\n"
    after, unwritten = written(text, live(), refused="interval" if why == "no" else "")
    assert after == text
    assert (why, f"a.yaml:{place}") in [(item.why, str(item.source)) for item in unwritten]


def test_a_secret_is_never_written() -> None:
    """The live password of a backend does not come into a file."""
    after, unwritten = written(entry("wss://u:old@h/"), live(url="wss://u:new@h/"))
    assert after == entry("wss://u:old@h/") and [item.why for item in unwritten] == ["it holds a secret"]


def test_what_is_new_has_no_place() -> None:
    """An object that nobody declared is named, with its id, and no place."""
    _, unwritten = written("tenant: acme\ncpms: []\npolicy: {exclusive: [cpms]}\n", live())
    assert [(item.subject, item.source) for item in unwritten] == [("acme/cpms/Main", None)]
    assert "it is new: live as id" in unwritten[0].why


def rewrite(text: str, *changes: tuple[str, str]) -> list[str]:
    """The diff that replaces each of these pieces of a text."""
    spans = tuple(Span(text.index(before), text.index(before) + len(before), after) for before, after in changes)
    return list(write_back.unified_diff(Rewrite("a.yaml", text, spans, b"")))


def test_a_diff_has_three_lines_around_each_change() -> None:
    """Changes that are near each other share a hunk, others have their own; `patch` and a reviewer read it."""
    text = "".join(f"line{number}\n" for number in range(1, 21))
    assert rewrite(text, ("line2", "two"), ("line18", "eighteen")) == [
        "--- a.yaml", "+++ a.yaml",
        "@@ -1,5 +1,5 @@", " line1", "-line2", "+two", " line3", " line4", " line5",
        "@@ -15,6 +15,6 @@", " line15", " line16", " line17", "-line18", "+eighteen", " line19", " line20",
    ]  # fmt: skip
    assert len([line for line in rewrite(text, ("line2", "x"), ("line8", "y")) if line.startswith("@@")]) == 1


def test_a_diff_says_that_a_file_ends_without_a_line_break() -> None:
    """The last line is not made to end otherwise than it does."""
    assert rewrite("a: 1", ("1", "2")) == [
        "--- a.yaml",
        "+++ a.yaml",
        "@@ -1,1 +1,1 @@",
        "-a: 1",
        "+a: 2",
        "\\ No newline at end of file",
    ]


def test_a_diff_shows_no_secret_and_steers_nothing() -> None:
    """The lines around a change may hold a password, or characters that move a cursor."""
    lines = rewrite("url: wss://u:hunter2@h/\nname: \x1b[31mA\ninterval: 30\n", ("30", "60"))
    assert "hunter2" not in "".join(lines) and "\x1b" not in "".join(lines)
    assert " url: wss://***@h/" in lines or any("***" in line for line in lines)
