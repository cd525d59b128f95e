"""What only a shared state has to withstand: leases that end, connections that drop, roles, versions, URLs."""

import threading
from typing import Any

import pytest
from support_postgres import Home, held, psycopg, step

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.model import Outcome, Status
from exolink_reconcile.resource import ListKey
from exolink_reconcile.state import connection, migrations, statements
from exolink_reconcile.state.postgres import PostgresStore
from exolink_reconcile.state.store import NewBase

# ----------------------------------------------------------------------------------------------------------- partitions


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_a_database_with_another_isolation(postgres: Home, isolation: str) -> None:
    """Statements that stand in each other's way are sent again; the promises stay."""
    postgres.sql(f"ALTER DATABASE {postgres.name} SET default_transaction_isolation = '{isolation}'")
    results: list[str] = []

    def work(store: PostgresStore) -> None:
        for number in range(10):
            with store.hold(["acme"], 60.0, lambda sentence: None):
                mine = step(f"{store.run} {number}")
                store.intend(mine, {}, {})
                store.settle([Outcome(mine, Status.DONE)])
        results.append("done")

    threads = [threading.Thread(target=work, args=(postgres.open(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tokens = [row[0] for row in postgres.sql("SELECT token FROM exolink.op ORDER BY number")]
    assert results == ["done"] * 3 and tokens == list(range(1, 31))


def test_numbers_that_a_standby_gives_again(postgres: Home) -> None:
    """A write is closed by its own name; one that the database forgot is an error, and no other is closed for it."""
    store, sent = postgres.open(), step("A")
    with held(store):
        store.intend(sent, {}, {})
        postgres.sql("UPDATE exolink.op SET intent = gen_random_uuid()")
        with pytest.raises(StorageFailed, match="has forgotten writes of this run"):
            store.settle([Outcome(sent, Status.DONE)])
        assert [op.address.name for op in store.open_intents()] == ["A"]


def test_what_the_next_run_closed_stays_closed(postgres: Home) -> None:
    """A run that lost its lock and does not know what became of its write opens nothing again."""
    store, sent = postgres.open(), step("A")
    with held(store):
        store.intend(sent, {}, {})
        [op] = store.open_intents()
        postgres.open().settle_earlier({op.number: "applied"}, {op.number: 7})
        store.settle([Outcome(sent, Status.UNKNOWN)])
        assert store.open_intents() == [] and [w.outcome for w in store.history()] == ["applied"]


def test_an_intent_whose_commit_was_not_confirmed(postgres: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sent again and stays one."""
    store = postgres.open()
    with held(store):
        lost: list[Any] = []
        ask = connection.Link.ask

        def loses_the_first_answer(link: Any, statement: str, values: Any = None) -> Any:
            rows = ask(link, statement, values)
            if link is store._link and not lost:
                lost.append(1)
                raise psycopg.OperationalError("server closed the connection unexpectedly")
            return rows

        monkeypatch.setattr(connection.Link, "ask", loses_the_first_answer)
        store.intend(step("A"), {}, {})
        assert lost and [op.address.name for op in store.open_intents()] == ["A"]


# ----------------------------------------------------------------------------------------------------- tables and roles


def test_roles(postgres: Home) -> None:
    """A reader reads; a writer applies, and can neither change nor delete what stands in the audit record."""
    empty = Home(postgres.server, postgres.stack, tables=False)
    empty.sql(migrations.script())
    for role in ("reader", "writer"):
        if not postgres.sql(f"SELECT 1 FROM pg_roles WHERE rolname = 'the_{role}'"):
            postgres.sql(f"CREATE ROLE the_{role} LOGIN IN ROLE exolink_{role}")
    writer = empty.open(user="the_writer")
    with held(writer):
        sent = step()
        writer.started(1)
        writer.intend(sent, {}, {})
        writer.sending(sent)
        writer.sending(sent)
        writer.answered(sent)
        writer.settle([Outcome(sent, Status.UNKNOWN)])
        writer.saw({ListKey("acme", "cpms"): 1})
        writer.keep_base("acme", NewBase({}))
        writer.ended(0, (0, 0, 0))
    for statement in ("UPDATE exolink.audit SET who = 'x'", "DELETE FROM exolink.audit", "DELETE FROM exolink.op"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            empty.server.sql(f"SET ROLE the_writer; {statement}", empty.name)
    reader = empty.open(user="the_reader")
    assert [op.address.name for op in reader.open_intents()] == ["A"] and len(list(reader.history())) == 1
    assert dict(reader.seen()) == {ListKey("acme", "cpms"): 1} and reader.base("acme") is not None
    with pytest.raises(StorageFailed, match="permission denied"), held(reader):
        pass


def test_row_D10_what_is_closed_costs_nothing(postgres: Home) -> None:
    """What an apply asks on its way is answered from an index, however many writes were made before."""
    postgres.sql(
        "INSERT INTO exolink.op (intent, token, run, digest, who, origin, tenant, kind, name, action, before, after,"
        " intended_at, made, outcome) SELECT gen_random_uuid(), 1, 'r', 'd', 'w', 'o', 'acme', 'cpms', 'N' || i, 'create',"
        " '{}', '{}', clock_timestamp() - interval '9 days', i, 'done' FROM generate_series(1, 20000) AS i"
    )
    values = {"origin": "o", "tenant": "acme", "window": 91.0}
    with psycopg.connect(postgres.server.url(postgres.name)) as database:
        for analyzed in (False, True):
            if analyzed:
                database.execute(b"ANALYZE exolink.op")
            rows = database.execute(f"EXPLAIN (ANALYZE) {statements.MADE_LATELY}".encode(), values).fetchall()
            plan = "\n".join(str(row[0]) for row in rows)
            assert "op_made " in plan and "Index Cond" in plan and "COALESCE" in plan and "Filter" not in plan, plan
