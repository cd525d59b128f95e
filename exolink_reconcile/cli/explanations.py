"""A word to its explanation: an error code, an exit code, a kind, or a key of the YAML."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exolink_reconcile import schema
from exolink_reconcile.codes import Code, Exit
from exolink_reconcile.contract import Contract
from exolink_reconcile.openapi import Operation
from exolink_reconcile.resource import Kind, fields, key


def explain(word: str, kinds: Sequence[Kind], contract: Contract) -> str | None:
    """The explanation of a word; None if it is unknown."""
    code = next((code for code in Code if code == word.upper()), None)
    if code is not None:
        return "".join(_code(code))
    exit = next((exit for exit in Exit if str(int(exit)) == word), None)
    if exit is not None:
        return "".join(_exit(exit))
    properties = schema.config(kinds)["properties"]
    kind = next((kind for kind in kinds if kind.kind == word), None)
    if kind is not None:
        return "".join(_kind(kind, properties, contract))
    return (
        "".join(_key(word, kinds, properties, contract)) or "\n".join(_bare(word, kinds, properties, contract)) or None
    )


def words(kinds: Sequence[Kind]) -> list[str]:
    """Every word with an explanation, for completion and for hints."""
    properties = schema.config(kinds)["properties"]
    named = [f"{kind.kind}.{name}" for kind in kinds for name in _entry(kind, properties)]
    return [*Code, *(str(int(exit)) for exit in Exit), *(kind.kind for kind in kinds), *named, *_paths(properties)]


def _code(code: Code) -> Iterator[str]:
    yield f"{code}: {code.means}\n{code.help}\n"
    if not code.exits:
        yield "A warning: it changes no exit code.\n"
    for exit in sorted(code.exits):
        yield f"Exit code {exit:d}: {exit.means}.\n"


def _exit(exit: Exit) -> Iterator[str]:
    yield f"Exit code {exit:d}: {exit.means}.\n"
    if exit.help:
        yield f"What now: {exit.help}.\n"
    codes = [code for code in sorted(Code) if exit in code.exits]
    if codes:
        yield f"Errors that end with it: {', '.join(codes)}.\n"


def _kind(kind: Kind, properties: Mapping[str, Any], contract: Contract) -> Iterator[str]:
    offer = contract.offer(kind)
    entry = _entry(kind, properties)
    yield f"{kind.kind}: {_first_line(kind)}\n"
    if not kind.is_tenant():
        yield f"Declared in the list `{kind.entries}`; found by `{key(kind)}`.\n"
    for name, operation in (("create", offer.create), ("update", offer.update), ("delete", offer.delete)):
        yield f"  {name}: {_evidence(operation)}\n"
    yield "Keys:\n"
    width = max(len(name) for name in entry)
    for name, described in entry.items():
        yield f"  {name:{width}}  {described['description']}\n"


def _key(word: str, kinds: Sequence[Kind], properties: Mapping[str, Any], contract: Contract) -> Iterator[str]:
    head, _, name = word.partition(".")
    kind = next((kind for kind in kinds if head in (kind.kind, kind.entries)), None)
    entry = _entry(kind, properties) if kind is not None else {}
    if kind is not None and name in kind.reported:
        yield f"{word}: Read-only: the device or the server reports it, and no YAML sets it.\n"
    described = entry.get(name) or _paths(properties).get(word)
    if described is None:
        return
    yield f"{word}: {described['description']}\n"
    if kind is None or name not in entry:
        return
    aliases = {facts.named_by.alias: field for field, facts in fields(kind).items() if facts.named_by}
    field = aliases.get(name, name)
    if field == key(kind):
        yield "The key: by it a live object is found.\n"
    if field in fields(kind):
        offer = contract.offer(kind)
        for action, operation in (("create", offer.create), ("update", offer.update)):
            if operation is None or field not in operation.fields:
                yield f"  {action}: the API does not take it\n"
            else:
                required = ", required" if field in operation.required else ""
                inferred = operation.inferred or operation.fields[field].inferred
                yield f"  {action}: {'inferred' if inferred else 'documented'}{required}\n"


def _bare(word: str, kinds: Sequence[Kind], properties: Mapping[str, Any], contract: Contract) -> Iterator[str]:
    """A key alone, explained for every kind that has it, else for every other mapping that has it."""
    of_kinds = [f"{kind.kind}.{word}" for kind in kinds if word in _entry(kind, properties) or word in kind.reported]
    for path in of_kinds or [path for path in _paths(properties) if path.rpartition(".")[2] == word]:
        yield "".join(_key(path, kinds, properties, contract))


def _entry(kind: Kind, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of an entry of a kind, with their schemas."""
    inside = properties if kind.is_tenant() else properties[str(kind.entries)]["items"]["properties"]
    return {
        name: value
        for name, value in inside.items()
        if isinstance(value, dict) and "description" in value and (not kind.is_tenant() or name in fields(kind))
    }


def _paths(properties: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The keys of a document by their path, such as `policy.protect`."""
    paths: dict[str, Any] = {}
    for name, value in properties.items():
        if isinstance(value, dict) and "description" in value:
            paths[f"{prefix}{name}"] = value
        if isinstance(value, dict):
            for part in (value, value.get("items", {})):
                for way in (part, *part.get("oneOf", ())):
                    paths |= _paths(way.get("properties", {}), f"{prefix}{name}.")
    return paths


def _evidence(operation: Operation | None) -> str:
    if operation is None:
        return "the API does not offer it"
    return "inferred, not documented by the vendor" if operation.inferred else "documented"


def _first_line(kind: Kind) -> str:
    """The first sentence of a kind's docstring, without the API page that it comes from."""
    return re.sub(r" \(API page [^)]*\)", "", (kind.__doc__ or kind.kind).strip().splitlines()[0])
