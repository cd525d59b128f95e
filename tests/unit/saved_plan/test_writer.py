"""A plan as JSON: everything that a reviewer saw, whole, canonical, and without a secret."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import support_plans
from support_pipeline import as_json, document, pipeline
from world import World

from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, BaseInfo, FieldChange, HeldBack, Plan, Probe, Refusal, Source
from exolink_reconcile.report import text
from exolink_reconcile.resource import Address
from exolink_reconcile.saved_plan import reader, writer
from exolink_reconcile.secret_url import SecretUrl

CPMS, CHARGER = (next(kind for kind in KINDS if kind.kind == name) for name in ("cpms", "charger"))


def parsed(plan: Plan) -> Any:
    return json.loads(as_json(plan))


@pytest.mark.parametrize("story", ["nothing", "one", "mixed", "pull_request", "hostile"])
def test_it_comes_back_as_it_was_shown(story: str) -> None:
    """A plan that was saved shows the same text as on the day it was made, word for word."""
    plan = getattr(support_plans, story)()
    saved = reader.plan(reader.read(as_json(plan).encode()), KINDS)
    assert text.plan(saved, "0" * 64, full=True) == text.plan(plan, "0" * 64, full=True)


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
@pytest.mark.parametrize("story", ["one", "mixed"])
def test_many_steps_are_one_document(monkeypatch: pytest.MonkeyPatch, story: str, batch: int) -> None:
    """A plan of any length is one document: the pieces in which it is written leave no trace."""
    plan = getattr(support_plans, story)()
    expected = as_json(plan)
    monkeypatch.setattr(writer, "_BATCH", batch)
    assert as_json(plan) == expected


@pytest.mark.parametrize(
    ("change", "applyable", "complete"),
    [
        ({}, True, True),
        ({"refusals": (Refusal("E-DELETES", "too many"),)}, False, True),
        ({"waves": ()}, False, True),
        ({"partial": ("--target acme/cpms/*",)}, True, False),
    ],
)
def test_whether_it_can_be_applied(change: dict[str, Any], applyable: bool, complete: bool) -> None:
    """A reader of Terraform's format learns whether there is anything that apply would do, and whether that is all."""
    plan = parsed(replace(support_plans.one(), **change))
    assert (plan["applyable"], plan["complete"], plan["errored"]) == (applyable, complete, False)


def held_back(field: FieldChange | None, source: Source | None = Source("a.yaml", 3, 5)) -> Any:
    """The JSON of one thing that is held back."""
    held = HeldBack(
        Address("acme", "cpms", "A"), CPMS, Action.UPDATE, "E-CANNOT-UPDATE", "because", source, field, ("so",)
    )
    [row] = parsed(replace(support_plans.nothing(), held_back=(held,)))["exolink"]["held_back"]
    return row


HELD = {
    "address": "acme/cpms/A",
    "action": "update",
    "code": "E-CANNOT-UPDATE",
    "reason": "because",
    "ways_out": ["so"],
    "field": None,
    "before": None,
    "after": None,
    "sensitive": False,
    "source": {"file": "a.yaml", "line": 3, "column": 5},
}
SECRET, PLAIN = SecretUrl("wss://u:hunter2@h/"), SecretUrl("wss://h/")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (None, {}),
        (FieldChange("interval", 30, 60), {"field": "interval", "before": 30, "after": 60}),
        (FieldChange("url", PLAIN, None), {"field": "url", "before": "wss://h/"}),
        (FieldChange("url", SECRET, PLAIN), {"before": "wss://u:***@h/", "after": "wss://h/", "sensitive": True}),
        (FieldChange("url", PLAIN, SECRET), {"before": "wss://h/", "after": "wss://u:***@h/", "sensitive": True}),
    ],
)
def test_what_is_held_back(field: FieldChange | None, expected: dict[str, Any]) -> None:
    """It has its field, both sides and its place; a side that holds a secret is masked and marked."""
    named = {"field": field.name} if field else {}
    assert held_back(field) == {**HELD, **named, **expected}


def test_what_is_held_back_and_stands_nowhere() -> None:
    """What no file names (a delete by --prune) has no place."""
    assert held_back(None, None) == {**HELD, "source": None}


def test_probes() -> None:
    """What a handshake found is shown where it was asked for, and only there."""
    plan = support_plans.one()
    a, b = Address("acme", "cpms", "A"), Address("acme", "cpms", "B")
    probes = (Probe(a, True, 101, "ocpp1.6"), Probe(b, False, reason="refused"))
    assert parsed(replace(plan, probes=probes))["exolink"]["probes"] == [
        {"address": "acme/cpms/A", "reachable": True, "status": 101, "subprotocol": "ocpp1.6", "reason": ""},
        {"address": "acme/cpms/B", "reachable": False, "status": None, "subprotocol": None, "reason": "refused"},
    ]
    assert parsed(replace(plan, probes=()))["exolink"]["probes"] == []
    assert "probes" not in parsed(plan)["exolink"]


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        (None, None),
        (BaseInfo("path", path="main/"), {"kind": "path", "path": "main/"}),
        (BaseInfo("state", when="2026-01-01T00:00:00Z"), {"kind": "state", "when": "2026-01-01T00:00:00Z"}),
    ],
)
def test_the_base(base: BaseInfo | None, expected: Any) -> None:
    """What the causes were judged by."""
    assert parsed(replace(support_plans.one(), base=base))["exolink"]["base"] == expected


@pytest.mark.parametrize("name", ["##vso[task.complete]", "a ::error::b", "::", "###", ":::"])
def test_no_name_is_a_command(name: str) -> None:
    """A CI runner that reads the line finds no command in it, and a JSON reader the name as it is."""
    with pipeline(World()) as run:
        line = as_json(run.plan(document("acme", chargers=[{"identity": "CP-1", "displayName": name, "profileId": 1}])))
    assert "##" not in line and "::" not in line
    assert json.loads(line)["resource_changes"][0]["change"]["after"]["displayName"] == name


def test_names_of_several_tenants() -> None:
    """The names of profiles are kept for each tenant by itself."""
    names = {("acme", "profileId"): {1: "standard", 2: "night"}, ("beta", "profileId"): {1: "night"}}
    assert parsed(replace(support_plans.one(), names=names))["exolink"]["names"] == {
        "acme": {"profileId": {"1": "standard", "2": "night"}},
        "beta": {"profileId": {"1": "night"}},
    }


WRONG: list[Callable[[Any], Any]] = [
    lambda plan: plan["exolink"]["changes"][0].update(reason="another"),
    lambda plan: plan["exolink"].update(paths=["another"]),
    lambda plan: plan.update(complete=False),
    lambda plan: plan["planned_values"]["root_module"]["resources"].clear(),
]


@pytest.mark.parametrize("change", WRONG)
def test_the_checksum_is_over_everything_but_itself(change: Callable[[Any], Any]) -> None:
    """It is the same before and after it was put in, and another one for any other document."""
    plan = parsed(support_plans.one())
    own = plan["exolink"]["checksum"]
    assert writer.checksum_of(plan) == own
    plan["exolink"]["checksum"] = "another"
    assert writer.checksum_of(plan) == own
    change(plan)
    assert writer.checksum_of(plan) != own
