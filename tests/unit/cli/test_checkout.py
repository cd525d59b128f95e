"""Paths as given to paths from the root of the repository."""

from collections.abc import Callable
from pathlib import Path

import pytest

from exolink_reconcile.cli.checkout import ROOTS, from_root


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout that is reached by a link, and the working folder inside of it."""
    (tmp_path / "real" / "work").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path / "real" / "work")
    return tmp_path / "link"


@pytest.mark.parametrize("name", ROOTS)
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.yaml", "work/a.yaml"),
        ("./sub//a.yaml", "work/sub/a.yaml"),
        ("../a.yaml", "a.yaml"),
        (".", "work"),
        ("../../outside.yaml", "../../outside.yaml"),
        ("/elsewhere/a.yaml", "/elsewhere/a.yaml"),
    ],
)
def test_from_the_root(root: Path, name: str, path: str, expected: str) -> None:
    """Inside the checkout a path is from its root; outside it stays as given."""
    assert from_root({name: str(root)})(path) == expected


def test_an_absolute_path(root: Path) -> None:
    """An absolute path is from the root too; without a known root, from the working folder."""
    path = str(root / "work" / "a.yaml")
    assert from_root({"GITHUB_WORKSPACE": str(root)})(path) == "work/a.yaml"
    assert from_root({})(path) == "a.yaml"


def test_no_root(root: Path) -> None:
    """Where no root is known a path stays as given, without what only makes it longer."""
    path_from_root = from_root({"GITHUB_WORKSPACE": ""})
    assert [path_from_root(path) for path in ("./a.yaml", "b/../a.yaml", "../c.yaml")] == [
        "a.yaml",
        "a.yaml",
        "../c.yaml",
    ]


def test_a_file_that_is_a_link(root: Path) -> None:
    """A link inside the checkout is the file that the host shows, not what it leads to."""
    (root / "work" / "link.yaml").symlink_to("/etc/hostname")
    assert from_root({"CI_PROJECT_DIR": str(root)})("link.yaml") == "work/link.yaml"


@pytest.mark.parametrize("make_git", [Path.mkdir, Path.touch], ids=["clone", "worktree"])
def test_git_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_git: Callable[[Path], None]) -> None:
    """Outside of CI a path is from the root of the clone or worktree, from whichever folder the command runs."""
    make_git(tmp_path / ".git")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert [from_root({})(path) for path in ("a.yaml", "../b.yaml")] == ["sub/a.yaml", "b.yaml"]
