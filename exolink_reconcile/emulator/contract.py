"""OpenAPI text to the routes that the emulator serves.

Only the shape of a path decides what an operation does; parameter names are ignored. P is a parameter:

    /tenant           GET lists, POST creates a tenant
    /tenant/P         GET, PUT, DELETE one tenant
    /tenant/P/C       GET lists, POST creates in the tenant's collection C
    /tenant/P/C/P     GET, PUT, DELETE one object of C

Every other operation of the contract is known, and answered with 501.
"""

import enum
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema
import ruamel.yaml
from jsonschema.protocols import Validator

from exolink_reconcile.emulator import judging
from exolink_reconcile.emulator.errors import EmulatorError, Refused
from exolink_reconcile.emulator.facts import TENANT, Fields, Json

_METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")
_JSON = "application/json"
_MANY = 5  # problems named in one answer
_MOST_NODES = 2_000_000  # values of a description, aliases of YAML followed
# What says how to read a schema, or refers by other means than `$ref`: no API's description needs it, and it could lead out.
_NOT_FOLLOWED = ("$schema", "$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef")


class Verb(enum.Enum):
    """What an operation does."""

    LIST = "list"
    CREATE = "create"
    GET = "get"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Body:
    """A request body: whether it must be there, its schema, the fields it may set (None: any)."""

    required: bool
    schema: Validator
    settable: frozenset[str] | None

    def fields(self, value: Json) -> Fields:
        """The fields that the operation takes from a body; those that the contract does not name are ignored.

        Raises:
            Refused: 400 naming the fields that are wrong, but never repeating what they hold.

        """
        errors = judging.errors(self.schema, value)
        if errors:
            raise Refused(400, "; ".join(_problem(error) for error in errors[:_MANY]))
        if not isinstance(value, dict):
            raise Refused(400, "the body must be a JSON object")
        return {name: kept for name, kept in value.items() if self.settable is None or name in self.settable}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a path: what it does to which collection, its success status, its parameters and body."""

    verb: Verb | None
    collection: str
    status: int
    parameters: tuple[Validator, ...]
    body: Body | None

    def accepts(self, values: Sequence[str]) -> bool:
        """Whether the path's values can be what the contract says; as an integer where they look like one."""
        return all(
            any(not judging.errors(schema, reading) for reading in _readings(value))
            for schema, value in zip(self.parameters, values, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Route:
    """A path: its segments (None is a parameter) and its operations by method."""

    path: tuple[str | None, ...]
    operations: Mapping[str, Operation]

    def values(self, segments: Sequence[str]) -> list[str] | None:
        """The values of the parameters, in order; None when this is another path."""
        if len(segments) != len(self.path):
            return None
        pairs = list(zip(self.path, segments, strict=True))
        if any(segment != own if own is not None else not segment for own, segment in pairs):
            return None
        return [segment for own, segment in pairs if own is None]

    def operation(self, method: str, values: Sequence[str]) -> Operation:
        """The operation behind a method.

        Raises:
            Refused: 405 when the path has no such method, 404 when a value cannot be what the contract says.

        """
        operation = self.operations.get(method)
        if operation is None:
            allowed = ", ".join(self.operations)
            raise Refused(405, f"the contract offers only {allowed} here", [("Allow", allowed)])
        if not operation.accepts(values):
            raise Refused(404, "the contract has no such path: a value in it cannot be right")
        return operation


def integer(text: str) -> int | None:
    """The integer that a path segment writes; None for other text, other spellings of a number and absurd sizes."""
    return int(text) if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text) else None


def routes(text: str) -> tuple[Route, ...]:
    """The routes of an OpenAPI 3.0 or 3.1 description, literal paths before templates.

    Raises:
        EmulatorError: the text is not such a description, or it refers to something outside itself.

    """
    document = _load(text)
    try:
        operations = [_route(document, path, item) for path, item in document["paths"].items() if path.startswith("/")]
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise EmulatorError(
            f"the contract is not an OpenAPI description that the emulator can follow: {error}"
        ) from None
    return tuple(sorted(operations, key=lambda route: [segment is None for segment in route.path]))


# --- the document


def _load(text: str) -> dict[str, Any]:
    try:
        is_json = text.lstrip().startswith("{")
        document = json.loads(text) if is_json else ruamel.yaml.YAML(typ="safe").load(text)
    except (ValueError, RecursionError, ruamel.yaml.error.YAMLError) as error:
        first_line = str(error).partition("\n")[0]
        raise EmulatorError(f"the contract is neither YAML nor JSON: {first_line}") from None
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise EmulatorError("the contract is not an OpenAPI description: it has no paths")
    try:
        if _size(document, {}) > _MOST_NODES:
            raise EmulatorError(f"the contract is too large: it has more than {_MOST_NODES:,} values")
        return _modern(document)  # type: ignore[no-any-return]  # a mapping stays one
    except RecursionError:
        raise EmulatorError("the contract is nested too deeply, or an alias in it refers to itself") from None


def _size(node: Any, sizes: dict[int, int]) -> int:
    """How many values there are where each alias of YAML is a copy of what it refers to."""
    if not isinstance(node, (dict, list)):
        return 1
    if id(node) not in sizes:
        children = node.values() if isinstance(node, dict) else node
        sizes[id(node)] = 1 + sum(_size(child, sizes) for child in children)
    return sizes[id(node)]


def _modern(node: Any) -> Any:
    """The document with the keywords of OpenAPI 3.0 as JSON Schema 2020-12 says them, and keys that are text.

    A `readOnly` field is required in answers only, and only requests are judged here.
    """
    if isinstance(node, list):
        return [_modern(child) for child in node]
    if not isinstance(node, dict):
        return node
    modern = {
        str(key): _modern(child) for key, child in node.items() if not (key in _NOT_FOLLOWED and isinstance(child, str))
    }
    if "patternProperties" in modern:  # each name would be tried against patterns whose cost nobody knows
        for word in ("patternProperties", "additionalProperties", "unevaluatedProperties"):
            modern.pop(word, None)
    _allow_null(modern)
    _exclude_bounds(modern)
    _relieve_read_only(modern)
    return modern


def _allow_null(schema: dict[str, Any]) -> None:
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list):
            schema["enum"] = [*schema["enum"], None]


