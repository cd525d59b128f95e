"""What we are about to send and what came back, on disk before we go on.

The rule: the intent of a write is durable before its first byte leaves; its outcome may be lazy. A lost outcome costs a
list request, a lost intent can cost a duplicate. So an intent is *open* until a read has shown what became of it, in this
run or in a later one. SQLite keeps it (WAL, synchronous=FULL); beside it is the audit record, one JSON line a fact.
"""

import contextlib
import json
import os
import sqlite3
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exolink_reconcile.errors import ReconcileError, StorageFailed
from exolink_reconcile.model import Intent, Outcome, Step, remote_id
from exolink_reconcile.resource import Address, ListKey
from exolink_reconcile.state import audit, journal_file, journal_rows, lock, store
from exolink_reconcile.state import folder as folders
from exolink_reconcile.state.group_commit import GroupCommit
from exolink_reconcile.state.store import Base, Content, Lease, Memory, NewBase, Write

_FILES = ("journal.db", "journal.db-wal")
_OLD_IN_A_ROW = 500  # intents are numbered in the order of time: before so many old ones in a row, all are old
_INTEND = (
    "INSERT INTO op (run, digest, who, origin, tenant, kind, name, action, remote_id, before, after, intended_at, boot,"
    " ticks, api_date) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SENDING = (
    "UPDATE op SET sent_at = ?, sent_boot = ?, sent_ticks = ?, api_date = coalesce(?, api_date),"
    " attempts = attempts + 1 WHERE number = ?"
)
_SETTLE = (
    "UPDATE op SET outcome = ?, answered = max(answered, ?), made = coalesce(?, made), code = ?, detail = ?"
    " WHERE number = ?"
)


@dataclass(slots=True)
class _Change:
    """A statement that waits to be committed; `key`: the step whose intent it inserts. `lazy`: a power cut may lose it."""

    statement: str
    values: tuple[Any, ...]
    key: int | None = None
    lazy: bool = False
    done: bool = False
    error: Exception | None = None


