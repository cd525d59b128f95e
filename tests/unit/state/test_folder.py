"""A state folder is used only where nobody else can change what lies in it."""

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from support_journal import ORIGIN

from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.state import folder as folders
from exolink_reconcile.state.journal import Journal, peek


def test_a_folder_that_nobody_may_write(tmp_path: Path) -> None:
    """A folder that was made read-only stays so, and one that is not open to others is left alone."""
    tmp_path.chmod(0o500)
    with contextlib.suppress(StorageFailed):
        Journal(tmp_path, ORIGIN).close()
    assert tmp_path.stat().st_mode & 0o777 == 0o500
    tmp_path.chmod(0o700)


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


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file where the folder should be is a storage failure that names the folder."""
    (tmp_path / "state").write_text("", "utf-8")
    with pytest.raises(StorageFailed, match="state"):
        Journal(tmp_path / "state", ORIGIN)


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """State lives where the user's state lives."""
    monkeypatch.setenv("HOME", "/home/kim")
    assert folders.default({"XDG_STATE_HOME": "/state"}) == Path("/state/exolink-reconcile")
    for environment in ({}, {"XDG_STATE_HOME": ""}, {"XDG_STATE_HOME": "relative/state"}):
        assert folders.default(environment) == Path("/home/kim/.local/state/exolink-reconcile")


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run as a user that nobody knows: there is no place for the state, and no crash."""

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    with pytest.raises(StorageFailed, match="--state DIR") as caught:
        folders.default({})
    assert caught.value.code == "E-STORAGE"
    assert folders.default({"XDG_STATE_HOME": "/s"}) == Path("/s/exolink-reconcile")


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
    """The type that the system gives; a path that is not there has none."""
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
