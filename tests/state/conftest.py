"""Both homes of state, each as a new one that several runs may open."""

from collections.abc import Callable, Iterator
from pathlib import Path

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
