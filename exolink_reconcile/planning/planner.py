"""Changes, contract, policy to a plan: what is done in which order, what is held back, which guardrails refuse.

The order of waves: creates and updates, kind by kind along the references; then replaces, one at a time; then deletes,
kind by kind against the references. Steps of a wave are sorted by address, so the plan does not depend on the input's order.
"""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from types import MappingProxyType

from exolink_reconcile.contract import Contract
from exolink_reconcile.model import (
    Action,
    Change,
    Changes,
    Declared,
    DesiredState,
    FieldChange,
    HeldBack,
    Note,
    Plan,
    Refusal,
    Source,
    Step,
    Unclear,
    Unmanaged,
    remote_id,
)
from exolink_reconcile.planning import attribution, guardrails, notes, obstacles, renames
from exolink_reconcile.planning.attribution import Base
from exolink_reconcile.planning.choices import Choices, check_globs, compared, wanted
from exolink_reconcile.planning.obstacles import Obstacle
from exolink_reconcile.planning.policies import Policies
from exolink_reconcile.resource import Address, Kind, ListKey, Row, fields, name_of, name_of_row


def plan(
    changes: Changes,
    desired: DesiredState,
    contract: Contract,
    choices: Choices,
    origin: str,
    counts_before: Mapping[ListKey, int] = MappingProxyType({}),
    base: Base | None = None,
) -> Plan:
    """What to do about the changes. `counts_before` says how many rows earlier runs saw in each list.

    `base` says whose change each step is.

    Raises:
        InputError: a target or exclude matches neither a declared nor a removed nor, with --prune, a live address.

    """
    if choices.prune:
        check_globs(desired, choices, changes.unmanaged)
    planner = _Planner(desired, contract, choices, changes)
    planner.steps, left_out = attribution.only(planner.steps, base, choices)
    return Plan(
        origin=origin,
        waves=_waves(planner.steps, list(contract.offers)),
        held_back=_in_order(planner.with_replaces(changes.live_counts)),
        unmanaged_counts=_count(planner.unmanaged, contract),
        unmanaged=tuple(planner.unmanaged),
        refusals=(
            *planner.refusals,
            *guardrails.read_in_part(desired, choices),
            *guardrails.shrunk(changes.live_counts, counts_before, choices),
            *guardrails.delete_budget(planner.steps, changes.live_counts, choices),
            *guardrails.inferred(planner.steps, choices),
        ),
        notes=(
            *changes.notes,
            *planner.notes,
            *renames.notes(changes, choices, left_out),
            *notes.nothing_compared(desired, choices),
            *notes.globs_of_nothing(desired, changes),
            *notes.no_recheck(planner.steps, contract),
        ),
        names=_number_names(desired),
        tenants=tuple(wanted(desired, choices)),
        compared=compared(changes.live, choices, contract.offers),
        partial=choices.partial,
        left_out=left_out,
        base=base.info if base else None,
    )


