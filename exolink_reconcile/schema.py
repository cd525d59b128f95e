"""Kinds to JSON Schema: of the YAML, for editors (draft-07), and of the plan JSON. They fill `schemas/`."""

import json
from collections.abc import Sequence
from typing import Any

from exolink_reconcile.report.plan_json import PlanDocument
from exolink_reconcile.resource import WHOLE_NUMBER, FieldFacts, Kind, compared, fields, key

_NUMBER = {
    "oneOf": [{"type": "integer"}, {"type": "string", "pattern": WHOLE_NUMBER}, {"$ref": "#/definitions/reference"}]
}
_TEXT = {"type": ["string", "number", "boolean"]}
_FLAG = {"oneOf": [{"type": "boolean"}, {"enum": ["true", "false"]}, {"$ref": "#/definitions/reference"}]}
_TYPES: dict[str, dict[str, Any]] = {"string": _TEXT, "integer": _NUMBER, "boolean": _FLAG}
_GLOBS = {"type": "array", "items": {"type": "string", "minLength": 1}}


def config(kinds: Sequence[Kind]) -> dict[str, Any]:
    """The JSON Schema of a document, for editors. `validate` checks more: names, references, what is given twice."""
    listed = [kind for kind in kinds if kind.entries is not None]
    itself = next(kind for kind in kinds if kind.entries is None)
    tables = [facts.named_by.table for kind in kinds for facts in fields(kind).values() if facts.named_by]
    properties: dict[str, Any] = {
        "$schema": {"type": "string", "description": "Path or URL of this schema, for editors. Ignored."},
        "tenant": {
            **_TEXT,
            "description": "The tenant's domain prefix. A tenant may be spread over documents and files.",
        },
        **{name: _field(fields(itself)[name]) for name in compared(itself)},
        "policy": _policy(),
        **{table: _table(table) for table in tables},
        "defaults": {
            "type": "object",
            "description": "What the entries of this document's lists share. An entry's own fields win.",
            "additionalProperties": False,
            "properties": {str(kind.entries): _entry(kind, defaults=True) for kind in listed},
        },
        **{
            str(kind.entries): {
                "type": "array",
                "description": f"The {kind.kind} resources that must exist.",
                "items": _entry(kind, defaults=False),
            }
            for kind in listed
        },
        "removed": {
            "type": "array",
            "description": "What must not exist any more: the usual way to delete.",
            "items": {"oneOf": [_removed(kind) for kind in listed]},
        },
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "exolink-reconcile configuration",
        "description": "One document: a tenant, or a part of one.",
        "type": "object",
        "additionalProperties": False,
        "required": ["tenant"],
        "properties": properties,
        "definitions": {"reference": {"type": "string", "pattern": r"\$\{env:[A-Za-z_][A-Za-z0-9_]*\}"}},
    }


def plan() -> dict[str, Any]:
    """The JSON Schema of the plan JSON: Terraform's format 1.2 with the key `exolink`."""
    schema = PlanDocument.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def text(schema: dict[str, Any]) -> str:
    """A schema as it stands in `schemas/`."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _field(facts: FieldFacts) -> dict[str, Any]:
    if facts.secret:
        return {"type": "string", "pattern": r"^([wW][sS]{1,2}://|\$\{env:)", "description": facts.description}
    return {**_TYPES[facts.json_type], "description": facts.description}


def _policy() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "What this tool may and may not do in this tenant. Globs on KIND/NAME: `*` any run, `?` one character.",
        "additionalProperties": False,
        "properties": {
            "protect": {**_GLOBS, "description": "Never deleted or replaced."},
            "exclusive": {**_GLOBS, "description": "Where --prune may delete what is not declared."},
            "allowReplace": {**_GLOBS, "description": "KIND/NAME, exactly: may be deleted and made again."},
        },
    }


def _table(table: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": f"Readable names for the numbers of {table}.",
        "additionalProperties": _NUMBER,
    }


def _entry(kind: Kind, *, defaults: bool) -> dict[str, Any]:
    named = {
        facts.named_by.alias: {
            **_TEXT,
            "description": f"Readable form of {facts.name}: a name of `{facts.named_by.table}`.",
        }
        for facts in fields(kind).values()
        if facts.named_by
    }
    names = compared(kind) if defaults else tuple(fields(kind))
    properties = {
        **{name: _field(fields(kind)[name]) for name in names},
        **named,
        "createOnly": {
            "type": "array",
            "description": "Fields that are sent on create and never compared.",
            "items": {"enum": list(compared(kind))},
        },
    }
    if not defaults:
        properties["id"] = {**_NUMBER, "description": "Pins one live object by its id."}
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return schema if defaults else {**schema, "required": [key(kind)]}


def _removed(kind: Kind) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [kind.kind],
        "properties": {
            kind.kind: {**_TEXT, "description": f"Name of the {kind.kind} that must not exist."},
            "id": {**_NUMBER, "description": "Only this live object."},
            "reason": {**_TEXT, "description": "Why, for the reviewer."},
        },
    }
