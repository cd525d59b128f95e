"""Rows of a journal to values: the age of a write by all clocks, and what a damaged row says."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from support_journal import API_NOW, ORIGIN, change, intended, names, step

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.model import Outcome, Status
from exolink_reconcile.resource import Address
from exolink_reconcile.state import journal_file, journal_rows
from exolink_reconcile.state.journal import Journal, peek
from exolink_reconcile.state.store import NewBase


@pytest.mark.parametrize(
    ("changed", "age"),
    [
        ("ticks = ticks - 500, intended_at = intended_at - 500", 500),  # time went by
        ("ticks = ticks - 500, intended_at = intended_at + 9000", 0),  # the wall clock went back
        ("ticks = ticks - 500, intended_at = intended_at - 9000", 500),  # the wall clock was put forward
        ("ticks = ticks - 3600, intended_at = intended_at - 20", 20),  # a cloned machine that was up for longer
        ("ticks = ticks + 3600, intended_at = intended_at - 20", 0),  # one that was up for less: never negative
        ("boot = 'another', intended_at = intended_at - 700, ticks = 0", 700),  # the machine was started again
        ("boot = '', intended_at = intended_at - 700, ticks = 0", 700),  # one that cannot tell its starts apart
        ("boot = 'another', intended_at = intended_at + 700, ticks = 0", 0),
        (
            "boot = 'another', intended_at = intended_at - 3600, api_date = 999990",
            10,
        ),  # another machine, its clock ahead
        ("boot = 'another', intended_at = intended_at - 30, api_date = 0", 30),  # the API's clock was put forward
        ("sent_at = intended_at - 40, attempts = 2, boot = 'another', intended_at = intended_at - 400", 40),
        ("sent_at = intended_at - 40, sent_boot = boot, sent_ticks = ticks - 30, ticks = ticks - 400", 30),
    ],
)
def test_row_A12_the_age_of_an_operation(tmp_path: Path, changed: str, age: float) -> None:
    """The smallest that any clock says counts, since it was last sent: a clock can make a write young, never old."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, step())
        change(tmp_path, f"UPDATE op SET {changed}")
        opened.api_now = lambda: API_NOW
        [op] = opened.open_intents()
        assert 0 <= op.age and age - 2 <= op.age <= age + 30


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
        assert opened.open_intents()[0].age == pytest.approx(700, abs=30)


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
        reads: dict[str, Any] = {
            "seen": opened.seen,
            "open_operations": opened.open_intents,
            "made_lately": lambda: opened.made_lately(["acme"], 60.0),
        }
        with pytest.raises(StorageFailed, match="cannot be read"):
            reads[what]()


def test_row_E12_a_journal_that_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No question to a journal runs without end, and no more is read at once than a run could have left."""
    with Journal(tmp_path, ORIGIN) as opened:
        intended(opened, *(step(f"N{number}") for number in range(50)))
    for module, limit in ((journal_rows, "_MOST_TEXT"), (journal_file, "_MOST_STEPS")):
        with monkeypatch.context() as patched:
            patched.setattr(module, limit, 100)
            patched.setattr(journal_file, "_STEPS_AT_A_TIME", 100)
            assert "journal cannot be read" in peek(tmp_path, ORIGIN).note
    assert len(peek(tmp_path, ORIGIN).intents) == 50


def test_a_write_of_long_ago_behind_a_wrong_clock(tmp_path: Path) -> None:
    """A few old ones in between do not hide a young one: clocks go wrong, numbers do not."""
    with Journal(tmp_path, ORIGIN) as opened:
        steps = [step(f"N{number}") for number in range(5)]
        intended(opened, *steps)
        opened.settle([Outcome(each, Status.DONE, made=number) for number, each in enumerate(steps)])
        change(tmp_path, "UPDATE op SET intended_at = 1, ticks = 1 WHERE number > 1")
        assert names(opened.made_lately(["acme"], 600.0)) == ["N0"]


def test_a_base_of_an_earlier_version(tmp_path: Path) -> None:
    """One that kept only what was declared is still read; what was claimed then is not known."""
    with Journal(tmp_path, ORIGIN) as opened:
        opened.keep_base("acme", NewBase({}))
        content = zlib.compress(json.dumps([["cpms", ["url"], ["A"], [["1"]]]]).encode())
        change(tmp_path, f"UPDATE base SET content = x'{content.hex()}'")
        base = opened.base("acme")
    assert base is not None and base.declared == {Address("acme", "cpms", "A"): {"url": "1"}}
    assert (base.removed, base.exclusive) == (frozenset(), None)


def test_a_base_that_is_damaged(tmp_path: Path) -> None:
    """It is a storage failure, to plan a note, and never a base."""
    with Journal(tmp_path, ORIGIN) as opened:
        opened.keep_base("acme", NewBase({}))
        change(tmp_path, "UPDATE base SET content = x'00'")
        with pytest.raises(StorageFailed, match="damaged"):
            opened.base("acme")
    assert "damaged" in peek(tmp_path, ORIGIN, ["acme"]).note
