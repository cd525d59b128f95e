"""Objects of the API in the store's tables: list, get, insert, update, delete.

Every function works in the transaction of its caller. An owner is the id of a tenant, or NOBODY for tenants themselves.
"""

import contextlib
import datetime
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from exolink_reconcile.emulator import facts
from exolink_reconcile.emulator.facts import Fields, Json

NOBODY: Final = 0


class Conflict(Exception):
    """A live object with the same unique field is there; the message names the field."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is: its owner, its collection and its id."""

    owner: int
    collection: str
    identifier: int


# Set by the server alone, whatever a body says.
_SERVER_OWNED = frozenset({"id", "tenantId", "createdAt", "updatedAt", "deletedAt"})


def listing(connection: sqlite3.Connection, owner: int, collection: str) -> list[str]:
    """The JSON of all objects in the order of their ids, deleted ones included."""
    rows = connection.execute(
        "SELECT shown FROM object WHERE owner = ? AND collection = ? ORDER BY id", (owner, collection)
    )
    return [body for (body,) in rows]


def get(connection: sqlite3.Connection, place: Place) -> str | None:
    """The JSON of the live object there."""
    row = connection.execute(
        "SELECT shown FROM object WHERE id = ? AND owner = ? AND collection = ? AND deleted = 0",
        (place.identifier, place.owner, place.collection),
    ).fetchone()
    return None if row is None else str(row[0])


def insert(connection: sqlite3.Connection, owner: int, collection: str, fields: Fields, *, posted: bool = True) -> int:
    """Make an object and return its id.

    Raises:
        Conflict: a live one with the same unique field is there.

    """
    (identifier,) = connection.execute(
        "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'object'"
    ).fetchone()
    now = _now()
    body: dict[str, Json] = {"id": identifier, **({} if owner == NOBODY else {"tenantId": owner})}
    body |= facts.of(collection).at_birth(_settable(fields))
    body |= {"createdAt": now, "updatedAt": now, "deletedAt": None}
    with _conflicts(collection):
        connection.execute(
            "INSERT INTO object (id, owner, collection, unique_key, posted, shown) VALUES (?, ?, ?, ?, ?, ?)",
            (identifier, owner, collection, _unique_key(collection, body), posted, _text(body)),
        )
    return int(identifier)


def update(connection: sqlite3.Connection, place: Place, fields: Fields) -> bool:
    """Overlay the live object there with the fields; False when there is none.

    Raises:
        Conflict: another live one has the same unique field.

    """
    before = get(connection, place)
    if before is None:
        return False
    after = {**json.loads(before), **facts.of(place.collection).as_read(_settable(fields)), "updatedAt": _now()}
    with _conflicts(place.collection):
        connection.execute(
            "UPDATE object SET shown = ?, unique_key = ? WHERE id = ?",
            (_text(after), _unique_key(place.collection, after), place.identifier),
        )
    return True


def delete(connection: sqlite3.Connection, place: Place) -> bool:
    """Mark the live object there as deleted, which leaves it in the list; False when there is none."""
    before = get(connection, place)
    if before is None:
        return False
    now = _now()
    after = {**json.loads(before), "updatedAt": now, "deletedAt": now}
    connection.execute("UPDATE object SET shown = ?, deleted = 1 WHERE id = ?", (_text(after), place.identifier))
    return True


@contextlib.contextmanager
def _conflicts(collection: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError:
        raise Conflict(f"there is one with the same {facts.of(collection).unique} already") from None


def _settable(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name not in _SERVER_OWNED}


def _unique_key(collection: str, body: Fields) -> str | None:
    unique = facts.of(collection).unique
    return json.dumps(body[unique]) if unique is not None and unique in body else None


def _text(body: Fields) -> str:
    # ASCII by escapes: whatever a string holds, SQLite and the socket can carry it.
    return json.dumps(body, separators=(",", ":"), allow_nan=False)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
