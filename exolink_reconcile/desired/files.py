"""Paths to the documents that stand in their files."""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exolink_reconcile.desired import documents as yaml_documents
from exolink_reconcile.desired import table_files
from exolink_reconcile.desired.documents import MAX_BYTES, Document
from exolink_reconcile.errors import problem
from exolink_reconcile.model import Diagnostic, Source

DEFAULT_PATHS = ("exolink.yaml", "exolink")
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What stands in the files: the documents, the problems met so far, a digest over paths and bytes."""

    documents: tuple[Document, ...]
    problems: tuple[Diagnostic, ...]
    digest: str


def read(paths: Sequence[str], environment: Mapping[str, str] | None, allowed: Sequence[str] | None = None) -> Inputs:
    """Every document of the files and folders named; without a path those of `exolink.yaml`, else of `exolink/`."""
    found: list[Document] = []
    problems: list[Diagnostic] = []
    digests: list[str] = []
    seen: set[tuple[int, int]] = set()
    for path in paths or (_default_path(),):
        files = list(_files(path, problems))
        before = len(found)
        unreadable = len(problems)
        for file in files:
            state = _state(file, problems)
            if state is None:
                continue
            if (state.st_dev, state.st_ino) in seen:
                before = -1  # read already, under another path: this one has its documents
                continue
            seen.add((state.st_dev, state.st_ino))
            data = _read_file(file, problems)
            if data is None:
                continue
            digests.append(f"{file}\0{hashlib.sha256(data).hexdigest()}\0")
            documents, more = yaml_documents.read(file, data, environment, allowed)
            found += documents
            problems += more
            if not documents and not more and os.path.isdir(path):
                problems.append(
                    Diagnostic("W-EMPTY", "no document in this file", Source(file, 1, 1), severity="warning")
                )
        errors = any(each.severity == "error" for each in problems[unreadable:])
        if len(found) == before and not errors and not _is_missing(path, problems):
            problems.append(
                Diagnostic(
                    "E-EMPTY",
                    "no document here",
                    Source(path, 1, 1),
                    "Nothing declared is never read as `nothing wanted`.",
                )
            )
    documents, tables = table_files.with_tables(found, environment, allowed)
    digests += tables.digests
    problems += tables.unused(paths or (_default_path(),))
    whole = hashlib.sha256("".join(sorted(digests)).encode("utf-8", "surrogateescape"))
    return Inputs(tuple(documents), tuple(problems), whole.hexdigest())


def _default_path() -> str:
    for path in DEFAULT_PATHS:
        if os.path.exists(path):
            return path
    raise problem("E-NO-PATH", "no PATH was given, and there is neither exolink.yaml nor a folder exolink/ here")


def _files(path: str, problems: list[Diagnostic]) -> Iterator[str]:
    if not os.path.isdir(path):
        yield path
        return

    def unreadable(error: OSError) -> None:
        problems.append(_unreadable(error.filename or path, error))

    for folder, folders, names in os.walk(path, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.join(folder, name) for name in sorted(names) if name.endswith(_SUFFIXES))


def _state(file: str, problems: list[Diagnostic]) -> os.stat_result | None:
    """The state of a file that is worth reading; None, and a problem, otherwise."""
    try:
        state = os.stat(file)
    except OSError as error:
        problems.append(_unreadable(file, error))
        return None
    place = Source(file, 1, 1)
    if not file.isprintable() and any("\ud800" <= character <= "\udfff" for character in file):
        problems.append(Diagnostic("E-READ", "the name of this file is not UTF-8", place, "Rename it."))
        return None
    if not stat.S_ISREG(state.st_mode):
        problems.append(Diagnostic("E-READ", "this is neither a file nor a folder", place))
        return None
    if state.st_size > MAX_BYTES:
        said = f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB"
        problems.append(Diagnostic("E-SIZE", said, place, "Split it: a tenant may be spread over files."))
        return None
    return state


def _read_file(file: str, problems: list[Diagnostic]) -> bytes | None:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        problems.append(_unreadable(file, error))
        return None


def _unreadable(file: str, error: OSError) -> Diagnostic:
    return Diagnostic("E-READ", f"cannot be read: {error.strerror}", Source(file, 1, 1))


def _is_missing(path: str, problems: Sequence[Diagnostic]) -> bool:
    return any(each.source is not None and each.source.path == path and each.severity == "error" for each in problems)
