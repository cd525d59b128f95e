"""Kinds to JSON Schema: of the YAML, for editors (draft-07), and of the plan JSON. They fill `schemas/`.

The schema of the YAML is written for people who type it. Three rules follow from how editors read one:

- A problem must be shown at the key or value that has it. So there is one schema for an entry, and no `oneOf` of entries: a
  server that finds no match can only point at the whole entry. Fields that exclude each other are forbidden (`false`) if the
  other one is given, and `errorMessage` says why.
- Every scalar is text until its field types it, so a YAML 1.2 number or boolean is fine as text. The schema says what text
  is *not* (a list, a mapping, nothing): a `type` with "boolean" in it would make the editor offer `true` and `false` for a
  name.
- `description` is for programs that show plain text; `markdownDescription` is the same for editors, which would show the
  backticks of the other one literally.

yaml-language-server and VS Code read `errorMessage`, `patternErrorMessage`, `markdownDescription`, `enumDescriptions` and
`defaultSnippets` beside the standard; validators ignore them.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from exolink_reconcile.resource import NAME, WHOLE_NUMBER, FieldFacts, Kind, NamedBy, cell_keys, compared, fields, key
from exolink_reconcile.saved_plan.format import PlanDocument

_Schema = dict[str, Any]

_NUMBER_MESSAGE = "A whole number, such as 30; quoted is fine."
_FLAG_MESSAGE = "true or false."
_NAME_MESSAGE = "Not blank, and without control, bidi or zero-width characters."
_TEXT_MESSAGE = "Without control, bidi or zero-width characters."
_URL_MESSAGE = "A WebSocket URL: ws://HOST/PATH or wss://HOST/PATH, spaces and the like percent-encoded."
_LARGEST = 10**18 - 1

# A `${` is part of a reference or escaped; whatever holds one is known only when the variable is.
_REFERENCES = r"^([^$]|\$(?!\$?\{)|\$\$\{|\$\{env:[A-Za-z_][A-Za-z0-9_]*\})*$"
_OR_REFERENCE = r"|\$\{"
_URL = r"^[wW][sS][sS]?://([^\s/?#@]*@)?(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(:[0-9]{1,5})?([/?#]\S*)?$"
_TENANT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$"

_DEFINITIONS: _Schema = {
    "text": {
        "if": {"type": ["object", "array", "null"]},
        "then": {"type": "string", "errorMessage": "Text is wanted here. Leave the field out if it has no value."},
        "allOf": [{"$ref": "#/definitions/references"}],
    },
    "references": {
        "pattern": _REFERENCES,
        "patternErrorMessage": "Only ${env:NAME} is a reference; write $${ for a literal ${.",
    },
    "number": {
        "type": ["integer", "string"],
        "pattern": WHOLE_NUMBER + _OR_REFERENCE,
        "minimum": -_LARGEST,
        "maximum": _LARGEST,
        "errorMessage": _NUMBER_MESSAGE,
        "allOf": [{"$ref": "#/definitions/references"}],
    },
    "flag": {
        "type": ["boolean", "string"],
        "pattern": "^(true|false)$" + _OR_REFERENCE,
        "errorMessage": _FLAG_MESSAGE,
        "allOf": [{"$ref": "#/definitions/references"}],
    },
}


def config(kinds: Sequence[Kind]) -> _Schema:
    """The JSON Schema of a document, for editors. `validate` checks more: names, references, duplicates."""
    listed = [kind for kind in kinds if not kind.is_tenant()]
    itself = next(kind for kind in kinds if kind.is_tenant())
    named = [facts.named_by for kind in kinds for facts in fields(kind).values() if facts.named_by]
    properties: _Schema = {
        "$schema": {"type": "string", **_described("Path or URL of this schema, for editors. Ignored.")},
        "tenant": _tenant(fields(itself)[key(itself)]),
        **{name: _field(fields(itself)[name]) for name in compared(itself)},
        "policy": _policy(kinds),
        **{mark.table: _table(mark) for mark in named},
        "defaults": _defaults(listed),
        **{str(kind.entries): _list(kind) for kind in listed},
        **{f"{kind.entries}From": _tables(kind) for kind in listed},
        "removed": _removed(listed, itself),
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "urn:exolink-reconcile:schema:config",
        "title": "exolink-reconcile configuration",
        "description": "One document: a tenant, or a part of one.",
        "type": "object",
        "additionalProperties": False,
        "required": ["tenant"],
        "properties": properties,
        "defaultSnippets": [_document_snippet(listed, named)],
        "definitions": _DEFINITIONS,
    }


def plan() -> _Schema:
    """The JSON Schema of the plan JSON: Terraform's format 1.2 with the key `exolink`."""
    schema = PlanDocument.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:exolink-reconcile:schema:plan",
        **schema,
    }


