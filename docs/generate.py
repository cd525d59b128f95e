"""The parts of docs/reference that are taken from the code, written between their marks: `python docs/generate.py`."""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from exolink_reconcile import pipeline, schema
from exolink_reconcile.cli import commands
from exolink_reconcile.codes import Code, Exit
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.openapi import Operation
from exolink_reconcile.resource import Kind, compared, fields, key

REFERENCE = Path(__file__).resolve().parent / "reference"
PAGES = {
    "errors.md": "codes",
    "exit-codes.md": "exits",
    "commands.md": "commands",
    "yaml.md": "keys",
    "plan-json.md": "plan",
}


def fresh(page: str) -> str:
    """The text of a page of docs/reference with its generated part made anew."""
    name = PAGES[page]
    lines = {"codes": _codes, "exits": _exits, "commands": _commands, "keys": _keys, "plan": _plan}[name]()
    text = (REFERENCE / page).read_text("utf-8")
    start, end = f"<!-- generated: {name} -->\n", "<!-- end -->\n"
    head, _, rest = text.partition(start)
    return f"{head}{start}\n" + "\n".join(lines).rstrip("\n") + f"\n\n{end}{rest.partition(end)[2]}"


def main() -> None:
    """Write all pages."""
    for page in PAGES:
        (REFERENCE / page).write_text(fresh(page), "utf-8")
    _write_catalogue()


def _write_catalogue() -> None:
    """The rows of docs/reliability.md, with the tests that are named after them."""
    sys.path.insert(0, str(REFERENCE.parents[1] / "tests"))
    import catalogue

    page = REFERENCE.parent / "reliability.md"
    head, start, rest = page.read_text("utf-8").partition("<!-- generated: catalogue -->\n")
    text = "\n".join(catalogue.table()).rstrip("\n")
    page.write_text(f"{head}{start}\n{text}\n\n<!-- end -->\n" + rest.partition("<!-- end -->\n")[2], "utf-8")


# -------------------------------------------------------------------------------------------------- codes and exit codes


def _codes() -> Iterator[str]:
    for title, reading in (("In the files that you write", True), ("Everywhere else", False)):
        yield f"## {title}\n\n| code | exit | means | what now |\n| --- | --- | --- | --- |"
        for code in sorted(Code):
            if code.reading is reading:
                yield _row(f"`{code}`", ", ".join(str(int(exit)) for exit in sorted(code.exits)), code.means, code.help)
        yield ""


def _exits() -> Iterator[str]:
    yield "| code | means | what now |\n| --- | --- | --- |"
    for exit in sorted(Exit):
        yield _row(str(int(exit)), exit.means, exit.help)
    order = ", ".join(str(int(exit)) for exit in Exit if exit not in (Exit.DIFFERS, Exit.DONE))
    yield f"\nWhere several apply, the one that asks for the most care wins: {order}."


# ----------------------------------------------------------------------------------------------------------- commands


def _commands() -> Iterator[str]:
    for name, command in commands.leaves():
        yield f"## `{name}`\n"
        arguments = [
            each.make_metavar(_context(command)) for each in command.params if isinstance(each, click.Argument)
        ]
        yield "```text"
        yield " ".join(["exolink-reconcile", name, "[OPTIONS]", *arguments])
        yield "```\n"
        yield re.sub(r"\s+", " ", command.help or "").strip()
        options = [each for each in command.params if isinstance(each, click.Option)]
        if options:
            yield "\n| option | means | environment |\n| --- | --- | --- |"
            yield from (_option(command, each) for each in options)
        yield ""


def _option(command: click.Command, option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.make_metavar(_context(command))}".replace("INTEGER RANGE", "N")
    default = option.default
    if default is None or isinstance(default, bool) or not isinstance(default, (str, int, float)):
        default = ""
    variable = f"`{option.envvar}`" if option.envvar else ""
    names = ", ".join(f"`{name}{value}`" for name in (*option.opts, *option.secondary_opts))
    again = " May be given again." if option.multiple and "given again" not in (option.help or "") else ""
    help = re.sub(r"\s*\[default: .*\]$", "", option.help or "")
    if isinstance(option.type, click.IntRange) and option.type.max is not None:
        again += f" {option.type.min} to {option.type.max}."
    shown = (
        f" Default: `{default:g}`."
        if isinstance(default, float)
        else f" Default: `{default}`."
        if default != ""
        else ""
    )
    return _row(names, help + again + shown, variable)


def _context(command: click.Command) -> click.Context:
    return click.Context(command, info_name=command.name)


# --------------------------------------------------------------------------------------------------------------- YAML


