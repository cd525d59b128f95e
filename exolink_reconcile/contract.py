"""An OpenAPI description to what the API lets us do.

This module and the description are the only places that know what may be created, updated and sent. Operations are
found by method and path template (parameter names do not count); `$ref` inside the file and `allOf` are resolved.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exolink_reconcile.errors import InputError, problem
from exolink_reconcile.model import Declared, DesiredState, Diagnostic
from exolink_reconcile.resource import Address, Kind, fields, name_of
from exolink_reconcile.secret_url import SecretUrl

EVIDENCE = "x-exolink-evidence"
_JSON_TYPES = {"string": ("string",), "integer": ("integer", "number"), "boolean": ("boolean",)}
_NUMBER = (int, float)
_SCHEMA_LIMITS: Mapping[str, tuple[type, ...]] = {
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "exclusiveMinimum": _NUMBER,
    "exclusiveMaximum": _NUMBER,
    "minLength": (int,),
    "maxLength": (int,),
    "pattern": (str,),
    "enum": (list, tuple),
}
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request body: whether it is only inferred, the JSON types it takes (none: any), its limits."""

    name: str
    inferred: bool
    types: tuple[str, ...]
    limits: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation the API offers, and the body it takes."""

    method: str
    path: str
    inferred: bool
    fields: Mapping[str, Field]
    required: frozenset[str]

    def infers(self, sent: Sequence[str]) -> bool:
        """Whether the operation, or a field of `sent`, is inferred and not documented."""
        return self.inferred or any(self.fields[name].inferred for name in sent if name in self.fields)


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
        InputError: it is no OpenAPI description, lacks what reading a tenant needs, or gives a field another type.

    """
    description = _Description(_load(text, name), name)
    offers = {kind: description.offer(kind) for kind in kinds}
    for kind, offer in offers.items():
        if kind.entries is None and offer.get is None:
            raise problem("E-CONTRACT", f"{name} has no GET {kind.item}, without which no tenant can be read")
        _check_types(kind, offer, name)
    return Contract(description.title, offers)


def check(contract: Contract, desired: DesiredState) -> None:
    """Refuse what the API would refuse: values outside the limits of the contract, kinds it cannot list.

    Raises:
        InputError: with the place of each entry that breaks a limit.

    """
    found: list[Diagnostic] = []
    for tenant in desired.tenants:
        for kind in sorted(tenant.mentioned, key=lambda kind: kind.kind):
            offer = contract.offer(kind)
            if kind.entries is not None and offer.list is None:
                found.append(
                    Diagnostic(
                        "E-CONTRACT",
                        f"the contract has no GET {kind.collection}: a {kind.kind} cannot be read",
                        tenant.source,
                    )
                )
            limited = _limited(offer)
            if limited:
                for declared in tenant.declared[kind]:
                    found.extend(_broken_limits(tenant.name, kind, declared, limited))
    if found:
        raise InputError(found)


def broken_limit(offer: Offer, name: str, value: Any) -> str:
    """How a value of a field breaks a limit of the contract, in words; empty where it does not."""
    broken = (_broken(value, field.limits) for field in _limited(offer).get(name, ()))
    return next(filter(None, broken), "")


# --------------------------------------------------------------------------------------------------------- description


def _load(text: str, name: str) -> Json:
    try:
        if text.lstrip("\ufeff \t\r\n").startswith("{"):
            loaded = json.loads(text.lstrip("\ufeff"))
        else:
            from ruamel.yaml import YAML

            loaded = YAML(typ="safe").load(text)
    except (ValueError, RecursionError) as error:
        raise problem("E-CONTRACT", f"{name} cannot be read: {str(error).splitlines()[0]}") from None
    except Exception as error:  # ruamel.yaml raises many kinds of its own, and plain ones, for what is not YAML
        raise problem("E-CONTRACT", f"{name} is neither JSON nor YAML: {str(error).splitlines()[0]}") from None
    version = str(loaded.get("openapi", "")) if isinstance(loaded, dict) else ""
    if not re.match(r"3\.[01](\.|$)", version):
        raise problem(
            "E-CONTRACT", f"{name} is no OpenAPI 3.0 or 3.1 description: it needs `openapi: 3.1.0` at its top"
        )
    if not isinstance(loaded.get("paths"), dict):
        raise problem("E-CONTRACT", f"{name} has no `paths`")
    return loaded  # type: ignore[no-any-return]


