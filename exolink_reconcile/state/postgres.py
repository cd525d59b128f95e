"""The state in a PostgreSQL database: one memory for all machines that name it.

The lock is a lease: a row with a token, a run and a moment when it ends, all by the database's clock. A heartbeat renews
it on a connection of its own. The statement that makes an intent durable locks and checks that row. So a run that lost its
lease cannot make an intent, and a run that takes the lease over waits for that statement and then sees the intent. We stop
some seconds before the lease ends, by our own monotonic clock, counted from before we asked for the renewal.

No statement needs a session: everything works behind PgBouncer in transaction mode. Each may be repeated, so a connection
that drops is made again and the statement sent again, as long as the lease lasts.
"""

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors

from exolink_reconcile.errors import ReconcileError, StorageFailed
from exolink_reconcile.model import Intent, Outcome, Step, remote_id
from exolink_reconcile.resource import Address, ListKey
from exolink_reconcile.state import audit, connection, statements, store
from exolink_reconcile.state.connection import PATIENCE, Link
from exolink_reconcile.state.database_url import Database
from exolink_reconcile.state.group_commit import GroupCommit
from exolink_reconcile.state.leases import Leases
from exolink_reconcile.state.store import Base, Lease, NewBase, Write

_AT_ONCE = 5_000  # rows of a statement
# A service that speaks like PostgreSQL may not tell which server answers.
_NOT_TOLD = (
    errors.InsufficientPrivilege, errors.FeatureNotSupported, errors.UndefinedFunction, errors.ObjectNotInPrerequisiteState,
)  # fmt: skip
# What the kinds of changes take, in the words of statements.CHANGE.
_COLUMNS = {
    "intend": ("intent", "tenant", "kind", "name", "action", "remote_id", "before", "after", "api_date"),
    "sending": ("intent", "api_date"),
    "answered": ("intent", "deleted_only"),
}


@dataclass(slots=True)
class _Change:
    """A change of a write that waits to be made durable; `kind` is a key of _COLUMNS."""

    kind: str
    values: Mapping[str, Any]
    done: bool = False
    error: Exception | None = None


