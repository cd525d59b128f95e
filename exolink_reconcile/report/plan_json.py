"""Plan to plan JSON: Terraform's format 1.2 on one line, so that Terraform's own plan readers take it, plus `exolink`.

Three things are as they are because readers of the format want them so (research: ecosystem.md, section 1): one line, a
`terraform_version` that exists, and `planned_values` and `configuration` that are not empty. The models below are the
format as we write it; `schema` turns them into the JSON Schema, `plan_file` reads a saved plan with them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from exolink_reconcile import digest
from exolink_reconcile.inert import inert
from exolink_reconcile.model import Action, HeldBack, Plan, Source, Step, remote_id
from exolink_reconcile.resource import Address, Kind, Resource, SecretUrl, fields

SCHEMA_VERSION = 1
TERRAFORM_VERSION = "1.11.4"
PROVIDER = "registry.exolink.cloud/exolink/exolink"
_ACTIONS = {
    Action.CREATE: ["create"],
    Action.UPDATE: ["update"],
    Action.REPLACE: ["delete", "create"],
    Action.DELETE: ["delete"],
}
_REASONS = {Action.REPLACE: "replace_because_cannot_update", Action.DELETE: "delete_because_each_key"}


def plan(plan: Plan, *, config_digest: str, paths: Sequence[str], options: Mapping[str, Any]) -> str:
    """The plan as one line of canonical JSON: same inputs, same bytes; no time, no token, secrets masked."""
    steps = list(plan.steps)
    rows = [_resource_change(step) for step in steps]
    document: dict[str, Any] = {
        "format_version": "1.2",
        "terraform_version": TERRAFORM_VERSION,
        "planned_values": {
            "root_module": {"resources": [_planned(row) for row in rows if row["change"]["after"] is not None]}
        },
        "resource_changes": rows,
        "configuration": {
            "provider_config": {"exolink": {"name": "exolink", "full_name": PROVIDER}},
            "root_module": {},
        },
        "applyable": bool(steps) and not plan.refusals,
        "complete": not plan.held_back,
        "errored": False,
        "exolink": {
            "schema_version": SCHEMA_VERSION,
            "digest": digest.of_plan(plan),
            "api_url": plan.origin,
            "config_digest": config_digest,
            "paths": list(paths),
            "options": dict(options),
            "held_back": [_held_back(held) for held in plan.held_back],
            "refusals": [{"code": refusal.code, "summary": refusal.summary} for refusal in plan.refusals],
            "tenants": list(plan.tenants),
            "unmanaged": dict(plan.unmanaged_counts),
            "names": _names(plan),
            "changes": [_change(step) for step in steps],
        },
    }
    document["exolink"]["checksum"] = checksum(document)
    return canonical(document) + "\n"


def canonical(document: Any) -> str:
    """One line, keys sorted, ASCII only: an escape in a name stays an escape."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def checksum(document: Mapping[str, Any]) -> str:
    """The checksum of a plan document over everything but itself: tells an edited file."""
    own = {name: value for name, value in document["exolink"].items() if name != "checksum"}
    return hashlib.sha256(canonical({**document, "exolink": own}).encode()).hexdigest()


def resource_address(address: Address) -> str:
    """Terraform's form: `exolink_cpms.acme["Primary backend"]`."""
    return f"exolink_{address.kind}.{address.tenant}[{inert(json.dumps(address.name, ensure_ascii=False))}]"


def live_object(kind: Kind, row: Resource) -> dict[str, Any]:
    """A live object as its kind knows it, with its id; secrets masked."""
    return {"id": remote_id(row), **digest.shown_fields(row, fields(kind))}


def _resource_change(step: Step) -> dict[str, Any]:
    before = live_object(step.kind, step.before) if step.before is not None else None
    after: dict[str, Any] | None = None
    declared = step.declared.resource if step.declared else None
    if declared is not None and step.action is not Action.DELETE:
        kept = before if before is not None and step.action is Action.UPDATE else {}
        after = {**kept, **digest.shown_fields(declared, step.sends)}
    change: dict[str, Any] = {
        "actions": _ACTIONS[step.action],
        "before": before,
        "after": after,
        "after_unknown": _unknown(step, before, after),
        "before_sensitive": _sensitive(step.before, fields(step.kind)),
        "after_sensitive": _sensitive(declared if after is not None else None, step.sends),
    }
    if step.action is Action.REPLACE:
        change["replace_paths"] = [[name] for name in dict.fromkeys(c.field for c in step.fields)]
    row = {
        "address": resource_address(step.address),
        "mode": "managed",
        "type": f"exolink_{step.address.kind}",
        "name": step.address.tenant,
        "index": step.address.name,
        "provider_name": PROVIDER,
        "change": change,
    }
    if step.action in _REASONS:
        row["action_reason"] = _REASONS[step.action]
    return row


