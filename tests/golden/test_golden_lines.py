"""Findings and plans at their lines, byte for byte, as each host of code gets them: none, one, many, and hostile names.

GOLDEN=write .venv/bin/python -m pytest tests/golden        writes tests/golden/lines again; then read the diff
"""

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support_pipeline import ORIGIN, pipeline
from world import World

from exolink_reconcile.cli import checkout
from exolink_reconcile.desired import desired_state, documents, sources
from exolink_reconcile.errors import InputError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Diagnostic
from exolink_reconcile.planning import differ, planner
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.report import codequality, github, sarif

FOLDER = Path(__file__).parent / "lines"
AS_GIVEN = checkout.from_root({})

# ------------------------------------------------------------------------------------------------------------ findings

HOSTILE = (
    "::error file=x::boo",
    "%0A::error::x",
    "##[error]x",
    "🔌 plug, a: b",
    "\\u202Eevil",
    "a\\nb",
    "[x](http://evil)",
)
FINDINGS = {
    "none": "tenant: acme\n",
    "one": "tenant: acme\nchargers:\n  - {identity: CP-1, profileId: x}\n",
    "many": "tenant: acme\ncpms:\n  - {displayName: A, url: 'wss://u:p@h/'}\n"
    + "".join(f"  - {{displayName: B{number % 3}, url: nope, colour: red}}\n" for number in range(12)),
    "hostile": "tenant: acme\nchargers:\n" + "".join(f'  - {{identity: "{name}", "{name}": 1}}\n' for name in HOSTILE),
}


def findings(text: str, path: str = "./estate/a b%,:é.yaml") -> tuple[Diagnostic, ...]:
    parsed, problems = documents.read(path, text.encode(), None)
    try:
        return desired_state.build(parsed, KINDS, problems=problems).warnings
    except InputError as error:
        return error.diagnostics


def without_rules(log: str) -> str:
    """SARIF, with the words of its rules in the place of their texts, which are the same every time."""
    loaded = json.loads(log)
    driver = loaded["runs"][0]["tool"]["driver"]
    driver["rules"] = " ".join(rule["id"] for rule in driver["rules"])
    return json.dumps(loaded, indent=2) + "\n"


WRITERS: dict[str, Callable[[tuple[Diagnostic, ...]], str]] = {
    "github.txt": lambda found: github.diagnostics(found, AS_GIVEN),
    "sarif.json": lambda found: without_rules(sarif.diagnostics(found, AS_GIVEN, version="0.0.0")),
    "codequality.json": lambda found: codequality.diagnostics(found, AS_GIVEN),
}

# --------------------------------------------------------------------------------------------------------------- plans

MANY = """\
tenant: acme
name: Acme
policy: {exclusive: ["charger/OLD-*"], allowReplace: [cpms/Redo]}
profiles:
  standard: 3
  night: 2
defaults:
  cpms: {interval: 45}
  chargers: {profile: standard, displayName: Bay}
cpms:
  - {displayName: Primary, url: "wss://u:secret-two@new/"}
  - {displayName: Redo, url: "wss://h/"}
  - {displayName: Held, url: "wss://h/", interval: 60}
chargers:
"""


def many() -> World:
    """A table and a default that change many, a replace, what is held back, prunes, removals, and a long tail."""
    world = World()
    for name in ("Primary", "Redo", "Held"):
        url = "wss://u:secret-one@h/" if name == "Primary" else "wss://h/"
        world.add("acme", "cpms", displayName=name, url=url, interval=30)
    for number in range(40):
        world.add("acme", "charger", identity=f"CP-{number:02}", displayName="Bay", profileId=1)
    for number in range(3):
        world.add("acme", "charger", identity=f"OLD-{number}", displayName="Bay", profileId=3)
    for number in range(9):
        world.add("acme", "charger", identity=f"GONE-{number}", displayName="Bay", profileId=3)
    return world


def hostile() -> World:
    world = World()
    for name in HOSTILE:
        world.add(
            "acme", "cpms", displayName=name.replace("\\u202E", "").replace("\\n", ""), url="wss://h/", interval=30
        )
    return world


