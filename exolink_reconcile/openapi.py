"""An OpenAPI description to the operations in it, and the fields that each takes.

Operations are found by method and path template (parameter names do not count); `$ref` inside the file and `allOf` are
resolved.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exolink_reconcile.errors import problem

EVIDENCE = "x-exolink-evidence"
_JSON_LIMIT, _YAML_LIMIT = 16, 2  # MiB; a description as YAML takes minutes and gigabytes beyond that
_UNSENT = ("authorization", "accept", "content-type")  # OpenAPI ignores parameters for these headers
_NUMBER = (int, float)
_SCHEMA_LIMITS: Mapping[str, tuple[type, ...]] = {
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "exclusiveMinimum": _NUMBER,
    "exclusiveMaximum": _NUMBER,
    "minLength": (int,),
    "maxLength": (int,),
    "pattern": (str,),
    "multipleOf": _NUMBER,
    "enum": (list, tuple),
    "const": (object,),
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
    answers: frozenset[str] = frozenset()  # the fields in the answer to a GET, of each row for a list

    def infers(self, sent: Sequence[str]) -> bool:
        """Whether the operation, or a field of `sent`, is inferred and not documented."""
        return self.inferred or any(self.fields[name].inferred for name in sent if name in self.fields)


def load(text: str, name: str) -> Json:
    is_json = text.lstrip("\ufeff \t\r\n").startswith("{")
    limit = _JSON_LIMIT if is_json else _YAML_LIMIT
    if len(text) > limit * 1024 * 1024:
        hint = "" if is_json else f" (as JSON it may have {_JSON_LIMIT} MiB)"
        raise problem("E-CONTRACT", f"{name} is larger than {limit} MiB{hint}")
    try:
        if is_json:
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
            "E-CONTRACT", f"{name} is not an OpenAPI 3.0 or 3.1 description: it needs `openapi: 3.1.0` at its top"
        )
    if not isinstance(loaded.get("paths"), dict):
        raise problem("E-CONTRACT", f"{name} has no `paths`")
    return loaded  # type: ignore[no-any-return]  # a mapping: checked above


class Description:
    """An OpenAPI document with the look-ups we need."""

    def __init__(self, root: Json, name: str) -> None:
        self.root = root
        self.name = name
        info = root.get("info")
        self.title = str(info.get("title", "")) if isinstance(info, dict) else ""
        self.paths: dict[str, list[tuple[str, Json]]] = {}
        for path, item in root["paths"].items():
            self.paths.setdefault(_template(str(path)), []).append((str(path), self.mapping(item)))

    def operation(self, method: str, path: str) -> Operation | None:
        """The operation at a path template, or None. It may stand under any path that differs in parameter names only."""
        offered = [
            (written, item) for written, item in self.paths.get(_template(path), ()) if item.get(method) is not None
        ]
        if len(offered) > 1:
            both = " and ".join(f"`{short(written)}`" for written, _ in offered[:2])
            raise problem("E-CONTRACT", f"{self.name} describes {method.upper()} {path} twice: at {both}")
        if not offered:
            return None
        written, item = offered[0]
        operation = self.mapping(item[method])
        self.check_parameters(f"{method.upper()} {short(written)}", item, operation, written, path)
        answer = list(self.parts(self.answer(operation))) if method == "get" else []
        if not path.endswith("}"):
            self.check_list(f"GET {short(written)}", answer)
            answer = [row for part in answer for row in self.parts(part.get("items"))]
        answers = frozenset(str(name) for part in answer for name in self.mapping(part.get("properties")))
        inferred = operation.get(EVIDENCE) == "inferred"
        writable, required = self.body(operation, inferred)
        return Operation(method.upper(), path, inferred, writable, required, answers)

    def body(self, operation: Json, inferred: bool) -> tuple[dict[str, Field], frozenset[str]]:
        """The fields that the body of an operation may have, and those that it must have."""
        content = self.mapping(self.mapping(operation.get("requestBody")).get("content"))
        properties: dict[str, list[Any]] = {}
        required: set[str] = set()
        for part in self.parts(self.mapping(content.get("application/json")).get("schema")):
            for name, value in self.mapping(part.get("properties")).items():
                properties.setdefault(str(name), []).append(value)
            required.update(str(name) for name in self.sequence(part, "required"))
        accepted = {name: self.field(name, {"allOf": values}, inferred) for name, values in properties.items()}
        writable = {name: field for name, field in accepted.items() if field is not None}
        read_only = accepted.keys() - writable.keys()  # required in an answer, not in a request
        return writable, frozenset(required - read_only)

    def check_parameters(self, place: str, item: Json, operation: Json, written: str, path: str) -> None:
        """Refuse parameters that this tool would have to send and does not, and items addressed by anything but the id."""
        parameters = {
            (str(parameter.get("in")), str(parameter.get("name"))): parameter
            for owner in (item, operation)
            for parameter in map(self.mapping, self.sequence(owner, "parameters"))
        }
        for (location, name), parameter in parameters.items():
            is_header = location == "header" and name.lower() in _UNSENT
            if location in ("query", "header", "cookie") and parameter.get("required") is True and not is_header:
                raise problem(
                    "E-CONTRACT",
                    f"{self.name} needs the {location} parameter `{short(name)}` for {place}: this tool sends none",
                )
        if not path.endswith("{id}"):
            return
        name = written.rstrip("/").rpartition("/")[2].strip("{}")
        schema = parameters.get(("path", name), {}).get("schema")
        types = {str(kind) for part in self.parts(schema) for kind in _types(part)}
        if (types and not types & {"integer", "number"}) or not (types or name.lower().endswith("id")):
            raise problem(
                "E-CONTRACT", f"{self.name} addresses {place} by `{short(name)}`, which is not the integer id"
            )

    def answer(self, operation: Json) -> Any:
        """The schema of a good answer, or None."""
        responses = {str(status): answer for status, answer in self.mapping(operation.get("responses")).items()}
        for status in ("200", "2XX", "2xx", "default"):
            content = self.mapping(self.mapping(responses.get(status)).get("content"))
            if "application/json" in content:
                return self.mapping(content["application/json"]).get("schema")
        return None

    def check_list(self, place: str, answer: Sequence[Json]) -> None:
        """Refuse a list that is not an array: an object around it may hold pages, or anything."""
        types = {kind for part in answer for kind in _types(part)}
        if (types and "array" not in types) or (not types and any("properties" in part for part in answer)):
            raise problem(
                "E-CONTRACT", f"{self.name} says that {place} does not answer with a list but with something else"
            )

    def field(self, name: str, schema: Any, inferred: bool) -> Field | None:
        """A field of a body, or None for one that is read-only."""
        types: tuple[str, ...] = ()
        limits: dict[str, Any] = {}
        for part in self.parts(schema):
            if part.get("readOnly") is True:
                return None
            inferred = inferred or part.get(EVIDENCE) == "inferred"
            types = _types(part) or types
            for limit, value in part.items():
                if limit in _SCHEMA_LIMITS:
                    if not _is_limit(limit, value):
                        summary = f"{self.name} gives `{short(name)}` an invalid `{limit}`: {short(value)}"
                        raise problem("E-CONTRACT", summary)
                    _narrow(limits, limit, value)
        if "enum" in limits:
            limits["enum"] = _choices(limits["enum"])
        return Field(name, inferred, types, limits)

    def parts(self, schema: Any) -> Iterator[Json]:
        """A schema and everything that its `allOf` and `$ref` add, each once, however often it is referred to."""
        yield from self._parts(schema, set(), [])

    def _parts(self, schema: Any, done: set[int], above: list[int]) -> Iterator[Json]:
        if not isinstance(schema, dict):
            return
        if id(schema) in above or len(above) > 200:
            raise problem("E-CONTRACT", f"{self.name} has schemas that refer to each other without end")
        if id(schema) in done:
            return
        done.add(id(schema))
        above.append(id(schema))
        if "$ref" in schema:
            yield from self._parts(self.follow(schema["$ref"]), done, above)
        for part in self.sequence(schema, "allOf"):
            yield from self._parts(part, done, above)
        above.pop()
        yield schema

    def sequence(self, schema: Json, word: str) -> Sequence[Any]:
        """The list under a word of a schema; empty where there is none."""
        elements = schema.get(word) or ()
        if not isinstance(elements, (list, tuple)):
            raise problem("E-CONTRACT", f"{self.name} has a schema whose `{word}` is not a list: {short(elements)}")
        return elements

    def mapping(self, value: Any) -> Json:
        """A mapping with its `$ref` followed and the keys beside it kept; empty if the value is not a mapping."""
        beside: dict[str, Any] = {}
        for _ in range(32):
            if not isinstance(value, dict):
                return beside
            if "$ref" not in value:
                return {**value, **beside} if beside else value
            beside = {**{name: own for name, own in value.items() if name != "$ref"}, **beside}
            value = self.follow(value["$ref"])
        raise problem("E-CONTRACT", f"{self.name} has references that go round in a circle")

    def follow(self, reference: Any) -> Any:
        """The part of the file that a reference points at."""
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise problem(
                "E-CONTRACT",
                f"{self.name} refers to `{short(reference)}`: only references inside the file are followed",
            )
        target: Any = self.root
        for part in reference[2:].split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, dict) or part not in target:
                raise problem("E-CONTRACT", f"{self.name} refers to `{short(reference)}`, which it does not have")
            target = target[part]
        return target


def short(value: object) -> str:
    """A value of the file for a message; a list or mapping, which may be endless, as its type only."""
    return str(value)[:80] if isinstance(value, (str, int, float)) or value is None else f"a {type(value).__name__}"


def _types(schema: Json) -> tuple[str, ...]:
    stated = schema.get("type")
    if stated is None:
        return ()
    return tuple(map(short, stated)) if isinstance(stated, list) else (short(stated),)


def _is_limit(limit: str, value: object) -> bool:
    if isinstance(value, bool) and limit != "const":
        return limit in ("exclusiveMinimum", "exclusiveMaximum")
    return isinstance(value, _SCHEMA_LIMITS[limit]) and not (limit == "multipleOf" and value <= 0)  # type: ignore[operator]  # a number by then


def _narrow(limits: dict[str, Any], limit: str, value: Any) -> None:
    """Add a limit to the others: a value must keep them all."""
    if limit == "const":
        limit, value = "enum", [value]
    if limit not in limits:
        limits[limit] = value
    elif limit == "enum":
        both = _choices(value)
        limits[limit] = [choice for choice in _choices(limits[limit]) if choice in both]
    elif limit in ("pattern", "multipleOf"):
        limits[limit] = tuple(dict.fromkeys((*several(limits[limit]), value)))
    elif limit in ("minimum", "exclusiveMinimum", "minLength"):
        limits[limit] = max(limits[limit], value)
    else:
        limits[limit] = min(limits[limit], value)


def _choices(values: Iterable[Any]) -> Mapping[Any, None]:
    """The choices that a field of ours can have, to be looked up: there may be a million of them, for as many objects."""
    return dict.fromkeys(value for value in values if not isinstance(value, (dict, list)))


def several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _template(path: str) -> str:
    return re.sub(r"\{[^}/]*\}", "{}", path.rstrip("/"))
