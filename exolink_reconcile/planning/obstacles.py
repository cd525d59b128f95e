"""A change and the contract to what stands in its way, and what a user can do about it.

Each function gives the first obstacle to one kind of step, or None if there is none.
"""

import json
from collections.abc import Collection, Sequence
from typing import NamedTuple

from exolink_reconcile.contract import Offer
from exolink_reconcile.model import Declared, FieldChange, Pattern, remote_id
from exolink_reconcile.openapi import Operation
from exolink_reconcile.resource import Kind, Row, fields, key
from exolink_reconcile.secret_url import SecretUrl


class Obstacle(NamedTuple):
    """Why a step is not possible: a code, a reason in words, and the ways out."""

    code: str
    reason: str
    ways_out: tuple[str, ...] = ()


def to_create(kind: Kind, sends: Sequence[str], operation: Operation | None) -> Obstacle | None:
    """What stands in the way of a create that sends these fields."""
    if operation is None:
        return Obstacle("E-CONTRACT", f"the contract cannot create a {kind.kind}", (_create_by_hand(kind),))
    if unsendable := ", ".join([name for name in sends if name not in operation.fields]):
        ways_out = f"take {unsendable} out of the YAML", _create_by_hand(kind)
        return Obstacle("E-CONTRACT", f"the contract's create does not take {unsendable}", ways_out)
    if missing := ", ".join(sorted(operation.required.difference(sends))):
        reason = f"the contract's create needs {missing}, which the YAML does not write"
        return Obstacle("E-CONTRACT", reason, (_write(kind, missing),))
    return None


def to_update(kind: Kind, missing: Collection[str], declared: Declared) -> Obstacle | None:
    """What stands in the way of an update; `missing` are the fields that it needs and does not send."""
    if not missing:
        return None
    if kept_back := ", ".join(name for name in missing if name in declared.create_only):
        reason = f"the contract's update needs {kept_back}, which `createOnly` keeps out of updates"
        return Obstacle("E-CONTRACT", reason, (f"take {kept_back} out of `createOnly`",))
    names = ", ".join(missing)
    reason = f"the contract's update needs {names}, which the YAML does not write"
    return Obstacle("E-CONTRACT", reason, (_write(kind, names),))


def to_update_field(field: FieldChange) -> Obstacle:
    """That the contract has no update which takes the field."""
    return Obstacle("E-CANNOT-UPDATE", f"the contract cannot update {field.field}")


def to_replace(kind: Kind, declared: Declared, offer: Offer, protected: Pattern | None) -> Obstacle | None:
    """What stands in the way of a replace; `protected` is the pattern of the policy that protects the object."""
    if protected:
        reason = f"a replace is allowed, but it is protected (`{protected.glob}`, {protected.source})"
        return Obstacle("E-PROTECTED", reason)
    if offer.delete is None:
        return Obstacle("E-CONTRACT", f"the contract cannot delete a {kind.kind}, so it cannot be replaced")
    if (pin := declared.pinned_id) is not None:
        return Obstacle("E-PINNED", f"a replace gives it a new id, but the YAML pins id {pin}: take `id` out first")
    return to_create(kind, managed(kind, declared), offer.create)


def to_delete(kind: Kind, operation: Operation | None) -> Obstacle | None:
    """What stands in the way of deleting what a `removed` entry names."""
    if operation is not None:
        return None
    way = "delete it in the web page: a removed entry whose object is gone is not a change"
    return Obstacle("E-CONTRACT", f"the contract cannot delete a {kind.kind}", (way,))


def to_prune(kind: Kind, rows: Sequence[Row], pin: int | None, operation: Operation | None) -> Obstacle | None:
    """What stands in the way of pruning the rows of one name; `pin` is the id that the YAML declares for this name."""
    if pin is not None:
        reason = f"the YAML declares this name with the id {pin}; remove the other one with its `id`"
        return Obstacle("E-PINNED", reason)
    if operation is None:
        return Obstacle("E-CONTRACT", f"the contract cannot delete a {kind.kind}")
    if len(rows) > 1:
        ids = " and ".join(map(str, sorted(map(remote_id, rows))))
        return Obstacle("E-DUPLICATE-LIVE", f"live more than once, as ids {ids}; remove it with an `id`")
    return None


def ways_without_replace(field: FieldChange, create: Operation | None) -> tuple[str, ...]:
    """What a user can do about a field that no update takes, other than a replace."""
    revert = "revert it in the YAML"
    if field.before is None or (isinstance(field.before, float) and not field.before.is_integer()):
        revert = f"take {field.field} out of the YAML, which cannot say what is live"
    elif not isinstance(field.before, SecretUrl):
        revert = f"revert it in the YAML: {field.field}: {json.dumps(field.before)}"
    if create is None or field.field not in create.fields:
        return revert, f"take {field.field} out of the YAML, and change it in the web page"
    return revert, f"createOnly: [{field.field}] in the entry: sent when it is created, never compared"


def managed(kind: Kind, declared: Declared) -> tuple[str, ...]:
    """The managed fields, in the order of the kind. The key is always one of them."""
    written = declared.resource.model_fields_set
    return tuple([name for name in fields(kind) if name in written])


def _create_by_hand(kind: Kind) -> str:
    return f"create it in the web page, then plan again: a {kind.kind} is known by its {key(kind)}"


def _write(kind: Kind, names: str) -> str:
    """The way out where the API needs fields that the YAML does not write."""
    if kind.is_tenant():
        return f"write {names} at the top of the document"
    return f"write {names} in the entry, or in `defaults` for all {kind.entries} of the document"
