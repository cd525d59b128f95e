"""What stands on disk before a write, what is still open after it, and what the record says."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from support_journal import API_NOW, ORIGIN, audit, change, intended, names, row, step

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.model import Action, Intent, Outcome, Status
from exolink_reconcile.resource import Address, ListKey
from exolink_reconcile.state import audit as audits
from exolink_reconcile.state import journal
from exolink_reconcile.state.journal import Journal, peek
from exolink_reconcile.state.store import Memory, NewBase

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


# ------------------------------------------------------------------------------------------------------------ intents


@pytest.mark.parametrize(
    ("action", "remote_id"), [(Action.CREATE, None), (Action.UPDATE, 7), (Action.REPLACE, 7), (Action.DELETE, 7)]
)
def test_an_intent_is_on_disk(tmp_path: Path, action: Action, remote_id: int | None) -> None:
    """When `intend` has returned another process sees the whole intent, whatever becomes of this one."""
    opened = Journal(tmp_path, ORIGIN, "digest")
    start = time.time()
    intended(opened, step("A/b", action))
    [op] = peek(tmp_path, ORIGIN).intents
    assert op == Intent(
        op.number, ORIGIN, Address("acme", "cpms", "A/b"), action.word, remote_id, {"displayName": "A/b"},
        op.intended_at, op.age, False, run=opened.run,
    )  # fmt: skip
    assert start - 1 <= op.intended_at <= time.time() and 0 <= op.age < 60
    stored = row(tmp_path, "A/b")
    assert (stored["run"], stored["digest"], json.loads(stored["before"])) == (
        opened.run,
        "digest",
        {"displayName": "before"},
    )
    assert len(opened.run) == 12
    opened.close()


@pytest.mark.parametrize("how", ["ABORT", "ROLLBACK"])
def test_an_intent_that_cannot_be_kept(how: str, tmp_path: Path) -> None:
    """Then the write must not be sent: the error says which; afterwards nothing is left of it, and work may go on."""
    with Journal(tmp_path, ORIGIN) as opened:
        change(
            tmp_path,
            "CREATE TRIGGER full BEFORE INSERT ON op WHEN NEW.name = 'B' BEGIN SELECT RAISE("
            + how
            + ", 'disk full'); END",
        )
        with pytest.raises(StorageFailed, match=r"E-STORAGE: .*disk full"):
            intended(opened, step("B"))
        intended(opened, step("A"))
        assert names(opened.open_intents()) == ["A"]


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
    open_step = step()
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, open_step)
        opened.settle([Outcome(open_step, **outcome)])
        intents = opened.open_intents()
    assert ([op.answered for op in intents] == [answered]) if still_open else intents == []
    assert row(tmp_path)["outcome"] == (None if still_open else outcome["status"].value)


def test_an_outcome_that_cannot_be_kept(tmp_path: Path) -> None:
    """The operations stay open, all of them, and the record says nothing that the journal does not."""
    steps = [step("A"), step("B")]
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, *steps)
        change(
            tmp_path,
            "CREATE TRIGGER full BEFORE UPDATE ON op WHEN NEW.name = 'B' BEGIN SELECT RAISE(ABORT, 'disk full'); END",
        )
        with pytest.raises(StorageFailed, match="journal cannot be written: disk full"):
            opened.settle([Outcome(step, Status.DONE) for step in steps])
        assert names(opened.open_intents()) == ["A", "B"] and not (tmp_path / "audit.jsonl").exists()


def test_open_operations_of_whom(tmp_path: Path) -> None:
    """An apply sees those of its origin and tenants, oldest first; `unknowns` sees all."""
    with Journal(tmp_path, "https://other.example.com") as other:
        intended(other, step("O"))
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step("Z"), step("A"), step("B", tenant="beta"), step("G", tenant="gamma"))
        assert names(opened.open_intents()) == ["O", "Z", "A", "B", "G"]
        assert names(opened.open_intents(["acme"])) == ["Z", "A"]
        assert names(opened.open_intents(["gamma", "acme"])) == ["Z", "A", "G"]
        assert opened.open_intents([]) == []


def test_what_an_earlier_run_made(tmp_path: Path) -> None:
    """Creates of the last seconds are known with the id of what they made: of this origin and these tenants only."""
    with Journal(tmp_path, "https://other.example.com") as other:
        written = step("O")
        intended(other, written)
        other.settle([Outcome(written, Status.DONE, made=1)])
    steps = [step("A"), step("B"), step("T", tenant="beta"), step("Old")]
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, *steps)
        opened.settle(
            [Outcome(written, Status.DONE, made=number) for written, number in zip(steps, (41, None, 43, 44))]
        )
        change(tmp_path, "UPDATE op SET ticks = ticks - 90, intended_at = intended_at - 90 WHERE name = 'Old'")
        assert [(op.address.name, op.remote_id) for op in opened.made_lately(["acme"], 60.0)] == [("A", 41)]
        assert names(opened.made_lately(["beta", "acme"], 600.0)) == ["A", "T", "Old"]


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
        assert opened.open_intents()[0].age > 200
        opened.sending(sent)
        assert opened.open_intents()[0].age < 100


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
        assert [(op.answered, op.deleted) for op in peek(tmp_path, ORIGIN).intents] == [(True, False), (False, True)]
        opened.settle([Outcome(create, Status.UNKNOWN, code="E-AMBIGUOUS", made=41)])
        opened.settle([Outcome(create, Status.UNKNOWN, code="E-AMBIGUOUS")])
        assert [(op.answered, op.made_id) for op in opened.open_intents()] == [(True, 41), (False, None)]


def test_row_F9_what_an_earlier_run_made_is_kept(tmp_path: Path) -> None:
    """The id that a later run finds for a create of an earlier one is remembered with it."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step("A"), step("B"))
        first, second = opened.open_intents()
        opened.settle_earlier({first.number: "applied", second.number: "not applied"}, {first.number: 41})
        assert [(op.address.name, op.made_id) for op in opened.made_lately(["acme"], 60.0)] == [("A", 41)]


