"""Plans as they are shown, word for word, in every format that people read: a change of the looks is a change to look at.

GOLDEN=write .venv/bin/python -m pytest tests/golden        writes tests/golden/plans again; then read the diff
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import support_plans
from support_pipeline import as_json, digest_of

from exolink_reconcile.desired import sources
from exolink_reconcile.model import Plan
from exolink_reconcile.report import colours, github, gitlab, html, markdown, text

FOLDER = Path(__file__).parent / "plans"
OPTIONS = {"api_url": "https://api.exolink.cloud", "target": [], "prune": False, "allow_deletes": None}


def as_text(width: int, *, coloured: bool = False) -> Callable[[Plan], str]:
    def shown(plan: Plan) -> str:
        shown = text.plan(plan, digest_of(plan), width=width, terminal=True, show_unmanaged=True)
        return colours.paint(shown).replace("\x1b", "\\e") if coloured else shown

    return shown


def as_markdown(**options: Any) -> Callable[[Plan], str]:
    return lambda plan: markdown.plan(plan, digest_of(plan), paths=("exolink/",), options=OPTIONS, **options)


def as_page(plan: Plan) -> str:
    """What of the page a browser shows without JavaScript."""
    page = html.plan(plan, digest_of(plan), paths=("exolink/",), options=OPTIONS)
    return page[page.index("<header>") : page.index("</main>")] + "</main>\n"


FORMATS: dict[str, Callable[[Plan], str]] = {
    "60.txt": as_text(60),
    "80.txt": as_text(80),
    "200.txt": as_text(200),
    "colour.txt": as_text(80, coloured=True),
    "md": as_markdown(),
    "gitlab.json": gitlab.plan,
}
# The formats that only the story of a pull request has here.
ALL: dict[str, Callable[[Plan], str]] = {
    **FORMATS,
    "github.txt": lambda plan: github.plan(plan, sources.recorded(plan), str),
    "html": lambda plan: as_page(plan),
    "json": lambda plan: json.dumps(json.loads(as_json(plan)), indent=1) + "\n",
}
CUT: dict[str, Callable[[Plan], str]] = {
    "cut.md": as_markdown(full=True, max_size=6000),
    "short.md": as_markdown(max_size=2500),
}
STORIES = {
    **{(story, name): FORMATS[name] for story in ("nothing", "one", "mixed", "many") for name in FORMATS},
    **{("many", name): CUT[name] for name in CUT},
    **{("pull_request", name): ALL[name] for name in ALL},
    **{("hostile", name): FORMATS[name] for name in ("200.txt", "md")},
}


@pytest.mark.parametrize(("story", "name"), list(STORIES), ids=map(".".join, STORIES))
def test_golden(story: str, name: str) -> None:
    """The plan looks as it did when somebody last looked at it."""
    shown = STORIES[story, name](getattr(support_plans, story)())
    path = FOLDER / f"{story}.{name}"
    if os.environ.get("GOLDEN") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_bytes(shown.encode())
    assert shown == path.read_bytes().decode()


def test_nothing_is_left_over() -> None:
    """Every golden file belongs to a story."""
    assert {path.name for path in FOLDER.iterdir()} == {".".join(story) for story in STORIES}