class Journal:
    """The journal of one state folder, for one run against one origin; used from several threads."""

    def __init__(self, folder: Path, origin: str, digest: str = "", *, read_only: bool = False) -> None:
        """Open the journal, or make it if there is none. `read_only`: makes and writes nothing, not even a file beside it.

        Raises:
            StorageFailed: the folder or the journal cannot be used, or belongs to another version.

        """
        self.folder = folder
        self.origin = origin
        self.run = uuid.uuid4().hex[:12]
        self.digest = digest
        self.took_over: float | None = None
        self.who = audit.user()
        self.api_now: Callable[[], float | None] = lambda: None
        self._numbers: dict[int, int | None] = {}
        self._fresh: dict[int, float] = {}
        self._changes = GroupCommit(self._commit)
        self._held: lock.Held | None = None
        self._lazy: bool | None = None
        if not read_only:
            folders.prepare(folder)
        with journal_rows.storage("the journal cannot be opened"):
            path = folder / "journal.db"
            self._database = journal_file.read_only(path) if read_only else journal_file.open_writable(path)
            has_rows = "SELECT 1 FROM seen WHERE origin = ? UNION ALL SELECT 1 FROM op WHERE origin = ? LIMIT 1"
            self.is_new = self._database.execute(has_rows, (origin, origin)).fetchone() is None
        paths = [str(folder / name) for name in _FILES]
        self._files = {path: _identity(path) for path in paths}

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
        """Check that lock and journal are still the files that others find at their paths: right before a request.

        Raises:
            Locked: a lock file was removed or replaced, so another apply may be at work.
            StorageFailed: the journal was removed or replaced, so the next run would not know what this one sent.

        """
        for path, identity in self._files.items():
            if identity is None:
                self._files[path] = _identity(path)  # the log is made by the first write
            elif identity != _identity(path):
                raise StorageFailed("E-STORAGE", f"the journal {path} was removed or replaced while this apply worked")
        if self._held is not None:
            self._held.check()

    def close(self) -> None:
        """Close the file. Open intents stay open in it."""
        self._database.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -------------------------------------------------------------------------------------------------------- intents

    def intend(self, step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Make the intent of a step's write durable. The write may be sent only after this has returned.

        Threads that wait at the same time share one commit: each commit costs a flush to disk.

        Raises:
            StorageFailed: it is not durable, so the write must not be sent.
            Locked: the lock was lost, so nothing may be sent.

        """
        self.may_send()
        now = time.time(), journal_rows.boot(), time.monotonic()
        row = (
            self.run, self.digest, self.who, self.origin, *step.address, step.action.word,
            remote_id(step.before) if step.before is not None else None,
            json.dumps(before), json.dumps(after), *now, self.api_now(),
        )  # fmt: skip
        self._changes.add(_Change(_INTEND, row, id(step)))
        self._fresh[id(step)] = now[2]

    def sending(self, step: Step, api_date: float | None = None) -> None:
        """Stamp that an attempt of a step's write is about to leave. It may be sent only after this has returned.

        `api_date` is the API's own clock in seconds since the epoch, if it is known. The first attempt right after the
        intent costs nothing: the intent is its stamp.

        Raises:
            StorageFailed: the stamp is not durable, so the attempt must not be sent.
            Locked: the lock was lost, so nothing may be sent.

        """
        self.may_send()
        intended = self._fresh.pop(id(step), None)
        if intended is not None and time.monotonic() - intended < store.FRESH:
            return
        api_date = self.api_now() if api_date is None else api_date
        values = time.time(), journal_rows.boot(), time.monotonic(), api_date, self._numbers[id(step)]
        self._changes.add(_Change(_SENDING, values))

    def answered(self, step: Step, *, deleted: bool = False) -> None:
        """Remember that a step's write was answered; `deleted`: only the delete of a replace was. A kill does not lose it.

        Raises:
            StorageFailed: the journal cannot be written, although the write was sent and answered.

        """
        column = "deleted" if deleted else "answered"
        self._changes.add(
            _Change(f"UPDATE op SET {column} = 1 WHERE number = ?", (self._numbers[id(step)],), lazy=True)
        )

    def _commit(self, batch: Sequence[_Change]) -> None:
        numbers: dict[int, int | None] = {}
        try:
            lazy = all(change.lazy for change in batch)
            with self._transaction(lazy=lazy) as database:
                for change in batch:
                    cursor = database.execute(change.statement, change.values)
                    if change.key is not None:
                        numbers[change.key] = cursor.lastrowid
            self.may_send()  # a commit to a file that is no longer at its path protects nobody
            self._numbers.update(numbers)
        except (sqlite3.Error, ReconcileError) as error:
            failure = error if isinstance(error, ReconcileError) else None
            for change in batch:
                change.error = failure or StorageFailed("E-STORAGE", f"the journal cannot be written: {error}")

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Close the intents whose outcome is known, and put every outcome on the audit record.

        Raises:
            StorageFailed: the intents stay open; a later run settles them.

        """
        outcomes = list(outcomes)
        with journal_rows.storage("the journal cannot be written"):
            with self._changes.lock, self._transaction() as database:
                database.executemany(_SETTLE, [
                    (
                        store.closed_as(outcome), store.is_answered_but_unseen(outcome), outcome.made, outcome.code,
                        store.storable(outcome.detail), self._numbers[id(outcome.step)],
                    )
                    for outcome in outcomes if id(outcome.step) in self._numbers
                ])  # fmt: skip
            self._audit_outcomes(outcomes)

    def open_intents(self, tenants: Iterable[str] | None = None) -> list[Intent]:
        """The intents that are still open, oldest first: those of some tenants of this origin, or all."""
        condition, values = "outcome IS NULL", []
        if tenants is not None:
            values = [self.origin, *tenants]
            condition += f" AND origin = ? AND tenant IN ({', '.join('?' * (len(values) - 1))})"
        with journal_rows.storage("the journal cannot be read"):
            return journal_rows.intents(self._database, condition, values, api_now=self.api_now())

    def made_lately(self, tenants: Iterable[str], window: float) -> list[Intent]:
        """The creates of the last `window` seconds that are known to have made an object, with its id as `remote_id`."""
        with journal_rows.storage("the journal cannot be read"):
            made = [op for tenant in tenants for op in self._made_lately(tenant, window)]
        return sorted(made, key=lambda op: op.number)

    def _made_lately(self, tenant: str, window: float) -> Iterator[Intent]:
        """Newest first; stops where so many in a row are old that all earlier ones are: a journal may hold very many."""
        statement = "SELECT * FROM op WHERE made IS NOT NULL AND origin = ? AND tenant = ? ORDER BY number DESC"
        old, api_now = 0, self.api_now()
        with (
            journal_rows.damage(),
            contextlib.closing(self._database.execute(statement, (self.origin, tenant))) as rows,
        ):
            for row in rows:
                intent = journal_rows.intent(row, api_now, id_column="made")
                old = old + 1 if intent.age >= window else 0
                if old > _OLD_IN_A_ROW:
                    return
                if not old:
                    yield intent

    def last_made(self, addresses: Iterable[Address]) -> dict[Address, int]:
        """The id of what was made last at each of these addresses; addresses without one on record are left out."""
        by_place: dict[ListKey, list[str]] = defaultdict(list)
        for address in addresses:
            by_place[address.list_key].append(address.name)
        statement = (
            "SELECT name, made FROM op INDEXED BY op_made_at WHERE made IS NOT NULL AND origin = ? AND tenant = ? AND kind = ?"
            " AND name IN (SELECT value FROM json_each(?)) ORDER BY number"
        )
        with journal_rows.storage("the journal cannot be read"), journal_rows.damage():
            return {
                Address(*place, row["name"]): row["made"]
                for place, names in by_place.items()
                for row in self._database.execute(statement, (self.origin, *place, json.dumps(names)))
            }

    def settle_earlier(self, intents: Mapping[int, str], new_ids: Mapping[int, int] | None = None) -> None:
        """Close intents of an earlier run, by number, with the outcome that reading showed.

        `new_ids` are the ids of the objects that creates made, by number of the intent.
        """
        new_ids = new_ids or {}
        with journal_rows.storage("the journal cannot be written"), self._changes.lock:
            with self._transaction() as database, journal_rows.damage():
                rows = [
                    database.execute(
                        "UPDATE op SET outcome = ?, made = coalesce(?, made) WHERE number = ? RETURNING *",
                        (outcome, new_ids.get(number), number),
                    ).fetchone()
                    for number, outcome in intents.items()
                ]
                if None in rows:
                    raise sqlite3.DatabaseError("an operation that was open is not there any more")
                lines = [audit.write(row) for row in rows]
            self._append(lines)

    def forget(self, intents: Iterable[Intent]) -> None:
        """Close open intents for good, although nobody knows what became of them."""
        self.settle_earlier({op.number: "forgotten" for op in intents})

    # -------------------------------------------------------------------------------------------------------- history

    def history(self, run: str | None = None) -> Iterator[Write]:
        """The writes of earlier runs, or of one run, newest first."""
        condition, values = ("WHERE run = ?", [run]) if run is not None else ("", [])
        with journal_rows.storage("the journal cannot be read"), journal_rows.damage():
            for row in self._database.execute(f"SELECT * FROM op {condition} ORDER BY number DESC", values):
                yield store.write(journal_rows.Columns(row))

    def done(self, digest: str) -> frozenset[Address]:
        """The addresses of this API whose last completed write belongs to the plan with this digest."""
        statement = (
            "SELECT tenant, kind, name FROM op WHERE digest = ? AND number IN (SELECT max(number) FROM op"
            " WHERE origin = ? AND outcome IN ('done', 'applied') GROUP BY tenant, kind, name)"
        )
        with journal_rows.storage("the journal cannot be read"), journal_rows.damage():
            rows = self._database.execute(statement, (digest, self.origin))
            return frozenset(Address(row["tenant"], row["kind"], row["name"]) for row in rows)

    def content(self) -> Content:
        """Everything that the journal remembers, for an import elsewhere."""
        with journal_rows.storage("the journal cannot be read"), journal_rows.damage():
            writes = [journal_rows.Columns(row) for row in self._database.execute("SELECT * FROM op ORDER BY number")]
            counts = [dict(row) for row in self._database.execute("SELECT * FROM seen")]
            has_bases = self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'base'").fetchone()
            bases = self._database.execute("SELECT * FROM base").fetchall() if has_bases else []
        return Content(writes, [tuple(row) for row in bases], counts)

    def prune(self, days: int) -> tuple[int, int]:
        """Drop closed writes and audit lines that are older than `days`; returns how many of each."""
        before = time.time() - days * 86_400
        with journal_rows.storage("the journal cannot be written"), self._changes.lock:
            with self._transaction() as database:
                writes = database.execute(
                    "DELETE FROM op WHERE outcome IS NOT NULL AND max(intended_at, coalesce(sent_at, 0)) < ?", (before,)
                ).rowcount
            self._database.execute("VACUUM")
            lines = audit.prune(self.folder / "audit.jsonl", before)
        return writes, lines

    def counts(self) -> tuple[int, int]:
        """How many writes are open, and how many are closed."""
        with journal_rows.storage("the journal cannot be read"):
            row = self._database.execute("SELECT count(*) - count(outcome), count(outcome) FROM op").fetchone()
            return int(row[0]), int(row[1])

    def leases(self) -> list[Lease]:
        """Who holds which tenant of which API now."""
        return lock.held(self.folder)

    # ----------------------------------------------------------------------------------------------------------- base

    def base(self, tenant: str) -> Base | None:
        """What the last apply of a tenant declared and verified; None if there was none."""
        with journal_rows.storage("the journal cannot be read"):
            return journal_rows.base(self._database, self.origin, tenant)

    def keep_base(self, tenant: str, base: NewBase) -> None:
        """Remember what an apply declared and verified, in place of the base before."""
        content = base.packed(self.base(tenant))
        with journal_rows.storage("the journal cannot be written"), self._changes.lock, self._transaction() as database:
            database.execute(
                "INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?)", (self.origin, tenant, time.time(), content)
            )

    # ------------------------------------------------------------------------------------------------------ last seen

    def seen(self) -> dict[ListKey, int]:
        """How many rows each list had when an apply last read it, by tenant and kind."""
        with journal_rows.storage("the journal cannot be read"):
            return journal_rows.seen(self._database, self.origin)

    def saw(self, counts: Mapping[ListKey, int]) -> None:
        """Remember how many rows each list has."""
        rows = [(self.origin, tenant, kind, count) for (tenant, kind), count in counts.items()]
        with journal_rows.storage("the journal cannot be written"), self._changes.lock, self._transaction() as database:
            database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", rows)

    # ---------------------------------------------------------------------------------------------------------- audit

    def started(self, steps: int) -> None:
        """Put the start of a run on the audit record.

        Raises:
            StorageFailed: nothing may be written to the API without it.

        """
        with journal_rows.storage("the audit record cannot be written"):
            self._append([audit.run_started(steps)])

    def ended(self, exit_code: int, totals: tuple[int, int, int]) -> None:
        """Put the end of a run on the audit record."""
        with journal_rows.storage("the audit record cannot be written"):
            self._append([audit.run_ended(exit_code, totals)])

    def _audit_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        closed, unsent = [], []
        for outcome in outcomes:
            if (number := self._numbers.get(id(outcome.step))) is None:
                unsent.append(audit.unsent(outcome))
                continue
            row = self._database.execute("SELECT * FROM op WHERE number = ?", (number,)).fetchone()
            with journal_rows.damage():
                closed.append(audit.closed(row, outcome))
        self._append(closed + unsent)

    def _append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        head = {"run": self.run, "user": self.who, "origin": self.origin, "digest": self.digest}
        audit.append(self.folder / "audit.jsonl", head, lines)

    @contextlib.contextmanager
    def _transaction(self, *, lazy: bool = False) -> Iterator[sqlite3.Connection]:
        if lazy is not self._lazy:
            self._database.execute(f"PRAGMA synchronous={'NORMAL' if lazy else 'FULL'}")
            self._lazy = lazy
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
            self._database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise


def peek(folder: Path, origin: str, tenants: Iterable[str] = ()) -> Memory:
    """Read a journal without writing anything, not even a file beside it; empty if there is none.

    `tenants` are the tenants whose base is wanted. If it cannot be read or must not be believed, `note` says so.
    """
    path = folder / "journal.db"
    try:
        if not os.path.lexists(folder):
            return Memory()
        folders.check(folder)
        if not os.path.lexists(path):
            return Memory()
        with (
            journal_rows.storage("the journal cannot be read"),
            contextlib.closing(journal_file.read_only(path)) as database,
        ):
            writes = journal_rows.intents(database, "outcome IS NULL AND origin = ?", [origin])
            bases = {tenant: base for tenant in tenants if (base := journal_rows.base(database, origin, tenant))}
            return Memory(tuple(writes), journal_rows.seen(database, origin), bases)
    except StorageFailed as error:
        return Memory(note=error.summary)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return None
    return status.st_dev, status.st_ino
