"""Plan to plan JSON: Terraform's format 1.2 on one line, so that Terraform's own plan readers take it, plus `exolink`.

Three things are as they are because readers of the format want them so (research: ecosystem.md, section 1): one line, a
`terraform_version` that exists, and `planned_values` and `configuration` that are not empty. The models below are the
format as we write it; `schema` turns them into the JSON Schema, `plan_file` reads a saved plan with them.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from exolink_reconcile.model import HeldBack, Plan, Source, Step
from exolink_reconcile.planning import digest
from exolink_reconcile.saved_plan import rows
from exolink_reconcile.saved_plan.rows import PROVIDER, canonical
from exolink_reconcile.secret_url import SecretUrl, masked

SCHEMA_VERSION = 1
_BATCH = 1000
TERRAFORM_VERSION = "1.11.4"


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
            "tenants": list(plan.tenants),
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
    lists: tuple[list[bytes], list[bytes], list[bytes]] = ([], [], [])
    for start in range(0, len(steps), _BATCH):
        items = rows.items(steps[start : start + _BATCH], digests[start : start + _BATCH])
        for pieces, texts in zip(lists, zip(*items), strict=True):
            there = list(filter(None, texts))
            if pieces and there:
                there[0] = f",{there[0]}"
            pieces.append(",".join(there).encode())
    return lists


def checksum(document: Mapping[str, Any]) -> str:
    """The checksum of a plan document over everything but itself: tells an edited file."""
    own = {name: value for name, value in document["exolink"].items() if name != "checksum"}
    return hashlib.sha256(canonical({**document, "exolink": own}).encode()).hexdigest()


def _held_back(held: HeldBack) -> dict[str, Any]:
    return {
        "address": str(held.address),
        "action": held.action.word,
        "field": held.field.name if held.field else None,
        "before": masked(held.field.before) if held.field else None,
        "after": masked(held.field.after) if held.field else None,
        "code": held.code,
        "reason": held.reason,
        "sensitive": any(isinstance(each, SecretUrl) and each.has_secret for each in (held.field or ())[1:]),
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
    sensitive: bool = Field(False, description="Whether before or after has a secret, which is masked.")
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
