"""The state in a PostgreSQL database: one memory for all machines that name it.

The lock is a lease: a row with a token, a run and a moment when it ends, all by the database's clock. A heartbeat renews
it on a connection of its own. The statement that makes an intent durable locks and checks that row, so who lost the lease
cannot make an intent; who takes it over waits for that statement, and then sees the intent. We stop a while before the
lease ends, by our own monotonic clock counted from before the renewal was asked for.

No statement needs a session: all of it works behind PgBouncer in transaction mode. Each may be repeated, so a connection
that drops is made again and the statement sent again, as long as the lease lasts.
"""

import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from psycopg import errors

from exolink_reconcile.errors import Locked, ReconcileError, StorageFailed
from exolink_reconcile.model import Operation, Outcome, Status, Step, remote_id
from exolink_reconcile.resource import Address
from exolink_reconcile.state import audit, migrations, store
from exolink_reconcile.state.database_url import Database
from exolink_reconcile.state.store import Base, Lease, Write

_T = TypeVar("_T")

LEASE = 60.0  # seconds
HEARTBEAT = 10.0
MARGIN = 10.0  # seconds before its end from which on a lease is not believed any more
CONNECT = 5  # seconds
_POLL = 0.5
_RETRY = 0.5
_FRESH = 1.0  # seconds: an intent this young is the stamp of the first attempt
_DATE_RESOLUTION = 1.0
_ANSWERED = ("E-LIST-BLIND", "E-UNVERIFIED")
_AT_ONCE = 5_000  # rows of a statement

# Trouble that another connection may not have: it dropped, or the server went or is not the one that may write.
_CONNECTION = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction)

_TAKE = """
INSERT INTO exolink.lease AS held (origin, tenant, token, run, who, host, taken, seen, expires)
VALUES (%(origin)s, %(tenant)s, 1, %(run)s, %(who)s, %(host)s,
        clock_timestamp(), clock_timestamp(), clock_timestamp() + make_interval(secs => %(lease)s))
ON CONFLICT (origin, tenant) DO UPDATE SET
    token = held.token + 1, run = excluded.run, who = excluded.who, host = excluded.host,
    taken = excluded.taken, seen = excluded.seen, expires = excluded.expires
WHERE held.run IS NULL OR held.run = excluded.run OR held.expires <= clock_timestamp()
RETURNING token
"""
_RENEW = """
UPDATE exolink.lease SET seen = clock_timestamp(), expires = clock_timestamp() + make_interval(secs => %(lease)s)
FROM unnest(%(tenants)s::text[], %(tokens)s::bigint[]) AS ours (tenant, token)
WHERE lease.origin = %(origin)s AND lease.tenant = ours.tenant AND lease.token = ours.token
    AND lease.run = %(run)s AND lease.expires > clock_timestamp()
RETURNING lease.tenant
"""
_RELEASE = """
UPDATE exolink.lease SET run = NULL, expires = clock_timestamp()
WHERE origin = %(origin)s AND run = %(run)s RETURNING tenant
"""
# FOR SHARE: who takes the lease over waits for this statement, and this one for them.
_OURS = """
WITH ours AS MATERIALIZED (
    SELECT lease.tenant, lease.token
    FROM exolink.lease JOIN unnest(%(tenants)s::text[], %(tokens)s::bigint[]) AS held (tenant, token)
        ON lease.tenant = held.tenant AND lease.token = held.token
    WHERE lease.origin = %(origin)s AND lease.run = %(run)s AND lease.expires > clock_timestamp()
    ORDER BY lease.tenant
    FOR SHARE OF lease
)
"""
_INTEND = (
    _OURS
    + """
INSERT INTO exolink.op (intent, token, run, digest, who, origin, tenant, kind, name, action, remote_id, before, after,
    api_date)
SELECT new.intent, ours.token, %(run)s, %(digest)s, %(who)s, %(origin)s, new.tenant, new.kind, new.name, new.action,
    new.remote_id, new.before, new.after, new.api_date
FROM unnest(%(intent)s::uuid[], %(tenant)s::text[], %(kind)s::text[], %(name)s::text[], %(action)s::text[],
    %(remote_id)s::bigint[], %(before)s::text[], %(after)s::text[], %(api_date)s::float8[])
    AS new (intent, tenant, kind, name, action, remote_id, before, after, api_date)
JOIN ours ON ours.tenant = new.tenant
ON CONFLICT (intent) DO UPDATE SET intent = excluded.intent
RETURNING intent, number
"""
)
_SENDING = (
    _OURS
    + """
UPDATE exolink.op SET sent_at = clock_timestamp(), attempts = attempts + 1,
    api_date = coalesce(again.api_date, op.api_date)
FROM unnest(%(intent)s::uuid[], %(api_date)s::float8[]) AS again (intent, api_date), ours
WHERE op.intent = again.intent AND ours.tenant = op.tenant
RETURNING op.intent, op.number
"""
)
_MARK_ANSWERED = """
UPDATE exolink.op SET answered = answered OR NOT told.half, deleted = deleted OR told.half
FROM unnest(%(intent)s::uuid[], %(half)s::boolean[]) AS told (intent, half)
WHERE op.intent = told.intent
RETURNING op.intent, op.number
"""
_COLUMNS = """
number, run, digest, who, origin, tenant, kind, name, action, remote_id, before, after,
extract(epoch FROM intended_at)::float8 AS intended_at, sent_at IS NOT NULL AS again,
extract(epoch FROM clock_timestamp() - coalesce(sent_at, intended_at))::float8 AS age,
api_date, attempts, answered, deleted, made, outcome, code, detail
"""


