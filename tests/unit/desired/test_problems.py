"""Problems in the order in which people fix them, and the nearest name of what was mistyped."""

import pytest

from exolink_reconcile.desired.problems import MOST, in_order, nearest
from exolink_reconcile.model import Diagnostic, Source


def problem(code: str, line: int, column: int = 1, path: str = "a.yaml") -> Diagnostic:
    return Diagnostic(code, f"{code} {line}", Source(path, line, column))


def test_by_file_line_and_column_each_once() -> None:
    """Whatever order they were found in; what a mapping lacks comes after what is wrong at its first key."""
    lacks, wrong = problem("E-REQUIRED", 3), problem("E-TYPE", 3)
    second, other = problem("E-NAME", 4), problem("E-NAME", 1, path="b.yaml")
    assert in_order([other, second, lacks, wrong, second]) == [wrong, lacks, second, other]


def test_what_else_is_wrong_with_a_key_explains_that_it_is_unknown() -> None:
    """One mistake is one problem: a merge key is not an unknown key too."""
    merge = problem("E-MERGE", 5)
    assert in_order([problem("E-UNKNOWN-KEY", 5), merge, problem("E-UNKNOWN-KEY", 6)]) == [
        merge,
        problem("E-UNKNOWN-KEY", 6),
    ]


def test_of_very_many_the_first_and_a_count() -> None:
    """Errors come before warnings where not all can be shown."""
    many = [problem("E-TYPE", line) for line in range(1, MOST + 3)]
    reported = in_order(many, more=5)
    assert len(reported) == MOST + 1 and reported[-1].summary == "and 7 more problems"


@pytest.mark.parametrize(
    ("word", "meant"), [("displayname", "displayName"), ("intervall", "interval"), ("colour", None), ("", None)]
)
def test_the_nearest_name(word: str, meant: str | None) -> None:
    """Case and a slip of a finger are seen through; where nothing is near some of the known names are given."""
    name, hint = nearest(word, ["displayName", "url", "interval"])
    assert name == meant and (f"Did you mean `{meant}`?" if meant else "Known here: displayName, url") in hint
