"""A saved plan to what was reviewed, and whether a new plan is that, a rest of it, or something else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from exolink_reconcile.errors import InputError, PlanStale, problem
from exolink_reconcile.model import (
    Action,
    Declared,
    DesiredState,
    FieldChange,
    HeldBack,
    LiveState,
    Plan,
    Refusal,
    Source,
    Step,
    remote_id,
)
from exolink_reconcile.planning import digest
from exolink_reconcile.planning.choices import ReviewedPlan
from exolink_reconcile.resource import Address, Kind, Row, entry_model, fields, key, name_of, row_model
from exolink_reconcile.saved_plan import writer
from exolink_reconcile.saved_plan.format import HeldBackChange, Place, PlanDocument, PlannedChange, ResourceChange
from exolink_reconcile.secret_url import SecretUrl, may_be


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan file that is whole: what was reviewed, and the paths and options it was made with."""

    document: PlanDocument

    @property
    def digest(self) -> str:
        """The digest that was reviewed."""
        return self.document.exolink.digest

    @property
    def reviewed(self) -> ReviewedPlan:
        """What it was to do."""
        changes = self.document.exolink.changes
        deletes = sum(change.action in ("delete", "replace") for change in changes)
        return ReviewedPlan(tuple(change.address for change in changes), deletes)

    @property
    def options(self) -> Mapping[str, Any]:
        """The options the plan was made with, by name."""
        return self.document.exolink.options


