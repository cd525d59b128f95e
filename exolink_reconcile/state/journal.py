"""What we are about to send and what came back, on disk before we go on.

The rule: the intent of a write is durable before its first byte leaves; its outcome may be lazy. A lost outcome costs a
list, a lost intent can cost a duplicate. So an operation is *open* until reading has told what became of it, in this run
or in a later one. SQLite keeps it (WAL, synchronous=FULL); beside it stands the audit record, one JSON line a fact.
"""

import contextlib
import functools
import getpass
import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.model import Operation, Outcome, Status, Step, remote_id
from exolink_reconcile.resource import Address

_APPLICATION_ID = 0x45584A4E  # "EXJN": tells a journal from any other database
_VERSION = 2
# A write whose intent was made durable at most this long ago needs no second stamp before it leaves: ages are counted
# from the intent then, and are this much younger, never older.
_FRESH = 1.0
_DATE_RESOLUTION = 1.0  # seconds: what a Date header leaves out
# A create that was answered, and that no list has shown yet: it must not be sent again before one does.
_ANSWERED = ("E-LIST-BLIND", "E-UNVERIFIED")
_TABLES = """
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
    outcome TEXT,                     -- NULL while open
    sent_at REAL,                     -- when it was last sent, where that is not when it was intended; by the same clocks
    sent_boot TEXT,
    sent_ticks REAL,
    api_date REAL,                    -- the API's own clock then
    attempts INTEGER NOT NULL DEFAULT 1,
    deleted INTEGER NOT NULL DEFAULT 0  -- of a replace: the delete was answered
);
CREATE INDEX IF NOT EXISTS op_open ON op (origin, tenant) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS seen (
    origin TEXT NOT NULL, tenant TEXT NOT NULL, kind TEXT NOT NULL, rows INTEGER NOT NULL,
    PRIMARY KEY (origin, tenant, kind)
);
"""


