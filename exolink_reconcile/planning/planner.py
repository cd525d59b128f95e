"""Changes, contract, policy to a plan: what is done in which order, what is held back, which rails refuse.

The order of waves: creates and updates, kind by kind along the references; then replaces, one at a time; then deletes,
kind by kind against the references. Inside a wave steps are sorted by address, so the plan depends on no order of input.
"""

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import attrgetter
from types import MappingProxyType

from exolink_reconcile import globs
from exolink_reconcile.contract import Contract, Operation
from exolink_reconcile.errors import problem
from exolink_reconcile.model import (
    Action,
    Change,
    Changes,
    Declared,
    DesiredState,
    DesiredTenant,
    FieldChange,
    HeldBack,
    Pattern,
    Plan,
    Refusal,
    Step,
    Unclear,
    Unmanaged,
    remote_id,
)
from exolink_reconcile.resource import Address, Kind, Row, fields, key, name_of

FREE_SHARE = 0.10
FREE_TOTAL = 25


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
        _check_targets(desired, choices, ())


def plan(
    changes: Changes,
    desired: DesiredState,
    contract: Contract,
    choices: Choices,
    origin: str,
    seen: Mapping[tuple[str, str], int] = MappingProxyType({}),
) -> Plan:
    """What to do about the changes. `seen` is how many rows earlier runs saw in each list, by tenant and kind word.

    Raises:
        InputError: a target that matches neither a declared nor a removed nor, with --prune, a live address.

    """
    if choices.prune:
        _check_targets(desired, choices, changes.unmanaged)
    planner = _Planner(desired, contract, choices)
    planner.decide(changes)
    steps = planner.steps
    names = {
        (tenant.name, facts.name): {
            number: name for name, number in reversed(list(tenant.tables[facts.named_by.table].items()))
        }
        for tenant in desired.tenants
        for kind in tenant.declared
        for facts in fields(kind).values()
        if facts.named_by
    }
    return Plan(
        origin=origin,
        waves=_waves(steps, list(contract.offers)),
        held_back=tuple(
            sorted(planner.held_back, key=lambda held: (held.address, held.field.name if held.field else ""))
        ),
        unmanaged_counts=_count(planner.unmanaged, contract),
        unmanaged=tuple(planner.unmanaged),
        refusals=(
            *planner.refusals,
            *_shrunk(changes.live_counts, seen, choices),
            *_delete_budget(steps, changes.live_counts, choices),
            *_inferred(steps, choices),
        ),
        notes=(*planner.notes, *_nothing_compared(desired, choices)),
        names=names,
        tenants=tuple(wanted(desired, choices)),
    )


