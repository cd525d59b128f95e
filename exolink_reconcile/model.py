"""The values that flow between the stages."""

import enum
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from exolink_reconcile.codes import Exit
from exolink_reconcile.resource import Address, Kind, ListKey, Resource, Row, compared

# ------------------------------------------------------------------------------------------------------ where and what


class Source(NamedTuple):
    """A place in a file of the user: the path as given, 1-based line and column."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem of the input: a stable code, one sentence, what to do now, and where."""

    code: str
    summary: str
    source: Source | None = None
    detail: str = ""
    severity: Literal["error", "warning"] = "error"


# ------------------------------------------------------------------------------------------------------------- desired


class Declared(NamedTuple):
    """A resource that the YAML declares. `resource` is an entry of its kind; the fields set in it are managed."""

    resource: Resource
    source: Source

    @property
    def pinned_id(self) -> int | None:
        """The live id that YAML pins with `id:`."""
        return getattr(self.resource, "id", None)

    @property
    def create_only(self) -> tuple[str, ...]:
        """Fields that are sent on create and never compared."""
        return getattr(self.resource, "createOnly", ())


class Removed(NamedTuple):
    """An entry that says: this address must not exist."""

    name: str
    remote_id: int | None
    reason: str
    source: Source


class Pattern(NamedTuple):
    """A glob on KIND/NAME in a policy, and its place."""

    glob: str
    source: Source


class Policy(NamedTuple):
    """What a tenant's documents allow and forbid. Every default is the safe one."""

    protect: tuple[Pattern, ...] = ()
    exclusive: tuple[Pattern, ...] = ()
    allow_replace: tuple[Pattern, ...] = ()


