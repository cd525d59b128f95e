"""A connection to the database of a shared state: made again when it drops, and never waited for without end."""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import errors

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.state import migrations
from exolink_reconcile.state.database_url import Database

CONNECT = 5  # seconds

# Trouble that another connection may not have: it dropped, or the server went or is not the one that may write.
TROUBLE = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction)


class Link:
    """One connection, made again when it drops. Its statements go one after the other."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.connection: psycopg.Connection[dict[str, Any]] | None = None
        self._lock = threading.Lock()

    def ask(self, statement: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of one statement, which is a transaction of its own. Raises psycopg.Error."""
        with self._lock:
            try:
                cursor = self._open().execute(statement.encode(), values)
                return cursor.fetchall() if cursor.description else []
            except TROUBLE:
                self.close()
                raise

    @contextlib.contextmanager
    def transaction(self) -> "Iterator[psycopg.Connection[dict[str, Any]]]":
        """Several statements, all or none. Raises psycopg.Error."""
        with self._lock:
            try:
                connection = self._open()
                with connection.transaction():
                    yield connection
            except TROUBLE:
                self.close()
                raise

    def close(self) -> None:
        """Close it, whether or not it is in use."""
        connection, self.connection = self.connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()

    def _open(self) -> "psycopg.Connection[dict[str, Any]]":
        if self.connection is None or self.connection.closed:
            self.connection = connect(self.database)
        return self.connection


def connect(database: Database) -> "psycopg.Connection[dict[str, Any]]":
    """A connection that notices when the other end is gone, and needs no session. Raises psycopg.Error."""
    defaults = {
        "connect_timeout": str(CONNECT), "application_name": "exolink-reconcile", "keepalives_idle": "5",
        "keepalives_interval": "2", "keepalives_count": "3", "tcp_user_timeout": str(CONNECT * 1000),
    }  # fmt: skip
    parameters: dict[str, Any] = {**defaults, **database.parameters}
    return psycopg.connect("", autocommit=True, prepare_threshold=None, row_factory=psycopg.rows.dict_row, **parameters)


def check_version(rows: Sequence[Mapping[str, Any]]) -> None:
    """Look whether the tables are ours to use. Raises StorageFailed."""
    if not rows or rows[0]["version"] < migrations.VERSION:
        raise StorageFailed(
            "E-STORAGE", "the tables of the shared state are of an older version: run `exolink-reconcile store init`"
        )
    if rows[0]["oldest"] > migrations.VERSION:
        raise StorageFailed(
            "E-STORAGE", "the tables of the shared state were made by a newer version of this tool: use that one"
        )


def failed(database: Database, error: psycopg.Error) -> StorageFailed:
    """What cannot be done with the database, and what to do now."""
    if isinstance(error, (errors.UndefinedTable, errors.InvalidSchemaName)):
        return StorageFailed(
            "E-STORAGE", f"{database.shown} has no tables of this tool: run `exolink-reconcile store init` once"
        )
    return StorageFailed("E-STORAGE", f"{database.shown} cannot be used: {reason(database, error)}")


def reason(database: Database, error: psycopg.Error) -> str:
    """The first line of what libpq or the server says, without our password."""
    text = error.diag.message_primary or str(error) or type(error).__name__
    return database.masked(text.strip().splitlines()[0])
