"""Small files to their bytes, and bytes to files: each is the old or the new one, never half of it."""

import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

from exolink_reconcile.errors import StorageFailed, problem

LARGEST_PLAN = 2 * 2**30  # bytes: a plan of 100,000 changes has 112 MB
_LARGEST = 64 * 2**20


def read(path: str, purpose: str, most_bytes: int = _LARGEST) -> bytes:
    """The bytes of one file, or of a pipe, that an option names.

    Raises:
        InputError: it cannot be read, is too large, or is a device, which may never end.

    """
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                raise problem("E-READ", f"{purpose} {path} is a device, not a file")
            data = file.read(min(status.st_size or most_bytes, most_bytes) + 1)  # a pipe has the size 0
    except OSError as error:
        raise problem("E-READ", f"{purpose} {path} cannot be read: {error.strerror}") from None
    if len(data) > most_bytes:
        raise problem("E-READ", f"{purpose} {path} is larger than {most_bytes:,} bytes")
    return data


def bundled(name: str) -> str:
    """A file of `schemas/`, from the installed package or from the development checkout."""
    inside = resources.files("exolink_reconcile") / "_schemas" / name
    if inside.is_file():
        return inside.read_text("utf-8")
    return (Path(__file__).parent.parent / "schemas" / name).read_text("utf-8")


def template(name: str) -> str:
    """A file of `examples/pipelines/`, from the installed package or from the development checkout."""
    inside = resources.files("exolink_reconcile") / "_templates" / name
    if inside.is_file():
        return inside.read_text("utf-8")
    return (Path(__file__).parent.parent / "examples" / "pipelines" / name).read_text("utf-8")


def write(path: str, pieces: Iterable[bytes], *, mode: int = 0o600) -> None:
    """Write a file so that it is completely the old or the new one, whatever happens: temporary file, fsync, rename.

    Raises:
        StorageFailed: nothing was changed.

    """
    target = Path(path)
    try:
        if target.is_symlink() or (target.exists() and not target.is_file()):
            raise StorageFailed("E-STORAGE", f"{path} is not a plain file; nothing was written")
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise StorageFailed("E-STORAGE", f"{path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise StorageFailed("E-STORAGE", f"{path} cannot be written: {error.strerror}; the old file is whole") from None
    _sync_folder(target.parent)


def replace_all(contents: Mapping[str, tuple[bytes, bytes]]) -> None:
    """Replace the content of existing files: each path with the bytes that it must still have, and the new bytes.

    All or nothing, as far as a disk allows: every new file is written beside the old one before the first rename. A link
    stays a link, and its target is replaced. The mode is kept.

    Raises:
        StorageFailed: a file changed since it was read, or cannot be written; nothing was changed.

    """
    new_files: list[tuple[str, str]] = []
    path = ""
    try:
        for path, (before, after) in contents.items():
            target = os.path.realpath(path)
            if Path(target).read_bytes() != before:
                raise StorageFailed("E-STORAGE", f"{path} was changed meanwhile; nothing was written")
            new_files.append((_written_beside(target, after), target))
        for temporary, target in new_files:
            os.replace(temporary, target)
    except OSError as error:
        raise StorageFailed("E-STORAGE", f"{path} cannot be written: {error.strerror}") from None
    finally:
        for temporary, _ in new_files:
            Path(temporary).unlink(missing_ok=True)
    for folder in {os.path.dirname(target) for _, target in new_files}:
        _sync_folder(Path(folder))


def _written_beside(target: str, data: bytes) -> str:
    """A new file in the target's folder, with the target's mode, synced to disk."""
    mode = os.stat(target).st_mode & 0o7777
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", dir=os.path.dirname(target))
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    return temporary


def make_folder(path: str) -> None:
    """Make a folder, if it is not there. Raises StorageFailed."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise StorageFailed("E-STORAGE", f"the folder {path} cannot be made: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    """Make the rename durable. The content is complete either way, so a failure is not an error."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
