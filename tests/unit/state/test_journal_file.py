"""The file of a journal: opened as it is, upgraded whole, and not believed where somebody else made it."""

import contextlib
import os
import sqlite3
import threading
from pathlib import Path

import pytest
from support_journal import ORIGIN, beside, change, intended, names, step

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.state import journal_file
from exolink_reconcile.state.journal import Journal, peek
from exolink_reconcile.state.store import Memory


def test_opening_writes_nothing(tmp_path: Path) -> None:
    """A journal that is there is opened as it is."""
    Journal(tmp_path, ORIGIN).close()
    os.utime(tmp_path / "journal.db", (1, 1))
    Journal(tmp_path, ORIGIN).close()
    assert (tmp_path / "journal.db").stat().st_mtime == 1


def test_the_mark_of_a_journal(tmp_path: Path) -> None:
    """The mark and the version that earlier releases wrote: with others their journals could not be read."""
    Journal(tmp_path, ORIGIN).close()
    with beside(tmp_path) as database:
        marks = [database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    assert marks == [int.from_bytes(b"EXJN", "big"), 3]


@pytest.mark.parametrize("name", ["journal.db", "audit.jsonl"])
def test_no_link_is_followed(tmp_path: Path, name: str) -> None:
    """A link where a file of the state should be is refused, and what it points to stays as it was."""
    victim = tmp_path / "victim"
    victim.write_text("", "utf-8")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / name).symlink_to(victim)
    with pytest.raises(StorageFailed), Journal(tmp_path / "state", ORIGIN) as opened:
        opened.started(1)
    assert victim.read_bytes() == b""


def test_a_database_of_something_else(tmp_path: Path) -> None:
    """Another program's database is left as it is."""
    change(tmp_path, "CREATE TABLE theirs (x)")
    content = (tmp_path / "journal.db").read_bytes()
    with pytest.raises(StorageFailed, match="E-STATE-UNSAFE: .*not a journal"):
        Journal(tmp_path, ORIGIN)
    assert (tmp_path / "journal.db").read_bytes() == content


def test_a_newer_journal(tmp_path: Path) -> None:
    """A journal of a later version of this tool is not written by this one."""
    Journal(tmp_path, ORIGIN).close()
    change(tmp_path, f"PRAGMA user_version={journal_file.VERSION + 1}")
    with pytest.raises(StorageFailed, match="E-STORAGE: .*newer version"):
        Journal(tmp_path, ORIGIN)


def test_another_hand_that_holds_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that cannot be written is an error when it is opened, not in the middle of an apply."""
    Journal(tmp_path, ORIGIN).close()
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, **{**options, "timeout": 0.05}))
    with beside(tmp_path) as database:
        database.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageFailed, match="cannot be opened: .*locked"):
            Journal(tmp_path, ORIGIN)


def test_what_is_confirmed_is_flushed(tmp_path: Path) -> None:
    """Each commit is flushed to the disk: an intent that a power cut takes away protects nobody."""
    with Journal(tmp_path, ORIGIN) as opened:
        pragmas = [opened._database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]


def test_a_journal_of_the_first_version(tmp_path: Path) -> None:
    """It is read as it is, upgraded by the first run that writes, and keeps what was open in it."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step())
    with beside(tmp_path) as database:
        [kept] = database.execute("SELECT * FROM op").fetchall()
    (tmp_path / "journal.db").unlink()
    with beside(tmp_path) as database:
        database.executescript(
            journal_file.MIGRATIONS[0] + f"PRAGMA application_id={journal_file.APPLICATION_ID}; PRAGMA user_version=1"
        )
        columns = [row["name"] for row in database.execute("PRAGMA table_info(op)")]
        database.execute(f"INSERT INTO op VALUES ({', '.join('?' * len(columns))})", [kept[name] for name in columns])
    assert names(peek(tmp_path, ORIGIN).intents) == ["A"]
    with Journal(tmp_path, ORIGIN) as opened:
        [op] = opened.open_intents()
        assert (op.address.name, op.attempts, op.deleted) == ("A", 1, False)
        intended(opened, step("B"))


