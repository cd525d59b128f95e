"""What stands on disk before a write, what is still open after it, and what the record says."""

import contextlib
import getpass
import json
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, Operation, Outcome, Status, Step
from exolink_reconcile.resource import Address, ListKey, row_model
from exolink_reconcile.state import audit as audits
from exolink_reconcile.state import folder as folders
from exolink_reconcile.state import journal, journal_file, journal_rows
from exolink_reconcile.state.journal import Journal, peek
from exolink_reconcile.state.store import Memory

TENANT, CPMS, CHARGER = KINDS
ORIGIN = "https://api.example.com"
CpmsRow: Any = row_model(CPMS)
ROW = CpmsRow(id=7, displayName="A")


def step(name: str = "A", action: Action = Action.CREATE, tenant: str = "acme") -> Step:
    before = None if action is Action.CREATE else ROW
    return Step(action, Address(tenant, "cpms", name), CPMS, "declared", None, before=before)


def intended(opened: Journal, *steps: Step) -> None:
    for each in steps:
        opened.intend(each, {"displayName": "before"}, {"displayName": each.address.name})


def names(operations: Any) -> list[str]:
    return [op.address.name for op in operations]


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[sqlite3.Connection]:
    """Another hand on the database."""
    with contextlib.closing(sqlite3.connect(folder / "journal.db", isolation_level=None)) as database:
        database.row_factory = sqlite3.Row
        yield database


def row(folder: Path, name: str = "A") -> dict[str, Any]:
    with beside(folder) as database:
        return dict(database.execute("SELECT * FROM op WHERE name = ?", (name,)).fetchone())


def change(folder: Path, statement: str) -> None:
    with beside(folder) as database:
        database.execute(statement)


def audit(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text("utf-8").splitlines()]


# ---------------------------------------------------------------------------------------------------------- the folder


def test_a_new_state_and_one_that_was_there(tmp_path: Path) -> None:
    """The journal says whether it is new, and the folder and its files are the user's alone."""
    folder = tmp_path / "not" / "there"
    with Journal(folder, ORIGIN) as first:
        assert first.is_new
        first.started(1)
    with Journal(folder, ORIGIN) as second:
        assert second.is_new and second.run != first.run  # no apply has looked at this API yet
        second.saw({ListKey("acme", "cpms"): 0})
    with Journal(folder, ORIGIN) as third, Journal(folder, "https://other.example.com") as other:
        assert not third.is_new and other.is_new
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, folder / "journal.db", folder / "audit.jsonl")}
    assert modes == {"there": 0o700, "journal.db": 0o600, "audit.jsonl": 0o600}


def test_a_folder_that_nobody_may_write(tmp_path: Path) -> None:
    """A folder that was made read-only stays so, and one that is not open to others is left alone."""
    tmp_path.chmod(0o500)
    with contextlib.suppress(StorageFailed):
        Journal(tmp_path, ORIGIN).close()
    assert tmp_path.stat().st_mode & 0o777 == 0o500
    tmp_path.chmod(0o700)


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


@pytest.mark.parametrize("mode", [0o755, 0o701, 0o770])
def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    """It may be shared with others on purpose; a journal that others may look into is closed to them."""
    tmp_path.chmod(mode)
    Journal(tmp_path, ORIGIN).close()
    (tmp_path / "journal.db").chmod(0o644)
    Journal(tmp_path, ORIGIN).close()
    assert [path.stat().st_mode & 0o777 for path in (tmp_path, tmp_path / "journal.db")] == [mode, 0o600]


def test_the_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State that belongs to somebody else is not used."""
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(StorageFailed, match="E-STORAGE: .*another user"):
        Journal(tmp_path, ORIGIN)
    assert list(tmp_path.iterdir()) == []


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


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file where the folder should be is a storage failure that names the folder."""
    (tmp_path / "state").write_text("", "utf-8")
    with pytest.raises(StorageFailed, match="state"):
        Journal(tmp_path / "state", ORIGIN)


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


# ------------------------------------------------------------------------------------------------------------ intents


@pytest.mark.parametrize(("action", "remote_id"), [(Action.CREATE, None), (Action.UPDATE, 7), (Action.REPLACE, 7), (Action.DELETE, 7)])  # fmt: skip
def test_an_intent_is_on_disk(tmp_path: Path, action: Action, remote_id: int | None) -> None:
    """When `intend` has returned another process sees the whole intent, whatever becomes of this one."""
    opened = Journal(tmp_path, ORIGIN, "digest")
    start = time.time()
    intended(opened, step("A/b", action))
    [op] = peek(tmp_path, ORIGIN).operations
    assert op == Operation(
        op.number, ORIGIN, Address("acme", "cpms", "A/b"), action.word, remote_id, {"displayName": "A/b"},
        op.intended_at, op.age, False, run=opened.run,
    )  # fmt: skip
    assert start - 1 <= op.intended_at <= time.time() and 0 <= op.age < 60
    found = row(tmp_path, "A/b")
    assert (found["run"], found["digest"], json.loads(found["before"])) == (opened.run, "digest", {"displayName": "before"})  # fmt: skip
    assert len(opened.run) == 12
    opened.close()