def text(schema: _Schema) -> str:
    """A schema as in `schemas/`: ASCII, so that the characters that its patterns forbid are visible."""
    return json.dumps(schema, indent=2, ensure_ascii=True) + "\n"


# ------------------------------------------------------------------------------------------------------------- scalars


def _described(description: str, example: str = "") -> _Schema:
    """What hover and completion show; with an `example` in YAML if no single value can be one."""
    markdown = f"{description}\n\n```yaml\n{example}\n```" if example else description
    return {"description": description, "markdownDescription": markdown}


def _typed(definition: str, description: str, examples: Sequence[str | int] = (), **more: Any) -> _Schema:
    schema = {**_described(description), **({"examples": list(examples)} if examples else {}), **more}
    if "type" in _DEFINITIONS[definition]:  # repeated here: an editor decides by it what to insert after the key
        schema["type"] = _DEFINITIONS[definition]["type"]
        schema["errorMessage"] = _DEFINITIONS[definition]["errorMessage"]
    return {**schema, "allOf": [{"$ref": f"#/definitions/{definition}"}]}


def _field(facts: FieldFacts) -> _Schema:
    match facts.json_type:
        case "integer":
            return _typed("number", facts.description, facts.examples)
        case "boolean":
            return _typed("flag", facts.description, facts.examples)
    if facts.secret:
        limits: _Schema = {"type": "string", "pattern": _URL + _OR_REFERENCE, "errorMessage": _URL_MESSAGE}
    else:
        limits = {
            "pattern": facts.pattern,
            "patternErrorMessage": _NAME_MESSAGE if facts.pattern == NAME else _TEXT_MESSAGE,
        }
    return _typed("text", facts.description, facts.examples, **limits)


def _tenant(facts: FieldFacts) -> _Schema:
    return _typed(
        "text",
        f"{facts.description} A tenant may be spread over documents and files.",
        facts.examples,
        pattern=_TENANT + _OR_REFERENCE,
        patternErrorMessage="A domain prefix: letters, digits, `-`, `_` and `.`; a letter or digit first.",
    )


def _name(description: str, example: str) -> _Schema:
    return _typed("text", description, [example], pattern=NAME, patternErrorMessage=_NAME_MESSAGE)


def _id(description: str) -> _Schema:
    return _typed("number", description, [7])


# ------------------------------------------------------------------------------------------------------- a whole tenant


def _policy(kinds: Sequence[Kind]) -> _Schema:
    words = "|".join(kind.kind for kind in kinds)

    def globs(description: str, examples: list[str], *, exact: bool = False) -> _Schema:
        in_kind = "" if exact else "|^[^/]*[*?]"
        item = {
            "type": "string",
            "pattern": f"^({words})(/|$){in_kind}{_OR_REFERENCE}",
            "errorMessage": f"KIND/NAME, where KIND is one of {words.replace('|', ', ')}; a KIND alone means all of it.",
            "allOf": [{"$ref": "#/definitions/references"}],
            "examples": examples,
        }
        return {
            "type": "array",
            **_described(description, "\n".join(f'- "{glob}"' for glob in examples)),
            "items": item,
        }

    listed = [kind for kind in kinds if not kind.is_tenant()]
    protect = [f"{kind.kind}/*" for kind in listed]
    exact = f"{listed[0].kind}/{_example(listed[0])}"
    return {
        "title": "policy",
        "type": "object",
        **_described(
            "What this tool may and may not do in this tenant. Globs on KIND/NAME: `*` any run (`/` too), `?` one character.",
            f'protect: ["{protect[0]}"]\nexclusive: ["{protect[-1]}"]\nallowReplace: ["{exact}"]',
        ),
        "additionalProperties": False,
        "properties": {
            "protect": globs("Globs on KIND/NAME: never deleted or replaced, whatever else the YAML says.", protect),
            "exclusive": globs("Globs on KIND/NAME: where --prune may delete what is not declared.", protect),
            "allowReplace": globs(
                "KIND/NAME, exactly: may be deleted and made again, which gives it a new id.", [exact], exact=True
            ),
        },
    }


