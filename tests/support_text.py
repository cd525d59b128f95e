"""Plans to render: a few chargers, and one plan with everything in it."""

from typing import Any

from support_chargers import chargers
from support_pipeline import digest_of, document, pipeline
from world import World

from exolink_reconcile.model import Plan
from exolink_reconcile.report import text

CPMS = {"url": "wss://h/", "interval": 30}


def plan_of(yaml: str, live: list[dict[str, Any]] = [], cpms: list[dict[str, Any]] = [], **choices: Any) -> Plan:  # noqa: B006  # only read
    world = World()
    for row in live:
        world.add("acme", "charger", **row)
    for row in cpms:
        world.add("acme", "cpms", **row)
    with pipeline(world) as run:
        return run.plan(yaml, **choices)


def lines(plan: Plan, **options: Any) -> list[str]:
    return text.plan(plan, digest_of(plan), **options).splitlines()


def marked(plan: Plan, mark: str, **options: Any) -> list[str]:
    return [line for line in lines(plan, **options) if line.startswith(f"  {mark} ")]


def everything(names: int = 1) -> Plan:
    """A plan with all there is: held back, deletes, replaces, updates, creates, unmanaged."""
    rows = [{"displayName": name, **CPMS} for name in ("Held", "Gone", "Redo", "Edit", "Nobody")]
    entries = [
        {"displayName": "Held", "interval": 60},
        {"displayName": "Redo", **CPMS, "interval": 60},
        {"displayName": "Edit", "url": "wss://new/"},
        {"displayName": "Make", **CPMS},
    ]
    yaml = document(
        "acme",
        policy={"allowReplace": ["cpms/Redo"]},
        cpms=entries,
        chargers=chargers(1, names),
        removed=[{"cpms": "Gone", "reason": "contract ended"}],
    )
    return plan_of(yaml, cpms=rows)
