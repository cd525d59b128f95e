"""What a reader of the plan should know, and no step says."""

import json

import pytest
from ruamel.yaml import YAML
from support_pipeline import (
    CONTRACT_TEXT,
    digest_of,
    pipeline,
)
from support_planning import (
    CHARGER,
    plan_of,
    settled_world,
    yaml,
)


@pytest.mark.parametrize(
    ("glob", "warned"),
    [
        ("charger/cp-*", True),
        ("charger/CP-[0-9]", True),
        ("charger/{CP-1,CP-2}", True),
        ("cpms/primary*", True),
        ("charger/CP-*", False),
        ("charger/LIVE-*", False),
        ("charger", False),
        ("cpms/Old", False),
    ],
)
@pytest.mark.parametrize("list_name", ["protect", "exclusive"])
def test_row_A3_a_glob_that_protects_nothing(glob: str, warned: bool, list_name: str) -> None:
    """A glob of the policy that matches nothing declared, removed or live is named, with its place."""
    world = settled_world()
    world.add("acme", "charger", identity="LIVE-1", displayName="x", profileId=1)
    removed = "" if list_name == "protect" else "removed: [{cpms: Old}]\n"
    if glob == "cpms/Old" and list_name == "protect":
        world.add("acme", "cpms", displayName="Old", url="wss://h/", interval=5)
    notes = plan_of(world, yaml() + f'policy: {{{list_name}: ["{glob}"]}}\n' + removed).notes
    summaries = [note.summary for note in notes if note.code == "W-GLOB"]
    assert [f"`{glob}`" in summary for summary in summaries] == [True] * warned


def test_nothing_to_compare_is_said_only_then() -> None:
    """A target that leaves something needs no note."""
    assert plan_of(settled_world(), yaml(), targets=("acme/cpms/*",)).notes == ()
    [note] = plan_of(settled_world(), yaml(), excludes=("*",)).notes
    assert "rule out everything" in note.summary


def test_an_api_without_a_get_of_one_object_says_so() -> None:
    """Where only a list can be read right before a write, the plan says that there is no better check; its digest is the same."""
    description = YAML(typ="safe").load(CONTRACT_TEXT)
    for path, operations in description["paths"].items():
        if path.count("/") == 4:
            del operations["get"]
    world = settled_world()
    text = yaml(cpms={"url": "wss://new/"}, chargers=[CHARGER, {**CHARGER, "identity": "NEW"}])
    with pipeline(world) as run:
        usual = run.plan(text)
    with pipeline(world, contract_text=json.dumps(description)) as run:
        poor, result = run.plan(text), run.apply(text)
    [note] = poor.notes
    assert note.code == "W-RECHECK" and "no GET of a single cpms" in note.summary  # a create needs none
    assert usual.notes == () and digest_of(usual) == digest_of(poor)
    assert result.exit_codes == () and not any(r.method == "GET" and r.path.count("/") == 4 for r in world.log)


def test_a_glob_on_a_list_that_was_not_read_is_not_judged() -> None:
    """What is live there is not known, so nothing is said; of what was read each glob is named, in their order."""
    globs = ["cpms/Z*", "charger/A*", "cpms/B*"]
    text = yaml(policy={"protect": globs})
    summaries = [note.summary for note in plan_of(settled_world(), text, targets=("acme/cpms/*",)).notes]
    assert [summary.split("`")[1] for summary in summaries] == ["cpms/B*", "cpms/Z*"]
    summaries = [note.summary for note in plan_of(settled_world(), text).notes]
    assert [summary.split("`")[1] for summary in summaries] == sorted(globs)
