"""`locks`, `history` and `store` on a folder: what there is, and what only a database can do. Databases: tests/state."""

from pathlib import Path

import pytest
from support_journal import ORIGIN, intended, step

from exolink_reconcile.cli import state_work
from exolink_reconcile.errors import InputError, StorageFailed
from exolink_reconcile.model import Outcome, Status
from exolink_reconcile.state.homes import FolderHome
from exolink_reconcile.state.journal import Journal


@pytest.fixture
def home(tmp_path: Path) -> FolderHome:
    """A folder with one closed write at A and one open write at B."""
    folder = tmp_path / "state"
    with Journal(folder, ORIGIN) as journal:
        closed, still_open = step("A"), step("B")
        intended(journal, closed, still_open)
        journal.settle([Outcome(closed, Status.DONE, added=1)])
    return FolderHome(folder, named=True)


def test_the_status_counts_what_is_open_and_closed(home: FolderHome) -> None:
    """Who looks at a state sees how much of it is still to be settled."""
    text, warnings = state_work.status(home)
    assert f"State: the folder {home.folder}\n" in text and warnings == ()
    assert "Writes: 1 open, 1 closed\n" in text and "Held tenants: 0\n" in text


def test_history_is_newest_first_and_filtered(home: FolderHome) -> None:
    """Globs pick addresses, a limit the newest, and a run that never was is an error."""
    assert [write.address.name for write in state_work.history(home, (), None, None)] == ["B", "A"]
    assert [write.address.name for write in state_work.history(home, ("*/A",), None, None)] == ["A"]
    assert [write.address.name for write in state_work.history(home, (), None, 1)] == ["B"]
    with pytest.raises(InputError, match="--run nope: there is no write of such a run"):
        state_work.history(home, (), "nope", None)


def test_a_lock_that_is_held_is_listed_for_its_api(home: FolderHome) -> None:
    """Who holds which tenant now, of one API or of all."""
    with Journal(home.folder, ORIGIN) as journal, journal.hold(["acme"], 0.0, print):
        assert [(lease.tenant, lease.origin) for lease in state_work.leases(home, None)] == [("acme", ORIGIN)]
        assert state_work.leases(home, "https://other.example.com") == []
    assert state_work.leases(home, None) == []


def test_a_lock_of_a_folder_cannot_be_taken_away(home: FolderHome) -> None:
    """It ends with its process, so there is nothing to break."""
    with pytest.raises(InputError, match="it ends with the process that holds it"):
        state_work.break_lease(home, "acme", 1, "why", None)


def test_prune_keeps_what_is_open(home: FolderHome) -> None:
    """A closed write goes; an open one stays whatever its age, because nobody knows yet what became of it."""
    assert state_work.prune(home, 1).startswith("Threw away 0 closed writes")
    assert state_work.prune(home, 0).startswith("Threw away 1 closed write and ")
    assert [write.address.name for write in state_work.history(home, (), None, None)] == ["B"]


def test_a_folder_without_a_journal_has_nothing(tmp_path: Path) -> None:
    """Before the first apply there is no history, no lock and nothing to prune, and that is not an error."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    empty = FolderHome(folder, named=True)
    assert state_work.history(empty, (), None, None) == [] and state_work.leases(empty, None) == []
    assert state_work.prune(empty, 0) == "Threw away 0 closed writes and 0 lines of the audit record.\n"


def test_tables_are_for_a_database(home: FolderHome) -> None:
    """A folder needs no tables, so the message names the URL to give."""
    for call in (lambda: state_work.init(home), lambda: state_work.import_folder(home, str(home.folder))):
        with pytest.raises(InputError, match="give --state postgresql://HOST/DATABASE"):
            call()


def test_a_named_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A typo in --state must not look like an empty history."""
    with pytest.raises(StorageFailed, match="is not there"):
        state_work.history(FolderHome(tmp_path / "none", named=True), (), None, None)