def _keys() -> Iterator[str]:
    properties = schema.config(KINDS)["properties"]
    itself = next(kind for kind in KINDS if kind.entries is None)
    listed = [kind for kind in KINDS if kind.entries is not None]
    yield "### A document\n\n| key | value | means | create | update |\n| --- | --- | --- | --- | --- |"
    for name, value in _described(properties):
        yield _row(*_key(name, value, itself, required=name == "tenant"), *_sent(itself, name))
    yield "\n### `policy`\n\n| key | value | means |\n| --- | --- | --- |"
    for name, value in _described(properties["policy"]["properties"]):
        yield _row(*_key(name, value))
    for kind in listed:
        entry = properties[str(kind.entries)]["items"]["properties"]
        shared = dict(_described(properties["defaults"]["properties"][str(kind.entries)]["properties"]))
        aliases = {facts.named_by.alias: name for name, facts in fields(kind).items() if facts.named_by}
        yield f"\n### An entry of `{kind.entries}`\n"
        yield "| key | value | means | in `defaults` | create | update |\n| --- | --- | --- | --- | --- | --- |"
        for name, value in _described(entry):
            cells = _key(name, value, kind, required=name == key(kind))
            yield _row(*cells, "yes" if name in shared else "no", *_sent(kind, aliases.get(name, name)))
    yield "\n### An entry of `removed`\n\n| key | value | means |\n| --- | --- | --- |"
    entry = properties["removed"]["items"]
    ways = [way["properties"] for way in entry.get("oneOf", ()) if "properties" in way] or [entry["properties"]]
    rows = {name: _row(*_key(name, value)) for way in ways for name, value in _described(way)}
    yield from rows.values()
    yield f"\nExactly one of {', '.join(f'`{kind.kind}`' for kind in listed)} is required."