def _table(mark: NamedBy) -> _Schema:
    return {
        "title": mark.table,
        "type": "object",
        **_described(f"Readable names for ids: an entry may then write `{mark.alias}: NAME`.", f"{mark.example}: 1"),
        "propertyNames": {
            "title": mark.alias,
            "pattern": NAME,
            "patternErrorMessage": _NAME_MESSAGE,
            "not": {"pattern": r"\$\{"},
        },
        "additionalProperties": _typed("number", f"The id that `{mark.alias}` of an entry means by this name.", [1]),
    }


def _defaults(listed: Sequence[Kind]) -> _Schema:
    example = "\n".join(f"{kind.entries}: {{{', '.join(_default_example(kind))}}}" for kind in listed)
    return {
        "title": "defaults",
        "type": "object",
        **_described("What the entries of this document's lists share. An entry's own fields win.", example),
        "additionalProperties": False,
        "properties": {str(kind.entries): _entry(kind, defaults=True) for kind in listed},
    }


def _default_example(kind: Kind) -> Iterable[str]:
    with_example = [facts for facts in fields(kind).values() if facts.examples]
    for last in with_example[-1:]:
        mark = last.named_by
        yield f"{mark.alias}: {mark.example}" if mark else f"{last.name}: {last.examples[0]}"


# ------------------------------------------------------------------------------------------------------------- entries


def _list(kind: Kind) -> _Schema:
    example = "\n".join(f"{'- ' if name == key(kind) else '  '}{name}: {value}" for name, value in _examples(kind))
    return {
        "type": "array",
        **_described(f"The {kind.kind} resources that must exist. Whatever is not listed is left alone.", example),
        "items": _entry(kind, defaults=False),
    }


def _tables(kind: Kind) -> _Schema:
    """Tables whose rows are entries of a kind's list."""
    cells = cell_keys(kind)
    column = key(kind)
    table: _Schema = {
        "title": f"table of {kind.entries}",
        "type": "object",
        **_described(f"A CSV file whose rows are {kind.entries}. Its first row names the fields."),
        "additionalProperties": False,
        "required": ["file"],
        "properties": {
            "file": _typed(
                "text",
                "Path of the CSV file, relative to this YAML file: in its folder or below it.",
                [f"fleet/{kind.entries}.csv"],
            ),
            "columns": {
                "type": "object",
                **_described(
                    "What columns of other names are for: a field each, or `~ignore`.",
                    f"OCPP ID: {column}\nNotes: ~ignore",
                ),
                "additionalProperties": {
                    "enum": [*cells, "~ignore"],
                    "errorMessage": f"A field: {', '.join(cells)}; or ~ignore.",
                },
            },
        },
        "defaultSnippets": [
            _snippet(f"table of {kind.entries}", "A CSV file.", [("file", f"fleet/{kind.entries}.csv")])
        ],
    }
    return {
        "type": "array",
        **_described(
            f"Tables whose rows are {kind.kind} resources, as if they stood in `{kind.entries}`.",
            f'- {{file: fleet/{kind.entries}.csv, columns: {{"OCPP ID": {column}}}}}',
        ),
        "items": table,
    }


def _entry(kind: Kind, *, defaults: bool) -> _Schema:
    """An entry of a kind's list, or what its entries share. A field that is excluded or forbidden says why."""
    marks = {facts.name: facts.named_by for facts in fields(kind).values() if facts.named_by}
    own = compared(kind) if defaults else tuple(fields(kind))
    rules = [_forbidden(kind.reported, "Read-only: the API reports it. Leave it out.")] if kind.reported else []
    if defaults:
        rules.append(_forbidden((key(kind), "id"), "Cannot be a default: it names one object."))
    forbidden = {name: True for rule in rules for name in rule["properties"]}
    schema: _Schema = {
        "title": f"{kind.kind} defaults" if defaults else f"{kind.kind} entry",
        "type": "object",
        **_described(
            f"Shared by the {kind.entries} of this document." if defaults else f"One {kind.kind} that must exist."
        ),
        "additionalProperties": False,
        "properties": {
            **{name: _field(fields(kind)[name]) for name in own},
            **{mark.alias: _alias(name, mark) for name, mark in marks.items()},
            **({} if defaults else {"id": _id("Pins one live object by its id, a whole number.")}),
            "createOnly": _create_only(kind),
            **forbidden,
        },
    }
    if marks:
        schema["dependencies"] = {
            name: _forbidden([mark.alias], f"`{mark.alias}` and `{name}` say the same thing. Keep one of them.")
            for name, mark in marks.items()
        }
    if rules:
        schema["allOf"] = rules
    if not defaults:
        schema["required"] = [key(kind)]
        schema["defaultSnippets"] = [_entry_snippet(kind)]
    return schema


