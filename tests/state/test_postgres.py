"""What only a shared state has to withstand: leases that end, connections that drop, roles, versions, URLs."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import postgres_server
import pytest

from exolink_reconcile.errors import InputError, Locked, ReconcileError, StorageFailed
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, Outcome, Status, Step
from exolink_reconcile.resource import Address, ListKey
from exolink_reconcile.state import database_url, homes, journal, migrations
from exolink_reconcile.state.database_url import Database

psycopg = pytest.importorskip("psycopg") if not os.environ.get("TESTS_NEED_POSTGRES") else __import__("psycopg")
from exolink_reconcile.state import connection, leases, statements, upkeep  # noqa: E402
from exolink_reconcile.state.postgres import PostgresStore  # noqa: E402

ORIGIN = "https://api.example.com"
CPMS = KINDS[1]


def step(name: str = "A") -> Step:
    return Step(Action.CREATE, Address("acme", "cpms", name), CPMS, "declared", None)


def held(store: PostgresStore, timeout: float = 0.0) -> Any:
    return store.hold(["acme"], timeout, lambda sentence: None)


class Home:
    """A database of its own, and the stores that a test opens in it."""

    def __init__(self, server: postgres_server.Server, stack: contextlib.ExitStack, *, tables: bool = True) -> None:
        self.server, self.stack = server, stack
        self.name = server.new_database(tables=tables)

    @property
    def database(self) -> Database:
        return database_url.parse(self.server.url(self.name))

    def open(self, origin: str = ORIGIN, user: str = "postgres") -> PostgresStore:
        database = database_url.parse(self.server.url(self.name, user))
        return self.stack.enter_context(contextlib.closing(PostgresStore(database, origin, "digest")))

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        return self.server.sql(statement, self.name)

    def cut(self) -> None:
        """Every connection to the database drops."""
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip


@pytest.fixture
def home() -> Iterator[Home]:
    with contextlib.ExitStack() as stack:
        yield Home(postgres_server.server(), stack)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of seconds instead of a minute."""
    for name, value in (("LEASE", 3.0), ("HEARTBEAT", 0.3), ("MARGIN", 0.5), ("_RETRY", 0.1), ("_POLL", 0.05)):
        monkeypatch.setattr(leases, name, value)


def until(what: Callable[[], object]) -> None:
    for _ in range(3000):
        if what():
            return
        time.sleep(0.01)
    pytest.fail("what the test waited for did not happen")


# --------------------------------------------------------------------------------------------------------------- leases


def test_the_token_grows(home: Home) -> None:
    """Each holder has a higher token than all before, so that the writes of an earlier one are told apart."""
    tokens = []
    for _ in range(3):
        with held(store := home.open()):
            store.intend(step(), {}, {})
            tokens.append(store.leases()[0].token)
    assert (
        tokens == [1, 2, 3] and [row[0] for row in home.sql("SELECT token FROM exolink.op ORDER BY number")] == tokens
    )


def test_row_48_a_lock_across_machines_is_renewed(home: Home, short: None) -> None:
    """It lasts as long as its holder works, however long that is."""
    with held(store := home.open()):
        first = store.leases()[0].expires or 0.0
        until(lambda: (store.leases()[0].expires or 0.0) > first + leases.LEASE)
        store.may_send()
        store.intend(step(), {}, {})
        with (
            pytest.raises(Locked, match=r"held by .* on .*, last seen \d+ s ago, ends by itself in \d+ s"),
            held(home.open()),
        ):
            pass


def test_row_49_a_lock_whose_holder_died_ends_by_itself(home: Home, short: None) -> None:
    """Nobody has to free it; what the holder left open is seen by the one who follows."""
    dead = home.open()
    dead._leases._take("acme", 0.0, print)
    dead.intend(step("Left"), {}, {})
    dead._leases._stop.set()  # no heartbeat any more
    follower = home.open()
    with held(follower, timeout=60.0):
        assert [op.address.name for op in follower.open_operations(["acme"])] == ["Left"]
        with pytest.raises(Locked, match="E-LOCK-LOST"):
            dead.intend(step("Late"), {}, {})
        with pytest.raises(Locked, match="E-LOCK-LOST"):
            dead.may_send()
    assert [row[0] for row in home.sql("SELECT name FROM exolink.op")] == ["Left"]