@pytest.mark.parametrize("how", ["ABORT", "ROLLBACK"])
def test_an_intent_that_cannot_be_kept(how: str, tmp_path: Path) -> None:
    """Then the write must not be sent: the error says which; afterwards nothing is left of it, and work may go on."""
    with Journal(tmp_path, ORIGIN) as opened:
        change(tmp_path, "CREATE TRIGGER full BEFORE INSERT ON op WHEN NEW.name = 'B' BEGIN SELECT RAISE(" + how + ", 'disk full'); END")  # fmt: skip
        with pytest.raises(StorageFailed, match=r"E-STORAGE: .*disk full"):
            intended(opened, step("B"))
        intended(opened, step("A"))
        assert names(opened.open_operations()) == ["A"]


def test_threads_share_a_commit(tmp_path: Path) -> None:
    """Intents that wait together are made durable together, each is kept, and each closes its own only."""
    steps = [step(f"N{number:02}") for number in range(24)]
    with Journal(tmp_path, ORIGIN) as opened:
        commits: list[int] = []
        commit = opened._changes._commit
        opened._changes._commit = lambda batch: (commits.append(len(batch)), commit(batch))[1]
        opened._changes.lock.acquire()
        threads = [threading.Thread(target=intended, args=(opened, each)) for each in steps]
        for thread in threads:
            thread.start()
        while len(opened._changes._queue) < len(steps):
            time.sleep(0.001)
        opened._changes.lock.release()
        for thread in threads:
            thread.join()
        assert commits == [24] and sorted(names(opened.open_operations())) == [each.address.name for each in steps]
        opened.settle([Outcome(steps[5], Status.DONE)])
        assert sorted(names(opened.open_operations())) == [each.address.name for each in steps if each is not steps[5]]


def test_one_of_a_shared_commit_fails_all(tmp_path: Path) -> None:
    """A commit that fails leaves none of its intents, so none of their writes may be sent."""
    with Journal(tmp_path, ORIGIN) as opened:
        change(tmp_path, "CREATE TRIGGER full BEFORE INSERT ON op WHEN NEW.name = 'B' BEGIN SELECT RAISE(ABORT, 'disk full'); END")  # fmt: skip
        batch = [journal._Change(journal._INTEND, ("r", "d", ORIGIN, "acme", "cpms", name, "create", None, "{}", "{}", 0.0, "", 0.0, None), key) for key, name in enumerate("AB")]  # fmt: skip
        opened._commit(batch)
        assert all(each.error for each in batch) and opened.open_operations() == []


# ----------------------------------------------------------------------------------------------------------- outcomes


@pytest.mark.parametrize(
    ("outcome", "still_open", "answered"),
    [
        ({"status": Status.DONE}, False, None),
        ({"status": Status.FAILED, "code": "E-REJECTED"}, False, None),
        ({"status": Status.SKIPPED}, False, None),
        ({"status": Status.UNKNOWN, "code": "E-AMBIGUOUS"}, True, False),
        ({"status": Status.UNKNOWN, "code": "E-LIST-BLIND"}, True, True),
        ({"status": Status.DONE, "code": "E-UNVERIFIED"}, True, True),
    ],
)
def test_what_stays_open(tmp_path: Path, outcome: dict[str, Any], still_open: bool, answered: bool | None) -> None:
    """Only a known outcome closes an operation; a create that was answered and does not show up is marked as such."""
    each = step()
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, each)
        opened.settle([Outcome(each, **outcome)])
        found = opened.open_operations()
    assert ([op.answered for op in found] == [answered]) if still_open else found == []
    assert row(tmp_path)["outcome"] == (None if still_open else outcome["status"].value)


def test_an_outcome_that_cannot_be_kept(tmp_path: Path) -> None:
    """The operations stay open, all of them, and the record says nothing that the journal does not."""
    steps = [step("A"), step("B")]
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, *steps)
        change(tmp_path, "CREATE TRIGGER full BEFORE UPDATE ON op WHEN NEW.name = 'B' BEGIN SELECT RAISE(ABORT, 'disk full'); END")  # fmt: skip
        with pytest.raises(StorageFailed, match="journal cannot be written: disk full"):
            opened.settle([Outcome(each, Status.DONE) for each in steps])
        assert names(opened.open_operations()) == ["A", "B"] and not (tmp_path / "audit.jsonl").exists()


