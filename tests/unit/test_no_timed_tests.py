"""A test that passes on one machine passes on one that is ten times slower."""

import ast
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
CLOCKS = {"monotonic", "perf_counter", "process_time", "seconds"}


def test_row_C12_no_test_asserts_how_long_something_took() -> None:
    """No assertion reads a clock, or the seconds that a run took: what must end is waited for, generously."""
    timed = [
        f"{path.relative_to(TESTS)}:{node.lineno}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Assert) and _reads_a_clock(node.test)
    ]
    assert timed == []


def _reads_a_clock(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr in CLOCKS for node in ast.walk(test))
