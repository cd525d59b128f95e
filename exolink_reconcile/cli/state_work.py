"""What `locks`, `history` and `store` do with either home of the state."""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from exolink_reconcile.errors import PlanRefused, StorageFailed, problem
from exolink_reconcile.globs import Globs
from exolink_reconcile.inert import inert
from exolink_reconcile.report.sentences import counted
from exolink_reconcile.state import folder as folders
from exolink_reconcile.state import journal
from exolink_reconcile.state.database_url import Database
from exolink_reconcile.state.homes import DatabaseHome, FolderHome, Home
from exolink_reconcile.state.store import Lease, Store, Write


def leases(home: Home, origin: str | None) -> list[Lease]:
    """Who holds which tenant now, of one API or of all."""
    with _read(home) as store:
        held = [] if store is None else store.leases()
    return [lease for lease in held if origin in (None, lease.origin)]


def history(home: Home, globs: Sequence[str], run: str | None, limit: int | None) -> list[Write]:
    """The writes whose address matches, newest first. Raises InputError: there is no such run."""
    wanted = Globs(globs)
    with _read(home) as store:
        writes = iter(()) if store is None else store.history(run)
        matching = (write for write in writes if not globs or wanted.match(str(write.address)))
        newest = list(islice(matching, limit))
        if run is not None and not newest and (store is None or next(store.history(run), None) is None):
            raise problem("E-TARGET", f"--run {run}: there is no write of such a run")
    return newest


def break_lease(home: Home, tenant: str, token: int, reason: str, origin: str | None) -> Lease:
    """Take a lease away from its holder, who has it with this token.

    Raises:
        InputError: the state is a folder, or several APIs have such a lease.
        PlanRefused: nobody holds it, or with another token.

    """
    if not isinstance(home, DatabaseHome):
        raise problem("E-USAGE", "the lock of a folder is only shown: it ends with the process that holds it")
    held = [lease for lease in leases(home, origin) if lease.tenant == tenant]
    named = [lease for lease in held if lease.token == token]
    if len(named) > 1:
        raise problem("E-USAGE", f"tenant {tenant} is held at several APIs by token {token}: name one with --api-url")
    if not named:
        now = f"it is held by token {held[0].token}" if held else "nobody holds it"
        raise PlanRefused("E-TOKEN", f"tenant {tenant} is not held by token {token}: {now}. Nothing was taken away")
    from exolink_reconcile.state.postgres import PostgresStore

    with contextlib.closing(PostgresStore(home.database, named[0].origin)) as store:
        if not store.break_lease(named[0], reason):
            raise PlanRefused(
                "E-TOKEN", f"tenant {tenant} is not held by token {token} any more. Nothing was taken away"
            )
    return named[0]


def init(home: Home) -> str:
    """Make or migrate the tables; returns a sentence that says what was done."""
    from exolink_reconcile.state import upkeep

    database = _database(home, "store init makes the tables of a database")
    before, after = upkeep.init(database)
    if before == after:
        return f"The tables in {inert(database.shown)} are of version {after} already.\n"
    done = "Made" if before == 0 else f"Migrated from version {before}"
    return f"{done}: tables of version {after} in {inert(database.shown)}.\n"


def status(home: Home) -> tuple[str, Sequence[str]]:
    """The status of the state, in lines; and what to worry about."""
    if isinstance(home, DatabaseHome):
        from exolink_reconcile.state import upkeep

        store_status = upkeep.status(home.database)
        lines = [
            f"State: {home.where}, tables of version {store_status.version}",
            f"Writes: {store_status.open_writes} open, {store_status.closed_writes} closed",
            f"Held tenants: {store_status.held}",
        ]
        return "".join(f"{inert(line)}\n" for line in lines), store_status.warnings
    with _read(home) as store:
        is_open, closed = store.counts() if isinstance(store, journal.Journal) else (0, 0)
        held = len(store.leases()) if store is not None else 0
    lines = [f"State: {home.where}", f"Writes: {is_open} open, {closed} closed", f"Held tenants: {held}"]
    return "".join(f"{inert(line)}\n" for line in lines), ()


def prune(home: Home, days: int) -> str:
    """Drop what is closed and older than `days`; returns a sentence that says how much."""
    if isinstance(home, DatabaseHome):
        from exolink_reconcile.state import upkeep

        writes, lines = upkeep.prune(home.database, days)
    elif isinstance(home, FolderHome) and (home.folder / "journal.db").exists():
        folders.check(home.folder)
        with contextlib.closing(journal.Journal(home.folder, "")) as store:
            writes, lines = store.prune(days)
    else:
        with _read(home):
            writes, lines = 0, 0
    return f"Threw away {counted(writes, 'closed write')} and {counted(lines, 'line')} of the audit record.\n"


def import_folder(home: Home, folder: str) -> str:
    """Import a folder into a shared state; returns a sentence that says what was new."""
    from exolink_reconcile.state import upkeep

    database = _database(home, "store import fills a database")
    path = Path(folder)
    if not path.is_dir():
        raise StorageFailed("E-STORAGE", f"the state folder {folder} is not there")
    folders.check(path)
    writes, bases, counts = upkeep.import_folder(database, path)
    return f"Imported {counted(writes, 'write')}, {counted(bases, 'base')} and {counted(counts, 'count')}.\n"


def _database(home: Home, why: str) -> Database:
    if not isinstance(home, DatabaseHome):
        raise problem("E-USAGE", f"{why}: give --state postgresql://HOST/DATABASE, or EXOLINK_STATE")
    return home.database


@contextlib.contextmanager
def _read(home: Home) -> Iterator[Store | None]:
    reading = home.read()
    if reading is None:
        yield None
    else:
        with reading as store:
            yield store
