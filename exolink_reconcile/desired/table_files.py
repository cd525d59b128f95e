"""Documents to documents with the bytes of the tables that they name."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from exolink_reconcile.desired.documents import Document
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.tables import MAX_BYTES, TableFile
from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.references import Environment, Problem, Unresolved, as_written, expand

MAX_BYTES_IN_ALL = 128 * 1024 * 1024
MAX_ENTRIES_IN_ALL = 1_200_000  # a gigabyte of memory


@dataclass(slots=True)
class TableFiles:
    """Reads the tables that documents name, each once. `digests` are over the path and the bytes of each.

    `entries` are those of all files so far: of a table that several tenants name, each has its own.
    """

    environment: Environment
    entries: int
    digests: list[str] = field(default_factory=list)
    _by_identity: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def attach(self, document: Document) -> Document:
        """The document with its tables, where it names any."""
        files = {
            (item.line, item.column): self._file(document, item["file"])
            for name, items in document.body.items()
            if name.endswith("From") and isinstance(items, list)
            for item in items
            if isinstance(item, Node) and isinstance(item.get("file"), str) and not isinstance(item["file"], Unresolved)
        }
        return replace(document, tables=files) if files else document

    def unused(self, tables: Iterable[str]) -> Iterator[Diagnostic]:
        """A warning for each of these CSV files (all in the folders) that no document names."""
        for path in tables:
            with suppress(OSError):
                if _identity(os.stat(path)) not in self._by_identity:
                    summary = "a table that no document names"
                    detail = "Name it in `chargersFrom` or `cpmsFrom`, or move it away."
                    yield Diagnostic("W-UNUSED", summary, Source(path, 1, 1), detail, "warning")

    def _file(self, document: Document, file: str) -> TableFile:
        folder = os.path.dirname(document.path)
        # A value from the environment is never shown, not even in the place of an entry.
        written_path = os.path.join(folder, as_written(file))
        path = os.path.join(folder, file)
        try:
            if not _is_inside(path, folder or "."):
                detail = "Tables stand in the folder of the YAML file that names them, or below it."
                return _unusable(
                    written_path, "E-LINK", f"the table {written_path} is outside of the YAML's folder", detail
                )
            data, identity = self._read(path)
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "this cannot be the name of a file"
            detail = "`file` is relative to the folder of the YAML file."
            return _unusable(written_path, "E-READ", f"the table {written_path} cannot be read: {reason}", detail)
        if identity not in self._by_identity:
            self._by_identity[identity] = data
            self.digests.append(f"{written_path}\0{hashlib.sha256(data).hexdigest()}\0")
        if sum(map(len, self._by_identity.values())) > MAX_BYTES_IN_ALL:
            self._by_identity[identity] = data = b""
            return _too_much(written_path, f"the tables are larger than {MAX_BYTES_IN_ALL // 1024 // 1024} MiB in all")
        self.entries += max(data.count(b"\n") - 1, 0)
        if self.entries > MAX_ENTRIES_IN_ALL:
            return _too_much(written_path, too_many_entries())
        return TableFile(written_path, data, identity, lambda text: expand(text, self.environment))

    def _read(self, path: str) -> tuple[bytes, tuple[int, int]]:
        """The bytes of a regular file, at most one more than it may have, and its identity."""
        state = os.stat(path)
        identity = _identity(state)
        if identity in self._by_identity:
            return self._by_identity[identity], identity
        if not stat.S_ISREG(state.st_mode):
            raise OSError(0, "it is not a regular file")
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1), identity


def with_tables(
    documents: Sequence[Document],
    environment: Mapping[str, str] | None,
    allowed: Sequence[str] | None = None,
    *,
    entries: int,
) -> tuple[list[Document], TableFiles]:
    """The documents, which have so many entries of their own, with their tables; and what was read for them."""
    files = TableFiles(Environment(environment, allowed), entries)
    return [files.attach(document) for document in documents], files


def too_many_entries() -> str:
    """What is wrong with a file that goes beyond the limit."""
    return f"all files together have more than {MAX_ENTRIES_IN_ALL:,} entries"


def _too_much(path: str, summary: str) -> TableFile:
    return _unusable(path, "E-SIZE", summary, "Plan fewer of them at a time.")


def _unusable(path: str, code: str, summary: str, detail: str) -> TableFile:
    return TableFile(path, b"", problem=Problem(code, summary, detail))


def _identity(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino


def _is_inside(path: str, folder: str) -> bool:
    root, target = os.path.realpath(folder), os.path.realpath(path)
    return os.path.commonpath((root, target)) == root
