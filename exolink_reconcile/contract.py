"""An OpenAPI description to what the API lets us do with each kind, and whether values keep its limits.

Only this module and the description know what may be created, updated and sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

from exolink_reconcile import openapi
from exolink_reconcile.errors import InputError, problem
from exolink_reconcile.model import Declared, DesiredState, Diagnostic
from exolink_reconcile.openapi import Description, Field, Operation
from exolink_reconcile.patterns import Patterns
from exolink_reconcile.resource import Address, Kind, fields, name_of
from exolink_reconcile.secret_url import SecretUrl

_JSON_TYPES = {"string": ("string",), "integer": ("integer", "number"), "boolean": ("boolean",)}
_FEW = 20  # choices that a message names


@dataclass(frozen=True, slots=True)
class Offer:
    """What the API offers for one kind. None: no such operation."""

    list: Operation | None
    create: Operation | None
    get: Operation | None
    update: Operation | None
    delete: Operation | None


@dataclass(frozen=True, slots=True)
class Contract:
    """What the API offers, by kind."""

    title: str
    offers: Mapping[Kind, Offer]

    def offer(self, kind: Kind) -> Offer:
        """The operations for a kind."""
        return self.offers[kind]


def parse(text: str, kinds: Sequence[Kind], *, name: str = "the contract") -> Contract:
    """The contract that an OpenAPI 3.0 or 3.1 description, YAML or JSON, makes for `kinds`.

    Raises:
        InputError: it is not an OpenAPI description, lacks what reading a tenant needs, or gives a field another type.

    """
    description = Description(openapi.load(text, name), name)
    offers = {kind: _offer(description, kind) for kind in kinds}
    for kind, offer in offers.items():
        if kind.is_tenant() and offer.get is None:
            raise problem("E-CONTRACT", f"{name} has no GET {kind.item}, without which no tenant can be read")
        _check_types(kind, offer, name)
    return Contract(description.title, offers)


def _offer(description: Description, kind: Kind) -> Offer:
    """The operations for a kind. A kind without a list has only its item."""
    listed = not kind.is_tenant()
    return Offer(
        list=description.operation("get", kind.collection) if listed else None,
        create=description.operation("post", kind.collection),
        get=description.operation("get", kind.item),
        update=description.operation("put", kind.item),
        delete=description.operation("delete", kind.item) if listed else None,
    )


def _check_types(kind: Kind, offer: Offer, name: str) -> None:
    for operation in filter(None, (offer.create, offer.update)):
        for facts in fields(kind).values():
            field = operation.fields.get(facts.name)
            if field and field.types and not set(field.types) & set(_JSON_TYPES[facts.json_type]):
                types = " or ".join(field.types)
                request = f"{operation.method} {operation.path}"
                raise problem(
                    "E-CONTRACT", f"{name} makes `{facts.name}` of {request} {types}; we know it as {facts.json_type}"
                )


def check(contract: Contract, desired: DesiredState) -> None:
    """Refuse what the API would refuse: values outside the limits of the contract, kinds it cannot list.

    Raises:
        InputError: with the place of each entry that breaks a limit.

    """
    diagnostics: list[Diagnostic] = []
    patterns = Patterns()
    for tenant in desired.tenants:
        for kind in sorted(tenant.mentioned, key=lambda kind: kind.kind):
            offer = contract.offer(kind)
            if not kind.is_tenant() and offer.list is None:
                summary = f"the contract has no GET {kind.collection}: a {kind.kind} cannot be read"
                diagnostics.append(Diagnostic("E-CONTRACT", summary, tenant.source))
            if limited := _limited(offer):
                for declared in tenant.declared[kind]:
                    diagnostics.extend(_broken_limits(tenant.name, kind, declared, limited, patterns))
    if diagnostics:
        raise InputError(diagnostics)


def broken_limit(offer: Offer, name: str, value: Any) -> str:
    """How a value of a field breaks a limit of the contract, in words; empty if it does not."""
    patterns = Patterns()
    broken = (_broken(value, field.limits, patterns) for field in _limited(offer).get(name, ()))
    return next(filter(None, broken), "")


# -------------------------------------------------------------------------------------------------------------- limits


def _limited(offer: Offer) -> dict[str, list[Field]]:
    limited: dict[str, list[Field]] = {}
    for operation in filter(None, (offer.create, offer.update)):
        for field in operation.fields.values():
            if field.limits:
                limited.setdefault(field.name, []).append(field)
    return limited


def _broken_limits(
    tenant: str, kind: Kind, declared: Declared, limited: Mapping[str, list[Field]], patterns: Patterns
) -> Iterator[Diagnostic]:
    for name, limits in limited.items():
        if name not in declared.resource.model_fields_set:
            continue
        value = getattr(declared.resource, name)
        for field in limits:
            if broken := _broken(value, field.limits, patterns):
                address = Address(tenant, kind.kind, name_of(declared.resource))
                yield Diagnostic("E-LIMIT", f"{name} of {address} {broken}, says the contract", declared.source)
                break


def _broken(value: Any, limits: Mapping[str, Any], patterns: Patterns) -> str:
    """How a value breaks a limit, in words; empty when it does not. JSON Schema's meaning of each keyword."""
    if "enum" in limits and value not in limits["enum"] and not isinstance(value, SecretUrl):
        choices = limits["enum"]
        more = f" and {len(choices) - _FEW} more" if len(choices) > _FEW else ""
        return f"must be one of {', '.join(map(openapi.short, islice(choices, _FEW)))}{more}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _broken_number(value, limits)
    text = value.reveal() if isinstance(value, SecretUrl) else value
    return _broken_text(text, limits, patterns) if isinstance(text, str) else ""


def _broken_text(text: str, limits: Mapping[str, Any], patterns: Patterns) -> str:
    if len(text) < limits.get("minLength", 0):
        return f"must have at least {limits['minLength']} characters"
    if len(text) > limits.get("maxLength", len(text)):
        return f"must have at most {limits['maxLength']} characters"
    for pattern in openapi.several(limits.get("pattern", ())):
        if not patterns.allow(pattern, text):
            return f"must match the pattern {pattern[:200]}"
    return ""


def _broken_number(value: float, limits: Mapping[str, Any]) -> str:
    low, high = limits.get("minimum"), limits.get("maximum")
    above, below = limits.get("exclusiveMinimum"), limits.get("exclusiveMaximum")
    if above is True:  # OpenAPI 3.0 writes the exclusive limits as flags beside the inclusive ones
        above, low = low, None
    if below is True:
        below, high = high, None
    if low is not None and value < low:
        return f"must be at least {low}"
    if high is not None and value > high:
        return f"must be at most {high}"
    if above is not None and above is not False and value <= above:
        return f"must be more than {above}"
    if below is not None and below is not False and value >= below:
        return f"must be less than {below}"
    for unit in openapi.several(limits.get("multipleOf", ())):
        if not _is_multiple(value, unit):
            return f"must be a multiple of {unit}"
    return ""


def _is_multiple(value: float, unit: float) -> bool:
    """In decimal, as written: 0.3 is a multiple of 0.1. The API judges what cannot be computed."""
    try:
        return Decimal(str(value)) % Decimal(str(unit)) == 0
    except ArithmeticError:
        return True
