"""Plan to plan JSON: Terraform's format 1.2 on one line, so that Terraform's own plan readers take it, plus `exolink`.

Three things are as they are because readers of the format want them so (research: ecosystem.md, section 1): one line, a
`terraform_version` that exists, and `planned_values` and `configuration` that are not empty. The models below are the
format as we write it; `schema` turns them into the JSON Schema, `plan_file` reads a saved plan with them.
"""

import functools
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from exolink_reconcile import digest
from exolink_reconcile.inert import inert
from exolink_reconcile.model import Action, HeldBack, Plan, Source, Step
from exolink_reconcile.resource import Address, Kind, Resource, Row, SecretUrl, fields

SCHEMA_VERSION = 1
_BATCH = 1000
TERRAFORM_VERSION = "1.11.4"
PROVIDER = "registry.exolink.cloud/exolink/exolink"
_ACTIONS = {
    Action.CREATE: '["create"]',
    Action.UPDATE: '["update"]',
    Action.REPLACE: '["delete","create"]',
    Action.DELETE: '["delete"]',
}
_REASONS = {Action.REPLACE: "replace_because_cannot_update", Action.DELETE: "delete_because_each_key"}
_QUOTED = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make an encoder for each of 100,000 names


def plan(
    plan: Plan, digests: Sequence[str], *, config_digest: str, paths: Sequence[str], options: Mapping[str, Any]
) -> list[bytes]:
    """The plan as one line of canonical JSON, in pieces: same inputs, same bytes; no time, no token, secrets masked.

    `digests` are those of the steps. The three long lists are written a batch of steps at a time: the values of
    100,000 steps and their text do not have to be in memory together.
    """
    steps = list(plan.steps)
    frame: dict[str, Any] = {
        "format_version": "1.2",
        "terraform_version": TERRAFORM_VERSION,
        "planned_values": {"root_module": {"resources": []}},
        "resource_changes": [],
        "configuration": {
            "provider_config": {"exolink": {"name": "exolink", "full_name": PROVIDER}},
            "root_module": {},
        },
        "applyable": bool(steps) and not plan.refusals,
        "complete": not plan.held_back,
        "errored": False,
        "exolink": {
            "schema_version": SCHEMA_VERSION,
            "digest": digest.of_steps(plan.origin, digests),
            "api_url": plan.origin,
            "config_digest": config_digest,
            "paths": list(paths),
            "options": dict(options),
            "held_back": [_held_back(held) for held in plan.held_back],
            "refusals": [{"code": refusal.code, "summary": refusal.summary} for refusal in plan.refusals],
            "unmanaged": dict(plan.unmanaged_counts),
            "names": _names(plan),
            "changes": [],
        },
    }
    # A quote inside a JSON string has a backslash before it: only a key can be followed by `":[]`.
    rest = canonical(frame).encode() + b"\n"
    pieces: list[bytes] = []
    for name, items in zip(("changes", "resources", "resource_changes"), _lists(steps, digests), strict=True):
        before, found, rest = rest.partition(f'"{name}":[]'.encode())
        assert found
        pieces += (before, f'"{name}":['.encode(), *items, b"]")
        if name == "changes":
            place = len(pieces)
    pieces.append(rest)
    found_sum = hashlib.sha256()
    for piece in pieces:
        found_sum.update(piece.rstrip(b"\n"))
    pieces.insert(place, f',"checksum":"{found_sum.hexdigest()}"'.encode())
    return pieces