def test_what_reading_told_of_an_earlier_run(tmp_path: Path) -> None:
    """Operations of an earlier run are closed by number, with what reading told, on the record too."""
    with Journal(tmp_path, ORIGIN, "d1") as first:
        intended(first, step("A"), step("B"), step("C"))
    with Journal(tmp_path, ORIGIN, "d2") as second:
        numbers = {op.address.name: op.number for op in second.open_intents()}
        second.settle_earlier({numbers["A"]: "applied", numbers["C"]: "not applied"})
        assert names(second.open_intents()) == ["B"]
    lines = [(line["address"], line["outcome"], line["run"], line["digest"]) for line in audit(tmp_path)]
    assert lines == [("acme/cpms/A", "applied", first.run, "d1"), ("acme/cpms/C", "not applied", first.run, "d1")]
    assert row(tmp_path, "C")["outcome"] == "not applied"


def test_forget(tmp_path: Path) -> None:
    """What is forgotten is closed, and nothing else."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step("A"), step("A"), step("B"))
        opened.forget(op for op in opened.open_intents() if op.address.name == "A")
        assert names(opened.open_intents()) == ["B"]
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
        change(
            tmp_path,
            "CREATE TRIGGER full BEFORE INSERT ON seen WHEN NEW.kind = 'cpms' BEGIN SELECT RAISE(ABORT, 'disk full'); END",
        )
        with pytest.raises(StorageFailed, match="disk full"):
            opened.saw({ListKey("acme", "charger"): 1, ListKey("acme", "cpms"): 1})
        assert opened.seen() == {}
        opened.saw({ListKey("acme", "charger"): 4})
        assert opened.seen() == {ListKey("acme", "charger"): 4}


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
    memory = peek(tmp_path, ORIGIN)
    assert names(memory.intents) == ["A"] and memory.seen == {ListKey("acme", "cpms"): 2}
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == content


def test_peek_while_another_applies(tmp_path: Path) -> None:
    """What a running apply has confirmed is seen, while it holds the journal."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step("A"))
        opened._database.execute("BEGIN IMMEDIATE")
        assert names(peek(tmp_path, ORIGIN).intents) == ["A"]


def test_only_a_create_is_marked_as_answered(tmp_path: Path) -> None:
    """An update that was answered and not read back may be sent again: it is open, and blocks no create."""
    update = step(action=Action.UPDATE)
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, update)
        opened.settle([Outcome(update, Status.DONE, code="E-UNVERIFIED")])
        assert [op.answered for op in opened.open_intents()] == [False]


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

        opened.may_send = removed_after_the_first_look  # type: ignore[method-assign]  # a stand-in for this test
        with pytest.raises(StorageFailed, match="removed or replaced"):
            intended(opened, step("B"))


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
        assert opened.open_intents(["acme"]) == []
        assert [op.made_id for op in opened.made_lately(["acme"], 90.0)] == [7]
        assert len(steps) * 100 < 30_000  # instructions of SQLite's machine; a look at each row takes ten times as many


# --------------------------------------------------------------------------------------------------------------- base


def test_the_base(tmp_path: Path) -> None:
    """What an apply declared and verified is remembered; what is kept out of it keeps what was remembered before."""
    a, b, c = (Address("acme", "cpms", name) for name in "ABC")
    with Journal(tmp_path, ORIGIN) as opened:
        assert opened.base("acme") is None
        opened.keep_base("acme", NewBase({a: {"url": "1", "interval": 30}, b: {"url": "2", "interval": 60}}))
        opened.keep_base("acme", NewBase({a: {"url": "3"}, b: {"url": "9"}, c: {}}, keep={b}))
        opened.keep_base("beta", NewBase({}))
        base = opened.base("acme")
        assert base is not None and base.declared == {a: {"url": "3"}, b: {"url": "2", "interval": 60}, c: {}}
    memory = peek(tmp_path, ORIGIN, ["acme", "beta", "gamma"])
    assert set(memory.bases) == {"acme", "beta"} and memory.bases["acme"].declared[c] == {}
    assert abs(memory.bases["acme"].when - time.time()) < 3600
    assert peek(tmp_path, "https://other.example.com", ["acme"]).bases == {}


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
            ("C", None, "", None),
            ("B", "failed", "E-REJECTED", None),
            ("A", "done", "", 41),
        ]
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