def _described(properties: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The keys that may be written. A schema may also name keys only to refuse them."""
    return ((name, value) for name, value in properties.items() if isinstance(value, dict) and "description" in value)


def _key(
    name: str, value: Mapping[str, Any], kind: Kind | None = None, *, required: bool = False
) -> tuple[str, str, str]:
    """A key, its value in a word or two, and what it means."""
    facts = fields(kind).get(name) if kind else None
    if facts is not None:
        words = {"string": "text", "integer": "whole number", "boolean": "boolean"}
        said = "`ws://` or `wss://` URL" if facts.secret else words[facts.json_type]
    elif name == "createOnly" and kind:
        said = "list of " + ", ".join(f"`{each}`" for each in compared(kind))
    elif name == "id":
        said = "whole number"
    else:
        said = {"array": "list", "object": "mapping"}.get(str(value.get("type")), "text")
    return f"`{name}`", said, value["description"] + (" Required." if required else "")


def _sent(kind: Kind, name: str) -> tuple[str, str]:
    """Whether a create and an update can carry a field; nothing where it is not a field."""
    if name not in fields(kind):
        return "", ""
    offer = pipeline.read_contract(None)[1].offer(kind)
    return _evidence(offer.create, name), "is the key" if name == key(kind) else _evidence(offer.update, name)


def _evidence(operation: Operation | None, name: str) -> str:
    if operation is None or name not in operation.fields:
        return "never"
    said = "inferred" if operation.inferred or operation.fields[name].inferred else "documented"
    return f"{said}, required" if name in operation.required else said


# ---------------------------------------------------------------------------------------------------------- plan JSON


def _plan() -> Iterator[str]:
    document = schema.plan()
    parts = {"the document": document, **document["$defs"]}
    for title, part in parts.items():
        yield f"### {title if title[0].islower() else f'`{title}`'}\n".replace("### the document", "### The document")
        yield f"{part['description']}\n"
        yield "| field | value | means |\n| --- | --- | --- |"
        for name, value in part["properties"].items():
            optional = "" if name in part.get("required", ()) else "May be missing."
            means = value.get("description") or _meaning(title, name)
            yield _row(f"`{name}`", _type(value), f"{means} {optional}".strip())
        yield ""


def _meaning(part: str, name: str) -> str:
    """What a field means that has no description of its own; an option of the plan is as it was given."""
    if part == "PlanOptions":
        return f"As `--{name.replace('_', '-')}` was given."
    return _MEANS[f"{part}.{name}"]


_MEANS = {
    "PlanBase.path": "The base's path, as --base gave it.",
    "PlanBase.kind": "path or state: where the base is from.",
    "the document.resource_drift": "What another hand changed since the base, in the shape of resource_changes.",
    "the document.format_version": "Terraform's version of the format.",
    "the document.terraform_version": "The Terraform whose format this is; some readers ask for it.",
    "the document.planned_values": "What will be.",
    "the document.resource_changes": "Each change, in the order in which apply sends them.",
    "the document.configuration": "Never empty, because some readers ask for it; of no use to this tool.",
    "the document.applyable": "Whether there are changes, and no guardrail refuses them.",
    "the document.complete": "Whether nothing is held back.",
    "the document.errored": "Always false: a plan that could not be made is not written.",
    "the document.exolink": "What Terraform's format has no place for.",
    "ChangeValues.actions": "A replace is `delete`, then `create`.",
    "ChangeValues.before": "The live object; null for a create.",
    "ChangeValues.after": "The object as it will be; null for a delete.",
    "ChangeValues.after_unknown": "Fields whose value only the API knows, such as the `id` of a new object.",
    "ChangeValues.before_sensitive": "Which fields of `before` are masked.",
    "ChangeValues.after_sensitive": "Which fields of `after` are masked.",
    "ChangeValues.replace_paths": "The fields that force a replace.",
    "Exolink.schema_version": "Version of this key.",
    "Exolink.tenants": "The tenants that were read.",
    "Exolink.api_url": "The API that was read.",
    "Exolink.config_digest": "SHA-256 over the paths and bytes of the files that were read. For people who compare; apply does not.",
    "Exolink.paths": "The paths as they were given; `apply --plan` reads them again.",
    "Exolink.options": "The options that shape the plan; `apply --plan` uses them again.",
    "Exolink.held_back": "The differences that apply will not settle.",
    "Exolink.notes": "What a reviewer should know, and what stops nothing.",
    "Exolink.refusals": "The guardrails that make apply refuse this plan, with exit code 7.",
    "Exolink.unmanaged": "How many live objects of each kind are neither declared nor removed.",
    "Exolink.names": "Tenant, then field, then number: the readable names of `profiles`.",
    "Exolink.changes": "The changes in this tool's words, in the order of `resource_changes`.",
    "Exolink.checksum": "Over everything else: tells an edited file. No signature.",
    "GuardrailRefusal.code": "See [error codes](errors.md).",
    "GuardrailRefusal.summary": "A sentence.",
    "PlanNote.code": "See [error codes](errors.md).",
    "PlanNote.summary": "A sentence.",
    "PlanNote.addresses": "The objects that it is about.",
    "HeldBackChange.address": "`TENANT/KIND/NAME`.",
    "HeldBackChange.action": "What it would take.",
    "HeldBackChange.field": "The field, where it is about one.",
    "HeldBackChange.before": "The live value.",
    "HeldBackChange.after": "The declared value.",
    "HeldBackChange.code": "See [error codes](errors.md).",
    "HeldBackChange.reason": "A sentence.",
    "HeldBackChange.ways_out": "What a person can do.",
    "HeldBackChange.source": "Where the YAML says so.",
    "Module.resources": "One for each object that will be created or changed.",
    "Place.file": "The file as the user gave it.",
    "Place.line": "From 1.",
    "Place.column": "From 1.",
    "PlannedChange.address": "`TENANT/KIND/NAME`.",
    "PlannedChange.action": "What apply will do.",
    "PlannedChange.fields": "The fields that differ.",
    "PlannedChange.reason": "Why, for a delete or replace.",
    "PlannedChange.source": "Where the YAML says so.",
    "PlannedChange.sends": "The fields that the request will carry.",
    "PlannedChange.inferred": "Whether the contract only infers this write.",
    "PlannedChange.digest": "Over the facts of this one change.",
    "PlannedValues.root_module": "The one module.",
    "Exolink.probes": "What --probe found: only in what is shown, never in a saved plan.",
    "PlannedProbe.address": "TENANT/KIND/NAME.",
    "PlannedProbe.reachable": "Whether there was an answer over HTTP, a refusal too.",
    "PlannedProbe.status": "Its status; null without one.",
    "PlannedProbe.subprotocol": "The version of OCPP that was agreed; null without one.",
    "PlannedProbe.reason": "Why there was no answer, or what is odd about it; empty where nothing is.",
    "ResourceChange.address": 'Terraform\'s form: `exolink_cpms.acme["Primary backend"]`.',
    "ResourceChange.mode": "Terraform's word for what it manages.",
    "ResourceChange.type": "`exolink_` and the kind.",
    "ResourceChange.name": "The tenant.",
    "ResourceChange.index": "The name in the tenant.",
    "ResourceChange.provider_name": "Always the same.",
    "ResourceChange.change": "Before and after.",
    "ResourceChange.action_reason": "Terraform's word for why, for a delete or replace.",
    "ResourceValue.schema_version": "Always 0.",
    "ResourceValue.values": "As `after`.",
    "ResourceValue.sensitive_values": "As `after_sensitive`.",
} | {
    f"ResourceValue.{name}": "As in [ResourceChange](#resourcechange)."
    for name in ("address", "mode", "type", "name", "index", "provider_name")
}


def _type(value: Mapping[str, Any]) -> str:
    """A JSON type in words, with links to the parts."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{each}`" for each in value["enum"])
    if "anyOf" in value:
        return " or ".join(_type(each) for each in value["anyOf"])
    if value.get("type") == "array":
        return f"list of {_type(value['items'])}" if value.get("items") else "list"
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"mapping to {_type(value['additionalProperties'])}"
    words = {"string": "text", "integer": "whole number", "object": "mapping", None: "anything"}
    return words.get(value.get("type"), str(value.get("type", "")))


def _row(*cells: str) -> str:
    return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in cells) + " |"


if __name__ == "__main__":
    main()