def test_open_operations_of_whom(tmp_path: Path) -> None:
    """An apply sees those of its origin and tenants, oldest first; `unknowns` sees all."""
    with Journal(tmp_path, "https://other.example.com") as other:
        intended(other, step("O"))
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step("Z"), step("A"), step("B", tenant="beta"), step("G", tenant="gamma"))
        assert names(opened.open_operations()) == ["O", "Z", "A", "B", "G"]
        assert names(opened.open_operations(["acme"])) == ["Z", "A"]
        assert names(opened.open_operations(["gamma", "acme"])) == ["Z", "A", "G"]
        assert opened.open_operations([]) == []


def test_what_an_earlier_run_made(tmp_path: Path) -> None:
    """Creates of the last seconds are known with the id of what they made: of this origin and these tenants only."""
    with Journal(tmp_path, "https://other.example.com") as other:
        each = step("O")
        intended(other, each)
        other.settle([Outcome(each, Status.DONE, made=1)])
    steps = [step("A"), step("B"), step("T", tenant="beta"), step("Old")]
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, *steps)
        opened.settle([Outcome(each, Status.DONE, made=made) for each, made in zip(steps, (41, None, 43, 44))])
        change(tmp_path, "UPDATE op SET ticks = ticks - 90, intended_at = intended_at - 90 WHERE name = 'Old'")
        assert [(op.address.name, op.remote_id) for op in opened.made_lately(["acme"], 60.0)] == [("A", 41)]
        assert names(opened.made_lately(["beta", "acme"], 600.0)) == ["A", "T", "Old"]


API_NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("changed", "age"),
    [
        ("ticks = ticks - 500, intended_at = intended_at - 500", 500),           # time went by
        ("ticks = ticks - 500, intended_at = intended_at + 9000", 0),            # the wall clock went back
        ("ticks = ticks - 500, intended_at = intended_at - 9000", 500),          # the wall clock was put forward
        ("ticks = ticks - 3600, intended_at = intended_at - 20", 20),            # a cloned machine that was up for longer
        ("ticks = ticks + 3600, intended_at = intended_at - 20", 0),             # one that was up for less: never negative
        ("boot = 'another', intended_at = intended_at - 700, ticks = 0", 700),   # the machine was started again
        ("boot = '', intended_at = intended_at - 700, ticks = 0", 700),          # one that cannot tell its starts apart
        ("boot = 'another', intended_at = intended_at + 700, ticks = 0", 0),
        ("boot = 'another', intended_at = intended_at - 3600, api_date = 999990", 10),   # another machine, its clock ahead
        ("boot = 'another', intended_at = intended_at - 30, api_date = 0", 30),          # the API's clock was put forward
        ("sent_at = intended_at - 40, attempts = 2, boot = 'another', intended_at = intended_at - 400", 40),
        ("sent_at = intended_at - 40, sent_boot = boot, sent_ticks = ticks - 30, ticks = ticks - 400", 30),
    ],
)  # fmt: skip
def test_row_A12_the_age_of_an_operation(tmp_path: Path, changed: str, age: float) -> None:
    """The smallest that any clock says counts, since it was last sent: a clock can make a write young, never old."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step())
        change(tmp_path, f"UPDATE op SET {changed}")
        opened.api_now = lambda: API_NOW
        [op] = opened.open_operations()
        assert 0 <= op.age and age - 2 <= op.age <= age + 30


def test_a_write_that_is_sent_again(tmp_path: Path) -> None:
    """Each attempt is on disk before it leaves, with the API's own clock; the intent is the stamp of the first."""
    sent = step()
    with Journal(tmp_path, ORIGIN) as opened:
        opened.api_now = lambda: API_NOW
        intended(opened, sent)
        opened.sending(sent)
        first = row(tmp_path)
        assert (first["attempts"], first["sent_at"], first["api_date"]) == (1, None, API_NOW)
        opened.sending(sent, api_date=API_NOW + 5)
        again = row(tmp_path)
        assert (again["attempts"], again["api_date"]) == (2, API_NOW + 5)
        assert again["sent_at"] >= again["intended_at"] and again["sent_ticks"] >= again["ticks"]


def test_row_F4_a_write_that_left_long_after_its_intent(tmp_path: Path) -> None:
    """A first attempt that was held back is stamped when it leaves: its age counts from then."""
    sent = step()
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, sent)
        opened._fresh[id(sent)] -= 300
        change(tmp_path, "UPDATE op SET intended_at = intended_at - 300, ticks = ticks - 300")
        assert opened.open_operations()[0].age > 200
        opened.sending(sent)
        assert opened.open_operations()[0].age < 100


