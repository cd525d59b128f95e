"""The writes of a run to YAML that puts back what they changed, with a comment for everything that cannot come back."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from exolink_reconcile.contract import Contract
from exolink_reconcile.export import scalar
from exolink_reconcile.inert import inert
from exolink_reconcile.resource import Kind, compared, key
from exolink_reconcile.secret_url import MASK
from exolink_reconcile.state.store import Write

_CHANGED_ANYWAY = ("E-NORMALISED", "E-PUT-CLOBBERS", "E-UNVERIFIED")


def text(run: str, writes: Iterable[Write], kinds: Sequence[Kind], contract: Contract) -> str:
    """One document for each tenant, in the order of the YAML. Plan it like any other: it deletes only what it names."""
    by_tenant: dict[str, list[Write]] = defaultdict(list)
    for write in writes:
        by_tenant[write.address.tenant].append(write)
    documents = [
        "\n".join(_document(run, tenant, own, kinds, contract)) + "\n" for tenant, own in sorted(by_tenant.items())
    ]
    return "---\n".join(documents) or f"# Run {inert(run)} wrote nothing.\n"


def _document(
    run: str, tenant: str, writes: Sequence[Write], kinds: Sequence[Kind], contract: Contract
) -> Iterator[str]:
    by_name = {kind.kind: kind for kind in kinds}
    comments: list[str] = []
    entries: dict[str, list[str]] = {str(kind.entries): [] for kind in kinds if not kind.is_tenant()}
    top: list[str] = []
    removed: list[str] = []
    for write in sorted(writes, key=lambda write: write.address):
        kind = by_name.get(write.address.kind)
        if kind is None or not _changed(write):
            comments += _unclear(write)
        elif write.action == "create":
            removed.append(_removal(run, write))
        elif kind.is_tenant():
            fields, notes = _fields(kind, write, contract)
            top += fields
            comments += notes
        else:
            fields, notes = _fields(kind, write, contract)
            comments += notes
            if fields or write.action != "update":
                name = f"  - {key(kind)}: {scalar(write.address.name)}"
                entries[str(kind.entries)] += [name, *(f"    {line}" for line in fields)]
    yield f"# Puts back what run {inert(run)} changed in tenant {inert(tenant)}. Plan it, and look at what it would do."
    yield from (f"# {comment}" for comment in comments)
    yield f"tenant: {scalar(tenant)}"
    yield from top
    for name, lines in entries.items():
        yield from [f"{name}:", *lines] if lines else []
    yield from ["removed:", *removed] if removed else []


def _changed(write: Write) -> bool:
    return write.outcome in ("done", "applied") or write.code in _CHANGED_ANYWAY


def _unclear(write: Write) -> list[str]:
    if write.outcome in ("failed", "skipped", "not applied"):
        return []
    return [f"{inert(str(write.address))}: nobody knows what became of its {write.action}; look yourself."]


def _removal(run: str, write: Write) -> str:
    pin = f", id: {write.made_id}" if write.made_id is not None else ""
    name = scalar(write.address.name)
    return f"  - {{{write.address.kind}: {name}{pin}, reason: {scalar(f'made by run {run}')}}}"


def _fields(kind: Kind, write: Write, contract: Contract) -> tuple[list[str], list[str]]:
    """The fields as they were before, as lines of YAML; and what cannot come back, as sentences."""
    offer = contract.offer(kind)
    operation = offer.update if write.action == "update" else offer.create
    settable = operation.fields if operation is not None else ()
    names = write.after if write.action == "update" else compared(kind)
    address = inert(str(write.address))
    lines, notes = [], []
    if write.action == "delete":
        notes.append(
            f"{address}: it gets another id (it had {write.remote_id}); what pointed at that id does not find it."
        )
    if write.action == "replace":
        notes.append(f"{address}: it was made again; what only a replace can change needs --allow-replace {address}.")
    for name in names:
        before, after = write.before.get(name), write.after.get(name)
        if MASK in str(before):
            notes.append(f"{address}: {name} was {inert(str(before))}; its secret is not kept anywhere here.")
        elif before == after:
            continue
        elif before is None:
            if write.action == "update":
                notes.append(f"{address}: {name} had no value, and a value cannot be taken away.")
        elif name not in settable and write.action != "replace":
            notes.append(f"{address}: {name} was {inert(str(before))}; the API offers no way to set it.")
        else:
            lines.append(f"{name}: {_value(before)}")
    return lines, notes


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else scalar(str(value))
