"""Intents of several threads share one commit: each is durable before its write leaves, or none is."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from support_journal import ORIGIN, change, intended, names, step

from exolink_reconcile.model import Outcome, Status
from exolink_reconcile.state import group_commit, journal
from exolink_reconcile.state.group_commit import GroupCommit
from exolink_reconcile.state.journal import Journal


def test_threads_share_a_commit(tmp_path: Path) -> None:
    """Intents that wait together are made durable together, each is kept, and each closes its own only."""
    steps = [step(f"N{number:02}") for number in range(24)]
    with Journal(tmp_path, ORIGIN) as opened:
        commits: list[int] = []
        commit = opened._changes._commit
        opened._changes._commit = lambda batch: (commits.append(len(batch)), commit(batch))[1]
        opened._changes.lock.acquire()
        threads = [threading.Thread(target=intended, args=(opened, step)) for step in steps]
        for thread in threads:
            thread.start()
        while len(opened._changes._queue) < len(steps):
            time.sleep(0.001)
        opened._changes.lock.release()
        for thread in threads:
            thread.join()
        assert commits == [24] and sorted(names(opened.open_intents())) == [step.address.name for step in steps]
        opened.settle([Outcome(steps[5], Status.DONE)])
        assert sorted(names(opened.open_intents())) == [step.address.name for step in steps if step is not steps[5]]


def test_one_of_a_shared_commit_fails_all(tmp_path: Path) -> None:
    """A commit that fails leaves none of its intents, so none of their writes may be sent."""
    with Journal(tmp_path, ORIGIN) as opened:
        change(
            tmp_path,
            "CREATE TRIGGER full BEFORE INSERT ON op WHEN NEW.name = 'B' BEGIN SELECT RAISE(ABORT, 'disk full'); END",
        )
        batch = [journal._Change(journal._INTEND, ("r", "d", ORIGIN, "acme", "cpms", name, "create", None, "{}", "{}", 0.0, "", 0.0, None), key) for key, name in enumerate("AB")]  # fmt: skip
        opened._commit(batch)
        assert all(write.error for write in batch) and opened.open_intents() == []


class Slip:
    """A change that says when it was committed."""

    def __init__(self, name: str) -> None:
        self.name, self.done = name, False
        self.error: Exception | None = None


def test_what_nobody_waits_for_comes_before_what_somebody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shares the commit of the next change, so that what is sent later never stands on record before it."""
    monkeypatch.setattr(group_commit, "LINGER", 3600.0)
    batches: list[list[str]] = []
    changes: GroupCommit[Slip] = GroupCommit(lambda batch: batches.append([slip.name for slip in batch]))
    changes.add_soon(Slip("answered A"))
    changes.add_soon(Slip("answered B"))
    changes.add(Slip("intent C"))
    changes.add_soon(Slip("answered C"))
    changes.flush()
    changes.flush()
    assert batches == [["answered A", "answered B", "intent C"], ["answered C"]]


def test_what_nobody_waits_for_is_committed_by_itself() -> None:
    """Where nothing more is sent for a while it does not wait."""
    committed = threading.Event()
    changes: GroupCommit[Slip] = GroupCommit(lambda batch: committed.set())
    for _ in range(2):
        changes.add_soon(Slip("answered"))
        assert committed.wait(60)
        committed.clear()


def test_the_error_of_what_nobody_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops what comes next, which is not committed, and is said once."""
    monkeypatch.setattr(group_commit, "LINGER", 3600.0)
    batches: list[list[str]] = []

    def commit(batch: Sequence[Slip]) -> None:
        batches.append([slip.name for slip in batch])
        for slip in batch:
            slip.error = OSError("gone") if slip.name == "answered" else None

    changes: GroupCommit[Slip] = GroupCommit(commit)
    changes.add_soon(Slip("answered"))
    changes.flush()
    with pytest.raises(OSError, match="gone"):
        changes.add(Slip("intent"))
    changes.add(Slip("intent"))
    assert batches == [["answered"], ["intent"]]


def test_a_commit_that_breaks_off() -> None:
    """Nobody whose change was in it goes on as if it were durable, whatever ended it."""

    def commit(batch: Sequence[Slip]) -> None:
        if len(batch) > 1:
            raise KeyboardInterrupt

    changes: GroupCommit[Slip] = GroupCommit(commit)
    slips = [Slip("A"), Slip("B")]
    changes._queue.append(slips[0])  # another thread, which waits for the lock
    with pytest.raises(KeyboardInterrupt):
        changes.add(slips[1])
    assert all(slip.done and slip.error is not None for slip in slips)
