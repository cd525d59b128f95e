"""A saved plan to what was reviewed, and whether a new plan is the same, the rest of it, or something else."""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from operator import attrgetter
from typing import Any, NamedTuple

from pydantic import ValidationError

from exolink_reconcile.errors import InputError, PlanStale, problem
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import (
    Action,
    BaseInfo,
    Declared,
    DesiredState,
    FieldChange,
    HeldBack,
    LiveState,
    Note,
    Plan,
    Refusal,
    Source,
    Step,
    remote_id,
)
from exolink_reconcile.planning import digest
from exolink_reconcile.planning.choices import ReviewedPlan
from exolink_reconcile.resource import (
    Address,
    Kind,
    ListKey,
    Row,
    entry_model,
    fields,
    key,
    masked_tuples,
    row_model,
)
from exolink_reconcile.saved_plan import rows, writer
from exolink_reconcile.saved_plan.format import (
    HeldBackChange,
    Place,
    PlannedChange,
    PlanNote,
    SavedChange,
    SavedDocument,
    SavedValues,
)
from exolink_reconcile.secret_url import SecretUrl, may_be

_NOWHERE = Source("", 0, 0)  # a plan file has the places of steps, not of declared resources
_WHOLE_NUMBER = re.compile("-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan file that nobody changed: what was reviewed, and the paths and options that it was made with."""

    document: SavedDocument

    @property
    def digest(self) -> str:
        """The digest that was reviewed."""
        return self.document.exolink.digest

    @property
    def reviewed(self) -> ReviewedPlan:
        """Its addresses and number of deletes."""
        changes = self.document.exolink.changes
        deletes = sum(change.action in ("delete", "replace") for change in changes)
        return ReviewedPlan(tuple(change.address for change in changes), deletes)

    @property
    def options(self) -> Mapping[str, Any]:
        """The options that the plan was made with, by name."""
        return self.document.exolink.options.model_dump()


def read(text: bytes, kinds: Sequence[Kind] = KINDS) -> SavedPlan:
    """The saved plan in a file's bytes.

    Raises:
        InputError: it is not a plan of this tool.
        PlanStale: it is one, but not as it was saved.

    """
    try:
        with ThreadPoolExecutor(1) as beside:  # a hash of 100 MB takes a core, and lets this thread run
            as_written = beside.submit(writer.checksum_as_written, text)
            document = SavedDocument.model_validate_json(text)
        checksum = document.exolink.checksum
        is_whole = checksum == as_written.result() or checksum == writer.checksum_of(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise _not_a_plan(f"this is not a saved plan: {_why(error)}") from None
    saved = SavedPlan(document)
    if not (is_whole and _is_as_reviewed(saved, kinds)):
        raise PlanStale("E-EDITED", "the plan file was edited after it was saved; make a new one and have it reviewed")
    return saved


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError) and (first := error.errors()[0])["type"] != "json_invalid":
        return first["msg"]
    return "it is not JSON"


def _is_as_reviewed(saved: SavedPlan, kinds: Sequence[Kind]) -> bool:
    """Whether the file's digests fit its steps and the API that they are for."""
    own, resource_changes = saved.document.exolink, saved.document.resource_changes
    if own.options.api_url != own.api_url or len(own.changes) != len(resource_changes):
        return False
    by_word = {kind.kind: kind for kind in kinds}
    _without_steps(saved, kinds)  # raises if this version does not know something in it
    for row in saved.document.resource_drift:
        _was(_kind(row, by_word), row.change)
    return _have_their_digests(own.changes, resource_changes, by_word) and (
        own.digest == digest.of_steps(own.api_url, (change.digest for change in own.changes))
    )


class _Alike(NamedTuple):
    """What changes that are checked together have in common: the names in them, and the action."""

    kind: Kind
    action: str
    fields: tuple[str, ...]
    sends: tuple[str, ...]
    secrets: tuple[str, ...]
    before: tuple[str, ...] | None
    after: tuple[str, ...] | None


def _have_their_digests(
    changes: Sequence[PlannedChange], resource_changes: Sequence[SavedChange], kinds: Mapping[str, Kind]
) -> bool:
    """Whether each change has its row's address, and a digest that fits the row. Group by group: there may be 100,000."""
    groups: dict[tuple[Any, ...], list[tuple[PlannedChange, SavedValues]]] = defaultdict(list)
    for change, row in zip(changes, resource_changes, strict=True):
        address, kind = _address(change.address, kinds)
        if row.address != rows.resource_address(address):
            return False
        before, after = row.change.before, row.change.after
        names = tuple(before) if before is not None else None, tuple(after) if after is not None else None
        common = (kind, change.action, change.fields, change.sends, tuple(change.secrets), *names)
        groups[common].append((change, row.change))
    return all(_have_digests(_Alike(*common), group) for common, group in groups.items())


def _have_digests(alike: _Alike, group: Sequence[tuple[PlannedChange, SavedValues]]) -> bool:
    _check_names(alike.kind, (*alike.fields, *alike.sends, *alike.secrets, *({*(alike.after or ())} - {"id"})))
    if alike.before is not None:
        _check_row_names(alike.kind, alike.before)
    action = Action[alike.action.upper()]
    deletes = action is Action.DELETE
    if alike.after is None and not deletes:
        return False
    names = tuple(fields(alike.kind)) if action.deletes else alike.sends
    before, after = [values.before for _, values in group], [values.after for _, values in group]
    if any(type(row["id"]) is not int for row in before if row is not None):
        raise _other_version()
    secrets: Iterable[digest.Secrets] = repeat(())
    if alike.secrets:
        secrets = [tuple(sorted(change.secrets.items())) for change, _ in group]
    facts = digest.Facts(
        action.word,
        names,
        alike.sends,
        zip(
            [change.address for change, _ in group],
            [row["id"] if row is not None else None for row in before],
            _masked(alike.kind, before, names) if alike.before is not None else repeat(None),
            _masked(alike.kind, after, alike.sends) if not deletes else repeat(None),
            secrets,
        ),
    )
    return digest.of_alike(facts) == [change.digest for change, _ in group]


def _masked(kind: Kind, objects: Iterable[Mapping[str, Any] | None], names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """The values of each object under these names, in the form of a step's facts."""
    present = [values for values in objects if values is not None]
    columns = [[values.get(name) for values in present] for name in names]
    for name, column in zip(names, columns):
        if fields(kind)[name].secret:
            column[:] = [_value(kind, name, value) for value in column]
    return masked_tuples(list(zip(*columns)) if columns else [()] * len(present))


def _check_row_names(kind: Kind, names: Iterable[str]) -> None:
    """Refuse a live object with a field that rows of its kind do not have, or without its id or key."""
    if not {"id", key(kind)} <= set(names) <= {"id", *fields(kind), "deletedAt"}:
        raise _other_version()


def plan(saved: SavedPlan, kinds: Sequence[Kind]) -> Plan:
    """The saved plan, to be shown. It must not be applied: its secrets are masked and its order is flat."""
    own = saved.document.exolink
    by_word = {kind.kind: kind for kind in kinds}
    pairs = zip(own.changes, saved.document.resource_changes)
    drift = {row.address: row.change for row in saved.document.resource_drift}
    steps = tuple(_step(change, row, drift.get(row.address), by_word) for change, row in pairs)
    return replace(_without_steps(saved, kinds), waves=(steps,) if steps else ())


def _without_steps(saved: SavedPlan, kinds: Sequence[Kind]) -> Plan:
    own = saved.document.exolink
    by_word = {kind.kind: kind for kind in kinds}
    return Plan(
        origin=own.api_url,
        waves=(),
        held_back=tuple(_held_back(held, by_word) for held in own.held_back),
        unmanaged_counts={kind.kind: own.unmanaged[kind.kind] for kind in kinds if kind.kind in own.unmanaged},
        tenants=own.tenants,
        compared={kind.kind: own.compared[kind.kind] for kind in kinds if kind.kind in own.compared},
        partial=own.partial,
        left_out=tuple(_address(address, by_word)[0] for address in own.left_out),
        base=BaseInfo(own.base.kind, own.base.path, own.base.when) if own.base else None,
        notes=tuple(_note(note) for note in own.notes),
        refusals=tuple(Refusal(refusal.code, refusal.summary) for refusal in own.refusals),
        names={
            (tenant, name): {int(number): word for number, word in numbers.items() if _WHOLE_NUMBER.fullmatch(number)}
            for tenant, by_field in own.names.items()
            for name, numbers in by_field.items()
        },
    )


def _note(note: PlanNote) -> Note:
    addresses = (Address.parse(address) for address in note.addresses)
    return Note(note.code, note.summary, tuple(address for address in addresses if address is not None))


def _step(change: PlannedChange, row: SavedChange, drift: SavedValues | None, kinds: Mapping[str, Kind]) -> Step:
    address, kind = _address(change.address, kinds)
    before, after = row.change.before, row.change.after
    _check_names(kind, (*change.fields, *change.sends, *change.secrets, *(after or {}).keys() - {"id"}))
    return Step(
        Action[change.action.upper()],
        address,
        kind,
        change.reason,
        _source(change.source),
        before=_row(kind, before) if before is not None else None,
        declared=Declared(entry_model(kind).model_construct(**_values(kind, after)), _NOWHERE)
        if after is not None
        else None,
        fields=tuple(
            FieldChange(name, _value(kind, name, (before or {}).get(name)), _value(kind, name, (after or {}).get(name)))
            for name in change.fields
        ),
        sends=change.sends,
        inferred=change.inferred,
        cause=change.cause,
        was=_was(kind, drift) if drift is not None and change.cause == "both" else (),
    )


def _was(kind: Kind, drift: SavedValues) -> tuple[tuple[str, Any], ...]:
    """What was declared before for the fields that somebody else changed."""
    before, after = drift.before or {}, drift.after
    names = [name for name in fields(kind) if name in before and name != key(kind)]
    _check_names(kind, before.keys() - {"id"})
    return tuple((name, before[name]) for name in names if after is None or before[name] != after.get(name))


def _held_back(held: HeldBackChange, kinds: Mapping[str, Kind]) -> HeldBack:
    address, kind = _address(held.address, kinds)
    _check_names(kind, [FieldChange(held.field, None, None).field] if held.field else [])
    field = (
        FieldChange(held.field, _value(kind, held.field, held.before), _value(kind, held.field, held.after))
        if held.field
        else None
    )
    return HeldBack(
        address, kind, Action[held.action.upper()], held.code, held.reason, _source(held.source), field, held.ways_out
    )


def _address(text: str, kinds: Mapping[str, Kind]) -> tuple[Address, Kind]:
    address = Address.parse(text)
    if address is None or address.kind not in kinds:
        raise _other_version()
    return address, kinds[address.kind]


def _kind(row: SavedChange, kinds: Mapping[str, Kind]) -> Kind:
    """The kind of a row, from its address."""
    kind = kinds.get(row.address.partition(".")[0].removeprefix("exolink_"))
    if kind is None:
        raise _other_version()
    return kind


def _check_names(kind: Kind, names: Iterable[str]) -> None:
    """Refuse a field that the kind does not have: only known names are ever printed as fields."""
    if not fields(kind).keys() >= set(names):
        raise _other_version()


def _other_version() -> InputError:
    return _not_a_plan("this is not a saved plan of this version of the tool")


def _not_a_plan(summary: str) -> InputError:
    return problem("E-PLAN-FILE", summary, "Make one with `plan --out FILE`.")


def _row(kind: Kind, values: Mapping[str, Any]) -> Row:
    if type(values.get("id")) is not int:
        raise _other_version()
    try:
        return row_model(kind)(**_values(kind, values))
    except TypeError:  # fields that this version does not know
        raise _other_version() from None


def _values(kind: Kind, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(kind, name, value) for name, value in values.items()}


def _value(kind: Kind, name: str, value: Any) -> Any:
    facts = fields(kind).get(name)
    return SecretUrl(value) if facts is not None and facts.secret and isinstance(value, str) else value


def _source(place: Place | None) -> Source | None:
    return Source(place.file, place.line, place.column) if place else None


def check_digest(plan: Plan, expected: str) -> None:
    """Refuse a plan whose digest does not start with `expected`.

    Raises:
        PlanStale: with both digests.

    """
    recomputed = digest.of_plan(plan)
    if not recomputed.startswith(expected):
        raise PlanStale(
            "E-STALE",
            f"the plan is not what was reviewed: expected {expected}, it is now {recomputed}",
        )


def check_expected(digest: str, expected: str) -> None:
    """Refuse a saved plan whose digest does not start with `expected`. Raises PlanStale."""
    if not digest.startswith(expected):
        raise PlanStale("E-STALE", f"the plan file is not what was reviewed: expected {expected}, it is {digest}")


def check(saved: SavedPlan, plan: Plan, desired: DesiredState, live: LiveState) -> None:
    """Refuse unless the new plan is the reviewed one, or a part of it while the rest is live as planned.

    Raises:
        PlanStale: it says what was reviewed and what the plan is now.

    """
    digests = digest.of_each(plan)
    if digest.of_steps(plan.origin, digests) == saved.digest:
        return
    now = set(digests)
    reviewed = {change.digest for change in saved.document.exolink.changes}
    new = next((step for step, step_digest in zip(plan.steps, digests) if step_digest not in reviewed), None)
    if new is not None:
        was = next((c for c in saved.document.exolink.changes if c.address == str(new.address)), None)
        reason = f"{was.action} was reviewed there, but something changed since" if was else "nobody reviewed it"
        raise PlanStale(
            "E-STALE",
            f"the plan is stale: it would now {new.action.word} {new.address}; {reason}. Reviewed: {len(reviewed)} steps; now: {len(now)}. Plan again",
        )
    missing = next(_not_as_planned(saved, now, desired, live), None)
    if missing is not None:
        raise PlanStale(
            "E-STALE",
            f"the plan is stale: {missing.action} {missing.address} was reviewed, is not to do any more, and is not live as planned. Plan again",
        )
    if not now:
        raise PlanStale("E-APPLIED", "this plan is already applied: nothing of it is left to do")


def vanished(
    saved: SavedPlan, plan: Plan, digests: Collection[str], desired: DesiredState, live: LiveState
) -> list[tuple[str, str]]:
    """Action and address of the reviewed steps that are not in the plan any more, and did not happen as planned.

    `digests` are the digests of the plan's steps.
    """
    missing = list(_not_as_planned(saved, digests, desired, live))
    addresses = {"/".join(step.address) for step in plan.steps} if missing else ()
    return [(change.action, change.address) for change in missing if change.address not in addresses]


def _not_as_planned(
    saved: SavedPlan, now: Collection[str], desired: DesiredState, live: LiveState
) -> Iterator[PlannedChange]:
    """The reviewed changes that are not among today's steps, by digest, and are not live as planned."""
    pairs = zip(saved.document.exolink.changes, saved.document.resource_changes)
    done = [(change, row) for change, row in pairs if change.digest not in now]
    if not done:
        return
    wanted: dict[ListKey, set[str]] = defaultdict(set)
    for change, _ in done:
        if (address := Address.parse(change.address)) is not None:
            wanted[address.list_key].add(address.name)
    rows_of, declared = _live(live, wanted), _declared(desired, wanted)
    ids = _live_ids(live) if any(change.action == "delete" for change, _ in done) else {}
    for change, row in done:
        as_planned = (
            _is_gone(change, row, ids) if change.action == "delete" else _is_live(change, row, declared, rows_of)
        )
        if not as_planned:
            yield change


def _live_ids(live: LiveState) -> dict[ListKey, set[int]]:
    return {
        ListKey(tenant, kind.kind): set(map(remote_id, kind_rows))
        for tenant, read in live.tenants.items()
        for kind, kind_rows in read.rows.items()
    }


def _is_gone(change: PlannedChange, row: SavedChange, ids: Mapping[ListKey, set[int]]) -> bool:
    """Whether a reviewed delete has happened: no object has its id, under any name."""
    address = Address.parse(change.address)
    assert address is not None
    place = address.list_key
    return row.change.before is not None and place in ids and row.change.before["id"] not in ids[place]


def _is_live(
    change: PlannedChange,
    row: SavedChange,
    declared: Container[Address],
    live_rows: Mapping[Address, list[Row]],
) -> bool:
    """Whether a reviewed step that is not in the plan any more has happened as planned."""
    address = Address.parse(change.address)
    if address is None or address not in declared:
        return False
    after = row.change.after or {}
    return any(
        all(may_be(getattr(live, name), after[name]) for name in change.sends) for live in live_rows.get(address, [])
    )


# The wanted names, by list.
_Names = Mapping[ListKey, Container[str]]


def _declared(desired: DesiredState, wanted: _Names) -> set[Address]:
    return {
        Address(tenant.name, kind.kind, name)
        for tenant in desired.tenants
        for kind, entries in tenant.declared.items()
        if (names := wanted.get(ListKey(tenant.name, kind.kind)))
        for name in map(attrgetter(f"resource.{key(kind)}"), entries)
        if name in names
    }


def _live(live: LiveState, wanted: _Names) -> dict[Address, list[Row]]:
    rows_by_address: dict[Address, list[Row]] = defaultdict(list)
    for tenant, read in live.tenants.items():
        for kind, live_rows in read.rows.items():
            names = wanted.get(ListKey(tenant, kind.kind), ())
            for name, row in zip(map(attrgetter(key(kind)), live_rows), live_rows) if names else ():
                if name in names:
                    rows_by_address[Address(tenant, kind.kind, name)].append(row)
    return rows_by_address
