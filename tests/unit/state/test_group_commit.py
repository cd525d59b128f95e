"""Intents of several threads share one commit: each is durable before its write leaves, or none is."""

import threading
import time
from pathlib import Path

from support_journal import ORIGIN, change, intended, names, step

from exolink_reconcile.model import Outcome, Status
from exolink_reconcile.state import journal
from exolink_reconcile.state.journal import Journal


def test_threads_share_a_commit(tmp_path: Path) -> None:
    """Intents that wait together are made durable together, each is kept, and each closes its own only."""
    steps = [step(f"N{number:02}") for number in range(24)]
    with Journal(tmp_path, ORIGIN) as opened:
        commits: list[int] = []
        commit = opened._changes._commit
        opened._changes._commit = lambda batch: (commits.append(len(batch)), commit(batch))[1]
        opened._changes.lock.acquire()
        threads = [threading.Thread(target=intended, args=(opened, each)) for each in steps]
        for thread in threads:
            thread.start()
        while len(opened._changes._queue) < len(steps):
            time.sleep(0.001)
        opened._changes.lock.release()
        for thread in threads:
            thread.join()
        assert commits == [24] and sorted(names(opened.open_operations())) == [each.address.name for each in steps]
        opened.settle([Outcome(steps[5], Status.DONE)])
        assert sorted(names(opened.open_operations())) == [each.address.name for each in steps if each is not steps[5]]


def test_one_of_a_shared_commit_fails_all(tmp_path: Path) -> None:
    """A commit that fails leaves none of its intents, so none of their writes may be sent."""
    with Journal(tmp_path, ORIGIN) as opened:
        change(tmp_path, "CREATE TRIGGER full BEFORE INSERT ON op WHEN NEW.name = 'B' BEGIN SELECT RAISE(ABORT, 'disk full'); END")  # fmt: skip
        batch = [journal._Change(journal._INTEND, ("r", "d", ORIGIN, "acme", "cpms", name, "create", None, "{}", "{}", 0.0, "", 0.0, None), key) for key, name in enumerate("AB")]  # fmt: skip
        opened._commit(batch)
        assert all(each.error for each in batch) and opened.open_operations() == []
