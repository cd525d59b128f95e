"""Who may apply to a tenant on this machine, and who finds out that it is not so any more."""

import os
import shutil
from pathlib import Path

import pytest

from exolink_reconcile.errors import Locked, StorageFailed
from exolink_reconcile.state import lock
from exolink_reconcile.state.journal import Journal

ORIGIN = "https://api.example.com"


def test_one_at_a_time(tmp_path: Path) -> None:
    """A tenant that is held is not given out again; another tenant, or the same of another API, is."""
    with lock.hold(tmp_path, ORIGIN, ["acme"], 0.0, run="r1"):
        with pytest.raises(Locked, match="E-LOCKED: tenant acme is locked by another apply: pid .*, since .*Z"):
            with lock.hold(tmp_path, ORIGIN, ["beta", "acme"], 0.0):
                pass
        with lock.hold(tmp_path, ORIGIN, ["beta"], 0.0), lock.hold(tmp_path, "https://other", ["acme"], 0.0):
            pass
    with lock.hold(tmp_path, ORIGIN, ["acme"], 0.0):
        pass


@pytest.mark.parametrize("how", ["file", "folder", "replaced"])
def test_row_A8_a_lock_file_that_goes(tmp_path: Path, how: str) -> None:
    """Whoever lost the file stops before its next write: another apply would get in."""
    with lock.hold(tmp_path, ORIGIN, ["acme", "beta"], 0.0) as held:
        held.check()
        path = lock.path_of(tmp_path, ORIGIN, "beta")
        shutil.rmtree(path.parent) if how == "folder" else path.unlink()
        if how == "replaced":
            path.write_text("", "utf-8")
        with pytest.raises(Locked, match=r"E-LOCK-LOST: the lock of tenant (acme|beta), .* removed or replaced"):
            held.check()


def test_row_A8_a_lock_file_that_goes_while_it_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gets a lock looks whether it is still the file that others find; if not, it takes the one that is there."""
    wait, waits = lock._wait, []

    def removed(taken: lock._Lock, *args: object) -> None:
        wait(taken, *args)  # type: ignore[arg-type]
        waits.append(1)
        if len(waits) == 1:
            taken.path.unlink()

    monkeypatch.setattr(lock, "_wait", removed)
    with lock.hold(tmp_path, ORIGIN, ["acme"], 0.0) as held:
        held.check()
        assert len(waits) == 2
        with pytest.raises(Locked), lock.hold(tmp_path, ORIGIN, ["acme"], 0.0):
            pass


def test_row_A8_a_journal_that_lost_its_lock(tmp_path: Path) -> None:
    """The journal of a run takes no intent and no attempt without the lock."""
    with Journal(tmp_path, ORIGIN) as journal, journal.hold(["acme"], 0.0, print):
        journal.may_send()
        shutil.rmtree(tmp_path / "locks")
        with pytest.raises(Locked, match="E-LOCK-LOST"):
            journal.may_send()


def test_a_folder_of_locks_that_is_a_link(tmp_path: Path) -> None:
    """A link is not followed: two runs could take the lock in two places."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "locks").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageFailed, match="E-STATE-UNSAFE"), lock.hold(tmp_path, ORIGIN, ["acme"], 0.0):
        pass
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_who_holds_what(tmp_path: Path) -> None:
    """Only what is held now is listed, with its run; looking takes no lock and leaves none."""
    assert lock.held(tmp_path) == []
    with lock.hold(tmp_path, ORIGIN, ["acme"], 0.0, run="r1"), lock.hold(tmp_path, ORIGIN, ["beta"], 0.0, run="r2"):
        pass
    with lock.hold(tmp_path, ORIGIN, ["acme"], 0.0, run="r3"):
        for _ in range(2):
            [lease] = lock.held(tmp_path)
            assert (lease.origin, lease.tenant, lease.run, lease.token, lease.expires) == (
                ORIGIN,
                "acme",
                "r3",
                None,
                None,
            )
            assert lease.host and lease.who and lease.taken > 1e9
    assert lock.held(tmp_path) == []


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"since": "x", "pid": []}', b"\xff" * 20_000])
def test_a_holder_that_does_not_say_who_it_is(tmp_path: Path, text: bytes) -> None:
    """What is written in a lock file is for messages only."""
    with lock.hold(tmp_path, ORIGIN, ["acme"], 0.0):
        lock.path_of(tmp_path, ORIGIN, "acme").write_bytes(text)
        assert [lease.run for lease in lock.held(tmp_path)] == [""]
        with pytest.raises(Locked, match="it did not say who it is"), lock.hold(tmp_path, ORIGIN, ["acme"], 0.0):
            pass


def test_nothing_stays_open(tmp_path: Path) -> None:
    """A lock that was not given leaves no file open."""
    open_files = Path("/proc/self/fd")
    if not open_files.is_dir():
        pytest.skip("this system does not tell")
    with lock.hold(tmp_path, ORIGIN, ["beta"], 0.0):
        before = len(os.listdir(open_files))
        with pytest.raises(Locked), lock.hold(tmp_path, ORIGIN, ["acme", "beta"], 0.0):
            pass
        assert len(os.listdir(open_files)) == before
