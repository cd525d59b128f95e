"""What is wrong and where, to diagnostics with their places, in the order of files and lines."""

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Literal, NamedTuple

from exolink_reconcile.desired import places
from exolink_reconcile.desired.nodes import File, Node
from exolink_reconcile.desired.places import Places
from exolink_reconcile.desired.repeats import Repeats
from exolink_reconcile.inert import HOSTILE, MARKS_IN_A_ROW
from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.references import Unresolved

MOST = 1_000  # diagnostics in all
_MOST_KEPT = 10_000  # before they are sorted
_FEW = 20  # known names in a hint
_LONGEST = 64  # characters of a word that may be a misspelt one
_COMPARISONS = 20_000  # of words, in all


class Spot(NamedTuple):
    """A place whose line is still to be found: a mapping, a key in it, the value of the key, or an item of that list."""

    node: Node
    key: str | None = None
    part: Literal["key", "value"] | int = "key"


def at_key(node: Node, key: str) -> Spot:
    """The spot of a key."""
    return Spot(node, key)


def at_value(node: Node, key: str) -> Spot:
    """The spot of the value of a key."""
    return Spot(node, key, "value")


def at_item(node: Node, key: str, index: int) -> Spot:
    """The spot of an item of the list that is the value of a key."""
    return Spot(node, key, index)


class Located(NamedTuple):
    """Places of spots, by file."""

    places: Mapping[File, Mapping[tuple[int, int], Mapping[str, Places]]]

    def source(self, spot: Spot) -> Source:
        """The place of a spot; the place of its mapping if the spot itself was not found."""
        node, key, part = spot
        place = (node.line, node.column)
        places_of_key = self.places.get(node.file, {}).get(place, {}).get(key or "")
        if places_of_key is not None:
            place = places_of_key.key if part == "key" else places_of_key.value
            if isinstance(part, int) and part < len(places_of_key.items):
                place = places_of_key.items[part]
        return Source(node.file.path, *place)


def find(spots: Iterable[Spot]) -> Located:
    """The places of spots: one more walk over each file that has any."""
    wanted: dict[File, set[tuple[int, int]]] = defaultdict(set)
    for node, key, _ in spots:
        if key is not None:
            wanted[node.file].add((node.line, node.column))
    return Located({file: places.of_file(file, marks) for file, marks in wanted.items()})


class _Problem(NamedTuple):
    diagnostic: Diagnostic
    spot: Spot | None
    also: Spot | None
    missing: tuple[Source, str] | None


class Problems:
    """The problems so far."""

    def __init__(self) -> None:
        self._problems: list[_Problem] = []
        self._repeats = Repeats()
        self._misspelt: set[tuple[Source, str]] = set()
        self._comparisons = _COMPARISONS
        self.more = 0  # problems that were not kept, because nobody reads so many

    def error(self, code: str, at: Spot | Source, summary: str, detail: str = "", *, also: Spot | None = None) -> None:
        """Note an error. `also` is a second place, which the summary ends with."""
        self._add(Diagnostic(code, summary, None, detail), at, also)

    def warn(self, code: str, at: Spot | Source, summary: str, detail: str = "") -> None:
        """Note a warning."""
        self._add(Diagnostic(code, summary, None, detail, "warning"), at)

    def missing(self, node: Node, key: str, summary: str, detail: str = "") -> None:
        """Note that a mapping lacks a key, unless a misspelt key explains it."""
        self._add(Diagnostic("E-REQUIRED", summary, None, detail), Spot(node), missing=(node.source, key))

    def unknown(self, node: Node, key: str, summary: str, known_keys: Collection[str]) -> None:
        """Note an unknown key, with a hint at the key that may be meant."""
        meant, hint = self._nearest(key, known_keys)
        if meant:
            self._misspelt.add((node.source, meant))
        self._add(Diagnostic("E-UNKNOWN-KEY", summary, None, hint), at_key(node, key))

    def needs(self, value: object, spot: Spot) -> None:
        """Note the variables that a value needs and that are not set."""
        for name in value.missing if isinstance(value, Unresolved) else ():
            self.error(
                "E-ENV", spot, f"the environment variable {name} is not set, or empty", "Set it, then run again."
            )

    def nearest(self, word: str, candidates: Collection[str]) -> str:
        """A hint that names the nearest known word, or some of them."""
        return self._nearest(word, candidates)[1]

    def _nearest(self, word: str, candidates: Collection[str]) -> tuple[str | None, str]:
        if self._comparisons >= len(candidates) and len(word) <= _LONGEST:
            self._comparisons -= len(candidates)
            return nearest(word, candidates)
        return None, _known(candidates)

    def _add(
        self,
        diagnostic: Diagnostic,
        at: Spot | Source,
        also: Spot | None = None,
        missing: tuple[Source, str] | None = None,
    ) -> None:
        spot = at if isinstance(at, Spot) else None
        source = None if isinstance(at, Spot) else at
        path = at.node.file.path if isinstance(at, Spot) else at.path
        if not self._repeats.is_news(path, diagnostic.code, diagnostic.summary):
            return
        if len(self._problems) >= _MOST_KEPT:
            self.more += 1
            return
        self._problems.append(_Problem(replace(diagnostic, source=source), spot, also, missing))

    def diagnostics(self) -> list[Diagnostic]:
        """The problems with their places, without those that another problem explains."""
        problems = [
            problem for problem in self._problems if problem.missing is None or problem.missing not in self._misspelt
        ]
        located = find(spot for problem in problems for spot in (problem.spot, problem.also) if spot is not None)
        placed = [
            replace(problem.diagnostic, source=located.source(problem.spot)) if problem.spot else problem.diagnostic
            for problem in problems
        ]
        return [
            replace(diagnostic, summary=f"{diagnostic.summary}: also at {located.source(problem.also)}")
            if problem.also is not None and diagnostic.summary == problem.diagnostic.summary
            else diagnostic
            for problem, diagnostic in zip(problems, self._repeats.merged(placed), strict=True)
        ]


