"""The content of the state to text and JSON: open writes, history, locks; and the checks of `doctor`."""

import json
import shlex
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exolink_reconcile.codes import Exit
from exolink_reconcile.inert import inert, json_without_commands
from exolink_reconcile.model import Intent
from exolink_reconcile.report.result_text import forget
from exolink_reconcile.secret_url import MASK
from exolink_reconcile.state.audit import time_of
from exolink_reconcile.state.store import Lease, Write


def unknowns(format: str, intents: Sequence[Intent], in_flight: Container[int] = (), options: str = "") -> str:
    """The writes whose outcome is not known; `in_flight` are the numbers of writes that an apply waits for right now.

    `options` are the options that commands to paste need.
    """
    if format == "json":
        return _document("unknowns", [_unknown(op) for op in intents])
    if not intents:
        return "No write is unknown.\n"
    lines = []
    for op in intents:
        if op.number in in_flight:
            answer = "in flight: an apply is at work on it"
        elif op.answered:
            answer = "answered, but no list has shown it yet"
        else:
            answer = "sent, no clear answer"
        since = time_of(op.intended_at)
        lines.append(f"  {op.action} {inert(str(op.address))}: {answer}, since {since}, at {inert(op.origin)}")
    lines.append("The next apply settles them by reading. To drop one for good:")
    lines += forget(((op.address, f"{options}{_api(op, intents)}") for op in intents), "each as above")
    return "\n".join(lines) + "\n"


def _api(op: Intent, intents: Sequence[Intent]) -> str:
    """The option that names the API of a write, where another API has a write open at the same address."""
    several = any(other.address == op.address and other.origin != op.origin for other in intents)
    return f" --api-url {shlex.quote(op.origin)}" if several and "://" in op.origin else ""


def _unknown(op: Intent) -> dict[str, Any]:
    return {
        "address": str(op.address),
        "action": op.action,
        "api_url": op.origin,
        "when": time_of(op.intended_at),
        "answered": op.answered,
    }


def history(format: str, writes: Sequence[Write], globs: Sequence[str] = ()) -> str:
    """The writes of earlier runs whose addresses match, newest first."""
    if format == "json":
        return _document("writes", [_write(write) for write in writes])
    if not writes:
        return f"No write on record matches {inert(', '.join(globs))}.\n" if globs else "No write is on record.\n"
    lines: list[str] = []
    run = ""
    for write in writes:
        if write.run != run:
            run = write.run
            lines.append(f"run {inert(run)}, {time_of(write.when)}, by {inert(write.who)}, at {inert(write.origin)}")
        lines.append(f"  {write.action} {inert(str(write.address))}{_in_words(write)}")
    return "\n".join(lines) + "\n"


def _in_words(write: Write) -> str:
    """What a write changed, and its outcome."""
    outcome, detail = _outcome(write)
    fields = "; ".join(
        f"{inert(name)} {_shown(after)}"
        if write.action == "create"
        else f"{inert(name)}: {_shown(before)} -> {_shown(after)}"
        for name, (before, after) in _changes(write).items()
    )
    end = outcome + (f" ({inert(write.code)})" if write.code else "") + (f": {inert(detail)}" if detail else "")
    return f" [{end}]" + (f" {fields}" if fields and write.action != "delete" else "")


def _shown(value: Any) -> str:
    return "nothing" if value is None else inert(str(value))


# How a later run closed a write, in the words that a run uses for its own.
_SETTLED_LATER = {
    "applied": ("done", "settled by a later run: it had been applied"),
    "not applied": ("failed", "settled by a later run: it had not been applied"),
    "forgotten": ("unknown", "forgotten: nobody knows what became of it"),
}


def _outcome(write: Write) -> tuple[str, str]:
    if write.outcome is None:
        return "unknown", write.detail
    return _SETTLED_LATER.get(write.outcome, (write.outcome, write.detail))


def _write(write: Write) -> dict[str, Any]:
    outcome, detail = _outcome(write)
    return {
        "run": write.run,
        "when": time_of(write.when),
        "who": write.who,
        "api_url": write.origin,
        "address": str(write.address),
        "action": write.action,
        "id": write.remote_id if write.made_id is None else write.made_id,
        "fields": {name: {"before": before, "after": after} for name, (before, after) in _changes(write).items()},
        "outcome": outcome,
        "code": write.code,
        "detail": detail,
    }


def _changes(write: Write) -> Mapping[str, tuple[Any, Any]]:
    """What a write changed, by field: before and after. For a secret, only that it may have changed."""
    names = write.before if write.action == "delete" else write.after
    changed = {}
    for name in names:
        before = write.before.get(name)
        after = None if write.action == "delete" else write.after.get(name)
        if before != after or MASK in str(after):
            changed[name] = (before, after)
    return changed


def locks(format: str, leases: Sequence[Lease]) -> str:
    """Who holds which tenant now."""
    if format == "json":
        return _document("locks", [_lock(lease) for lease in leases])
    if not leases:
        return "No tenant is held.\n"
    lines = []
    for lease in leases:
        token = "" if lease.token is None else f", token {lease.token}"
        ends = (
            ""
            if lease.expires is None
            else f", last seen {_time(lease.last_seen)}, ends {_time(lease.expires)} unless renewed"
        )
        lines.append(
            f"  {inert(lease.tenant or 'a tenant')} at {inert(lease.origin or 'an API')}: held by {inert(lease.who)} on"
            f" {inert(lease.host)} since {_time(lease.taken)}{token}, run {inert(lease.run)}{ends}"
        )
    return "\n".join(lines) + "\n"


def broken(lease: Lease) -> str:
    """The report on a lease that was taken away."""
    return (
        f"Took the lock of tenant {inert(lease.tenant)} away from {inert(lease.who)} on {inert(lease.host)} (run"
        f" {inert(lease.run)}). That run stops before its next write; the next apply waits for what it left open.\n"
    )


def _lock(lease: Lease) -> dict[str, Any]:
    return {
        "api_url": lease.origin,
        "tenant": lease.tenant,
        "token": lease.token,
        "run": lease.run,
        "who": lease.who,
        "host": lease.host,
        "taken": _time(lease.taken),
        "last_seen": _time(lease.last_seen),
        "expires": _time(lease.expires),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else time_of(seconds)


@dataclass(frozen=True, slots=True)
class Check:
    """One check of `doctor`: its name, `ok`, `warning` or `failed`, and the exit code that it asks for."""

    name: str
    status: str
    detail: str
    exit_code: Exit


_COLOURS = {"ok": "32", "warning": "33", "failed": "1;31"}


def check(check: Check) -> str:
    """A check as one line."""
    return f"{check.status:<8} {inert(check.name)}: {inert(check.detail)}\n"


def painted(status: str, text: str) -> str:
    """The line of a check with its status in colour."""
    return f"\x1b[{_COLOURS[status]}m{status}\x1b[0m{text.removeprefix(status)}"


def checks(checks: Sequence[Check]) -> str:
    """All checks as JSON."""
    return _document(
        "checks",
        [
            {"name": check.name, "status": check.status, "detail": check.detail, "exit_code": int(check.exit_code)}
            for check in checks
        ],
    )


def _document(name: str, entries: Sequence[Mapping[str, Any]]) -> str:
    text = json.dumps({"format_version": "1.0", name: entries}, ensure_ascii=True)
    return json_without_commands(text) + "\n"
