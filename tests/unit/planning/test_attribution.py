"""Whose change it is: changes and a base to causes."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_pipeline import as_json, digest_of, document, pipeline
from world import World

from exolink_reconcile.applying import verified
from exolink_reconcile.desired import sources
from exolink_reconcile.errors import InputError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import BaseInfo, Plan
from exolink_reconcile.planning.attribution import Base
from exolink_reconcile.report import github, gitlab, html, markdown, sentences, text
from exolink_reconcile.resource import Address
from exolink_reconcile.saved_plan import reader

CPMS = {"displayName": "A", "url": "wss://a/"}


def base_of(yaml: str | None) -> Base:
    if yaml is None:
        return Base(BaseInfo("path", path="before"), frozenset(), {})
    with pipeline(World()) as run:
        desired = run.desired(yaml)
    declared = {a: f for t in desired.tenants for a, f in verified.declared(t).items()}
    removed = {Address(t.name, k.kind, r.name) for t in desired.tenants for k, rs in t.removed.items() for r in rs}
    return Base(
        BaseInfo("path", path="before"), frozenset(t.name for t in desired.tenants), declared, frozenset(removed)
    )


def world(*chargers: dict[str, Any]) -> World:
    live = World()
    for row in chargers:
        live.add("acme", "charger", **row)
    return live


def yaml(*chargers: dict[str, Any], **more: Any) -> str:
    return document("acme", chargers=list(chargers), **more)


def charger(number: int, profile: int = 1, name: str = "Bay") -> dict[str, Any]:
    return {"identity": f"CP-{number}", "displayName": name, "profileId": profile}


def plan_of(live: World, desired: str, before: str | None, **choices: Any) -> Plan:
    with pipeline(live) as run:
        return run.plan(desired, base=base_of(before), **choices)


def causes(plan: Plan) -> dict[str, str | None]:
    return {step.address.name: step.cause for step in plan.steps}


@pytest.mark.parametrize(
    ("desired", "before", "live", "cause"),
    [
        (charger(1, 2), charger(1, 1), charger(1, 1), "edit"),
        (charger(1, 1), charger(1, 1), charger(1, 2), "drift"),
        (charger(1, 3), charger(1, 1), charger(1, 2), "both"),
        (charger(1, 2, "New"), charger(1, 2), charger(1, 1), "both"),
        (charger(1), charger(1), None, "drift"),
        (charger(1), None, None, "edit"),
        (charger(1, 2), charger(1, 1), None, "both"),
        (charger(1, 2), None, charger(1, 1), "edit"),
    ],
)
def test_the_cause_of_a_difference(desired: Any, before: Any, live: Any, cause: str) -> None:
    """Field by field the YAML, the base and what is live tell whose change it is; that it is there counts as a field."""
    plan = plan_of(world(*([live] if live else [])), yaml(desired), yaml(*([before] if before else [charger(9)])))
    assert causes(plan) == {"CP-1": cause}


@pytest.mark.parametrize(
    ("before", "cause"),
    [
        (yaml(charger(1)), "edit"),
        (yaml(charger(9)), "edit"),
        (document("acme", removed=[{"charger": "CP-1"}]), "drift"),
    ],
)
def test_the_cause_of_a_removal(before: str, cause: str) -> None:
    """What the base removed too is there by another hand; else this change removes it."""
    assert causes(plan_of(world(charger(1)), document("acme", removed=[{"charger": "CP-1"}]), before)) == {
        "CP-1": cause
    }


def test_of_a_secret_no_cause_is_claimed() -> None:
    """The base keeps no secret: a URL that holds one has no cause."""
    live = World()
    live.add("acme", "cpms", displayName="A", url="wss://u:one@h/")
    text_ = document("acme", cpms=[{"displayName": "A", "url": "wss://u:two@h/"}])
    plan = plan_of(live, text_, text_)
    assert causes(plan) == {"A": None}
    assert "To update (1), not known whose change:" in text.plan(plan, "")
    assert list(sentences.summary(plan))[1] == "1 not known whose change."


fleets = st.lists(
    st.builds(charger, st.integers(1, 4), st.integers(1, 2)), max_size=4, unique_by=lambda c: c["identity"]
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(fleets, fleets, fleets)
def test_what_holds_of_causes(desired: list[Any], before: list[Any], live: list[Any]) -> None:
    """Each step has one cause; the same YAML as base makes all drift, none makes all edits; the digest knows no base."""
    now = yaml(*desired, charger(7))
    with pipeline(world(*live, charger(7))) as run:
        plan = run.plan(now, base=base_of(yaml(*before)))
        assert plan.by_this_change + plan.drift == sum(1 for _ in plan.steps)
        assert {step.cause for step in run.plan(now, base=base_of(now)).steps} <= {"drift"}
        assert {step.cause for step in run.plan(now, base=base_of(None)).steps} <= {"edit"}
        assert digest_of(plan) == digest_of(run.plan(now))
        edits = run.plan(now, base=base_of(yaml(*before)), only="edits")
        drift = run.plan(now, base=base_of(yaml(*before)), only="drift")
    kept = [{step.address for step in part.steps} for part in (edits, drift)]
    everything = {step.address for step in plan.steps}
    assert kept[0] | kept[1] | set(drift.left_out) == everything and set(edits.left_out) == everything - kept[0]
    assert not kept[0] & kept[1] and all(part.partial == ("--only",) for part in (edits, drift))
    declared = base_of(yaml(*before)).declared
    for step in drift.steps:
        assert not step.deletes and step.declared is not None
        sent = {name: getattr(step.declared.resource, name) for name in step.sends if name != "identity"}
        assert sent.items() <= declared[step.address].items()


def test_what_another_hand_did_beside_this_change() -> None:
    """Where both changed an object, the reviewer sees what was declared before, in the plan and in a saved one."""
    live = world(charger(1, 2, "By hand"))
    profiles = {"profiles": {"day": "1", "night": "2"}}
    before = yaml(charger(1, 1, "Bay"), charger(2), **profiles)
    plan = plan_of(live, yaml(charger(1, 2, "New"), charger(2, 2), **profiles), before)
    assert {s.address.name: s.was for s in plan.steps} == {
        "CP-1": (("displayName", "Bay"),),
        "CP-2": (("displayName", "Bay"), ("profileId", 1)),
    }
    saved = reader.plan(reader.read(as_json(plan).encode()), KINDS)
    for each in (plan, saved):
        shown = text.plan(replace(each, base=BaseInfo("state", when="2026-01-01T00:00:00Z")), "")
        assert "Another hand changed it, too. Declared before: displayName Bay." in shown
        assert "It was declared before, and another hand deleted it." in shown
        shown = text.plan(each, "")  # of another checkout it is not known whether it was ever applied
        assert "Another hand changed it, too, or what was declared is not applied yet." in shown
        assert "another hand deleted it, or it was not applied yet." in shown
    drift = {row["index"]: row["change"] for row in json.loads(as_json(plan))["resource_drift"]}
    assert drift["CP-1"]["before"] == {**drift["CP-1"]["after"], "displayName": "Bay"}
    assert (drift["CP-2"]["before"], drift["CP-2"]["after"]) == (
        {"identity": "CP-2", "displayName": "Bay", "profileId": 1},
        None,
    )


def test_markdown_has_the_order_of_the_causes() -> None:
    """What this change does stands before what differs besides it, a delete of drift after an update of the change."""
    before = document("acme", chargers=[charger(1)], removed=[{"charger": "CP-2"}])
    now = document("acme", chargers=[charger(1, 2)], removed=[{"charger": "CP-2"}])
    plan = plan_of(world(charger(1), charger(2)), now, before)
    for shown in (text.plan(plan, ""), markdown.plan(plan, "", paths=(), options={}), html.plan(plan, "")):
        places = [
            re.search(f"To {what}[^\\n]*{whose}", shown) for what, whose in (("update", "change"), ("delete", "drift"))
        ]
        assert all(places) and [m.start() for m in places if m] == sorted(m.start() for m in places if m)


def test_only_drift_never_deletes() -> None:
    """A repair puts back what was declared; what another hand made is left, counted and called a part."""
    removed = document("acme", removed=[{"charger": "CP-1"}])
    plan = plan_of(world(charger(1)), removed, removed, only="drift")
    assert list(plan.steps) == [] and [str(a) for a in plan.left_out] == ["acme/charger/CP-1"]
    assert list(sentences.summary(plan)) == [sentences.NO_CHANGES_HERE, "1 left out by --only."]


def test_only_needs_a_base() -> None:
    """Without a base nothing can tell drift from edits."""
    with pipeline(world()) as run, pytest.raises(InputError) as raised:
        run.plan(yaml(charger(1)), only="drift")
    assert raised.value.code == "E-NO-BASE"


def test_what_this_change_does_comes_first() -> None:
    """Every format tells this change from the rest: the text by sections and counts, GitLab and annotations by leaving it out."""
    live = world(charger(1, 2), charger(2), charger(3))
    now = yaml(charger(1), charger(2, 2), removed=[{"charger": "CP-3"}])
    plan = plan_of(live, now, yaml(charger(1), charger(2), charger(3)))
    shown = text.plan(plan, digest_of(plan))
    headings = [line for line in shown.splitlines() if line.startswith("To ")]
    assert headings == [
        "To delete (1), by this change:",
        "To update (1), by this change:",
        "To update (1), drift: differs besides this change:",
    ]
    assert "2 by this change, 1 drift." in shown
    assert gitlab.plan(plan) == '{"create": 0, "update": 1, "delete": 1}\n'
    annotations = github.plan(plan, sources.recorded(plan), str).splitlines()
    assert [line for line in annotations if "CP-1" in line] == [
        "::notice title=plan%3A drift::1 object differs besides this change: acme/charger/CP-1"
    ]
    assert '"cause":"drift"' in as_json(plan) and '"resource_drift":[{' in as_json(plan)
