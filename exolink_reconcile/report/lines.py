"""Prose to lines that fit a terminal."""

import re
import textwrap

_CODE = re.compile(r"`[^`]*`")
_LEFT_ALONE = re.compile(r"\s*(\S*=\S+ )*exolink-reconcile |.*[\x1b\r]")  # a command must stay one line to be copied
_HANGING = re.compile(r"\s*(?:\d+\. |\S+\s{2,})|\s*")  # a number or a first column, or the indent
KEPT = "\xa0"  # a space where a line must not break


def broken(text: str, width: int, *, first: str = "", later: str = "") -> list[str]:
    """The text in lines that fit, broken at spaces: never in a path, a URL, an option, or text in backticks.

    The first line begins with `first`, all others with `later`.
    """
    room = width - len(later)
    text = _CODE.sub(lambda code: code[0].replace(" ", KEPT) if len(code[0]) < room else code[0], text)
    lines = textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(KEPT, " ") for line in lines]


def fitted(text: str, width: int) -> str:
    """The text with its long lines broken; the rest of a line goes below its second column, or a little to the right."""
    return "\n".join("\n".join(_fitted(line, width)) for line in text.split("\n"))


def _fitted(line: str, width: int) -> list[str]:
    if len(line) <= width or _LEFT_ALONE.match(line):
        return [line]
    head = _HANGING.match(line)
    first = head[0] if head and len(head[0]) < width // 2 else ""
    later = " " * len(first) if first.strip() else f"{first}  "
    return broken(line[len(first) :], width, first=first, later=later)
