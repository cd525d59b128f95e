"""What the state remembers to text and JSON: open writes, history, locks."""

import json
from collections.abc import Container, Mapping, Sequence
from typing import Any

from exolink_reconcile.inert import inert
from exolink_reconcile.model import Operation
from exolink_reconcile.state.audit import time_of


def unknowns(format: str, operations: Sequence[Operation], in_flight: Container[int] = ()) -> str:
    """The writes whose outcome is not known; `in_flight` are the numbers of those that an apply waits for right now."""
    if format == "json":
        return _document("unknowns", [_unknown(op) for op in operations])
    if not operations:
        return "No write is unknown.\n"
    lines = []
    for op in operations:
        if op.number in in_flight:
            what = "in flight: an apply is at work on it"
        elif op.answered:
            what = "answered, but never showed up in the list"
        else:
            what = "sent, no clear answer"
        since = time_of(op.intended_at)
        lines.append(f"  {op.action} {inert(str(op.address))}: {what}, since {since}, at {inert(op.origin)}")
    lines.append("The next apply settles them by reading. `unknowns --forget ADDRESS` drops one for good.")
    return "\n".join(lines) + "\n"


def _unknown(op: Operation) -> dict[str, Any]:
    return {
        "address": str(op.address),
        "action": op.action,
        "api_url": op.origin,
        "when": time_of(op.intended_at),
        "answered": op.answered,
    }


def _document(name: str, entries: Sequence[Mapping[str, Any]]) -> str:
    text = json.dumps({"format_version": "1.0", name: entries}, ensure_ascii=True)
    return text.replace("##", "#\\u0023").replace("::", ":\\u003a") + "\n"  # Azure and GitHub obey them anywhere