def read(text: bytes) -> SavedPlan:
    """The saved plan in a file's bytes.

    Raises:
        InputError: it cannot be read as a plan of this tool.
        PlanStale: it can, but it is not what was saved.

    """
    try:
        loaded = json.loads(text)
        document = PlanDocument.model_validate_json(text)
    except (ValueError, ValidationError, RecursionError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise problem("E-PLAN-FILE", f"this is no saved plan: {first}", "Make one with `plan --out FILE`.") from None
    if writer.checksum(loaded) != document.exolink.checksum:
        raise PlanStale("E-EDITED", "the plan file was edited after it was saved; make a new one and have it reviewed")
    return SavedPlan(document)


def plan(saved: SavedPlan, kinds: Sequence[Kind]) -> Plan:
    """The plan that was saved, for showing. Not for applying: its secrets are masked and its order is flat."""
    own = saved.document.exolink
    by_word = {kind.kind: kind for kind in kinds}
    pairs = zip(own.changes, saved.document.resource_changes, strict=True)
    return Plan(
        origin=own.api_url,
        waves=(tuple(_step(change, row, by_word) for change, row in pairs),) if own.changes else (),
        held_back=tuple(_held_back(held, by_word) for held in own.held_back),
        unmanaged_counts=own.unmanaged,
        tenants=own.tenants,
        refusals=tuple(Refusal(refusal.code, refusal.summary) for refusal in own.refusals),
        names={
            (tenant, name): {int(number): word for number, word in numbers.items()}
            for tenant, by_field in own.names.items()
            for name, numbers in by_field.items()
        },
    )


def _step(change: PlannedChange, row: ResourceChange, kinds: Mapping[str, Kind]) -> Step:
    address, kind = _address(change.address, kinds)
    before, after = row.change.before, row.change.after
    source = _source(change.source)
    return Step(
        Action[change.action.upper()],
        address,
        kind,
        change.reason,
        source,
        before=_row(kind, before) if before is not None else None,
        declared=Declared(entry_model(kind).model_construct(**_values(kind, after)), source or Source("", 0, 0))
        if after is not None
        else None,
        fields=tuple(
            FieldChange(name, _value(kind, name, (before or {}).get(name)), _value(kind, name, (after or {}).get(name)))
            for name in change.fields
        ),
        sends=change.sends,
        inferred=change.inferred,
    )


def _held_back(held: HeldBackChange, kinds: Mapping[str, Kind]) -> HeldBack:
    address, kind = _address(held.address, kinds)
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


def _other_version() -> InputError:
    return problem(
        "E-PLAN-FILE", "this is no saved plan of this version of the tool", "Make one with `plan --out FILE`."
    )


def _row(kind: Kind, values: Mapping[str, Any]) -> Row:
    try:
        return row_model(kind)(**_values(kind, values))
    except TypeError:  # other fields than this version knows
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
        PlanStale: naming both digests.

    """
    found = digest.of_plan(plan)
    if not found.startswith(expected):
        raise PlanStale(
            "E-STALE",
            f"the plan is not what was reviewed: expected {expected}, it is now {found[: max(12, len(expected))]}",
        )


def check(saved: SavedPlan, plan: Plan, desired: DesiredState, live: LiveState) -> None:
    """Refuse unless the new plan is the reviewed one, or what is left of it while the rest is live as planned.

    Raises:
        PlanStale: saying what was reviewed and what it is now.

    """
    now = {digest.of_step(step) for step in plan.steps}
    reviewed = {change.digest: number for number, change in enumerate(saved.document.exolink.changes)}
    if digest.of_plan(plan) == saved.digest:
        return
    new = [step for step in plan.steps if digest.of_step(step) not in reviewed]
    if new:
        was = next((c for c in saved.document.exolink.changes if c.address == str(new[0].address)), None)
        what = f"{was.action} was reviewed there, but something changed since" if was else "nobody reviewed it"
        raise PlanStale(
            "E-STALE",
            f"the plan is stale: it would now {new[0].action.word} {new[0].address}; {what}. Reviewed: {len(reviewed)} steps; now: {len(now)}. Plan again",
        )
    rows = dict(_live(live))
    ids = {
        (tenant, kind.kind): set(map(remote_id, found))
        for tenant, read in live.tenants.items()
        for kind, found in read.rows.items()
    }
    for step_digest, number in reviewed.items():
        if step_digest not in now:
            change = saved.document.exolink.changes[number]
            row = saved.document.resource_changes[number]
            if not (
                _is_gone(change, row, ids) if change.action == "delete" else _is_live(change, row, plan, desired, rows)
            ):
                raise PlanStale(
                    "E-STALE",
                    f"the plan is stale: {change.action} {change.address} was reviewed, is not to do any more, and is not live as planned. Plan again",
                )
    if not now:
        raise PlanStale("E-APPLIED", "this plan is already applied: nothing of it is left to do")


def _is_gone(change: PlannedChange, row: ResourceChange, ids: Mapping[tuple[str, str], set[int]]) -> bool:
    """Whether a reviewed delete has happened: no object has that id, under whatever name."""
    address = Address.parse(change.address)
    assert address is not None
    place = (address.tenant, address.kind)
    return row.change.before is not None and place in ids and row.change.before["id"] not in ids[place]


def _is_live(
    change: PlannedChange,
    row: ResourceChange,
    plan: Plan,
    desired: DesiredState,
    rows: Mapping[Address, list[Row]],
) -> bool:
    """Whether a reviewed step that is no longer to do has happened as planned."""
    address = Address.parse(change.address)
    assert address is not None
    there = rows.get(address, [])
    if any(held.address == address for held in plan.held_back) or not _is_declared(desired, address):
        return False
    after = row.change.after or {}
    return any(all(may_be(getattr(each, name), after[name]) for name in change.fields) for each in there)


def _is_declared(desired: DesiredState, address: Address) -> bool:
    return any(
        name_of(declared.resource) == address.name
        for tenant in desired.tenants
        if tenant.name == address.tenant
        for kind, entries in tenant.declared.items()
        if kind.kind == address.kind
        for declared in entries
    )


def _live(live: LiveState) -> list[tuple[Address, list[Row]]]:
    found: dict[tuple[str, Kind], dict[str, list[Row]]] = {}
    for tenant, read in live.tenants.items():
        for kind, rows in read.rows.items():
            by_name = found.setdefault((tenant, kind), {})
            for row in rows:
                by_name.setdefault(getattr(row, key(kind)), []).append(row)
    return [
        (Address(tenant, kind.kind, name), rows)
        for (tenant, kind), by_name in found.items()
        for name, rows in by_name.items()
    ]
