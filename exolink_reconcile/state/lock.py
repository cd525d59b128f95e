"""One apply at a time for each tenant of an API on this machine: a file lock that the kernel frees when we die."""

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exolink_reconcile.errors import Locked
from exolink_reconcile.state import audit
from exolink_reconcile.state import folder as folders
from exolink_reconcile.state.store import Lease

_POLL = 0.2
_FAR_FUTURE = 1e12  # a lock file may hold any number; later moments have no date


@dataclass(frozen=True, slots=True)
class _Lock:
    """One lock that we hold: `file` is the device and inode of what we opened."""

    path: str
    handle: int
    tenant: str
    file: tuple[int, int]

    @property
    def is_at_its_path(self) -> bool:
        """Whether the file that we hold is the one that others find; if not, two runs may hold "the" lock."""
        try:
            status = os.stat(self.path, follow_symlinks=False)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.file


@dataclass(frozen=True, slots=True)
class Held:
    """The locks of a run."""

    locks: list[_Lock]

    def check(self) -> None:
        """Check that our lock files are still the ones that others find. Raises Locked: nothing more may be written."""
        for lock in self.locks:
            if not lock.is_at_its_path:
                raise Locked(
                    "E-LOCK-LOST",
                    f"the lock of tenant {lock.tenant}, {lock.path}, was removed or replaced while this apply worked, so"
                    " another apply may be at work",
                )


@contextlib.contextmanager
def hold(
    folder: Path,
    origin: str,
    tenants: Iterable[str],
    timeout: float,
    say: Callable[[str], None] = lambda sentence: None,
    run: str = "",
) -> Iterator[Held]:
    """Hold the locks of the tenants, taken in sorted order so that two runs cannot wait for each other.

    `timeout` is how many seconds to wait for all of them; `say` is called with who holds them.

    Raises:
        Locked: somebody else holds one; the message says who.
        StorageFailed: the lock files cannot be made.

    """
    ends_at = time.monotonic() + timeout
    locks: list[_Lock] = []
    try:
        for tenant in sorted(tenants):
            locks.append(_take(folder, origin, tenant, ends_at, say, run))
        yield Held(locks)
    finally:
        for lock in locks:
            os.close(lock.handle)


def _take(folder: Path, origin: str, tenant: str, ends_at: float, say: Callable[[str], None], run: str) -> _Lock:
    path = path_of(folder, origin, tenant)
    while True:
        handle = _opened(path)
        status = os.fstat(handle)
        lock = _Lock(str(path), handle, tenant, (status.st_dev, status.st_ino))
        with contextlib.ExitStack() as unless_ours, folders.storage(f"the lock {path} cannot be used"):
            unless_ours.callback(os.close, lock.handle)
            _wait(lock, ends_at, say)
            if lock.is_at_its_path:  # if it was removed while we waited, whoever holds the new file has the lock
                _sign(lock, origin, run)
                unless_ours.pop_all()
                return lock


def path_of(folder: Path, origin: str, tenant: str) -> Path:
    """The lock file of a tenant of an API."""
    name = hashlib.sha256(f"{origin}\0{tenant}".encode()).hexdigest()[:32]
    return folder / "locks" / f"{name}.lock"


def _opened(path: Path) -> int:
    with folders.storage(f"the lock {path} cannot be made"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.is_symlink():
            raise folders.unsafe(f"the folder of locks {path.parent} is a link")
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)


def _wait(lock: _Lock, ends_at: float, say: Callable[[str], None]) -> None:
    announced = False
    while True:
        try:
            fcntl.flock(lock.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= ends_at:
                summary = f"tenant {lock.tenant} is locked by another apply: {_holder(lock.handle)}"
                raise Locked("E-LOCKED", f"{summary}. Nothing was read; --lock-timeout S waits for it") from None
            if not announced:
                remaining = ends_at - time.monotonic()
                say(f"Waiting up to {remaining:.0f} s for the lock of tenant {lock.tenant}: {_holder(lock.handle)}.")
                announced = True
            time.sleep(_POLL)


def _sign(lock: _Lock, origin: str, run: str) -> None:
    """Write down who holds it. For messages only: only the kernel says whether the lock is held."""
    facts = {
        "pid": os.getpid(),
        "user": audit.user(),
        "host": socket.gethostname(),
        "since": time.time(),
        "origin": origin,
        "tenant": lock.tenant,
        "run": run,
    }
    text = json.dumps(facts)
    os.ftruncate(lock.handle, 0)
    os.pwrite(lock.handle, text.encode(), 0)


def held(folder: Path) -> list[Lease]:
    """The locks of a folder that somebody holds now; writes nothing, and takes none for longer than a look."""
    leases = []
    with folders.storage(f"the locks of {folder} cannot be read"):
        for path in sorted((folder / "locks").glob("*.lock")):
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if _is_held(handle):
                    leases.append(_lease(handle))
            finally:
                os.close(handle)
    return leases


def _is_held(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _lease(handle: int) -> Lease:
    facts: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        read = json.loads(os.pread(handle, 10_000, 0))
        facts = read if isinstance(read, dict) else {}
    since = facts.get("since")
    text = {name: str(facts.get(name) or "") for name in ("origin", "tenant", "run", "user", "host")}
    return Lease(
        text["origin"], text["tenant"], None, text["run"], text["user"], text["host"],
        float(since) if isinstance(since, (int, float)) and 0 <= since < _FAR_FUTURE else 0.0, None, None,
    )  # fmt: skip


def _holder(handle: int) -> str:
    try:
        facts = json.loads(os.pread(handle, 10_000, 0))
        since = audit.time_of(float(facts["since"]))
        return f"pid {facts['pid']} of user {facts['user']} on {facts['host']}, since {since}"
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return "it did not say who it is"
