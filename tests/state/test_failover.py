"""A primary whose standby takes over and lacks its last commits: what replication does unless it is made synchronous."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import postgres_server
import pytest
from support_postgres import ORIGIN, held, step

from exolink_reconcile.errors import Locked, StorageFailed
from exolink_reconcile.state import database_url, migrations, upkeep
from exolink_reconcile.state.postgres import PostgresStore


@dataclass
class Pair:
    """A primary and a standby, and a database with our tables on both."""

    servers: tuple[postgres_server.Server, postgres_server.Server]
    name: str
    stack: contextlib.ExitStack

    def open(self) -> PostgresStore:
        database = database_url.parse(postgres_server.url_of_either(self.servers, self.name))
        return self.stack.enter_context(contextlib.closing(PostgresStore(database, ORIGIN, "digest")))

    def stop_following(self) -> None:
        """From now on what the primary confirms is lost when the standby takes over."""
        primary, standby = self.servers
        standby.stop_following(primary)

    def fail_over(self) -> None:
        primary, standby = self.servers
        standby.take_over(primary)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return self.servers[1].sql(statement, self.name)


@pytest.fixture
def pair() -> Iterator[Pair]:
    postgres_server.server()
    with postgres_server.pair() as servers, contextlib.ExitStack() as stack:
        yield Pair(servers, servers[0].new_database(), stack)


def test_nothing_was_lost(pair: Pair) -> None:
    """The apply goes on over the standby."""
    store = pair.open()
    with held(store):
        store.intend(step("A"), {}, {})
        pair.stop_following()
        pair.fail_over()
        store.intend(step("B"), {}, {})
        assert [op.address.name for op in store.open_intents()] == ["A", "B"]
    assert pair.open().leases() == []


def test_the_last_intents_are_lost(pair: Pair) -> None:
    """The lease is still there; but no write follows one that is forgotten, and the run ends with 11."""
    store = pair.open()
    with held(store):
        store.intend(step("A"), {}, {})
        pair.stop_following()
        store.intend(step("B"), {}, {})
        pair.fail_over()
        with pytest.raises(StorageFailed, match="has forgotten writes of this run"):
            store.intend(step("C"), {}, {})
        with pytest.raises(StorageFailed, match="has forgotten writes of this run"):
            store.may_send()
    assert pair.sql("SELECT name FROM exolink.op") == [("A",)]


def test_the_lease_is_lost(pair: Pair) -> None:
    """Another run may have it by then: no write follows, 8; nor does a number of a lease that was given out again help."""
    pair.stop_following()
    store = pair.open()
    with held(store):
        store.intend(step("A"), {}, {})
        pair.fail_over()
        other = pair.open()
        with held(other):
            assert other._leases.tokens == store._leases.tokens
            with pytest.raises((Locked, StorageFailed)):
                store.intend(step("B"), {}, {})
            other.intend(step("C"), {}, {})
    assert pair.sql("SELECT name FROM exolink.op") == [("C",)]


def test_status_warns_of_a_standby_that_no_commit_waits_for(pair: Pair) -> None:
    """Until one follows synchronously; a user without any further right sees it too."""
    primary, _ = pair.servers
    primary.sql("CREATE ROLE reader LOGIN")
    primary.sql("GRANT USAGE ON SCHEMA exolink TO reader", pair.name)
    primary.sql("GRANT SELECT ON ALL TABLES IN SCHEMA exolink TO reader", pair.name)

    def warned() -> bool:
        database = database_url.parse(primary.url(pair.name, "reader"))
        return any("a standby follows" in warning for warning in upkeep.status(database).warnings)

    assert warned()
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.sql("SELECT pg_reload_conf()")
    assert not warned()


def test_a_writer_may_ask_which_server_answers(pair: Pair) -> None:
    """It needs no more than what `store init --sql` grants."""
    primary, standby = pair.servers
    primary.sql("CREATE ROLE exolink_writer LOGIN")
    primary.sql(migrations.GRANTS["exolink_writer"], pair.name)
    standby.stop_following(primary)
    standby.take_over(primary)
    database = database_url.parse(standby.url(pair.name, "exolink_writer"))
    with contextlib.closing(PostgresStore(database, ORIGIN)) as store, held(store):
        assert store.took_over is not None
