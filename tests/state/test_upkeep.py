"""Tables that are made and migrated, a folder that is imported, and what is thrown away."""

import threading
from pathlib import Path

import pytest
from support_postgres import ORIGIN, Home, held, step

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.model import Outcome, Status
from exolink_reconcile.resource import Address, ListKey
from exolink_reconcile.state import journal, migrations, upkeep
from exolink_reconcile.state.store import NewBase


def test_tables_are_made_once(postgres: Home) -> None:
    """By `store init` alone, never by an apply; again it does nothing; at the same time as another neither fails."""
    server = postgres.server
    empty = Home(server, postgres.stack, tables=False)
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


def test_tables_of_another_version(postgres: Home) -> None:
    """Older ones are to be migrated first; ones that a newer tool does not share are left alone, by init too."""
    postgres.sql("UPDATE exolink.version SET version = 0")
    with pytest.raises(StorageFailed, match="older version: run `exolink-reconcile store init`"):
        postgres.open()
    postgres.sql(f"UPDATE exolink.version SET version = {migrations.VERSION + 1}, oldest = {migrations.VERSION}")
    postgres.open()
    assert upkeep.init(postgres.database)[0] == migrations.VERSION + 1
    postgres.sql(f"UPDATE exolink.version SET oldest = {migrations.VERSION + 1}")
    for use in (postgres.open, lambda: upkeep.init(postgres.database)):
        with pytest.raises(StorageFailed, match="newer version"):
            use()


def test_a_folder_is_imported_once(postgres: Home, tmp_path: Path) -> None:
    """Writes, bases and counts come over, open ones too; again nothing is added, and later ones are."""
    folder = tmp_path / "state"
    with journal.Journal(folder, ORIGIN) as store, store.hold(["acme"], 0.0, print):
        done, open_step = step("Done"), step("Left")
        store.intend(done, {}, {"displayName": "Done"})
        store.intend(open_step, {}, {})
        store.settle([Outcome(done, Status.DONE, made=5)])
        store.saw({ListKey("acme", "cpms"): 3})
        store.keep_base("acme", NewBase({Address("acme", "cpms", "A"): {"interval": 3}}))
    assert upkeep.import_folder(postgres.database, folder) == (2, 1, 1)
    assert upkeep.import_folder(postgres.database, folder) == (0, 0, 0)
    shared = postgres.open()
    assert [op.address.name for op in shared.open_intents(["acme"])] == ["Left"]
    assert [op.remote_id for op in shared.made_lately(["acme"], 600.0)] == [5]
    assert dict(shared.seen()) == {ListKey("acme", "cpms"): 3}
    base = shared.base("acme")
    assert base is not None and list(base.declared.values()) == [{"interval": 3}]


def test_prune(postgres: Home) -> None:
    """Closed writes and audit lines go, what is open stays, and so do counts and base."""
    store = postgres.open()
    with held(store):
        done = step("Done")
        store.started(1)
        store.intend(done, {}, {})
        store.intend(step("Open"), {}, {})
        store.settle([Outcome(done, Status.DONE)])
        store.saw({ListKey("acme", "cpms"): 3})
        store.keep_base("acme", NewBase({}))
    assert upkeep.prune(postgres.database, 1) == (0, 0)
    assert upkeep.prune(postgres.database, 0) == (1, 2)
    assert [write.address.name for write in store.history()] == ["Open"]
    assert dict(store.seen()) and store.base("acme") is not None
    status = upkeep.status(postgres.database)
    assert (status.open_writes, status.closed_writes, status.held) == (1, 0, 0)
    assert any("fsync is off" in warning for warning in status.warnings)


def test_prune_leaves_what_a_run_at_work_builds_on(postgres: Home) -> None:
    """Between two waves its writes are closed, and the next intent is made only where the last one still is."""
    store = postgres.open()
    with held(store):
        done = step("Done")
        store.intend(done, {}, {})
        store.settle([Outcome(done, Status.DONE)])
        assert upkeep.prune(postgres.database, 0)[0] == 0
        store.intend(step("Next"), {}, {})
    assert upkeep.prune(postgres.database, 0)[0] == 1
