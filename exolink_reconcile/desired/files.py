"""Paths to the documents in their files; nothing is skipped in silence.

A folder is walked completely. Links are followed only inside the folder, and each target once: a pull request must not be
able to make a runner read anything else. What cannot be read is a warning, and `--prune` then deletes nothing.
"""

import hashlib
import os
import stat
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from exolink_reconcile.desired import documents as yaml_documents
from exolink_reconcile.desired import table_files
from exolink_reconcile.desired.documents import MAX_BYTES, Document
from exolink_reconcile.errors import problem
from exolink_reconcile.model import Diagnostic, Source

STDIN = "-"
MAX_BYTES_IN_ALL = 256 * 1024 * 1024
_DEFAULT_FILE, _DEFAULT_FOLDER = "exolink.yaml", "exolink"
_YAML = (".yaml", ".yml")
_TABLE = ".csv"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The content of the files: the documents, the problems so far, a digest over paths and bytes.

    `files` are the paths that were read, `tables` the CSV files in the folders, and `unread` what could not be read.
    """

    documents: tuple[Document, ...]
    problems: tuple[Diagnostic, ...]
    digest: str
    files: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    unread: tuple[Source, ...] = ()


def read(paths: Sequence[str], environment: Mapping[str, str] | None, allowed: Sequence[str] | None = None) -> Inputs:
    """Every document of the named files and folders; without a path, those of `exolink.yaml`, else of `exolink/`."""
    reader = _Reader(environment, allowed)
    for path in paths or (default_path(),):
        reader.read_path(path)
    documents, tables = table_files.with_tables(reader.documents, environment, allowed, entries=reader.entries)
    digest = hashlib.sha256("".join(sorted([*reader.digests, *tables.digests])).encode())
    unread = tuple(
        diagnostic.source
        for diagnostic in reader.problems
        if diagnostic.code == "W-UNREAD" and diagnostic.source is not None
    )
    return Inputs(
        tuple(documents),
        (*reader.problems, *tables.unused(dict.fromkeys(reader.tables))),
        digest.hexdigest(),
        tuple(reader.files),
        tuple(dict.fromkeys(reader.tables)),
        unread,
    )


def default_path() -> str:
    """The path to read when the user gave none. Raises InputError."""
    is_file, is_folder = os.path.lexists(_DEFAULT_FILE), os.path.isdir(_DEFAULT_FOLDER)
    if is_file and is_folder:
        raise problem(
            "E-NO-PATH",
            f"no PATH was given, and there are both {_DEFAULT_FILE} and a folder {_DEFAULT_FOLDER}/ here",
            f"Name the ones that are meant: `{_DEFAULT_FILE}`, `{_DEFAULT_FOLDER}/`, or both.",
        )
    if is_file:
        return _DEFAULT_FILE
    if is_folder:
        return _DEFAULT_FOLDER
    raise problem(
        "E-NO-PATH",
        f"no PATH was given, and there is neither {_DEFAULT_FILE} nor a folder {_DEFAULT_FOLDER}/ here",
        "`exolink-reconcile init` writes a first one, `export TENANT` writes what is live, `demo` shows how it works.",
    )


class _Reader:
    """Reads files, each of them once, and collects their documents and problems."""

    def __init__(self, environment: Mapping[str, str] | None, allowed: Sequence[str] | None) -> None:
        self.environment = environment
        self.allowed = allowed
        self.documents: list[Document] = []
        self.problems: list[Diagnostic] = []
        self.digests: list[str] = []
        self.files: list[str] = []
        self.tables: list[str] = []
        self.files_seen: set[tuple[int, int]] = set()
        self.stdin_was_read = False
        self.size = self.entries = 0

    def read_path(self, path: str) -> None:
        """Read a path that the user named. No document in it is an error, unless another error explains that."""
        documents, problems = len(self.documents), len(self.problems)
        is_folder = path != STDIN and os.path.isdir(path)
        met_again = False
        for file in self._walk(path) if is_folder else (path,):
            data = self._stdin() if file == STDIN else self._bytes(file)
            if data is None:
                met_again = True
            else:
                self._take(file, data, in_folder=is_folder)
        if met_again or len(self.documents) > documents:
            return
        if not any(diagnostic.severity == "error" for diagnostic in self.problems[problems:]):
            detail = "Nothing declared is never read as `nothing wanted`."
            self.problems.append(Diagnostic("E-EMPTY", "no document here", _whole(path), detail))

    def _take(self, path: str, data: bytes | Diagnostic, *, in_folder: bool) -> None:
        """Note the documents and problems of a file, or why it has none."""
        if isinstance(data, Diagnostic):
            self.problems.append(data)
            return
        self.size += len(data)
        if self.size > MAX_BYTES_IN_ALL:
            self._too_much(path, f"all files together are larger than {MAX_BYTES_IN_ALL >> 20} MiB")
            return
        if self.entries > table_files.MAX_ENTRIES_IN_ALL:
            self._too_much(path, table_files.too_many_entries())
            return
        self.files.append(path)
        self.digests.append(f"{path}\0{hashlib.sha256(data).hexdigest()}\0")
        documents, problems = yaml_documents.read(path, data, self.environment, self.allowed)
        self.problems += problems
        self.entries += sum(map(_entries, documents))
        if self.entries > table_files.MAX_ENTRIES_IN_ALL:
            self._too_much(path, table_files.too_many_entries())
            return
        self.documents += documents
        if in_folder and not documents and not problems:
            self.problems.append(Diagnostic("W-EMPTY", "no document in this file", _whole(path), severity="warning"))

    def _too_much(self, path: str, summary: str) -> None:
        self.problems.append(Diagnostic("E-SIZE", summary, _whole(path), "Split the configuration."))

    def _stdin(self) -> bytes | Diagnostic | None:
        if self.stdin_was_read:
            return None
        self.stdin_was_read = True
        try:
            return _checked(STDIN, sys.stdin.buffer.read(MAX_BYTES + 1))
        except (OSError, AttributeError) as error:
            return _unreadable(STDIN, error)

    def _bytes(self, path: str) -> bytes | Diagnostic | None:
        """The bytes of a regular file, or why there are none; None where it was read before."""
        if any("\ud800" <= character <= "\udfff" for character in path):
            return Diagnostic("E-READ", "the name of this file is not UTF-8", _whole(path), "Rename it.")
        try:
            # O_NONBLOCK: the path may have become a pipe since we looked at it, and /proc has files that block.
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            return _unreadable(path, error)
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode):
            os.close(handle)
            return Diagnostic("E-READ", "this is neither a file nor a folder", _whole(path))
        with open(handle, "rb") as file:
            if (state.st_dev, state.st_ino) in self.files_seen:
                return None
            self.files_seen.add((state.st_dev, state.st_ino))
            try:
                return _checked(path, file.read(MAX_BYTES + 1))
            except OSError as error:
                return _unreadable(path, error)

    # ---------------------------------------------------------------------------------------------------------- folders

    def _walk(self, root: str) -> Iterator[str]:
        """The YAML files of a folder: first those inside it, then those that its links lead to."""
        real_root = os.path.realpath(root)
        links: deque[str] = deque()
        entered: set[str] = set()
        yield from self._walk_folder(root, entered, links)
        while links:
            link = links.popleft()
            target = os.path.realpath(link)
            is_folder = os.path.isdir(target)
            if not os.path.exists(target):
                self._unread(link, "a link that leads nowhere")
            elif not is_folder and not _suffix(link, (*_YAML, _TABLE)):
                if not os.path.isfile(target):
                    self._unread(link, "neither a file nor a folder")
            elif os.path.commonpath((real_root, target)) != real_root:
                self.problems.append(
                    Diagnostic(
                        "E-LINK",
                        f"this link leads out of {root}",
                        _whole(link),
                        "Links are followed only inside of PATH. Name what it leads to as a PATH of its own.",
                    )
                )
            elif is_folder:
                yield from self._walk_folder(link, entered, links)
            else:
                yield from self._entry(link)

    def _walk_folder(self, root: str, entered: set[str], links: deque[str]) -> Iterator[str]:
        """The YAML files below a folder in the order of their names. Each folder is entered once; links are kept for later."""
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            real = os.path.realpath(folder)
            if real in entered:
                continue
            entered.add(real)
            try:
                with os.scandir(folder) as entries:
                    visible = sorted(
                        (entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name
                    )
            except OSError as error:
                self._unread(folder, f"a folder that cannot be entered: {error.strerror}")
                continue
            below = []
            for entry in visible:
                path = os.path.join(folder, entry.name)
                if entry.is_symlink():
                    links.append(path)
                elif entry.is_dir():
                    below.append(path)
                else:
                    yield from self._entry(path)
            waiting += reversed(below)

    def _entry(self, path: str) -> Iterator[str]:
        """A file of a folder, if it is YAML. Tables are noted, and so is what cannot be read."""
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            self._unread(path, f"cannot be looked at: {error.strerror}")
            return
        if not stat.S_ISREG(mode):
            self._unread(path, "neither a file nor a folder")
        elif _suffix(path, _YAML):
            yield path
        elif _suffix(path, (_TABLE,)):
            self.tables.append(path)

    def _unread(self, path: str, summary: str) -> None:
        detail = "What it may declare is not known: --prune deletes nothing while it is there."
        self.problems.append(Diagnostic("W-UNREAD", f"not read: {summary}", _whole(path), detail, "warning"))


def _entries(document: Document) -> int:
    """How many entries stand in the lists of a document itself."""
    lists = document.body.items()
    return sum(len(items) for name, items in lists if isinstance(items, list) and not name.endswith("From"))


def _whole(path: str) -> Source:
    """The place of a problem with a file as a whole."""
    return Source(path, 1, 1)


def _suffix(path: str, suffixes: tuple[str, ...]) -> bool:
    return path.lower().endswith(suffixes)


def _checked(path: str, data: bytes | None) -> bytes | Diagnostic:
    if data is None:  # a file that would block
        return Diagnostic("E-READ", "cannot be read: there is nothing to read now", _whole(path))
    return _too_large(path) if len(data) > MAX_BYTES else data


def _too_large(path: str) -> Diagnostic:
    summary = f"the file is larger than {MAX_BYTES >> 20} MiB"
    return Diagnostic("E-SIZE", summary, _whole(path), "Split it: a tenant may be spread over files.")


def _unreadable(path: str, error: Exception) -> Diagnostic:
    reason = (error.strerror if isinstance(error, OSError) else None) or "there is nothing to read"
    return Diagnostic("E-READ", f"cannot be read: {reason}", _whole(path))
