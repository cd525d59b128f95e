"""Text with `${env:NAME}` in it to its value, which remembers what came from the environment.

Which variables may be named is the operator's to say, and never that of who writes the YAML: a pull request could have any
secret of the job shown in the plan otherwise.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exolink_reconcile import globs

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_VARIABLE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_OWN = "EXOLINK_"  # the token, among others


class Reference(NamedTuple):
    """What one `${env:NAME}` became: the value's characters from `start` to before `end`."""

    start: int
    end: int
    name: str


class Expanded(str):
    """A scalar in which `${…}` was replaced: what it holds did not all stand in the file.

    `written` is what the file has; `references` say which part of the value came from which variable.
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
    """A scalar whose value is not known; its text is what the file has. See also `Diagnosed`.

    `missing` are the variables that are not set; none where it was read without an environment. Nothing was reported yet:
    whether the value is needed at all is for the reader of the document to say.
    """

    __slots__ = ("missing",)

    missing: tuple[str, ...]

    def __new__(cls, text: str = "", missing: Sequence[str] = ()) -> "Unresolved":
        """What stands in for the value."""
        stand_in = super().__new__(cls, text)
        stand_in.missing = tuple(missing)
        return stand_in


class Diagnosed(Unresolved):
    """Nothing is there, because of a problem that was reported already."""

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


class Problem(NamedTuple):
    """What is wrong with a reference; its place is for the caller to add."""

    code: str
    summary: str
    detail: str


def expand(text: str, environment: Environment) -> tuple[str, Sequence[Problem]]:
    """The text with each reference replaced by its value, and what is wrong with them.

    Without values the text is `Unresolved` where it has a reference.
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
        # Not quoted: what stands there may be a password, and all that follows it.
        detail = "Write ${env:NAME}, with letters, digits and _ in NAME, or $${ for a literal ${."
        return Problem("E-ENV", "`${` starts no reference here", detail)
    name = variable[1]
    # The same words whether it is set or not: they must not tell what the environment has.
    if name.upper().startswith(_OWN):
        detail = f"Variables that start with {_OWN} are this tool's own, its token among them. Use another name."
        return Problem("E-ENV", f"the environment variable {name} cannot be used in YAML", detail)
    if not environment.allows(name):
        detail = f"Whoever runs this allows it with --env-allow {name}. Where CI is set, none is allowed without it."
        return Problem("E-ENV", f"the environment variable {name} is not allowed in YAML", detail)
    return name


def as_written(text: str) -> str:
    """How a message may quote a scalar: `${env:NAME}` as the file has it, never what came from the environment."""
    return text.written if isinstance(text, Expanded) else text
