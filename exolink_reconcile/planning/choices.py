"""What the user chose for this run: which addresses it is about, and what is permitted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from exolink_reconcile import globs
from exolink_reconcile.errors import problem
from exolink_reconcile.model import DesiredState, DesiredTenant, Unmanaged
from exolink_reconcile.resource import Address, Kind, name_of, name_of_row


@dataclass(frozen=True, slots=True)
class ReviewedPlan:
    """What a saved plan was to do: its addresses, and how many deletes. Some of it may be done already."""

    addresses: tuple[str, ...]
    deletes: int


@dataclass(frozen=True, slots=True)
class Choices:
    """What the person chose for this run. Every default is the safe one.

    `reviewed`: the plan comes with an approval (`--plan`, `--expect`), so its `removed` deletes need no number.
    `saved` is that plan where it was saved. `may_infer`: writes that the contract only infers may be sent.
    `allow_shrunk` names lists, TENANT/KIND, that may have shrunk to nothing.
    """

    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    prune: bool = False
    allow_replace: tuple[str, ...] = ()
    allow_deletes: int | None = None
    allow_shrunk: tuple[str, ...] = ()
    reviewed: bool = False
    saved: ReviewedPlan | None = None
    may_infer: bool = False

    def cover(self, address: Address) -> bool:
        """Whether the run is about this address at all."""
        if not self.targets and not self.excludes:
            return True
        text = str(address)
        return (not self.targets or any(globs.matches(glob, text) for glob in self.targets)) and not any(
            globs.matches(glob, text) for glob in self.excludes
        )

    def may_cover(self, tenant: str, kind: Kind) -> bool:
        """Whether some address of this tenant and kind can be covered, so that it must be read."""
        prefix = f"{tenant}/{kind.kind}/"
        ruled_out = any(globs.matches(glob, prefix) and glob.endswith("*") for glob in self.excludes)
        return not ruled_out and (not self.targets or any(globs.may_match_below(glob, prefix) for glob in self.targets))


def wanted(desired: DesiredState, choices: Choices) -> dict[str, list[Kind]]:
    """The kinds to read, by tenant: those that the documents mention and the choices do not rule out."""
    found: dict[str, list[Kind]] = {}
    for tenant in desired.tenants:
        kinds = [kind for kind in tenant.declared if kind in tenant.mentioned and choices.may_cover(tenant.name, kind)]
        if kinds:
            found[tenant.name] = kinds
    return found


def check_choices(desired: DesiredState, choices: Choices) -> None:
    """Refuse a target that matches nothing, or an --allow-replace for what is not declared, before anything is read.

    With --prune a target may match live addresses only: those are not known yet, so `plan` checks again.

    Raises:
        InputError: naming the glob or the address.

    """
    for text in choices.allow_replace:
        address = Address.parse(text)
        tenant = next((t for t in desired.tenants if address and t.name == address.tenant), None)
        if address is None or tenant is None or address.name not in _declared_names(tenant, address.kind):
            raise problem("E-TARGET", f"--allow-replace {text}: no such address is declared; it is TENANT/KIND/NAME")
    for text in choices.allow_shrunk:
        tenant_name, _, word = text.partition("/")
        known = [t for t in desired.tenants if t.name == tenant_name and any(kind.kind == word for kind in t.declared)]
        if not known:
            raise problem("E-TARGET", f"--allow-shrunk {text}: no document is about it; it is TENANT/KIND")
    if not choices.prune:
        check_targets(desired, choices, ())


def check_targets(desired: DesiredState, choices: Choices, unmanaged: Sequence[Unmanaged]) -> None:
    left = set(choices.targets)
    reviewed = choices.saved.addresses if choices.saved else ()
    for address in chain(reviewed, map(str, _addresses(desired, unmanaged))) if left else ():
        left -= {glob for glob in left if globs.matches(glob, address)}
        if not left:
            return
    if left:
        raise problem("E-TARGET", f"--target {sorted(left)[0]} matches no address; an address is TENANT/KIND/NAME")


def _addresses(desired: DesiredState, unmanaged: Sequence[Unmanaged]) -> Iterable[Address]:
    for tenant in desired.tenants:
        for kind, declared in tenant.declared.items():
            yield from (Address(tenant.name, kind.kind, name_of(d.resource)) for d in declared)
            yield from (Address(tenant.name, kind.kind, r.name) for r in tenant.removed[kind])
    for group in unmanaged:
        yield from (Address(group.tenant, group.kind.kind, name_of_row(group.kind, row)) for row in group.rows)


def _declared_names(tenant: DesiredTenant, kind_word: str) -> set[str]:
    return {name_of(d.resource) for kind, ds in tenant.declared.items() if kind.kind == kind_word for d in ds}
