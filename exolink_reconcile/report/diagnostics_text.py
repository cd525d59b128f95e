"""Diagnostics to text: the place, the code, the sentence, and what to do; on a terminal also the line of the file."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, chain

from exolink_reconcile.inert import inert
from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.report.lines import broken

_RED, _YELLOW, _BOLD, _DIM = "1;31", "1;33", "1", "2"
_TOKEN = re.compile(r"""\"(?:[^\"\\]|\\.)*\"?|'[^']*'?|[^\s,:{}\[\]#][^\s,{}\[\]]*|\S""")
# A password may hold anything: what stands between `://` and the last `@` of the line may be one.
_URL = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]{0,19}://)(?P<rest>(?:.*@)?[^\s\"',}]*)")
_BEFORE_AT = re.compile(r"[^\s\"'{}]+@")  # in a URL that lacks its beginning
_QUERY = re.compile(r"\?[^\s\"',}=]*=[^\s\"',}]*")
_SECRETS = re.compile("|".join(pattern.pattern for pattern in (_URL, _BEFORE_AT, _QUERY)))
_LONGEST = 400  # characters of a source line that are read


@dataclass(frozen=True, slots=True)
class Look:
    """How to show diagnostics. `line_at` gives the line of a place, if the file can still be read."""

    width: int | None = None  # None: no line is broken
    colours: bool = False
    line_at: Callable[[Source], str | None] = lambda source: None


def diagnostics(findings: Iterable[Diagnostic], look: Look | None = None) -> str:
    """One line a diagnostic: place, severity, code, sentence; then the line of the file, and what to do."""
    look = look or Look()
    lines: list[str] = []
    for diagnostic in findings:
        lines += _head(diagnostic, look)
        lines += _excerpt(diagnostic.source, look)
        if diagnostic.detail:
            lines += _wrapped(f"    {inert(diagnostic.detail)}", look, "    ")
    return "".join(f"{line}\n" for line in lines)


def _head(diagnostic: Diagnostic, look: Look) -> list[str]:
    place = f"{inert(str(diagnostic.source))}: " if diagnostic.source else ""
    first, *continued = _wrapped(
        f"{place}{diagnostic.severity}: {diagnostic.code}: {inert(diagnostic.summary)}", look, "  "
    )
    colour = _RED if diagnostic.severity == "error" else _YELLOW
    mark = f"{diagnostic.severity}: {diagnostic.code}:"
    if look.colours and first.startswith(f"{place}{mark}"):
        first = f"{_painted(place, _BOLD)}{_painted(mark, colour)}{first[len(place) + len(mark) :]}"
    return [first, *continued]


def _excerpt(source: Source | None, look: Look) -> Iterator[str]:
    """The line of a place, with the place underlined. What may be a secret is masked."""
    line = look.line_at(source) if source is not None else None
    if source is None or not line or source.column > min(len(line), _LONGEST):
        return
    line = line[:_LONGEST]
    start, end = _marked(line, source.column - 1)
    before, marked, after = line[:start], line[start:end], line[end:]
    before, marked, after = (inert(_masked(part)) for part in (before, marked, after))
    number = str(source.line)
    if look.width is not None:
        before, marked, after = _in_view(before, marked, after, look.width - len(number) - len("   | "))
    yield f"  {_dim(f'{number} |', look)} {before}{marked}{after}"
    underline = "^" * max(1, _columns(marked))
    yield f"  {' ' * len(number)} {_dim('|', look)} {' ' * _columns(before)}{_painted(underline, _RED) if look.colours else underline}"


def _marked(line: str, at: int) -> tuple[int, int]:
    """The span to underline. Within a URL it is the whole URL, because a secret that is cut in half is not recognized."""
    match = _TOKEN.match(line, at)
    start, end = at, at + len(match.group().rstrip(":")) if match else at
    for url in chain(*(pattern.finditer(line) for pattern in (_URL, _BEFORE_AT, _QUERY))):
        if url.start() <= at < url.end():
            start, end = min(start, url.start()), max(end, url.end())
    return start, end


def _in_view(before: str, marked: str, after: str, room: int) -> tuple[str, str, str]:
    """The three parts of a line, cut to `room` columns around the marked one; `…` stands where something was cut."""
    if _columns(before + marked + after) <= room:
        return before, marked, after
    marked = _cut(marked, room - 2)
    kept = max(room // 3, room - 2 - _columns(marked + after))  # columns for the text before the mark
    if _columns(before + marked) > room - 1:
        kept = min(kept, room - 2 - _columns(marked))
        before = f"…{_cut(before[::-1], kept, mark='')[::-1]}"
    return before, marked, _cut(after, room - _columns(before + marked))


def _cut(text: str, room: int, *, mark: str = "…") -> str:
    """The beginning of `text` that fits into `room` columns, with a mark for the rest."""
    if _columns(text) <= room:
        return text
    ends = accumulate(map(_columns, text))
    return text[: sum(end <= room - len(mark) for end in ends)] + mark


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


def _masked(text: str) -> str:
    """`text` with each URL reduced to its scheme and host: everything else in it may be secret."""
    return _SECRETS.sub(_without_secret, text)


def _without_secret(match: re.Match[str]) -> str:
    if match["scheme"]:
        return f"{match['scheme']}{_host(match['rest'])}"
    return "?***" if match[0].startswith("?") else "***@"


def _host(rest: str) -> str:
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    _user, at, host = authority.rpartition("@")
    path = rest[len(authority) :]
    if (not at and "@" in rest) or not re.fullmatch(r"(\[[0-9A-Fa-f:.]*\]|[^:\[\]]*)(:[0-9]*)?", host):
        return "***"  # where the password ends is not certain
    return f"{'***@' if at else ''}{host}{'/***' if len(path) > 1 else path}"


def _wrapped(text: str, look: Look, indent: str) -> list[str]:
    if look.width is None or len(text) <= look.width:
        return [text]
    first = text[: len(text) - len(text.lstrip())]
    return broken(text[len(first) :], look.width, first=first, later=indent)


def _painted(text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if text else text


def _dim(text: str, look: Look) -> str:
    return _painted(text, _DIM) if look.colours else text
