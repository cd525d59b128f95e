"""A YAML file to the events of the parser.

Braces. The C parser is libyaml of YAML 1.1, which refuses `{url: wss://host/?a=b}`: a colon or question mark inside plain
text inside braces. YAML 1.2 takes it, and people write it. So a file that fails on that is read once more, with a stand-in
of the same width for each colon and question mark inside plain text, where it can only be text.

The C parser must really be in use: the pure one is 25 times slower, and ruamel.yaml falls back to it without a word.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from _ruamel_yaml import CParser
from ruamel.yaml.events import ScalarEvent

from exolink_reconcile.desired import plain_lists
from exolink_reconcile.desired.nodes import File

# Private use: a file that holds one of them is left as it is.
_STAND_INS = {":": "\ue05a", "?": "\ue05b"}
_BACK = str.maketrans({stand_in: character for character, stand_in in _STAND_INS.items()})
_INNER = re.compile(rb"(?<=[^\s\"'\[\]{},])(?::(?=[^\s\[\]{},])|\?)")
OLD_YAML = ("found unexpected ':'", "did not find expected ',' or '}'", "did not find expected ',' or ']'")
_SURROGATE = "found invalid Unicode character escape code"
_PAIR = re.compile(rb"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True, eq=False)
class YamlFile(File):
    """A YAML file. `text` is what the parser gets: its bytes, or the same lines written so that it can read them."""

    text: bytes
    has_stand_ins: bool = False


def parse_events(file: YamlFile, rest: str | None = None) -> Iterator[Any]:
    """The events that the parser finds in a file, or in the `rest` of it without its plain lists."""
    events = iter(CParser(file.text if rest is None else rest.encode()).get_event, None)
    return _without_stand_ins(events) if file.has_stand_ins else events


def _without_stand_ins(events: Iterator[Any]) -> Iterator[Any]:
    for event in events:
        if event.__class__ is ScalarEvent and not event.value.isascii():
            event.value = event.value.translate(_BACK)
        yield event


def cut_lists(file: YamlFile) -> plain_lists.Cut | None:
    """The plain lists of a file, and what is left for the parser; None where there are none."""
    with suppress(UnicodeDecodeError):
        return plain_lists.cut(file.text.decode("utf-8"))
    return None


def readable(file: YamlFile, problem: str | None) -> YamlFile:
    """The file with another text, if the parser cannot read the present one because of its age; else as it is."""
    if problem in OLD_YAML and not file.has_stand_ins:
        return replace(file, text=_with_stand_ins(file.text), has_stand_ins=True)
    if problem == _SURROGATE:
        return replace(file, text=_join_surrogates(file.text))
    return file


def _with_stand_ins(text: bytes) -> bytes:
    """The text with a stand-in for each mark that can only be text; unchanged if it has one of the stand-ins already."""
    if any(stand_in.encode() in text for stand_in in _STAND_INS.values()):
        return text
    return _INNER.sub(lambda match: _STAND_INS[match.group().decode()].encode(), text)


def _join_surrogates(text: bytes) -> bytes:
    """The text with each pair of escapes that JSON writes for one character as YAML writes it."""

    def joined(pair: re.Match[bytes]) -> bytes:
        high, low = int(pair[2], 16), int(pair[3], 16)
        return b"%s\\U%08x" % (pair[1], 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))

    return _PAIR.sub(joined, text)
