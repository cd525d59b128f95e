"""What `make bench` writes to docs/performance.md, and what it leaves there."""

from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks.rows import FULL

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


def test_what_was_written_by_hand_is_kept() -> None:
    """A new page has new figures, and the section between the marks as it was, however often it is written."""
    section = bench.by_hand(PAGE.read_text())
    assert section.startswith("**Tables, waves, tenants, shared state.**") and "A table at its limits" in section
    new = bench.page("| a | new | table |\n", FULL, section)
    assert "| a | new | table |" in new and bench.by_hand(new) == section
    assert bench.page("", FULL, bench.by_hand(new)).count(section) == 1


@pytest.mark.parametrize("missing", ["<!-- by hand", "<!-- up to here"])
def test_a_page_without_its_marks_is_not_overwritten(missing: str) -> None:
    """It stops before anything is measured, and says which marks are missing."""
    with pytest.raises(SystemExit, match="would be lost"):
        bench.by_hand(PAGE.read_text().replace(missing, "<!--"))


def test_the_page_is_what_the_writer_writes() -> None:
    """Its headings are those of the writer: what is changed on the page itself would be lost."""
    headings = [line.split("**")[1] for line in PAGE.read_text().splitlines() if line.startswith("**")]
    written = bench.page("", FULL, bench.by_hand(PAGE.read_text()))
    assert headings == [line.split("**")[1] for line in written.splitlines() if line.startswith("**")]
