"""Plans as they are shown, word for word, in every format that people read: a change of the looks is a change to look at.

GOLDEN=write .venv/bin/python -m pytest tests/golden        writes tests/golden/plans again; then read the diff
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import support_plans
from support_pipeline import digest_of

from exolink_reconcile.model import Plan
from exolink_reconcile.report import colours, gitlab, markdown, text

FOLDER = Path(__file__).parent / "plans"
OPTIONS = {"api_url": "https://api.exolink.cloud", "target": [], "prune": False, "allow_deletes": None}


def as_text(width: int, *, coloured: bool = False) -> Callable[[Plan], str]:
    def shown(plan: Plan) -> str:
        shown = text.plan(plan, digest_of(plan), width=width, terminal=True, show_unmanaged=True)
        return colours.paint(shown).replace("\x1b", "\\e") if coloured else shown

    return shown


def as_markdown(**options: Any) -> Callable[[Plan], str]:
    return lambda plan: markdown.plan(plan, digest_of(plan), paths=("exolink/",), options=OPTIONS, **options)


FORMATS: dict[str, Callable[[Plan], str]] = {
    "60.txt": as_text(60),
    "80.txt": as_text(80),
    "200.txt": as_text(200),
    "colour.txt": as_text(80, coloured=True),
    "md": as_markdown(),
    "gitlab.json": gitlab.plan,
}
CUT: dict[str, Callable[[Plan], str]] = {
    "cut.md": as_markdown(full=True, max_size=6000),
    "short.md": as_markdown(max_size=2500),
}
STORIES = {
    **{(story, name): FORMATS[name] for story in ("nothing", "one", "mixed", "many") for name in FORMATS},
    **{("many", name): CUT[name] for name in CUT},
    **{("hostile", name): FORMATS[name] for name in ("200.txt", "md")},
}


@pytest.mark.parametrize(("story", "name"), list(STORIES), ids=map(".".join, STORIES))
def test_golden(story: str, name: str) -> None:
    """The plan looks as it did when somebody last looked at it."""
    found = STORIES[story, name](getattr(support_plans, story)())
    path = FOLDER / f"{story}.{name}"
    if os.environ.get("GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_bytes(found.encode())
    assert found == path.read_bytes().decode()


def test_nothing_is_left_over() -> None:
    """Every golden file belongs to a story."""
    assert {path.name for path in FOLDER.iterdir()} == {".".join(story) for story in STORIES}
