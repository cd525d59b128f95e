"""How the site is built from these pages: `make site`.

Sphinx with MyST and Furo, because each has a stable release of the last twelve months, links and anchors are checked, and
nothing is fetched by the reader's browser: no fonts, scripts or trackers from elsewhere. The pages are plain Markdown that
reads as well on a Git host, so the navigation stands here and not in the pages.
"""

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
NAVIGATION = {
    "Start": ["why", "tutorial"],
    "How to": [
        "pipelines",
        "how-to/adopt",
        "how-to/decommission",
        "how-to/rotate-password",
        "how-to/recover-exit-9",
        "how-to/staging-and-production",
        "editors",
        "troubleshooting",
        "faq",
    ],
    "Reference": [
        "reference/yaml",
        "reference/commands",
        "reference/exit-codes",
        "reference/errors",
        "reference/plan-json",
        "apply-events",
        "state",
        "glossary",
    ],
    "Background": ["how-it-works", "architecture", "security", "reliability", "performance", "versions"],
    "Decisions": sorted(f"adr/{page.stem}" for page in DOCS.glob("adr/*.md")),
}
_placed = {"index"}.union(*NAVIGATION.values())
NAVIGATION["More"] = sorted({page.stem for page in DOCS.glob("*.md")} - _placed)
# Pages of the navigation that may be missing: links to them are text until they are there.
PENDING: set[str] = set()

project = "exolink-reconcile"
author = "the exolink-reconcile authors"
copyright = author
extensions = ["myst_parser"]
myst_heading_anchors = 4
exclude_patterns = ["Thumbs.db"]
smartquotes = False  # `--` is an option, not a dash
html_theme = "furo"
html_title = project
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
html_permalinks_icon = "#"
_LINK = re.compile(r"(?<!!)\[([^\]\n]*)\]\(([^)#\s:]+)(#[^)\s]*)?\)")


def setup(app: Any) -> None:
    """What Sphinx calls: the pages pass through `prepared` before they are parsed."""
    app.connect("source-read", lambda app, page, source: source.__setitem__(0, prepared(page, source[0])))


def prepared(page: str, text: str) -> str:
    """A page as Sphinx needs it: with the navigation (index only), and without links that a site cannot follow."""
    text = _LINK.sub(lambda link: _followed(page, link), text)
    if page == "index":
        text += "".join(_toctree(caption, pages) for caption, pages in NAVIGATION.items() if pages)
    return text


def _followed(page: str, link: re.Match[str]) -> str:
    """The link; its text alone where it leads to a file of the repository that is not a page. A dead link stays, to be reported."""
    target = ((DOCS / page).parent / link[2]).resolve()
    outside = not target.is_relative_to(DOCS) and target.exists()
    pending = target.name in PENDING and not target.exists()
    return link[1] if outside or pending else link[0]


def _toctree(caption: str, pages: list[str]) -> str:
    there = "\n".join(page for page in pages if (DOCS / f"{page}.md").exists())
    return f"\n\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{there}\n```\n"
