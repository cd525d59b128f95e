"""Mappings that know where they stand in a file."""

from dataclasses import dataclass
from typing import Any

from exolink_reconcile.model import Source


@dataclass(frozen=True, slots=True, eq=False)
class File:
    """A file that was read: its path as the user gave it, and its bytes, kept so that places can be found later."""

    path: str
    data: bytes


class Node(dict[str, Any]):
    """A mapping: text keys in the order of the file, the file, and the place of its first key."""

    __slots__ = ("column", "file", "line")

    file: File
    line: int
    column: int

    @property
    def source(self) -> Source:
        """The place of a mapping: its first key."""
        return Source(self.file.path, self.line, self.column)
