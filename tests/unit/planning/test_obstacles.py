"""What stands in the way of a step is said, with ways out that lead somewhere."""

import json
from dataclasses import replace
from typing import Any

import pytest
from ruamel.yaml import YAML
from support_pipeline import (
    CONTRACT_TEXT,
    document,
    pipeline,
    tenant_create_contract,
)
from support_planning import (
    CPMS,
    CPMS_KIND,
    held,
    offered,
    plan_of,
    plan_where,
    settled_world,
    steps,
    yaml,
)
from world import World

from exolink_reconcile.model import Action, Plan


def test_a_create_with_what_cannot_be_sent() -> None:
    """A create is held back whole when one of its fields cannot be sent."""
    plan = plan_of(World(), document("acme", cpms=[{**CPMS, "authPassThrough": "true"}]))
    assert steps(plan) == [] and held(plan) == ["E-CONTRACT create cpms/Primary"]
    assert "does not take authPassThrough" in plan.held_back[0].reason
    plan = plan_where(World(), document("acme", cpms=[CPMS]), offers={"create": None})
    assert steps(plan) == [] and "cannot create a cpms" in plan.held_back[0].reason
    assert "create it in the web page" in plan.held_back[0].ways_out[0]


def test_a_create_without_what_the_api_needs() -> None:
    """It is held back whole, and the way out names the field to write."""
    plan = plan_of(World(), document("acme", cpms=[{"displayName": "Primary", "url": "wss://h/"}]))
    assert steps(plan) == [] and held(plan) == ["E-CONTRACT create cpms/Primary"]
    assert plan.held_back[0].ways_out == ("write interval in the entry, or in `defaults` for all cpms of the document",)


def test_a_delete_that_the_api_does_not_offer() -> None:
    """It is held back, removed, pruned or replaced; what would have been pruned is unmanaged."""
    world = settled_world()
    removed = plan_where(world, document("acme", removed=[{"cpms": "Primary"}]), offers={"delete": None})
    pruned = plan_where(world, document("acme", policy={"exclusive": ["cpms"]}), offers={"delete": None}, prune=True)
    replaced = plan_where(
        world, yaml(cpms={"interval": 60}), offers={"delete": None}, allow_replace=("acme/cpms/Primary",)
    )
    for plan, action in ((removed, "delete"), (pruned, "delete"), (replaced, "replace")):
        assert steps(plan) == [] and held(plan) == [f"E-CONTRACT {action} cpms/Primary"]
        assert "cannot delete a cpms" in plan.held_back[0].reason
    assert pruned.unmanaged_counts == {"cpms": 1, "charger": 0}


def test_a_replace_that_could_not_send_all() -> None:
    """Nothing is deleted for a replace that loses a field; the field that would have asked for it is named."""
    entry = {"interval": 60, "authPassThrough": "true"}
    plan = plan_of(settled_world(), yaml(cpms=entry), allow_replace=("acme/cpms/Primary",))
    assert steps(plan) == [] and held(plan) == ["E-CONTRACT replace cpms/Primary"] * 2
    assert [held.field.name for held in plan.held_back if held.field] == ["authPassThrough", "interval"]
    assert all("authPassThrough" in held.reason for held in plan.held_back)


def test_a_replace_that_cannot_be_made_again() -> None:
    """Nothing is deleted for a replace whose create would be refused."""
    entry = {"displayName": "Primary", "interval": 60}
    plan = plan_of(settled_world(), document("acme", cpms=[entry]), allow_replace=("acme/cpms/Primary",))
    assert steps(plan) == [] and held(plan) == ["E-CONTRACT replace cpms/Primary"]


def test_a_pinned_object_is_not_replaced() -> None:
    """A replace gives a new id, so a pinned object is held back."""
    world = settled_world()
    number = world.row("acme", "cpms", "Primary")["id"]
    plan = plan_of(world, yaml(cpms={"interval": 60, "id": number}, policy={"allowReplace": ["cpms/Primary"]}))
    assert held(plan) == ["E-PINNED replace cpms/Primary"]


def test_ways_out_lead_somewhere() -> None:
    """A field that no create takes can neither be set by a replace nor once and for all."""
    plan = plan_of(settled_world(), yaml(cpms={"authPassThrough": "true", "interval": 60}))
    ways = {held.field.name: held.ways_out for held in plan.held_back if held.field}
    assert ways["authPassThrough"] == (
        "revert it in the YAML: authPassThrough: false",
        "take authPassThrough out of the YAML, and change it in the web page",
    )
    assert len(ways["interval"]) == 2 and "createOnly: [interval]" in ways["interval"][1]


