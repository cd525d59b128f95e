"""Who may apply to a tenant on this machine, and who finds out that it is not so any more."""

import fcntl
import os
import shutil
import stat
from pathlib import Path

import pytest

from exolink_reconcile.errors import Locked, StorageFailed
from exolink_reconcile.state import audit, lock
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


@pytest.mark.parametrize("how", ["file", "folder", "replaced", "link to it"])
def test_row_A8_a_lock_file_that_goes(tmp_path: Path, how: str) -> None:
    """Whoever lost the file stops before its next write: another apply would get in."""
    with lock.hold(tmp_path, ORIGIN, ["acme", "beta"], 0.0) as held:
        held.check()
        path = lock.path_of(tmp_path, ORIGIN, "beta")
        shutil.rmtree(path.parent) if how == "folder" else path.rename(tmp_path / "aside")
        if how == "replaced":
            path.write_text("", "utf-8")
        if how == "link to it":
            path.symlink_to(tmp_path / "aside")
        with pytest.raises(Locked, match=r"E-LOCK-LOST: the lock of tenant (acme|beta), .* removed or replaced"):
            held.check()


def test_row_A8_a_lock_file_that_goes_while_it_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gets a lock looks whether it is still the file that others find; if not, it takes the one that is there."""
    wait, waits = lock._wait, []

    def removed(lock_: lock._Lock, *args: object) -> None:
        wait(lock_, *args)  # type: ignore[arg-type]  # the real function, called by its stand-in
        waits.append(1)
        if len(waits) == 1:
            Path(lock_.path).unlink()

    monkeypatch.setattr(lock, "_wait", removed)
    before = len(os.listdir("/dev/fd"))
    with lock.hold(tmp_path, ORIGIN, ["acme"], 0.0) as held:
        held.check()
        assert len(waits) == 2 and len(os.listdir("/dev/fd")) == before + 1
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


@pytest.mark.parametrize("text", [
        b"", b"[]", b"{", b'{"since": "x", "pid": []}', b"\xff" * 20_000, b'{"since": 0}', b"null",
        *(b'{"user": "u", "host": "h", "pid": 1, "since": %s}' % since for since in (b"1e300", b"NaN", b"-1e300", b"1" * 400)),
    ],
)  # fmt: skip
def test_a_holder_that_does_not_say_who_it_is(tmp_path: Path, text: bytes) -> None:
    """What is written in a lock file is for messages only."""
    with lock.hold(tmp_path, ORIGIN, ["acme"], 0.0):
        lock.path_of(tmp_path, ORIGIN, "acme").write_bytes(text)
        assert [(lease.run, audit.time_of(lease.taken)[:4]) for lease in lock.held(tmp_path)] == [("", "1970")]
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


class Clock:
    """A clock that only moves when somebody sleeps; `release` is what happens after that many sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.sleeps, self.release = 1000.0, 0, (-1, lambda: None)
        monkeypatch.setattr("exolink_reconcile.state.lock.time.monotonic", lambda: self.now)
        monkeypatch.setattr("exolink_reconcile.state.lock.time.sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 1
        self.now, self.sleeps = self.now + seconds, self.sleeps + 1
        if self.sleeps == self.release[0]:
            self.release[1]()


def held_elsewhere(tmp_path: Path, tenant: str) -> int:
    """Somebody else holds the lock of a tenant; closing the handle frees it."""
    path = lock.path_of(tmp_path, ORIGIN, tenant)
    path.parent.mkdir(exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.truncate(path, 0)
    os.pwrite(handle, b'{"pid": 7, "user": "eve", "host": "h", "since": 0}', 0)
    return handle


def test_who_waits_gets_it_when_it_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits says once for whom and how long, and has the lock as soon as it is free."""
    clock, sentences = Clock(monkeypatch), list[str]()
    handle = held_elsewhere(tmp_path, "acme")
    clock.release = (3, lambda: os.close(handle))
    with lock.hold(tmp_path, ORIGIN, ["acme"], 30.0, sentences.append) as held:
        held.check()
    assert clock.sleeps == 3
    holder = "pid 7 of user eve on h, since 1970-01-01T00:00:00Z"
    assert sentences == [f"Waiting up to 30 s for the lock of tenant acme: {holder}."]


def test_who_waits_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is for all tenants together and ends with who holds the lock; without one there is no wait and no word."""
    clock, sentences = Clock(monkeypatch), list[str]()
    acme, beta = held_elsewhere(tmp_path, "acme"), held_elsewhere(tmp_path, "beta")
    clock.release = (3, lambda: os.close(acme))
    message = "E-LOCKED: tenant beta is locked by another apply: pid 7 of user eve on h, since 1970-01-01T00:00:00Z. "
    with pytest.raises(Locked, match=message), lock.hold(tmp_path, ORIGIN, ["beta", "acme"], 2.0, sentences.append):
        pass
    assert 1002.0 <= clock.now < 1003.0
    assert [sentence.partition(":")[0] for sentence in sentences] == [
        "Waiting up to 2 s for the lock of tenant acme",
        "Waiting up to 1 s for the lock of tenant beta",
    ]
    now = clock.now
    with pytest.raises(Locked, match=message), lock.hold(tmp_path, ORIGIN, ["beta"], 0.0, sentences.append):
        pass
    assert clock.now == now and len(sentences) == 2
    os.close(beta)


def test_in_one_order(tmp_path: Path) -> None:
    """Two runs cannot wait for each other: whatever order the tenants are named in, the first by name is taken first."""
    handles = [held_elsewhere(tmp_path, tenant) for tenant in ("acme", "beta")]
    for tenants in (["beta", "acme"], ["acme", "beta"]):
        with pytest.raises(Locked, match="tenant acme is locked"), lock.hold(tmp_path, ORIGIN, tenants, 0.0):
            pass
    for handle in handles:
        os.close(handle)


def test_all_are_free_afterwards(tmp_path: Path) -> None:
    """However a run ends, each of its locks is free."""
    with pytest.raises(KeyError), lock.hold(tmp_path, ORIGIN, ["acme", "beta"], 0.0):
        assert len(lock.held(tmp_path)) == 2
        raise KeyError
    assert lock.held(tmp_path) == []


def test_the_name_of_a_lock_file() -> None:
    """Every version of the tool looks for a lock in the same place: two versions do not apply at the same time."""
    path = lock.path_of(Path("/state"), "https://api.exolink.cloud", "acme")
    assert path == Path("/state/locks/2cd24e8dd60894d424a5156aa1546711.lock")


def test_lock_files_are_private(tmp_path: Path) -> None:
    """Nobody else may read who applies to what."""
    umask = os.umask(0)
    try:
        with lock.hold(tmp_path / "new" / "state", ORIGIN, ["acme"], 0.0):
            path = lock.path_of(tmp_path / "new" / "state", ORIGIN, "acme")
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(umask)


@pytest.mark.parametrize(
    ("thing", "message"), [("link", "cannot be made: "), ("folder", "cannot be made: "), ("pipe", "cannot be used: ")]
)
def test_what_is_no_lock_file(tmp_path: Path, thing: str, message: str) -> None:
    """A link is not followed, and what is not a file is an error with the path of it; nothing stays open."""
    path = lock.path_of(tmp_path, ORIGIN, "acme")
    path.parent.mkdir()
    match thing:
        case "link":
            (tmp_path / "file").write_text("mine")
            path.symlink_to(tmp_path / "file")
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(StorageFailed, match=f"E-STORAGE: the lock .*{path.name} {message}"):
        with lock.hold(tmp_path, ORIGIN, ["acme"], 0.0):
            pass
    assert len(os.listdir("/dev/fd")) == before
    assert thing != "link" or (tmp_path / "file").read_text() == "mine"


def test_looking_at_what_is_no_lock_file(tmp_path: Path) -> None:
    """Who lists the locks waits for no pipe and follows no link."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "notes.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "locks" / "a.lock")
    assert lock.held(tmp_path) == []
    (tmp_path / "locks" / "b.lock").symlink_to("a.lock")
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(StorageFailed, match="E-STORAGE: the locks of .* cannot be read: "):
        lock.held(tmp_path)
    assert len(os.listdir("/dev/fd")) == before


def test_the_holder_is_told_whole(tmp_path: Path) -> None:
    """What the holder before wrote down, however long, does not show through; several are listed in one order."""
    with lock.hold(tmp_path, ORIGIN, ["acme"], 0.0, run="a long name " * 100):
        pass
    with lock.hold(tmp_path, ORIGIN, ["acme", "beta"], 0.0, run="r2"):
        leases = lock.held(tmp_path)
        assert leases == lock.held(tmp_path)
        assert sorted((lease.tenant, lease.run, lease.last_seen) for lease in leases) == [
            ("acme", "r2", None),
            ("beta", "r2", None),
        ]
        with pytest.raises(Locked, match=f": pid {os.getpid()} of user .* on .*, since 2"):
            with lock.hold(tmp_path, ORIGIN, ["acme"], 0.0):
                pass


def test_the_order_of_what_is_held(tmp_path: Path) -> None:
    """Locks are listed in one order, whatever the order of the folder."""
    tenants = [f"t{number}" for number in range(12)]
    with lock.hold(tmp_path, ORIGIN, tenants, 0.0):
        listed = [lease.tenant for lease in lock.held(tmp_path)]
    assert listed == sorted(tenants, key=lambda tenant: lock.path_of(tmp_path, ORIGIN, tenant).name)


def test_a_holder_that_says_a_part(tmp_path: Path) -> None:
    """What it says is listed, the rest is empty; a time that is not a number is none."""
    handle = held_elsewhere(tmp_path, "acme")
    path = lock.path_of(tmp_path, ORIGIN, "acme")
    for text, since in (
        (b'{"tenant": "acme", "run": null, "since": "x"}', 0.0),
        (b'{"tenant": "acme", "since": 5}', 5.0),
    ):
        path.write_bytes(text)
        [lease] = lock.held(tmp_path)
        assert (lease.tenant, lease.run, lease.taken) == ("acme", "", since)
    os.close(handle)
