"""YAML text to the entries of its long plain lists, so that the parser need not see them.

Premise. A fleet is one list of very many entries, and most of them have no YAML in them but `key: text`. The parser costs
five times as much as splitting their lines. So long *runs* of such entries are read here, line by line; the text that is
left, with a blank line for each that was taken, goes to the parser, and its reader puts the entries back in their place.

What is plain. An entry is `- key: text` with `key: text` lines under it, or `- {key: text, key: text}` on one line. A key is
ASCII letters and digits. A text starts with a letter or digit and goes on with those, spaces and a few marks that mean
nothing anywhere in YAML; or it is quoted, without an escape. Whatever is not on this list ends a run: this module
has no opinion on it.

Why it is safe. The first entry of a run and the last stay in the text. Where the parser meets the first one, as an item
of a block list at just that place, the lines after it cannot be anything but more items: each stands at the same column,
and none of them leaves a value open. What comes after the run is joined to the last entry by the parser itself. A run
whose first entry the parser did not meet (it stands inside a longer text, say) was none: then the whole file is read
again without runs, and so it is when anything in it is wrong. A text must never be read here that the parser reads
differently: tests/unit/desired/test_plain_lists.py and the fuzzers hold the two against each other.
"""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from exolink_reconcile.desired.nodes import Node

SHORTEST = 32  # entries, at least 3: below, the parser is as quick
# Line breaks to the parser, and not to us: lines would be counted differently.
_OTHER_BREAKS = ("\r", "\x85", "\u2028", "\u2029")
# `$` starts a reference, `#` a comment, `\` an escape: a class has them only where they mean nothing.
_KEY = r"(?!(?:null|Null|NULL)\b)[A-Za-z][A-Za-z0-9]*"
_TEXT = r"(?!(?:null|Null|NULL)\b)\w[\w ./()+@&'%;=*!<>|^~\"{more}-]*(?<! )"
_QUOTED = r"\"[\w !#%()*+./:;<=>@^`|~'{more}-]*\"|'[\w !#%()*+./:;<=>@^`|~\"{more}-]*'"
_VALUE = re.compile(f"{_TEXT}|{_QUOTED}".replace("{more}", r",?&\[\]{}")).fullmatch
_PAIR = f"{_KEY}: (?:{_TEXT}|{_QUOTED})".replace("{more}", "")
_BRACES = re.compile(rf" *- \{{( ?)({_PAIR}(?:, {_PAIR})*)\1\}}").fullmatch
_HEAD = re.compile(rf"( *)(- )?(\{{ ?)?({_KEY})").fullmatch


class Run(NamedTuple):
    """Entries that follow each other. The `inner` ones are taken out of the text; the one before and the last are not.

    `place` is where the parser meets the mapping of the one before: line and column, 1-based. `end` is the line of the
    last one.
    """

    place: tuple[int, int]
    inner: list[Node]
    end: int


@dataclass(frozen=True, slots=True)
class Cut:
    """A text by its lines, and the runs in it."""

    lines: list[str]
    runs: list[Run]

    def rest(self, keep: Container[int] = ()) -> str:
        """The text for the parser, as many lines as before. Entries whose first line is in `keep` stay in it."""
        pieces: list[str] = []
        at = 0
        for run in self.runs:
            starts = [*(node.line - 1 for node in run.inner), run.end - 1]
            pieces += self.lines[at : starts[0]]
            at = starts[-1]
            if keep:
                for start, end in pairwise(starts):
                    pieces += self.lines[start:end] if start + 1 in keep else [""] * (end - start)
            else:
                pieces += [""] * (at - starts[0])
        return "\n".join([*pieces, *self.lines[at:]])


def cut(text: str) -> Cut | None:
    """The runs of a text; None where there are none."""
    text = text.replace("\r\n", "\n")
    if any(character in text for character in _OTHER_BREAKS):
        return None
    lines = text.split("\n")
    runs = [
        Run((entries[0].line, column + 1), entries[1:-1], entries[-1].line)
        for column, entries in _runs(lines)
        if len(entries) >= SHORTEST
    ]
    return Cut(lines, runs) if runs else None


def _runs(lines: list[str]) -> Iterator[tuple[int, list[Node]]]:
    """Plain entries that follow each other, with the column of their keys, 0-based. One loop: it runs for every line."""
    heads: dict[str, _Head] = {}
    indent = -1
    entries: list[Node] = []
    under: Node | None = None  # the entry that a line without a dash goes on with
    for number, line in enumerate(lines, 1):
        start, _, text = line.partition(": ")
        head = heads.get(start)
        if head is None:
            head = heads[start] = _head(start)
        column, opens, key = head
        entry = None
        if opens == "":
            if column == indent and under is not None and key not in under and _VALUE(text):
                under[key] = text[1:-1] if text[0] in "\"'" else text
                continue
        elif opens == "- ":
            if _VALUE(text):
                entry = under = Node()
                entry[key] = text[1:-1] if text[0] in "\"'" else text
                entry.line, entry.column = number, column + 1
        elif opens is not None:
            entry, under = _in_braces(line, number, column), None
        if indent != column or entry is None:
            yield indent, entries
            indent, entries = (column, []) if entry is not None else (-1, [])
        if entry is not None:
            entries.append(entry)
    yield indent, entries


class _Head(NamedTuple):
    """What stands before the first colon of a line: the column of the key or brace, how the entry opens, the key.

    `opens` is empty where the line goes on with an entry, and None where the line is not plain.
    """

    column: int
    opens: str | None
    key: str


def _head(text: str) -> _Head:
    match = _HEAD(text)
    if match is None:
        return _Head(-1, None, "")
    indent, dash, brace, key = match.groups(default="")
    return _Head(len(indent) + len(dash), dash + brace, key)


def _in_braces(line: str, number: int, column: int) -> Node | None:
    """The entry of a line like `- {key: text, key: text}`; None where it is not plain."""
    match = _BRACES(line)
    if match is None:
        return None
    pairs = [pair.split(": ", 1) for pair in match[2].split(", ")]
    entry = Node((key, text[1:-1] if text[0] in "\"'" else text) for key, text in pairs)
    entry.line, entry.column = number, column + 2 + len(match[1])
    return entry if len(entry) == len(pairs) else None
