"""Equal problems of one file to the first few of them and a count: the rest says nothing new."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from exolink_reconcile.model import Diagnostic

FIRST = 20


class Repeats:
    """Counts how often each problem of a file came up."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def is_news(self, path: str, code: str, summary: str) -> bool:
        """Count this problem. Whether to keep it: as one of the first, or to stand for the rest."""
        self._counts[path, code, summary] += 1
        return self._counts[path, code, summary] <= FIRST + 1

    def merged(self, kept: Iterable[Diagnostic]) -> list[Diagnostic]:
        """The kept problems: of equal ones the first as they are, and one more that counts the rest."""
        numbers: Counter[tuple[str, str, str]] = Counter()
        diagnostics = []
        for diagnostic in kept:
            problem = (diagnostic.source.path if diagnostic.source else "", diagnostic.code, diagnostic.summary)
            numbers[problem] += 1
            more = self._counts[problem] - FIRST
            diagnostics.append(
                diagnostic if numbers[problem] <= FIRST else replace(diagnostic, summary=f"and {more} more like it")
            )
        return diagnostics