ENTRIES = [f"  - {{identity: CP-{number:02}}}\n" for number in range(25)]
OWN = [f"  - identity: CP-{number:02}\n    profileId: {number}\n" for number in range(25, 40)]
NEW = ["  - {identity: NEW-1}\n", "  - {identity: NEW-2}\n", "  - {identity: NEW-3, profile: night}\n"]
GONE = [f"  - {{charger: GONE-{number}, reason: 'contract ended'}}\n" for number in range(9)]
GONE_IN_BLOCKS = [f"  - charger: GONE-{number}\n    reason: 'contract ended'\n" for number in range(9)]
PLANS: dict[str, tuple[Callable[[], World], str]] = {
    "none": (World, "tenant: acme\n"),
    "one": (many, "tenant: acme\nchargers:\n  - identity: CP-00\n    profileId: 2\n"),
    "many": (many, "".join([MANY, *ENTRIES, *OWN, *NEW, "removed:\n", *GONE])),
    # Removals whose lines do not follow each other: not all of them have room.
    "crowd": (many, "".join([MANY.removesuffix("chargers:\n"), "removed:\n", *GONE_IN_BLOCKS])),
    "hostile": (
        hostile,
        "tenant: acme\ncpms:\n"
        + "".join(
            f'  - {{displayName: "{name}", url: "wss://h/%0A::error::x"}}\n' for name in HOSTILE if "\\" not in name
        ),
    ),
}


def plan(story: str) -> str:
    make, text = PLANS[story]
    parsed, problems = documents.read("estate/acme.yaml", text.encode(), {})
    desired = desired_state.build(parsed, KINDS, problems=problems)
    choices = Choices(may_infer=True, prune=story in ("many", "crowd"))
    with pipeline(make()) as run:
        changes = differ.diff(desired, run.live(desired, choices))
        planned = planner.plan(changes, desired, run.contract, choices, ORIGIN)
    return github.plan(planned, sources.find(planned, parsed), AS_GIVEN)


# --------------------------------------------------------------------------------------------------------------- tests


def written(story: str, name: str) -> str:
    return WRITERS[name](findings(FINDINGS[story]))


STORIES: dict[str, Callable[[], str]] = {
    **{f"findings-{story}.{name}": functools.partial(written, story, name) for story in FINDINGS for name in WRITERS},
    **{f"plan-{story}.github.txt": functools.partial(plan, story) for story in PLANS},
}


@pytest.mark.parametrize("name", STORIES)
def test_golden(name: str) -> None:
    """The report is what it was when somebody last looked at it."""
    story = STORIES[name]()
    path = FOLDER / name
    if os.environ.get("GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_bytes(story.encode())
    assert story == path.read_bytes().decode()


def test_nothing_is_left_over() -> None:
    """Every golden file belongs to a story."""
    assert {path.name for path in FOLDER.iterdir()} == set(STORIES)


@pytest.mark.parametrize("name", [name for name in STORIES if "github" in name])
def test_every_line_is_one_command(name: str) -> None:
    """A name from the YAML starts no line, ends none, and adds no command or property of its own."""
    for line in STORIES[name]().splitlines():
        level, _, rest = line.removeprefix("::").partition(" ")
        properties, _, message = rest.partition("::")
        assert line.startswith("::") and level in ("error", "warning", "notice")
        assert [property.partition("=")[0] for property in properties.split(",")] in (
            ["title"],
            ["title", "file", "line", "col"],
            ["title", "file", "line", "endLine"],
        )
        assert "::" not in message and "##[" not in message and message.isprintable()


@pytest.mark.parametrize("name", [name for name in STORIES if "github" in name])
def test_within_the_limit(name: str) -> None:
    """Ten of a kind are the most; GitHub would drop the rest without a word."""
    lines = STORIES[name]().splitlines()
    for level in ("error", "warning", "notice"):
        assert sum(line.startswith(f"::{level} ") for line in lines) <= 10
