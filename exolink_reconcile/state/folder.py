"""A path to a state folder that is safe to use: ours, outside of checkouts, on a local disk."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from exolink_reconcile.errors import StorageFailed

# File systems that another machine may share: their locks may hold on one machine only, and SQLite's log needs memory that
# all its users share.
_NETWORK = frozenset([
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2",
    "pvfs2", "smb2", "smb3", "smbfs",
])  # fmt: skip
_NETWORK_FUSE = frozenset([
    "blobfuse", "blobfuse2", "ceph-fuse", "davfs", "gcsfuse", "glusterfs", "goofys", "juicefs", "mount-s3", "nfs", "rclone",
    "s3fs", "sshfs", "smbnetfs",
])  # fmt: skip


def prepare(folder: Path) -> None:
    """Make a state folder if it is not there, and check it. An existing folder keeps its mode.

    Raises:
        StorageFailed: it cannot be made or must not be used.

    """
    if not os.path.lexists(folder):
        refuse_place(folder)
        with storage(f"the state folder {folder} cannot be made"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check(folder)


def check(folder: Path) -> None:
    """Check that an existing state folder may be used; writes nothing.

    Raises:
        StorageFailed: it is not a folder of this user, or lies where others can change it.

    """
    with storage(f"the state folder {folder} cannot be used"):
        if folder.is_symlink():
            raise unsafe(f"the state folder {folder} is a link. Name the folder itself")
        status = folder.stat()
        if not folder.is_dir():
            raise StorageFailed("E-STORAGE", f"the state folder {folder} is not a folder")
        if status.st_uid != os.geteuid():
            raise StorageFailed(
                "E-STORAGE", f"the state folder {folder} belongs to another user. Name a folder of your own below it"
            )
        if not os.access(folder, os.X_OK):
            raise StorageFailed("E-STORAGE", f"the state folder {folder} may not be entered")
    refuse_place(folder)


def refuse_place(folder: Path) -> None:
    """Refuse a place for state that others can change: a Git work tree, a network file system.

    Raises:
        StorageFailed: it says which, and what to do.

    """
    with storage(f"the state folder {folder} cannot be used"):
        real = Path(os.path.realpath(folder))
        tree = next((ancestor for ancestor in (real, *real.parents) if os.path.lexists(ancestor / ".git")), None)
        if tree is not None:
            raise unsafe(
                f"the state folder {folder} lies in the Git work tree {tree}: who may open a pull request could change it."
                " Keep it outside, with --state DIR"
            )
        existing = next(ancestor for ancestor in (real, *real.parents) if ancestor.exists())
        kind = file_system(existing)
    if kind in _NETWORK or (kind.startswith("fuse.") and kind.removeprefix("fuse.") in _NETWORK_FUSE):
        raise StorageFailed(
            "E-STORAGE",
            f"the state folder {folder} is on a network file system ({kind}), where two machines may both get the lock."
            " Keep it on a local disk, or share a PostgreSQL database: --state postgresql://HOST/DATABASE",
        )


def file_system(path: Path) -> str:
    """The type of the file system that holds a path; empty if this operating system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        device = path.stat().st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        for line in Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
            before, _, after = line.partition(" - ")
            if before.split()[2] == number:
                return after.split()[0]
    return ""


def default(environment: Mapping[str, str]) -> Path:
    """The user's state folder: $XDG_STATE_HOME/exolink-reconcile, else ~/.local/state/exolink-reconcile.

    A relative $XDG_STATE_HOME does not count, as its specification says. Raises StorageFailed: this user has no home.
    """
    base = environment.get("XDG_STATE_HOME", "")
    try:
        parent = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state"
    except RuntimeError:
        raise StorageFailed(
            "E-STORAGE", "this user has no home folder to keep the state in: give --state DIR"
        ) from None
    return parent / "exolink-reconcile"


def unsafe(summary: str) -> StorageFailed:
    """The error for state that somebody else may have made or could change."""
    return StorageFailed("E-STATE-UNSAFE", summary)


@contextlib.contextmanager
def storage(action: str) -> Iterator[None]:
    """Turn OSError into StorageFailed, which says what could not be done."""
    try:
        yield
    except OSError as error:
        raise StorageFailed("E-STORAGE", f"{action}: {error.strerror or error}") from None
