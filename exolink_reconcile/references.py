"""Text with `${env:NAME}` in it to its value, which remembers what came from the environment.

Only the operator decides which variables may be named, never the author of the YAML: otherwise a pull request could make
the plan show any secret of the job.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exolink_reconcile import globs

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_VARIABLE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_OWN = "EXOLINK_"  # the token, among others


class Reference(NamedTuple):
    """The part of a value that one `${env:NAME}` became: the characters from `start` to before `end`."""

    start: int
    end: int
    name: str


class Expanded(str):
    """A scalar in which `${…}` was replaced, so that not all of it stood in the file.

    `written` is the file's text; `references` say which part of the value came from which variable.
    """

    __slots__ = ("references", "written")

    written: str
    references: tuple[Reference, ...]

    def __new__(cls, text: str, written: str, references: Sequence[Reference] = ()) -> "Expanded":
        """The text, and what it was made from."""
        text_with_origin = super().__new__(cls, text)
        text_with_origin.written, text_with_origin.references = written, tuple(references)
        return text_with_origin


class Unresolved(str):
    """A scalar whose value is not known; its text is the file's. See also `Diagnosed`.

    `missing` are the variables that are not set; none if it was read without an environment. Nothing was reported yet:
    the reader of the document decides whether the value is needed at all.
    """

    __slots__ = ("missing",)

    missing: tuple[str, ...]

    def __new__(cls, text: str = "", missing: Sequence[str] = ()) -> "Unresolved":
        """What stands in for the value."""
        stand_in = super().__new__(cls, text)
        stand_in.missing = tuple(missing)
        return stand_in


class Diagnosed(Unresolved):
    """No value, because of a problem that was reported already."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables that YAML may name, and their values; without values only the syntax is checked.

    `allowed` are globs on names; None allows all but our own.
    """

    values: Mapping[str, str] | None
    allowed: Sequence[str] | None = None

    def allows(self, name: str) -> bool:
        """Whether YAML may name this variable, set or not."""
        return self.allowed is None or any(globs.matches(glob, name) for glob in self.allowed)


class Watched(Mapping[str, str]):
    """An environment that puts each variable which is read from it into `read`."""

    def __init__(self, environment: Mapping[str, str], read: dict[str, str]) -> None:
        self._environment = environment
        self._read = read

    def __getitem__(self, name: str) -> str:
        value = self._read[name] = self._environment[name]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)


class Problem(NamedTuple):
    """What is wrong with a reference; the caller adds its place."""

    code: str
    summary: str
    detail: str


def expand(text: str, environment: Environment) -> tuple[str, Sequence[Problem]]:
    """The text with each reference replaced by its value, and what is wrong with them.

    Without values, a text with a reference is `Unresolved`.
    """
    pieces: list[str] = []
    references: list[Reference] = []
    missing: list[str] = []
    at = length = 0
    for match in _REFERENCE.finditer(text):
        pieces.append(text[at : match.start()])
        length += len(pieces[-1])
        at = match.end()
        if match.group() == "$${":
            value = "${"
        elif isinstance(name := _nameable(match, environment), Problem):
            return Diagnosed(), (name,)
        else:
            value = environment.values.get(name, "") if environment.values is not None else ""
            references.append(Reference(length, length + len(value), name))
            missing += [] if value else [name]
        pieces.append(value)
        length += len(value)
    if missing:
        return Unresolved(text, () if environment.values is None else missing), ()
    if not pieces:
        return text, ()
    return Expanded("".join((*pieces, text[at:])), text, references), ()


def _nameable(match: re.Match[str], environment: Environment) -> str | Problem:
    """The variable that a reference names, or why it may not be used."""
    variable = _VARIABLE.fullmatch(match[1]) if match[2] else None
    if variable is None:
        # Not quoted: the text after it may be a password.
        detail = "Write ${env:NAME}, with letters, digits and _ in NAME, or $${ for a literal ${."
        return Problem("E-ENV", "`${` starts no reference here", detail)
    name = variable[1]
    # The same words whether it is set or not: they must not reveal what the environment has.
    if name.upper().startswith(_OWN):
        detail = f"Variables that start with {_OWN} are this tool's own, its token among them. Use another name."
        return Problem("E-ENV", f"the environment variable {name} cannot be used in YAML", detail)
    if not environment.allows(name):
        detail = f"Whoever runs this allows it with --env-allow {name}. Where CI is set, none is allowed without it."
        return Problem("E-ENV", f"the environment variable {name} is not allowed in YAML", detail)
    return name


def as_written(text: str) -> str:
    """A scalar as a message may quote it: with `${env:NAME}` as in the file, never with the variable's value."""
    return text.written if isinstance(text, Expanded) else text
