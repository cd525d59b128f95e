"""What YAML text is read to: mappings that know where they stand, and scalars whose text is not what the file has."""

from typing import Any


class Node(dict[str, Any]):
    """A YAML mapping: text keys in the order of the file, and the place of its first key."""

    __slots__ = ("column", "line")

    line: int
    column: int


class Unresolved(str):
    """A scalar whose value is not known: `${env:…}` read without an environment, or something already diagnosed."""

    __slots__ = ()


class Expanded(str):
    """A scalar in which `${env:…}` was replaced: what it holds stood in the environment, not in the file.

    `written` is what the file has.
    """

    __slots__ = ("written",)

    written: str

    def __new__(cls, text: str, written: str) -> "Expanded":
        """The text, and what it was made from."""
        made = super().__new__(cls, text)
        made.written = written
        return made
