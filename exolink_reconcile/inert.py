"""Any string to one that can steer nothing: the one neutraliser, used by every writer.

Names come from YAML files of a pull request and from the API. Shown as they are they could move a terminal's cursor,
reorder what is read, start a new line, or command a CI runner (`::error`, `##[`, `##vso[`, `##teamcity[`).
"""

import re

from exolink_reconcile.resource import HOSTILE

_HOSTILE = re.compile(f"[{HOSTILE}\ud800-\udfff]")
_COMMAND = re.compile(r"::(?=[A-Za-z])|##(?=(?:\[|vso\[|teamcity\[))|(?<=#)#(?=\[)", re.IGNORECASE)


def inert(text: str) -> str:
    """`text` on one line, every control, bidi and zero-width character escaped, every CI command broken up."""
    if text.isascii() and text.isprintable() and "::" not in text and "##" not in text:
        return text
    return _COMMAND.sub(_broken, _HOSTILE.sub(_escaped, text))


def _escaped(found: re.Match[str]) -> str:
    number = ord(found.group())
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _broken(found: re.Match[str]) -> str:
    return "\\x3a\\x3a" if found.group() == "::" else "#\\x23"
