"""What fuzzing found, as small as it gets. A damaged journal is said to be one (exit 11), never a traceback (exit 1)."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.state.journal import Journal, peek

ORIGIN = "http://127.0.0.1"
DAMAGE = {
    "a cut JSON value": "UPDATE op SET after = '{'",
    "a value of no type that belongs there": "UPDATE op SET after = x'ff00'",
    "a column that is not there": "ALTER TABLE op RENAME COLUMN intended_at TO x",
    "a message of SQLite that is not UTF-8": (
        "PRAGMA writable_schema=ON; UPDATE sqlite_master SET name = CAST(x'e1' AS TEXT), sql = 'x' WHERE name = 'op_open'"
    ),
}


def damaged(folder: Path, statements: str) -> None:
    Journal(folder, ORIGIN).close()
    with contextlib.closing(sqlite3.connect(folder / "journal.db")) as database:
        database.execute(
            "INSERT INTO op (number, run, digest, origin, tenant, kind, name, action, remote_id, before, after,"
            " intended_at, boot, ticks, answered, made, outcome) VALUES (1, 'r', 'd', ?, 'acme', 'cpms', 'A', 'create', 7, '{}', '{}', 0, '', 0, 0, NULL, NULL)",
            (ORIGIN,),
        )
        for statement in statements.split("; "):
            database.execute(statement)
        database.commit()


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_journal_is_a_storage_failure(what: str, tmp_path: Path) -> None:
    """Row 65 and its neighbours: whatever the bytes of the journal, apply ends with StorageFailed before any write."""
    damaged(tmp_path, DAMAGE[what])
    with pytest.raises(StorageFailed), Journal(tmp_path, ORIGIN) as journal:
        journal.open_intents(["acme"])


@pytest.mark.parametrize("what", DAMAGE)
def test_a_plan_looks_past_a_damaged_journal(what: str, tmp_path: Path) -> None:
    """`peek` is empty where the journal cannot be read."""
    damaged(tmp_path, DAMAGE[what])
    peek(tmp_path, ORIGIN)


def test_what_cannot_go_on_record_stays_open(tmp_path: Path) -> None:
    """A column that only the audit record needs is damaged: the operation is not closed without a word of it."""
    damaged(tmp_path, "UPDATE op SET before = '{'")
    with Journal(tmp_path, ORIGIN) as journal:
        with pytest.raises(StorageFailed):
            journal.settle_earlier({1: "applied"})
        assert len(journal.open_intents(["acme"])) == 1


def test_an_operation_that_is_gone_cannot_be_closed(tmp_path: Path) -> None:
    """A damaged index shows an operation that its table does not have."""
    with Journal(tmp_path, ORIGIN) as journal, pytest.raises(StorageFailed):
        journal.settle_earlier({99: "applied"})
