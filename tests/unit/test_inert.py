"""Whatever a name holds, shown it steers nothing."""

import re
import sys
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exolink_reconcile.inert import inert

# Unicode's Default_Ignorable_Code_Point: what a font shows as nothing at all.
IGNORABLE = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F),
    (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
COMMANDS = re.compile(r"::[A-Za-z]|##(\[|vso\[|teamcity\[)", re.IGNORECASE | re.ASCII)
SHARP = st.sampled_from([":", "::", "#", "##", "[", "vso[", "VSO[", "teamcity[", "error", "a", "Z", "\x00", "\u200b", "\n", "\\", "\x1b[31m"])  # fmt: skip


HIDDEN = frozenset(chr(number) for low, high in IGNORABLE for number in range(low, high + 1))


def shows(character: str) -> bool:
    """Whether a terminal prints this character where it stands, and does nothing else."""
    return unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp") and character not in HIDDEN


def harmless(text: str) -> bool:
    return all(map(shows, text)) and len(text.splitlines()) <= 1 and not COMMANDS.search(text)


def test_all_of_unicode() -> None:
    """Each character of Unicode that does not show is escaped, in any company, and each that shows stays."""
    wrong = [
        f"U+{ord(character):04X}"
        for character in map(chr, range(sys.maxunicode + 1))
        if (inert(f"a{character}b") == f"a{character}b") is not shows(character)
        and not (
            shows(character) and unicodedata.category(character) in ("Cf", "Cn")
        )  # may be escaped, to be on the safe side
    ]
    assert wrong == []


def test_what_shows_stays() -> None:
    """Letters, digits, marks and signs of all scripts stay as they are."""
    text = "Grün Übersee 日本語 Ελλάδα a\u0301 العربية हिन्दी €½²™ \U0001f50c a:b a::1 c# #1 [x] ## x"
    assert inert(text) == text


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(SHARP | st.characters(exclude_categories=()), max_size=12).map("".join))
def test_nothing_gets_through(text: str) -> None:
    """The output is one line that shows, without a command of any CI runner, whatever went in."""
    assert harmless(inert(text))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(SHARP | st.characters(exclude_categories=()), max_size=8).map("".join))
def test_twice_is_once(text: str) -> None:
    """What is inert stays as it is."""
    assert inert(inert(text)) == inert(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb", "a\\x0ab"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\u202eb", "a\\u202eb"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
    ],
)
def test_escapes(text: str, expected: str) -> None:
    """An escape says which character it was."""
    assert inert(text) == expected


@pytest.mark.parametrize("text", ["::error file=x::boom", "::add-mask::x", ":::set-output", "##[section]x", "###[x]", "##vso[task.setvariable]", "##teamcity[x]", "##TEAMCITY[x]"])  # fmt: skip
def test_commands(text: str) -> None:
    """No CI runner takes it for a command, and a person can still read it."""
    assert not COMMANDS.search(inert(text)) and text.strip(":#")[:3] in inert(text)


@pytest.mark.parametrize(
    "sentence", ["Plan: 0 to add, 0 to change, 0 to destroy.", "No changes. Your infrastructure", "No changes."]
)
@pytest.mark.parametrize("before", ["", " ", "x ", "\u200b"])
def test_row_E23_no_value_spells_a_result(sentence: str, before: str) -> None:
    """A name that says what a plan comes to is broken up wherever in a line it ends up; words like it stay."""
    assert not re.search(r"Plan:|No changes\.", inert(before + sentence))
    assert inert("Planet: 0, no changes, Plan B") == "Planet: 0, no changes, Plan B"
