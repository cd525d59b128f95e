"""Both homes of state, each as a new one that several runs may open; and a database alone."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import postgres_server
import pytest

from exolink_reconcile.state import database_url, journal
from exolink_reconcile.state.store import Store

ORIGIN = "https://api.example.com"
Open = Callable[..., Store]


@pytest.fixture(params=["folder", "database"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same state again and again: `home(origin=…)`."""
    opened: list[Store] = []
    if request.param == "folder":

        def start(origin: str = ORIGIN) -> Store:
            opened.append(journal.Journal(tmp_path / "state", origin, "digest"))
            return opened[-1]
    else:
        server = postgres_server.server()
        database = database_url.parse(server.url(server.new_database()))

        def start(origin: str = ORIGIN) -> Store:
            from exolink_reconcile.state.postgres import PostgresStore

            opened.append(PostgresStore(database, origin, "digest"))
            return opened[-1]

    yield start
    for store in opened:
        store.close()


@pytest.fixture
def postgres() -> Iterator[Any]:
    """A database of its own, as `support_postgres.Home`."""
    from support_postgres import Home

    with contextlib.ExitStack() as stack:
        yield Home(postgres_server.server(), stack)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of seconds instead of a minute."""
    from exolink_reconcile.state import leases

    for name, value in (("LEASE", 3.0), ("HEARTBEAT", 0.3), ("MARGIN", 0.5), ("_RETRY", 0.1), ("_POLL", 0.05)):
        monkeypatch.setattr(leases, name, value)