@dataclass(frozen=True, slots=True)
class DesiredTenant:
    """Everything that the documents say about one tenant. The mappings are by kind; `tables` by table, then by name."""

    name: str
    source: Source
    declared: Mapping[Kind, Sequence[Declared]]
    removed: Mapping[Kind, Sequence[Removed]]
    policy: Policy
    tables: Mapping[str, Mapping[str, int]]
    mentioned: frozenset[Kind]


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What the YAML declares, tenants sorted by name, and the digest of the configuration's bytes.

    `unread` are the places in the folders that could not be read: what they declare is not known.
    """

    tenants: tuple[DesiredTenant, ...]
    config_digest: str
    warnings: tuple[Diagnostic, ...] = ()
    unread: tuple[Source, ...] = ()


# ---------------------------------------------------------------------------------------------------------------- live


@dataclass(frozen=True, slots=True)
class LiveTenant:
    """What the API has for one tenant: rows by kind, without soft-deleted ones. If it does not exist, the rows are empty."""

    exists: bool
    rows: Mapping[Kind, Sequence[Row]]


@dataclass(frozen=True, slots=True)
class LiveState:
    """What the API has, by tenant: only what was asked for, and all of that (anything less is an error)."""

    tenants: Mapping[str, LiveTenant]


def remote_id(row: Row) -> int:
    """The live id of a row."""
    return row.id


# -------------------------------------------------------------------------------------------------------------- facts


class FieldChange(NamedTuple):
    """One managed field that differs. `before` is live, `after` desired; None means no value."""

    name: str
    before: Any
    after: Any

    @property
    def field(self) -> str:
        """The field itself, if `name` is a place inside it: `flow` for `flow['a'][0]`."""
        return self.name.partition("[")[0] if "[" in self.name else self.name


class Change(NamedTuple):
    """How desired and live differ at an address.

    before   after
    -------  -------
    None     entry     declared, not live
    row      entry     both, and `fields` differ
    row      None      live, and `removed` says it must not be
    """

    address: Address
    kind: Kind
    before: Row | None
    declared: Declared | None
    fields: tuple[FieldChange, ...] = ()
    removed: Removed | None = None


class Unclear(NamedTuple):
    """An address where desired and live cannot be matched with certainty, and why. We report it and never guess."""

    address: Address
    kind: Kind
    code: str
    reason: str
    source: Source
    removed: bool


@dataclass(frozen=True, slots=True)
class Unmanaged:
    """Live rows of a kind that are neither declared nor removed."""

    tenant: str
    kind: Kind
    rows: tuple[Row, ...]


class Note(NamedTuple):
    """A note beside the steps: a stable code, one sentence, and the addresses that it is about."""

    code: str
    summary: str
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """Every fact that the differ found, in the order of tenants, kinds and names. `live_counts` are by list.

    `live` is the live state that was compared.
    """

    changes: tuple[Change, ...]
    unclear: tuple[Unclear, ...]
    unmanaged: tuple[Unmanaged, ...]
    live_counts: Mapping[ListKey, int]
    notes: tuple[Note, ...] = ()
    live: LiveState = LiveState({})


# ----------------------------------------------------------------------------------------------------------- decisions


Cause = Literal["edit", "drift", "both"]


class BaseInfo(NamedTuple):
    """Where the base of the causes comes from: a path, or the state; then `when` is the time of its oldest part."""

    kind: Literal["path", "state"]
    path: str | None = None
    when: str | None = None


class Action(enum.Enum):
    """What a step does; the value is its mark, `word` its name: create, update, replace, delete.

    `deletes`: it deletes a live object (the first half of a replace). `creates`: it creates one (the second half).
    """

    CREATE = "+"
    UPDATE = "~"
    REPLACE = "-/+"
    DELETE = "-"

    def __init__(self, mark: str) -> None:
        self.word = self._name_.lower()
        self.deletes = "-" in mark
        self.creates = "+" in mark


class Step(NamedTuple):
    """One action at one address, and why. It carries what to send, so that the applier needs nothing else.

    `sends` are the fields in the request body of a create, an update or the second half of a replace. `fields` are the
    differences that the step settles. `inferred` says that the contract only infers the operation or a field that it sends.
    `cause` says whose change it is; `was` has the base's values of the fields that another hand changed too (for a create, of
    all fields), as JSON values, secrets masked. Neither is part of the digest.
    """

    action: Action
    address: Address
    kind: Kind
    reason: str
    source: Source | None
    before: Row | None = None
    declared: Declared | None = None
    fields: tuple[FieldChange, ...] = ()
    sends: tuple[str, ...] = ()
    inferred: bool = False
    pruned: bool = False
    cause: Cause | None = None
    was: tuple[tuple[str, Any], ...] = ()

    @property
    def goes_with(self) -> tuple[FieldChange, ...]:
        """What a delete or replace takes away beside its differences: the other fields of the live object, except its key.

        `after` is what a replace puts back; None if the YAML does not write the field.
        """
        if self.before is None:
            return ()
        differing = {change.field for change in self.fields}
        values = ((name, getattr(self.before, name)) for name in compared(self.kind) if name not in differing)
        resource = self.declared.resource if self.declared and self.action is Action.REPLACE else None
        return tuple(
            FieldChange(name, value, getattr(resource, name) if name in self.sends else None)
            for name, value in values
            if value is not None
        )

    @property
    def deletes(self) -> bool:
        """Whether it deletes a live object: as a delete, or in the first half of a replace."""
        return self.action.deletes

    @property
    def creates(self) -> bool:
        """Whether it creates a live object: as a create, or in the second half of a replace."""
        return self.action.creates


def alike(steps: Sequence[Step]) -> list[list[int]]:
    """The indexes of similar steps together: those of one kind and action that send the same fields.

    For work that is done column by column: of 100,000 steps nearly all are similar.
    """
    places: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, step in enumerate(steps):
        places[step.kind, step.action.word, step.sends, step.before is None].append(place)
    return list(places.values())


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A difference that the plan shows and apply will not settle. `code` and `reason` say why."""

    address: Address
    kind: Kind
    action: Action
    code: str
    reason: str
    source: Source | None
    field: FieldChange | None = None
    ways_out: tuple[str, ...] = ()


class Refusal(NamedTuple):
    """A guardrail that refuses the plan: `plan` says so, `apply` writes nothing and exits with 7."""

    code: str
    summary: str


