"""The pictures of terminals say what the tool says."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from .test_reference import DOCS, _module

pictures: ModuleType = _module(DOCS / "pictures.py")


@pytest.fixture(scope="module")
def screens() -> dict[str, str]:
    """What a terminal gets now, by the name of the picture."""
    return dict(pictures.screens())


@pytest.mark.parametrize("name", pictures.TITLES)
def test_a_picture_shows_what_the_tool_prints(name: str, screens: dict[str, str]) -> None:
    """A screenshot that nobody renews shows what the tool once said: run `make pictures`."""
    now = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", screens[name]).split("\n")]
    assert pictures.text_of((DOCS / "pictures" / f"{name}.svg").read_text("utf-8")).split("\n") == now
    assert max(map(len, now)) <= pictures.COLUMNS, "it would be cut at the edge"


def test_a_photograph_shows_what_the_tool_says(tmp_path: Path) -> None:
    """The words of the page and the comment are kept beside their photographs: others mean `make pictures`."""
    now = {name: pictures.words(source) for name, source in pictures.sources(tmp_path)}
    assert {name: (DOCS / "pictures" / f"{name}.txt").read_text("utf-8") for name in pictures.HEIGHTS} == now


def test_every_picture_is_shown_and_made() -> None:
    """No picture that nobody sees, and none that no command makes."""
    pages = "".join(page.read_text("utf-8") for page in [*DOCS.rglob("*.md"), DOCS.parent / "README.md"])
    files = {path.name for path in (DOCS / "pictures").iterdir()}
    photographs = {f"{name}.{suffix}" for name in pictures.HEIGHTS for suffix in ("png", "txt")}
    assert files == {f"{name}.svg" for name in pictures.TITLES} | photographs
    assert {name for name in files if not name.endswith(".txt") and f"pictures/{name})" not in pages} == set()
