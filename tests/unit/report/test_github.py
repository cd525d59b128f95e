"""Findings and failures as annotations of GitHub: the worst first, one line each, no more than it takes."""

from support_findings import BROKEN, found, same

from exolink_reconcile.errors import ApiDenied, InputError
from exolink_reconcile.report import github


def test_errors_come_first() -> None:
    """Errors are annotated before warnings, whatever their lines."""
    text = "tenant: acme\ncpms:\n  - {displayName: A, url: 'wss://u:p@h/'}\n  - {displayName: B, interval: x}\n"
    lines = github.diagnostics(found(text), same).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning"]


def test_what_stopped_a_run() -> None:
    """Any failure is an annotation; what the YAML did wrong is one on each line."""
    assert github.failure(ApiDenied("E-DENIED", "100% no\n::error::x"), same) == (
        "::error title=E-DENIED::100%25 no\\x0a\\x3a\\x3aerror\\x3a\\x3ax\n"
    )
    assert len(github.failure(InputError(found(BROKEN)), same).splitlines()) == 3


def test_a_long_message_is_cut() -> None:
    """GitHub takes 64 KiB a message; what is cut ends with a whole item, and says so."""
    for summary, end in (("name, " * 20_000, "name"), ("é" * 50_000, "é")):
        line = github.failure(ApiDenied("E-DENIED", summary), same)
        assert 50_000 < len(line.encode()) < 64 * 1024
        assert line.endswith(f"{end}%0A… the log of this step has all of it\n")
