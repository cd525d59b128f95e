"""A database of its own for a test, and the stores that it opens in it."""

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any

import postgres_server
import pytest

from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, Step
from exolink_reconcile.resource import Address
from exolink_reconcile.state import database_url
from exolink_reconcile.state.database_url import Database

psycopg = pytest.importorskip("psycopg") if not os.environ.get("TESTS_NEED_POSTGRES") else __import__("psycopg")
from exolink_reconcile.state.postgres import PostgresStore  # noqa: E402  # below importorskip

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
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def until(condition: Callable[[], object]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("what the test waited for did not happen")