def _exclude_bounds(schema: dict[str, Any]) -> None:
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(schema.get(exclusive), bool) and schema.pop(exclusive) and bound in schema:
            schema[exclusive] = schema.pop(bound)


def _relieve_read_only(schema: dict[str, Any]) -> None:
    if isinstance(schema.get("required"), list) and isinstance(schema.get("properties"), dict):
        read_only = {name for name, field in schema["properties"].items() if _is_read_only(field)}
        schema["required"] = [name for name in schema["required"] if name not in read_only]


def _is_read_only(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("readOnly") is True


def _pointed_at(document: dict[str, Any], reference: str) -> Any:
    if not reference.startswith("#/"):
        raise ValueError(f"$ref {reference} leads out of the document")
    node: Any = document
    for step in reference[2:].split("/"):
        key = urllib.parse.unquote(step).replace("~1", "/").replace("~0", "~")
        try:
            node = node[int(key)] if isinstance(node, list) else node[key]
        except (LookupError, TypeError, ValueError):
            raise ValueError(f"$ref {reference} leads nowhere") from None
    return node


def _resolved(document: dict[str, Any], node: Any) -> Any:
    """The node, or what it refers to in the end."""
    followed: set[str] = set()
    while isinstance(node, dict) and isinstance(node.get("$ref"), str):
        if node["$ref"] in followed:
            raise ValueError(f"$ref {node['$ref']} refers to itself")
        followed.add(node["$ref"])
        node = _pointed_at(document, node["$ref"])
    return node


# --- routes


def _route(document: dict[str, Any], template: str, item: Any) -> Route:
    path = tuple(None if re.fullmatch(r"\{[^{}]*\}", part) else part for part in template.split("/")[1:])
    names = re.findall(r"/\{([^{}]*)\}(?=/|$)", template)
    path_item = _resolved(document, item) or {}
    operations = {
        method: _operation(document, path, method, names, path_item)
        for method in _METHODS
        if method.lower() in path_item
    }
    return Route(path, operations)


def _operation(
    document: dict[str, Any], path: tuple[str | None, ...], method: str, names: list[str], item: dict[str, Any]
) -> Operation:
    declared = item[method.lower()]
    verb, collection = _purpose(path, method)
    if verb is Verb.LIST and not _answers_list(document, declared):
        verb = None  # one object without an id, like /tenant/P/stats
    return Operation(
        verb=verb,
        collection=collection,
        status=_status(verb, declared.get("responses", {})),
        parameters=_parameters(document, names, [*item.get("parameters", []), *declared.get("parameters", [])]),
        body=_body(document, declared.get("requestBody")),
    )


def _purpose(path: tuple[str | None, ...], method: str) -> tuple[Verb | None, str]:
    on_many = {"GET": Verb.LIST, "POST": Verb.CREATE}
    on_one = {"GET": Verb.GET, "PUT": Verb.UPDATE, "DELETE": Verb.DELETE}
    match path:
        case ("tenant",):
            return on_many.get(method), TENANT
        case ("tenant", None):
            return on_one.get(method), TENANT
        case ("tenant", None, str(collection)):
            return on_many.get(method), collection
        case ("tenant", None, str(collection), None):
            return on_one.get(method), collection
    return None, ""


def _answers_list(document: dict[str, Any], operation: dict[str, Any]) -> bool:
    """Whether a GET answers with an array; so it is believed where the contract does not say."""
    responses = operation.get("responses", {})
    response = _resolved(document, responses.get("200", responses.get("2XX", {})))
    schema = _resolved(document, response.get("content", {}).get(_JSON, {}).get("schema", {}))
    return "array" in schema.get("type", ["array"]) and "properties" not in schema


def _status(verb: Verb | None, responses: dict[str, Any]) -> int:
    """The success status that the contract names; where it does not, the usual one of an answer with no body."""
    usual = {Verb.CREATE: (201, 200, 204), Verb.UPDATE: (204, 200), Verb.DELETE: (204, 200)}
    preferred = usual.get(verb, (200,)) if verb else (200,)
    declared = sorted(int(code) for code in responses if re.fullmatch(r"2[0-9][0-9]", code))
    return next((code for code in preferred if code in declared), (declared or preferred)[0])


def _parameters(document: dict[str, Any], names: list[str], declared: list[Any]) -> tuple[Validator, ...]:
    resolved = [_resolved(document, parameter) for parameter in declared]
    schemas = {parameter["name"]: parameter.get("schema", {}) for parameter in resolved if parameter["in"] == "path"}
    return tuple(_validator(document, schemas.get(name, {})) for name in names)


def _body(document: dict[str, Any], declared: Any) -> Body | None:
    if declared is None:
        return None
    body = _resolved(document, declared)
    schema = body.get("content", {}).get(_JSON, {}).get("schema", {})
    named = frozenset(_named_fields(document, schema, set()))
    return Body(body.get("required", False), _validator(document, schema), named or None)


def _named_fields(document: dict[str, Any], schema: Any, visited: set[int]) -> Iterator[str]:
    if not isinstance(schema, dict) or id(schema) in visited:
        return
    visited.add(id(schema))
    if "$ref" in schema:
        yield from _named_fields(document, _pointed_at(document, schema["$ref"]), visited)
    for name, field in schema.get("properties", {}).items():
        if not _is_read_only(_resolved(document, field)):
            yield name
    for part in (*schema.get("allOf", []), *schema.get("anyOf", []), *schema.get("oneOf", [])):
        yield from _named_fields(document, part, visited)


# --- judging values


def _validator(document: dict[str, Any], schema: Any) -> Validator:
    _check_references(document, schema, set())
    return judging.judge(document, schema)


def _check_references(document: dict[str, Any], node: Any, followed: set[str]) -> None:
    """Check that every reference of a schema leads somewhere in the document; examples hold data, not references."""
    if isinstance(node, list):
        for child in node:
            _check_references(document, child, followed)
    if not isinstance(node, dict):
        return
    reference = node.get("$ref")
    if isinstance(reference, str) and reference not in followed:
        followed.add(reference)
        _check_references(document, _pointed_at(document, reference), followed)
    for key, child in node.items():
        if key not in {"example", "examples", "default", "enum", "const"}:
            _check_references(document, child, followed)


def _readings(text: str) -> list[Json]:
    number = integer(text)
    return [text] if number is None else [number, text]


def _problem(error: jsonschema.ValidationError) -> str:
    field = ".".join(str(step) for step in error.absolute_path) or "body"
    if error.validator in {
        "required",
        "additionalProperties",
        "unevaluatedProperties",
    }:  # these messages name keys, not values
        return f"{field}: {error.message}"[:300]
    return f"{field}: does not fit {error.validator} {json.dumps(error.validator_value, default=str)}"[:300]
