"""The leases of a run on its tenants: taken, renewed by a heartbeat, and trusted for less time than they last.

A lease is a row with a token, a run and a moment when it ends, all by the database's clock. We stop some seconds before that
moment, by our own monotonic clock, counted from before we asked for the renewal.
"""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from exolink_reconcile.errors import Locked, ReconcileError, StorageFailed
from exolink_reconcile.state import statements
from exolink_reconcile.state.connection import AGAIN, TROUBLE, Link, reason
from exolink_reconcile.state.database_url import Database

LEASE = 60.0  # seconds
HEARTBEAT = 10.0
MARGIN = 10.0  # a lease is not trusted in its last seconds
_POLL = 0.5
_RETRY = 0.5
_MOST_AGAIN = 50

_T = TypeVar("_T")


class Leases:
    """The leases that one run holds. `link` is the connection of the store; the heartbeat has its own."""

    def __init__(self, database: Database, link: Link, origin: str, run: str, who: str) -> None:
        self.database = database
        self.origin = origin
        self.run = run
        self.who = who
        self.lost: ReconcileError | None = None
        self.tokens: dict[str, int] = {}
        self.deadline: float | None = None
        self._link = link
        self._heart = Link(database, HEARTBEAT)
        self._trouble = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def hold(self, tenants: Iterable[str], timeout: float, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the tenants, taken in sorted order so that two runs cannot wait for each other.

        Raises:
            Locked: somebody else holds one; the message says who, and when that lease ends.

        """
        ends_at = time.monotonic() + timeout
        try:
            for tenant in sorted(tenants):
                self._take(tenant, ends_at, say)
            yield
        finally:
            self.release()

    def _take(self, tenant: str, ends_at: float, say: Callable[[str], None]) -> None:
        values = {
            "origin": self.origin,
            "tenant": tenant,
            "run": self.run,
            "who": self.who,
            "host": socket.gethostname(),
            "lease": LEASE,
        }
        announced = False
        while True:
            asked_at = time.monotonic()
            if rows := self.ask(statements.TAKE, values):
                self.tokens[tenant] = rows[0]["token"]
                ours_until = asked_at + LEASE - MARGIN
                self.deadline = ours_until if self.deadline is None else min(self.deadline, ours_until)
                self._start_heart()
                return
            holder = self._holder(tenant)
            if time.monotonic() >= ends_at:
                raise Locked(
                    "E-LOCKED",
                    f"tenant {tenant} is locked by another apply: {holder}. Nothing was read; --lock-timeout S waits for it",
                )
            if not announced:
                announced = True
                say(f"Waiting up to {ends_at - time.monotonic():.0f} s for the lock of tenant {tenant}: {holder}.")
            time.sleep(_POLL)

    def _holder(self, tenant: str) -> str:
        rows = self.ask(statements.HOLDER, {"origin": self.origin, "tenant": tenant})
        if not rows:
            return "it has just ended"
        row = rows[0]
        return (
            f"held by {row['who']} on {row['host']}, last seen {max(row['quiet'], 0):.0f} s ago,"
            f" ends by itself in {max(row['left'], 0):.0f} s unless renewed"
        )

    def _start_heart(self) -> None:
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._beat, name="exolink-lease", daemon=True)
            self._thread.start()

    def _beat(self) -> None:
        pause = HEARTBEAT
        while not self._stop.wait(pause):
            asked_at = time.monotonic()
            try:
                lost = self.renew(asked_at)
            except psycopg.Error as error:
                self._trouble = reason(self.database, error)
                pause = min(_RETRY, HEARTBEAT)
                continue
            if lost:
                return
            self._trouble, pause = "", HEARTBEAT

    def renew(self, asked_at: float) -> bool:
        """Renew all our leases; returns whether one was lost. Raises psycopg.Error."""
        tokens = dict(self.tokens)
        rows = self._heart.ask(statements.RENEW, {**self.ours(tokens), "lease": LEASE})
        gone = sorted(set(tokens) - {row["tenant"] for row in rows})
        if gone and not self._stop.is_set():
            self.lost = lock_lost(gone[0])
            return True
        if set(tokens) == set(self.tokens):
            self.deadline = asked_at + LEASE - MARGIN
        return False

    def ours(self, tokens: Mapping[str, int] | None = None) -> dict[str, Any]:
        """The values for statements that check our leases."""
        tokens = self.tokens if tokens is None else tokens
        return {"origin": self.origin, "run": self.run, "tenants": list(tokens), "tokens": list(tokens.values())}

    def release(self) -> None:
        """Give back all leases, if the database can be reached; otherwise they end by themselves."""
        self._stop.set()
        if not self.tokens:
            return
        thread, self._thread = self._thread, None
        self.tokens, self.deadline = {}, None
        for _ in range(2):  # the connection may have dropped while it was idle
            with contextlib.suppress(psycopg.Error):
                self._link.ask(statements.RELEASE, {"origin": self.origin, "run": self.run})
                break
        if thread is not None:
            thread.join(1.0)

    def close(self) -> None:
        """Give back all leases, and close the connection of the heartbeat."""
        self.release()
        self._heart.close()

    def may_send(self) -> None:
        """The last check right before a request that writes.

        Raises:
            Locked: the lease was taken, broken or ran out while this process was paused.
            StorageFailed: the database could not be reached in time to renew it.

        """
        if self.lost is not None:
            raise self.lost
        if self.deadline is None or time.monotonic() < self.deadline:
            return
        if self._trouble:
            raise StorageFailed(
                "E-STORAGE",
                f"{self.database.shown} could not be reached in time to renew the lock: {self._trouble}",
            )
        raise lock_lost(next(iter(self.tokens), ""))

    def lose(self, tenant: str) -> ReconcileError:
        """Remember that a statement found the lease of a tenant gone; returns the error that says so."""
        self.lost = self.lost or lock_lost(tenant)
        return self.lost

    # ------------------------------------------------------------------------------------------------------ statements

    def ask(self, statement: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a statement; repeats it on a new connection as long as the lease lasts. Raises StorageFailed."""
        return self.repeat(lambda: self._link.ask(statement, values))

    def repeat(self, work: Callable[[], _T]) -> _T:
        """The result of `work`; repeats it on a new connection as long as the lease lasts. Raises StorageFailed."""
        for attempt in itertools.count():
            try:
                return work()
            except TROUBLE as error:
                trouble = reason(self.database, error)
                if self.lost is not None:
                    raise self.lost from None
                if isinstance(error, AGAIN) and attempt < _MOST_AGAIN:
                    continue
                if self.deadline is None or time.monotonic() >= self.deadline or isinstance(error, errors.DiskFull):
                    raise StorageFailed("E-STORAGE", f"{self.database.shown} cannot be reached: {trouble}") from None
                time.sleep(min(_RETRY, HEARTBEAT))
            except psycopg.Error as error:
                trouble = reason(self.database, error)
                raise StorageFailed("E-STORAGE", f"{self.database.shown} cannot be used: {trouble}") from None
        raise AssertionError("it is tried without end")


def lock_lost(tenant: str) -> Locked:
    """The error for a lease that is no longer ours."""
    return Locked(
        "E-LOCK-LOST",
        f"the lock of tenant {tenant} was lost while this apply worked (taken, broken, or not renewed in time), so another"
        " apply may be at work",
    )
