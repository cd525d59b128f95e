"""The upkeep of a shared state, for `store`: make its tables, report on them, prune them, import a folder."""

import contextlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from exolink_reconcile.state import connection as connections
from exolink_reconcile.state import journal, migrations
from exolink_reconcile.state.database_url import Database

_LOCK = 0x45584A4E  # "EXJN": one migration at a time
_IMPORTED = uuid.UUID("0a4c3f6e-6f5e-5d0e-9a52-0c9d5f1f7b11")  # the namespace of the intents of imported folders
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a state: its version, what it holds, and which safety settings the server lacks."""

    version: int
    open_writes: int
    closed_writes: int
    held: int
    warnings: tuple[str, ...] = ()


def init(database: Database) -> tuple[int, int]:
    """Make or migrate the tables; returns the version before (0: none) and after. Raises StorageFailed."""
    with _connected(database) as connection, connection.transaction():
        connection.execute(b"SELECT pg_advisory_xact_lock(%(lock)s)", {"lock": _LOCK})
        before = _version(connection)
        for migration in migrations.MIGRATIONS[before:]:
            connection.execute(migration.encode())
        if before < migrations.VERSION:
            connection.execute(migrations.MARK.encode())
            for role, grants in migrations.GRANTS.items():
                if connection.execute(b"SELECT FROM pg_roles WHERE rolname = %(role)s", {"role": role}).fetchone():
                    connection.execute(grants.encode())
    return before, migrations.VERSION


def _version(connection: "psycopg.Connection[dict[str, Any]]") -> int:
    [exists] = connection.execute(b"SELECT to_regclass('exolink.version') IS NOT NULL AS yes").fetchall()
    if not exists["yes"]:
        return 0
    [row] = connection.execute(b"SELECT version, oldest FROM exolink.version").fetchall()
    connections.refuse_newer(row)
    return int(row["version"])


def status(database: Database) -> Status:
    """The status of the shared state. Raises StorageFailed."""
    with _connected(database) as connection:
        [version] = connection.execute(b"SELECT version, oldest FROM exolink.version").fetchall()
        [counts] = connection.execute(
            b"SELECT count(*) FILTER (WHERE outcome IS NULL) AS open, count(outcome) AS closed FROM exolink.op"
        ).fetchall()
        [held] = connection.execute(
            b"SELECT count(*) AS held FROM exolink.lease WHERE run IS NOT NULL AND expires > clock_timestamp()"
        ).fetchall()
        settings = connection.execute(
            b"SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
            b" ORDER BY name"
        ).fetchall()
        [standbys] = connection.execute(_ASYNCHRONOUS).fetchall()
    warnings = tuple(
        f"the server does not sync: {row['name']} is {row['setting']}. A power cut may lose the memory of writes in flight"
        for row in settings
        if row["setting"] == "off"
    )
    if standbys["asynchronous"]:
        warnings += (
            "a standby follows that commits do not wait for: if it takes over, the memory of the last writes is lost."
            " Set synchronous_standby_names (and leave synchronous_commit on)",
        )
    return Status(version["version"], counts["open"], counts["closed"], held["held"], warnings)


def prune(database: Database, days: int) -> tuple[int, int]:
    """Drop closed writes and audit lines that are older than `days`; returns how many of each.

    The writes of a run that holds a lease stay: it makes its next intent only where its last one still is.

    Raises:
        StorageFailed: the database cannot be used.

    """
    age = {"days": days}
    with _connected(database) as connection, connection.transaction():
        writes = connection.execute(
            b"DELETE FROM exolink.op WHERE outcome IS NOT NULL"
            b" AND coalesce(sent_at, intended_at) < clock_timestamp() - make_interval(days => %(days)s)"
            b" AND NOT EXISTS (SELECT 1 FROM exolink.lease WHERE lease.run = op.run)",
            age,
        )
        lines = connection.execute(
            b"DELETE FROM exolink.audit WHERE at < clock_timestamp() - make_interval(days => %(days)s)", age
        )
    return writes.rowcount, lines.rowcount


def import_folder(database: Database, folder: Path) -> tuple[int, int, int]:
    """Take over the writes, bases and counts of a folder; returns how many were new. A repetition adds nothing.

    Raises:
        StorageFailed: the folder or the database cannot be used.

    """
    with contextlib.closing(journal.Journal(folder, "", read_only=True)) as source:
        content = source.content()
    with _connected(database) as connection, connection.transaction():
        writes = 0
        for start in range(0, len(content.writes), _AT_ONCE):
            chunk = content.writes[start : start + _AT_ONCE]
            writes += connection.execute(
                _IMPORT.encode(), {"rows": json.dumps([_imported(row) for row in chunk])}
            ).rowcount
        bases = 0
        for origin, tenant, kept_at, packed in content.bases:
            bases += connection.execute(
                b"INSERT INTO exolink.base VALUES (%(origin)s, %(tenant)s, to_timestamp(%(at)s), %(content)s)"
                b" ON CONFLICT DO NOTHING",
                {"origin": origin, "tenant": tenant, "at": kept_at, "content": packed},
            ).rowcount
        counts = connection.execute(
            b"INSERT INTO exolink.seen SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb)"
            b" AS row (origin text, tenant text, kind text, rows bigint) ON CONFLICT DO NOTHING",
            {"rows": json.dumps(list(content.seen))},
        ).rowcount
    return writes, bases, counts


def _imported(row: Mapping[str, Any]) -> dict[str, Any]:
    """A write of a folder; its intent is made from its run and number, so that a second import finds the same."""
    return {
        "intent": str(uuid.uuid5(_IMPORTED, f"{row['run']}:{row['number']}:{row['intended_at']}")),
        "who": row["who"] or "",
        "answered": bool(row["answered"]),
        "deleted": bool(row["deleted"]),
        **{name: row[name] for name in _UNCHANGED},
    }


# Whether a standby follows, and a commit waits for none: without rights a user sees the rows, but not what is in them.
_ASYNCHRONOUS = b"""
SELECT EXISTS (SELECT FROM pg_stat_replication) AND (current_setting('synchronous_standby_names') = ''
    OR current_setting('synchronous_commit') IN ('local', 'off')) AS asynchronous
"""
_UNCHANGED = (
    "run", "digest", "origin", "tenant", "kind", "name", "action", "remote_id", "before", "after", "intended_at", "sent_at",
    "api_date", "attempts", "made", "outcome", "code", "detail",
)  # fmt: skip
_IMPORT = """
INSERT INTO exolink.op (intent, token, run, digest, who, origin, tenant, kind, name, action, remote_id, before, after,
    intended_at, sent_at, api_date, attempts, answered, deleted, made, outcome, code, detail)
SELECT intent, 0, run, digest, who, origin, tenant, kind, name, action, remote_id, before, after,
    least(to_timestamp(intended_at), clock_timestamp()), least(to_timestamp(sent_at), clock_timestamp()), api_date,
    attempts, answered, deleted, made, outcome, code, detail
FROM json_to_recordset(%(rows)s::json) AS row (intent uuid, run text, digest text, who text, origin text, tenant text,
    kind text, name text, action text, remote_id bigint, before text, after text, intended_at float8, sent_at float8,
    api_date float8, attempts integer, answered boolean, deleted boolean, made bigint, outcome text, code text, detail text)
ON CONFLICT (intent) DO NOTHING
"""


@contextlib.contextmanager
def _connected(database: Database) -> "Iterator[psycopg.Connection[dict[str, Any]]]":
    try:
        with contextlib.closing(connections.connect(database)) as connection:
            yield connection
    except psycopg.Error as error:
        raise connections.failed(database, error) from None
