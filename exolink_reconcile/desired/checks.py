"""What holds between the entries of a tenant: names, ids, removed against declared."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from exolink_reconcile import globs
from exolink_reconcile.confusables import skeletons
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.desired.problems import Problems, Spot
from exolink_reconcile.model import Declared, Pattern, Removed, Source
from exolink_reconcile.references import as_written
from exolink_reconcile.resource import Address, Kind, folded, name_of

POLICY_LISTS = {"protect": "protect", "exclusive": "exclusive", "allowReplace": "allow_replace"}


@dataclass(slots=True)
class TenantDraft:
    """A tenant while its documents are joined.

    `names` and `ids` hold the names and ids that came from the environment as the files write them: messages show them
    that way. `unsure` are the entries that pin an id which is not known yet.
    """

    name: str
    documents: list[Document] = field(default_factory=list)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    spots: dict[tuple[str, str], Spot] = field(default_factory=dict)
    tables_named: dict[object, Spot] = field(default_factory=dict)
    policy: dict[str, list[Pattern]] = field(default_factory=lambda: {name: [] for name in POLICY_LISTS})
    declared: dict[Kind, list[Declared]] = field(default_factory=lambda: defaultdict(list))
    removed: dict[Kind, list[Removed]] = field(default_factory=lambda: defaultdict(list))
    names: dict[str, str] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)
    unsure: set[Source] = field(default_factory=set)

    @property
    def shown(self) -> str:
        """The name of the tenant as messages show it."""
        return as_written(self.name)

    def address(self, kind: Kind, name: str) -> str:
        """An address as messages show it."""
        return str(Address(self.shown, kind.kind, self.names.get(name, name)))

    def id(self, number: int | None) -> str:
        """An id as messages show it."""
        return self.ids.get(number, str(number)) if number is not None else ""


def check(tenant: TenantDraft, kinds: Sequence[Kind], problems: Problems) -> None:
    """Report what is wrong between the entries of a tenant."""
    for kind in kinds:
        _check_names(tenant, kind, problems)
        _check_ids(tenant, kind, problems)
        _check_removed(tenant, kind, problems)


def _check_names(tenant: TenantDraft, kind: Kind, problems: Problems) -> None:
    """Each address once; no two names that people would take for one; a warning for two that look alike."""
    declared = tenant.declared[kind]
    names = [name_of(entry.resource) for entry in declared]
    folds = list(map(folded, names))
    if len(set(folds)) < len(folds):
        _report_same_names(tenant, kind, zip(folds, declared), problems)
    looks = skeletons(names)
    if len(set(looks)) < len(looks):
        _report_look_alikes(tenant, kind, zip(looks, folds, declared), problems)


def _report_same_names(
    tenant: TenantDraft, kind: Kind, folds: Iterable[tuple[str, Declared]], problems: Problems
) -> None:
    by_fold: dict[str, Declared] = {}
    for fold, entry in folds:
        other = by_fold.setdefault(fold, entry)
        if other is entry:
            continue
        name, other_name = name_of(entry.resource), name_of(other.resource)
        address = tenant.address(kind, name)
        if name == other_name:
            problems.error("E-DUPLICATE-ADDRESS", entry.source, f"{address} is declared twice: also at {other.source}")
        else:
            problems.error(
                "E-SAME-NAME",
                entry.source,
                f"`{address}` reads like `{tenant.address(kind, other_name)}` at {other.source}",
                "Two names must differ in more than case, spaces at the ends or the form of an accent.",
            )


def _report_look_alikes(
    tenant: TenantDraft, kind: Kind, looks: Iterable[tuple[str, str, Declared]], problems: Problems
) -> None:
    by_look: dict[str, tuple[str, Declared]] = {}
    for look, fold, entry in looks:
        other_fold, other = by_look.setdefault(look, (fold, entry))
        if fold != other_fold:
            address, other_address = (tenant.address(kind, name_of(named.resource)) for named in (entry, other))
            problems.warn(
                "W-CONFUSABLE",
                entry.source,
                f"`{address}` looks like `{other_address}` at {other.source}",
                "Some of their characters look the same and are not. Make sure that both are meant.",
            )


def _check_ids(tenant: TenantDraft, kind: Kind, problems: Problems) -> None:
    """Each live id is pinned once."""
    by_id: dict[int, Declared] = {}
    for entry in tenant.declared[kind]:
        pin = entry.pinned_id
        if pin is not None and (other := by_id.setdefault(pin, entry)) is not entry:
            summary = f"id {tenant.id(pin)} is pinned twice: also at {other.source}"
            problems.error("E-DUPLICATE-ID", entry.source, summary)


def _check_removed(tenant: TenantDraft, kind: Kind, problems: Problems) -> None:
    if not tenant.removed[kind]:
        return
    by_pin = {declared.pinned_id: declared for declared in tenant.declared[kind] if declared.pinned_id is not None}
    by_name = {name_of(declared.resource): declared for declared in tenant.declared[kind]}
    earlier: dict[str, dict[int | None, Removed]] = defaultdict(dict)
    for removed in tenant.removed[kind]:
        _check_against_declared(tenant, kind, removed, by_name, by_pin, problems)
        same = earlier[removed.name]
        number = removed.remote_id
        other = same.get(None) or (next(iter(same.values()), None) if number is None else same.get(number))
        if other is not None:
            summary = f"{tenant.address(kind, removed.name)} is removed twice: also at {other.source}"
            problems.error("E-DUPLICATE-ADDRESS", removed.source, summary)
        same.setdefault(number, removed)
        _check_not_protected(tenant, kind, removed, problems)


def _check_against_declared(
    tenant: TenantDraft,
    kind: Kind,
    removed: Removed,
    by_name: Mapping[str, Declared],
    by_pin: Mapping[int, Declared],
    problems: Problems,
) -> None:
    address = tenant.address(kind, removed.name)
    declared = by_name.get(removed.name)
    sure = declared is not None and declared.source not in tenant.unsure
    if declared is not None and sure and not _differ(removed.remote_id, declared.pinned_id):
        problems.error(
            "E-CONFLICT",
            removed.source,
            f"{address} is both declared ({declared.source}) and removed",
            "Keep one of the two entries.",
        )
    pinned = by_pin.get(removed.remote_id) if removed.remote_id is not None else None
    if pinned is not None and pinned is not declared:
        other = tenant.address(kind, name_of(pinned.resource))
        summary = f"id {tenant.id(removed.remote_id)} is both removed and pinned by {other} ({pinned.source})"
        problems.error("E-CONFLICT", removed.source, summary, "Keep one of the two entries.")


def _check_not_protected(tenant: TenantDraft, kind: Kind, removed: Removed, problems: Problems) -> None:
    local = Address(tenant.name, kind.kind, removed.name).local
    pattern = next((candidate for candidate in tenant.policy["protect"] if globs.matches(candidate.glob, local)), None)
    if pattern is not None:
        problems.error(
            "E-PROTECTED",
            removed.source,
            f"{tenant.address(kind, removed.name)} is both removed and protected"
            f" (`{as_written(pattern.glob)}`, {pattern.source})",
            "Unprotect it in one change, remove it in the next.",
        )


def _differ(first: int | None, second: int | None) -> bool:
    return first is not None and second is not None and first != second
