"""Plan and documents to the places that cause it: what an edit changed is what is pointed at."""

from collections.abc import Mapping
from typing import Any

import pytest
from support_pipeline import ORIGIN, pipeline
from world import World

from exolink_reconcile.desired import desired_state, documents, places, sources
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import HeldBack, Plan
from exolink_reconcile.planning import differ, planner
from exolink_reconcile.planning.choices import Choices

Found = list[tuple[str, str, list[str]]]


def read(files: Mapping[str, str]) -> list[Document]:
    parsed = []
    for path, text in files.items():
        more, problems = documents.read(path, text.encode(), {"NIGHT": "night"})
        assert problems == []
        parsed += more
    return parsed


def plan_of(world: World, parsed: list[Document], **choices: Any) -> Plan:
    desired = desired_state.build(parsed, KINDS)
    with pipeline(world) as run:
        changes = differ.diff(desired, run.live(desired, Choices(may_infer=True, **choices)))
        return planner.plan(changes, desired, run.contract, Choices(may_infer=True, **choices), ORIGIN)


def find(world: World, files: str | Mapping[str, str], **choices: Any) -> Found:
    """Each difference: what and where it is, the field, and for each cause the section and the text that starts there."""
    files = {"a.yaml": files} if isinstance(files, str) else files
    lines = {path: text.split("\n") for path, text in files.items()}
    read_in = read(files)
    shown = []
    for item, field, causes in sources.find(plan_of(world, read_in, **choices), read_in):
        at = [
            f"{p.section + ': ' if p.section else ''}{p.source.path}: {lines[p.source.path][p.source.line - 1][p.source.column - 1 :]}"
            for p in causes
        ]
        word = item.code if isinstance(item, HeldBack) else item.action.word
        shown.append((f"{word} {item.address.local}", field.name if field else "", at))
    return shown


def world(**profiles: int) -> World:
    """Chargers of these profile ids, and two CPMS."""
    live = World()
    live.edit("acme", "tenant", 0, name="Acme")
    for name in ("Primary", "Bench"):
        live.add("acme", "cpms", displayName=name, url="wss://h/", interval=30)
    for name, number in profiles.items():
        live.add("acme", "charger", identity=name, displayName="x", profileId=number)
    return live


def test_nothing() -> None:
    """No difference, no cause."""
    assert find(world(A=1), "tenant: acme\nchargers: [{identity: A, profileId: 1}]\n") == []


def test_the_entrys_own_fields() -> None:
    """Each field of an entry has its own line: where its value stands, also when that is below its key."""
    text = """\
tenant: acme
cpms:
  - displayName: Primary
    # new home
    url:
      wss://new/
  - {displayName: Bench, url: "wss://bench/"}
chargers:
  - identity: A
    displayName: y
    profileId: 2
"""
    assert find(world(A=1), text) == [
        ("update cpms/Bench", "url", ['a.yaml: "wss://bench/"}']),
        ("update cpms/Primary", "url", ["a.yaml: wss://new/"]),
        ("update charger/A", "displayName", ["a.yaml: y"]),
        ("update charger/A", "profileId", ["a.yaml: 2"]),
    ]


def test_the_tenants_own_field() -> None:
    """The name of a tenant has its line in whichever of its documents writes it."""
    text = "tenant: acme\ncpms: []\n---\nname: New\ntenant: acme\n---\ntenant: acme\nchargers: []\n"
    assert find(world(), text) == [("update tenant/acme", "name", ["a.yaml: New"])]


def test_defaults() -> None:
    """A value that the entry does not write has its line in the defaults of its own document."""
    text = """\
tenant: acme
defaults: {chargers: {displayName: Bay, profileId: 1}}
chargers: [{identity: A}]
---
tenant: acme
defaults:
  chargers:
    displayName: x
    profileId: 3
chargers:
  - {identity: B}
  - {identity: C, displayName: z}
"""
    assert find(world(A=1, B=1, C=1), text) == [
        ("update charger/A", "displayName", ["defaults: a.yaml: Bay, profileId: 1}}"]),
        ("update charger/B", "profileId", ["defaults: a.yaml: 3"]),
        ("update charger/C", "displayName", ["a.yaml: z}"]),
        ("update charger/C", "profileId", ["defaults: a.yaml: 3"]),
    ]


TABLE = "tenant: acme\nprofiles:\n  standard: 1\n  night: 5\n"


def test_a_number_behind_a_name() -> None:
    """Where the table was edited, its line comes first, then the line that uses the name; the table may be elsewhere."""
    files = {
        "b/chargers.yaml": "tenant: acme\ndefaults: {chargers: {profile: night}}\nchargers:\n  - {identity: A}\n"
        "  - {identity: B, profile: night}\n  - {identity: C, profile: '${env:NIGHT}'}\n",
        "a.yaml": TABLE,
    }
    assert find(world(A=2, B=2, C=2), files) == [
        ("update charger/A", "profileId", ["profiles: a.yaml: 5", "defaults: b/chargers.yaml: night}}"]),
        ("update charger/B", "profileId", ["profiles: a.yaml: 5", "b/chargers.yaml: night}"]),
        ("update charger/C", "profileId", ["profiles: a.yaml: 5", "b/chargers.yaml: '${env:NIGHT}'}"]),
    ]


def test_a_switched_name() -> None:
    """Where the live number is still in the table, or there is none, the entry was switched: its line comes first."""
    live = world(A=1)
    live.add("acme", "charger", identity="B", displayName="x")
    causes = find(live, TABLE + "chargers:\n  - {identity: A, profile: night}\n  - {identity: B, profile: night}\n")
    assert causes == [
        ("update charger/A", "profileId", ["a.yaml: night}", "profiles: a.yaml: 5"]),
        ("update charger/B", "profileId", ["a.yaml: night}", "profiles: a.yaml: 5"]),
    ]


