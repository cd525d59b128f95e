"""The rows of the page of a plan: sections by danger, similar rows together, and every text inert."""

import pytest
from support_html import everything, hostile, many, plan_of, step

from exolink_reconcile.inert import inert
from exolink_reconcile.model import Action, Plan
from exolink_reconcile.report import html_rows
from exolink_reconcile.report.html_rows import LONG, Rows, Section
from exolink_reconcile.report.links import NO_LINKS


def sections(plan: Plan) -> list[Section]:
    return html_rows.sections(plan, Rows(plan, NO_LINKS), show_unmanaged=True)


def test_the_most_dangerous_section_is_first() -> None:
    """Held back, deletes, replaces, updates, creates; only the last two may fold, and an empty one is left out."""
    words = [section.word for section in sections(everything())]
    assert [word for word in words if word != "unmanaged"] == ["held", "delete", "replace", "update", "create"]
    assert [section.word for section in sections(everything()) if section.dangerous] == ["held", "delete", "replace"]
    assert sections(plan_of()) == []


def test_a_run_covers_rows_that_follow_each_other() -> None:
    """Every row of a run has what the run says that its rows share, and runs do not overlap."""
    for section in sections(many(3_000)):
        ends_at = 0
        for run in section.runs:
            assert run.start >= ends_at and run.size > 10
            ends_at = run.start + run.size
            assert all(set(run.shared) <= set(row.fields) for row in section.rows[run.start : ends_at])
        assert ends_at <= len(section.rows)


def test_a_dangerous_row_is_in_no_run() -> None:
    """Deletes that are all the same are still rows of their own."""
    steps = [step(Action.DELETE, f"CP-{number}", number) for number in range(50)]
    [section] = sections(plan_of(*steps))
    assert len(section.rows) == 50 and not section.runs


def test_every_text_of_a_row_is_inert() -> None:
    """A row is ready to be shown: whoever writes it escapes for HTML, and nothing else is left to do."""
    for section in sections(hostile()):
        for row in section.rows:
            texts = [row.tenant, row.name, row.place, *(text or "" for change in row.fields for text in change)]
            assert [inert(text) for text in texts] == texts


@pytest.mark.parametrize(("length", "cut"), [(LONG, False), (LONG + 1, True)])
def test_a_long_text_is_shortened_with_its_length(length: int, cut: bool) -> None:
    """What is cut says how long it is, so that nobody takes the beginning for the whole."""
    text = html_rows.shortened("x" * length)
    assert text.endswith(f"… ({length} characters)") is cut and text.startswith("x" * LONG)
