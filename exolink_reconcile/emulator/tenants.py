"""Domain prefix to the tenant it names, for the tenants that this emulator serves."""

import json
from collections.abc import Sequence

from exolink_reconcile.emulator import objects
from exolink_reconcile.emulator.facts import TENANT
from exolink_reconcile.emulator.store import Store


class Tenants:
    """Which tenants exist: the given ones and those created by request; without a list, every one at first sight."""

    def __init__(self, store: Store, prefixes: Sequence[str] | None) -> None:
        self._store = store
        self._prefixes = None if prefixes is None else frozenset(prefixes)
        for prefix in prefixes or ():
            self._make(prefix)

    def find(self, prefix: str) -> int | None:
        """The id of a live tenant; None when there is no such tenant or it was deleted."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT id, posted FROM object WHERE owner = ? AND collection = ? AND unique_key = ? AND deleted = 0",
                (objects.NOBODY, TENANT, json.dumps(prefix)),
            ).fetchone()
        if row is None:
            return self._make(prefix) if self._prefixes is None else None
        identifier, posted = row
        return int(identifier) if posted or self._listed(prefix) else None

    def listing(self) -> list[str]:
        """The JSON of all tenants served, deleted ones included."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT posted, unique_key, shown FROM object WHERE owner = ? AND collection = ? ORDER BY id",
                (objects.NOBODY, TENANT),
            ).fetchall()
        return [body for posted, key, body in rows if posted or self._listed(json.loads(key))]

    def _listed(self, prefix: str) -> bool:
        return self._prefixes is None or prefix in self._prefixes

    def _make(self, prefix: str) -> int | None:
        """The tenant's id, made now unless it was there before; None when it was deleted, for that must not undo it."""
        with self._store.write() as connection:
            row = connection.execute(
                "SELECT id, deleted FROM object WHERE owner = ? AND collection = ? AND unique_key = ?"
                " ORDER BY deleted LIMIT 1",
                (objects.NOBODY, TENANT, json.dumps(prefix)),
            ).fetchone()
            if row is None:
                return objects.insert(connection, objects.NOBODY, TENANT, {"domainPrefix": prefix}, posted=False)
            identifier, deleted = row
            return None if deleted else int(identifier)
