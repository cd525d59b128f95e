"""What we are about to send and what came back, on disk before we go on.

The rule: the intent of a write is durable before its first byte leaves; its outcome may be lazy. A lost outcome costs a
list, a lost intent can cost a duplicate. So an operation is *open* until reading has told what became of it, in this run
or in a later one. SQLite keeps it (WAL, synchronous=FULL); beside it stands the audit record, one JSON line a fact.
"""

import contextlib
import functools
import json
import os
import sqlite3
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exolink_reconcile.errors import ReconcileError, StorageFailed
from exolink_reconcile.model import Operation, Outcome, Status, Step, remote_id
from exolink_reconcile.resource import Address
from exolink_reconcile.state import audit, lock, store
from exolink_reconcile.state import folder as folders
from exolink_reconcile.state.store import Base, Content, Lease, Memory, Write

_APPLICATION_ID = 0x45584A4E  # "EXJN": tells a journal from any other database
# A write whose intent was made durable at most this long ago needs no second stamp before it leaves: ages are counted
# from the intent then, and are this much younger, never older.
_FRESH = 1.0
_DATE_RESOLUTION = 1.0  # seconds: what a Date header leaves out
# A create that was answered, and that no list has shown yet: it must not be sent again before one does.
_ANSWERED = ("E-LIST-BLIND", "E-UNVERIFIED")
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
_MIGRATIONS = (_VERSION_1, _VERSION_2, _VERSION_3)
_VERSION = len(_MIGRATIONS)
# What nothing that we made is larger than, and no statement of ours takes longer than: a file is not believed.
_LONGEST = 64 * 2**20  # bytes of one value
_MOST_TEXT = 256 * 2**20  # bytes of the writes that are read at once
_MOST_STEPS = 100_000_000  # instructions of SQLite's machine for one question: some ten seconds
_STEPS_AT_A_TIME = 100_000
_OLD_IN_A_ROW = 500  # intents are made in the order of their numbers: behind so many old ones all are old
_INTEND = (
    "INSERT INTO op (run, digest, who, origin, tenant, kind, name, action, remote_id, before, after, intended_at, boot,"
    " ticks, api_date) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SENDING = (
    "UPDATE op SET sent_at = ?, sent_boot = ?, sent_ticks = ?, api_date = coalesce(?, api_date),"
    " attempts = attempts + 1 WHERE number = ?"
)


@dataclass(slots=True)
class _Waiting:
    """A statement that waits to be committed; `key` is the step whose intent it makes. `lazy`: a power cut may lose it."""

    statement: str
    values: tuple[Any, ...]
    key: int | None = None
    lazy: bool = False
    done: bool = False
    error: Exception | None = None


