"""One apply at a time for each tenant of an API on this machine: a file lock that the kernel frees when we die."""

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from exolink_reconcile.errors import Locked, StorageFailed
from exolink_reconcile.state.journal import user

_POLL = 0.2


@contextlib.contextmanager
def hold(
    folder: Path,
    origin: str,
    tenants: Iterable[str],
    timeout: float,
    say: Callable[[str], None] = lambda sentence: None,
) -> Iterator[None]:
    """Hold the locks of the tenants, taken in sorted order so that two runs cannot wait for each other.

    `timeout` is how many seconds to wait for all of them; `say` is told for whom.

    Raises:
        Locked: somebody else holds one; the message says who.
        StorageFailed: the lock files cannot be made.

    """
    ends_at = time.monotonic() + timeout
    with contextlib.ExitStack() as held:
        for tenant in sorted(tenants):
            held.callback(os.close, _take(folder, origin, tenant, ends_at, say))
        yield


def _take(folder: Path, origin: str, tenant: str, ends_at: float, say: Callable[[str], None]) -> int:
    name = hashlib.sha256(f"{origin}\0{tenant}".encode()).hexdigest()[:32]
    path = folder / "locks" / f"{name}.lock"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageFailed("E-STORAGE", f"the lock {path} cannot be made: {error.strerror}") from None
    said = False
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= ends_at:
                    summary = f"tenant {tenant} is locked by another apply: {_holder(handle)}"
                    raise Locked("E-LOCKED", f"{summary}. Nothing was read; --lock-timeout S waits for it") from None
                if not said:
                    left = ends_at - time.monotonic()
                    say(f"Waiting up to {left:.0f} s for the lock of tenant {tenant}: {_holder(handle)}.")
                    said = True
                time.sleep(_POLL)
        # Who holds it is written after it is held, and never asked for whether it is held: that is the kernel's to say.
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
        text = json.dumps({"pid": os.getpid(), "user": user(), "host": socket.gethostname(), "since": since})
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode(), 0)
    except OSError as error:
        os.close(handle)
        raise StorageFailed("E-STORAGE", f"the lock {path} cannot be used: {error.strerror}") from None
    except BaseException:
        os.close(handle)
        raise
    return handle


def _holder(handle: int) -> str:
    try:
        held = json.loads(os.pread(handle, 10_000, 0))
        return f"pid {held['pid']} of user {held['user']} on {held['host']}, since {held['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it did not say who it is"
