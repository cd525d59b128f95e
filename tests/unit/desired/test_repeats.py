"""Equal problems of one file: the first twenty, then a count."""

from exolink_reconcile.desired.repeats import FIRST, Repeats
from exolink_reconcile.model import Diagnostic, Source


def test_the_rest_is_counted() -> None:
    """Of 30 equal problems 20 are shown, and one line stands for the other ten; another file counts anew."""
    repeats = Repeats()
    problems = [Diagnostic("E-TYPE", "`id` must be a whole number", Source("a.yaml", line, 1)) for line in range(1, 31)]
    kept = [problem for problem in problems if repeats.is_news("a.yaml", problem.code, problem.summary)]
    assert len(kept) == FIRST + 1
    summaries = [problem.summary for problem in repeats.merged(kept)]
    assert summaries[:FIRST] == ["`id` must be a whole number"] * FIRST and summaries[FIRST:] == ["and 10 more like it"]
    assert repeats.is_news("b.yaml", "E-TYPE", "`id` must be a whole number")