def test_opening_while_another_upgrades(tmp_path: Path) -> None:
    """Who opens a journal of an earlier version while another run writes it waits for that run."""
    with beside(tmp_path) as database:
        database.executescript(
            journal_file.MIGRATIONS[0] + f"PRAGMA application_id={journal_file.APPLICATION_ID}; PRAGMA user_version=1"
        )
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db", check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        end = threading.Timer(0.3, other.commit)
        end.start()
        with Journal(tmp_path, ORIGIN) as opened:
            intended(opened, step())
        end.join()
    assert names(peek(tmp_path, ORIGIN).intents) == ["A"]


@pytest.mark.parametrize("version", [0, 1])
def test_many_openings_at_once(tmp_path: Path, version: int) -> None:
    """Who opens a journal that is new, or of an earlier version, never sees half of what another's upgrade did."""
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        if version:
            with beside(folder) as database:
                database.executescript(
                    journal_file.MIGRATIONS[0]
                    + f"PRAGMA application_id={journal_file.APPLICATION_ID}; PRAGMA user_version=1"
                )
        openings = 8
        together = threading.Barrier(openings)
        results: list[object] = []

        def open_it(name: str, folder: Path = folder, together: threading.Barrier = together) -> None:
            together.wait()
            try:
                if name.startswith("plan"):
                    results.append(peek(folder, ORIGIN).note)
                else:
                    with Journal(folder, ORIGIN) as opened:
                        intended(opened, step(name))
                    results.append("")
            except StorageFailed as error:
                results.append(error)

        threads = [
            threading.Thread(target=open_it, args=(f"{'apply' if n % 2 else 'plan'} {n}",)) for n in range(openings)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [""] * openings
        with Journal(folder, ORIGIN) as opened:
            assert sorted(names(opened.open_intents())) == [f"apply {n}" for n in range(1, openings, 2)]


def test_peek_at_what_is_no_journal(tmp_path: Path) -> None:
    """Something else in its place is neither a memory nor an error; a note says so."""
    (tmp_path / "journal.db").write_bytes(b"not a database" * 100)
    assert peek(tmp_path, ORIGIN) == Memory(note="the journal cannot be read: file is not a database")
    with pytest.raises(StorageFailed) as caught:
        Journal(tmp_path, ORIGIN)
    assert (caught.value.code, caught.value.exit_code) == ("E-STATE-UNSAFE", 11)


NASTY = {
    "a view without end": "CREATE VIEW v AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
    "a table that is a view": "DROP TABLE seen; CREATE VIEW seen AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT x AS tenant, x AS kind, x AS rows, x AS origin FROM n",
    "a trigger that swallows intents": "CREATE TRIGGER t BEFORE INSERT ON op BEGIN SELECT RAISE(IGNORE); END",
    "a column that is computed": "ALTER TABLE op ADD COLUMN more TEXT AS (hex(zeroblob(1000000000)))",
    "a table too many": "CREATE TABLE more (x)",
    "an index that is unique": "CREATE UNIQUE INDEX u ON op (tenant)",
    "a table too few": "DROP TABLE base",
}


@pytest.mark.parametrize("nasty", NASTY.values(), ids=list(NASTY))
def test_row_E12_a_journal_that_somebody_made(tmp_path: Path, nasty: str) -> None:
    """A journal is believed only if its tables are exactly those we make: apply refuses, plan says so, both at once."""
    Journal(tmp_path, ORIGIN).close()
    with beside(tmp_path) as database:
        database.executescript(nasty)
    with pytest.raises(StorageFailed, match="E-STATE-UNSAFE: .*journal.db is not as this tool made it"):
        Journal(tmp_path, ORIGIN)
    assert "not as this tool made it" in peek(tmp_path, ORIGIN).note
