"""The option --state to the home of the state: a folder of this machine, or a database that machines share."""

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from exolink_reconcile.errors import StorageFailed, problem
from exolink_reconcile.state import database_url, journal
from exolink_reconcile.state import folder as folders
from exolink_reconcile.state.database_url import Database
from exolink_reconcile.state.store import Memory, Store

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PATIENCE = 10.0  # seconds that `plan` waits for a shared state


class Home(Protocol):
    """Where state is kept. Every method may raise StorageFailed."""

    @property
    def where(self) -> str:
        """The home's name for people; secrets masked."""

    def open(self, origin: str) -> AbstractContextManager[Store]:
        """The state of one API, for a run that writes."""

    def read(self, origin: str = "") -> AbstractContextManager[Store] | None:
        """The state, for a command that writes nothing; None if there is none yet."""

    def memory(self, origin: str, tenants: Iterable[str]) -> Memory:
        """What earlier runs left, for `plan`: never an error, but a note if it cannot be read."""


def home(state: str | None, environment: Mapping[str, str]) -> Home:
    """The home that --state names; without it the user's folder. Raises StorageFailed, InputError."""
    if state and database_url.is_database(state):
        return DatabaseHome(database_url.parse(state))
    if state and (scheme := _SCHEME.match(state)):
        raise problem(
            "E-USAGE",
            f"--state {scheme[0]}… is neither a folder nor a PostgreSQL database (postgresql://HOST/DATABASE)",
        )
    return FolderHome(Path(state) if state else folders.default(environment), named=bool(state))


def option(state: str | None, environment: Mapping[str, str]) -> str:
    """` --state STATE`, for a command to paste that needs the same state; empty for the default and the environment's.

    The environment's state may hold a password; the command line's holds none.
    """
    return f" --state {shlex.quote(state)}" if state and state != environment.get("EXOLINK_STATE") else ""


@dataclass(frozen=True, slots=True)
class FolderHome:
    """A folder of this machine. `named`: the user named it."""

    folder: Path
    named: bool

    @property
    def where(self) -> str:
        """For people."""
        return f"the folder {self.folder}"

    def open(self, origin: str) -> AbstractContextManager[Store]:
        """The journal, made if there is none."""
        return closing(journal.Journal(self.folder, origin))

    def read(self, origin: str = "") -> AbstractContextManager[Store] | None:
        """The journal as it is; writes nothing, not even a file beside it."""
        if not os.path.lexists(self.folder):
            if self.named:
                raise StorageFailed("E-STORAGE", f"the state folder {self.folder} is not there")
            return None
        folders.check(self.folder)
        if not os.path.lexists(self.folder / "journal.db"):
            return None
        return closing(journal.Journal(self.folder, origin, read_only=True))

    def memory(self, origin: str, tenants: Iterable[str]) -> Memory:
        """What earlier runs left; a folder that is not there yet counts as empty."""
        return journal.peek(self.folder, origin, tenants)


@dataclass(frozen=True, slots=True)
class DatabaseHome:
    """A PostgreSQL database that machines share. The database driver is imported here only."""

    database: Database

    @property
    def where(self) -> str:
        """For people; secrets masked."""
        return self.database.shown

    def open(self, origin: str) -> AbstractContextManager[Store]:
        """The state of one API. It never makes tables: see `store init`."""
        from exolink_reconcile.state.postgres import PostgresStore

        return closing(PostgresStore(self.database, origin))

    def read(self, origin: str = "") -> AbstractContextManager[Store] | None:
        """The state; writes nothing."""
        return self.open(origin)

    def memory(self, origin: str, tenants: Iterable[str]) -> Memory:
        """What earlier runs left; does not wait long for a database that does not answer."""
        from exolink_reconcile.state.postgres import PostgresStore

        try:
            with closing(PostgresStore(self.database, origin, patience=_PATIENCE)) as store:
                intents = [op for op in store.open_intents() if op.origin == origin]
                bases = {tenant: base for tenant in tenants if (base := store.base(tenant))}
                return Memory(tuple(intents), store.seen(), bases)
        except StorageFailed as error:
            return Memory(note=error.summary)
