"""Names on one line: a run names nothing that is outside of it."""

import pytest

from exolink_reconcile.report import numbered


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["A-01", "A-02", "A-03", "A-04"], "A-01 … A-04"),
        (["A-01", "A-02", "A-04", "A-05"], "A-01, A-02, A-04 and 1 more"),
        (["A-1", "A-10", "A-2"], "A-1, A-2, A-10"),
        (["B-1", "A-1"], "A-1, B-1"),
        (["x", "y"], "x, y"),
        ([f"A-{n:02}" for n in range(1, 30) if n not in (7, 9)], "A-01 … A-06, A-08, A-10 … A-29"),
    ],
)
def test_row_D3_a_fold_names_nothing_outside_of_it(names: list[str], expected: str) -> None:
    """A run `first … last` has every number between the two; what is not named is counted."""
    assert numbered.names(names) == expected
