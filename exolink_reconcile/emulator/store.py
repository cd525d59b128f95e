"""SQLite file to short transactions on it, from many threads and processes."""

import contextlib
import os
import sqlite3
import threading
import time
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path

from exolink_reconcile.emulator.errors import EmulatorError

_APPLICATION_ID = 0x45584F4C  # "EXOL", in the file's header: keeps us out of other programs' databases
_VERSION = 1
_BUSY_SECONDS = 30.0

_TABLES = (
    """
    CREATE TABLE object (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        owner INTEGER NOT NULL,       -- id of the tenant; 0 for a tenant itself
        collection TEXT NOT NULL,
        unique_key TEXT,              -- JSON of the field that is unique among the live
        posted INTEGER NOT NULL,      -- 0: a tenant that the emulator made by itself
        deleted INTEGER NOT NULL DEFAULT 0,
        shown TEXT NOT NULL           -- the JSON that the API answers, in ASCII
    )
    """,
    "CREATE INDEX object_collection ON object (owner, collection)",
    "CREATE UNIQUE INDEX object_live ON object (owner, collection, unique_key) WHERE deleted = 0",
    "CREATE TABLE about (database_id TEXT NOT NULL)",
)

_creating = threading.Lock()


class Store:
    """An open database.

    Connections wait in a pool and are used by one thread at a time, so that all of them can be closed: by `close`, else
    when the store is collected or the interpreter ends.
    """

    def __init__(self, database: Path) -> None:
        """Raises EmulatorError: the database can be neither opened nor made."""
        self._path = database.absolute()
        self._idle: list[sqlite3.Connection] = []
        self._writing = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)
        self._open()

    def close(self) -> None:
        """Close the idle connections; the last one of all processes also folds SQLite's -wal file into the database."""
        _close_all(self._idle)

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection for reading."""
        with self._connection() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a write transaction: committed at the end, rolled back on an exception."""
        # SQLite's own wait for other writers is a row of sleeps; among our threads a lock is fairer and faster.
        with self._writing, self._connection() as connection, _transaction(connection):
            yield connection

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = _connect(self._path)
        try:
            yield connection
        finally:
            if connection.in_transaction:  # cut short in a way that left no chance to roll back
                connection.close()
            else:
                self._idle.append(connection)

    def _open(self) -> None:
        try:
            _create_file(self._path)
            with self.write() as connection:
                _prepare(connection)
            with self.read() as connection:
                _use_wal(connection)
        except (OSError, ValueError, sqlite3.Error) as error:
            self.close()
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise EmulatorError(f"cannot use {self._path} as the emulator's database: {reason}") from None
        except EmulatorError:
            self.close()
            raise


def database_id(database: Path) -> str:
    """The random id made with the database, which is made if there is none.

    Raises:
        EmulatorError: the database can be neither opened nor made.

    """
    with contextlib.closing(Store(database)) as store, store.read() as connection:
        (identifier,) = connection.execute("SELECT database_id FROM about").fetchone()
        return str(identifier)


def _create_file(path: Path) -> None:
    """An empty file for the owner alone, if there is none: CPMS URLs may hold passwords."""
    if path.is_dir():
        raise IsADirectoryError(0, "it is a folder")
    # Locked, and never opened when it exists: closing any descriptor of a file drops all locks that SQLite has on it.
    with _creating, contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    # With WAL, NORMAL syncs at checkpoints and not at each commit: a killed process loses nothing, and a power cut
    # costs an emulator its last writes but not its database.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    # IMMEDIATE, because a transaction that starts as a reader cannot wait for its turn to write.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _prepare(connection: sqlite3.Connection) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if (application_id, version) == (_APPLICATION_ID, _VERSION):
        return
    if application_id == _APPLICATION_ID:
        raise ValueError("another version of the emulator made it")
    if application_id or tables:
        raise ValueError("it is the database of another program")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute("INSERT INTO about VALUES (?)", (uuid.uuid4().hex,))
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {_VERSION}")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Allow readers beside a writer from now on; if the file system cannot do that, the mode stays as it is."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            # Changing the mode does not wait for others by itself.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _close_all(connections: list[sqlite3.Connection]) -> None:
    while connections:
        connections.pop().close()