@pytest.mark.parametrize("live", [60.5, None])
def test_no_way_out_that_yaml_cannot_say(live: float | None) -> None:
    """A live value that the YAML may not declare cannot be written there: the field goes."""
    world = settled_world()
    [row] = world.live("acme", "cpms")
    world.edit("acme", "cpms", row["displayName"], interval=live)
    [held] = plan_of(world, yaml()).held_back
    assert held.ways_out[0] == "take interval out of the YAML, which cannot say what is live"


def test_what_is_held_back_says_why() -> None:
    """The reason names the field; where a replace was allowed and is not possible, it is not a way out."""
    [held_] = plan_of(settled_world(), yaml(cpms={"interval": 60})).held_back
    assert held_.reason == "the contract cannot update interval"
    entry, policy = {"interval": 60}, {"allowReplace": ["cpms/Primary"], "protect": ["cpms/*"]}
    [held_] = plan_of(settled_world(), yaml(cpms=entry, policy=policy)).held_back
    assert held_.code == "E-PROTECTED" and len(held_.ways_out) == 2
    assert plan_of(settled_world(), yaml()).tenants == ("acme",)


def ways(plan: Plan) -> list[str]:
    [entry] = plan.held_back
    return [way for way in entry.ways_out if "replace" in way]


@pytest.mark.parametrize(
    ("entry", "more"),
    [
        ({"interval": 60}, {"policy": {"protect": ["cpms/Primary"]}}),
        ({"interval": 60, "id": 1}, {}),
        ({"url": None, "interval": 60}, {}),
    ],
)
def test_row_D5_no_way_out_that_a_guardrail_refuses(entry: dict[str, Any], more: dict[str, Any]) -> None:
    """Where a replace is protected, pinned or not possible it is not offered."""
    world = settled_world()
    if "id" in entry:
        entry = {**entry, "id": world.row("acme", "cpms", "Primary")["id"]}
    cpms = {name: value for name, value in {**CPMS, **entry}.items() if value is not None}
    assert ways(plan_of(world, document("acme", cpms=[cpms], **more))) == []


def test_row_D5_a_way_out_is_a_command_that_plans_the_replace() -> None:
    """The command on the plan, given again, gives a plan that holds nothing back and that no guardrail refuses."""
    world = settled_world()
    for number in range(20):
        world.add("acme", "cpms", displayName=f"Old {number}", url="wss://old/")
    text = yaml(cpms={"interval": 60}, removed=[{"cpms": f"Old {number}"} for number in range(4)])
    [way] = ways(plan_of(world, text, allow_deletes=4, again=("--target", "acme/cpms/*", "a b.yaml")))
    assert way.endswith(
        "exolink-reconcile plan --allow-replace acme/cpms/Primary --allow-deletes 5 --target 'acme/cpms/*' 'a b.yaml'"
    )
    plan = plan_of(world, text, allow_deletes=5, allow_replace=("acme/cpms/Primary",))
    assert (plan.held_back, plan.refusals, plan.count(Action.REPLACE)) == ((), (), 1)


def test_row_A4_a_twin_of_a_pinned_object_is_not_pruned() -> None:
    """What has the name of a declared entry is not deleted for being declared by another id: that takes a removed entry."""
    world = settled_world()
    number = world.add("acme", "cpms", **CPMS)
    text = yaml(cpms={"id": number}, policy={"exclusive": ["cpms"]})
    plan = plan_of(world, text, prune=True)
    assert steps(plan) == [] and held(plan) == ["E-PINNED delete cpms/Primary"]


