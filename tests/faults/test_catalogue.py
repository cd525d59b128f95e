"""The failure catalogue is complete: every row has a test of its name, or a reason why it has none."""

import ast
import re
from pathlib import Path

from .rows_not_applicable import NOT_APPLICABLE

ROWS = range(1, 97)
TESTS = Path(__file__).resolve().parents[1]


def named_tests() -> dict[int, list[str]]:
    """Row to the names of the tests that are named after it, of all of tests/."""
    found: dict[int, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and (named := re.fullmatch(r"test_row_(\d\d)_\w+", node.name)):
                found.setdefault(int(named.group(1)), []).append(f"{path.relative_to(TESTS)}::{node.name}")
                assert ast.get_docstring(node), f"{node.name} does not say what must hold"
    return found


def test_every_row_has_a_test_or_a_reason() -> None:
    """A row that is neither tested nor explained has been forgotten."""
    forgotten = set(ROWS) - set(named_tests()) - set(NOT_APPLICABLE)
    assert forgotten == set()


def test_no_row_has_both() -> None:
    """A reason beside a test is a reason no longer; a number beyond the catalogue is a slip."""
    assert set(named_tests()) & set(NOT_APPLICABLE) == set()
    assert set(named_tests()) | set(NOT_APPLICABLE) <= set(ROWS)


def test_reasons_are_sentences() -> None:
    """They are printed for users."""
    assert all(len(reason) > 40 and reason.endswith(".") for reason in NOT_APPLICABLE.values())


def test_reasons_are_in_the_docs() -> None:
    """Who reads docs/reliability.md sees which rows are not tested."""
    docs = (TESTS.parent / "docs" / "reliability.md").read_text("utf-8")
    assert [row for row, reason in NOT_APPLICABLE.items() if f"| {row} | {reason} |" not in docs] == []
