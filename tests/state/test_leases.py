"""Leases: whose turn it is across machines, and that nothing is written after somebody else's came."""

import time

import pytest
from support_postgres import ORIGIN, Home, held, psycopg, step, until

from exolink_reconcile.errors import Locked
from exolink_reconcile.state import leases, statements


def test_the_token_grows(postgres: Home) -> None:
    """Each holder has a higher token than all before, so that the writes of an earlier one are distinguished."""
    tokens = []
    for _ in range(3):
        with held(store := postgres.open()):
            store.intend(step(), {}, {})
            tokens.append(store.leases()[0].token)
    assert (
        tokens == [1, 2, 3]
        and [row[0] for row in postgres.sql("SELECT token FROM exolink.op ORDER BY number")] == tokens
    )


def test_row_48_a_lock_across_machines_is_renewed(postgres: Home, short: None) -> None:
    """It lasts as long as its holder works, however long that is."""
    with held(store := postgres.open()):
        first = store.leases()[0].expires or 0.0
        until(lambda: (store.leases()[0].expires or 0.0) > first + leases.LEASE)
        store.may_send()
        store.intend(step(), {}, {})
        with (
            pytest.raises(Locked, match=r"held by .* on .*, last seen \d+ s ago, ends by itself in \d+ s"),
            held(postgres.open()),
        ):
            pass


def test_row_49_a_lock_whose_holder_died_ends_by_itself(postgres: Home, short: None) -> None:
    """Nobody has to free it; what the holder left open is seen by the one who follows."""
    dead = postgres.open()
    dead._leases._take("acme", 0.0, print)
    dead.intend(step("Left"), {}, {})
    dead._leases._stop.set()  # no heartbeat any more
    follower = postgres.open()
    with held(follower, timeout=60.0):
        assert [op.address.name for op in follower.open_intents(["acme"])] == ["Left"]
        with pytest.raises(Locked, match="E-LOCK-LOST"):
            dead.intend(step("Late"), {}, {})
        with pytest.raises(Locked, match="E-LOCK-LOST"):
            dead.may_send()
    assert [row[0] for row in postgres.sql("SELECT name FROM exolink.op")] == ["Left"]


def test_no_intent_after_somebody_else_took_over(postgres: Home) -> None:
    """Whatever the process believes, the statement that makes the intent checks the token."""
    store = postgres.open()
    with held(store):
        store.intend(step("A"), {}, {})
        postgres.sql("UPDATE exolink.lease SET token = token + 1, run = 'another'")
        for write in (lambda: store.intend(step("B"), {}, {}), lambda: store.intend(step("C"), {}, {})):
            with pytest.raises(Locked, match="E-LOCK-LOST: the lock of tenant acme"):
                write()
    assert postgres.sql("SELECT run FROM exolink.lease") == [("another",)]  # and it is not given back: it is not ours
    assert [row[0] for row in postgres.sql("SELECT name FROM exolink.op")] == ["A"]


def test_no_attempt_after_somebody_else_took_over(postgres: Home) -> None:
    """Sending again is stamped by a statement that checks the token too."""
    store, sent = postgres.open(), step()
    with held(store):
        store.intend(sent, {}, {})
        store.sending(sent)
        postgres.sql("UPDATE exolink.lease SET token = token + 1, run = 'another'")
        with pytest.raises(Locked, match="E-LOCK-LOST"):
            store.sending(sent)


def test_who_takes_over_waits_for_an_intent_under_way(postgres: Home) -> None:
    """An intent that is being made either is there when the next holder looks, or fails: never in between."""
    store = postgres.open()
    with held(store), psycopg.connect(postgres.server.url(postgres.name)) as slow:
        ours = {"origin": ORIGIN, "run": store.run, "tenants": ["acme"], "tokens": [1]}
        slow.execute(statements.OURS.encode() + b"SELECT tenant FROM ours", ours)
        postgres.sql("ALTER DATABASE " + postgres.name + " SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            postgres.sql("UPDATE exolink.lease SET run = 'another'")
        slow.rollback()
        postgres.sql("UPDATE exolink.lease SET run = 'another'")


def test_a_lock_that_was_broken(postgres: Home, short: None) -> None:
    """The holder finds out by itself, at its next intent at the latest; who broke it and why is on record."""
    store = postgres.open()
    with held(store):
        [lease] = store.leases()
        assert postgres.open().break_lease(lease, "it hangs") and not postgres.open().break_lease(lease, "again")
        until(lambda: store._leases.lost)
        with pytest.raises(Locked, match="E-LOCK-LOST"):
            store.may_send()
        with held(postgres.open()):
            pass
    [(line,)] = postgres.sql("SELECT line FROM exolink.audit WHERE line->>'event' = 'lock broken'")
    assert (line["reason"], line["held_run"], line["token"]) == ("it hangs", store.run, 1)


def test_a_process_that_stood_still(postgres: Home, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """By our own clock the lease is over: nothing is sent, even if the database was not asked yet."""
    store = postgres.open()
    with held(store):
        store._leases._stop.set()
        store.may_send()
        now = time.monotonic()
        monkeypatch.setattr(
            "exolink_reconcile.state.leases.time.monotonic", lambda: now + leases.LEASE - leases.MARGIN + 0.1
        )
        with pytest.raises(Locked, match="E-LOCK-LOST"):
            store.may_send()
        monkeypatch.undo()
