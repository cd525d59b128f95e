"""A saved plan: whole or refused, and applied exactly or not at all."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
import support_plans
from support_pipeline import OPTIONS, as_json, document, pipeline
from support_saved_plans import CHARGER, WANTED, save, world
from world import World

from exolink_reconcile.errors import InputError, PlanStale
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, FieldChange, HeldBack, Source
from exolink_reconcile.report import text
from exolink_reconcile.resource import Address
from exolink_reconcile.saved_plan import reader, writer
from exolink_reconcile.secret_url import SecretUrl


def test_the_options_of_a_saved_plan() -> None:
    """They are those that it was made with, by name."""
    with pipeline(world()) as run:
        options = save(run).options
    assert options == {name: tuple(value) if isinstance(value, list) else value for name, value in OPTIONS.items()}


def test_what_was_reviewed_counts_for_the_number_of_deletes_and_the_targets() -> None:
    """Applied again after a part of it was done, a plan's number and its targets still mean what they meant."""
    live = World()
    for name in ("P0", "P1", "P2"):
        live.add("acme", "charger", identity=name)
    yaml = "tenant: acme\npolicy: {exclusive: [charger]}\n"
    chosen: dict[str, Any] = {
        "prune": True,
        "allow_deletes": 3,
        "targets": ("acme/charger/P0", "acme/charger/P1", "acme/charger/P2"),
    }
    with pipeline(live) as run:
        saved = reader.read(as_json(run.plan(yaml, **chosen)).encode())
        live.soft_delete("acme", "charger", "P1")
        plan = run.plan(yaml, **chosen, reviewed=True, saved=saved.reviewed)
    assert [step.address.name for step in plan.steps] == ["P0", "P2"] and plan.refusals == ()


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
    place = document_
    for part in path[:-1]:
        place = place[part]
    before = place[path[-1]]
    place[path[-1]] = (
        (not before) if isinstance(before, bool) else before + 1 if isinstance(before, int) else f"{before}x"
    )
    with pytest.raises((PlanStale, InputError)):
        reader.read(json.dumps(document_).encode())


def facts() -> list[tuple[Any, ...]]:
    """The path of every value of the saved plan that a digest covers."""
    plan = json.loads(SAVED)
    paths: list[tuple[Any, ...]] = [("exolink", "digest"), ("exolink", "api_url")]
    for number, change in enumerate(plan["exolink"]["changes"]):
        own = ("exolink", "changes", number)
        paths += [(*own, "address"), (*own, "digest"), *((*own, "secrets", name) for name in change["secrets"])]
        paths += [(*own, "sends", place) for place in range(len(change["sends"]))]
        row = plan["resource_changes"][number]["change"]
        names = [*change["sends"], *(row["before"] or {})] if change["action"] == "delete" else change["sends"]
        for side, values in (("before", row["before"]), ("after", row["after"])):
            paths += [("resource_changes", number, "change", side, name) for name in names if name in (values or ())]
        paths.append(("resource_changes", number, "address"))
    return paths


@pytest.mark.parametrize("path", facts(), ids=lambda path: ".".join(map(str, path)))
def test_an_edited_fact_is_refused_whatever_the_checksum_says(path: tuple[Any, ...]) -> None:
    """The digests are recomputed from the steps: a checksum that fits the edit does not help it."""
    edited = json.loads(SAVED)
    place = edited
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = place[path[-1]] + 1 if isinstance(place[path[-1]], int) else f"{place[path[-1]]}x"
    edited["exolink"]["checksum"] = writer.checksum_of(edited)
    with pytest.raises((PlanStale, InputError)):
        reader.read(json.dumps(edited).encode())


def test_an_edit_that_keeps_the_layout_is_refused() -> None:
    """The checksum is that of the very bytes, wherever in them something was replaced."""
    reader.read(SAVED.encode())
    for before, after in (("Lobby", "Lobbx"), ("wss://", "ws://"), ('"complete":true', '"complete":false')):
        assert before in SAVED
        with pytest.raises(PlanStale, match="E-EDITED"):
            reader.read(SAVED.replace(before, after).encode())


@pytest.mark.parametrize(
    "name", ["##vso[task]", "a ::error:: b", "###", ":::", r"#\u0023", r":\\u003a", '"checksum":"']
)
def test_any_name_survives_the_file(name: str) -> None:
    """What a CI runner would obey is written as an escape, and read as the same name."""
    yaml = document("acme", chargers=[{**CHARGER, "identity": "CP-1", "displayName": name}])
    with pipeline(world()) as run:
        data = as_json(run.plan(yaml)).encode()
    saved = reader.plan(reader.read(data), KINDS)
    assert [field.after for step in saved.steps for field in step.fields] == [name]
    own = json.loads(data)["exolink"]["checksum"]
    with patch.object(json, "loads", side_effect=AssertionError("read as JSON once more")):
        assert writer.checksum_as_written(data) == own


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


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "this is not a saved plan: it is not JSON"),
        (b"[" * 100_000, "this is not a saved plan: it is not JSON"),
        (b'{"format_version": "1.2"}', "this is not a saved plan: Field required"),
        (SAVED.replace('"1.2"', '"0.9"').encode(), "this is not a saved plan: Input should be '1.2'"),
    ],
)
def test_why_it_is_no_plan(data: bytes, why: str) -> None:
    """The message names the first thing that is wrong, and how to make a plan."""
    with pytest.raises(InputError) as caught:
        reader.read(data)
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.summary == why and "plan --out FILE" in diagnostic.detail