def test_an_attempt_that_cannot_be_stamped(tmp_path: Path) -> None:
    """Then it must not be sent."""
    sent = step()
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, sent)
        opened.sending(sent)
        change(tmp_path, "CREATE TRIGGER full BEFORE UPDATE ON op BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        with pytest.raises(StorageFailed, match="disk full"):
            opened.sending(sent)


def test_row_F14_an_answer_is_remembered_when_it_comes(tmp_path: Path) -> None:
    """Another process sees at once that a write was answered, or of a replace only its delete; ids that were made stay."""
    create, replace = step("A"), step("B", Action.REPLACE)
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, create, replace)
        opened.answered(create)
        opened.answered(replace, deleted=True)
        assert [(op.answered, op.deleted) for op in peek(tmp_path, ORIGIN).operations] == [(True, False), (False, True)]
        opened.settle([Outcome(create, Status.UNKNOWN, code="E-AMBIGUOUS", made=41)])
        opened.settle([Outcome(create, Status.UNKNOWN, code="E-AMBIGUOUS")])
        assert [(op.answered, op.made_id) for op in opened.open_operations()] == [(True, 41), (False, None)]


def test_row_F9_what_an_earlier_run_made_is_kept(tmp_path: Path) -> None:
    """The id that a later run finds for a create of an earlier one is remembered with it."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step("A"), step("B"))
        first, second = opened.open_operations()
        opened.settle_earlier({first.number: "applied", second.number: "not applied"}, {first.number: 41})
        assert [(op.address.name, op.made_id) for op in opened.made_lately(["acme"], 60.0)] == [("A", 41)]


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
    assert names(peek(tmp_path, ORIGIN).operations) == ["A"]
    with Journal(tmp_path, ORIGIN) as opened:
        [op] = opened.open_operations()
        assert (op.address.name, op.attempts, op.deleted) == ("A", 1, False)
        intended(opened, step("B"))


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
            assert sorted(names(opened.open_operations())) == [f"apply {n}" for n in range(1, openings, 2)]


def test_a_machine_that_cannot_tell_its_starts_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no boot id the monotonic clock is not believed: it starts anew with the machine."""

    def not_there(*args: Any) -> str:
        raise FileNotFoundError("/proc/sys/kernel/random/boot_id")

    boot_id = journal_rows.boot
    with Journal(tmp_path, ORIGIN) as opened:
        monkeypatch.setattr(Path, "read_text", not_there)
        monkeypatch.setattr(journal_rows, "boot", boot_id.__wrapped__)  # it is read once a process
        intended(opened, step())
        change(tmp_path, "UPDATE op SET intended_at = intended_at - 700, ticks = ticks - 5")
        assert opened.open_operations()[0].age == pytest.approx(700, abs=30)


def test_what_reading_told_of_an_earlier_run(tmp_path: Path) -> None:
    """Operations of an earlier run are closed by number, with what reading told, on the record too."""
    with Journal(tmp_path, ORIGIN, "d1") as first:
        intended(first, step("A"), step("B"), step("C"))
    with Journal(tmp_path, ORIGIN, "d2") as second:
        numbers = {op.address.name: op.number for op in second.open_operations()}
        second.settle_earlier({numbers["A"]: "applied", numbers["C"]: "not applied"})
        assert names(second.open_operations()) == ["B"]
    said = [(line["address"], line["outcome"], line["run"], line["digest"]) for line in audit(tmp_path)]
    assert said == [("acme/cpms/A", "applied", first.run, "d1"), ("acme/cpms/C", "not applied", first.run, "d1")]
    assert row(tmp_path, "C")["outcome"] == "not applied"