@dataclass(slots=True)
class _Waiting:
    """A change of a write that waits to be made durable."""

    what: str  # "intend", "sending" or "answered"
    values: Mapping[str, Any]
    done: bool = False
    error: Exception | None = None


@dataclass(slots=True)
class _Link:
    """One connection, made again when it drops. Its statements go one after the other."""

    database: Database
    connection: psycopg.Connection[dict[str, Any]] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, statement: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of one statement, which is a transaction of its own. Raises psycopg.Error."""
        with self.lock:
            try:
                cursor = self._open().execute(statement.encode(), values)
                return cursor.fetchall() if cursor.description else []
            except _CONNECTION:
                self._drop()
                raise

    @contextlib.contextmanager
    def transaction(self) -> "Iterator[psycopg.Connection[dict[str, Any]]]":
        """Several statements, all or none. Raises psycopg.Error."""
        with self.lock:
            try:
                connection = self._open()
                with connection.transaction():
                    yield connection
            except _CONNECTION:
                self._drop()
                raise

    def close(self) -> None:
        """Close it, whether or not it is in use."""
        self._drop()

    def _open(self) -> "psycopg.Connection[dict[str, Any]]":
        if self.connection is None or self.connection.closed:
            self.connection = connect(self.database)
        return self.connection

    def _drop(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                connection.close()


class PostgresStore:
    """The state of one API for one run, in a database that many machines share; used from several threads."""

    is_new = False  # what is shared is not lost with a machine

    def __init__(self, database: Database, origin: str, digest: str = "", *, read_only: bool = False) -> None:
        """Connect, and look whether the tables are there and ours.

        Raises:
            StorageFailed: not reachable, not allowed in, no tables, or those of another version.

        """
        self.database = database
        self.origin = origin
        self.run = uuid.uuid4().hex[:12]
        self.digest = digest
        self.who = audit.user()
        self.api_now: Callable[[], float | None] = lambda: None
        self.read_only = read_only
        self._link = _Link(database)
        self._heart = _Link(database)
        self._tokens: dict[str, int] = {}
        self._deadline: float | None = None
        self._lost: ReconcileError | None = None
        self._trouble = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._intents: dict[int, uuid.UUID] = {}
        self._numbers: dict[uuid.UUID, int] = {}
        self._fresh: dict[int, float] = {}
        self._queue: list[_Waiting] = []
        self._queue_lock = threading.Lock()
        self._commit_lock = threading.Lock()
        with self._storage():
            check_version(self._link.ask("SELECT version, oldest FROM exolink.version"))

    @property
    def where(self) -> str:
        """Where the state is kept, for people."""
        return self.database.shown

    def close(self) -> None:
        """Give back what is held, as far as the database can be reached, and close the connections."""
        self._release()
        self._link.close()
        self._heart.close()

    # ----------------------------------------------------------------------------------------------------------- lease

    @contextlib.contextmanager
    def hold(self, tenants: Iterable[str], timeout: float, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the tenants, taken in sorted order so that two runs cannot wait for each other.

        Raises:
            Locked: somebody else holds one; the message says who, and when that ends.

        """
        ends_at = time.monotonic() + timeout
        try:
            for tenant in sorted(tenants):
                self._take(tenant, ends_at, say)
            yield
        finally:
            self._release()

    def _take(self, tenant: str, ends_at: float, say: Callable[[str], None]) -> None:
        values = {
            "origin": self.origin, "tenant": tenant, "run": self.run, "who": self.who, "host": socket.gethostname(),
            "lease": LEASE,
        }  # fmt: skip
        announced = False
        while True:
            asked_at = time.monotonic()
            if rows := self._ask(_TAKE, values):
                self._tokens[tenant] = rows[0]["token"]
                ours_until = asked_at + LEASE - MARGIN
                self._deadline = ours_until if self._deadline is None else min(self._deadline, ours_until)
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
        rows = self._ask(
            "SELECT who, host, extract(epoch FROM clock_timestamp() - seen)::float8 AS quiet,"
            " extract(epoch FROM expires - clock_timestamp())::float8 AS left"
            " FROM exolink.lease WHERE origin = %(origin)s AND tenant = %(tenant)s",
            {"origin": self.origin, "tenant": tenant},
        )
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
                lost = self._renew(asked_at)
            except psycopg.Error as error:
                self._trouble = self._said(error)
                pause = min(_RETRY, HEARTBEAT)
                continue
            if lost:
                return
            self._trouble, pause = "", HEARTBEAT

    def _renew(self, asked_at: float) -> bool:
        """Renew every lease of ours; whether one was lost. Raises psycopg.Error."""
        tokens = dict(self._tokens)
        rows = self._heart.ask(_RENEW, {**self._ours(tokens), "lease": LEASE})
        gone = sorted(set(tokens) - {row["tenant"] for row in rows})
        if gone and not self._stop.is_set():
            self._lost = _lock_lost(gone[0])
            return True
        if set(tokens) == set(self._tokens):
            self._deadline = asked_at + LEASE - MARGIN
        return False

    def _ours(self, tokens: Mapping[str, int]) -> dict[str, Any]:
        return {
            "origin": self.origin, "run": self.run, "tenants": list(tokens), "tokens": list(tokens.values()),
        }  # fmt: skip

    def _release(self) -> None:
        self._stop.set()
        if not self._tokens:
            return
        thread, self._thread = self._thread, None
        self._tokens, self._deadline = {}, None
        with contextlib.suppress(psycopg.Error):  # it ends by itself
            self._link.ask(_RELEASE, {"origin": self.origin, "run": self.run})
        if thread is not None:
            thread.join(1.0)

    def may_send(self) -> None:
        """The last look right before a request that writes.

        Raises:
            Locked: the lease was taken, broken or ran out while this process stood still.
            StorageFailed: the database could not be reached in time to renew it.

        """
        if self._lost is not None:
            raise self._lost
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        if self._trouble:
            raise StorageFailed(
                "E-STORAGE", f"{self.where} could not be reached in time to renew the lock: {self._trouble}"
            )
        raise _lock_lost(next(iter(self._tokens), ""))

    # --------------------------------------------------------------------------------------------------------- intents

    def intend(self, step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Make an intent durable, if we still hold the lease. Threads that wait at the same time share one statement."""
        self.may_send()
        intent = uuid.uuid4()
        now = time.monotonic()
        self._commit(
            "intend",
            {
                "intent": intent, "tenant": step.address.tenant, "kind": step.address.kind, "name": step.address.name,
                "action": step.action.word,
                "remote_id": remote_id(step.before) if step.before is not None else None,
                "before": json.dumps(before), "after": json.dumps(after), "api_date": self.api_now(),
            },
        )  # fmt: skip
        self._intents[id(step)] = intent
        self._fresh[id(step)] = now
        self.may_send()

    def sending(self, step: Step, api_date: float | None = None) -> None:
        """Stamp an attempt right before it leaves, if we still hold the lease."""
        self.may_send()
        intended = self._fresh.pop(id(step), None)
        if intended is not None and time.monotonic() - intended < _FRESH:
            return
        api_date = self.api_now() if api_date is None else api_date
        self._commit("sending", {"intent": self._intents[id(step)], "api_date": api_date})
        self.may_send()

    def answered(self, step: Step, *, deleted: bool = False) -> None:
        """Remember that a write was answered; `deleted`: only the delete of a replace."""
        self._commit("answered", {"intent": self._intents[id(step)], "half": deleted})

    def _commit(self, purpose: str, values: Mapping[str, Any]) -> None:
        waiting = _Waiting(purpose, values)
        with self._queue_lock:
            self._queue.append(waiting)
        with self._commit_lock:
            if not waiting.done:
                with self._queue_lock:
                    batch, self._queue = self._queue, []
                for kind, statement in (("intend", _INTEND), ("sending", _SENDING), ("answered", _MARK_ANSWERED)):
                    if alike := [queued for queued in batch if queued.what == kind]:
                        self._commit_alike(statement, alike)
        if waiting.error is not None:
            raise waiting.error

    def _commit_alike(self, statement: str, batch: Sequence[_Waiting]) -> None:
        columns = {name: [waiting.values[name] for waiting in batch] for name in batch[0].values}
        ours = {**self._ours(self._tokens), "digest": self.digest, "who": self.who}
        try:
            rows = self._ask(statement, {**ours, **columns})
            durable = {row["intent"] for row in rows}
            self._numbers |= {row["intent"]: row["number"] for row in rows}
            for waiting in batch:
                if waiting.values["intent"] not in durable:
                    self._lost = self._lost or _lock_lost(str(waiting.values.get("tenant", "")))
                    waiting.error = self._lost
        except ReconcileError as error:
            for waiting in batch:
                waiting.error = error
        for waiting in batch:
            waiting.done = True

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Close the writes whose outcome is known, and put every outcome on the audit record."""
        outcomes = list(outcomes)
        for start in range(0, len(outcomes), _AT_ONCE):
            self._settle(outcomes[start : start + _AT_ONCE])

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        numbers = {self._number(outcome.step): outcome for outcome in outcomes}
        numbers.pop(None, None)
        closing = [(number, outcome) for number, outcome in numbers.items() if number is not None]
        values = {
            "number": [number for number, _ in closing],
            "outcome": [_closed_as(outcome) for _, outcome in closing],
            "answered": [outcome.step.creates and outcome.code in _ANSWERED for _, outcome in closing],
            "made": [outcome.made for _, outcome in closing],
            "code": [outcome.code for _, outcome in closing],
            "detail": [store.storable(outcome.detail) for _, outcome in closing],
        }
        unsent = [audit.unsent(outcome) for outcome in outcomes if self._number(outcome.step) is None]

        def close(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
            lines = []
            for row in rows:
                outcome = numbers[row["number"]]
                closing_values = {"outcome": outcome.status.value, "code": outcome.code, "detail": outcome.detail}
                lines.append({**audit.write(row), **closing_values})
            return [*lines, *unsent]

        self._close(_SETTLE, values, close)

    def _number(self, step: Step) -> int | None:
        intent = self._intents.get(id(step))
        return None if intent is None else self._numbers.get(intent)

    def settle_earlier(self, operations: Mapping[int, str], new_ids: Mapping[int, int] | None = None) -> None:
        """Close writes of earlier runs, by number, with the outcome that reading told."""
        new_ids = new_ids or {}
        values = {
            "number": list(operations),
            "outcome": list(operations.values()),
            "made": [new_ids.get(number) for number in operations],
        }

        def close(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
            if len(rows) != len(operations):
                raise StorageFailed("E-STORAGE", "a write that was open is not there any more")
            return [audit.write(row) for row in rows]

        self._close(_SETTLE_EARLIER, values, close)

    def _close(
        self,
        statement: str,
        values: Mapping[str, Any],
        lines: Callable[[Sequence[Mapping[str, Any]]], list[Mapping[str, Any]]],
    ) -> None:
        """Close writes and put what became of them on record, both or neither; repeated, it is on record once."""
        ids: list[uuid.UUID] = []

        def once() -> None:
            with self._link.transaction() as connection:
                rows = connection.execute(statement.encode(), values).fetchall() if values["number"] else []
                record = lines(rows)
                ids.extend(uuid.uuid4() for _ in range(len(record) - len(ids)))
                connection.execute(_AUDIT.encode(), self._audit_values(record, ids))

        self._repeat(once)

    # ------------------------------------------------------------------------------------------------------- questions

    def open_operations(self, tenants: Iterable[str] | None = None) -> list[Operation]:
        """The writes that are still open, oldest first: of some tenants of this API, or all there are."""
        condition, values = "outcome IS NULL", {}
        if tenants is not None:
            condition += " AND origin = %(origin)s AND tenant = ANY(%(tenants)s)"
            values = {"origin": self.origin, "tenants": list(tenants)}
        rows = self._ask(f"SELECT {_COLUMNS} FROM exolink.op WHERE {condition} ORDER BY number", values)
        return [self._operation(row) for row in rows]

    def made_lately(self, tenants: Iterable[str], window: float) -> list[Operation]:
        """The creates of the last `window` seconds that are known to have made an object, its id as `remote_id`."""
        operations = [op for tenant in tenants for op in self._made_lately(tenant, window)]
        return sorted(operations, key=lambda op: op.number)

    def _made_lately(self, tenant: str, window: float) -> Iterator[Operation]:
        rows = self._ask(
            f"SELECT {_COLUMNS} FROM exolink.op WHERE made IS NOT NULL AND origin = %(origin)s AND tenant = %(tenant)s"
            " AND coalesce(sent_at, intended_at) > clock_timestamp() - make_interval(secs => %(window)s)"
            " ORDER BY number",
            {"origin": self.origin, "tenant": tenant, "window": window + _FRESH},
        )
        for row in rows:
            operation = self._operation(row, id_column="made")
            if operation.age < window:
                yield operation

    def last_made(self, addresses: Iterable[Address]) -> dict[Address, int]:
        """The id of what was made last at each of some addresses; one at which nothing is known to be made is left out."""
        wanted, made = list(addresses), dict[Address, int]()
        for start in range(0, len(wanted), _AT_ONCE):
            tenants, kinds, names = zip(*wanted[start : start + _AT_ONCE], strict=True)
            rows = self._ask(
                "SELECT tenant, kind, name, made FROM exolink.op JOIN"
                " unnest(%(tenants)s::text[], %(kinds)s::text[], %(names)s::text[]) AS wanted (tenant, kind, name)"
                " USING (tenant, kind, name) WHERE made IS NOT NULL AND origin = %(origin)s ORDER BY number",
                {"origin": self.origin, "tenants": list(tenants), "kinds": list(kinds), "names": list(names)},
            )
            made |= {Address(row["tenant"], row["kind"], row["name"]): row["made"] for row in rows}
        return made

    def _operation(self, row: Mapping[str, Any], *, id_column: str = "remote_id") -> Operation:
        return Operation(
            row["number"], row["origin"], Address(row["tenant"], row["kind"], row["name"]), row["action"],
            row[id_column], json.loads(row["after"]), row["intended_at"], self._age(row), row["answered"], row["made"],
            row["attempts"], row["deleted"], row["run"],
        )  # fmt: skip

    def _age(self, row: Mapping[str, Any]) -> float:
        """By the database's clock or the API's, whichever says less: a clock can make a write young, never old."""
        ages = [row["age"] - (0.0 if row["again"] else _FRESH)]
        api_now = self.api_now()
        if api_now is not None and row["api_date"] is not None:
            ages.append(api_now - row["api_date"] - _DATE_RESOLUTION)
        return float(max(0.0, min(ages)))

    def forget(self, operations: Iterable[Operation]) -> None:
        """Close open writes for good, although nobody knows what became of them."""
        self.settle_earlier({op.number: "forgotten" for op in operations})

    def seen(self) -> dict[tuple[str, str], int]:
        """How many rows each list had when an apply last read it, by tenant and kind word."""
        rows = self._ask(
            "SELECT tenant, kind, rows FROM exolink.seen WHERE origin = %(origin)s", {"origin": self.origin}
        )
        return {(row["tenant"], row["kind"]): row["rows"] for row in rows}

    def saw(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Remember how many rows each list has."""
        self._ask(
            "INSERT INTO exolink.seen (origin, tenant, kind, rows)"
            " SELECT %(origin)s, * FROM unnest(%(tenant)s::text[], %(kind)s::text[], %(rows)s::bigint[])"
            " ON CONFLICT (origin, tenant, kind) DO UPDATE SET rows = excluded.rows",
            {
                "origin": self.origin,
                "tenant": [tenant for tenant, _ in counts],
                "kind": [kind for _, kind in counts],
                "rows": list(counts.values()),
            },
        )

    def base(self, tenant: str) -> Base | None:
        """What the last apply of a tenant declared and verified; None where there was none."""
        rows = self._ask(
            "SELECT extract(epoch FROM kept_at)::float8 AS kept_at, content FROM exolink.base"
            " WHERE origin = %(origin)s AND tenant = %(tenant)s",
            {"origin": self.origin, "tenant": tenant},
        )
        try:
            return store.unpack_base(tenant, rows[0]["kept_at"], bytes(rows[0]["content"])) if rows else None
        except (ValueError, TypeError):
            raise StorageFailed("E-STORAGE", f"{self.where}: what it keeps of tenant {tenant} is damaged") from None

    def keep_base(self, tenant: str, declared: Mapping[Address, Mapping[str, Any]], keep: Container[Address]) -> None:
        """Remember what an apply declared and verified, instead of what was remembered; see Store.keep_base."""
        content = store.pack_base(store.renewed_base(self.base(tenant), declared, keep))
        self._ask(
            "INSERT INTO exolink.base (origin, tenant, kept_at, content)"
            " VALUES (%(origin)s, %(tenant)s, clock_timestamp(), %(content)s) ON CONFLICT (origin, tenant)"
            " DO UPDATE SET kept_at = excluded.kept_at, content = excluded.content",
            {"origin": self.origin, "tenant": tenant, "content": content},
        )

    def history(self, run: str | None = None) -> Iterator[Write]:
        """The writes of earlier runs, or of one run, newest first."""
        last = 2**63 - 1
        only = "" if run is None else " AND run = %(run)s"
        while True:
            rows = self._ask(
                f"SELECT {_COLUMNS} FROM exolink.op WHERE number < %(last)s{only} ORDER BY number DESC LIMIT {_AT_ONCE}",
                {"last": last, "run": run},
            )
            for row in rows:
                yield _write(row)
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1]["number"]

    def leases(self) -> list[Lease]:
        """Who holds which tenant of which API now."""
        rows = self._ask(
            "SELECT origin, tenant, token, run, who, host, extract(epoch FROM taken)::float8 AS taken,"
            " extract(epoch FROM seen)::float8 AS seen, extract(epoch FROM expires)::float8 AS expires"
            " FROM exolink.lease WHERE run IS NOT NULL AND expires > clock_timestamp() ORDER BY origin, tenant"
        )
        return [Lease(*row.values()) for row in rows]

    # ----------------------------------------------------------------------------------------------------------- audit

    def started(self, steps: int) -> None:
        """Put the start of a run on the audit record."""
        self._append([audit.run_started(steps)])

    def ended(self, exit_code: int, totals: tuple[int, int, int]) -> None:
        """Put the end of a run on the audit record."""
        self._append([audit.run_ended(exit_code, totals)])

    def break_lease(self, lease: Lease, reason: str) -> bool:
        """Take a lease away from its holder, and put on record who did it and why; whether it was still theirs."""
        line = {
            "event": "lock broken", "tenant": lease.tenant, "token": lease.token, "held_by": lease.who,
            "held_on": lease.host, "held_run": lease.run, "reason": reason,
        }  # fmt: skip

        def once() -> bool:
            with self._link.transaction() as connection:
                broken = connection.execute(
                    b"UPDATE exolink.lease SET run = NULL, expires = clock_timestamp()"
                    b" WHERE origin = %(origin)s AND tenant = %(tenant)s AND token = %(token)s AND run = %(run)s"
                    b" AND expires > clock_timestamp() RETURNING tenant",
                    {"origin": lease.origin, "tenant": lease.tenant, "token": lease.token, "run": lease.run},
                ).fetchall()
                if broken:
                    values = self._audit_values([line], [uuid.uuid4()])
                    connection.execute(_AUDIT.encode(), {**values, "origin": lease.origin})
                return bool(broken)

        return self._repeat(once)

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        self._ask(_AUDIT, self._audit_values(lines, [uuid.uuid4() for _ in lines]))

    def _audit_values(self, lines: Sequence[Mapping[str, Any]], ids: Sequence[uuid.UUID]) -> dict[str, Any]:
        digest = {"digest": self.digest}
        return {
            "id": list(ids), "run": self.run, "who": self.who, "origin": self.origin,
            "line": [json.dumps({**digest, **line}) for line in lines],
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------------------ statements

    def _ask(self, statement: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a statement; repeated on a new connection as long as the lease lasts. Raises StorageFailed."""
        return self._repeat(lambda: self._link.ask(statement, values))

    def _repeat(self, work: Callable[[], _T]) -> _T:
        while True:
            try:
                return work()
            except _CONNECTION as error:
                trouble = self._said(error)
                if self._lost is not None:
                    raise self._lost from None
                if self._deadline is None or time.monotonic() >= self._deadline or isinstance(error, errors.DiskFull):
                    raise StorageFailed("E-STORAGE", f"{self.where} cannot be reached: {trouble}") from None
                time.sleep(min(_RETRY, HEARTBEAT))
            except psycopg.Error as error:
                raise StorageFailed("E-STORAGE", f"{self.where} cannot be used: {self._said(error)}") from None

    @contextlib.contextmanager
    def _storage(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise failed(self.database, error) from None

    def _said(self, error: psycopg.Error) -> str:
        return said(self.database, error)


_SETTLE = f"""
UPDATE exolink.op SET outcome = told.outcome, answered = op.answered OR told.answered,
    made = coalesce(told.made, op.made), code = told.code, detail = told.detail
FROM unnest(%(number)s::bigint[], %(outcome)s::text[], %(answered)s::boolean[], %(made)s::bigint[], %(code)s::text[],
    %(detail)s::text[]) AS told (number, outcome, answered, made, code, detail)
WHERE op.number = told.number
RETURNING {", ".join(f"op.{name}" for name in ("number", "run", "digest", "tenant", "kind", "name", "action", "remote_id", "before", "after", "outcome"))},
    extract(epoch FROM op.intended_at)::float8 AS intended_at
"""
_SETTLE_EARLIER = f"""
UPDATE exolink.op SET outcome = told.outcome, made = coalesce(told.made, op.made)
FROM unnest(%(number)s::bigint[], %(outcome)s::text[], %(made)s::bigint[]) AS told (number, outcome, made)
WHERE op.number = told.number
RETURNING {", ".join(f"op.{name}" for name in ("number", "run", "digest", "tenant", "kind", "name", "action", "remote_id", "before", "after", "outcome"))},
    extract(epoch FROM op.intended_at)::float8 AS intended_at
"""
_AUDIT = """
INSERT INTO exolink.audit (id, run, who, origin, line)
SELECT id, %(run)s, %(who)s, %(origin)s, line::json FROM unnest(%(id)s::uuid[], %(line)s::text[]) AS new (id, line)
ON CONFLICT (id) DO NOTHING
"""


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
    return StorageFailed("E-STORAGE", f"{database.shown} cannot be used: {said(database, error)}")


def said(database: Database, error: psycopg.Error) -> str:
    """The first line of what libpq or the server said, without our password."""
    text = error.diag.message_primary or str(error) or type(error).__name__
    return database.masked(text.strip().splitlines()[0])


def _closed_as(outcome: Outcome) -> str | None:
    is_open = outcome.status is Status.UNKNOWN or outcome.code == "E-UNVERIFIED"
    return None if is_open else outcome.status.value


def _lock_lost(tenant: str) -> Locked:
    return Locked(
        "E-LOCK-LOST",
        f"the lock of tenant {tenant} was lost while this apply worked (taken, broken, or not renewed in time), so another"
        " apply may be at work",
    )


def _write(row: Mapping[str, Any]) -> Write:
    return Write(
        row["number"], row["run"], row["intended_at"], row["who"], row["origin"],
        Address(row["tenant"], row["kind"], row["name"]), row["action"], row["remote_id"], row["made"],
        json.loads(row["before"]), json.loads(row["after"]), row["outcome"], row["code"] or "", row["detail"] or "",
    )  # fmt: skip
