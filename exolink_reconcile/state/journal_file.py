"""The file of a journal: checked before it is believed, opened, and its tables made or migrated."""

import contextlib
import functools
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.state import folder as folders
from exolink_reconcile.state.journal_rows import damage

APPLICATION_ID = 0x45584A4E  # "EXJN": tells a journal from any other database
_VERSION_1 = """
CREATE TABLE IF NOT EXISTS op (
    number INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    digest TEXT NOT NULL,
    origin TEXT NOT NULL,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    action TEXT NOT NULL,
    remote_id INTEGER,
    before TEXT NOT NULL,             -- JSON, secrets masked: the last-seen row of what is changed or deleted
    after TEXT NOT NULL,              -- JSON, secrets masked: what is sent
    intended_at REAL NOT NULL,        -- seconds since the epoch
    boot TEXT NOT NULL,               -- which start of the machine, and its clock then: no wall clock can change it
    ticks REAL NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0,
    made INTEGER,                     -- live id of what a create made
    outcome TEXT                      -- NULL while open
);
CREATE INDEX IF NOT EXISTS op_open ON op (origin, tenant) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS seen (
    origin TEXT NOT NULL, tenant TEXT NOT NULL, kind TEXT NOT NULL, rows INTEGER NOT NULL,
    PRIMARY KEY (origin, tenant, kind)
);
"""
_VERSION_2 = """
ALTER TABLE op ADD COLUMN sent_at REAL;          -- when it was last sent, where that is not when it was intended
ALTER TABLE op ADD COLUMN sent_boot TEXT;
ALTER TABLE op ADD COLUMN sent_ticks REAL;
ALTER TABLE op ADD COLUMN api_date REAL;         -- the API's own clock then
ALTER TABLE op ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1;
ALTER TABLE op ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;  -- of a replace: the delete was answered
ALTER TABLE op ADD COLUMN who TEXT;
ALTER TABLE op ADD COLUMN code TEXT;
ALTER TABLE op ADD COLUMN detail TEXT;
CREATE INDEX op_made ON op (origin, tenant, number) WHERE made IS NOT NULL;
CREATE INDEX op_run ON op (run);
CREATE TABLE base (
    origin TEXT NOT NULL, tenant TEXT NOT NULL, kept_at REAL NOT NULL, content BLOB NOT NULL,  -- JSON, zlib
    PRIMARY KEY (origin, tenant)
);
"""
_VERSION_3 = """
CREATE INDEX op_made_at ON op (origin, tenant, kind, name, number) WHERE made IS NOT NULL;
"""
MIGRATIONS = (_VERSION_1, _VERSION_2, _VERSION_3)
VERSION = len(MIGRATIONS)
_LONGEST_WAIT = 30.0  # seconds for other processes that have the file open
# Nothing that we wrote is larger, and no statement of ours takes longer. The file is untrusted, so these are enforced.
_LONGEST = 64 * 2**20  # bytes of one value
_MOST_STEPS = 100_000_000  # instructions of SQLite's machine for one question: some ten seconds
_STEPS_AT_A_TIME = 100_000
_SHAPE = "SELECT type, name, tbl_name, sql FROM sqlite_master"


def read_only(path: Path) -> sqlite3.Connection:
    """A journal that is only read; not even a file beside it is written. Raises as `open_writable` does."""
    os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK))
    if path.with_name("journal.db-wal").exists():
        with contextlib.suppress(sqlite3.Error, OSError):
            return _open_read_only(path, "mode=ro")
    # If nobody writes, there is no log beside it, and opening it `ro` would make one.
    return _open_read_only(path, "mode=ro&immutable=1")


def _open_read_only(path: Path, mode: str) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)
    try:
        version = _check(database, path)
    except BaseException:
        database.close()
        raise
    if version:
        return database
    database.close()
    return _empty()


def _empty() -> sqlite3.Connection:
    """An empty journal, in place of a file whose tables are just being made."""
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    memory.row_factory = sqlite3.Row
    _migrate(memory, 0)
    return memory


def open_writable(path: Path) -> sqlite3.Connection:
    """An open journal.

    Raises:
        sqlite3.Error, OSError: it cannot be read or written.
        StorageFailed: it is not a journal, or a newer version made it.

    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        if os.fstat(handle).st_uid != os.geteuid():
            raise folders.unsafe(f"{path} belongs to another user")
        os.fchmod(handle, 0o600)
    finally:
        os.close(handle)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_LONGEST_WAIT)
    try:
        _check(database, path)
        _use_wal(database)
        database.execute("BEGIN IMMEDIATE")  # fail now if it is not writable, not in the middle of an apply
        _migrate(database, _version_of(database, path))  # again, because another run may have migrated it meanwhile
        database.execute("COMMIT")
        database.set_progress_handler(None, 0)
    except BaseException:
        database.close()
        raise
    return database


def _use_wal(database: sqlite3.Connection) -> None:
    """Allow readers beside a writer from now on. SQLite does not wait for others when it changes this mode, so we do."""
    deadline = time.monotonic() + _LONGEST_WAIT
    while True:
        try:
            database.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _migrate(database: sqlite3.Connection, version: int) -> None:
    """Migrate the tables from `version` to this one, inside the open transaction."""
    if version == VERSION:
        return
    for statement in _statements("".join(MIGRATIONS[version:])):
        database.execute(statement)
    database.execute(f"PRAGMA application_id={APPLICATION_ID}")
    database.execute(f"PRAGMA user_version={VERSION}")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit what is open first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _check(database: sqlite3.Connection, path: Path) -> int:
    """The version of a journal, 0 for an empty file. Its content is not believed before this check.

    Raises:
        sqlite3.Error, OSError: it cannot be read.
        StorageFailed: it is not a journal of this tool, or was written by a newer version.

    """
    database.row_factory = sqlite3.Row
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    database.set_progress_handler(_Patience(), _STEPS_AT_A_TIME)
    database.execute("PRAGMA trusted_schema=OFF")
    database.execute("BEGIN")  # one consistent look: never the tables of one version and the number of another
    try:
        return _version_of(database, path)
    finally:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")


def _version_of(database: sqlite3.Connection, path: Path) -> int:
    """See _check; call it inside a transaction."""
    with damage():
        application, version = (
            database.execute(f"PRAGMA {fact}").fetchone()[0] for fact in ("application_id", "user_version")
        )
        shape = frozenset(tuple(row) for row in database.execute(f"{_SHAPE} LIMIT 100"))
    if shape and application != APPLICATION_ID:
        raise folders.unsafe(f"{path} is not a journal of this tool")
    if version > VERSION:
        raise StorageFailed("E-STORAGE", f"{path} was written by a newer version of this tool: use that one")
    if shape != _shape(version):
        raise folders.unsafe(f"{path} is not as this tool made it: its tables were changed")
    return int(version)


@functools.cache
def _shape(version: int) -> frozenset[tuple[str, ...]]:
    """The tables of a journal of this version, as SQLite describes them."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript("".join(MIGRATIONS[:version]))
        return frozenset(database.execute(_SHAPE))


class _Patience:
    """Ends a query that takes too long: its `__call__` is SQLite's progress handler."""

    def __init__(self) -> None:
        self._left = _MOST_STEPS

    def __call__(self) -> bool:
        self._left -= _STEPS_AT_A_TIME
        return self._left < 0