def test_forget(tmp_path: Path) -> None:
    """What is forgotten is closed, and nothing else."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step("A"), step("A"), step("B"))
        opened.forget(op for op in opened.open_operations() if op.address.name == "A")
        assert names(opened.open_operations()) == ["B"]
    assert [line["outcome"] for line in audit(tmp_path)] == ["forgotten", "forgotten"]


# ---------------------------------------------------------------------------------------------------------- last seen


def test_last_seen_counts(tmp_path: Path) -> None:
    """The last count of each list is remembered, for each origin by itself."""
    with Journal(tmp_path, "https://other.example.com") as other:
        other.saw({ListKey("acme", "cpms"): 9})
    with Journal(tmp_path, ORIGIN) as opened:
        assert opened.seen() == {}
        opened.saw({ListKey("acme", "cpms"): 1, ListKey("acme", "charger"): 2})
        opened.saw({ListKey("acme", "cpms"): 3})
        assert (
            opened.seen() == {ListKey("acme", "cpms"): 3, ListKey("acme", "charger"): 2} == peek(tmp_path, ORIGIN).seen
        )


def test_counts_that_cannot_be_kept(tmp_path: Path) -> None:
    """All counts of a run are kept or none, and a failure is said."""
    with Journal(tmp_path, ORIGIN) as opened:
        change(tmp_path, "CREATE TRIGGER full BEFORE INSERT ON seen WHEN NEW.kind = 'cpms' BEGIN SELECT RAISE(ABORT, 'disk full'); END")  # fmt: skip
        with pytest.raises(StorageFailed, match="disk full"):
            opened.saw({ListKey("acme", "charger"): 1, ListKey("acme", "cpms"): 1})
        assert opened.seen() == {}
        opened.saw({ListKey("acme", "charger"): 4})
        assert opened.seen() == {ListKey("acme", "charger"): 4}


# -------------------------------------------------------------------------------------------------------------- audit


def test_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One JSON line a fact: who, when, which run and plan, what was there before, what was sent, what became of it."""
    monkeypatch.setattr(audits, "user", lambda: "kim")
    deleted, never_sent = step("A", Action.DELETE), step("B", Action.UPDATE)
    with Journal(tmp_path, ORIGIN, "digest") as opened:
        opened.started(2)
        opened.intend(deleted, {"id": 7, "displayName": "A"}, {})
        opened.settle(
            [
                Outcome(deleted, Status.UNKNOWN, "no answer", "E-AMBIGUOUS"),
                Outcome(never_sent, Status.SKIPPED, "after a failure", "E-SKIPPED"),
            ]
        )
        opened.ended(9, (1, 2, 3))
    lines = audit(tmp_path)
    who = {"run": opened.run, "user": "kim", "origin": ORIGIN, "digest": "digest"}
    assert all(time.strptime(line.pop("time"), "%Y-%m-%dT%H:%M:%SZ") for line in lines)
    assert lines[1].pop("intended_at") == row(tmp_path)["intended_at"]
    assert lines == [
        {**who, "event": "run started", "steps": 2},
        {**who, "event": "write", "address": "acme/cpms/A", "action": "delete", "id": 7, "before": {"id": 7, "displayName": "A"}, "after": {}, "outcome": "unknown", "code": "E-AMBIGUOUS", "detail": "no answer"},
        {**who, "event": "write", "address": "acme/cpms/B", "action": "update", "outcome": "skipped", "code": "E-SKIPPED", "detail": "after a failure"},
        {**who, "event": "run ended", "exit_code": 9, "added": 1, "changed": 2, "destroyed": 3},
    ]  # fmt: skip


def test_the_record_only_grows(tmp_path: Path) -> None:
    """A later run writes below what stands there."""
    for steps in (1, 2):
        with Journal(tmp_path, ORIGIN) as opened:
            opened.started(steps)
    assert [line["steps"] for line in audit(tmp_path)] == [1, 2]


def test_the_record_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is written to its end and flushed before anything goes on, however little the disk takes at a time."""
    write, flushed = os.write, []
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:7]))
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_size))
    with Journal(tmp_path, ORIGIN) as opened:
        opened.started(3)
        before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
        opened.started(4)
        after = len(os.listdir("/proc/self/fd")) if before else 0
    assert [line["steps"] for line in audit(tmp_path)] == [3, 4] and after == before
    assert flushed[-1] == (tmp_path / "audit.jsonl").stat().st_size


@pytest.mark.parametrize("what", ["started", "ended", "settle", "settle_earlier"])
def test_a_record_that_cannot_be_written(tmp_path: Path, what: str) -> None:
    """Without the record nothing goes on: it is a storage failure, with the system's own word for it."""
    (tmp_path / "audit.jsonl").mkdir()
    with Journal(tmp_path, ORIGIN) as opened:
        calls = {
            "started": lambda: opened.started(1), "ended": lambda: opened.ended(0, (0, 0, 0)),
            "settle": lambda: opened.settle([Outcome(step(), Status.DONE)]), "settle_earlier": lambda: opened.settle_earlier({}),
        }  # fmt: skip
        with pytest.raises(StorageFailed, match=r"cannot be written: Is a directory$"):
            calls[what]()


def test_an_error_without_a_word_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage failure always says something."""

    def fails(handle: int) -> None:
        raise OSError("odd")

    with Journal(tmp_path, ORIGIN) as opened:
        monkeypatch.setattr(os, "fsync", fails)
        with pytest.raises(StorageFailed, match=r"cannot be written: odd$"):
            opened.started(1)


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("DROP TABLE seen", "seen"),
        ("DROP TABLE op", "open_operations"),
        ("DROP TABLE op", "made_lately"),
        ("UPDATE op SET intended_at = 'x', boot = ''", "open_operations"),
    ],
)
def test_damage_while_it_is_open(tmp_path: Path, damage: str, what: str) -> None:
    """What cannot be read is a storage failure, never an empty memory."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step())
        change(tmp_path, damage)
        reads: dict[str, Any] = {"seen": opened.seen, "open_operations": opened.open_operations, "made_lately": lambda: opened.made_lately(["acme"], 60.0)}  # fmt: skip
        with pytest.raises(StorageFailed, match="cannot be read"):
            reads[what]()


