"""Plan to plan JSON: Terraform's format 1.2 on one line, so that Terraform's own plan readers take it, plus `exolink`.

Readers of the format need three things: one line, a `terraform_version` that exists, and `planned_values` and
`configuration` that are not empty.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from exolink_reconcile.model import BaseInfo, HeldBack, Note, Plan, Probe, Source, Step
from exolink_reconcile.planning import digest
from exolink_reconcile.saved_plan import rows
from exolink_reconcile.saved_plan.rows import PROVIDER, canonical
from exolink_reconcile.secret_url import SecretUrl, masked

SCHEMA_VERSION = 1
_BATCH = 1000
TERRAFORM_VERSION = "1.11.4"
_CHECKSUM_KEY = b'"checksum":"'
_CHECKSUM_LENGTH = 64  # hex digits


def plan(
    plan: Plan, digests: Sequence[str], *, config_digest: str, paths: Sequence[str], options: Mapping[str, Any]
) -> list[bytes]:
    """The plan as one line of canonical JSON, in pieces: same inputs, same bytes; no time, no token, secrets masked.

    `digests` are the digests of the steps. The three long lists are written a batch of steps at a time, so that the values
    of 100,000 steps and their text need not be in memory together. The checksum is over everything but itself.
    """
    steps = list(plan.steps)
    changes, resources, resource_changes = _lists(steps, digests)
    exolink = _texts(_own(plan, config_digest, paths, options)) | {
        "changes": changes,
        "digest": _text(digest.of_steps(plan.origin, digests)),
    }
    document = _texts(
        {
            "format_version": "1.2",
            "terraform_version": TERRAFORM_VERSION,
            "resource_drift": [rows.drift(step) for step in steps if rows.has_drift(step)],
            "configuration": {
                "provider_config": {"exolink": {"name": "exolink", "full_name": PROVIDER}},
                "root_module": {},
            },
            "applyable": bool(steps) and not plan.refusals,
            "complete": plan.complete,
            "errored": False,
        }
    ) | {
        "planned_values": _in_key_order({"root_module": _in_key_order({"resources": resources})}),
        "resource_changes": resource_changes,
    }
    checksum = hashlib.sha256()
    for piece in _in_key_order({**document, "exolink": _in_key_order(exolink)}):
        checksum.update(piece)
    exolink["checksum"] = _text(checksum.hexdigest())
    pieces = _in_key_order({**document, "exolink": _in_key_order(exolink)})
    return [*map(_without_commands, pieces), b"\n"]


def _own(plan: Plan, config_digest: str, paths: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """The `exolink` part beside Terraform's format, without the changes, the digest and the checksum."""
    own: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "api_url": plan.origin,
        "config_digest": config_digest,
        "paths": list(paths),
        "options": dict(options),
        "compared": dict(plan.compared),
        "partial": list(plan.partial),
        "left_out": list(map(str, plan.left_out)),
        "base": _base(plan.base),
        "held_back": [_held_back(held) for held in plan.held_back],
        "refusals": [{"code": refusal.code, "summary": refusal.summary} for refusal in plan.refusals],
        "tenants": list(plan.tenants),
        "unmanaged": dict(plan.unmanaged_counts),
        "notes": [_note(note) for note in plan.notes],
        "names": _names(plan),
    }
    if plan.probes is not None:
        own["probes"] = [_probe(probe) for probe in plan.probes]
    return own


def _text(value: Any) -> list[bytes]:
    return [canonical(value).encode()]


def _texts(values: Mapping[str, Any]) -> dict[str, list[bytes]]:
    return {name: _text(value) for name, value in values.items()}


def _in_key_order(texts: Mapping[str, Sequence[bytes]]) -> list[bytes]:
    """The canonical JSON of an object, in pieces; its values are JSON texts in pieces."""
    pieces: list[bytes] = []
    for name in sorted(texts):
        pieces.append((b"," if pieces else b"{") + f'"{name}":'.encode())
        pieces += texts[name]
    return [*pieces, b"}"]


