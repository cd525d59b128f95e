"""The audit record: one line a fact, whole, in order, and naming who did it."""

import getpass
import os
import time
from pathlib import Path

import pytest
from support_journal import ORIGIN, audit, row, step

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.model import Action, Outcome, Status
from exolink_reconcile.state import audit as audits
from exolink_reconcile.state.journal import Journal


def test_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One JSON line a fact: who, when, which run and plan, what was there before, what was sent, what became of it."""
    monkeypatch.setattr(audits, "user", lambda: "kim")
    deleted, never_sent = step("A", Action.DELETE), step("B", Action.UPDATE)
    with Journal(tmp_path, ORIGIN, "digest") as opened:
        opened.started(2)
        opened.intend(deleted, {"id": 7, "displayName": "A"}, {})
        opened.settle(
            [
                Outcome(deleted, Status.UNKNOWN, "no answer", "E-AMBIGUOUS"),
                Outcome(never_sent, Status.SKIPPED, "after a failure", "E-SKIPPED"),
            ]
        )
        opened.ended(9, (1, 2, 3))
    lines = audit(tmp_path)
    who = {"run": opened.run, "user": "kim", "origin": ORIGIN, "digest": "digest"}
    assert all(time.strptime(line.pop("time"), "%Y-%m-%dT%H:%M:%SZ") for line in lines)
    assert lines[1].pop("intended_at") == row(tmp_path)["intended_at"]
    assert lines == [
        {**who, "event": "run started", "steps": 2},
        {**who, "event": "write", "address": "acme/cpms/A", "action": "delete", "id": 7, "before": {"id": 7, "displayName": "A"}, "after": {}, "outcome": "unknown", "code": "E-AMBIGUOUS", "detail": "no answer"},
        {**who, "event": "write", "address": "acme/cpms/B", "action": "update", "outcome": "skipped", "code": "E-SKIPPED", "detail": "after a failure"},
        {**who, "event": "run ended", "exit_code": 9, "added": 1, "changed": 2, "destroyed": 3},
    ]  # fmt: skip


def test_the_record_only_grows(tmp_path: Path) -> None:
    """A later run writes below what stands there."""
    for steps in (1, 2):
        with Journal(tmp_path, ORIGIN) as opened:
            opened.started(steps)
    assert [line["steps"] for line in audit(tmp_path)] == [1, 2]


def test_the_record_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is written to its end and flushed before anything goes on, however little the disk takes at a time."""
    write, flushed = os.write, []
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:7]))
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_size))
    with Journal(tmp_path, ORIGIN) as opened:
        opened.started(3)
        before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
        opened.started(4)
        after = len(os.listdir("/proc/self/fd")) if before else 0
    assert [line["steps"] for line in audit(tmp_path)] == [3, 4] and after == before
    assert flushed[-1] == (tmp_path / "audit.jsonl").stat().st_size


@pytest.mark.parametrize("damage", ["started", "ended", "settle", "settle_earlier"])
def test_a_record_that_cannot_be_written(tmp_path: Path, damage: str) -> None:
    """Without the record nothing goes on: it is a storage failure, with the system's own word for it."""
    (tmp_path / "audit.jsonl").mkdir()
    with Journal(tmp_path, ORIGIN) as opened:
        calls = {
            "started": lambda: opened.started(1),
            "ended": lambda: opened.ended(0, (0, 0, 0)),
            "settle": lambda: opened.settle([Outcome(step(), Status.DONE)]),
            "settle_earlier": lambda: opened.settle_earlier({}),
        }
        with pytest.raises(StorageFailed, match=r"cannot be written: Is a directory$"):
            calls[damage]()


def test_an_error_without_a_word_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage failure always says something."""

    def fails(handle: int) -> None:
        raise OSError("odd")

    with Journal(tmp_path, ORIGIN) as opened:
        monkeypatch.setattr(os, "fsync", fails)
        with pytest.raises(StorageFailed, match=r"cannot be written: odd$"):
            opened.started(1)


CI = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "5"}


@pytest.mark.parametrize(
    ("variables", "who"),
    [
        ({**CI, "GITHUB_ACTOR": "kim"}, "kim (https://github.com/o/r/actions/runs/5)"),
        (CI, "? (https://github.com/o/r/actions/runs/5)"),
        ({"CI_JOB_URL": "https://gitlab.com/j/1", "GITLAB_USER_LOGIN": "kim"}, "kim (https://gitlab.com/j/1)"),
        ({"CI_JOB_URL": "https://gitlab.com/j/1"}, "? (https://gitlab.com/j/1)"),
        ({**CI, "GITHUB_RUN_ID": "", "GITHUB_ACTOR": "kim", "LOGNAME": "lee"}, "lee"),
    ],
)
def test_who(variables: dict[str, str], who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record names the CI run where there is one, else the user."""
    for name in (*CI, "GITHUB_ACTOR", "CI_JOB_URL", "GITLAB_USER_LOGIN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert audits.user() == who


@pytest.mark.parametrize("error", [KeyError("no entry"), OSError("no user")])
def test_a_user_without_a_name(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container a user may have a number only."""
    monkeypatch.delenv("CI_JOB_URL", raising=False)
    monkeypatch.delenv("GITHUB_RUN_ID", raising=False)

    def nobody() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert audits.user() == f"uid {os.getuid()}"
