"""Patterns of a contract against texts, in bounded time."""

import pytest

from exolink_reconcile import patterns
from exolink_reconcile.patterns import Patterns


@pytest.mark.parametrize(
    ("pattern", "text", "allowed"),
    [
        ("^[A-Z]{2}-[0-9]+$", "CP-12", True),
        ("^[A-Z]{2}-[0-9]+$", "cp-12", False),
        ("^(wss?)://", "https://x", False),
    ],
)
def test_a_plain_pattern_is_checked(pattern: str, text: str, allowed: bool) -> None:
    """What its shape says is cheap is tried."""
    assert Patterns().allow(pattern, text) is allowed


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "(?=a)b", "\\p{L}+", "[", "a" * 2_000])
def test_what_may_take_long_or_is_none_here_is_left_to_the_api(pattern: str) -> None:
    """It refuses nothing."""
    assert Patterns().allow(pattern, "a" * 60 + "!") is True


def test_all_patterns_of_a_check_share_one_budget() -> None:
    """Once it is used up the API judges the rest."""
    check = Patterns(steps=100)
    assert check.allow("^x+$", "y") is False
    assert check.allow("^x+$", "y" * 1_000) is True


def test_a_python_without_the_private_parser_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cost of a pattern cannot be weighed, the API judges it."""
    monkeypatch.setattr(patterns, "_PARSER", None)
    assert Patterns().allow("^only without the parser$", "x") is True