def _without_commands(json_text: bytes) -> bytes:
    """The same JSON without commands that a CI runner obeys anywhere in a line (`##vso[`, `::error`).

    Both can only stand inside a string, where an escape means the same character.
    """
    return json_text.replace(b"##", b"#\\u0023").replace(b"::", b":\\u003a")


def _probe(probe: Probe) -> dict[str, Any]:
    values = {name: getattr(probe, name) for name in ("reachable", "status", "subprotocol", "reason")}
    return {"address": str(probe.address), **values}


def _lists(steps: Sequence[Step], digests: Sequence[str]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """The lists `changes`, `resources` and `resource_changes`, each as pieces of JSON text."""
    lists: tuple[list[bytes], list[bytes], list[bytes]] = ([], [], [])
    for start in range(0, len(steps), _BATCH):
        items = rows.items(steps[start : start + _BATCH], digests[start : start + _BATCH])
        for pieces, texts in zip(lists, zip(*items)):
            present = list(filter(None, texts))
            if pieces and present:
                present[0] = f",{present[0]}"
            pieces.append(",".join(present).encode())
    for pieces in lists:
        pieces.insert(0, b"[")
        pieces.append(b"]")
    return lists


def checksum_as_written(text: bytes) -> str | None:
    """The checksum in the bytes of a plan, if it is theirs; None for a plan in another layout, or an edited one."""
    text = _with_commands(text)
    at = text.rfind(_CHECKSUM_KEY)
    if at < 0 or not text.endswith(b"}\n"):
        return None
    before, after = memoryview(text)[:at], memoryview(text)[at + len(_CHECKSUM_KEY) + _CHECKSUM_LENGTH + len('",') : -1]
    checksum = hashlib.sha256(before)
    checksum.update(after)
    own = checksum.hexdigest()
    return own if text.startswith(f'{own}",'.encode(), at + len(_CHECKSUM_KEY)) else None


def _with_commands(json_text: bytes) -> bytes:
    """The reverse of `_without_commands`."""
    return json_text.replace(b"#\\u0023", b"##").replace(b":\\u003a", b"::")


def checksum_of(document: Mapping[str, Any]) -> str:
    """The checksum of a plan document over everything but itself: it detects an edited file."""
    own = {name: value for name, value in document["exolink"].items() if name != "checksum"}
    return hashlib.sha256(canonical({**document, "exolink": own}).encode()).hexdigest()


def _held_back(held: HeldBack) -> dict[str, Any]:
    return {
        "address": str(held.address),
        "action": held.action.word,
        "field": held.field.name if held.field else None,
        "before": masked(held.field.before) if held.field else None,
        "after": masked(held.field.after) if held.field else None,
        "code": held.code,
        "reason": held.reason,
        "sensitive": any(isinstance(side, SecretUrl) and side.has_secret for side in (held.field or ())[1:]),
        "ways_out": list(held.ways_out),
        "source": _source(held.source),
    }


def _base(base: BaseInfo | None) -> dict[str, str] | None:
    if base is None:
        return None
    values = {"kind": base.kind, "path": base.path, "when": base.when}
    return {name: value for name, value in values.items() if value is not None}


def _note(note: Note) -> dict[str, Any]:
    return {"code": note.code, "summary": note.summary, "addresses": list(map(str, note.addresses))}


def _source(source: Source | None) -> dict[str, Any] | None:
    return {"file": source.path, "line": source.line, "column": source.column} if source else None


def _names(plan: Plan) -> dict[str, dict[str, dict[str, str]]]:
    names: dict[str, dict[str, dict[str, str]]] = {}
    for (tenant, name), numbers in plan.names.items():
        names.setdefault(tenant, {})[name] = {str(number): word for number, word in numbers.items()}
    return names