# What version 1 lacked.
_UPGRADE = """
ALTER TABLE op ADD COLUMN sent_at REAL;
ALTER TABLE op ADD COLUMN sent_boot TEXT;
ALTER TABLE op ADD COLUMN sent_ticks REAL;
ALTER TABLE op ADD COLUMN api_date REAL;
ALTER TABLE op ADD COLUMN attempts INTEGER NOT NULL DEFAULT 1;
ALTER TABLE op ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;
"""
_INTEND = (
    "INSERT INTO op (run, digest, origin, tenant, kind, name, action, remote_id, before, after, intended_at, boot,"
    " ticks, api_date) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
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

    def __init__(self, folder: Path, origin: str, digest: str = "") -> None:
        """Open it, make it if there is none.

        Raises:
            StorageFailed: the folder or the journal cannot be used, or is another version's.

        """
        self.is_new = not (folder / "journal.db").exists()
        self.folder = folder
        self.origin = origin
        self.run = uuid.uuid4().hex[:12]
        self.digest = digest
        self.api_now: Callable[[], float | None] = lambda: None
        self._numbers: dict[int, int | None] = {}
        self._fresh: dict[int, float] = {}
        self._queue: list[_Waiting] = []
        self._queue_lock = threading.Lock()
        self._commit_lock = threading.Lock()
        _prepare_folder(folder)
        with _storage("the journal cannot be opened"):
            self._database = _open(folder / "journal.db")

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

        """
        now = time.time(), _boot(), time.monotonic()
        row = (
            self.run, self.digest, self.origin, *step.address, step.action.word,
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

        """
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
            self._numbers.update(numbers)
        except sqlite3.Error as error:
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
                    known = None if is_open else outcome.status.value
                    database.execute(
                        "UPDATE op SET outcome = ?, answered = max(answered, ?), made = coalesce(?, made) WHERE number = ?",
                        (known, outcome.step.creates and outcome.code in _ANSWERED, outcome.made, number),
                    )
            self._audit_outcomes(outcomes)

    def open_operations(self, tenants: Iterable[str] | None = None) -> list[Operation]:
        """The operations that are still open, oldest first: of some tenants of this origin, or all there are."""
        where, values = "outcome IS NULL", []
        if tenants is not None:
            values = [self.origin, *tenants]
            where += f" AND origin = ? AND tenant IN ({', '.join('?' * (len(values) - 1))})"
        with _storage("the journal cannot be read"):
            return _operations(self._database, where, values, api_now=self.api_now())

    def made_lately(self, tenants: Iterable[str], window: float) -> list[Operation]:
        """The creates of the last `window` seconds that are known to have made an object, with its id as `remote_id`."""
        names = list(tenants)
        where = f"made IS NOT NULL AND origin = ? AND tenant IN ({', '.join('?' * len(names))})"
        with _storage("the journal cannot be read"):
            found = _operations(self._database, where, [self.origin, *names], id_column="made", api_now=self.api_now())
        return [op for op in found if op.age < window]

    def settle_earlier(self, operations: Mapping[int, str], made: Mapping[int, int] | None = None) -> None:
        """Close operations of an earlier run, by number, with the outcome that reading told.

        `made` are the ids of the objects that creates made, by number.
        """
        made = made or {}
        with _storage("the journal cannot be written"), self._commit_lock:
            with self._transaction() as database, _damage():
                rows = [
                    database.execute(
                        "UPDATE op SET outcome = ?, made = coalesce(?, made) WHERE number = ? RETURNING *",
                        (outcome, made.get(number), number),
                    ).fetchone()
                    for number, outcome in operations.items()
                ]
                if None in rows:
                    raise sqlite3.DatabaseError("an operation that was open is not there any more")
                lines = [_audited(dict(row)) for row in rows]
            self._append(lines)

    def forget(self, address: str) -> int:
        """Close the open operations at an address, of whatever origin; how many there were."""
        parsed = Address.parse(address)
        found = [op for op in self.open_operations() if op.address == parsed]
        self.settle_earlier({op.number: "forgotten" for op in found})
        return len(found)

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
            self._append([{"event": "run started", "steps": steps}])

    def ended(self, exit_code: Exit, totals: tuple[int, int, int]) -> None:
        """Put the end of a run on the audit record."""
        added, changed, destroyed = totals
        with _storage("the audit record cannot be written"):
            self._append(
                [
                    {
                        "event": "run ended",
                        "exit_code": exit_code,
                        "added": added,
                        "changed": changed,
                        "destroyed": destroyed,
                    }
                ]
            )

    def _audit_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        numbers = {self._numbers[id(o.step)]: o for o in outcomes if id(o.step) in self._numbers}
        lines = []
        for number, outcome in numbers.items():
            row = self._database.execute("SELECT * FROM op WHERE number = ?", (number,)).fetchone()
            with _damage():
                known = _audited(dict(row))
            lines.append({**known, "outcome": outcome.status.value, "code": outcome.code, "detail": outcome.detail})
        lines += [
            {
                "event": "write",
                "address": str(o.step.address),
                "action": o.step.action.word,
                "outcome": o.status.value,
                "code": o.code,
                "detail": o.detail,
            }
            for o in outcomes
            if id(o.step) not in self._numbers
        ]
        self._append(lines)

    def _append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        who = {"time": now, "run": self.run, "user": user(), "origin": self.origin, "digest": self.digest}
        text = "".join(json.dumps({**who, **line}) + "\n" for line in lines)
        handle = os.open(self.folder / "audit.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            data = text.encode()
            while data:
                data = data[os.write(handle, data) :]
            os.fsync(handle)
        finally:
            os.close(handle)

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


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier runs left, for a command that may not write: open operations and last seen counts."""

    operations: tuple[Operation, ...] = ()
    seen: Mapping[tuple[str, str], int] | None = None


def peek(folder: Path, origin: str) -> Memory:
    """Read a journal without writing anything, not even beside it; empty where there is none or it cannot be read."""
    path = folder / "journal.db"
    # Where nobody writes there is no log beside it, and opening it `ro` would make one.
    in_use = path.with_name("journal.db-wal").exists()
    for mode in ("mode=ro", "mode=ro&immutable=1") if in_use else ("mode=ro&immutable=1",):
        with contextlib.suppress(sqlite3.Error, OSError):
            if not path.is_file():
                return Memory()
            database = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)
            database.row_factory = sqlite3.Row
            with contextlib.closing(database):
                found = _operations(database, "outcome IS NULL AND origin = ?", [origin])
                return Memory(tuple(found), _seen(database, origin))
    return Memory()


def default_folder(environment: Mapping[str, str]) -> Path:
    """The user's state folder: $XDG_STATE_HOME/exolink-reconcile, else ~/.local/state/exolink-reconcile.

    Raises:
        StorageFailed: this user has no home.

    """
    base = environment.get("XDG_STATE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".local" / "state") / "exolink-reconcile"
    except RuntimeError:
        raise StorageFailed(
            "E-STORAGE", "this user has no home folder to keep the state in: give --state DIR"
        ) from None


def user() -> str:
    """Who runs this: the CI run where there is one, else the user of this machine."""
    variables = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    if all(os.environ.get(name) for name in variables):
        server, repository, run = (os.environ[name] for name in variables)
        return f"{os.environ.get('GITHUB_ACTOR', '?')} ({server}/{repository}/actions/runs/{run})"
    if url := os.environ.get("CI_JOB_URL"):
        return f"{os.environ.get('GITLAB_USER_LOGIN', '?')} ({url})"
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _prepare_folder(folder: Path) -> None:
    with _storage(f"the state folder {folder} cannot be used"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
        if state.st_uid != os.getuid():
            raise StorageFailed("E-STORAGE", f"the state folder {folder} belongs to another user")
        if state.st_mode & 0o077:
            folder.chmod(0o700)


def _open(path: Path) -> sqlite3.Connection:
    """An open journal.

    Raises:
        sqlite3.Error, OSError: it cannot be read or written.
        StorageFailed: it is no journal, or one of a newer version.

    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    path.chmod(0o600)
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    database.row_factory = sqlite3.Row
    try:
        with _damage():
            facts = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
            application, version, tables = (database.execute(fact).fetchone()[0] for fact in facts)
            if tables and application != _APPLICATION_ID:
                raise StorageFailed("E-STORAGE", f"{path} is not a journal of this tool")
            if version > _VERSION:
                raise StorageFailed("E-STORAGE", f"{path} was written by a newer version of this tool: use that one")
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            if version < _VERSION:
                statements = _UPGRADE if version else _TABLES
                database.executescript(
                    f"BEGIN IMMEDIATE; {statements} PRAGMA application_id={_APPLICATION_ID}; PRAGMA user_version={_VERSION}; COMMIT;"
                )
            database.execute("BEGIN IMMEDIATE")  # writable, or an error now and not in the middle of an apply
            database.execute("COMMIT")
    except BaseException:
        database.close()
        raise
    return database


def _operations(
    database: sqlite3.Connection,
    where: str,
    values: Sequence[Any],
    *,
    id_column: str = "remote_id",
    api_now: float | None = None,
) -> list[Operation]:
    with _damage():
        rows = database.execute(f"SELECT * FROM op WHERE {where} ORDER BY number", values).fetchall()
        return [
            Operation(
                row["number"], row["origin"], Address(row["tenant"], row["kind"], row["name"]), row["action"],
                row[id_column], json.loads(row["after"]), row["intended_at"], _age(row, api_now), bool(row["answered"]),
                row["made"], row["attempts"], bool(row["deleted"]),
            )
            for row in map(_Columns, rows)
        ]  # fmt: skip


class _Columns(dict[str, Any]):
    """A row of any version of the journal: a column that its version lacked has the value that the upgrade gives it."""

    def __missing__(self, name: str) -> Any:
        return _ADDED[name]


_ADDED = {"sent_at": None, "sent_boot": None, "sent_ticks": None, "api_date": None, "attempts": 1, "deleted": 0}


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


def _audited(row: Mapping[str, Any]) -> dict[str, Any]:
    address = Address(row["tenant"], row["kind"], row["name"])
    return {
        "event": "write",
        "run": row["run"],
        "digest": row["digest"],
        "address": str(address),
        "action": row["action"],
        "id": row["remote_id"],
        "intended_at": row["intended_at"],
        "before": json.loads(row["before"]),
        "after": json.loads(row["after"]),
        "outcome": row["outcome"],
    }


@contextlib.contextmanager
def _storage(what: str) -> Iterator[None]:
    """Storage errors of every kind as the one that says so."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StorageFailed("E-STORAGE", f"{what}: {said}") from None