def test_no_intent_after_somebody_else_took_over(home: Home) -> None:
    """Whatever the process believes, the statement that makes the intent checks the token."""
    store = home.open()
    with held(store):
        store.intend(step("A"), {}, {})
        home.sql("UPDATE exolink.lease SET token = token + 1, run = 'another'")
        for write in (lambda: store.intend(step("B"), {}, {}), lambda: store.intend(step("C"), {}, {})):
            with pytest.raises(Locked, match="E-LOCK-LOST: the lock of tenant acme"):
                write()
    assert home.sql("SELECT run FROM exolink.lease") == [("another",)]  # and it is not given back: it is not ours
    assert [row[0] for row in home.sql("SELECT name FROM exolink.op")] == ["A"]


def test_no_attempt_after_somebody_else_took_over(home: Home) -> None:
    """Sending again is stamped by a statement that checks the token too."""
    store, sent = home.open(), step()
    with held(store):
        store.intend(sent, {}, {})
        store.sending(sent)
        home.sql("UPDATE exolink.lease SET token = token + 1, run = 'another'")
        with pytest.raises(Locked, match="E-LOCK-LOST"):
            store.sending(sent)


def test_who_takes_over_waits_for_an_intent_under_way(home: Home) -> None:
    """An intent that is being made either is there when the next holder looks, or fails: never in between."""
    store = home.open()
    with held(store), psycopg.connect(home.server.url(home.name)) as slow:
        ours = {"origin": ORIGIN, "run": store.run, "tenants": ["acme"], "tokens": [1]}
        slow.execute(statements.OURS.encode() + b"SELECT tenant FROM ours", ours)
        home.sql("ALTER DATABASE " + home.name + " SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            home.sql("UPDATE exolink.lease SET run = 'another'")
        slow.rollback()
        home.sql("UPDATE exolink.lease SET run = 'another'")


def test_a_lock_that_was_broken(home: Home, short: None) -> None:
    """The holder finds out by itself, at its next intent at the latest; who broke it and why is on record."""
    store = home.open()
    with held(store):
        [lease] = store.leases()
        assert home.open().break_lease(lease, "it hangs") and not home.open().break_lease(lease, "again")
        until(lambda: store._leases.lost)
        with pytest.raises(Locked, match="E-LOCK-LOST"):
            store.may_send()
        with held(home.open()):
            pass
    [(line,)] = home.sql("SELECT line FROM exolink.audit WHERE line->>'event' = 'lock broken'")
    assert (line["reason"], line["held_run"], line["token"]) == ("it hangs", store.run, 1)


def test_a_process_that_stood_still(home: Home, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """By our own clock the lease is over: nothing is sent, even if the database was not asked yet."""
    store = home.open()
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


# ----------------------------------------------------------------------------------------------------------- partitions


def test_a_connection_that_drops(home: Home) -> None:
    """It is made again and the work goes on; nothing is on record twice."""
    store, sent = home.open(), step("A")
    with held(store):
        store.intend(sent, {}, {})
        home.cut()
        store.sending(sent)
        home.cut()
        store.intend(step("B"), {}, {})
        home.cut()
        store.settle([Outcome(sent, Status.DONE, made=3)])
        home.cut()
        store.saw({ListKey("acme", "cpms"): 1})
        assert [op.address.name for op in store.open_operations()] == ["B"]
    assert len(home.sql("SELECT 1 FROM exolink.audit")) == 1 and home.open().leases() == []


def test_a_server_that_stands_still(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It took a statement and never answers, on a connection that lives: the statement is sent again on another one."""
    monkeypatch.setattr(connection, "_LOOK", 0.05)
    database = database_url.parse(home.server.url(home.name))
    store = home.stack.enter_context(contextlib.closing(PostgresStore(database, ORIGIN, patience=0.3)))
    with held(store), psycopg.connect(home.server.url(home.name)) as other:
        other.execute(b"LOCK TABLE exolink.op")
        backend = store._link.connection
        assert backend is not None
        thread = threading.Thread(target=store.intend, args=(step("A"), {}, {}))
        thread.start()
        until(lambda: store._link.connection not in (backend, None))
        other.rollback()
        thread.join()
        assert [op.address.name for op in store.open_operations()] == ["A"]


def test_plan_does_not_wait_for_a_server_that_stands_still(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What earlier runs left is then not known: a note."""
    monkeypatch.setattr(connection, "_LOOK", 0.05)
    monkeypatch.setattr(homes, "_PATIENCE", 0.3)
    with psycopg.connect(home.server.url(home.name)) as other:
        other.execute(b"LOCK TABLE exolink.op")
        assert "cannot be reached" in homes.DatabaseHome(home.database).memory(ORIGIN, ["acme"]).note


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_a_database_with_another_isolation(home: Home, isolation: str) -> None:
    """Statements that stand in each other's way are sent again; the promises stay."""
    home.sql(f"ALTER DATABASE {home.name} SET default_transaction_isolation = '{isolation}'")
    results: list[str] = []

    def work(store: PostgresStore) -> None:
        for number in range(10):
            with store.hold(["acme"], 60.0, lambda sentence: None):
                mine = step(f"{store.run} {number}")
                store.intend(mine, {}, {})
                store.settle([Outcome(mine, Status.DONE)])
        results.append("done")

    threads = [threading.Thread(target=work, args=(home.open(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tokens = [row[0] for row in home.sql("SELECT token FROM exolink.op ORDER BY number")]
    assert results == ["done"] * 3 and tokens == list(range(1, 31))


def test_numbers_that_a_standby_gives_again(home: Home) -> None:
    """A write is closed by its own name; one that the database forgot is an error, and no other is closed for it."""
    store, sent = home.open(), step("A")
    with held(store):
        store.intend(sent, {}, {})
        home.sql("UPDATE exolink.op SET intent = gen_random_uuid()")
        with pytest.raises(StorageFailed, match="has forgotten writes of this run"):
            store.settle([Outcome(sent, Status.DONE)])
        assert [op.address.name for op in store.open_operations()] == ["A"]


def test_what_the_next_run_closed_stays_closed(home: Home) -> None:
    """A run that lost its lock and does not know what became of its write opens nothing again."""
    store, sent = home.open(), step("A")
    with held(store):
        store.intend(sent, {}, {})
        [op] = store.open_operations()
        home.open().settle_earlier({op.number: "applied"}, {op.number: 7})
        store.settle([Outcome(sent, Status.UNKNOWN)])
        assert store.open_operations() == [] and [w.outcome for w in store.history()] == ["applied"]


def test_no_statement_needs_a_session(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
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
    store, sent = home.open(), step("A")
    with held(store):
        store.started(1)
        store.intend(sent, {}, {})
        store.sending(sent)
        store.sending(sent)
        store.answered(sent)
        store._leases.renew(time.monotonic())
        store.settle([Outcome(sent, Status.DONE, made=3)])
        with pytest.raises(Locked), held(home.open()):
            pass
    assert [(w.address.name, w.outcome, w.made_id) for w in store.history()] == [("A", "done", 3)]
    assert len({row["pid"] for row in backends}) == len(backends) > 8 and {row["prepared"] for row in backends} == {0}


def test_an_intent_whose_commit_was_not_confirmed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sent again and stays one."""
    store = home.open()
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
        assert lost and [op.address.name for op in store.open_operations()] == ["A"]


def test_a_server_that_restarts_and_one_that_stays_away(short: None) -> None:
    """Back within the lease: the work goes on. Longer: nothing more is sent, 11; and the lock ends by itself."""
    with postgres_server.own_server() as server, contextlib.ExitStack() as stack:
        home = Home(server, stack)
        store = home.open()
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


def test_a_server_that_turns_read_only(home: Home, short: None) -> None:
    """A standby that took over and may not write: no intent, no write, 11."""
    store = home.open()
    with held(store):
        home.server.sql(f"ALTER DATABASE {home.name} SET default_transaction_read_only = on")
        home.cut()
        with pytest.raises(StorageFailed, match=r"E-STORAGE: the database .* read-only"):
            store.intend(step(), {}, {})
        home.server.sql(f"ALTER DATABASE {home.name} RESET ALL")
    assert home.sql("SELECT 1 FROM exolink.op") == []


def test_nobody_answers() -> None:
    """A database that cannot be reached is 11 for what needs it, and a note for plan; its password is in neither."""
    postgres_server.server()
    database = database_url.parse("postgresql://u:hunter22secret@127.0.0.1:1/x")
    with pytest.raises(StorageFailed) as caught:
        PostgresStore(database, ORIGIN)
    memory = homes.DatabaseHome(database).memory(ORIGIN, ["acme"])
    assert "127.0.0.1" in caught.value.summary and memory.note == caught.value.summary
    assert "hunter22secret" not in caught.value.summary


# ----------------------------------------------------------------------------------------------------- tables and roles


def test_tables_are_made_once(home: Home) -> None:
    """By `store init` alone, never by an apply; again it does nothing; at the same time as another neither fails."""
    server = home.server
    empty = Home(server, home.stack, tables=False)
    with pytest.raises(StorageFailed, match="store init"):
        empty.open()
    assert empty.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'exolink'") == []
    results: list[tuple[int, int]] = []
    threads = [threading.Thread(target=lambda: results.append(upkeep.init(empty.database))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [(0, migrations.VERSION)] + [(migrations.VERSION, migrations.VERSION)] * 3
    empty.open()


def test_tables_of_another_version(home: Home) -> None:
    """Older ones are to be migrated first; ones that a newer tool does not share are left alone, by init too."""
    home.sql("UPDATE exolink.version SET version = 0")
    with pytest.raises(StorageFailed, match="older version: run `exolink-reconcile store init`"):
        home.open()
    home.sql(f"UPDATE exolink.version SET version = {migrations.VERSION + 1}, oldest = {migrations.VERSION}")
    home.open()
    assert upkeep.init(home.database)[0] == migrations.VERSION + 1
    home.sql(f"UPDATE exolink.version SET oldest = {migrations.VERSION + 1}")
    for use in (home.open, lambda: upkeep.init(home.database)):
        with pytest.raises(StorageFailed, match="newer version"):
            use()


def test_roles(home: Home) -> None:
    """A reader reads; a writer applies, and can neither change nor delete what stands in the audit record."""
    empty = Home(home.server, home.stack, tables=False)
    empty.sql(migrations.script())
    for role in ("reader", "writer"):
        if not home.sql(f"SELECT 1 FROM pg_roles WHERE rolname = 'the_{role}'"):
            home.sql(f"CREATE ROLE the_{role} LOGIN IN ROLE exolink_{role}")
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
        writer.keep_base("acme", {}, ())
        writer.ended(0, (0, 0, 0))
    for statement in ("UPDATE exolink.audit SET who = 'x'", "DELETE FROM exolink.audit", "DELETE FROM exolink.op"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            empty.server.sql(f"SET ROLE the_writer; {statement}", empty.name)
    reader = empty.open(user="the_reader")
    assert [op.address.name for op in reader.open_operations()] == ["A"] and len(list(reader.history())) == 1
    assert dict(reader.seen()) == {ListKey("acme", "cpms"): 1} and reader.base("acme") is not None
    with pytest.raises(StorageFailed, match="permission denied"), held(reader):
        pass


def test_a_folder_is_imported_once(home: Home, tmp_path: Path) -> None:
    """Writes, bases and counts come over, open ones too; again nothing is added, and later ones are."""
    folder = tmp_path / "state"
    with journal.Journal(folder, ORIGIN) as store, store.hold(["acme"], 0.0, print):
        done, left = step("Done"), step("Left")
        store.intend(done, {}, {"displayName": "Done"})
        store.intend(left, {}, {})
        store.settle([Outcome(done, Status.DONE, made=5)])
        store.saw({ListKey("acme", "cpms"): 3})
        store.keep_base("acme", {Address("acme", "cpms", "A"): {"interval": 3}}, ())
    assert upkeep.import_folder(home.database, folder) == (2, 1, 1)
    assert upkeep.import_folder(home.database, folder) == (0, 0, 0)
    shared = home.open()
    assert [op.address.name for op in shared.open_operations(["acme"])] == ["Left"]
    assert [op.remote_id for op in shared.made_lately(["acme"], 600.0)] == [5]
    assert dict(shared.seen()) == {ListKey("acme", "cpms"): 3}
    base = shared.base("acme")
    assert base is not None and list(base.declared.values()) == [{"interval": 3}]


def test_prune(home: Home) -> None:
    """Closed writes and audit lines go, what is open stays, and so do counts and base."""
    store = home.open()
    with held(store):
        done = step("Done")
        store.started(1)
        store.intend(done, {}, {})
        store.intend(step("Open"), {}, {})
        store.settle([Outcome(done, Status.DONE)])
        store.saw({ListKey("acme", "cpms"): 3})
        store.keep_base("acme", {}, ())
    assert upkeep.prune(home.database, 1) == (0, 0)
    assert upkeep.prune(home.database, 0) == (1, 2)
    assert [write.address.name for write in store.history()] == ["Open"]
    assert dict(store.seen()) and store.base("acme") is not None
    status = upkeep.status(home.database)
    assert (status.open_writes, status.closed_writes, status.held) == (1, 0, 0)
    assert any("fsync is off" in warning for warning in status.warnings)


def test_row_D10_what_is_closed_costs_nothing(home: Home) -> None:
    """What an apply asks on its way is answered from an index, however many writes were made before."""
    home.sql(
        "INSERT INTO exolink.op (intent, token, run, digest, who, origin, tenant, kind, name, action, before, after,"
        " intended_at, made, outcome) SELECT gen_random_uuid(), 1, 'r', 'd', 'w', 'o', 'acme', 'cpms', 'N' || i, 'create',"
        " '{}', '{}', clock_timestamp() - interval '9 days', i, 'done' FROM generate_series(1, 20000) AS i"
    )
    values = {"origin": "o", "tenant": "acme", "window": 91.0}
    with psycopg.connect(home.server.url(home.name)) as database:
        for analyzed in (False, True):
            if analyzed:
                database.execute(b"ANALYZE exolink.op")
            rows = database.execute(f"EXPLAIN (ANALYZE) {statements.MADE_LATELY}".encode(), values).fetchall()
            plan = "\n".join(str(row[0]) for row in rows)
            assert "op_made " in plan and "Index Cond" in plan and "COALESCE" in plan and "Filter" not in plan, plan


# ----------------------------------------------------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p4ssw0rd@h/x", "postgresql://u:p4ssw0rd@h/x", "postgresql://h/x?password=p4ssw0rd",
        "POSTGRES://u:p4ssw0rd@h/x", "postgresql://h/x?sslmode=disable&pass%77ord=p4ssw0rd", "postgresql://u:p4/ss@h/x",
        "postgresql:///x?sslpassword=p4ssw0rd", "postgresql://u:p4@ss@h/",
    ],
)  # fmt: skip
def test_a_password_is_seen(url: str) -> None:
    """Wherever libpq would take one from."""
    assert database_url.is_database(url) and database_url.has_password(url)


@pytest.mark.parametrize("url", ["postgresql://u@h/x", "postgresql://h:5432/x?sslmode=verify-full", "postgresql:///x", "postgresql://u:@h/"])  # fmt: skip
def test_a_url_without_a_password(url: str) -> None:
    """These may stand on the command line."""
    assert not database_url.has_password(url)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


LOCAL = ["postgresql:///x", "postgresql://localhost/x", "postgresql://127.0.0.9/x", "postgresql://[::1]/x", "postgresql:///x?host=/run/pg", "postgresql://far.example.com/x?hostaddr=127.0.0.1"]  # fmt: skip
FAR = ["postgresql://far.example.com/x", "postgresql:///x?host=far.example.com", "postgresql://localhost,far.example.com/x", "postgresql://localhost/x?hostaddr=10.0.0.1", "postgresql://10.0.0.1/x?sslmode=require", "postgresql://far.example.com/x?sslmode=verify-ca"]  # fmt: skip


@pytest.mark.parametrize("url", LOCAL)
def test_this_machine_needs_no_tls(url: str, clean: None) -> None:
    """Loopback and sockets are safe as they are."""
    assert "sslmode" not in database_url.parse(url).parameters


@pytest.mark.parametrize("url", FAR)
def test_another_machine_needs_checked_tls(url: str, clean: None) -> None:
    """Anything weaker than verify-full is refused before a byte is sent."""
    with pytest.raises(InputError, match="E-INSECURE: .*sslmode=verify-full"):
        database_url.parse(url)
    separator = "&" if "?" in url else "?"
    if "sslmode" not in url:
        assert database_url.parse(f"{url}{separator}sslmode=verify-full").parameters["sslmode"] == "verify-full"


def test_the_host_of_the_environment(clean: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The host counts wherever libpq gets it from: PGHOST, a service, the service of the URL."""
    monkeypatch.setenv("PGHOST", "far.example.com")
    with pytest.raises(InputError, match="E-INSECURE"):
        database_url.parse("postgresql:///x")
    database_url.parse("postgresql://localhost/x")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert database_url.parse("postgresql:///x").parameters["sslmode"] == "verify-full"
    monkeypatch.delenv("PGSSLMODE")
    monkeypatch.delenv("PGHOST")
    services = tmp_path / "services"
    services.write_text("[far]\nhost=far.example.com\n", "utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    with pytest.raises(InputError, match="E-INSECURE"):
        database_url.parse("postgresql:///x?service=far")
    database_url.parse("postgresql:///x")
    monkeypatch.setenv("PGSERVICE", "far")
    with pytest.raises(InputError, match="E-INSECURE"):
        database_url.parse("postgresql:///x")
    assert os.environ["PGSERVICE"] == "far"


@pytest.mark.parametrize("url", ["postgresql://u:p4%zzword@localhost/x", "postgresql://localhost/x?p4ssword", "postgresql://u:p4ss@[::1/x", "postgresql://u:p4ss@localhost/x?nonsense=p4ss"])  # fmt: skip
def test_a_url_that_is_none(url: str, clean: None) -> None:
    """It is refused without being quoted: what libpq says of it may hold the password."""
    with pytest.raises(InputError) as caught:
        database_url.parse(url)
    assert "p4" not in caught.value.summary