class _Planner:
    """Decides about each change in turn."""

    def __init__(self, desired: DesiredState, contract: Contract, choices: Choices, changes: Changes) -> None:
        self.tenants = {tenant.name: tenant for tenant in desired.tenants}
        self.policies = Policies(self.tenants)
        by_policy = (f"{t.name}/{pattern.glob}" for t in desired.tenants for pattern in t.policy.allow_replace)
        self.replaceable = {*choices.allow_replace, *by_policy}
        self.contract = contract
        self.choices = choices
        self.steps: list[Step] = []
        self.held_back: list[HeldBack] = []
        self.unmanaged: list[Unmanaged] = []
        self.refusals: list[Refusal] = []
        self.notes: list[Note] = []
        self.missing_tenants: set[str] = set()
        self.could_replace: dict[Address, Step] = {}
        self.bodies: dict[tuple[Kind, frozenset[str]], tuple[tuple[str, ...], tuple[str, ...], bool]] = {}
        self._decide(changes)

    def _decide(self, changes: Changes) -> None:
        for unclear in changes.unclear:
            self._unclear(unclear)
        for change in changes.changes:
            if not self.choices.cover(change.address):
                if change.kind.is_tenant() and change.before is None:
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
            obstacle = Obstacle(unclear.code, unclear.reason)
            self._hold(unclear.address, unclear.kind, action, obstacle, unclear.source)

    def _create(self, change: Change, declared: Declared) -> None:
        sends = obstacles.managed(change.kind, declared)
        operation = self.contract.offer(change.kind).create
        if not change.kind.is_tenant() and change.address.tenant in self.missing_tenants:
            reason = f"tenant {change.address.tenant} does not exist, and this plan does not create it"
            obstacle: Obstacle | None = Obstacle("E-DEPENDS", reason)
        else:
            obstacle = obstacles.to_create(change.kind, sends, operation)
        if obstacle:
            if change.kind.is_tenant():
                self.missing_tenants.add(change.address.tenant)
            self._hold(change.address, change.kind, Action.CREATE, obstacle, declared.source)
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
        accepted: Mapping[str, object] = operation.fields if operation else {}
        stuck = tuple([field for field in change.fields if field.field not in accepted])
        updates = change.fields
        if stuck:
            if self._replace_or_hold(change, declared, stuck):
                return
            updates = tuple([field for field in change.fields if field not in stuck])
        if updates:
            self._update_fields(change, declared, updates)

    def _replace_or_hold(self, change: Change, declared: Declared, stuck: tuple[FieldChange, ...]) -> bool:
        """Plan the replace that these fields need and return True, or hold back the fields."""
        offer = self.contract.offer(change.kind)
        protected = self.policies.first("protect", change.address)
        obstacle = obstacles.to_replace(change.kind, declared, offer, protected)
        permitted = str(change.address) in self.replaceable
        if obstacle is None:
            step = self._replace(change, declared, stuck)
            if permitted:
                self.steps.append(step)
                return True
            self.could_replace[change.address] = step
        elif permitted and obstacle.code == "E-PROTECTED":
            advice = "unprotect it first, or take the permission back"
            self.refusals.append(Refusal(obstacle.code, f"{change.address}: {obstacle.reason}; {advice}"))
        action = Action.REPLACE if permitted else Action.UPDATE
        for field in stuck:
            why = obstacle if permitted and obstacle else obstacles.to_update_field(field)
            why = why._replace(ways_out=obstacles.ways_without_replace(field, offer.create))
            self._hold(change.address, change.kind, action, why, declared.source, field=field)
        return False

    def _update_fields(self, change: Change, declared: Declared, updates: tuple[FieldChange, ...]) -> None:
        """Plan the update of the fields that the contract takes, or hold it back and say why it cannot be sent."""
        sends, missing, inferred = self._body(
            change.kind, frozenset(declared.resource.model_fields_set.difference(declared.create_only))
        )
        if obstacle := obstacles.to_update(change.kind, missing, declared):
            self._hold(change.address, change.kind, Action.UPDATE, obstacle, declared.source)
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

    def _body(self, kind: Kind, written: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
        """Which of the written fields an update sends, which fields it lacks, whether it is only inferred."""
        body = self.bodies.get((kind, written))
        if body is None:
            operation = self.contract.offer(kind).update
            assert operation is not None
            sends = tuple(name for name in fields(kind) if name in written and name in operation.fields)
            body = sends, tuple(sorted(operation.required - set(sends))), operation.infers(sends)
            self.bodies[kind, written] = body
        return body

    def _replace(self, change: Change, declared: Declared, stuck: tuple[FieldChange, ...]) -> Step:
        offer = self.contract.offer(change.kind)
        sends = obstacles.managed(change.kind, declared)
        names = ", ".join(field.field for field in stuck)
        assert offer.create is not None and offer.delete is not None
        return Step(
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

    def with_replaces(self, live_counts: Mapping[ListKey, int]) -> list[HeldBack]:
        """What is held back, each with the replace that could settle it, as a command that no guardrail refuses."""
        needs: dict[ListKey, tuple[str, ...]] = {}
        held_back: list[HeldBack] = []
        for held in self.held_back:
            step = self.could_replace.get(held.address)
            if step is None or held.code != "E-CANNOT-UPDATE":
                held_back.append(held)
                continue
            place = step.address.list_key
            if place not in needs:
                needs[place] = tuple(guardrails.permissions([*self.steps, step], live_counts, self.choices))
            command = ("exolink-reconcile", "plan", "--allow-replace", str(held.address), *needs[place])
            line = " ".join(map(shlex.quote, (*command, *self.choices.again)))
            way = f"a replace, which gives it a new id: {line}"
            held_back.append(replace(held, ways_out=(*held.ways_out, way)))
        return held_back

    def _delete(self, change: Change) -> None:
        assert change.removed is not None
        reason = f"removed: {change.removed.reason}" if change.removed.reason else "removed"
        operation = self.contract.offer(change.kind).delete
        if obstacle := obstacles.to_delete(change.kind, operation):
            self._hold(change.address, change.kind, Action.DELETE, obstacle, change.removed.source)
            return
        assert operation is not None
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
            summary = "--prune: no document claims anything as `exclusive`, so nothing is pruned"
            self.notes.append(Note("W-NOTHING-CLAIMED", summary))
        for group in unmanaged:
            not_pruned = self._pruned(group)
            if not_pruned.rows:
                self.unmanaged.append(not_pruned)

    def _pruned(self, group: Unmanaged) -> Unmanaged:
        """Plan the deletes of a claimed scope; returns what stays."""
        declared = self.tenants[group.tenant].declared[group.kind]
        pinned = {name_of(d.resource): d.pinned_id for d in declared if d.pinned_id is not None}
        operation = self.contract.offer(group.kind).delete
        alike: dict[str, list[Row]] = defaultdict(list)
        for row in group.rows:
            alike[name_of_row(group.kind, row)].append(row)
        stays: list[Row] = []
        for name, rows in alike.items():
            address = Address(group.tenant, group.kind.kind, name)
            claim = self.policies.first("exclusive", address)
            if claim is None or not self.choices.cover(address) or self.policies.first("protect", address):
                stays += rows
                continue
            if obstacle := obstacles.to_prune(group.kind, rows, pinned.get(name), operation):
                self._hold(address, group.kind, Action.DELETE, obstacle, None)
                stays += rows
                continue
            assert operation is not None
            self.steps.append(
                Step(
                    Action.DELETE,
                    address,
                    group.kind,
                    f"not declared, and claimed as exclusive (`{claim.glob}`, {claim.source})",
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
        why: Obstacle,
        source: Source | None,
        *,
        field: FieldChange | None = None,
    ) -> None:
        self.held_back.append(HeldBack(address, kind, action, why.code, why.reason, source, field, why.ways_out))


# ---------------------------------------------------------------------------------------------------------------- rules


def _in_order(held_back: Iterable[HeldBack]) -> tuple[HeldBack, ...]:
    return tuple(sorted(held_back, key=lambda held: (held.address, held.field.name if held.field else "")))


def _number_names(desired: DesiredState) -> dict[tuple[str, str], dict[int, str]]:
    """The names that the tables of the YAML give to numbers, by tenant and field; the first, if there are two."""
    names: dict[tuple[str, str], dict[int, str]] = {}
    for tenant in desired.tenants:
        for kind in tenant.declared:
            for facts in fields(kind).values():
                if facts.named_by:
                    table = reversed(list(tenant.tables[facts.named_by.table].items()))
                    names[tenant.name, facts.name] = {number: name for name, number in table}
    return names


def _count(unmanaged: Sequence[Unmanaged], contract: Contract) -> dict[str, int]:
    counts = {kind.kind: 0 for kind in contract.offers if not kind.is_tenant()}
    for group in unmanaged:
        counts[group.kind.kind] += len(group.rows)
    return counts


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
