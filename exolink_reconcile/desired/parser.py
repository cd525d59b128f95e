"""A YAML file to the events of the parser.

Braces. The C parser is libyaml of YAML 1.1, which refuses `{url: wss://host/?a=b}`: a colon or question mark inside plain
text inside braces. YAML 1.2 takes it, and people write it. So a file that fails on that is read once more, with a stand-in
of the same width for each colon and question mark inside plain text, where it can only be text.

Halves. JSON escapes a character beyond U+FFFF in two halves, which libyaml refuses. They get stand-ins of the same width, too.

The C parser must really be in use: the pure one is 25 times slower, and ruamel.yaml falls back to it without a word.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from _ruamel_yaml import CParser
from ruamel.yaml.events import ScalarEvent

from exolink_reconcile.desired import plain_lists
from exolink_reconcile.desired.nodes import File

# Private use: a file that holds one of them is left as it is.
_MARKS = {":": "\ue05a", "?": "\ue05b"}
_MARKS_BACK = str.maketrans({stand_in: mark for mark, stand_in in _MARKS.items()})
_MARK_INSIDE = re.compile(rb"(?<=[^\s\"'\[\]{},])(?::(?=[^\s\[\]{},])|\?)")
OLD_YAML = ("found unexpected ':'", "did not find expected ',' or '}'", "did not find expected ',' or ']'")
# The two halves of a character in JSON, \ud83d\ude00, become \ue13d\ue700: also private use, and as many columns.
_HALF_ESCAPED = "found invalid Unicode character escape code"
_HALVES = re.compile(rb"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_HALF_SHIFT = 0xE100 - 0xD800
_HALVES_TAKEN = re.compile(rb"\xee[\x84-\xa3]|\\u[eE][1-8]")
_HALVES_BACK = re.compile("([\ue100-\ue4ff])([\ue500-\ue8ff])")
_HALF_AS_TEXT = re.compile(r"\\u(e[1-8][0-9a-f]{2})")


@dataclass(frozen=True, slots=True, eq=False)
class YamlFile(File):
    """A YAML file. `text` is what the parser gets: its bytes, or the same lines and columns with stand-ins that it can read.

    Each of `restore` gives the text of a scalar its own characters back.
    """

    text: bytes
    restore: tuple[Callable[[str], str], ...] = ()


def parse_events(file: YamlFile, rest: str | None = None) -> Iterator[Any]:
    """The events that the parser finds in a file, or in the `rest` of it without its plain lists."""
    events = iter(CParser(file.text if rest is None else rest.encode()).get_event, None)
    return _without_stand_ins(events, file.restore) if file.restore else events


def _without_stand_ins(events: Iterator[Any], restore: Sequence[Callable[[str], str]]) -> Iterator[Any]:
    for event in events:
        if event.__class__ is ScalarEvent:
            for own_characters in restore:
                event.value = own_characters(event.value)
        yield event


def cut_lists(file: YamlFile) -> plain_lists.Cut | None:
    """The plain lists of a file, and what is left for the parser; None where there are none."""
    with suppress(UnicodeDecodeError):
        return plain_lists.cut(file.text.decode("utf-8"))
    return None


def readable(file: YamlFile, problem: str | None) -> YamlFile:
    """The file with another text, if the parser cannot read the present one because of its age; else as it is."""
    if problem in OLD_YAML:
        return replace(file, text=_without_marks(file.text), restore=(*file.restore, _with_marks))
    if problem == _HALF_ESCAPED:
        return replace(file, text=_without_halves(file.text), restore=(*file.restore, _with_halves))
    return file


def _without_marks(text: bytes) -> bytes:
    """The text with a stand-in for each mark that can only be text; unchanged if it has one of the stand-ins already."""
    if any(stand_in.encode() in text for stand_in in _MARKS.values()):
        return text
    return _MARK_INSIDE.sub(lambda mark: _MARKS[mark.group().decode()].encode(), text)


def _with_marks(value: str) -> str:
    return value.translate(_MARKS_BACK)


def _without_halves(text: bytes) -> bytes:
    """The text with stand-ins for each character that JSON escapes as two; unchanged if it has some of them already."""
    if _HALVES_TAKEN.search(text):
        return text
    return _HALVES.sub(
        lambda pair: b"%s\\u%04x\\u%04x" % (pair[1], int(pair[2], 16) + _HALF_SHIFT, int(pair[3], 16) + _HALF_SHIFT),
        text,
    )


def _with_halves(value: str) -> str:
    value = _HALVES_BACK.sub(
        lambda pair: chr(0x10000 + ((ord(pair[1]) - 0xE100) << 10) + (ord(pair[2]) - 0xE500)), value
    )
    # In single quotes or none the escape is text.
    return _HALF_AS_TEXT.sub(lambda half: f"\\u{int(half[1], 16) - _HALF_SHIFT:04x}", value)