def _forbidden(names: Iterable[str], why: str) -> _Schema:
    return {"properties": dict.fromkeys(names, False), "errorMessage": why}


def _alias(name: str, mark: NamedBy) -> _Schema:
    return _typed("text", f"Readable form of `{name}`: a name of `{mark.table}`.", [mark.example])


def _create_only(kind: Kind) -> _Schema:
    names = list(compared(kind))
    return {
        "type": "array",
        **_described("Fields that are sent on create and never compared.", f"createOnly: [{names[-1]}]"),
        "items": {
            "enum": names,
            "enumDescriptions": [fields(kind)[name].description for name in names],
            "errorMessage": f"A field: {', '.join(names)}.",
        },
    }


def _removed(listed: Sequence[Kind], itself: Kind) -> _Schema:
    words = [kind.kind for kind in listed]
    example = "\n".join(f"- {kind.kind}: {_example(kind)}" for kind in listed)
    reason = "contract ended, OPS-123"
    missing = f"Name what must not exist: {' or '.join(words)}."
    snippets = [
        _snippet(
            f"removed {kind.kind}",
            f"A {kind.kind} that must not exist.",
            [(kind.kind, _example(kind)), ("reason", reason)],
        )
        for kind in listed
    ]
    entry: _Schema = {
        "title": "removed entry",
        "type": "object",
        **_described("One object that must not exist any more."),
        "additionalProperties": False,
        "properties": {
            **{kind.kind: _name(f"Name of the {kind.kind} that must not exist.", _example(kind)) for kind in listed},
            "id": _id("Only the live object with this id, a whole number."),
            "reason": _typed("text", "Why, for the reviewer.", [reason]),
            itself.kind: True,
        },
        "anyOf": [{"required": [word], "errorMessage": missing} for word in [*words, itself.kind]],
        "dependencies": {
            word: _forbidden([other for other in words if other != word], "An entry names one object.")
            for word in words
        },
        "allOf": [_forbidden([itself.kind], f"A {itself.kind} cannot be removed: this tool never deletes one.")],
        "defaultSnippets": snippets,
    }
    return {
        "type": "array",
        **_described(
            "What must not exist any more: the usual way to delete. An entry that is already gone is not a change.",
            example,
        ),
        "items": entry,
    }


# ------------------------------------------------------------------------------------------------------------ examples


def _example(kind: Kind) -> str:
    """A possible name of an object of a kind."""
    return str(next(iter(fields(kind)[key(kind)].examples), f"Some {kind.kind}"))


def _examples(kind: Kind) -> list[tuple[str, str | int]]:
    """The fields that an entry usually has, each with a value; a named number by its name."""
    return [
        (facts.named_by.alias, facts.named_by.example) if facts.named_by else (facts.name, facts.examples[0])
        for facts in fields(kind).values()
        if facts.examples
    ]


def _entry_snippet(kind: Kind) -> _Schema:
    return _snippet(f"{kind.kind} entry", f"A {kind.kind} that must exist.", _examples(kind))


def _snippet(label: str, description: str, values: Sequence[tuple[str, str | int]]) -> _Schema:
    """A snippet to insert, whose values the user then replaces one by one."""
    body = {name: f"${{{number}:{value}}}" for number, (name, value) in enumerate(values, 1)}
    return {"label": label, "description": description, "body": body}


def _document_snippet(listed: Sequence[Kind], named: Sequence[NamedBy]) -> _Schema:
    body: _Schema = {"tenant": "${1:acme}"}
    body |= {mark.table: {f"${{2:{mark.example}}}": "${3:1}"} for mark in named}
    number = 4
    for kind in listed:
        entry = {}
        for name, value in _examples(kind):
            entry[name] = f"${{{number}:{value}}}"
            number += 1
        body[str(kind.entries)] = [entry]
    return {"label": "exolink document", "description": "A whole tenant, to be filled in.", "body": body}
