"""What is wrong with an entry to problems in a user's words."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import ErrorDetails

from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.problems import Problems, at_item, at_key, at_value, hostile
from exolink_reconcile.inert import hostile_character
from exolink_reconcile.references import Expanded
from exolink_reconcile.resource import Kind, compared, entry_keys, fields
from exolink_reconcile.secret_url import quoted

MEANT = {"string": "text", "integer": "a whole number, like 30", "boolean": "true or false"}


def wrong_value(problems: Problems, node: Node, kind: Kind, details: ErrorDetails, loc: tuple[int | str, ...]) -> None:
    """Put one pydantic error in a user's words. Never quotes a secret."""
    name = str(loc[0]) if loc else ""
    facts = fields(kind).get(name)
    value = details["input"]
    spot = at_value(node, name)
    match details["type"]:
        case "missing":
            problems.missing(node, name, f"`{name}` is required")
        case "extra_forbidden":
            unknown(problems, node, kind, name, entry_keys(kind))
        case "url":
            problems.error("E-URL", spot, details["msg"])
        case _ if name == "createOnly":
            _create_only(problems, node, kind, value, loc)
        case "string_pattern_mismatch" if facts is not None and facts.json_type == "string":
            bad = hostile_character(str(value))
            problems.error("E-NAME", spot, hostile(f"`{name}`", bad))
        case _:
            meant = MEANT["integer"] if name == "id" or facts is None else MEANT[facts.json_type]
            secret = facts is not None and facts.secret
            but = f", not {quoted(value)}" if isinstance(value, str) and not secret else ""
            problems.error("E-TYPE", spot, f"`{name}` must be {meant}{but}")


def unknown(problems: Problems, node: Node, kind: Kind, name: str, known_keys: Sequence[str]) -> None:
    """Report a key that an entry may not have."""
    if name in kind.reported:
        summary = f"`{name}` is read-only: the API reports it"
        problems.error("E-READ-ONLY", at_key(node, name), summary, "Leave it out.")
        return
    problems.unknown(node, name, f"unknown key `{name}` in a {kind.kind}", known_keys)


def _create_only(problems: Problems, node: Node, kind: Kind, value: Any, loc: tuple[int | str, ...]) -> None:
    names = compared(kind)
    if len(loc) > 1 and isinstance(loc[1], int):
        spot = at_item(node, "createOnly", loc[1])
        if isinstance(value, str):
            hint = problems.nearest("" if isinstance(value, Expanded) else value, names)
            problems.error("E-CREATE-ONLY", spot, f"no field {quoted(value)} to list here", hint)
            return
    else:
        spot = at_value(node, "createOnly")
    detail = f"Fields here: {', '.join(names)}."
    problems.error("E-CREATE-ONLY", spot, "`createOnly` is a list of fields", detail)
