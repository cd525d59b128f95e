"""Steps and a base to causes: whose change each step is, and which of them --only keeps.

The base is what was declared before. For each field three values are compared: the YAML's, the base's and the live one (the
first and the last differ, or there would be no step). The existence of an object counts as a field.

    YAML   base   live
    new    old    old     edit    this change says something else
    old    old    other   drift   somebody else changed it, or it was not applied yet
    new    old    other   both

No cause is claimed for a secret: the base keeps none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exolink_reconcile.errors import InputError, problem
from exolink_reconcile.model import Action, BaseInfo, Cause, FieldChange, Step
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.resource import Address, key
from exolink_reconcile.secret_url import SecretUrl, masked


@dataclass(frozen=True, slots=True)
class Base:
    """What these tenants declared before: by address, the managed fields as JSON values, secrets masked.

    `removed` are the addresses that must not exist; `claims` says whether an address was claimed as exclusive.
    """

    info: BaseInfo
    tenants: frozenset[str]
    declared: Mapping[Address, Mapping[str, Any]]
    removed: frozenset[Address] = frozenset()
    claims: Callable[[Address], bool] = lambda address: True


def attributed(steps: Iterable[Step], base: Base) -> list[Step]:
    """The steps with their causes."""
    return [_attributed(step, base) for step in steps]


def _attributed(step: Step, base: Base) -> Step:
    whose = cause(step, base)
    return step._replace(cause=whose, was=_was(step, base) if whose == "both" else ())


def cause(step: Step, base: Base) -> Cause | None:
    """Whose change a step is; None if there is no base for it, or only a secret differs."""
    if step.address.tenant not in base.tenants:
        return "edit" if base.info.kind == "path" else None
    causes = set(_causes(step, base))
    if not causes:
        return None
    return causes.pop() if len(causes) == 1 else "both"


def _causes(step: Step, base: Base) -> Iterator[Cause]:
    before = base.declared.get(step.address)
    if step.action is Action.DELETE:
        yield _cause_of_delete(step, base)
    elif before is None:
        yield "edit"
    else:
        if step.action is Action.CREATE:
            yield "drift"
        for change in step.fields:
            if change.field != key(step.kind) and not _is_secret(change):
                yield _cause_of_field(change, before, is_new=step.action is Action.CREATE)


def _cause_of_delete(step: Step, base: Base) -> Cause:
    if step.address in base.declared:
        return "edit"
    if step.pruned:
        return "drift" if base.claims(step.address) else "edit"
    return "drift" if step.address in base.removed else "edit"


def _cause_of_field(change: FieldChange, base: Mapping[str, Any], *, is_new: bool) -> Cause:
    if change.field not in base:
        return "edit"
    declared, before, live = masked(change.after), base[change.field], masked(change.before)
    if declared == before:
        return "drift"
    return "edit" if not is_new and live == before else "both"


def _was(step: Step, base: Base) -> tuple[tuple[str, Any], ...]:
    """The base's values of the fields that have another value live; for a create, of all fields."""
    before = base.declared.get(step.address, {})
    if step.action is Action.CREATE:
        return tuple(before.items())
    return tuple(
        (change.field, before[change.field])
        for change in step.fields
        if change.field in before and not _is_secret(change) and before[change.field] != masked(change.before)
    )


def _is_secret(change: FieldChange) -> bool:
    return any(isinstance(value, SecretUrl) and value.has_secret for value in (change.before, change.after))


def only(steps: Sequence[Step], base: Base | None, choices: Choices) -> tuple[list[Step], tuple[Address, ...]]:
    """The steps that --only keeps, with their causes, and the addresses of the others.

    Raises:
        InputError: --only without a base.

    """
    if base is None:
        if choices.only:
            raise no_base()
        return list(steps), ()
    judged = attributed(steps, base)
    if choices.only is None:
        return judged, ()
    if choices.only == "edits":
        kept = [step for step in judged if step.cause != "drift"]
    else:
        kept = [step for step in judged if repairs(step, base)]
    stays = set(map(id, kept))
    return kept, tuple(step.address for step in judged if id(step) not in stays)


def no_base() -> InputError:
    """The error for --only without a base to judge by."""
    return problem(
        "E-NO-BASE",
        "--only needs a base, and there is none",
        "Give --base PATH, another checkout; or apply once without --only: the state keeps what was declared then.",
    )


def repairs(step: Step, base: Base) -> bool:
    """Whether a step only puts back what the base declares: the base has every value that it sends."""
    before = base.declared.get(step.address)
    if step.cause != "drift" or step.deletes or before is None or step.declared is None:
        return False
    names = [name for name in step.sends if name != key(step.kind)]
    return all(name in before and masked(getattr(step.declared.resource, name)) == before[name] for name in names)