# -------------------------------------------------------------------------------------------------- looking, not writing


def test_peek(tmp_path: Path) -> None:
    """`plan` sees what is open at its origin, and leaves the folder as it was, byte by byte."""
    assert peek(tmp_path / "nowhere", ORIGIN) == peek(tmp_path, ORIGIN) == Memory() and list(tmp_path.iterdir()) == []
    with Journal(tmp_path, "https://other.example.com") as other:
        intended(other, step("O"))
    done = step("D")
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step("A"), done)
        opened.settle([Outcome(done, Status.DONE)])
        opened.saw({ListKey("acme", "cpms"): 2})
    content = {path: path.read_bytes() for path in tmp_path.iterdir()}
    found = peek(tmp_path, ORIGIN)
    assert names(found.operations) == ["A"] and found.seen == {ListKey("acme", "cpms"): 2}
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == content


def test_peek_while_another_applies(tmp_path: Path) -> None:
    """What a running apply has confirmed is seen, while it holds the journal."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step("A"))
        opened._database.execute("BEGIN IMMEDIATE")
        assert names(peek(tmp_path, ORIGIN).operations) == ["A"]


def test_peek_at_what_is_no_journal(tmp_path: Path) -> None:
    """Something else in its place is no memory, and no error; it is said."""
    (tmp_path / "journal.db").write_bytes(b"not a database" * 100)
    assert peek(tmp_path, ORIGIN) == Memory(note="the journal cannot be read: file is not a database")


# --------------------------------------------------------------------------------------------------------- who, where


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """State lives where the user's state lives."""
    monkeypatch.setenv("HOME", "/home/kim")
    assert folders.default({"XDG_STATE_HOME": "/state"}) == Path("/state/exolink-reconcile")
    for environment in ({}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "relative/state"}):
        assert folders.default(environment) == Path("/home/kim/.local/state/exolink-reconcile")


CI = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "5"}


