"""Files are read with a message where they cannot be, and written so that they are old or new, never half."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from exolink_reconcile import files
from exolink_reconcile.errors import InputError, StorageFailed


def beside(folder: Path) -> list[str]:
    """The names in a folder: a temporary file that stays would be one of them."""
    return sorted(os.listdir(folder))


def test_a_file_that_cannot_be_read_is_named_with_its_purpose(tmp_path: Path) -> None:
    """The message says which file of which option it was, and why."""
    with pytest.raises(InputError, match=r"the plan file .*plan\.json cannot be read: No such file"):
        files.read(str(tmp_path / "plan.json"), "the plan file")


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    """A contract of somebody's repository may be a link to a device, or fill the memory; a pipe is read."""
    (tmp_path / "contract.yaml").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="the contract .* is a device, not a file"):
        files.read(str(tmp_path / "contract.yaml"), "the contract")
    (tmp_path / "plan.json").write_bytes(b"x" * 11)
    with pytest.raises(InputError, match="the plan file .* is larger than 10 bytes"):
        files.read(str(tmp_path / "plan.json"), "the plan file", 10)
    assert files.read(str(tmp_path / "plan.json"), "the plan file", 11) == b"x" * 11
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe")
    os.close(writing)
    assert files.read(f"/dev/fd/{reading}", "the plan file") == b"from a pipe"
    os.close(reading)


def test_the_contract_and_the_templates_are_there() -> None:
    """What the package carries is found wherever it is installed."""
    assert files.bundled("exolink-config.schema.json").startswith("{")
    assert "exolink-reconcile" in files.template("gitlab/exolink.gitlab-ci.yml")


def test_a_file_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    """A plan may hold names that others must not read, unless the caller says so."""
    path = tmp_path / "plan.json"
    files.write(str(path), [b"a", b"b"])
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"ab", 0o600)
    files.write(str(path), [b"c"], mode=0o644)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"c", 0o644)
    assert beside(tmp_path) == ["plan.json"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """Whatever goes wrong on the way, the old file is whole and nothing stands beside it."""
    path = tmp_path / "plan.json"
    path.write_bytes(b"old")

    def pieces() -> Iterator[bytes]:
        yield b"new"
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageFailed, match="No space left on device; the old file is whole"):
        files.write(str(path), pieces())
    assert path.read_bytes() == b"old" and beside(tmp_path) == ["plan.json"]


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_only_a_plain_file_is_written_over(tmp_path: Path, kind: str) -> None:
    """A link, a folder or a pipe stays what it is."""
    path, target = tmp_path / "plan.json", tmp_path / "target"
    target.write_bytes(b"theirs")
    {"link": lambda: path.symlink_to(target), "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}[kind]()
    with pytest.raises(StorageFailed, match="is not a plain file; nothing was written"):
        files.write(str(path), [b"ours"])
    assert target.read_bytes() == b"theirs" and beside(tmp_path) == ["plan.json", "target"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message says where the file could not be written."""
    with pytest.raises(StorageFailed, match=r"none/plan\.json cannot be written: No such file"):
        files.write(str(tmp_path / "none" / "plan.json"), [b"x"])


def test_all_files_are_replaced_with_their_modes(tmp_path: Path) -> None:
    """Each gets its new bytes and keeps its mode; a link stays a link, and what it leads to is replaced."""
    first, second, link = tmp_path / "a", tmp_path / "b", tmp_path / "link"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    first.chmod(0o640)
    link.symlink_to(second)
    files.replace_all({str(first): (b"1", b"one"), str(link): (b"2", b"two")})
    assert (first.read_bytes(), first.stat().st_mode & 0o777) == (b"one", 0o640)
    assert link.is_symlink() and second.read_bytes() == b"two" and beside(tmp_path) == ["a", "b", "link"]


def test_a_file_that_was_edited_meanwhile_stops_all(tmp_path: Path) -> None:
    """Somebody who saved a file between reading and writing loses nothing, in none of the files."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"1")
    second.write_bytes(b"edited")
    with pytest.raises(StorageFailed, match="b was changed meanwhile; nothing was written"):
        files.replace_all({str(first): (b"1", b"one"), str(second): (b"2", b"two")})
    assert (first.read_bytes(), second.read_bytes(), beside(tmp_path)) == (b"1", b"edited", ["a", "b"])


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    """A folder that is there is fine, one below a file is not."""
    files.make_folder(str(tmp_path / "a" / "b"))
    files.make_folder(str(tmp_path / "a" / "b"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageFailed, match="file/below cannot be made"):
        files.make_folder(str(tmp_path / "file" / "below"))