class _Description:
    """An OpenAPI document with the look-ups we need."""

    def __init__(self, root: Json, name: str) -> None:
        self.root = root
        self.name = name
        info = root.get("info")
        self.title = str(info.get("title", "")) if isinstance(info, dict) else ""
        self.paths = {_template(str(path)): (str(path), item) for path, item in root["paths"].items()}

    def offer(self, kind: Kind) -> Offer:
        """What is there for a kind. A kind without a list has only its item."""
        listed = kind.entries is not None
        return Offer(
            list=self.operation("get", kind.collection) if listed else None,
            create=self.operation("post", kind.collection),
            get=self.operation("get", kind.item),
            update=self.operation("put", kind.item),
            delete=self.operation("delete", kind.item) if listed else None,
        )

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation at a path template, or None."""
        _, item = self.paths.get(_template(path), ("", None))
        operation = self.mapping(item).get(method)
        if operation is None:
            return None
        operation = self.mapping(operation)
        body = self.mapping(self.mapping(operation.get("requestBody")).get("content"))
        schema = self.mapping(body.get("application/json")).get("schema")
        inferred = operation.get(EVIDENCE) == "inferred"
        properties: dict[str, Any] = {}
        required: set[str] = set()
        for part in self.parts(schema, 0):
            properties.update(self.mapping(part.get("properties")))
            required.update(str(name) for name in self.sequence(part, "required"))
        taken = {str(name): self.field(str(name), value, inferred) for name, value in properties.items()}
        writable = {name: field for name, field in taken.items() if field is not None}
        read_only = taken.keys() - writable.keys()  # what is required of an answer, not of a request
        return Operation(method.upper(), path, inferred, writable, frozenset(required - read_only))

    def field(self, name: str, schema: Any, inferred: bool) -> Field | None:
        """A field of a body, or None for one that is read-only."""
        types: tuple[str, ...] = ()
        limits: dict[str, Any] = {}
        for part in self.parts(schema, 0):
            if part.get("readOnly") is True:
                return None
            inferred = inferred or part.get(EVIDENCE) == "inferred"
            stated = part.get("type")
            if stated is not None:
                types = tuple(str(each) for each in stated) if isinstance(stated, list) else (str(stated),)
            limits.update({limit: part[limit] for limit in _SCHEMA_LIMITS if limit in part})
        for limit, value in limits.items():
            if not isinstance(value, _SCHEMA_LIMITS[limit]):
                raise problem("E-CONTRACT", f"{self.name} gives `{name}` a `{limit}` that is none: {str(value)[:80]}")
        return Field(name, inferred, types, limits)

    def parts(self, schema: Any, depth: int) -> Iterator[Json]:
        """A schema and everything its `allOf` adds."""
        if depth > 32:
            raise problem("E-CONTRACT", f"{self.name} has schemas that refer to each other without end")
        resolved = self.mapping(schema)
        for part in self.sequence(resolved, "allOf"):
            yield from self.parts(part, depth + 1)
        yield resolved

    def sequence(self, schema: Json, word: str) -> Sequence[Any]:
        """The list under a word of a schema; empty where there is none."""
        found = schema.get(word) or ()
        if not isinstance(found, (list, tuple)):
            raise problem("E-CONTRACT", f"{self.name} has a schema whose `{word}` is no list: {str(found)[:80]}")
        return found

    def mapping(self, value: Any) -> Json:
        """A mapping with its `$ref` followed; empty for what is none."""
        for _ in range(32):
            if not isinstance(value, dict):
                return {}
            if "$ref" not in value:
                return value
            value = self.follow(str(value["$ref"]))
        raise problem("E-CONTRACT", f"{self.name} has references that go round in a circle")

    def follow(self, reference: str) -> Any:
        """What a reference inside the file points at."""
        if not reference.startswith("#/"):
            raise problem(
                "E-CONTRACT", f"{self.name} refers to `{reference}`: only references inside the file are followed"
            )
        here: Any = self.root
        for part in reference[2:].split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(here, dict) or part not in here:
                raise problem("E-CONTRACT", f"{self.name} refers to `{reference}`, which it does not have")
            here = here[part]
        return here


def _template(path: str) -> str:
    return re.sub(r"\{[^}/]*\}", "{}", path.rstrip("/"))


def _check_types(kind: Kind, offer: Offer, name: str) -> None:
    for operation in (offer.create, offer.update):
        for facts in fields(kind).values() if operation else ():
            assert operation is not None
            field = operation.fields.get(facts.name)
            if field and field.types and not set(field.types) & set(_JSON_TYPES[facts.json_type]):
                said = " or ".join(field.types)
                where = f"{operation.method} {operation.path}"
                raise problem(
                    "E-CONTRACT", f"{name} makes `{facts.name}` of {where} {said}; we know it as {facts.json_type}"
                )


# -------------------------------------------------------------------------------------------------------------- limits


def _limited(offer: Offer) -> dict[str, list[Field]]:
    found: dict[str, list[Field]] = {}
    for operation in (offer.create, offer.update):
        for field in operation.fields.values() if operation else ():
            if field.limits:
                found.setdefault(field.name, []).append(field)
    return found


def _broken_limits(
    tenant: str, kind: Kind, declared: Declared, limited: Mapping[str, list[Field]]
) -> Iterator[Diagnostic]:
    for name, limits in limited.items():
        if name not in declared.resource.model_fields_set:
            continue
        value = getattr(declared.resource, name)
        for field in limits:
            if broken := _broken(value, field.limits):
                address = Address(tenant, kind.kind, name_of(declared.resource))
                yield Diagnostic("E-LIMIT", f"{name} of {address} {broken}, says the contract", declared.source)
                break


def _broken(value: Any, limits: Mapping[str, Any]) -> str:
    """How a value breaks a limit, in words; empty when it does not. JSON Schema's meaning of each keyword."""
    if "enum" in limits and value not in limits["enum"] and not isinstance(value, SecretUrl):
        return f"must be one of {', '.join(map(str, limits['enum']))}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _broken_number(value, limits)
    text = value.reveal() if isinstance(value, SecretUrl) else value
    if isinstance(text, str):
        if len(text) < limits.get("minLength", 0):
            return f"must have at least {limits['minLength']} characters"
        if len(text) > limits.get("maxLength", len(text)):
            return f"must have at most {limits['maxLength']} characters"
        if "pattern" in limits and not _searches(str(limits["pattern"]), text):
            return f"must match the pattern {limits['pattern']}"
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
    return ""


def _searches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True  # ECMAScript syntax that Python does not have: the API will judge