class Journal:
    """The journal of one state folder, for one run against one origin; used from several threads."""

    def __init__(self, folder: Path, origin: str, digest: str = "", *, read_only: bool = False) -> None:
        """Open it, make it if there is none. `read_only`: nothing is made or written, not even beside it.

        Raises:
            StorageFailed: the folder or the journal cannot be used, or is another version's.

        """
        self.folder = folder
        self.origin = origin
        self.run = uuid.uuid4().hex[:12]
        self.digest = digest
        self.who = audit.user()
        self.api_now: Callable[[], float | None] = lambda: None
        self._numbers: dict[int, int | None] = {}
        self._fresh: dict[int, float] = {}
        self._queue: list[_Waiting] = []
        self._queue_lock = threading.Lock()
        self._commit_lock = threading.Lock()
        self._held: lock.Held | None = None
        if not read_only:
            folders.prepare(folder)
        with _storage("the journal cannot be opened"):
            path = folder / "journal.db"
            self._database = _read_only(path) if read_only else _open(path)
            has_rows = "SELECT 1 FROM op WHERE origin = ?1 UNION ALL SELECT 1 FROM seen WHERE origin = ?1 LIMIT 1"
            self.is_new = self._database.execute(has_rows, (origin,)).fetchone() is None
        self._files = {name: _identity(folder / name) for name in _FILES}

    @property
    def where(self) -> str:
        """Where the state is kept, for people."""
        return f"the folder {self.folder}"

    @contextlib.contextmanager
    def hold(self, tenants: Iterable[str], timeout: float, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the tenants of this run's API; see lock.hold."""
        with lock.hold(self.folder, self.origin, tenants, timeout, say, run=self.run) as self._held:
            yield

    def may_send(self) -> None:
        """Look whether lock and journal still are what others find at their paths: right before anything is written.

        Raises:
            Locked: a lock file was removed or replaced, so another apply may be at work.
            StorageFailed: the journal was removed or replaced, so the next run would not know what this one sent.

        """
        for name, identity in self._files.items():
            if identity is None:
                self._files[name] = _identity(self.folder / name)  # the log is made by the first write
            elif identity != _identity(self.folder / name):
                raise StorageFailed(
                    "E-STORAGE", f"the journal {self.folder / name} was removed or replaced while this apply worked"
                )
        if self._held is not None:
            self._held.check()

    def close(self) -> None:
        """Close the file. What is open in it stays open."""
        self._database.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -------------------------------------------------------------------------------------------------------- intents

    def intend(self, step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Make the intent of a step's write durable. Only when this has returned may the write be sent.

        Threads that wait at the same time share one commit: a commit costs a flush of the disk.

        Raises:
            StorageFailed: it is not durable, so the write must not be sent.
            Locked: the lock was lost, so nothing may be sent.

        """
        self.may_send()
        now = time.time(), _boot(), time.monotonic()
        row = (
            self.run, self.digest, self.who, self.origin, *step.address, step.action.word,
            remote_id(step.before) if step.before is not None else None,
            json.dumps(before), json.dumps(after), *now, self.api_now(),
        )  # fmt: skip
        self._committed(_Waiting(_INTEND, row, id(step)))
        self._fresh[id(step)] = now[2]

    def sending(self, step: Step, api_date: float | None = None) -> None:
        """Stamp that an attempt of a step's write is about to leave. Only when this has returned may it be sent.

        `api_date` is the API's own clock, in seconds since the epoch, where it is known. The first attempt right after the
        intent costs nothing: the intent is its stamp.

        Raises:
            StorageFailed: the stamp is not durable, so the attempt must not be sent.
            Locked: the lock was lost, so nothing may be sent.

        """
        self.may_send()
        intended = self._fresh.pop(id(step), None)
        if intended is not None and time.monotonic() - intended < _FRESH:
            return
        api_date = self.api_now() if api_date is None else api_date
        values = time.time(), _boot(), time.monotonic(), api_date, self._numbers[id(step)]
        self._committed(_Waiting(_SENDING, values))

    def answered(self, step: Step, *, deleted: bool = False) -> None:
        """Remember that a step's write was answered; `deleted`: only the delete of a replace. A kill does not lose it.

        Raises:
            StorageFailed: the journal cannot be written. The write was sent and answered all the same.

        """
        column = "deleted" if deleted else "answered"
        self._committed(_Waiting(f"UPDATE op SET {column} = 1 WHERE number = ?", (self._numbers[id(step)],), lazy=True))

    def _committed(self, waiting: _Waiting) -> None:
        with self._queue_lock:
            self._queue.append(waiting)
        with self._commit_lock:
            if not waiting.done:
                with self._queue_lock:
                    batch, self._queue = self._queue, []
                self._commit(batch)
        if isinstance(waiting.error, ReconcileError):
            raise waiting.error
        if waiting.error is not None:
            raise StorageFailed("E-STORAGE", f"the journal cannot be written: {waiting.error}")

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        numbers: dict[int, int | None] = {}
        try:
            lazy = all(waiting.lazy for waiting in batch)
            with self._transaction(lazy=lazy) as database:
                for waiting in batch:
                    cursor = database.execute(waiting.statement, waiting.values)
                    if waiting.key is not None:
                        numbers[waiting.key] = cursor.lastrowid
            self.may_send()  # what was committed to a file that is not at its path any more protects nobody
            self._numbers.update(numbers)
        except (sqlite3.Error, ReconcileError) as error:
            for waiting in batch:
                waiting.error = error
        for waiting in batch:
            waiting.done = True

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Close the operations whose outcome is known, and put every outcome on the audit record.

        Raises:
            StorageFailed: the operations stay open; a later run settles them.

        """
        outcomes = list(outcomes)
        with _storage("the journal cannot be written"):
            with self._commit_lock, self._transaction() as database:
                for outcome in outcomes:
                    number = self._numbers.get(id(outcome.step))
                    if number is None:
                        continue
                    is_open = outcome.status is Status.UNKNOWN or outcome.code == "E-UNVERIFIED"
                    result = None if is_open else outcome.status.value
                    database.execute(
                        "UPDATE op SET outcome = ?, answered = max(answered, ?), made = coalesce(?, made), code = ?, detail = ?"
                        " WHERE number = ?",
                        (
                            result,
                            outcome.step.creates and outcome.code in _ANSWERED,
                            outcome.made,
                            outcome.code,
                            store.storable(outcome.detail),
                            number,
                        ),
                    )
            self._audit_outcomes(outcomes)

    def open_operations(self, tenants: Iterable[str] | None = None) -> list[Operation]:
        """The operations that are still open, oldest first: of some tenants of this origin, or all there are."""
        condition, values = "outcome IS NULL", []
        if tenants is not None:
            values = [self.origin, *tenants]
            condition += f" AND origin = ? AND tenant IN ({', '.join('?' * (len(values) - 1))})"
        with _storage("the journal cannot be read"):
            return _operations(self._database, condition, values, api_now=self.api_now())

    def made_lately(self, tenants: Iterable[str], window: float) -> list[Operation]:
        """The creates of the last `window` seconds that are known to have made an object, with its id as `remote_id`."""
        with _storage("the journal cannot be read"):
            operations = [op for tenant in tenants for op in self._made_lately(tenant, window)]
        return sorted(operations, key=lambda op: op.number)

    def _made_lately(self, tenant: str, window: float) -> Iterator[Operation]:
        """Newest first, until so many in a row are old that all before them are: a journal may hold hundreds of thousands."""
        statement = "SELECT * FROM op WHERE made IS NOT NULL AND origin = ? AND tenant = ? ORDER BY number DESC"
        old, api_now = 0, self.api_now()
        with _damage(), contextlib.closing(self._database.execute(statement, (self.origin, tenant))) as rows:
            for row in rows:
                operation = _operation(row, api_now, id_column="made")
                old = old + 1 if operation.age >= window else 0
                if old > _OLD_IN_A_ROW:
                    return
                if not old:
                    yield operation

    def last_made(self, addresses: Iterable[Address]) -> dict[Address, int]:
        """The id of what was made last at each of some addresses; one at which nothing is known to be made is left out."""
        by_place: dict[tuple[str, str], list[str]] = defaultdict(list)
        for address in addresses:
            by_place[address.tenant, address.kind].append(address.name)
        statement = (
            "SELECT name, made FROM op INDEXED BY op_made_at WHERE made IS NOT NULL AND origin = ? AND tenant = ? AND kind = ?"
            " AND name IN (SELECT value FROM json_each(?)) ORDER BY number"
        )
        with _storage("the journal cannot be read"), _damage():
            return {
                Address(*place, row["name"]): row["made"]
                for place, names in by_place.items()
                for row in self._database.execute(statement, (self.origin, *place, json.dumps(names)))
            }

    def settle_earlier(self, operations: Mapping[int, str], new_ids: Mapping[int, int] | None = None) -> None:
        """Close operations of an earlier run, by number, with the outcome that reading told.

        `new_ids` are those of the objects that creates made, by number.
        """
        new_ids = new_ids or {}
        with _storage("the journal cannot be written"), self._commit_lock:
            with self._transaction() as database, _damage():
                rows = [
                    database.execute(
                        "UPDATE op SET outcome = ?, made = coalesce(?, made) WHERE number = ? RETURNING *",
                        (outcome, new_ids.get(number), number),
                    ).fetchone()
                    for number, outcome in operations.items()
                ]
                if None in rows:
                    raise sqlite3.DatabaseError("an operation that was open is not there any more")
                lines = [audit.write(row) for row in rows]
            self._append(lines)

    def forget(self, operations: Iterable[Operation]) -> None:
        """Close open operations for good, although nobody knows what became of them."""
        self.settle_earlier({op.number: "forgotten" for op in operations})

    # -------------------------------------------------------------------------------------------------------- history

    def history(self, run: str | None = None) -> Iterator[Write]:
        """The writes of earlier runs, or of one run, newest first."""
        condition, values = ("WHERE run = ?", [run]) if run is not None else ("", [])
        with _storage("the journal cannot be read"), _damage():
            for row in self._database.execute(f"SELECT * FROM op {condition} ORDER BY number DESC", values):
                yield _write(_Columns(row))

    def content(self) -> Content:
        """All that is remembered, to be taken elsewhere."""
        with _storage("the journal cannot be read"), _damage():
            writes = [_Columns(row) for row in self._database.execute("SELECT * FROM op ORDER BY number")]
            counts = [dict(row) for row in self._database.execute("SELECT * FROM seen")]
            has_bases = self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'base'").fetchone()
            bases = self._database.execute("SELECT * FROM base").fetchall() if has_bases else []
        return Content(writes, [tuple(row) for row in bases], counts)

    def prune(self, days: int) -> tuple[int, int]:
        """Throw away closed writes and audit lines that are older; how many of each."""
        before = time.time() - days * 86_400
        with _storage("the journal cannot be written"), self._commit_lock:
            with self._transaction() as database:
                writes = database.execute(
                    "DELETE FROM op WHERE outcome IS NOT NULL AND max(intended_at, coalesce(sent_at, 0)) < ?", (before,)
                ).rowcount
            self._database.execute("VACUUM")
            lines = audit.prune(self.folder / "audit.jsonl", before)
        return writes, lines

    def counts(self) -> tuple[int, int]:
        """How many writes are open, and how many are closed."""
        with _storage("the journal cannot be read"):
            row = self._database.execute("SELECT count(*) - count(outcome), count(outcome) FROM op").fetchone()
            return int(row[0]), int(row[1])

    def leases(self) -> list[Lease]:
        """Who holds which tenant of which API now."""
        return lock.held(self.folder)

    # ----------------------------------------------------------------------------------------------------------- base

    def base(self, tenant: str) -> Base | None:
        """What the last apply of a tenant declared and verified; None where there was none."""
        with _storage("the journal cannot be read"):
            return _base(self._database, self.origin, tenant)

    def keep_base(self, tenant: str, declared: Mapping[Address, Mapping[str, Any]], keep: Container[Address]) -> None:
        """Remember what was declared and verified, instead of what was remembered; see Store.keep_base."""
        before = self.base(tenant)
        content = store.pack_base(store.renewed_base(before, declared, keep))
        with _storage("the journal cannot be written"), self._commit_lock, self._transaction() as database:
            database.execute(
                "INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?)", (self.origin, tenant, time.time(), content)
            )

    # ------------------------------------------------------------------------------------------------------ last seen

    def seen(self) -> dict[tuple[str, str], int]:
        """How many rows each list had when an apply last read it, by tenant and kind word."""
        with _storage("the journal cannot be read"):
            return _seen(self._database, self.origin)

    def saw(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Remember how many rows each list has."""
        rows = [(self.origin, tenant, kind, count) for (tenant, kind), count in counts.items()]
        with _storage("the journal cannot be written"), self._commit_lock, self._transaction() as database:
            database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", rows)

    # ---------------------------------------------------------------------------------------------------------- audit

    def started(self, steps: int) -> None:
        """Put the start of a run on the audit record.

        Raises:
            StorageFailed: nothing may be written to the API without it.

        """
        with _storage("the audit record cannot be written"):
            self._append([audit.run_started(steps)])

    def ended(self, exit_code: int, totals: tuple[int, int, int]) -> None:
        """Put the end of a run on the audit record."""
        with _storage("the audit record cannot be written"):
            self._append([audit.run_ended(exit_code, totals)])

    def _audit_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        numbers = {self._numbers[id(o.step)]: o for o in outcomes if id(o.step) in self._numbers}
        lines = []
        for number, outcome in numbers.items():
            row = self._database.execute("SELECT * FROM op WHERE number = ?", (number,)).fetchone()
            with _damage():
                audited = audit.write(row)
            lines.append({**audited, "outcome": outcome.status.value, "code": outcome.code, "detail": outcome.detail})
        lines += [audit.unsent(outcome) for outcome in outcomes if id(outcome.step) not in self._numbers]
        self._append(lines)

    def _append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        head = {"run": self.run, "user": self.who, "origin": self.origin, "digest": self.digest}
        audit.append(self.folder / "audit.jsonl", head, lines)

    @contextlib.contextmanager
    def _transaction(self, *, lazy: bool = False) -> Iterator[sqlite3.Connection]:
        self._database.execute(f"PRAGMA synchronous={'NORMAL' if lazy else 'FULL'}")
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise


def peek(folder: Path, origin: str, tenants: Iterable[str] = ()) -> Memory:
    """Read a journal without writing anything, not even beside it; empty where there is none.

    `tenants` are those whose base is wanted. Where it cannot be read or must not be believed, `note` says so.
    """
    path = folder / "journal.db"
    try:
        if not os.path.lexists(folder):
            return Memory()
        folders.check(folder)
        if not os.path.lexists(path):
            return Memory()
        with _storage("the journal cannot be read"), contextlib.closing(_read_only(path)) as database:
            operations = _operations(database, "outcome IS NULL AND origin = ?", [origin])
            bases = {tenant: base for tenant in tenants if (base := _base(database, origin, tenant))}
            return Memory(tuple(operations), _seen(database, origin), bases)
    except StorageFailed as error:
        return Memory(note=error.summary)


def _read_only(path: Path) -> sqlite3.Connection:
    """A journal that nothing is written to, not even beside it. Raises as `_check` does."""
    os.close(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK))
    # Where nobody writes there is no log beside it, and opening it `ro` would make one.
    modes = ("mode=ro", "mode=ro&immutable=1")
    for mode in modes if path.with_name("journal.db-wal").exists() else modes[1:]:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)
        try:
            version = _check(database, path)
        except (sqlite3.Error, OSError):
            database.close()
            if mode == modes[-1]:
                raise
        except BaseException:
            database.close()
            raise
        else:
            return database if version else _empty(database)
    raise AssertionError("the last mode either opens or raises")


def _empty(database: sqlite3.Connection) -> sqlite3.Connection:
    """A journal without anything in it, instead of a file whose tables are about to be made."""
    database.close()
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    memory.row_factory = sqlite3.Row
    _migrate(memory, 0)
    return memory


def _open(path: Path) -> sqlite3.Connection:
    """An open journal.

    Raises:
        sqlite3.Error, OSError: it cannot be read or written.
        StorageFailed: it is no journal, or one of a newer version.

    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        if os.fstat(handle).st_uid != os.geteuid():
            raise folders.unsafe(f"{path} belongs to another user")
        os.fchmod(handle, 0o600)
    finally:
        os.close(handle)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        _check(database, path)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("BEGIN IMMEDIATE")  # writable, or an error now and not in the middle of an apply
        _migrate(database, _version_of(database, path))  # looked at again: another run may have migrated it meanwhile
        database.execute("COMMIT")
        database.set_progress_handler(None, 0)
    except BaseException:
        database.close()
        raise
    return database


def _migrate(database: sqlite3.Connection, version: int) -> None:
    """Bring the tables from a version to this one, inside the transaction that is open."""
    if version == _VERSION:
        return
    for statement in _statements("".join(_MIGRATIONS[version:])):
        database.execute(statement)
    database.execute(f"PRAGMA application_id={_APPLICATION_ID}")
    database.execute(f"PRAGMA user_version={_VERSION}")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit what is open first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _check(database: sqlite3.Connection, path: Path) -> int:
    """The version of a journal, 0 for an empty file. What is in it is not believed before it was looked at.

    Raises:
        sqlite3.Error, OSError: it cannot be read.
        StorageFailed: it is not a journal of this tool, or was written by a newer version.

    """
    database.row_factory = sqlite3.Row
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    database.set_progress_handler(_Patience(), _STEPS_AT_A_TIME)
    database.execute("PRAGMA trusted_schema=OFF")
    database.execute("BEGIN")  # one look: never the tables of one version and the number of another
    try:
        return _version_of(database, path)
    finally:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")


def _version_of(database: sqlite3.Connection, path: Path) -> int:
    """See _check; inside a transaction."""
    with _damage():
        application, version = (
            database.execute(f"PRAGMA {fact}").fetchone()[0] for fact in ("application_id", "user_version")
        )
        shape = frozenset(tuple(row) for row in database.execute(f"{_SHAPE} LIMIT 100"))
    if shape and application != _APPLICATION_ID:
        raise folders.unsafe(f"{path} is not a journal of this tool")
    if version > _VERSION:
        raise StorageFailed("E-STORAGE", f"{path} was written by a newer version of this tool: use that one")
    if shape != _shape(version):
        raise folders.unsafe(f"{path} is not as this tool made it: its tables were changed")
    return int(version)


@functools.cache
def _shape(version: int) -> frozenset[tuple[str, ...]]:
    """What the tables of a journal of this version look like."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.executescript("".join(_MIGRATIONS[:version]))
        return frozenset(database.execute(_SHAPE))


class _Patience:
    """Ends a question that takes too long: its `__call__` is SQLite's progress handler."""

    def __init__(self) -> None:
        self._left = _MOST_STEPS

    def __call__(self) -> bool:
        self._left -= _STEPS_AT_A_TIME
        return self._left < 0


_SHAPE = "SELECT type, name, tbl_name, sql FROM sqlite_master"
_FILES = ("journal.db", "journal.db-wal")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _operations(
    database: sqlite3.Connection, condition: str, values: Sequence[Any], *, api_now: float | None = None
) -> list[Operation]:
    operations, size = [], 0
    with _damage():
        for row in database.execute(f"SELECT * FROM op WHERE {condition} ORDER BY number", values):
            size += len(row["before"]) + len(row["after"])
            if size > _MOST_TEXT:
                raise sqlite3.DatabaseError("it holds more open writes than any run makes")
            operations.append(_operation(row, api_now))
    return operations


def _operation(row: sqlite3.Row, api_now: float | None, *, id_column: str = "remote_id") -> Operation:
    columns = _Columns(row)
    return Operation(
        columns["number"], columns["origin"], Address(columns["tenant"], columns["kind"], columns["name"]),
        columns["action"], columns[id_column], json.loads(columns["after"]), columns["intended_at"],
        _age(columns, api_now), bool(columns["answered"]), columns["made"], columns["attempts"],
        bool(columns["deleted"]), columns["run"],
    )  # fmt: skip


def _write(columns: Mapping[str, Any]) -> Write:
    return Write(
        columns["number"], columns["run"], columns["intended_at"], columns["who"] or "", columns["origin"],
        Address(columns["tenant"], columns["kind"], columns["name"]), columns["action"], columns["remote_id"],
        columns["made"], json.loads(columns["before"]), json.loads(columns["after"]), columns["outcome"],
        columns["code"] or "", columns["detail"] or "",
    )  # fmt: skip


def _base(database: sqlite3.Connection, origin: str, tenant: str) -> Base | None:
    with _damage():
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'base'").fetchone():
            return None
        statement = "SELECT kept_at, content FROM base WHERE origin = ? AND tenant = ?"
        row = database.execute(statement, (origin, tenant)).fetchone()
        return None if row is None else store.unpack_base(tenant, row["kept_at"], row["content"])


class _Columns(dict[str, Any]):
    """A row of any version of the journal: a column that its version lacked has the value that the upgrade gives it."""

    def __missing__(self, name: str) -> Any:
        return _ADDED[name]


_ADDED = {
    **dict.fromkeys(("sent_at", "sent_boot", "sent_ticks", "api_date", "who", "code", "detail")),
    "attempts": 1,
    "deleted": 0,
}


def _age(row: Mapping[str, Any], api_now: float | None) -> float:
    """Seconds since a write was last sent: the smallest that any clock says, and never below zero.

    The wall clock may be moved, a cloned machine has another's monotonic clock, the API's may be wrong: each of them can
    make a write look young, and then the next run waits; none can make it look old.
    """
    again = row["sent_at"] is not None
    at, boot, ticks = ("sent_at", "sent_boot", "sent_ticks") if again else ("intended_at", "boot", "ticks")
    ages = [time.time() - row[at]]
    if row[boot] and row[boot] == _boot():
        ages.append(time.monotonic() - row[ticks])
    if api_now is not None and row["api_date"] is not None:
        ages.append(api_now - row["api_date"] - _DATE_RESOLUTION)
    return float(max(0.0, min(ages) - (0.0 if again else _FRESH)))


@functools.cache
def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""  # not Linux: every start looks alike, so the monotonic clock would lie


def _seen(database: sqlite3.Connection, origin: str) -> dict[tuple[str, str], int]:
    with _damage():
        rows = database.execute("SELECT tenant, kind, rows FROM seen WHERE origin = ?", (origin,)).fetchall()
        return {(row["tenant"], row["kind"]): row["rows"] for row in rows}


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """What a damaged file makes of our reading it, as the error that it is."""
    try:
        yield
    except (ValueError, TypeError, LookupError) as error:
        raise sqlite3.DatabaseError(f"the journal is damaged ({type(error).__name__})") from None


@contextlib.contextmanager
def _storage(action: str) -> Iterator[None]:
    """Storage errors of every kind as the one that says so."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StorageFailed("E-STORAGE", f"{action}: {reason}") from None
