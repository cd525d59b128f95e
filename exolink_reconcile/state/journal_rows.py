"""Rows of a journal to the values of the state; a damaged file is an error, and its content is never believed."""

import contextlib
import functools
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.model import Intent
from exolink_reconcile.resource import ListKey
from exolink_reconcile.state import folder as folders
from exolink_reconcile.state import store
from exolink_reconcile.state.store import Base

_MOST_TEXT = 256 * 2**20  # bytes of the writes that are read at once


def intents(
    database: sqlite3.Connection, condition: str, values: Sequence[Any], *, api_now: float | None = None
) -> list[Intent]:
    """The writes that a condition selects, oldest first. Raises sqlite3.Error, also if there are more than any run makes."""
    picked, size = [], 0
    with damage():
        for row in database.execute(f"SELECT * FROM op WHERE {condition} ORDER BY number", values):
            size += len(row["before"]) + len(row["after"])
            if size > _MOST_TEXT:
                raise sqlite3.DatabaseError("it holds more open writes than any run makes")
            picked.append(intent(row, api_now))
    return picked


def intent(row: sqlite3.Row, api_now: float | None, *, id_column: str = "remote_id") -> Intent:
    """A write, with its age by all available clocks; `id_column` is the column that its id is taken from."""
    columns = Columns(row)
    return store.intent(columns, age(columns, api_now), id_column=id_column)


def base(database: sqlite3.Connection, origin: str, tenant: str) -> Base | None:
    """What the last apply of a tenant declared and verified; None if there was none."""
    with damage():
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'base'").fetchone():
            return None
        statement = "SELECT kept_at, content FROM base WHERE origin = ? AND tenant = ?"
        row = database.execute(statement, (origin, tenant)).fetchone()
        return None if row is None else store.unpack_base(tenant, row["kept_at"], row["content"])


class Columns(dict[str, Any]):
    """A row of any version of the journal: a column that its version lacked has the value that a migration gives it."""

    def __missing__(self, name: str) -> Any:
        return _ADDED[name]


_ADDED = {
    **dict.fromkeys(("sent_at", "sent_boot", "sent_ticks", "api_date", "who", "code", "detail")),
    "attempts": 1,
    "deleted": 0,
}


def age(row: Mapping[str, Any], api_now: float | None) -> float:
    """Seconds since a write was last sent: the smallest that any clock says, and never below zero.

    The wall clock may be moved, a cloned machine has another's monotonic clock, the API's clock may be wrong. Each of them
    can make a write look young, and then the next run waits; none can make it look old.
    """
    again = row["sent_at"] is not None
    sent_at, start, ticks = ("sent_at", "sent_boot", "sent_ticks") if again else ("intended_at", "boot", "ticks")
    ages = [time.time() - row[sent_at]]
    if row[start] and row[start] == boot():
        ages.append(time.monotonic() - row[ticks])
    if api_now is not None and row["api_date"] is not None:
        ages.append(api_now - row["api_date"] - store.DATE_RESOLUTION)
    return float(max(0.0, min(ages) - (0.0 if again else store.FRESH)))


@functools.cache
def boot() -> str:
    """The id of this start of the machine; empty if the system has none."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""  # not Linux: every start looks the same, so the monotonic clock must not be compared


def seen(database: sqlite3.Connection, origin: str) -> dict[ListKey, int]:
    """How many rows each list had when an apply last read it, by tenant and kind."""
    with damage():
        rows = database.execute("SELECT tenant, kind, rows FROM seen WHERE origin = ?", (origin,)).fetchall()
        return {ListKey(row["tenant"], row["kind"]): row["rows"] for row in rows}


@contextlib.contextmanager
def damage() -> Iterator[None]:
    """Turn the errors that reading a damaged file raises into sqlite3.DatabaseError."""
    try:
        yield
    except (ValueError, TypeError, LookupError) as error:
        raise sqlite3.DatabaseError(f"the journal is damaged ({type(error).__name__})") from None


_NO_DATABASE = "file is not a database"  # SQLITE_NOTADB


@contextlib.contextmanager
def storage(action: str) -> Iterator[None]:
    """Turn storage errors of every kind into StorageFailed. A file that is not a database was not made by us: unsafe."""
    try:
        with folders.storage(action):
            yield
    except sqlite3.Error as error:
        code = "E-STATE-UNSAFE" if str(error) == _NO_DATABASE else "E-STORAGE"
        raise StorageFailed(code, f"{action}: {error}") from None