def _unknown(step: Step, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, bool]:
    """What `after` cannot tell: what the server gives to a new object, and a value that differs only in a secret."""
    if after is None:
        return {}
    if step.creates:
        return {"id": True, **{name: True for name in fields(step.kind) if name not in after}}
    return {
        change.field: True for change in step.fields if before and before.get(change.field) == after.get(change.field)
    }


def _sensitive(resource: Resource | None, names: Any) -> dict[str, bool] | bool:
    if resource is None:
        return False
    values = ((name, getattr(resource, name)) for name in names)
    return {name: True for name, value in values if isinstance(value, SecretUrl) and value.has_secret}


def _planned(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: row[name] for name in ("address", "mode", "type", "name", "index", "provider_name")}
    change = row["change"]
    return {**kept, "schema_version": 0, "values": change["after"], "sensitive_values": change["after_sensitive"] or {}}


def _change(step: Step) -> dict[str, Any]:
    return {
        "address": str(step.address),
        "action": step.action.word,
        "fields": list(dict.fromkeys(change.field for change in step.fields)),
        "reason": step.reason,
        "source": _source(step.source),
        "sends": list(step.sends),
        "inferred": step.inferred,
        "digest": digest.of_step(step),
    }


def _held_back(held: HeldBack) -> dict[str, Any]:
    return {
        "address": str(held.address),
        "action": held.action.word,
        "field": held.field.name if held.field else None,
        "before": digest.shown(held.field.before) if held.field else None,
        "after": digest.shown(held.field.after) if held.field else None,
        "code": held.code,
        "reason": held.reason,
        "ways_out": list(held.ways_out),
        "source": _source(held.source),
    }


def _source(source: Source | None) -> dict[str, Any] | None:
    return {"file": source.path, "line": source.line, "column": source.column} if source else None


def _names(plan: Plan) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = {}
    for (tenant, name), numbers in plan.names.items():
        found.setdefault(tenant, {})[name] = {str(number): word for number, word in numbers.items()}
    return found


# -------------------------------------------------------------------------------------------------------------- format


class _Closed(BaseModel):
    # Built when a plan file is read or the schema is asked for: most runs do neither, and it costs 20 ms.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ResourceValue(_Closed):
    """One resource as it will be."""

    address: str
    mode: Literal["managed"]
    type: str
    name: str
    index: str
    provider_name: str
    schema_version: int
    values: dict[str, Any]
    sensitive_values: dict[str, bool]


class Module(_Closed):
    """The one module there is."""

    resources: tuple[ResourceValue, ...] = ()


class PlannedValues(_Closed):
    """What will be, for the resources that change."""

    root_module: Module


class ChangeValues(_Closed):
    """Before and after of one resource. Secrets are masked and marked in the `*_sensitive` masks."""

    actions: tuple[Literal["create", "update", "delete"], ...]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    after_unknown: dict[str, bool]
    before_sensitive: dict[str, bool] | bool
    after_sensitive: dict[str, bool] | bool
    replace_paths: tuple[tuple[str, ...], ...] | None = None


class ResourceChange(_Closed):
    """One change, as Terraform tells it. `name` is the tenant, `index` the name in it."""

    address: str
    mode: Literal["managed"]
    type: str
    name: str
    index: str
    provider_name: str
    change: ChangeValues
    action_reason: str | None = None


class Place(_Closed):
    """A place in the YAML: 1-based line and column."""

    file: str
    line: int
    column: int


class PlannedChange(_Closed):
    """One change, as this tool tells it; in the order of `resource_changes`."""

    address: str
    action: Literal["create", "update", "replace", "delete"]
    fields: tuple[str, ...]
    reason: str
    source: Place | None
    sends: tuple[str, ...]
    inferred: bool
    digest: str


class HeldBackChange(_Closed):
    """A difference that apply will not settle."""

    address: str
    action: Literal["create", "update", "replace", "delete"]
    field: str | None
    before: Any = None
    after: Any = None
    code: str
    reason: str
    ways_out: tuple[str, ...] = ()
    source: Place | None


class RailRefusal(_Closed):
    """A rail that makes apply refuse this plan."""

    code: str
    summary: str


class Exolink(_Closed):
    """What this tool says beside Terraform's format."""

    schema_version: Literal[1]
    digest: str = Field(pattern="^[0-9a-f]{64}$", description="What a reviewer approves: see --expect.")
    api_url: str
    config_digest: str
    paths: tuple[str, ...]
    options: dict[str, Any]
    held_back: tuple[HeldBackChange, ...]
    refusals: tuple[RailRefusal, ...]
    tenants: tuple[str, ...]
    unmanaged: dict[str, int]
    names: dict[str, dict[str, dict[str, str]]]
    changes: tuple[PlannedChange, ...]
    checksum: str


class PlanDocument(_Closed):
    """A plan in Terraform's format 1.2, with the key `exolink`."""

    format_version: Literal["1.2"]
    terraform_version: str
    planned_values: PlannedValues
    resource_changes: tuple[ResourceChange, ...]
    configuration: dict[str, Any]
    applyable: bool
    complete: bool
    errored: bool
    exolink: Exolink
