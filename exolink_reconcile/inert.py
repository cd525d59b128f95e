"""Any string to one that can steer nothing: the only neutraliser, used by every writer.

Names come from a pull request's YAML and from the API. Shown as they are, they could move a terminal's cursor, reorder
text, start a new line, or command a CI runner (`::error`, `##[`, `##vso[`, `##teamcity[`).
"""

import re
import unicodedata

# Characters that make a name look different from what is stored: C0, DEL, C1, soft hyphen, zero-width, line and
# paragraph separators, bidi controls, variation selectors, the BOM, invisible operators, tags, and characters that no YAML
# file can hold. Lone surrogates cannot reach us: neither YAML nor JSON decoding accepts them.
HOSTILE = (
    "\x00-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
MARKS_IN_A_ROW = 4
_HOSTILE = re.compile(f"[{HOSTILE}]")
_NOT_SHOWN = re.compile(f"[{HOSTILE}\ud800-\udfff]")
# Tools look for these sentences at the beginning of a line, to learn whether anything changes.
_SENTENCE = re.compile(r"Plan:|No changes\.")
_RARE = ("::", "##", "Plan:", "No changes.")
_COMMAND = re.compile(r"::(?=[A-Za-z])|##(?=(?:\[|vso\[|teamcity\[))|(?<=#)#(?=\[)", re.IGNORECASE)


def inert(text: str) -> str:
    """`text` on one line, every control, bidi and zero-width character escaped, every CI command and result broken up.

    Only for text from outside: this tool's own `Plan:` sentence would be broken up too.
    """
    if text.isascii() and text.isprintable() and not any(map(text.__contains__, _RARE)):
        return text
    return _SENTENCE.sub(_without_end, harmless(text))


def harmless(text: str) -> str:
    """Like `inert`, for text that never begins a line: sentences that tools look for may stay there."""
    return _COMMAND.sub(_broken, _NOT_SHOWN.sub(_escaped, text))


def json_without_commands(text: str) -> str:
    """JSON text without commands that a CI runner obeys anywhere in a line (`##vso[`, `::error`); its value is the same.

    Both can only stand inside a string, where an escape means the same character.
    """
    return text.replace("##", "#\\u0023").replace("::", ":\\u003a")


def hostile_character(text: str) -> str | None:
    """The first control, bidi or zero-width character of `text`, or the fifth combining mark in a row; or None."""
    match = _HOSTILE.search(text)
    if match is not None:
        return match.group()
    row = 0
    for character in "" if text.isascii() else text:
        row = row + 1 if unicodedata.category(character)[0] == "M" else 0
        if row > MARKS_IN_A_ROW:
            return character
    return None


def _escaped(match: re.Match[str]) -> str:
    number = ord(match.group())
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _broken(match: re.Match[str]) -> str:
    return "\\x3a\\x3a" if match.group() == "::" else "#\\x23"


def _without_end(match: re.Match[str]) -> str:
    sentence = match.group()
    return f"{sentence[:-1]}\\x{ord(sentence[-1]):02x}"
