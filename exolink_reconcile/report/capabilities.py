"""Contract to text and JSON: what the API lets us do, field by field, and how that differs from another contract."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from exolink_reconcile.contract import Contract, Offer
from exolink_reconcile.inert import inert, json_without_commands
from exolink_reconcile.openapi import Operation
from exolink_reconcile.resource import Kind, fields, key


def capabilities(contract: Contract) -> str:
    """A block for each kind: its operations, then its fields, each documented, inferred or not offered."""
    lines = [f"Contract: {inert(contract.title)}", ""]
    for kind, offer in contract.offers.items():
        lines += [*_kind(kind, offer), ""]
    lines.append("inferred: concluded from the vendor's pages, not stated there; writes need --allow-inferred.")
    return "\n".join(lines) + "\n"


def _kind(kind: Kind, offer: Offer) -> Iterator[str]:
    yield kind.kind
    for word, operation in _operations(kind, offer).items():
        verbs = (
            f"{_evidence(operation.inferred):<11} {operation.method} {operation.path}" if operation else "not offered"
        )
        yield f"  {word:<8} {verbs}"
    yield f"  {'field':<18} {'create':<22} update"
    for name in fields(kind):
        mark = f"{name} (key)" if name == key(kind) else name
        yield f"  {mark:<18} {_field(offer.create, name):<22} {_field(offer.update, name):<22}".rstrip()


def _operations(kind: Kind, offer: Offer) -> dict[str, Operation | None]:
    """The operations of a kind by name, None for those that are not offered; a tenant is never listed or deleted."""
    names = ("get", "create", "update") if kind.is_tenant() else ("list", "get", "create", "update", "delete")
    return {name: getattr(offer, name) for name in names}


def as_json(contract: Contract, since: Contract | None = None) -> str:
    """The capabilities as one JSON document; with `since`, also the changes from that contract to this one."""
    document: dict[str, Any] = {
        "format_version": "1.0",
        "kinds": [
            {
                "kind": kind.kind,
                "operations": [
                    _operation(name, operation)
                    for name, operation in _operations(kind, offer).items()
                    if operation is not None
                ],
            }
            for kind, offer in contract.offers.items()
        ],
    }
    if since is not None:
        document["changes"] = [
            {"kind": kind, "operation": operation, "field": field, "before": before, "after": after}
            for kind, operation, field, before, after in _changes(since, contract)
        ]
    return json_without_commands(json.dumps(document)) + "\n"


def _operation(name: str, operation: Operation) -> dict[str, Any]:
    writes = name in ("create", "update")
    return {
        "name": name,
        "evidence": _evidence(operation.inferred),
        "fields": sorted(operation.fields) if writes else [],
        "required": sorted(operation.required) if writes else [],
        "inferred": sorted(field for field in operation.fields if operation.infers([field])) if writes else [],
        "method": operation.method,
        "path": operation.path,
    }


def since(before: Contract, after: Contract) -> str:
    """The differences between what two contracts offer, one a line."""
    lines = [
        inert(f"{' '.join(filter(None, (kind, operation, field)))}: {was or 'not offered'} -> {now or 'not offered'}")
        for kind, operation, field, was, now in _changes(before, after)
    ]
    if not lines:
        return "No differences: both descriptions offer the same.\n"
    return "\n".join([f"From {inert(before.title)} to {inert(after.title)}:", "", *lines]) + "\n"


def _changes(before: Contract, after: Contract) -> Iterator[tuple[str, str, str, str | None, str | None]]:
    """Kind, operation, field (empty for the whole operation), evidence before and after; None: not offered."""
    facts_before, facts_after = _facts(before), _facts(after)
    for place in sorted({*facts_before, *facts_after}):
        was, now = facts_before.get(place), facts_after.get(place)
        if was != now:
            yield *place, was, now


def _facts(contract: Contract) -> dict[tuple[str, str, str], str]:
    """How each field is offered, by kind, operation and field; the operation itself is the field without a name."""
    return {
        (kind.kind, name, field): offered
        for kind, offer in contract.offers.items()
        for name, operation in _operations(kind, offer).items()
        for field, offered in _offered(name, operation)
    }


def _offered(name: str, operation: Operation | None) -> Iterator[tuple[str, str]]:
    if operation is None:
        return
    yield "", _evidence(operation.inferred)
    for field in operation.fields if name in ("create", "update") else ():
        yield field, _field(operation, field) + _limits(operation.fields[field].limits)


def _limits(limits: Mapping[str, Any]) -> str:
    return "".join(f", {limit} {limits[limit]}" for limit in sorted(limits))[:200]


def _field(operation: Operation | None, name: str) -> str:
    if operation is None or name not in operation.fields:
        return "-"
    required = ", required" if name in operation.required else ""
    return _evidence(operation.inferred or operation.fields[name].inferred) + required


def _evidence(inferred: bool) -> str:
    return "inferred" if inferred else "documented"
