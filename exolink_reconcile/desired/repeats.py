"""Equal problems of one file to the first few of them and a count: the rest says nothing new."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from exolink_reconcile.model import Diagnostic

FIRST = 20


class Repeats:
    """How often each problem of a file came."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def is_news(self, path: str, code: str, summary: str) -> bool:
        """Whether to keep this one: one of the first, or the one that will stand for the rest."""
        self._counts[path, code, summary] += 1
        return self._counts[path, code, summary] <= FIRST + 1

    def told(self, kept: Iterable[Diagnostic]) -> list[Diagnostic]:
        """What to say of those that were kept: the first ones as they are, of one more how many there are."""
        numbers: Counter[tuple[str, str, str]] = Counter()
        merged = []
        for diagnostic in kept:
            problem = (diagnostic.source.path if diagnostic.source else "", diagnostic.code, diagnostic.summary)
            numbers[problem] += 1
            more = self._counts[problem] - FIRST
            merged.append(
                diagnostic if numbers[problem] <= FIRST else replace(diagnostic, summary=f"and {more} more like it")
            )
        return merged
