"""The rows of the failure catalogue and the tests that are named after them: what docs/reliability.md lists."""

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent
NUMBERED = range(1, 97)
# What users of related tools reported, and what attackers did, found by trying: lettered, and numbered on from 97.
LETTERED = [
    f"{letter}{number}"
    for letter, last in {"A": 14, "B": 3, "C": 12, "D": 12, "E": 27, "F": 25}.items()
    for number in range(1, last + 1)
]
TITLES = {
    "A": "Something is deleted, doubled or written that nobody declared",
    "B": "Secrets",
    "C": "It does not end well",
    "D": "What a person reads is not true, or not enough",
    "E": "Security: what an attacker gains",
    "F": "The judgement of what happened",
}


@dataclass(frozen=True)
class RowTest:
    """A test named after a row, and the rule it protects."""

    file: str
    name: str
    rule: str


@functools.cache
def rows_with_tests() -> dict[str, list[RowTest]]:
    """Row to the tests that are named after it, of all of tests/."""
    rows: dict[str, list[RowTest]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and (named := re.fullmatch(r"test_row_([A-F]?\d+)_\w+", node.name)):
                row = named.group(1) if named.group(1)[0].isalpha() else str(int(named.group(1)))
                rule = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
                rows.setdefault(row, []).append(RowTest(str(path.relative_to(TESTS)), node.name, rule))
    return rows


def table() -> Iterator[str]:
    """The lettered rows for docs/reliability.md: the rule and its tests, or why there is none."""
    from faults.rows_not_applicable import NOT_TESTED as reasons

    tests = rows_with_tests()
    for letter, title in TITLES.items():
        yield f"### {letter}. {title}\n"
        yield "| # | row | what holds | tests |\n| --- | --- | --- | --- |"
        for number, row in enumerate(LETTERED, NUMBERED.stop):
            if row[0] == letter:
                of_row = tests.get(row, [])
                rule = of_row[0].rule if of_row else reasons.get(row, "")
                files = ", ".join(sorted({f"`{test.file}`" for test in of_row})) or "none"
                yield f"| {number} | {row} | {rule.replace('|', '/')} | {files} |"
        yield ""
