"""A connection to the shared state that drops, stands still, restarts, or is not there."""

import contextlib
import threading
import time
from typing import Any

import postgres_server
import pytest
from support_postgres import ORIGIN, Home, held, psycopg, step, until

from exolink_reconcile.errors import Locked, ReconcileError, StorageFailed
from exolink_reconcile.model import Outcome, Status
from exolink_reconcile.resource import ListKey
from exolink_reconcile.state import connection, database_url, homes
from exolink_reconcile.state.postgres import PostgresStore


def test_a_connection_that_drops(postgres: Home) -> None:
    """It is made again and the work goes on; nothing is on record twice."""
    store, sent = postgres.open(), step("A")
    with held(store):
        store.intend(sent, {}, {})
        postgres.cut()
        store.sending(sent)
        postgres.cut()
        store.intend(step("B"), {}, {})
        postgres.cut()
        store.settle([Outcome(sent, Status.DONE, made=3)])
        postgres.cut()
        store.saw({ListKey("acme", "cpms"): 1})
        assert [op.address.name for op in store.open_intents()] == ["B"]
    assert len(postgres.sql("SELECT 1 FROM exolink.audit")) == 1 and postgres.open().leases() == []


def test_a_server_that_stands_still(postgres: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It took a statement and never answers, on a connection that lives: the statement is sent again on another one."""
    monkeypatch.setattr(connection, "_LOOK", 0.05)
    database = database_url.parse(postgres.server.url(postgres.name))
    store = postgres.stack.enter_context(contextlib.closing(PostgresStore(database, ORIGIN, patience=0.3)))
    with held(store), psycopg.connect(postgres.server.url(postgres.name)) as other:
        other.execute(b"LOCK TABLE exolink.op")
        backend = store._link.connection
        assert backend is not None
        thread = threading.Thread(target=store.intend, args=(step("A"), {}, {}))
        thread.start()
        until(lambda: store._link.connection not in (backend, None))
        other.rollback()
        thread.join()
        assert [op.address.name for op in store.open_intents()] == ["A"]


def test_plan_does_not_wait_for_a_server_that_stands_still(postgres: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What earlier runs left is then not known: a note."""
    monkeypatch.setattr(connection, "_LOOK", 0.05)
    monkeypatch.setattr(homes, "_PATIENCE", 0.3)
    with psycopg.connect(postgres.server.url(postgres.name)) as other:
        other.execute(b"LOCK TABLE exolink.op")
        assert "cannot be reached" in homes.DatabaseHome(postgres.database).memory(ORIGIN, ["acme"]).note


def test_no_statement_needs_a_session(postgres: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may go over another connection to the server, as behind PgBouncer in transaction mode; none is prepared."""
    ask, backends = connection.Link.ask, []

    def over_another(link: Any, statement: str, values: Any = None) -> Any:
        rows = ask(link, statement, values)
        backends.extend(
            ask(link, "SELECT pg_backend_pid() AS pid, (SELECT count(*) FROM pg_prepared_statements) AS prepared")
        )
        link._drop()
        return rows

    monkeypatch.setattr(connection.Link, "ask", over_another)
    store, sent = postgres.open(), step("A")
    with held(store):
        store.started(1)
        store.intend(sent, {}, {})
        store.sending(sent)
        store.sending(sent)
        store.answered(sent)
        store._leases.renew(time.monotonic())
        store.settle([Outcome(sent, Status.DONE, made=3)])
        with pytest.raises(Locked), held(postgres.open()):
            pass
    assert [(w.address.name, w.outcome, w.made_id) for w in store.history()] == [("A", "done", 3)]
    assert len({row["pid"] for row in backends}) == len(backends) > 8 and {row["prepared"] for row in backends} == {0}


def test_a_server_that_restarts_and_one_that_stays_away(short: None) -> None:
    """Back within the lease: the work goes on. Longer: nothing more is sent, 11; and the lock ends by itself."""
    with postgres_server.own_server() as server, contextlib.ExitStack() as stack:
        postgres = Home(server, stack)
        store = postgres.open()
        with held(store):
            store.intend(step("A"), {}, {})
            server.stop()
            server.start()
            if store._leases.lost is None and time.monotonic() < (store._leases.deadline or 0):
                store.intend(step("B"), {}, {})
            server.stop()
            with pytest.raises(ReconcileError) as caught:
                for number in range(100_000):
                    store.intend(step(f"N{number}"), {}, {})
            assert isinstance(caught.value, (StorageFailed, Locked))
            with pytest.raises(ReconcileError):
                store.may_send()
            server.start()


def test_a_server_that_turns_read_only(postgres: Home, short: None) -> None:
    """A standby that took over and may not write: no intent, no write, 11."""
    store = postgres.open()
    with held(store):
        postgres.server.sql(f"ALTER DATABASE {postgres.name} SET default_transaction_read_only = on")
        postgres.cut()
        with pytest.raises(StorageFailed, match=r"E-STORAGE: the database .* read-only"):
            store.intend(step(), {}, {})
        postgres.server.sql(f"ALTER DATABASE {postgres.name} RESET ALL")
    assert postgres.sql("SELECT 1 FROM exolink.op") == []


def test_nobody_answers() -> None:
    """A database that cannot be reached is 11 for what needs it, and a note for plan; its password is in neither."""
    postgres_server.server()
    database = database_url.parse("postgresql://u:hunter22secret@127.0.0.1:1/x")
    with pytest.raises(StorageFailed) as caught:
        PostgresStore(database, ORIGIN)
    memory = homes.DatabaseHome(database).memory(ORIGIN, ["acme"])
    assert "127.0.0.1" in caught.value.summary and memory.note == caught.value.summary
    assert "hunter22secret" not in caught.value.summary