class PostgresStore:
    """The state of one API for one run, in a database that many machines share; used from several threads."""

    is_new = False  # a shared state is not lost with a machine

    def __init__(self, database: Database, origin: str, digest: str = "", *, patience: float = PATIENCE) -> None:
        """Connect, and check that the tables are there and of a version that we may use.

        Raises:
            StorageFailed: not reachable, access denied, no tables, or tables of another version.

        """
        self.database = database
        self.origin = origin
        self.run = uuid.uuid4().hex[:12]
        self.digest = digest
        self.took_over: float | None = None
        self.who = audit.user()
        self.api_now: Callable[[], float | None] = lambda: None
        self._link = Link(database, patience)
        self._leases = Leases(database, self._link, origin, self.run, self.who)
        self._intents: dict[int, uuid.UUID] = {}
        self._fresh: dict[int, float] = {}
        self._last: uuid.UUID | None = None  # the newest intent that was confirmed
        self._changes = GroupCommit(self._commit)
        try:
            connection.check_version(self._link.ask(statements.VERSION))
        except BaseException as error:
            self._link.close()
            if isinstance(error, psycopg.Error):
                raise connection.failed(database, error) from None
            raise

    @property
    def where(self) -> str:
        """Where the state is kept, for people."""
        return self.database.shown

    def close(self) -> None:
        """Give back all leases, if the database can be reached, and close the connections."""
        try:
            self._changes.flush()
        finally:
            self._leases.close()
            self._link.close()

    @contextlib.contextmanager
    def hold(self, tenants: Iterable[str], timeout: float, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the tenants, taken in sorted order so that two runs cannot wait for each other; see Leases.hold."""
        with self._leases.hold(tenants, timeout, say):
            self.took_over = self._leases.repeat(self._took_over)
            yield

    def _took_over(self) -> float | None:
        try:
            rows = self._link.ask(statements.SERVER)
        except _NOT_TOLD:
            return None
        return rows[0]["age"] if rows[0]["took_over"] else None

    def may_send(self) -> None:
        """The last check right before a request that writes; see Leases.may_send."""
        self._leases.may_send()

    # --------------------------------------------------------------------------------------------------------- intents

    def intend(self, step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Make an intent durable if we still hold the lease. Threads that wait at the same time share one statement."""
        self.may_send()
        intent = uuid.uuid4()
        now = time.monotonic()
        self._changes.add(
            _Change("intend", {
                "intent": intent, "tenant": step.address.tenant, "kind": step.address.kind, "name": step.address.name,
                "action": step.action.word,
                "remote_id": remote_id(step.before) if step.before is not None else None,
                "before": json.dumps(before), "after": json.dumps(after), "api_date": self.api_now(),
            })
        )  # fmt: skip
        self._intents[id(step)] = intent
        self._fresh[id(step)] = now
        self.may_send()

    def sending(self, step: Step, api_date: float | None = None) -> None:
        """Stamp an attempt right before it leaves if we still hold the lease."""
        self.may_send()
        intended = self._fresh.pop(id(step), None)
        if intended is not None and time.monotonic() - intended < store.FRESH:
            return
        api_date = self.api_now() if api_date is None else api_date
        self._changes.add(_Change("sending", {"intent": self._intents[id(step)], "api_date": api_date}))
        self.may_send()

    def answered(self, step: Step, *, deleted: bool = False) -> None:
        """Remember that a write was answered; `deleted`: only the delete of a replace was, and its create waits for this.

        Nobody waits for the rest: it is on record in a moment, and always before anything that this thread sends later.
        """
        change = _Change("answered", {"intent": self._intents[id(step)], "deleted_only": deleted})
        if deleted:
            self._changes.add(change)
        else:
            self._changes.add_soon(change)

    def _commit(self, batch: Sequence[_Change]) -> None:
        values: dict[str, Any] = {**self._leases.ours(), "digest": self.digest, "who": self.who, "last": self._last}
        for kind, columns in _COLUMNS.items():
            changes = [change.values for change in batch if change.kind == kind]
            values.update({f"{kind}_{name}": [change[name] for change in changes] for name in columns})
        for name in ("intend_before", "intend_after"):  # as one value: psycopg quotes the texts of an array in Python
            values[name] = f"[{','.join(values[name])}]"
        try:
            durable = {row["intent"] for row in self._ask(statements.CHANGE, values)}
            for change in batch:
                if change.values["intent"] not in durable:
                    change.error = self._lose(str(change.values.get("tenant", "")))
                elif change.kind == "intend":
                    self._last = change.values["intent"]
        except ReconcileError as error:
            for change in batch:
                change.error = error

    def _lose(self, tenant: str) -> ReconcileError:
        """The error of a change that the database did not take: it has forgotten this run, or the lease is gone."""
        if self._last is not None and not self._ask(statements.REMEMBERS, {"last": self._last}):
            self._leases.lost = StorageFailed("E-STORAGE", self._forgotten)
        return self._leases.lose(tenant)

    @property
    def _forgotten(self) -> str:
        return f"{self.where} has forgotten writes of this run: it was restored, or a standby took over that lacks them"

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Close the writes whose outcome is known, and put every outcome on the audit record."""
        self._changes.flush()
        outcomes = list(outcomes)
        for start in range(0, len(outcomes), _AT_ONCE):
            self._settle(outcomes[start : start + _AT_ONCE])

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        outcome_of = {self._intents[id(o.step)]: o for o in outcomes if id(o.step) in self._intents}
        values: dict[str, list[Any]] = {
            "intent": list(outcome_of),
            "outcome": [store.closed_as(outcome) for outcome in outcome_of.values()],
            "answered": [store.is_answered_but_unseen(outcome) for outcome in outcome_of.values()],
            "made": [outcome.made for outcome in outcome_of.values()],
            "code": [outcome.code for outcome in outcome_of.values()],
            "detail": [store.storable(outcome.detail) for outcome in outcome_of.values()],
        }
        self._close(
            statements.SETTLE,
            values,
            lambda row: audit.closed(row, outcome_of[row["intent"]]),
            self._forgotten,
            unsent=[audit.unsent(outcome) for outcome in outcomes if id(outcome.step) not in self._intents],
        )

    def settle_earlier(self, intents: Mapping[int, str], new_ids: Mapping[int, int] | None = None) -> None:
        """Close writes of earlier runs, by number, with the outcome that reading showed."""
        new_ids = new_ids or {}
        values: dict[str, list[Any]] = {
            "number": list(intents),
            "outcome": list(intents.values()),
            "made": [new_ids.get(number) for number in intents],
        }
        self._close(statements.SETTLE_EARLIER, values, audit.write, "a write that was open is not there any more")

    def _close(
        self,
        statement: str,
        values: Mapping[str, list[Any]],
        line: Callable[[Mapping[str, Any]], dict[str, Any]],
        if_missing: str,
        unsent: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Close writes and put their outcomes on the audit record, both or neither; a repetition records them once.

        Raises:
            StorageFailed: `if_missing` says that not all of them are there.

        """
        ids = [uuid.uuid4() for _ in range(len(values["outcome"]) + len(unsent))]

        def once() -> None:
            with self._link.transaction() as database:
                rows = database.execute(statement.encode(), values).fetchall() if values["outcome"] else []
                if len(rows) != len(values["outcome"]):
                    raise StorageFailed("E-STORAGE", if_missing)
                record = self._audit_values([*map(line, rows), *unsent], ids)
                database.execute(statements.AUDIT.encode(), record)

        self._leases.repeat(once)

    # ------------------------------------------------------------------------------------------------------- questions

    def open_intents(self, tenants: Iterable[str] | None = None) -> list[Intent]:
        """The writes that are still open, oldest first: those of some tenants of this API, or all."""
        condition, values = "outcome IS NULL", {}
        if tenants is not None:
            condition += " AND origin = %(origin)s AND tenant = ANY(%(tenants)s)"
            values = {"origin": self.origin, "tenants": list(tenants)}
        rows = self._ask(f"SELECT {statements.COLUMNS} FROM exolink.op WHERE {condition} ORDER BY number", values)
        return [store.intent(row, self._age(row)) for row in rows]

    def made_lately(self, tenants: Iterable[str], window: float) -> list[Intent]:
        """The creates of the last `window` seconds that are known to have made an object, its id as `remote_id`."""
        intents = [op for tenant in tenants for op in self._made_lately(tenant, window)]
        return sorted(intents, key=lambda op: op.number)

    def _made_lately(self, tenant: str, window: float) -> Iterator[Intent]:
        rows = self._ask(
            statements.MADE_LATELY, {"origin": self.origin, "tenant": tenant, "window": window + store.FRESH}
        )
        for row in rows:
            intent = store.intent(row, self._age(row), id_column="made")
            if intent.age < window:
                yield intent

    def last_made(self, addresses: Iterable[Address]) -> dict[Address, int]:
        """The id of what was made last at each of these addresses; addresses without one on record are left out."""
        addresses, made = list(addresses), dict[Address, int]()
        for start in range(0, len(addresses), _AT_ONCE):
            tenants, kinds, names = zip(*addresses[start : start + _AT_ONCE], strict=True)
            rows = self._ask(
                statements.LAST_MADE,
                {"origin": self.origin, "tenants": list(tenants), "kinds": list(kinds), "names": list(names)},
            )
            made |= {Address(row["tenant"], row["kind"], row["name"]): row["made"] for row in rows}
        return made

    def _age(self, row: Mapping[str, Any]) -> float:
        """Its age by the database's clock or the API's, whichever is smaller: a clock can make a write young, never old."""
        ages = [row["age"] - (0.0 if row["again"] else store.FRESH)]
        api_now = self.api_now()
        if api_now is not None and row["api_date"] is not None:
            ages.append(api_now - row["api_date"] - store.DATE_RESOLUTION)
        return float(max(0.0, min(ages)))

    def forget(self, intents: Iterable[Intent]) -> None:
        """Close open writes for good, although nobody knows what became of them."""
        self.settle_earlier({op.number: "forgotten" for op in intents})

    def seen(self) -> dict[ListKey, int]:
        """How many rows each list had when an apply last read it, by tenant and kind."""
        rows = self._ask(statements.SEEN, {"origin": self.origin})
        return {ListKey(row["tenant"], row["kind"]): row["rows"] for row in rows}

    def saw(self, counts: Mapping[ListKey, int]) -> None:
        """Remember how many rows each list has."""
        self._ask(
            statements.SAW,
            {
                "origin": self.origin,
                "tenant": [tenant for tenant, _ in counts],
                "kind": [kind for _, kind in counts],
                "rows": list(counts.values()),
            },
        )

    def base(self, tenant: str) -> Base | None:
        """What the last apply of a tenant declared and verified; None if there was none."""
        rows = self._ask(statements.BASE, {"origin": self.origin, "tenant": tenant})
        try:
            return store.unpack_base(tenant, rows[0]["kept_at"], bytes(rows[0]["content"])) if rows else None
        except (ValueError, TypeError):
            raise StorageFailed("E-STORAGE", f"{self.where}: what it keeps of tenant {tenant} is damaged") from None

    def keep_base(self, tenant: str, base: NewBase) -> None:
        """Remember what an apply declared and verified, in place of the base before."""
        content = base.packed(self.base(tenant))
        self._ask(statements.KEEP_BASE, {"origin": self.origin, "tenant": tenant, "content": content})

    def done(self, digest: str) -> frozenset[Address]:
        """The addresses of this API whose last completed write belongs to the plan with this digest."""
        rows = self._ask(
            "SELECT tenant, kind, name FROM exolink.op WHERE digest = %(digest)s AND number IN (SELECT max(number)"
            " FROM exolink.op WHERE origin = %(origin)s AND outcome IN ('done', 'applied') GROUP BY tenant, kind, name)",
            {"origin": self.origin, "digest": digest},
        )
        return frozenset(Address(row["tenant"], row["kind"], row["name"]) for row in rows)

    def history(self, run: str | None = None) -> Iterator[Write]:
        """The writes of earlier runs, or of one run, newest first."""
        last = 2**63 - 1
        only = "" if run is None else " AND run = %(run)s"
        while True:
            rows = self._ask(
                f"SELECT {statements.COLUMNS} FROM exolink.op WHERE number < %(last)s{only} ORDER BY number DESC LIMIT {_AT_ONCE}",
                {"last": last, "run": run},
            )
            yield from map(store.write, rows)
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1]["number"]

    def leases(self) -> list[Lease]:
        """Who holds which tenant of which API now."""
        rows = self._ask(statements.LEASES)
        return [Lease(*row.values()) for row in rows]

    # ----------------------------------------------------------------------------------------------------------- audit

    def started(self, steps: int) -> None:
        """Put the start of a run on the audit record."""
        self._append([audit.run_started(steps)])

    def ended(self, exit_code: int, totals: tuple[int, int, int]) -> None:
        """Put the end of a run on the audit record."""
        self._append([audit.run_ended(exit_code, totals)])

    def break_lease(self, lease: Lease, reason: str) -> bool:
        """Take a lease from its holder, and put on record who did it and why; returns whether the holder still had it."""
        line = {
            "event": "lock broken",
            "tenant": lease.tenant,
            "token": lease.token,
            "held_by": lease.who,
            "held_on": lease.host,
            "held_run": lease.run,
            "reason": reason,
        }

        def once() -> bool:
            with self._link.transaction() as database:
                broken = database.execute(
                    statements.BREAK.encode(),
                    {"origin": lease.origin, "tenant": lease.tenant, "token": lease.token, "run": lease.run},
                ).fetchall()
                if broken:
                    values = self._audit_values([line], [uuid.uuid4()])
                    database.execute(statements.AUDIT.encode(), {**values, "origin": lease.origin})
                return bool(broken)

        return self._leases.repeat(once)

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        self._ask(statements.AUDIT, self._audit_values(lines, [uuid.uuid4() for _ in lines]))

    def _audit_values(self, lines: Sequence[Mapping[str, Any]], ids: Sequence[uuid.UUID]) -> dict[str, Any]:
        return {
            "id": list(ids),
            "run": self.run,
            "who": self.who,
            "origin": self.origin,
            "lines": json.dumps([{"digest": self.digest, **line} for line in lines]),
        }

    def _ask(self, statement: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a statement; see Leases.ask."""
        return self._leases.ask(statement, values)
