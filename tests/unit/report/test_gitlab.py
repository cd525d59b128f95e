"""The report of a plan for GitLab."""

import pytest
import support_plans

from exolink_reconcile.report import gitlab


@pytest.mark.parametrize(
    ("story", "counts"), [("nothing", (0, 0, 0)), ("mixed", (11, 9, 6)), ("many", (4960, 5000, 40))]
)
def test_gitlab(story: str, counts: tuple[int, int, int]) -> None:
    """GitLab's three counts are those of the `Plan:` sentence, on one line of JSON."""
    create, update, delete = counts
    report = gitlab.plan(getattr(support_plans, story)())
    assert report == f'{{"create": {create}, "update": {update}, "delete": {delete}}}\n'
