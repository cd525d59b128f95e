"""A change and the contract to what stands in its way, and what a user can do about it."""

from collections.abc import Sequence

from exolink_reconcile.contract import Operation
from exolink_reconcile.model import Declared
from exolink_reconcile.resource import Kind, fields, key


def managed(kind: Kind, declared: Declared) -> tuple[str, ...]:
    """The managed fields, in the order of the kind. The key is always one of them."""
    written = declared.resource.model_fields_set
    return tuple([name for name in fields(kind) if name in written])


def cannot_create(kind: Kind, sends: Sequence[str], operation: Operation | None) -> str:
    """Why a create is not possible; empty if it is."""
    if operation is None:
        return f"the contract cannot create a {kind.kind}"
    if unsendable := _unsendable(sends, operation):
        return f"the contract's create does not take {', '.join(unsendable)}"
    if missing := sorted(operation.required - set(sends)):
        return f"the contract's create needs {', '.join(missing)}, which the YAML does not write"
    return ""


def ways_to_create(kind: Kind, sends: Sequence[str], operation: Operation | None) -> tuple[str, ...]:
    """What a user can do where a create is not possible."""
    by_hand = f"create it in the web page, then plan again: a {kind.kind} is known by its {key(kind)}"
    if operation is None:
        return (by_hand,)
    if unsendable := _unsendable(sends, operation):
        return f"take {', '.join(unsendable)} out of the YAML", by_hand
    return (write(kind, ", ".join(sorted(operation.required - set(sends)))),)


def _unsendable(sends: Sequence[str], operation: Operation) -> list[str]:
    return [name for name in sends if name not in operation.fields]


def write(kind: Kind, names: str) -> str:
    """The way out where the API needs fields that the YAML does not write."""
    if kind.is_tenant():
        return f"write {names} at the top of the document"
    return f"write {names} in the entry, or in `defaults` for all {kind.entries} of the document"
