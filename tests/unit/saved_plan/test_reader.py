"""A saved plan: whole or refused, and applied exactly or not at all."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_pipeline import Pipeline, as_json, digest_of, document, pipeline
from world import World

from exolink_reconcile.errors import InputError, PlanStale
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.report import text
from exolink_reconcile.saved_plan import reader

CHARGER = {"displayName": "Lobby", "profileId": 1}
WANTED = document(
    "acme",
    cpms=[{"displayName": "A", "url": "wss://u:hunter2@h/", "interval": 5}],
    chargers=[{**CHARGER, "identity": "CP-1", "profileId": 2}, {**CHARGER, "identity": "CP-2"}],
    removed=[{"charger": "Old"}],
)


def world() -> World:
    found = World()
    found.add("acme", "charger", **CHARGER, identity="CP-1")
    found.add("acme", "charger", **CHARGER, identity="Old")
    return found


def save(run: Pipeline, yaml: str = WANTED) -> reader.SavedPlan:
    return reader.read(as_json(run.plan(yaml)).encode())


def check(run: Pipeline, saved: reader.SavedPlan, yaml: str = WANTED) -> None:
    desired = run.desired(yaml)
    reader.check(saved, run.plan(desired), desired, run.live(desired))


def refused(run: Pipeline, saved: reader.SavedPlan, yaml: str = WANTED) -> str:
    with pytest.raises(PlanStale) as caught:
        check(run, saved, yaml)
    return caught.value.code


def settle(found: World, what: str) -> None:
    """One step of the plan happens."""
    match what:
        case "create cpms":
            found.add("acme", "cpms", displayName="A", url="wss://u:hunter2@h/", interval=5)
        case "create charger":
            found.add("acme", "charger", **CHARGER, identity="CP-2")
        case "update":
            found.edit("acme", "charger", "CP-1", profileId=2)
        case "delete":
            found.soft_delete("acme", "charger", "Old")


STEPS = ("create cpms", "create charger", "update", "delete")


def test_unchanged() -> None:
    """A plan that comes out the same may be applied."""
    with pipeline(world()) as run:
        saved = save(run)
        check(run, saved)
        assert saved.digest == digest_of(run.plan(WANTED))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sets(st.sampled_from(STEPS), min_size=1, max_size=4))
def test_after_a_partial_apply(done: set[str]) -> None:
    """A rest of the reviewed steps may be applied while the others are live as planned; nothing left is `already applied`."""
    found = world()
    with pipeline(found) as run:
        saved = save(run)
        for what in done:
            settle(found, what)
        if len(done) < len(STEPS):
            check(run, saved)
        else:
            assert refused(run, saved) == "E-APPLIED"


def another_url(found: World) -> None:
    found.add("acme", "cpms", displayName="A", url="wss://u:hunter2@other/", interval=5)


@pytest.mark.parametrize(
    "drift",
    [
        pytest.param(lambda w: w.edit("acme", "charger", "CP-1", profileId=3), id="the object of an update drifted"),
        pytest.param(lambda w: w.edit("acme", "charger", "CP-1", displayName="x"), id="a field it also sends drifted"),
        pytest.param(lambda w: w.edit("acme", "charger", "Old", profileId=3), id="the object of a delete drifted"),
        pytest.param(lambda w: w.soft_delete("acme", "charger", "CP-1"), id="the object of an update went"),
        pytest.param(another_url, id="what was to be created is there, otherwise"),
        pytest.param(
            lambda w: (w.soft_delete("acme", "charger", "Old"), w.add("acme", "charger", **CHARGER, identity="Old")),
            id="what was to be deleted was made again",
        ),
    ],
)  # fmt: skip
def test_drift(drift: Any) -> None:
    """Whatever moved since the review refuses the whole plan, before anything is written."""
    found = world()
    with pipeline(found) as run:
        saved = save(run)
        drift(found)
        assert refused(run, saved) == "E-STALE"
    assert found.writes == []


@pytest.mark.parametrize(
    "yaml",
    [
        WANTED.replace('identity: "CP-2"', 'identity: "CP-3"'),
        WANTED + 'name: "x"\n',
        WANTED.replace('profileId: "2"', 'profileId: "4"'),
        WANTED.replace('  - {charger: "Old"}\n', '  - {charger: "Old"}\n  - {charger: "CP-8"}\n').replace(
            '"CP-2"', '"CP-7"'
        ),
    ],
)
def test_another_yaml(yaml: str) -> None:
    """A step that nobody reviewed refuses the plan, whatever else is as reviewed."""
    with pipeline(world()) as run:
        assert refused(run, save(run), yaml) == "E-STALE"


def test_a_step_that_is_no_longer_wanted() -> None:
    """A reviewed step that the YAML took back is not `live as planned`."""
    with pipeline(world()) as run:
        saved = save(run)
        assert refused(run, saved, WANTED.replace('  - {displayName: "Lobby", profileId: "1", identity: "CP-2"}\n', "")) == "E-STALE"  # fmt: skip


def test_an_empty_plan() -> None:
    """A plan that had nothing to do comes out the same: a pipeline without a change does not fail."""
    with pipeline(world()) as run:
        check(run, save(run, "tenant: acme\n"), "tenant: acme\n")


def test_a_delete_whose_object_got_another_name_is_not_done() -> None:
    """The object that was to go is still there, under another name: nobody reviewed what is to be done now."""
    found = world()
    with pipeline(found) as run:
        saved = save(run)
        found.edit("acme", "charger", "Old", identity="Renamed")
        assert refused(run, saved) == "E-STALE"


def test_what_was_reviewed_counts_for_the_number_of_deletes_and_the_targets() -> None:
    """Applied again after a part of it was done, a plan's number and its targets still mean what they meant."""
    found = World()
    for name in ("P0", "P1", "P2"):
        found.add("acme", "charger", identity=name)
    yaml = "tenant: acme\npolicy: {exclusive: [charger]}\n"
    chosen: dict[str, Any] = {
        "prune": True,
        "allow_deletes": 3,
        "targets": ("acme/charger/P0", "acme/charger/P1", "acme/charger/P2"),
    }
    with pipeline(found) as run:
        saved = reader.read(as_json(run.plan(yaml, **chosen)).encode())
        found.soft_delete("acme", "charger", "P1")
        plan = run.plan(yaml, **chosen, reviewed=True, saved=saved.reviewed)
    assert [step.address.name for step in plan.steps] == ["P0", "P2"] and plan.refusals == ()


