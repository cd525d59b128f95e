"""What tells one finding from another between two runs."""

from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.report.fingerprints import fingerprints


def finding(line: int, code: str = "E-TYPE", summary: str = "`url` must be text", path: str = "a.yaml") -> Diagnostic:
    return Diagnostic(code, summary, Source(path, line, 3))


def test_a_finding_that_moves_keeps_its_fingerprint() -> None:
    """A line added above makes no new finding; another code, sentence or file does."""
    [before], [after] = fingerprints([finding(4)], str), fingerprints([finding(9)], str)
    assert before == after
    others = [finding(4, code="E-NAME"), finding(4, summary="`id` must be text"), finding(4, path="b.yaml")]
    assert before not in fingerprints(others, str)


def test_equal_findings_of_one_file_are_two() -> None:
    """Their order distinguishes them, so that one that is fixed leaves the other."""
    first, second = fingerprints([finding(4), finding(9)], str)
    assert first != second and [first] == fingerprints([finding(9)], str)