def _lists(steps: Sequence[Step], digests: Sequence[str]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """The items of `changes`, `resources` and `resource_changes`, each as pieces of JSON text."""
    changes: list[bytes] = []
    resources: list[bytes] = []
    rows: list[bytes] = []
    for start in range(0, len(steps), _BATCH):
        texts = [_texts(step, each) for step, each in zip(steps[start : start + _BATCH], digests[start:])]
        for pieces, items in zip((changes, resources, rows), zip(*texts, strict=True), strict=True):
            text = ",".join(filter(None, items))
            if text:
                pieces.append(f",{text}".encode() if pieces else text.encode())
    return changes, resources, rows


def canonical(document: Any) -> str:
    """One line, keys sorted, ASCII only: an escape in a name stays an escape."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _values(values: Mapping[str, Any] | None) -> str:
    """`canonical` for the values of one object, three times as fast: their names must be in order already."""
    return to_json(values, ensure_ascii=True).replace(b"\x7f", b"\\u007f").decode("ascii")


# Most values are those of the step before: the same kind, fields and reason.
_repeated = functools.lru_cache(maxsize=1000)(canonical)
_text = json.encoder.encode_basestring_ascii


def checksum(document: Mapping[str, Any]) -> str:
    """The checksum of a plan document over everything but itself: tells an edited file."""
    own = {name: value for name, value in document["exolink"].items() if name != "checksum"}
    return hashlib.sha256(canonical({**document, "exolink": own}).encode()).hexdigest()


def resource_address(address: Address) -> str:
    """Terraform's form: `exolink_cpms.acme["Primary backend"]`."""
    return f"exolink_{address.kind}.{address.tenant}[{inert(_QUOTED(address.name))}]"


def live_object(kind: Kind, row: Row) -> dict[str, Any]:
    """A live object as its kind knows it, with its id; secrets masked."""
    return digest.shown_fields(row, _shown_names(kind))


@functools.cache
def _shown_names(kind: Kind) -> tuple[str, ...]:
    return tuple(sorted({"id", *fields(kind)}))


def _texts(step: Step, step_digest: str) -> tuple[str, str, str]:
    """One step as items of `changes`, `resources` (empty where nothing will be there) and `resource_changes`.

    Written out as text, names in order, because this runs for 100,000 steps; each part is encoded once for all three.
    """
    action, kind, declared = step.action, step.kind, step.declared.resource if step.declared else None
    before = live_object(kind, step.before) if step.before is not None else None
    after: dict[str, Any] | None = None
    if declared is not None and action is not Action.DELETE:
        kept = before if before is not None and action is Action.UPDATE else {}
        after = {**kept, **digest.shown_fields(declared, sorted(step.sends))}
    after_text = _values(after)
    after_sensitive = _sensitive(kind, declared if after is not None else None, step.sends)
    unknown = _unknown(step, before, after)
    changed = dict.fromkeys([change.field for change in step.fields])
    address, index, tenant = _text(resource_address(step.address)), _text(step.address.name), step.address.tenant
    place = step.source
    source = f'{{"column":{place.column},"file":{_text(place.path)},"line":{place.line}}}' if place else "null"
    reason = f'"action_reason":"{_REASONS[action]}",' if action in _REASONS else ""
    paths = f',"replace_paths":{canonical([[name] for name in changed])}' if action is Action.REPLACE else ""
    change = (
        f'{{"action":"{action.word}","address":{_text(str(step.address))},"digest":"{step_digest}",'
        f'"fields":{_repeated(tuple(changed))},"inferred":{"true" if step.inferred else "false"},'
        f'"reason":{_text(step.reason)},"sends":{_repeated(step.sends)},"source":{source}}}'
    )
    planned = (
        f'{{"address":{address},"index":{index},"mode":"managed","name":{_text(tenant)},"provider_name":"{PROVIDER}",'
        f'"schema_version":0,"sensitive_values":{after_sensitive},"type":"exolink_{kind.kind}","values":{after_text}}}'
    )
    row = (
        f'{{{reason}"address":{address},"change":{{"actions":{_ACTIONS[action]},"after":{after_text},'
        f'"after_sensitive":{after_sensitive},"after_unknown":{canonical(unknown) if unknown else "{}"},'
        f'"before":{_values(before)},"before_sensitive":{_sensitive(kind, step.before, fields(kind))}{paths}}},'
        f'"index":{index},"mode":"managed","name":{_text(tenant)},"provider_name":"{PROVIDER}","type":"exolink_{kind.kind}"}}'
    )
    return change, planned if after is not None else "", row


def _unknown(step: Step, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, bool]:
    """What `after` cannot tell: what the server gives to a new object, and a value that differs only in a secret."""
    if after is None:
        return {}
    if step.creates:
        return {"id": True, **{name: True for name in fields(step.kind) if name not in after}}
    return {
        change.field: True for change in step.fields if before and before.get(change.field) == after.get(change.field)
    }


@functools.cache
def _secret_names(kind: Kind) -> tuple[str, ...]:
    return tuple(name for name, facts in fields(kind).items() if facts.secret)


def _sensitive(kind: Kind, resource: Resource | Row | None, names: Collection[str]) -> str:
    if resource is None:
        return "false"
    values = [(name, getattr(resource, name)) for name in _secret_names(kind) if name in names]
    found = {name: True for name, value in values if isinstance(value, SecretUrl) and value.has_secret}
    return canonical(found) if found else "{}"


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
