"""A plan file to what was reviewed."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, NamedTuple

from pydantic import ValidationError

from exolink_reconcile.errors import InputError, PlanStale, problem
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import (
    Action,
    BaseInfo,
    Declared,
    FieldChange,
    HeldBack,
    Note,
    Plan,
    Refusal,
    Source,
    Step,
)
from exolink_reconcile.planning import digest
from exolink_reconcile.planning.choices import ReviewedPlan
from exolink_reconcile.resource import (
    Address,
    Kind,
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
from exolink_reconcile.secret_url import SecretUrl

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
    by_name = {kind.kind: kind for kind in kinds}
    _without_steps(saved, kinds)  # raises if this version does not know something in it
    for row in saved.document.resource_drift:
        _was(_kind(row, by_name), row.change)
    return _have_their_digests(own.changes, resource_changes, by_name) and (
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
    by_name = {kind.kind: kind for kind in kinds}
    pairs = zip(own.changes, saved.document.resource_changes)
    drift = {row.address: row.change for row in saved.document.resource_drift}
    steps = tuple(_step(change, row, drift.get(row.address), by_name) for change, row in pairs)
    return replace(_without_steps(saved, kinds), waves=(steps,) if steps else ())


def _without_steps(saved: SavedPlan, kinds: Sequence[Kind]) -> Plan:
    own = saved.document.exolink
    by_name = {kind.kind: kind for kind in kinds}
    return Plan(
        origin=own.api_url,
        waves=(),
        held_back=tuple(_held_back(held, by_name) for held in own.held_back),
        unmanaged_counts={kind.kind: own.unmanaged[kind.kind] for kind in kinds if kind.kind in own.unmanaged},
        tenants=own.tenants,
        compared={kind.kind: own.compared[kind.kind] for kind in kinds if kind.kind in own.compared},
        partial=own.partial,
        left_out=tuple(_address(address, by_name)[0] for address in own.left_out),
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