def in_order(diagnostics: Iterable[Diagnostic], more: int = 0) -> list[Diagnostic]:
    """Each diagnostic once, in the order of files, lines and columns; of very many the first, and a count of the rest.

    An unknown key is left out where another problem of the same key explains it.
    """
    once = dict.fromkeys(diagnostics)
    wrong = {
        diagnostic.source for diagnostic in once if diagnostic.code in ("E-MERGE", "E-NULL", "E-ENV", "E-DUPLICATE-KEY")
    }
    ordered = sorted(
        (diagnostic for diagnostic in once if diagnostic.code != "E-UNKNOWN-KEY" or diagnostic.source not in wrong),
        key=lambda diagnostic: (diagnostic.source or Source("", 0, 0), diagnostic.code == "E-REQUIRED"),
    )
    if len(ordered) <= MOST:
        return ordered
    errors_first = sorted(ordered, key=lambda diagnostic: diagnostic.severity != "error")
    kept = set(errors_first[:MOST])
    rest = errors_first[MOST]
    summary = f"and {len(ordered) - MOST + more} more problems"
    return [
        *(diagnostic for diagnostic in ordered if diagnostic in kept),
        Diagnostic(rest.code, summary, rest.source, "Fix these first.", rest.severity),
    ]


def nearest(word: str, candidates: Collection[str]) -> tuple[str | None, str]:
    """The nearest known word (None if none is near), and a hint that names it or some of the known words."""
    by_lower = {name.lower(): name for name in candidates if len(name) <= _LONGEST} if word else {}
    close = difflib.get_close_matches(word, by_lower.values(), n=1) or difflib.get_close_matches(
        word.lower(), by_lower, n=1
    )
    if not close:
        return None, _known(candidates)
    meant = by_lower[close[0].lower()]
    return meant, f"Did you mean `{meant}`?"


def _known(candidates: Collection[str]) -> str:
    """A hint that names the first of the known words; it looks at no more of them, however many there are."""
    names = [name for name in islice(candidates, _FEW) if len(name) <= _LONGEST]
    more = len(candidates) - len(names)
    if not names:
        return ""
    return f"Known here: {', '.join(names)}{f' and {more} more' if more else ''}."


def hostile(subject: str, bad: str | None) -> str:
    """Why a name or text is refused. `bad` is its hostile character; None for a blank text."""
    if bad is None:
        return f"{subject} is blank"
    if unicodedata.category(bad)[0] == "M" and not re.match(f"[{HOSTILE}]", bad):
        return f"{subject} has more than {MARKS_IN_A_ROW} combining marks in a row"
    return f"{subject} has a control, bidi or zero-width character: U+{ord(bad):04X}"
