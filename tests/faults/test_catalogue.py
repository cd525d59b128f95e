"""The failure catalogue is complete: every row has a test of its name, or a reason why it has none."""

from catalogue import LETTERED, NUMBERED, TESTS, rows_with_tests

from .rows_not_applicable import NOT_APPLICABLE, NOT_TESTED

ROWS = [*map(str, NUMBERED), *LETTERED]
REASONS = {str(row): reason for row, reason in NOT_APPLICABLE.items()} | {
    row: reason for row, reason in NOT_TESTED.items() if row not in rows_with_tests()
}


def test_every_row_has_a_test_or_a_reason() -> None:
    """A row that is neither tested nor explained has been forgotten."""
    assert set(ROWS) - set(rows_with_tests()) - set(REASONS) == set()


def test_no_row_has_both() -> None:
    """A reason beside a test is a reason no longer; a row beyond the catalogue is a slip."""
    assert set(rows_with_tests()) & set(REASONS) == set()
    assert set(rows_with_tests()) | set(REASONS) <= set(ROWS)


def test_every_test_of_a_row_says_what_holds() -> None:
    """Its docstring is what the catalogue prints."""
    assert [test.name for tests in rows_with_tests().values() for test in tests if not test.rule] == []


def test_reasons_are_sentences() -> None:
    """They are printed for users."""
    assert all(len(reason) > 40 and reason.endswith(".") for reason in REASONS.values())


def test_reasons_are_in_the_docs() -> None:
    """Who reads docs/reliability.md sees which rows are not tested."""
    docs = (TESTS.parent / "docs" / "reliability.md").read_text("utf-8")
    assert [row for row, reason in REASONS.items() if f"| {row} | {reason} |" not in docs] == []
