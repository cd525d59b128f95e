"""A connection to the database of a shared state: made again when it drops, and no wait for it is endless."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import errors

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.state import migrations
from exolink_reconcile.state.database_url import Database

CONNECT = 5  # seconds
PATIENCE = 30.0  # seconds that a statement may take before its connection counts as dead
_LOOK = 0.5
# Otherwise a server that does not notice that we are gone keeps the rows locked, even for our own next connection.
_BEGIN = b"BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'"

# Two statements got in each other's way: repeat the statement.
AGAIN = (errors.SerializationFailure, errors.DeadlockDetected)
# Trouble that a new connection may not have: it dropped, the server is gone, or it is a standby that must not write.
TROUBLE = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction)


class Link:
    """One connection, made again when it drops. It runs one statement at a time.

    A server that freezes after it took a statement keeps the connection alive: a wait longer than `patience` counts as a
    dropped connection.
    """

    def __init__(self, database: Database, patience: float = PATIENCE) -> None:
        self.database = database
        self.patience = patience
        self.connection: psycopg.Connection[dict[str, Any]] | None = None
        self._lock = threading.Lock()
        self._busy_since: float | None = None
        self._closed = threading.Event()
        self._watch: threading.Thread | None = None

    def ask(self, statement: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of one statement, which is a transaction of its own. Raises psycopg.Error."""
        with self._working() as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def transaction(self) -> "Iterator[psycopg.Connection[dict[str, Any]]]":
        """Several statements, all or none. Raises psycopg.Error."""
        with self._working() as connection:
            connection.execute(_BEGIN)
            try:
                yield connection
            except BaseException:
                with contextlib.suppress(psycopg.Error):
                    connection.rollback()
                raise
            connection.commit()

    def close(self) -> None:
        """Close it, whether or not it is in use."""
        self._closed.set()
        self._drop()

    @contextlib.contextmanager
    def _working(self) -> "Iterator[psycopg.Connection[dict[str, Any]]]":
        with self._lock:
            try:
                if self.connection is None or self.connection.closed:
                    self.connection = connect(self.database)
                self._start_watch()
                self._busy_since = time.monotonic()
                yield self.connection
            except TROUBLE:
                self._drop()
                raise
            finally:
                self._busy_since = None

    def _drop(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _start_watch(self) -> None:
        if self._watch is None:
            self._watch = threading.Thread(target=self._hang_up_the_silent, name="exolink-watch", daemon=True)
            self._watch.start()

    def _hang_up_the_silent(self) -> None:
        while not self._closed.wait(_LOOK):
            since, connection = self._busy_since, self.connection
            if since is not None and connection is not None and time.monotonic() - since > self.patience:
                with contextlib.suppress(psycopg.Error, OSError):
                    _hang_up(connection)


def _hang_up(connection: "psycopg.Connection[dict[str, Any]]") -> None:
    """End a connection that another thread waits for: libpq notices the end and raises there."""
    with socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


def connect(database: Database) -> "psycopg.Connection[dict[str, Any]]":
    """A connection that notices when the server is gone, and needs no session. Raises psycopg.Error."""
    defaults = {
        "connect_timeout": str(CONNECT),
        "application_name": "exolink-reconcile",
        "keepalives_idle": "5",
        "keepalives_interval": "2",
        "keepalives_count": "3",
        "tcp_user_timeout": str(CONNECT * 1000),
    }
    parameters: dict[str, Any] = {**defaults, **database.parameters}
    return psycopg.connect("", autocommit=True, prepare_threshold=None, row_factory=psycopg.rows.dict_row, **parameters)


def check_version(rows: Sequence[Mapping[str, Any]]) -> None:
    """Check that this version of the tool may use the tables. Raises StorageFailed."""
    if not rows or rows[0]["version"] < migrations.VERSION:
        raise StorageFailed(
            "E-STORAGE", "the tables of the shared state are of an older version: run `exolink-reconcile store init`"
        )
    refuse_newer(rows[0])


def refuse_newer(row: Mapping[str, Any]) -> None:
    """Refuse tables that a newer version made, if this one may not use them. Raises StorageFailed."""
    if row["oldest"] > migrations.VERSION:
        raise StorageFailed(
            "E-STORAGE", "the tables of the shared state were made by a newer version of this tool: use that one"
        )


def failed(database: Database, error: psycopg.Error) -> StorageFailed:
    """The error for a failed use of the database, with what to do now."""
    if isinstance(error, (errors.UndefinedTable, errors.InvalidSchemaName)):
        return StorageFailed(
            "E-STORAGE", f"{database.shown} has no tables of this tool: run `exolink-reconcile store init` once"
        )
    return StorageFailed("E-STORAGE", f"{database.shown} cannot be used: {reason(database, error)}")


def reason(database: Database, error: psycopg.Error) -> str:
    """The first line of what libpq or the server says, without our password."""
    text = error.diag.message_primary or str(error) or type(error).__name__
    return database.masked(text.strip().splitlines()[0])