class _Planner:
    """Takes each change in turn and decides."""

    def __init__(self, desired: DesiredState, contract: Contract, choices: Choices) -> None:
        self.tenants = {tenant.name: tenant for tenant in desired.tenants}
        self.contract = contract
        self.choices = choices
        self.steps: list[Step] = []
        self.held_back: list[HeldBack] = []
        self.unmanaged: list[Unmanaged] = []
        self.refusals: list[Refusal] = []
        self.notes: list[str] = []
        self.missing_tenants: set[str] = set()

    def decide(self, changes: Changes) -> None:
        """Fill the lists."""
        for unclear in changes.unclear:
            self._unclear(unclear)
        everything = not self.choices.targets and not self.choices.excludes
        for change in changes.changes:
            if not (everything or self.choices.cover(change.address)):
                if change.kind.entries is None and change.before is None:
                    self.missing_tenants.add(change.address.tenant)
                continue
            if change.declared is None:
                self._delete(change)
            elif change.before is None:
                self._create(change, change.declared)
            else:
                self._update(change, change.declared)
        self._unmanaged(changes.unmanaged)

    # ------------------------------------------------------------------------------------------------------- decisions

    def _unclear(self, unclear: Unclear) -> None:
        if self.choices.cover(unclear.address):
            action = Action.DELETE if unclear.removed else Action.UPDATE
            self._hold(unclear.address, unclear.kind, action, unclear.code, unclear.reason, unclear)

    def _create(self, change: Change, declared: Declared) -> None:
        sends = _managed(change.kind, declared)
        operation = self.contract.offer(change.kind).create
        if change.kind.entries is not None and change.address.tenant in self.missing_tenants:
            code, reason = (
                "E-DEPENDS",
                f"tenant {change.address.tenant} does not exist, and this plan does not create it",
            )
        else:
            code, reason = "E-CONTRACT", _cannot_create(change.kind, sends, operation)
        if reason:
            if change.kind.entries is None:
                self.missing_tenants.add(change.address.tenant)
            self._hold(change.address, change.kind, Action.CREATE, code, reason, declared)
            return
        assert operation is not None
        differences = tuple(FieldChange(name, None, getattr(declared.resource, name)) for name in sends)
        self.steps.append(
            Step(
                Action.CREATE,
                change.address,
                change.kind,
                "declared, not live",
                declared.source,
                declared=declared,
                fields=differences,
                sends=sends,
                inferred=operation.infers(sends),
            )
        )

    def _update(self, change: Change, declared: Declared) -> None:
        operation = self.contract.offer(change.kind).update
        taken: Mapping[str, object] = operation.fields if operation else {}
        stuck = tuple([field for field in change.fields if field.field not in taken])
        updates = tuple([field for field in change.fields if field not in stuck]) if stuck else change.fields
        action, code, reason = Action.UPDATE, "E-CANNOT-UPDATE", ""
        if stuck and self._may_replace(change.address):
            code, reason = self._cannot_replace(change, declared)
            if not reason:
                self._replace(change, declared, stuck)
                return
            action = Action.REPLACE
        for field in stuck:
            self._hold(
                change.address,
                change.kind,
                action,
                code,
                reason or f"the contract cannot update {field.field}",
                declared,
                field=field,
                ways_out=() if reason else self._ways_out(change.kind, field),
            )
        if not updates or operation is None:
            return
        sends, missing, inferred = self._body(
            change.kind, frozenset(declared.resource.model_fields_set.difference(declared.create_only))
        )
        if missing:
            reason = f"the contract's update needs {', '.join(missing)}, which the YAML does not write"
            self._hold(change.address, change.kind, Action.UPDATE, "E-CONTRACT", reason, declared)
            return
        self.steps.append(
            Step(
                Action.UPDATE,
                change.address,
                change.kind,
                "differs",
                declared.source,
                before=change.before,
                declared=declared,
                fields=updates,
                sends=sends,
                inferred=inferred,
            )
        )

    @functools.cache  # noqa: B019  the planner lives for one plan
    def _body(self, kind: Kind, written: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
        """What an update sends of the fields that are written, which fields it lacks, whether it is only inferred."""
        operation = self.contract.offer(kind).update
        assert operation is not None
        sends = tuple(name for name in fields(kind) if name in written and name in operation.fields)
        return sends, tuple(sorted(operation.required - set(sends))), operation.infers(sends)

    def _may_replace(self, address: Address) -> bool:
        policy = self.tenants[address.tenant].policy
        return str(address) in self.choices.allow_replace or any(p.glob == address.local for p in policy.allow_replace)

    def _cannot_replace(self, change: Change, declared: Declared) -> tuple[str, str]:
        """Why a replace that is allowed is not possible: a word and a sentence, which is empty when it is."""
        offer = self.contract.offer(change.kind)
        if protected := _matching(self.tenants[change.address.tenant].policy.protect, change.address):
            reason = f"a replace is allowed, but it is protected (`{protected.glob}`, {protected.source})"
            self.refusals.append(
                Refusal("E-PROTECTED", f"{change.address}: {reason}; unprotect it first, or take the permission back")
            )
            return "E-PROTECTED", reason
        if offer.delete is None:
            return "E-CONTRACT", f"the contract cannot delete a {change.kind.kind}, so it cannot be replaced"
        if (pin := declared.pinned_id) is not None:
            return "E-PINNED", f"a replace gives it a new id, but the YAML pins id {pin}: take `id` out first"
        return "E-CONTRACT", _cannot_create(change.kind, _managed(change.kind, declared), offer.create)

    def _replace(self, change: Change, declared: Declared, stuck: tuple[FieldChange, ...]) -> None:
        offer = self.contract.offer(change.kind)
        sends = _managed(change.kind, declared)
        names = ", ".join(field.field for field in stuck)
        assert offer.create is not None and offer.delete is not None
        self.steps.append(
            Step(
                Action.REPLACE,
                change.address,
                change.kind,
                f"the contract cannot update {names}",
                declared.source,
                before=change.before,
                declared=declared,
                fields=change.fields,
                sends=sends,
                inferred=offer.create.infers(sends) or offer.delete.inferred,
            )
        )

    def _ways_out(self, kind: Kind, field: FieldChange) -> tuple[str, ...]:
        """What a person can do about a field that no update takes."""
        create = self.contract.offer(kind).create
        if field.field == key(kind):
            return "revert it in the YAML", "rename the live object in the web page"
        if create is None or field.field not in create.fields:
            return "take it out of the YAML", "change it in the web page"
        return (
            "revert it in the YAML",
            f"createOnly: [{field.field}] in the entry: sent when it is created, never compared",
            "a replace, which gives it a new id: --allow-replace ADDRESS, or policy.allowReplace",
        )

    def _delete(self, change: Change) -> None:
        assert change.removed is not None
        reason = f"removed: {change.removed.reason}" if change.removed.reason else "removed"
        operation = self.contract.offer(change.kind).delete
        if operation is None:
            self._hold(
                change.address,
                change.kind,
                Action.DELETE,
                "E-CONTRACT",
                f"the contract cannot delete a {change.kind.kind}",
                change.removed,
            )
            return
        self.steps.append(
            Step(
                Action.DELETE,
                change.address,
                change.kind,
                reason,
                change.removed.source,
                before=change.before,
                inferred=operation.inferred,
            )
        )

    def _unmanaged(self, unmanaged: Sequence[Unmanaged]) -> None:
        if not self.choices.prune:
            self.unmanaged.extend(unmanaged)
            return
        if not any(tenant.policy.exclusive for tenant in self.tenants.values()):
            self.notes.append("--prune: no document claims anything as `exclusive`, so nothing is pruned.")
        for group in unmanaged:
            left = self._pruned(group)
            if left.rows:
                self.unmanaged.append(left)

    def _pruned(self, group: Unmanaged) -> Unmanaged:
        """Plan the deletes of a claimed scope; what stays is returned."""
        policy = self.tenants[group.tenant].policy
        operation = self.contract.offer(group.kind).delete
        alike: dict[str, list[Row]] = defaultdict(list)
        for row in group.rows:
            alike[name_of_row(group.kind, row)].append(row)
        stays: list[Row] = []
        for name, rows in alike.items():
            address = Address(group.tenant, group.kind.kind, name)
            claim = _matching(policy.exclusive, address)
            if claim is None or not self.choices.cover(address) or _matching(policy.protect, address):
                stays += rows
            elif operation is None or len(rows) > 1:
                code, why = "E-CONTRACT", f"the contract cannot delete a {group.kind.kind}"
                if operation is not None:
                    ids = " and ".join(map(str, sorted(map(remote_id, rows))))
                    code, why = "E-DUPLICATE-LIVE", f"live more than once, as ids {ids}; remove it with an `id`"
                self._hold(address, group.kind, Action.DELETE, code, why, None)
                stays += rows
            else:
                reason = f"not declared, and claimed as exclusive (`{claim.glob}`, {claim.source})"
                self.steps.append(
                    Step(
                        Action.DELETE,
                        address,
                        group.kind,
                        reason,
                        claim.source,
                        before=rows[0],
                        inferred=operation.inferred,
                        pruned=True,
                    )
                )
        return replace(group, rows=tuple(stays))

    def _hold(
        self,
        address: Address,
        kind: Kind,
        action: Action,
        code: str,
        reason: str,
        entry: "Declared | Unclear | object | None",
        *,
        field: FieldChange | None = None,
        ways_out: tuple[str, ...] = (),
    ) -> None:
        source = getattr(entry, "source", None)
        self.held_back.append(HeldBack(address, kind, action, code, reason, source, field, ways_out))


# ---------------------------------------------------------------------------------------------------------------- rules


def name_of_row(kind: Kind, row: object) -> str:
    """The natural key of a live row."""
    value: str = getattr(row, key(kind))
    return value


def _nothing_compared(desired: DesiredState, choices: Choices) -> tuple[str, ...]:
    ruled_out = desired.tenants and not wanted(desired, choices)
    return ("Nothing was read or compared: --target and --exclude rule out everything.",) if ruled_out else ()


def _count(unmanaged: Sequence[Unmanaged], contract: Contract) -> dict[str, int]:
    counts = {kind.kind: 0 for kind in contract.offers if kind.entries is not None}
    for group in unmanaged:
        counts[group.kind.kind] += len(group.rows)
    return counts


def _managed(kind: Kind, declared: Declared) -> tuple[str, ...]:
    """The managed fields, in the order of the kind. The key is always one."""
    written = declared.resource.model_fields_set
    return tuple([name for name in fields(kind) if name in written])


def _cannot_create(kind: Kind, sends: Sequence[str], operation: Operation | None) -> str:
    """Why a create is not possible; empty when it is."""
    if operation is None:
        return f"the contract cannot create a {kind.kind}"
    if unsendable := [name for name in sends if name not in operation.fields]:
        return f"the contract's create does not take {', '.join(unsendable)}"
    if missing := sorted(operation.required - set(sends)):
        return f"the contract's create needs {', '.join(missing)}, which the YAML does not write"
    return ""


def _matching(patterns: Iterable[Pattern], address: Address) -> Pattern | None:
    return next((pattern for pattern in patterns if globs.matches(pattern.glob, address.local)), None)


def _declared_names(tenant: DesiredTenant, kind_word: str) -> set[str]:
    return {name_of(d.resource) for kind, ds in tenant.declared.items() if kind.kind == kind_word for d in ds}


def _check_targets(desired: DesiredState, choices: Choices, unmanaged: Sequence[Unmanaged]) -> None:
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


def _waves(steps: Sequence[Step], kinds: Sequence[Kind]) -> tuple[tuple[Step, ...], ...]:
    rank = {kind: index for index, kind in enumerate(kinds)}
    groups: dict[tuple[int, int], list[Step]] = defaultdict(list)
    for step in steps:
        if not step.deletes:
            groups[0, rank[step.kind]].append(step)
        elif step.creates:
            groups[1, 0].append(step)
        else:
            groups[2, -rank[step.kind]].append(step)
    waves: list[tuple[Step, ...]] = []
    for (phase, _), wave in sorted(groups.items()):
        if phase:  # one name may be removed twice, with two ids
            wave.sort(key=lambda step: remote_id(step.before) if step.before is not None else 0)
        wave.sort(key=attrgetter("address"))
        waves += [(step,) for step in wave] if phase == 1 else [tuple(wave)]
    return tuple(waves)


def _shrunk(
    live: Mapping[tuple[str, str], int], seen: Mapping[tuple[str, str], int], choices: Choices
) -> list[Refusal]:
    """The rail on lists that became empty: more likely a fault than the truth."""
    return [
        Refusal(
            "E-LIST-SHRANK",
            f"the list of {tenant}/{kind} is empty, and an earlier run saw {seen[tenant, kind]} rows;"
            f" if that is true, --allow-shrunk {tenant}/{kind}",
        )
        for (tenant, kind), count in sorted(live.items())
        if count == 0 and seen.get((tenant, kind), 0) > 0 and f"{tenant}/{kind}" not in choices.allow_shrunk
    ]


def _inferred(steps: Iterable[Step], choices: Choices) -> list[Refusal]:
    """The rail on writes that nobody documented."""
    first = next((step for step in steps if step.inferred), None)
    if first is None or choices.may_infer:
        return []
    what = f"{first.action.word} of a {first.kind.kind} ({first.address}) is inferred, not documented"
    return [Refusal("E-INFERRED", f"{what}: give --allow-inferred, or a --contract in which it is documented")]


def _delete_budget(steps: Sequence[Step], live: Mapping[tuple[str, str], int], choices: Choices) -> list[Refusal]:
    """The rail on deletes, over the whole plan: how many may go without saying their number."""
    deletes = [step for step in steps if step.deletes]
    weighed = [step for step in deletes if not (choices.reviewed and step.action is Action.DELETE and not step.pruned)]
    groups = Counter((step.address.tenant, step.address.kind) for step in weighed)
    counted = {place: count for place, count in groups.items() if count > 1}
    why = []
    for (tenant, kind), count in sorted(counted.items()):
        there = live.get((tenant, kind), 0)
        if count >= there:
            why.append(f"it would empty {tenant}/{kind} ({count} of {there})")
        elif count > FREE_SHARE * there:
            why.append(f"it deletes {count} of {there} in {tenant}/{kind}, more than {FREE_SHARE:.0%}")
    if sum(counted.values()) > FREE_TOTAL:
        why.append(f"it deletes {sum(counted.values())}, more than {FREE_TOTAL}")
    total = choices.saved.deletes if choices.saved else len(deletes)
    if deletes and choices.allow_deletes is not None and choices.allow_deletes != total:
        said = f"--allow-deletes {choices.allow_deletes} is not the number of deletes of this plan, {total}"
        return [Refusal("E-DELETES", said)]
    if not why or choices.allow_deletes == total:
        return []
    return [Refusal("E-DELETES", f"{total} deletes need --allow-deletes {total}: {'; '.join(why)}")]