@pytest.mark.parametrize("length", [12, 40, 64])
def test_expect(length: int) -> None:
    """The first digits of the digest are enough, and any other digest is stale."""
    with pipeline(world()) as run:
        plan = run.plan(WANTED)
        reader.check_digest(plan, digest_of(plan)[:length])
        with pytest.raises(PlanStale, match="E-STALE"):
            reader.check_digest(plan, digest_of(plan)[: length - 1] + "g")


# --------------------------------------------------------------------------------------------------------- the file


def saved_text() -> str:
    with pipeline(world()) as run:
        return as_json(run.plan(WANTED))


SAVED = saved_text()


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every leaf."""
    if isinstance(value, dict):
        return [place for name, inner in value.items() for place in places(inner, (*path, name))]
    if isinstance(value, list):
        return [place for number, inner in enumerate(value) for place in places(inner, (*path, number))]
    return [path]


@pytest.mark.parametrize("path", places(json.loads(SAVED)), ids=lambda path: ".".join(map(str, path)))
def test_edited(path: tuple[Any, ...]) -> None:
    """Change any value of a saved plan, and it is refused."""
    document_ = json.loads(SAVED)
    here = document_
    for part in path[:-1]:
        here = here[part]
    before = here[path[-1]]
    here[path[-1]] = (
        (not before) if isinstance(before, bool) else before + 1 if isinstance(before, int) else f"{before}x"
    )
    with pytest.raises((PlanStale, InputError)):
        reader.read(json.dumps(document_).encode())


def test_another_layout_is_the_same_plan() -> None:
    """Formatting a saved plan does not edit it."""
    assert reader.read(json.dumps(json.loads(SAVED), indent=4).encode()) == reader.read(SAVED.encode())


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b"\xff", SAVED[:-100].encode(), b'{"format_version": "1.2"}', b"[" * 100_000]
)
def test_no_plan(data: bytes) -> None:
    """What cannot be read as a plan is invalid input, not a stale plan and not a crash."""
    with pytest.raises(InputError, match="E-PLAN-FILE"):
        reader.read(data)


def test_no_secret_is_stored() -> None:
    """A saved plan holds no password, and marks what it masks."""
    assert "hunter2" not in SAVED and "secret-token" not in SAVED
    [row] = [row for row in json.loads(SAVED)["resource_changes"] if row["type"] == "exolink_cpms"]
    assert row["change"]["after"]["url"] == "wss://u:***@h/" and row["change"]["after_sensitive"] == {"url": True}


def test_shown_as_it_was() -> None:
    """A saved plan is shown as it was when it was made: the same text, byte for byte."""
    with pipeline(world()) as run:
        plan = run.plan(WANTED)
    shown = reader.plan(reader.read(as_json(plan).encode()), KINDS)
    assert text.plan(shown, "0" * 64) == text.plan(plan, "0" * 64)


def test_one_line_and_canonical() -> None:
    """A plan is one line of ASCII with sorted keys."""
    assert SAVED.endswith("}\n") and SAVED.count("\n") == 1 and SAVED.isascii()
    assert SAVED.rstrip("\n") == json.dumps(json.loads(SAVED), sort_keys=True, separators=(",", ":"))
