"""A plan to the facts that people approve, and their digest.

The facts of a step are what its write depends on and what it makes: not places, not what was held back. A secret is a
fact only as "it changes". The digest of a plan is over the origin and the digests of its steps, in no order.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from exolink_reconcile.model import Action, Plan, Step, remote_id
from exolink_reconcile.resource import Resource, Row, SecretUrl, fields


def facts(step: Step) -> dict[str, Any]:
    """Address, action, live id, managed fields before and after; for a delete the key and the compared fields."""
    before_names: Iterable[str] = fields(step.kind) if step.deletes else step.sends
    declared = step.declared.resource if step.declared else None
    return {
        "address": str(step.address),
        "action": step.action.word,
        "id": remote_id(step.before) if step.before is not None else None,
        "before": shown_fields(step.before, before_names) if step.before is not None else None,
        "after": shown_fields(declared, step.sends)
        if declared is not None and step.action is not Action.DELETE
        else None,
        "secrets": sorted(
            [change.name for change in step.fields if isinstance(change.after, SecretUrl) and change.after.has_secret]
        ),
    }


def shown_fields(resource: Resource | Row, names: Iterable[str]) -> dict[str, Any]:
    """The fields as they may be shown and stored: secrets masked."""
    return {name: value if (value := getattr(resource, name)).__class__ in _PLAIN else shown(value) for name in names}


def shown(value: Any) -> Any:
    """A value as JSON may hold it: a secret URL masked, the keys of a mapping in one order, everything else as it is."""
    if isinstance(value, SecretUrl):
        return str(value)
    if isinstance(value, dict):
        return {name: shown(value[name]) for name in sorted(value)}
    return [shown(each) for each in value] if isinstance(value, (list, tuple)) else value


_PLAIN = frozenset({str, int, float, bool, type(None)})


def masked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the API answered it, fields we do not know included, with whatever may be a secret masked."""
    return {
        name: str(SecretUrl(value)) if isinstance(value, str) and "://" in value else value
        for name, value in row.items()
    }


def of_step(step: Step) -> str:
    """The digest of one step's facts. ASCII, and the facts always in one order, so that no Python version changes it."""
    return hashlib.sha256(ascii(facts(step)).encode()).hexdigest()


def of_plan(plan: Plan) -> str:
    """The digest that a reviewer approves: 64 hex digits."""
    return of_steps(plan.origin, of_each(plan))


def of_each(plan: Plan) -> tuple[str, ...]:
    """The digests of its steps, in their order."""
    return tuple(map(of_step, plan.steps))


def of_steps(origin: str, steps: Iterable[str]) -> str:
    """The digest of a plan from its origin and its steps' digests."""
    return hashlib.sha256(ascii([origin, sorted(steps)]).encode()).hexdigest()
