"""What holds between the entries of a tenant: names, ids, removed against declared."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from exolink_reconcile import globs
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.problems import Problems
from exolink_reconcile.model import Declared, Pattern, Removed, Source
from exolink_reconcile.resource import Address, Kind, folded, name_of

POLICY_LISTS = {"protect": "protect", "exclusive": "exclusive", "allowReplace": "allow_replace"}


@dataclass(slots=True)
class TenantDraft:
    """A tenant while its documents are joined."""

    name: str
    documents: list[Document] = field(default_factory=list)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    written: dict[tuple[str, str], tuple[Document, Node, str]] = field(default_factory=dict)
    policy: dict[str, list[Pattern]] = field(default_factory=lambda: {name: [] for name in POLICY_LISTS})
    declared: dict[Kind, list[Declared]] = field(default_factory=lambda: defaultdict(list))
    removed: dict[Kind, list[Removed]] = field(default_factory=lambda: defaultdict(list))
    unsure: set[Source] = field(default_factory=set)  # entries that pin an id which is not known yet


def check(tenant: TenantDraft, kinds: Sequence[Kind], problems: Problems) -> None:
    """Report what is wrong between the entries of a tenant."""
    for kind in kinds:
        _check_names(tenant, kind, problems)
        _check_removed(tenant, kind, problems)


def _check_names(tenant: TenantDraft, kind: Kind, problems: Problems) -> None:
    """Each address once; no two names that people would take for one; each live id pinned once."""
    declared = tenant.declared[kind]
    folds = [folded(name_of(each.resource)) for each in declared]
    if len(set(folds)) < len(folds):
        _report_same_names(tenant, kind, zip(folds, declared), problems)
    by_id: dict[int, Declared] = {}
    for each in declared:
        pin = each.pinned_id
        if pin is not None and (other := by_id.setdefault(pin, each)) is not each:
            problems.at(each.source, "E-DUPLICATE-ID", f"id {pin} is pinned twice: also at {other.source}")


def _report_same_names(
    tenant: TenantDraft, kind: Kind, folds: Iterable[tuple[str, Declared]], problems: Problems
) -> None:
    by_fold: dict[str, Declared] = {}
    for fold, each in folds:
        other = by_fold.setdefault(fold, each)
        if other is each:
            continue
        address, before = (Address(tenant.name, kind.kind, name_of(one.resource)) for one in (each, other))
        if address == before:
            problems.at(each.source, "E-DUPLICATE-ADDRESS", f"{address} is declared twice: also at {other.source}")
        else:
            problems.at(
                each.source,
                "E-SAME-NAME",
                f"`{address}` reads like `{before}` at {other.source}",
                "Two names must differ in more than case, spaces at the ends or the form of an accent.",
            )


def _check_removed(tenant: TenantDraft, kind: Kind, problems: Problems) -> None:
    if not tenant.removed[kind]:
        return
    by_pin = {declared.pinned_id: declared for declared in tenant.declared[kind] if declared.pinned_id is not None}
    by_name = {name_of(declared.resource): declared for declared in tenant.declared[kind]}
    seen: dict[str, list[Removed]] = defaultdict(list)
    for removed in tenant.removed[kind]:
        address = Address(tenant.name, kind.kind, removed.name)
        declared = by_name.get(removed.name)
        sure = declared is not None and declared.source not in tenant.unsure
        if declared is not None and sure and not _differ(removed.remote_id, declared.pinned_id):
            problems.at(
                removed.source,
                "E-CONFLICT",
                f"{address} is both declared ({declared.source}) and removed",
                "Keep one of the two entries.",
            )
        pinned = by_pin.get(removed.remote_id) if removed.remote_id is not None else None
        if pinned is not None and pinned is not declared:
            other_address = Address(tenant.name, kind.kind, name_of(pinned.resource))
            summary = f"id {removed.remote_id} is both removed and pinned by {other_address} ({pinned.source})"
            problems.at(removed.source, "E-CONFLICT", summary, "Keep one of the two entries.")
        for other in seen[removed.name]:
            if not _differ(removed.remote_id, other.remote_id):
                problems.at(
                    removed.source, "E-DUPLICATE-ADDRESS", f"{address} is removed twice: also at {other.source}"
                )
        seen[removed.name].append(removed)
        for pattern in tenant.policy["protect"]:
            if globs.matches(pattern.glob, address.local):
                problems.at(
                    removed.source,
                    "E-PROTECTED",
                    f"{address} is both removed and protected (`{pattern.glob}`, {pattern.source})",
                    "Unprotect it in one change, remove it in the next.",
                )
                break


def _differ(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one != other
