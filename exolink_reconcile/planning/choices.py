"""The user's choices for this run: which addresses it is about, and what is permitted."""

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain, islice
from typing import Literal

from exolink_reconcile import globs
from exolink_reconcile.errors import InputError, problem
from exolink_reconcile.globs import Globs
from exolink_reconcile.model import DesiredState, LiveState, Unmanaged
from exolink_reconcile.resource import Address, Kind, ListKey, name_of, name_of_row


@dataclass(frozen=True, slots=True)
class ReviewedPlan:
    """The addresses of a saved plan, and how many deletes it has. Some of its steps may be done already."""

    addresses: tuple[str, ...]
    deletes: int


@dataclass(frozen=True)
class Choices:
    """The user's choices for this run. Every default is the safe one.

    `reviewed`: the plan comes with an approval (`--plan`, `--expect`), so its `removed` deletes need no number.
    `saved` is that plan, if it was saved. `may_infer`: writes that the contract only infers may be sent.
    `allow_shrunk` names lists, TENANT/KIND, that may be empty now. `again` are the words of a command line that makes the
    same plan again, without the number of deletes. `only` keeps the steps of one cause. `allow_unreachable` are addresses
    that a probe may fail to reach.
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
    again: tuple[str, ...] = ()
    only: Literal["edits", "drift"] | None = None
    allow_unreachable: tuple[str, ...] = ()

    def cover(self, address: Address) -> bool:
        """Whether the run is about this address."""
        if not self.is_partial:
            return True
        text = str(address)
        return (not self.targets or self._targets.match(text)) and not self._excludes.match(text)

    @property
    def is_partial(self) -> bool:
        """Whether the run leaves some addresses out."""
        return bool(self.targets or self.excludes)

    def may_cover(self, tenant: str, kind: Kind) -> bool:
        """Whether some address of this tenant and kind can be covered, so that it must be read."""
        prefix = f"{tenant}/{kind.kind}/"
        ruled_out = any(glob.endswith("*") for glob in self._excludes.matching(prefix))
        return not ruled_out and (not self.targets or any(globs.may_match_below(glob, prefix) for glob in self.targets))

    @property
    def partial(self) -> tuple[str, ...]:
        """The options that leave some addresses out."""
        globs_by_option = {"--target": self.targets, "--exclude": self.excludes, "--only": self.only}
        return tuple(option for option, value in globs_by_option.items() if value)

    @functools.cached_property
    def _targets(self) -> Globs:
        return Globs(self.targets)

    @functools.cached_property
    def _excludes(self) -> Globs:
        return Globs(self.excludes)


def wanted(desired: DesiredState, choices: Choices) -> dict[str, list[Kind]]:
    """The kinds to read, by tenant: those that the documents mention, unless the choices rule them out."""
    kinds_by_tenant: dict[str, list[Kind]] = {}
    for tenant in desired.tenants:
        kinds = [kind for kind in tenant.declared if kind in tenant.mentioned and choices.may_cover(tenant.name, kind)]
        if kinds:
            kinds_by_tenant[tenant.name] = kinds
    return kinds_by_tenant


def compared(live: LiveState, choices: Choices, kinds: Iterable[Kind]) -> dict[str, int]:
    """How many live objects a run is about, by name of the kind; only of kinds that were read."""
    counts: dict[str, int] = {}
    for kind in kinds:
        for name, tenant in live.tenants.items():
            if kind.is_tenant():
                counts[kind.kind] = counts.get(kind.kind, 0) + 1
            elif kind in tenant.rows:
                addresses = (Address(name, kind.kind, name_of_row(kind, row)) for row in tenant.rows[kind])
                covered = sum(map(choices.cover, addresses)) if choices.is_partial else len(tenant.rows[kind])
                counts[kind.kind] = counts.get(kind.kind, 0) + covered
    return counts


def check_choices(desired: DesiredState, choices: Choices) -> None:
    """Refuse, before reading, a target or exclude that matches nothing, or a permission for what is not declared.

    With --prune they may match live addresses only, which are not known yet; so `plan` checks again.

    Raises:
        InputError: naming the glob or the address.

    """
    named = {"--allow-replace": choices.allow_replace, "--allow-unreachable": choices.allow_unreachable}
    declared = _declared_names(desired) if any(named.values()) else {}
    for option, texts in named.items():
        for text in texts:
            address = Address.parse(text)
            if address is None or address.name not in declared.get(address.list_key, ()):
                addresses = (
                    f"{tenant}/{kind}/{name}" for (tenant, kind), names in declared.items() for name in sorted(names)
                )
                raise problem("E-TARGET", f"{option} {text}: no such address is declared", nearest(text, addresses))
    for text in choices.allow_shrunk:
        tenant_name, _, word = text.partition("/")
        declaring = [
            t for t in desired.tenants if t.name == tenant_name and any(kind.kind == word for kind in t.declared)
        ]
        if not declaring:
            lists = (f"{tenant.name}/{kind.kind}" for tenant in desired.tenants for kind in tenant.declared)
            hint = nearest(text, lists, "A list is TENANT/KIND.")
            raise problem("E-TARGET", f"--allow-shrunk {text}: no document is about it", hint)
    if not choices.prune:
        check_globs(desired, choices, ())


def check_globs(desired: DesiredState, choices: Choices, unmanaged: Sequence[Unmanaged]) -> None:
    """Refuse a target or an exclude that matches nothing: a typo in one would widen what the run does.

    Raises:
        InputError: naming the glob and the nearest one that would match.

    """
    if not choices.is_partial:
        return
    without = {"--target": set(choices.targets), "--exclude": set(choices.excludes)}
    all_of_them = Globs((*choices.targets, *choices.excludes))
    reviewed = choices.saved.addresses if choices.saved else ()
    for address in chain(reviewed, map(str, _addresses(desired, unmanaged))):
        for glob in all_of_them.matching(address):
            for targets in without.values():
                targets.discard(glob)
        if not any(without.values()):
            return
    unread = list(_unread(desired, choices)) if choices.prune else ()
    for option, targets in without.items():
        for glob in sorted(targets):
            if not any(globs.may_match_below(glob, prefix) for prefix in unread):
                raise _matches_nothing(option, glob, list(map(str, _addresses(desired, unmanaged))))


def _unread(desired: DesiredState, choices: Choices) -> Iterator[str]:
    """The beginnings of addresses whose lists this run does not read: what is live there is not known."""
    read = wanted(desired, choices)
    for tenant in desired.tenants:
        for kind in tenant.mentioned:
            if kind not in read.get(tenant.name, ()):
                yield f"{tenant.name}/{kind.kind}/"


_MOST_COMPARED = 5000
_LONGEST = 500  # characters; a longer text is not a typo


def _matches_nothing(option: str, glob: str, addresses: Sequence[str]) -> InputError:
    near = _nearest(glob, addresses)
    hint = f"Did you mean {near}? " if near else ""
    return problem("E-TARGET", f"{option} {glob} matches no address", f"{hint}An address is TENANT/KIND/NAME.")


def nearest(text: str, known: Iterable[str], form: str = "An address is TENANT/KIND/NAME.") -> str:
    """A hint for a text that is not known: the nearest known one, and the form that it must have."""
    compared = list(islice(known, _MOST_COMPARED)) if len(text) <= _LONGEST else []
    near = get_close_matches(text, compared, n=1)
    return f"Did you mean {near[0]}? {form}" if near else form


def _nearest(glob: str, addresses: Sequence[str]) -> str:
    """The nearest glob that matches one of the addresses; empty if none is near."""
    candidates = chain(_with_other_parts(glob, addresses), _with_another_head(glob, addresses))
    return next((other for other in candidates if any(globs.matches(other, address) for address in addresses)), "")


def _with_other_parts(glob: str, addresses: Sequence[str]) -> Iterator[str]:
    """The glob with the tenant or kind that it lacks, or with the nearest in the place of one that there is not."""
    lists = dict.fromkeys(ListKey(*address.split("/", 2)[:2]) for address in addresses)
    tenants = list(dict.fromkeys(place.tenant for place in lists))
    tenant, _, below_tenant = glob.partition("/")
    word, _, name = below_tenant.partition("/")
    yield from (f"{other}/{glob}" for other in tenants)
    if not below_tenant:
        yield from (f"{place}/{glob}" for place in lists)
        yield from (f"{place}/*" for place in lists if get_close_matches(glob, [place.kind]))
        return
    near_tenants = [tenant, *get_close_matches(tenant, tenants)]
    yield from (f"{other}/{below_tenant}" for other in near_tenants)
    for other in near_tenants:
        kinds = [place.kind for place in lists if place.tenant == other]
        yield from (f"{other}/{kind}/{name or '*'}" for kind in get_close_matches(word, kinds))


def _with_another_head(glob: str, addresses: Sequence[str]) -> Iterator[str]:
    """The glob with the nearest beginning of an address; of a whole address also one that differs in case or has more at its end."""
    head = globs.literal_head(glob)
    is_exact = len(head) == len(glob)
    starts = dict.fromkeys(address if is_exact else address[: len(head)] for address in addresses)
    near = get_close_matches(head, list(islice(starts, _MOST_COMPARED)), n=1, cutoff=0.8)
    yield from (f"{start}{glob[len(head) :]}" for start in near)
    if is_exact:
        yield from (address for address in addresses if address.casefold().startswith(glob.casefold()))


def _addresses(desired: DesiredState, unmanaged: Sequence[Unmanaged]) -> Iterable[Address]:
    for tenant in desired.tenants:
        for kind, declared in tenant.declared.items():
            yield from (Address(tenant.name, kind.kind, name_of(d.resource)) for d in declared)
            yield from (Address(tenant.name, kind.kind, r.name) for r in tenant.removed[kind])
    for group in unmanaged:
        yield from (Address(group.tenant, group.kind.kind, name_of_row(group.kind, row)) for row in group.rows)


def _declared_names(desired: DesiredState) -> Mapping[ListKey, set[str]]:
    names: dict[ListKey, set[str]] = defaultdict(set)
    for tenant in desired.tenants:
        for kind, declared in tenant.declared.items():
            names[ListKey(tenant.name, kind.kind)].update(name_of(d.resource) for d in declared)
    return names
