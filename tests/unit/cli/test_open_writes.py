"""Writes that are still open: which, and dropping one of them."""

from pathlib import Path

import pytest
from support_journal import ORIGIN, intended, names, step

from exolink_reconcile.cli import open_writes
from exolink_reconcile.cli.console import Console
from exolink_reconcile.errors import InputError, Locked
from exolink_reconcile.state.homes import FolderHome
from exolink_reconcile.state.journal import Journal

OTHER = "https://other.example.com"


@pytest.fixture
def home(tmp_path: Path) -> FolderHome:
    """A folder in which A and B are open at one API, and A at another one too."""
    for origin, steps in ((ORIGIN, (step("A"), step("B"))), (OTHER, (step("A"),))):
        with Journal(tmp_path / "state", origin) as journal:
            intended(journal, *steps)
    return FolderHome(tmp_path / "state", named=True)


def test_of_one_api_or_of_all(home: FolderHome) -> None:
    """Without an API every open write is listed."""
    assert names(open_writes.read(home, ORIGIN)[0]) == ["A", "B"]
    assert names(open_writes.read(home, None)[0]) == ["A", "B", "A"]


def test_only_the_one_that_is_named_is_dropped(home: FolderHome) -> None:
    """At its API; the same address of another one stays open."""
    operations, _ = open_writes.read(home, ORIGIN)
    assert open_writes.forget(Console(), home, operations, "acme/cpms/A") == 1
    assert [(op.origin, op.address.name) for op in open_writes.read(home, None)[0]] == [(ORIGIN, "B"), (OTHER, "A")]


@pytest.mark.parametrize(
    ("address", "words"),
    [("acme/cpms/A", "several APIs"), ("acme/cpms/X", "nothing is open"), ("A", "nothing is open")],
)
def test_what_is_not_one_write_is_refused(home: FolderHome, address: str, words: str) -> None:
    """Nothing is dropped on a guess."""
    operations, _ = open_writes.read(home, None)
    with pytest.raises(InputError, match=words):
        open_writes.forget(Console(), home, operations, address)
    assert len(open_writes.read(home, None)[0]) == 3


def test_a_tenant_at_which_an_apply_is_at_work_is_left_alone(home: FolderHome) -> None:
    """Its write is in flight: forgotten, nobody would wait for it."""
    operations, _ = open_writes.read(home, ORIGIN)
    with Journal(home.folder, ORIGIN) as journal, journal.hold(["acme"], 0.0, print), pytest.raises(Locked):
        open_writes.forget(Console(), home, operations, "acme/cpms/A")
    assert len(open_writes.read(home, ORIGIN)[0]) == 2
