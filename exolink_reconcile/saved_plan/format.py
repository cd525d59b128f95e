"""The plan JSON as we write it, as models: `schema` makes the JSON Schema of them, `reader` reads a saved plan with them."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from exolink_reconcile.codes import Code

KnownCode = Annotated[str, AfterValidator(lambda text: Code(text).value)]


class _Closed(BaseModel):
    # Built when a plan file is read or the schema is asked for: most runs do neither, and it costs 20 ms.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


# Every step has one of each: with slots, 100,000 steps take 400 MiB less.
_row = dataclass(config=ConfigDict(extra="forbid", defer_build=True), frozen=True, slots=True, kw_only=True)


@_row
class ResourceValue:
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


@_row
class ChangeValues:
    """Before and after of one resource. Secrets are masked and marked in the `*_sensitive` masks."""

    actions: tuple[Literal["create", "update", "delete"], ...]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    after_unknown: dict[str, bool]
    before_sensitive: dict[str, bool] | bool
    after_sensitive: dict[str, bool] | bool
    replace_paths: tuple[tuple[str, ...], ...] | None = None


@_row
class ResourceChange:
    """One change, in Terraform's form. `name` is the tenant, `index` the name in it."""

    address: str
    mode: Literal["managed"]
    type: str
    name: str
    index: str
    provider_name: str
    change: ChangeValues
    action_reason: str | None = None


@_row
class Place:
    """A place in the YAML: 1-based line and column."""

    file: str
    line: int
    column: int


@_row
class PlannedChange:
    """One change, in this tool's form; in the order of `resource_changes`."""

    address: str
    action: Literal["create", "update", "replace", "delete"]
    fields: tuple[str, ...]
    reason: str
    source: Place | None
    cause: Annotated[
        Literal["edit", "drift", "both"] | None, Field(description="Whose change it is; null: not claimed.")
    ]
    sends: tuple[str, ...]
    secrets: Annotated[
        dict[str, str], Field(description="Fields whose secret changes, and a hash of where it comes from.")
    ]
    inferred: bool
    digest: str


class HeldBackChange(_Closed):
    """A difference that apply will not settle."""

    address: str
    action: Literal["create", "update", "replace", "delete"]
    field: str | None
    before: Any = None
    after: Any = None
    code: KnownCode
    reason: str
    sensitive: bool = Field(False, description="Whether before or after has a secret, which is masked.")
    ways_out: tuple[str, ...] = ()
    source: Place | None


class PlanBase(_Closed):
    """What was declared before: another checkout, or what the last apply declared and verified."""

    kind: Literal["path", "state"]
    path: str | None = None
    when: str | None = Field(None, description="UTC, ISO 8601")


class PlanNote(_Closed):
    """Something to know that is not a change: a stable code, a sentence, and the addresses it is about."""

    code: KnownCode
    summary: str
    addresses: tuple[str, ...] = ()


class PlanOptions(_Closed):
    """The options that shape a plan, as they were given: `apply --plan` uses them."""

    api_url: str
    contract: str | None
    target: tuple[str, ...]
    exclude: tuple[str, ...]
    prune: bool
    allow_replace: tuple[str, ...]
    allow_deletes: int | None
    allow_shrunk: tuple[str, ...]
    allow_inferred: bool
    base: str | None
    only: Literal["edits", "drift"] | None


class GuardrailRefusal(_Closed):
    """A guardrail that makes apply refuse this plan."""

    code: KnownCode
    summary: str


class PlannedProbe(_Closed):
    """What a handshake with the URL of a step found, where --probe asked for it. Never in a saved plan."""

    address: str
    reachable: bool
    status: int | None
    subprotocol: str | None
    reason: str


class Exolink(_Closed):
    """What this tool adds to Terraform's format."""

    schema_version: Literal[1]
    digest: str = Field(pattern="^[0-9a-f]{64}$", description="What a reviewer approves: see --expect.")
    api_url: str
    config_digest: str
    paths: tuple[str, ...]
    options: PlanOptions
    compared: dict[str, int] = Field(description="What is live in the part that the plan is about, by kind.")
    base: PlanBase | None = Field(description="What the causes were judged by.")
    left_out: tuple[str, ...] = Field(description="The addresses of the steps that --only leaves out.")
    partial: tuple[str, ...] = Field(description="The options that leave a part out.")
    held_back: tuple[HeldBackChange, ...]
    refusals: tuple[GuardrailRefusal, ...]
    tenants: tuple[str, ...]
    unmanaged: dict[str, int]
    notes: tuple[PlanNote, ...]
    names: dict[str, dict[str, dict[str, str]]]
    changes: tuple[PlannedChange, ...]
    probes: tuple[PlannedProbe, ...] = ()
    checksum: str


class PlanDocument(_Closed):
    """A plan in Terraform's format 1.2, with the key `exolink`."""

    format_version: Literal["1.2"]
    terraform_version: str
    planned_values: PlannedValues
    resource_changes: tuple[ResourceChange, ...]
    resource_drift: tuple[ResourceChange, ...] = ()
    configuration: dict[str, Any]
    applyable: bool
    complete: bool
    errored: bool
    exolink: Exolink


class _Unread(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


# Reading every key of a row would make the reading of 100,000 changes half as long again.
_part_of_row = dataclass(config=ConfigDict(extra="ignore", defer_build=True), frozen=True, slots=True, kw_only=True)


@_part_of_row
class SavedValues:
    """Before and after of one resource."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None


@_part_of_row
class SavedChange:
    """One change of a saved plan: what its digest is made of."""

    address: str
    change: SavedValues


class SavedDocument(PlanDocument):
    """A plan document as we read it again. What is in it for other tools only is skipped."""

    planned_values: _Unread  # type: ignore[assignment]  # read without its values
    resource_changes: tuple[SavedChange, ...]  # type: ignore[assignment]  # read in part
    resource_drift: tuple[SavedChange, ...] = ()  # type: ignore[assignment]  # read in part
