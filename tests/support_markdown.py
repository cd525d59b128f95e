"""A Markdown text as GitHub's own parser (cmark-gfm) renders it: its elements, its text in code and outside of it."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import cmarkgfm

EXTENSIONS = ["table", "strikethrough", "autolink", "tasklist"]


@dataclass
class Rendered:
    """`tags` opened, in order; `links` where they lead; `fences` the text of each code block; `prose` what stands outside of any code."""

    tags: list[str] = field(default_factory=list)
    fences: list[str] = field(default_factory=list)
    prose: str = ""
    comments: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    def marked(self, mark: str) -> list[str]:
        """The lines of the fences that begin with a mark, as they were before zero-width spaces were put in."""
        lines = "".join(self.fences).replace("\u200b", "").splitlines()
        return [line.removeprefix(f"{mark} ") for line in lines if line.startswith(f"{mark} ")]


def rendered(text: str) -> Rendered:
    # Raw HTML is let through, so that HTML which a name smuggled in would be seen.
    html = cmarkgfm.markdown_to_html_with_extensions(
        text, options=cmarkgfm.cmark.Options.CMARK_OPT_UNSAFE, extensions=EXTENSIONS
    )
    parser = _Parser()
    parser.feed(html)
    parser.close()
    parser.found.unbalanced += parser.open
    return parser.found


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found = Rendered()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.tags.append(tag)
        self.found.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in ("br", "hr", "img", "input"):
            self.open.append(tag)
        if tag == "pre":
            self.found.fences.append("")

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1:] == [tag]:
            self.open.pop()
        else:
            self.found.unbalanced.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.found.comments.append(data)

    def handle_data(self, data: str) -> None:
        if "pre" in self.open:
            self.found.fences[-1] += data
        elif "code" not in self.open:
            self.found.prose += data
