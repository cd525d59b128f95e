"""Any text comes out of `inert` on one line, without a control character or a command of a CI runner, and in one go."""

import re
import unicodedata

import atheris

with atheris.instrument_imports(include=["exolink_reconcile"]):
    from exolink_reconcile.inert import inert

from support import fuzz

COMMANDS = re.compile(r"::[A-Za-z]|##(\[|vso\[|teamcity\[)", re.IGNORECASE)
STEERS = ("Cc", "Cs", "Zl", "Zp")
BIDI = frozenset(
    "\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)


def judge(data: bytes) -> None:
    """The rule above, on one input: as UTF-8 with surrogates for what is none, and as UTF-16."""
    for text in (data.decode("utf-8", "surrogateescape"), data.decode("utf-16-le", "replace")):
        shown = inert(text)
        assert len(shown.splitlines()) <= 1, ascii(text)
        assert not any(unicodedata.category(character) in STEERS or character in BIDI for character in shown), ascii(
            text
        )
        assert not COMMANDS.search(shown), ascii(text)
        assert inert(shown) == shown, ascii(text)
        shown.encode("utf-8")


fuzz(judge)
