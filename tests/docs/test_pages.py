"""The pages say what happens: every command of the tutorial and the guides is run, and prints what stands beside it."""

import os
from pathlib import Path

import pytest

from .runner import Reader

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ["tutorial.md", *sorted(str(page.relative_to(DOCS)) for page in DOCS.glob("how-to/*.md"))]


@pytest.mark.timeout(300)  # dozens of processes, on a machine that may be busy
@pytest.mark.parametrize("page", PAGES)
def test_a_reader_sees_what_the_page_says(page: str, tmp_path: Path) -> None:
    """Typed in an empty folder, in order, each command prints what the page shows; UPDATE_DOCS=1 writes what it printed."""
    (tmp_path / "try").mkdir()
    said = (DOCS / page).read_text("utf-8")
    really = Reader(tmp_path / "try").follow(said)
    if os.environ.get("UPDATE_DOCS"):
        (DOCS / page).write_text(really, "utf-8")
    assert really == said
    assert "```console" in said
