"""Runs and writes to the audit record: who did what, one JSON value a fact, secrets masked."""

import calendar
import getpass
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from exolink_reconcile.model import Outcome
from exolink_reconcile.resource import Address


def user() -> str:
    """Who runs this: the CI run, if there is one, else the user of this machine."""
    variables = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    if all(os.environ.get(name) for name in variables):
        server, repository, run = (os.environ[name] for name in variables)
        return f"{os.environ.get('GITHUB_ACTOR', '?')} ({server}/{repository}/actions/runs/{run})"
    if url := os.environ.get("CI_JOB_URL"):
        return f"{os.environ.get('GITLAB_USER_LOGIN', '?')} ({url})"
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def time_of(seconds: float) -> str:
    """A moment in seconds since the epoch as UTC, ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def run_started(steps: int) -> dict[str, Any]:
    """The start of a run."""
    return {"event": "run started", "steps": steps}


def run_ended(exit_code: int, totals: tuple[int, int, int]) -> dict[str, Any]:
    """The end of a run."""
    added, changed, destroyed = totals
    return {
        "event": "run ended",
        "exit_code": exit_code,
        "added": added,
        "changed": changed,
        "destroyed": destroyed,
    }


def unsent(outcome: Outcome) -> dict[str, Any]:
    """The outcome of a step for which no write was intended."""
    return {
        "event": "write",
        "address": str(outcome.step.address),
        "action": outcome.step.action.word,
        **_facts(outcome),
    }


def closed(row: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    """A write of this run, from its row, with its outcome."""
    return {**write(row), **_facts(outcome)}


def _facts(outcome: Outcome) -> dict[str, Any]:
    return {"outcome": outcome.status.value, "code": outcome.code, "detail": outcome.detail}


def write(row: Mapping[str, Any]) -> dict[str, Any]:
    """A write, from its row."""
    return {
        "event": "write",
        "run": row["run"],
        "digest": row["digest"],
        "address": str(Address(row["tenant"], row["kind"], row["name"])),
        "action": row["action"],
        "id": row["remote_id"],
        "intended_at": row["intended_at"],
        "before": json.loads(row["before"]),
        "after": json.loads(row["after"]),
        "outcome": row["outcome"],
    }


def append(path: Path, head: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> None:
    """Append facts to a file that this user alone may read. Raises OSError."""
    head = {"time": time_of(time.time()), **head}
    text = "".join(json.dumps({**head, **line}, ensure_ascii=True) + "\n" for line in lines)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(handle, 0o600)
        written = memoryview(text.encode())
        while written:
            written = written[os.write(handle, written) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def prune(path: Path, before: float) -> int:
    """Drop the lines that are older than `before`; returns how many. Lines that are not ours stay. Raises OSError."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return 0
    kept = [line for line in lines if not _is_older(line, before)]
    if len(kept) < len(lines):
        scratch = path.with_name(path.name + ".new")
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.writelines(kept)
            file.flush()
            os.fsync(handle)
        scratch.replace(path)
    return len(lines) - len(kept)


def _is_older(line: bytes, before: float) -> bool:
    try:
        return calendar.timegm(time.strptime(json.loads(line)["time"], "%Y-%m-%dT%H:%M:%SZ")) < before
    except (ValueError, TypeError, KeyError):
        return False