def test_row_F25_what_create_only_keeps_back_is_said_so() -> None:
    """A field that an update needs and that `createOnly` keeps out of it is written in the YAML, and the reason says so."""
    world = World()
    loaded = YAML(typ="safe").load(CONTRACT_TEXT)
    [path] = [path for path, operations in loaded["paths"].items() if "/cpms/" in path and "put" in operations]
    schema = {
        "type": "object",
        "required": ["url", "interval"],
        "properties": {"url": {"type": "string"}, "interval": {"type": "integer"}},
    }
    loaded["paths"][path]["put"]["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    world.add("acme", "cpms", **{**CPMS, "displayName": "P"})
    entry = {"displayName": "P", "url": "wss://new/", "interval": 9, "createOnly": ["interval"]}
    with pipeline(world, contract_text=json.dumps(loaded)) as run:
        [held] = run.plan(document("acme", cpms=[entry])).held_back
    assert "interval, which `createOnly` keeps out of updates" in held.reason


def test_an_update_that_cannot_be_whole() -> None:
    """An update that the API would refuse, because a field it needs is not written, is held back and not tried."""
    names = frozenset(f"needed{number}" for number in range(6))
    update = replace(offered(CPMS_KIND, "update"), required=frozenset({"url"}) | names)
    plan = plan_where(settled_world(), yaml(cpms={"url": "wss://new/"}), offers={"update": update})
    assert steps(plan) == [] and held(plan) == ["E-CONTRACT update cpms/Primary"]
    assert ", ".join(sorted(names)) in plan.held_back[0].reason
    create = replace(offered(CPMS_KIND, "create"), required=names)
    plan = plan_where(World(), document("acme", cpms=[CPMS]), offers={"create": create})
    assert steps(plan) == [] and ", ".join(sorted(names)) in plan.held_back[0].reason


def test_only_what_create_only_keeps_back_is_to_be_taken_out_of_it() -> None:
    """An update that lacks one field because of `createOnly`, and another that the YAML does not write: first things first."""
    update = replace(offered(CPMS_KIND, "update"), required=frozenset({"url", "interval", "needed"}))
    entry = {"url": "wss://new/", "createOnly": ["interval"]}
    [held_back] = plan_where(settled_world(), yaml(cpms=entry), offers={"update": update}).held_back
    assert held_back.reason.startswith("the contract's update needs interval, which `createOnly`")
    assert held_back.ways_out == ("take interval out of `createOnly`",)


def test_a_tenant_lacks_a_field_at_the_top_of_its_document() -> None:
    """A tenant is not an entry of a list: the way out says where its fields stand."""
    with pipeline(World(tenants=()), contract_text=tenant_create_contract(required=("domainPrefix", "name"))) as run:
        [held_back] = run.plan(document("new")).held_back
    assert held_back.ways_out == ("write name at the top of the document",)


def test_no_create_only_where_nothing_can_be_created() -> None:
    """Where the API creates no such object, a field that cannot be updated cannot be sent once either."""
    [held_back] = plan_where(settled_world(), yaml(cpms={"interval": 60}), offers={"create": None}).held_back
    assert held_back.ways_out[1] == "take interval out of the YAML, and change it in the web page"


@pytest.mark.parametrize("permitted", [False, True])
@pytest.mark.parametrize("obstacle", ["E-PROTECTED", "E-PINNED"])
def test_an_obstacle_to_a_replace_counts_where_a_replace_is_permitted(obstacle: str, permitted: bool) -> None:
    """Else the field cannot be updated, and that is all; only a permission for what is protected is refused."""
    world = settled_world()
    number = world.row("acme", "cpms", "Primary")["id"]
    policy = {"protect": ["cpms/Primary"]} if obstacle == "E-PROTECTED" else {}
    entry = {"interval": 60} | ({"id": number} if obstacle == "E-PINNED" else {})
    allowed = ("acme/cpms/Primary",) if permitted else ()
    plan = plan_of(world, yaml(cpms=entry, policy=policy), allow_replace=allowed)
    assert steps(plan) == []
    assert held(plan) == [f"{obstacle} replace cpms/Primary" if permitted else "E-CANNOT-UPDATE update cpms/Primary"]
    refused = ["E-PROTECTED"] if permitted and obstacle == "E-PROTECTED" else []
    assert [refusal.code for refusal in plan.refusals] == refused


def test_a_replace_is_a_way_out_for_what_no_update_takes_alone() -> None:
    """An update of the same object that lacks a field is not offered a replace."""
    update = replace(offered(CPMS_KIND, "update"), required=frozenset({"url", "needed"}))
    plan = plan_where(settled_world(), yaml(cpms={"interval": 60, "url": "wss://n/"}), offers={"update": update})
    offered_replace = {h.code: any("--allow-replace" in way for way in h.ways_out) for h in plan.held_back}
    assert offered_replace == {"E-CANNOT-UPDATE": True, "E-CONTRACT": False}