class Probe(NamedTuple):
    """The result of one handshake with the URL of a step. It is shown, never saved, and no digest covers it.

    `status` is the status of an answer over HTTP; `reason` says in our own words why there was none, or what is odd.
    """

    address: Address
    reachable: bool
    status: int | None = None
    subprotocol: str | None = None
    reason: str = ""

    def __str__(self) -> str:
        if not self.reachable:
            return f"{self.address} cannot be reached from here: {self.reason} (E-UNREACHABLE-CPMS)"
        return f"{self.address} answers {' '.join(filter(None, (str(self.status), self.subprotocol, self.reason)))}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps in order, wave by wave, and what was held back. Show, save, approve, apply and count read this value.

    The steps of a wave may run at the same time; a wave starts after the one before has ended. `names` gives the readable
    name of a number, by (tenant, field); `unmanaged_counts` are by kind name; `tenants` were read. `compared` counts the live
    objects that the plan is about, by kind name, tenants first. `partial` names the options that leave a part out, `left_out`
    the addresses of the steps that --only leaves out. `base` is what the steps' causes were judged by.
    """

    origin: str
    waves: tuple[tuple[Step, ...], ...]
    held_back: tuple[HeldBack, ...]
    unmanaged_counts: Mapping[str, int]
    unmanaged: tuple[Unmanaged, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[Note, ...] = ()
    names: Mapping[tuple[str, str], Mapping[int, str]] = field(default_factory=dict)
    tenants: tuple[str, ...] = ()
    compared: Mapping[str, int] = field(default_factory=dict)
    partial: tuple[str, ...] = ()
    probes: tuple[Probe, ...] | None = None  # None: not asked for
    left_out: tuple[Address, ...] = ()
    base: BaseInfo | None = None

    @property
    def complete(self) -> bool:
        """Whether apply would settle every difference: nothing is held back, no part left out."""
        return not self.held_back and not self.partial

    @property
    def steps(self) -> Iterator[Step]:
        """Every step in the order of the waves."""
        return (step for wave in self.waves for step in wave)

    @property
    def differs(self) -> bool:
        """Whether anything differs, held back included."""
        return bool(self.waves or self.held_back)

    def count(self, action: Action) -> int:
        """How many steps have this action."""
        return sum(step.action is action for step in self.steps)

    @property
    def by_this_change(self) -> int:
        """How many steps this change causes, alone or with another hand."""
        return sum(step.cause in ("edit", "both") for step in self.steps)

    @property
    def drift(self) -> int:
        """How many steps settle what differs besides this change."""
        return sum(step.cause == "drift" for step in self.steps)

    @property
    def not_attributed(self) -> int:
        """How many steps have no cause: only a secret changes, or their tenant has no base."""
        return sum(step.cause is None for step in self.steps)

    @property
    def without_drift(self) -> "Plan":
        """The same plan without the steps that only settle what differs besides this change."""
        waves = (tuple(step for step in wave if step.cause != "drift") for wave in self.waves)
        return replace(self, waves=tuple(wave for wave in waves if wave))

    @property
    def counts(self) -> tuple[int, int, int]:
        """To add, to change, to destroy. A replace counts as one add and one destroy."""
        number = Counter(step.action.word for step in self.steps)
        return number["create"] + number["replace"], number["update"], number["delete"] + number["replace"]


# ------------------------------------------------------------------------------------------------------------- effects


class Status(enum.Enum):
    """What really happened to a step."""

    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one step. `code` says what went wrong; `added`, `changed` and `destroyed` count what happened.

    `exit_code` says how the run must end because of this step; DONE for a step that is done. `made` is the id of the object
    that a create made.
    """

    step: Step
    status: Status
    detail: str = ""
    code: str = ""
    exit_code: Exit = Exit.DONE
    added: int = 0
    changed: int = 0
    destroyed: int = 0
    made: int | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """A write that was intended, and what we know about it. `intended_at` is in seconds since the epoch.

    `age` is the time in seconds from when it was last sent until it was read from the state (a lower bound: no clock can
    make it older than it is). `attempts`: how often it may have been sent. `answered`: the API answered it; `deleted`: the
    delete of a replace was answered. `made_id`: the live id of what it made, if that was ever seen. `run` is the run that
    intended it.
    """

    number: int
    origin: str
    address: Address
    action: str
    remote_id: int | None
    after: Mapping[str, Any]
    intended_at: float
    age: float
    answered: bool
    made_id: int | None = None
    attempts: int = 1
    deleted: bool = False
    run: str = ""


class Left(NamedTuple):
    """A difference that the last read still found at an address of the plan. `gone`: no list shows the object."""

    address: Address
    detail: str
    code: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an apply: one outcome for each step in plan order, what the last read still found, notes for the user.

    `live_counts` are the lengths of the lists that were read last; `gated` says why a gate let nothing more start.
    """

    outcomes: tuple[Outcome, ...]
    left: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()
    exit_codes: tuple[Exit, ...] = ()
    live_counts: Mapping[ListKey, int] = field(default_factory=dict)
    gated: str = ""

    @property
    def totals(self) -> tuple[int, int, int]:
        """Added, changed, destroyed: counted from what happened."""
        return (
            sum(outcome.added for outcome in self.outcomes),
            sum(outcome.changed for outcome in self.outcomes),
            sum(outcome.destroyed for outcome in self.outcomes),
        )
