"""Diagnostics to text: the place, the word, the sentence, and what to do."""

from collections.abc import Iterable

from exolink_reconcile.inert import inert
from exolink_reconcile.model import Diagnostic


def diagnostics(found: Iterable[Diagnostic]) -> str:
    """One line a diagnostic: place, severity, word, sentence; then what to do."""
    lines = []
    for each in found:
        place = f"{inert(str(each.source))}: " if each.source else ""
        lines.append(f"{place}{each.severity}: {each.code}: {inert(each.summary)}")
        if each.detail:
            lines.append(f"    {inert(each.detail)}")
    return "".join(f"{line}\n" for line in lines)