MIXED, BRANCH = as_json(support_plans.mixed()), as_json(support_plans.pull_request())


def forged(text: str, edit: Callable[[Any], Any]) -> reader.SavedPlan:
    """What is read of a plan file that somebody edited, and gave the checksum that it must have."""
    plan = json.loads(text)
    edit(plan)
    plan["exolink"]["checksum"] = writer.checksum_of(plan)
    return reader.read(json.dumps(plan).encode())


def change_of(plan: Any, address: str = "acme/charger/CP-0001") -> Any:
    return next(change for change in plan["exolink"]["changes"] if change["address"] == address)


def row_of(plan: Any, index: str = "CP-0001") -> Any:
    return next(row for row in plan["resource_changes"] if row["index"] == index)["change"]


EDITS: dict[str, Callable[[Any], Any]] = {
    "another API to send it to": lambda plan: plan["exolink"]["options"].update(api_url="https://evil.example"),
    "another API that it was made for": lambda plan: plan["exolink"].update(api_url="https://evil.example"),
    "both": lambda plan: (
        plan["exolink"].update(api_url="https://evil.example"),
        plan["exolink"]["options"].update(api_url="https://evil.example"),
    ),
    "a step less": lambda plan: plan["exolink"]["changes"].pop(),
    "a row less": lambda plan: plan["resource_changes"].pop(),
    "a step and its row less": lambda plan: (plan["exolink"]["changes"].pop(), plan["resource_changes"].pop()),
    "another digest of a step": lambda plan: change_of(plan).update(digest="0" * 64),
    "another digest": lambda plan: plan["exolink"].update(digest="0" * 64),
    "another action": lambda plan: change_of(plan).update(action="create"),
    "another address": lambda plan: change_of(plan).update(address="acme/charger/CP-0777"),
    "another address of the row": lambda plan: plan["resource_changes"][0].update(address='exolink_cpms.acme["X"]'),
    "another value": lambda plan: row_of(plan)["after"].update(profileId=9),
    "another value before": lambda plan: row_of(plan)["before"].update(profileId=9),
    "another id": lambda plan: row_of(plan)["before"].update(id=9),
    "another secret": lambda plan: change_of(plan, "acme/cpms/Primary backend").update(secrets={"url": "0" * 64}),
    "no secret": lambda plan: change_of(plan, "acme/cpms/Primary backend").update(secrets={}),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_row_E1_edited_with_a_checksum(edit: Callable[[Any], Any]) -> None:
    """Whoever can compute a checksum still cannot change what a reviewed digest stands for."""
    with pytest.raises(PlanStale, match="E-EDITED"):
        forged(MIXED, edit)


OTHERS: dict[str, Callable[[Any], Any]] = {
    "a field that changes": lambda plan: change_of(plan).update(fields=["evil"]),
    "a field that is sent": lambda plan: change_of(plan).update(sends=["evil"]),
    "a secret field": lambda plan: change_of(plan).update(secrets={"evil": "0" * 64}),
    "a value to be": lambda plan: row_of(plan)["after"].update(evil=1),
    "a value that is": lambda plan: row_of(plan)["before"].update(evil=1),
    "an id that is text": lambda plan: row_of(plan)["before"].update(id="7"),
    "an id that is true": lambda plan: row_of(plan)["before"].update(id=True),
    "no id": lambda plan: row_of(plan)["before"].pop("id"),
    "another kind": lambda plan: change_of(plan).update(address="acme/evil/CP-0001"),
    "no address": lambda plan: change_of(plan).update(address="evil"),
    "a field held back": lambda plan: plan["exolink"]["held_back"][0].update(field="evil"),
    "a kind held back": lambda plan: plan["exolink"]["held_back"][0].update(address="acme/evil/x"),
    "no address left out": lambda plan: plan["exolink"].update(left_out=["evil"]),
}


@pytest.mark.parametrize("edit", OTHERS.values(), ids=OTHERS)
def test_row_E20_what_no_version_of_the_tool_writes(edit: Callable[[Any], Any]) -> None:
    """Nothing but fields and kinds that are known is ever shown as one: a file with others is invalid input."""
    with pytest.raises(InputError, match="E-PLAN-FILE: this is not a saved plan of this version of the tool"):
        forged(MIXED, edit)


DRIFTS: dict[str, Callable[[Any], Any]] = {
    "no drift": lambda plan: plan["resource_drift"].clear(),
    "nothing before": lambda plan: [row["change"].update(before=None) for row in plan["resource_drift"]],
}


@pytest.mark.parametrize("edit", DRIFTS.values(), ids=DRIFTS)
def test_row_E20_a_drift_that_is_not_told(edit: Callable[[Any], Any]) -> None:
    """A step says that another hand changed it, and nothing says what: it is shown without."""
    plan = reader.plan(forged(BRANCH, edit), KINDS)
    assert all(step.was == () for step in plan.steps) and text.plan(plan, "0" * 64)


def test_row_E20_a_drift_of_another_field() -> None:
    """A field that the kind does not have is refused there, too."""
    with pytest.raises(InputError, match="E-PLAN-FILE"):
        forged(BRANCH, lambda plan: [row["change"]["before"].update(evil=1) for row in plan["resource_drift"]])


def test_row_E20_what_only_explains() -> None:
    """The names of profiles, and addresses of notes, that cannot be such are left out."""
    names = {"acme": {"profileId": {"1": "day", "x": "evil", "-2": "night", "9" * 19: "evil", "٣": "evil"}}}
    notes = [{"code": "W-RENAME", "summary": "s", "addresses": ["acme/cpms/A", "evil"]}]
    plan = reader.plan(forged(MIXED, lambda plan: plan["exolink"].update(names=names, notes=notes)), KINDS)
    assert plan.names == {("acme", "profileId"): {1: "day", -2: "night"}}
    assert [note.addresses for note in plan.notes] == [(Address("acme", "cpms", "A"),)]


@pytest.mark.parametrize("story", ["nothing", "one", "pull_request"])
def test_it_comes_back_whole(story: str) -> None:
    """What was shown of a plan and its steps is what a saved plan has, but for the secrets."""
    plan = getattr(support_plans, story)()
    changed = {"partial": ("--target",), "left_out": (Address("acme", "charger", "CP-1"), Address("acme", "cpms", "B"))}
    plan = replace(plan, **changed, names={("acme", "profileId"): {1: "day"}})
    saved = reader.plan(reader.read(as_json(plan).encode()), KINDS)
    for name in (
        "origin",
        "tenants",
        "compared",
        "unmanaged_counts",
        "partial",
        "left_out",
        "base",
        "notes",
        "refusals",
        "names",
        "held_back",
    ):
        assert getattr(saved, name) == getattr(plan, name), name
    for one, other in zip(saved.steps, plan.steps, strict=True):
        for name in ("action", "address", "kind", "reason", "source", "sends", "inferred", "cause", "was"):
            assert getattr(one, name) == getattr(other, name), name
        assert [change.name for change in one.fields] == [change.field for change in other.fields]
        secret = any(isinstance(change.after, SecretUrl) and change.after.has_secret for change in other.fields)
        if not secret:
            assert one.before == other.before
            assert [change[1:] for change in one.fields] == [change[1:] for change in other.fields]


def test_what_is_held_back_comes_back() -> None:
    """With its field and both sides, with nothing on one side, and without a field or a place."""
    cpms, address = KINDS[1], Address("acme", "cpms", "A")
    fields = (FieldChange("url", None, SecretUrl("wss://h/")), FieldChange("interval", 1, None), None)
    held = tuple(
        HeldBack(address, cpms, action, "E-CANNOT-UPDATE", "r", source, field, ("a", "b"))
        for field in fields
        for source in (None, Source("a.yaml", 3, 5))
        for action in (Action.UPDATE, Action.DELETE)
    )
    plan = replace(support_plans.nothing(), held_back=held)
    assert reader.plan(reader.read(as_json(plan).encode()), KINDS).held_back == held


def test_no_secret_is_stored() -> None:
    """A saved plan holds no password, and marks what it masks."""
    assert "hunter2" not in SAVED and "secret-token" not in SAVED
    [row] = [row for row in json.loads(SAVED)["resource_changes"] if row["type"] == "exolink_cpms"]
    assert row["change"]["after"]["url"] == "wss://u:***@h/" and row["change"]["after_sensitive"] == {"url": True}


def test_shown_as_it_was() -> None:
    """A saved plan is shown as it was when it was made: the same text, byte for byte."""
    with pipeline(world()) as run:
        plan = run.plan(WANTED)
    read_back = reader.plan(reader.read(as_json(plan).encode()), KINDS)
    assert text.plan(read_back, "0" * 64) == text.plan(plan, "0" * 64)


def test_one_line_and_canonical() -> None:
    """A plan is one line of ASCII with sorted keys."""
    assert SAVED.endswith("}\n") and SAVED.count("\n") == 1 and SAVED.isascii()
    assert SAVED.rstrip("\n") == json.dumps(json.loads(SAVED), sort_keys=True, separators=(",", ":"))
