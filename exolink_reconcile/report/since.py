"""Two saved plans to text: what the later one does and the earlier one did not, and the reverse."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from exolink_reconcile.inert import inert, json_without_commands
from exolink_reconcile.saved_plan.format import PlanDocument

Facts = Mapping[str, Mapping[str, str]]


def since(earlier: PlanDocument, later: PlanDocument, *, most: int | None = None) -> str:
    """A line for each address whose change is new, gone or different, at most `most` of them; then a count."""
    before, after = _facts(earlier), _facts(later)
    lines = [
        f"{title}: {inert(was)} -> {inert(now)}"
        for title, was, now in (
            ("API", earlier.exolink.api_url, later.exolink.api_url),
            ("Digest", earlier.exolink.digest, later.exolink.digest),
        )
        if was != now
    ]
    changes = list(_lines(before, after))
    if not changes:
        return "\n".join([*lines, "No difference between the two plans.", ""])
    count = "1 address differs." if len(changes) == 1 else f"{len(changes)} addresses differ."
    if most is not None and len(changes) > most:
        changes[most:] = [f"  … and {len(changes) - most} more"]
    return "\n".join([*lines, *changes, count, ""])


def as_json(earlier: PlanDocument, later: PlanDocument) -> str:
    """The same as one JSON document: of each address what each plan does there, null where it does nothing."""
    before, after = _facts(earlier), _facts(later)
    document = {
        "format_version": "1.0",
        "api_url": {"before": earlier.exolink.api_url, "after": later.exolink.api_url},
        "digest": {"before": earlier.exolink.digest, "after": later.exolink.digest},
        "differences": [
            {"address": address, "before": before.get(address), "after": after.get(address)}
            for address in dict.fromkeys((*after, *before))
            if before.get(address) != after.get(address)
        ],
    }
    return json_without_commands(json.dumps(document, indent=2)) + "\n"


def _lines(before: Facts, after: Facts) -> Iterator[str]:
    for address in dict.fromkeys((*after, *before)):
        name = inert(address)
        if address not in before:
            yield f"  + {name}  {_written(after[address])}"
        elif address not in after:
            yield f"  - {name}  no longer: {_written(before[address])}"
        elif differences := _differences(before[address], after[address]):
            yield f"  ~ {name}  {'; '.join(differences)}"


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Each fact that differs between the plans."""
    return [
        f"{inert(name)}: was {before.get(name, 'not in the plan')}, now {after.get(name, 'not in the plan')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _facts(document: PlanDocument) -> Facts:
    """What a plan does at each address: its action, and each of its fields before and after."""
    facts: dict[str, dict[str, str]] = {}
    for change, resource in zip(document.exolink.changes, document.resource_changes, strict=True):
        fields = {name: _values(resource.change.before, resource.change.after, name) for name in change.fields}
        secrets = {name: f"changes ({origin[:12]})" for name, origin in change.secrets.items()}
        facts[change.address] = {"action": change.action, **fields, **secrets}
    for held in document.exolink.held_back:
        entry = facts.setdefault(held.address, {})
        values = f"{_value(held.before)} -> {_value(held.after)}, " if held.field else ""
        entry[f"held back {held.field or held.action}"] = f"{values}{held.code}: {inert(held.reason)}"
    return facts


def _values(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, name: str) -> str:
    sides = [_value(side[name]) for side in (before, after) if side is not None and name in side]
    return " -> ".join(sides)


def _value(value: object) -> str:
    return inert(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _written(facts: Mapping[str, str]) -> str:
    action = facts.get("action", "held back")
    fields = ", ".join(f"{inert(name)} {value}" for name, value in facts.items() if name != "action")
    return f"{action}: {fields}" if fields else action
