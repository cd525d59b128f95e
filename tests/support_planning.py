"""A world where nothing is to do, the YAML that describes it, and the plan after one change."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from support_pipeline import (
    ORIGIN,
    contract_of,
    document,
    pipeline,
)
from world import World

from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Plan
from exolink_reconcile.openapi import Field, Operation
from exolink_reconcile.planning import differ, planner
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.resource import Kind, ListKey

_, CPMS_KIND, CHARGER_KIND = KINDS

CPMS = {"displayName": "Primary", "url": "wss://cpms.example.com/", "interval": 30}
CHARGER = {"identity": "CP-1", "displayName": "Lobby", "profileId": 1}


def settled_world(chargers: int = 1) -> World:
    world = World()
    world.edit("acme", "tenant", 0, name="Acme")
    world.add("acme", "cpms", **CPMS)
    for number in range(1, chargers + 1):
        world.add("acme", "charger", **{**CHARGER, "identity": f"CP-{number}"})
    return world


def yaml(cpms: dict[str, Any] | None = None, charger: dict[str, Any] | None = None, **more: Any) -> str:
    """The document that describes the settled world, with changes."""
    lists: dict[str, Any] = {
        "name": "Acme",
        "cpms": [{**CPMS, **(cpms or {})}],
        "chargers": [{**CHARGER, **(charger or {})}],
    }
    return document("acme", **{**lists, **more})


def plan_of(world: World, text: str, **choices: Any) -> Plan:
    with pipeline(world) as run:
        return run.plan(text, **choices)


def plan_where(
    world: World,
    text: str,
    *,
    kind: Kind = CPMS_KIND,
    counts_before: Mapping[ListKey, int] = {},
    offers: Mapping[str, Any] = {},
    **choices: Any,
) -> Plan:
    """The plan where the API offers something else for a kind, or where earlier runs saw so many rows."""
    base = contract_of()
    other = replace(base, offers={**base.offers, kind: replace(base.offer(kind), **offers)})
    with pipeline(world) as run:
        desired = run.desired(text)
        changes = differ.diff(desired, run.live(desired, Choices(may_infer=True, **choices)))
        return planner.plan(changes, desired, other, Choices(may_infer=True, **choices), ORIGIN, counts_before)


def offered(kind: Kind, name: str) -> Operation:
    """An operation of the bundled contract."""
    operation = getattr(contract_of().offer(kind), name)
    assert isinstance(operation, Operation)
    return operation


def inferring(operation: Operation, name: str) -> Operation:
    """The same operation, with one field that is only inferred."""
    return replace(operation, fields={**operation.fields, name: Field(name, True, (), {})})


def steps(plan: Plan) -> list[str]:
    return [f"{step.action.word} {step.address.local}" for step in plan.steps]


def held(plan: Plan) -> list[str]:
    return [f"{held.code} {held.action.word} {held.address.local}" for held in plan.held_back]
