"""Contract to text: what the API lets us create, update and delete, field by field."""

from collections.abc import Iterator

from exolink_reconcile.contract import Contract, Offer, Operation
from exolink_reconcile.inert import inert
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
    wanted = [
        ("list", offer.list),
        ("get", offer.get),
        ("create", offer.create),
        ("update", offer.update),
        ("delete", offer.delete),
    ]
    if kind.entries is None:
        wanted = [each for each in wanted if each[0] not in ("list", "delete")]
    for word, operation in wanted:
        said = (
            f"{_evidence(operation.inferred):<11} {operation.method} {operation.path}" if operation else "not offered"
        )
        yield f"  {word:<8} {said}"
    yield f"  {'field':<18} {'create':<22} {'update':<22}"
    for name in fields(kind):
        mark = f"{name} (key)" if name == key(kind) else name
        yield f"  {mark:<18} {_field(offer.create, name):<22} {_field(offer.update, name):<22}".rstrip()


def _field(operation: Operation | None, name: str) -> str:
    if operation is None or name not in operation.fields:
        return "-"
    required = ", required" if name in operation.required else ""
    return _evidence(operation.inferred or operation.fields[name].inferred) + required


def _evidence(inferred: bool) -> str:
    return "inferred" if inferred else "documented"
