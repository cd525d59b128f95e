"""Diagnostics as people read them: place, code and sentence on one line, the line of the file, and what to do."""

import pytest

from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.report.diagnostics_text import Look, diagnostics

ERROR = Diagnostic("E-TYPE", "`interval` must be a whole number", Source("a.yaml", 3, 15), "Write 30.")


def shown(line: str, column: int, *, width: int = 80, colours: bool = False) -> list[str]:
    """The lines for a problem at a column of this line of a file."""
    diagnostic = Diagnostic("E-X", "wrong", Source("a.yaml", 7, column))
    return diagnostics([diagnostic], Look(width, colours, lambda source: line)).splitlines()


def test_a_diagnostic_is_one_line_and_its_advice() -> None:
    """An editor and a CI log find place, severity and code in one line; without a place it starts with the severity."""
    assert diagnostics([ERROR]) == "a.yaml:3:15: error: E-TYPE: `interval` must be a whole number\n    Write 30.\n"
    warning = Diagnostic("W-SECRET", "a password is written out", severity="warning")
    assert diagnostics([warning]) == "warning: W-SECRET: a password is written out\n"


def test_the_line_of_the_file_is_underlined_at_the_place() -> None:
    """The value that is wrong is underlined, as wide as it is."""
    assert shown("    interval: soon", 15)[1:] == ["  7 |     interval: soon", "    |               ^^^^"]
    assert shown('  name: "a b"  # x', 9)[2].endswith(" ^^^^^")


def test_what_takes_two_columns_is_underlined_in_two() -> None:
    """Wide characters before the place move its mark."""
    _, line, mark = shown("名: soon", 4)
    assert line == "  7 | 名: soon" and mark == "    |     ^^^^"


def test_a_place_that_is_not_there_shows_no_line() -> None:
    """Of a file that was edited meanwhile no other line is shown."""
    assert shown("short", 20) == ["a.yaml:7:20: error: E-X: wrong"]
    assert diagnostics([ERROR], Look(80)).count("\n") == 2


@pytest.mark.parametrize(
    "line",
    [
        "url: wss://u:hunter2@h/x",
        "url: wss://h/?key=hunter2",
        'url: "wss://u:hunter2@h"',
        "u:hunter2@h/ and more",
        "a: 'wss://h/?key=\\xhunter2' # b",
        "{url: wss://hunter2,34@h/x, interval: 60}",
        "{url: wss://u:471,hunter2@h/x}",
        "url: 'wss://u:471 \"hunter2@h'",
        "url: u:471,hunter2@h",
    ],
)
def test_a_secret_in_the_line_is_masked(line: str) -> None:
    """Whatever is wrong with a line, and wherever: a place in the middle of a password does not show the rest of it."""
    for column in range(1, len(line)):
        text = "".join(shown(line, column)[1:])
        assert "hunter2" not in text and "471" not in text, column


def test_what_is_not_a_secret_stays_in_view() -> None:
    """Beside a URL with a password the rest of the line still tells where one is."""
    assert "{url: wss://***@h/***, intervall: 60}" in shown("{url: wss://u:1,2@h/x, intervall: 60}", 24)[1]


def test_a_long_line_is_cut_around_the_place() -> None:
    """The marked piece stays in view, however narrow the terminal is."""
    line = f"{'a' * 200} soon {'b' * 200}"
    for width in (60, 80, 120):
        _, excerpt, mark = shown(line, 202, width=width)
        assert "soon" in excerpt and "…" in excerpt and len(excerpt) <= width
        assert excerpt[mark.index("^") :].startswith("soon")


def test_nothing_of_the_line_steers_a_terminal() -> None:
    """Control characters of a file are escaped, in the sentence and in the line."""
    text = "\n".join(shown("a: \x1b[31mred\x07", 4))
    assert "\x1b" not in text and "\x07" not in text


def test_colours_change_nothing_but_the_looks() -> None:
    """Without its escapes the coloured text is the same: severity red, place bold, mark red."""
    import re

    plain, coloured = shown("a: soon", 4), shown("a: soon", 4, colours=True)
    assert "\x1b[1;31merror: E-X:\x1b[0m" in coloured[0]
    assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in coloured] == plain