@pytest.mark.parametrize(
    ("variables", "who"),
    [
        ({**CI, "GITHUB_ACTOR": "kim"}, "kim (https://github.com/o/r/actions/runs/5)"),
        (CI, "? (https://github.com/o/r/actions/runs/5)"),
        ({"CI_JOB_URL": "https://gitlab.com/j/1", "GITLAB_USER_LOGIN": "kim"}, "kim (https://gitlab.com/j/1)"),
        ({"CI_JOB_URL": "https://gitlab.com/j/1"}, "? (https://gitlab.com/j/1)"),
        ({**CI, "GITHUB_RUN_ID": "", "GITHUB_ACTOR": "kim", "LOGNAME": "lee"}, "lee"),
    ],
)
def test_who(variables: dict[str, str], who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record names the CI run where there is one, else the user."""
    for name in (*CI, "GITHUB_ACTOR", "CI_JOB_URL", "GITLAB_USER_LOGIN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert audits.user() == who


@pytest.mark.parametrize("error", [KeyError("no entry"), OSError("no user")])
def test_a_user_without_a_name(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container a user may have a number only."""
    monkeypatch.delenv("CI_JOB_URL", raising=False)
    monkeypatch.delenv("GITHUB_RUN_ID", raising=False)

    def nobody() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert audits.user() == f"uid {os.getuid()}"


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run as a user that nobody knows: there is no place for the state, and no crash."""

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(StorageFailed, match="--state DIR") as caught:
        folders.default({})
    assert caught.value.code == "E-STORAGE"
    assert folders.default({"XDG_STATE_HOME": "/s"}) == Path("/s/exolink-reconcile")


def test_only_a_create_is_marked_as_answered(tmp_path: Path) -> None:
    """An update that was answered and not read back may be sent again: it is open, and blocks no create."""
    each = step(action=Action.UPDATE)
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, each)
        opened.settle([Outcome(each, Status.DONE, code="E-UNVERIFIED")])
        assert [op.answered for op in opened.open_operations()] == [False]


# ---------------------------------------------------------------------------------------- what is removed while we work


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_row_A9_a_journal_that_goes(tmp_path: Path, name: str, how: str) -> None:
    """An intent counts only while the journal is the file at its path: without it nothing may be sent."""
    with Journal(tmp_path, ORIGIN) as opened:
        sent = step("A")
        intended(opened, sent)
        opened.sending(sent)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        if how == "replaced":
            (tmp_path / name).write_bytes(content)
        for attempt in (lambda: intended(opened, step("B")), lambda: opened.sending(sent), opened.may_send):
            with pytest.raises(StorageFailed, match="removed or replaced"):
                attempt()


def test_row_A9_a_journal_that_goes_while_it_is_written(tmp_path: Path) -> None:
    """It is looked at after the commit too."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step("A"))
        look = opened.may_send
        looks: list[Any] = []

        def removed_after_the_first_look() -> None:
            look()
            if not looks:
                (tmp_path / "journal.db").unlink()
            looks.append(1)

        opened.may_send = removed_after_the_first_look  # type: ignore[method-assign]
        with pytest.raises(StorageFailed, match="removed or replaced"):
            intended(opened, step("B"))


# --------------------------------------------------------------------------------------------------- what is not ours

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


def test_row_E12_a_journal_that_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No question to a journal runs without end, and no more is read at once than a run could have left."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, *(step(f"N{number}") for number in range(50)))
    for module, limit in ((journal_rows, "_MOST_TEXT"), (journal_file, "_MOST_STEPS")):
        with monkeypatch.context() as patched:
            patched.setattr(module, limit, 100)
            patched.setattr(journal_file, "_STEPS_AT_A_TIME", 100)
            assert "journal cannot be read" in peek(tmp_path, ORIGIN).note
    assert len(peek(tmp_path, ORIGIN).operations) == 50


def test_row_E12_a_folder_that_is_a_link(tmp_path: Path) -> None:
    """A link in its place is refused, and what it leads to keeps its mode and stays empty."""
    (tmp_path / "victim").mkdir(mode=0o755)
    (tmp_path / "state").symlink_to(tmp_path / "victim")
    with pytest.raises(StorageFailed, match="E-STATE-UNSAFE: .*is a link"):
        Journal(tmp_path / "state", ORIGIN)
    assert "is a link" in peek(tmp_path / "state", ORIGIN).note
    assert list((tmp_path / "victim").iterdir()) == [] and (tmp_path / "victim").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("git", ["folder", "file"])
@pytest.mark.parametrize("state", [".", "state", "a/b/state"])
def test_row_E12_a_folder_in_a_work_tree(tmp_path: Path, git: str, state: str) -> None:
    """Who may open a pull request could bring a journal along: nothing is made there, and plan says so of one that is."""
    checkout = tmp_path / "checkout"
    folder = checkout / state
    Journal(folder, ORIGIN).close()
    (checkout / ".git").mkdir() if git == "folder" else (checkout / ".git").write_text("gitdir: ../x", "utf-8")
    for path in (folder, checkout / "new"):
        with pytest.raises(StorageFailed, match="E-STATE-UNSAFE: .*Git work tree"):
            Journal(path, ORIGIN)
    assert "Git work tree" in peek(folder, ORIGIN).note
    assert not (checkout / "new").exists()


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Two machines may both get a lock there, and SQLite's log is not safe: refused, with what to do instead."""
    monkeypatch.setattr(folders, "file_system", lambda path: kind)
    with pytest.raises(StorageFailed, match=rf"network file system \({kind}\).*postgresql://"):
        Journal(tmp_path / "state", ORIGIN)
    assert not (tmp_path / "state").exists()


def test_the_file_system_is_known() -> None:
    """Where the system tells, it is told; a path that is not there has none."""
    assert folders.file_system(Path("/proc")) in ("proc", "")
    assert folders.file_system(Path("/not/there")) == ""


def test_row_C7_a_folder_that_may_not_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of mode 0700 of another user is a storage failure that says so, never a bug; to plan a note."""
    lstat, stat = os.lstat, Path.stat

    def refused(path: Path, **options: Any) -> os.stat_result:
        if path.name == "journal.db":
            raise PermissionError(13, "Permission denied")
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refused)
    monkeypatch.setattr(os, "geteuid", lambda: lstat(tmp_path).st_uid + 1)
    with pytest.raises(StorageFailed, match="belongs to another user"):
        Journal(tmp_path, ORIGIN)
    assert "belongs to another user" in peek(tmp_path, ORIGIN).note


# -------------------------------------------------------------------------------------------------------- many writes


def test_row_D10_what_is_closed_costs_nothing(tmp_path: Path) -> None:
    """What an apply asks on its way is answered from an index, however many writes were made before."""
    old = ("r", "d", "w", ORIGIN, "acme", "cpms", "A", "create", None, "{}", "{}", 1.0, "", 0.0, None)
    with Journal(tmp_path, ORIGIN) as opened:
        with opened._transaction() as database:
            database.executemany(journal._INTEND, [old] * 20_000)
            database.execute("UPDATE op SET outcome = 'done', made = number")
        recent = step("New")
        intended(opened, recent)
        opened.settle([Outcome(recent, Status.DONE, made=7)])
        steps = []
        opened._database.set_progress_handler(lambda: steps.append(1), 100)
        assert opened.open_operations(["acme"]) == []
        assert [op.made_id for op in opened.made_lately(["acme"], 90.0)] == [7]
        assert len(steps) * 100 < 30_000  # instructions of SQLite's machine; a look at each row takes ten times as many


def test_a_write_of_long_ago_behind_a_wrong_clock(tmp_path: Path) -> None:
    """A few old ones in between do not hide a young one: clocks go wrong, numbers do not."""
    with Journal(tmp_path, ORIGIN) as opened:
        steps = [step(f"N{number}") for number in range(5)]
        intended(opened, *steps)
        opened.settle([Outcome(each, Status.DONE, made=number) for number, each in enumerate(steps)])
        change(tmp_path, "UPDATE op SET intended_at = 1, ticks = 1 WHERE number > 1")
        assert names(opened.made_lately(["acme"], 600.0)) == ["N0"]


# --------------------------------------------------------------------------------------------------------------- base


def test_the_base(tmp_path: Path) -> None:
    """What an apply declared and verified is remembered; what is kept out of it keeps what was remembered before."""
    a, b, c = (Address("acme", "cpms", name) for name in "ABC")
    with Journal(tmp_path, ORIGIN) as opened:
        assert opened.base("acme") is None
        opened.keep_base("acme", {a: {"url": "1", "interval": 30}, b: {"url": "2", "interval": 60}}, keep=())
        opened.keep_base("acme", {a: {"url": "3"}, b: {"url": "9"}, c: {}}, keep={b})
        opened.keep_base("beta", {}, keep=())
        base = opened.base("acme")
        assert base is not None and base.declared == {a: {"url": "3"}, b: {"url": "2", "interval": 60}, c: {}}
    memory = peek(tmp_path, ORIGIN, ["acme", "beta", "gamma"])
    assert set(memory.bases) == {"acme", "beta"} and memory.bases["acme"].declared[c] == {}
    assert abs(memory.bases["acme"].when - time.time()) < 3600
    assert peek(tmp_path, "https://other.example.com", ["acme"]).bases == {}


def test_a_base_of_an_earlier_version(tmp_path: Path) -> None:
    """One that kept only what was declared is still read; what was claimed then is not known."""
    with Journal(tmp_path, ORIGIN) as opened:
        opened.keep_base("acme", {}, keep=())
        content = zlib.compress(json.dumps([["cpms", ["url"], ["A"], [["1"]]]]).encode())
        change(tmp_path, f"UPDATE base SET content = x'{content.hex()}'")
        found = opened.base("acme")
    assert found is not None and found.declared == {Address("acme", "cpms", "A"): {"url": "1"}}
    assert (found.removed, found.exclusive) == (frozenset(), None)


def test_a_base_that_is_damaged(tmp_path: Path) -> None:
    """It is a storage failure, to plan a note, and never a base."""
    with Journal(tmp_path, ORIGIN) as opened:
        opened.keep_base("acme", {}, keep=())
        change(tmp_path, "UPDATE base SET content = x'00'")
        with pytest.raises(StorageFailed, match="damaged"):
            opened.base("acme")
    assert "damaged" in peek(tmp_path, ORIGIN, ["acme"]).note


# ------------------------------------------------------------------------------------------------------------ history


def test_history(tmp_path: Path) -> None:
    """Every write of every run, newest first: what was there, what was sent, and what became of it."""
    create, delete = step("A"), step("B", Action.DELETE)
    with Journal(tmp_path, ORIGIN) as first:
        intended(first, create, delete)
        first.settle([Outcome(create, Status.DONE, made=41), Outcome(delete, Status.FAILED, "no", "E-REJECTED")])
    with Journal(tmp_path, ORIGIN) as second:
        intended(second, step("C"))
    with Journal(tmp_path, ORIGIN, read_only=True) as reading:
        writes = list(reading.history())
        assert [(w.address.name, w.outcome, w.code, w.made_id) for w in writes] == [
            ("C", None, "", None), ("B", "failed", "E-REJECTED", None), ("A", "done", "", 41)
        ]  # fmt: skip
        assert [w.address.name for w in reading.history(first.run)] == ["B", "A"]
    assert writes[1].before == {"displayName": "before"} and writes[2].after == {"displayName": "A"}
    assert writes[0].who == audits.user()


def test_asking_for_addresses_reads_no_more_than_these(tmp_path: Path) -> None:
    """What was made last at an address is found by an index: a journal may know hundreds of thousands of creates."""
    with Journal(tmp_path, ORIGIN) as opened:
        asked: list[str] = []
        opened._database.set_trace_callback(asked.append)
        assert opened.last_made([Address("acme", "cpms", "A")]) == {}
        opened._database.set_trace_callback(None)
        plan = [row["detail"] for row in opened._database.execute(f"EXPLAIN QUERY PLAN {asked[-1]}")]
    assert any("USING INDEX op_made_at (origin=? AND tenant=? AND kind=? AND name=?" in line for line in plan), plan
