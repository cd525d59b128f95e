"""Errors and warnings on stderr: with the line that they are about on a terminal, and what to do where a code knows it."""

from pathlib import Path

import pytest

from exolink_reconcile.cli import findings
from exolink_reconcile.cli.console import Console
from exolink_reconcile.errors import ApiSurprise, ApiUnreachable, PlanStale
from exolink_reconcile.model import Diagnostic, Source


def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stderr is a terminal of 200 columns without colours."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")


def test_a_pipe_gets_one_line_for_each(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A log and an editor get place, code and sentence, and no line of the file."""
    path = tmp_path / "a.yaml"
    path.write_text("tenant: acme\n", "utf-8")
    findings.tell([Diagnostic("E-X", "first", Source(str(path), 1, 9)), Diagnostic("E-Y", "second")], Console())
    assert capsys.readouterr().err == f"{path}:1:9: error: E-X: first\nerror: E-Y: second\n"


def test_a_terminal_gets_the_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The line of the file stands below the sentence, with the place marked."""
    terminal(monkeypatch)
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbftenant: acme\r\nnam: x\r\n")
    findings.tell([Diagnostic("E-X", "first", Source(str(path), 2, 1))], Console())
    assert "  2 | nam: x\n    | ^^^\n" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b""])
def test_a_file_that_cannot_be_read_again_costs_only_its_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    """A file that was deleted, is not text or has fewer lines now does not hide the problem itself."""
    terminal(monkeypatch)
    path = tmp_path / "a.yaml"
    if content is not None:
        path.write_bytes(content)
    findings.tell([Diagnostic("E-X", "first", Source(str(path), 2, 1))], Console())
    assert "E-X: first" in capsys.readouterr().err.replace("\n  ", " ")


def test_what_ends_a_command_ends_as_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """A stop after a sentence that lacks it, none after a question, and never two."""
    for summary, expected in (("it failed", "it failed.\n"), ("it failed.", "it failed.\n"), ("was it?", "was it?\n")):
        findings.failure(PlanStale("E-STALE", summary), Console())
        assert capsys.readouterr().err == f"error: E-STALE: {expected}"


def test_an_error_of_the_api_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of its code stands below it, unless its own sentence says what to do."""
    findings.failure(ApiUnreachable("E-UNREACHABLE", "no connection"), Console())
    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: E-UNREACHABLE: no connection." and second.startswith("    ") and second.strip()
    findings.failure(ApiSurprise("E-REDIRECT", "set --api-url", says_what_now=True), Console())
    assert capsys.readouterr().err == "error: E-REDIRECT: set --api-url.\n"
