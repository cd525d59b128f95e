"""A run that ended to what it verified: the base that later plans compare with."""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from exolink_reconcile.model import DesiredTenant, Outcome, Plan, Result
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.resource import Address, attributes, fields, key, name_of
from exolink_reconcile.secret_url import masked


def declared(tenant: DesiredTenant, but: Container[Address] = ()) -> dict[Address, Mapping[str, Any]]:
    """The managed fields of each address that the documents declare, but the key, as JSON values, secrets masked.

    The addresses in `but` are left out. Fields that only a create sends and that are never compared are included: a create
    that repairs drift sends them again.
    """
    fields_by_address: dict[Address, Mapping[str, Any]] = {}
    for kind, entries in tenant.declared.items():
        names = [name for name in fields(kind) if name != key(kind)]
        values_of = attributes(tuple(names))
        for entry in entries:
            address = Address(tenant.name, kind.kind, name_of(entry.resource))
            if address in but:
                continue
            managed = entry.resource.model_fields_set
            values = dict(zip(names, values_of(entry.resource), strict=True))
            fields_by_address[address] = {name: masked(values[name]) for name in names if name in managed}
    return fields_by_address


def removed(tenant: DesiredTenant) -> frozenset[Address]:
    """The addresses that the documents say must not exist."""
    return frozenset(
        Address(tenant.name, kind.kind, entry.name) for kind, entries in tenant.removed.items() for entry in entries
    )


class NotVerified:
    """The addresses that a run did not verify to be as declared: they keep the base that they had.

    They were left out by the choices, held back, not done, or still differed afterwards.
    """

    def __init__(self, plan: Plan, choices: Choices, result: Result | None = None) -> None:
        outcomes: Iterable[Outcome] = result.outcomes if result is not None else ()
        done = {outcome.step.address for outcome in outcomes if not outcome.exit_code}
        self._addresses = {*plan.left_out, *(held.address for held in plan.held_back)}
        self._addresses |= {step.address for step in plan.steps if step.address not in done}
        self._addresses |= {difference.address for difference in result.left} if result is not None else set()
        self._choices = choices

    def __contains__(self, address: object) -> bool:
        """Whether this address keeps the base that it had."""
        return address in self._addresses or not (isinstance(address, Address) and self._choices.cover(address))