def test_the_own_form_wins() -> None:
    """An entry's number is its own, whatever name its defaults use."""
    text = TABLE + "defaults: {chargers: {profile: night}}\nchargers:\n  - {identity: A, profileId: 7}\n"
    assert find(world(A=1), text) == [("update charger/A", "profileId", ["a.yaml: 7}"])]


def test_create_and_removed() -> None:
    """A create and a removal are caused by their entries; so is a create-only field's object, which has no change."""
    text = """\
tenant: acme
cpms: [{displayName: Primary, interval: 99, createOnly: [interval]}]
chargers:
  - {profileId: 1, displayName: x, identity: NEW}
removed:
  - {charger: A, reason: gone}
  - {cpms: Bench}
"""
    assert find(world(A=1), text) == [
        ("create charger/NEW", "", ["a.yaml: profileId: 1, displayName: x, identity: NEW}"]),
        ("delete charger/A", "", ["a.yaml: charger: A, reason: gone}"]),
        ("delete cpms/Bench", "", ["a.yaml: cpms: Bench}"]),
    ]


def test_prune() -> None:
    """A pruned object is caused by the pattern that claims it: the first that matches, in the order of the files."""
    text = """\
tenant: acme
policy: {protect: [charger/KEEP], exclusive: ["cpms/Z*", "charger/CP-*"]}
---
tenant: acme
policy:
  exclusive:
    - charger
"""
    causes = find(world(**{"CP-1": 1, "KEEP": 1, "X": 1}), text, prune=True)
    assert causes == [
        ("delete charger/CP-1", "", ['exclusive: a.yaml: "charger/CP-*"]}']),
        ("delete charger/X", "", ["exclusive: a.yaml: charger"]),
    ]


def test_replace() -> None:
    """Every field of a replace has its place, those that could be updated too."""
    text = """\
tenant: acme
policy: {allowReplace: ["cpms/Bench"]}
defaults: {cpms: {interval: 45}}
cpms:
  - displayName: Bench
    url: wss://new/
"""
    assert find(world(), text) == [
        ("replace cpms/Bench", "url", ["a.yaml: wss://new/"]),
        ("replace cpms/Bench", "interval", ["defaults: a.yaml: 45}}"]),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "cpms: [{displayName: Bench, interval: 60}]\n",
            [("E-CANNOT-UPDATE cpms/Bench", "interval", ["a.yaml: 60}]"])],
        ),
        (
            "defaults: {cpms: {interval: 60}}\ncpms: [{displayName: Bench}]\n",
            [("E-CANNOT-UPDATE cpms/Bench", "interval", ["defaults: a.yaml: 60}}"])],
        ),
        (
            "policy: {allowReplace: [cpms/Bench], protect: ['charger/x', 'cpms/B*']}\ncpms: [{displayName: Bench, interval: 60}]\n",
            [("E-PROTECTED cpms/Bench", "interval", ["a.yaml: 60}]", "protect: a.yaml: 'cpms/B*']}"])],
        ),
        (
            "cpms: [{displayName: Bench, id: 999}]\n",
            [("E-NOT-LIVE cpms/Bench", "", ["a.yaml: 999}]"])],
        ),
        (
            "removed:\n  - {charger: B, id: 4}\n",
            [("E-OTHER-NAME charger/B", "", ["a.yaml: 4}"])],
        ),
        (
            "chargers: [{identity: NEW}]\n",
            [("E-CONTRACT charger/NEW", "", ["a.yaml: identity: NEW}]"])],
        ),
    ],
    ids=["own field", "default", "protected", "pin", "removed pin", "create"],
)
def test_held_back(text: str, expected: Found) -> None:
    """What is held back points at the field, the pin or the entry it is about, and at the pattern that protects it."""
    live = world(A=1)
    number = live.row("acme", "charger", "A")["id"]
    causes = find(live, "tenant: acme\n" + text.replace("id: 4", f"id: {number}"))
    assert [
        (word, field, [place.replace(f"{number}}}", "4}") for place in at]) for word, field, at in causes
    ] == expected


def test_braces_of_yaml_1_2() -> None:
    """Places are right too in a file that the parser could only read with stand-ins."""
    text = "tenant: acme\ncpms:\n  - {displayName: Bench, url: wss://b/?a=b:c, interval: 30}\n  - {displayName: Primary, url: wss://p/}\n"
    assert find(world(), text) == [
        ("update cpms/Bench", "url", ["a.yaml: wss://b/?a=b:c, interval: 30}"]),
        ("update cpms/Primary", "url", ["a.yaml: wss://p/}"]),
    ]


def test_recorded() -> None:
    """Without documents every difference has the place that the plan recorded for its object."""
    text = "tenant: acme\ncpms:\n  - displayName: Bench\n    url: wss://new/\n    interval: 31\n"
    recorded = sources.recorded(plan_of(world(), read({"a.yaml": text})))
    assert [(row.field and row.field.name, str(row.causes[0].source)) for row in recorded] == [
        ("url", "a.yaml:3:5"),
        ("interval", "a.yaml:3:5"),
    ]


def test_only_the_files_concerned_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second walk goes over the files that hold a changed field, and over no other."""
    walked = []
    locate = places.locate
    monkeypatch.setattr(places, "locate", lambda file, wanted: walked.append(file.data) or locate(file, wanted))
    files = {
        "a.yaml": "tenant: acme\nchargers: [{identity: A, profileId: 2}]\n",
        "b.yaml": "tenant: acme\nchargers: [{identity: NEW, displayName: x, profileId: 2}]\n",
    }
    assert len(find(world(A=1), files)) == 2
    assert walked == [files["a.yaml"].encode()]
