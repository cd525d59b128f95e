"""Long lines are broken for a terminal: at spaces, and never where somebody copies something."""

import pytest

from exolink_reconcile.report.lines import broken, fitted


def test_a_line_that_fits_stays() -> None:
    """Short text has no line break added."""
    assert fitted("one two\nthree", 40) == "one two\nthree"


@pytest.mark.parametrize(
    "piece",
    ["/a/very/long/path/to/some/file.yaml:12:3", "https://example.com/a/long/address", "--allow-inferred", "`a b c d`"],
)
def test_what_is_copied_is_never_broken(piece: str) -> None:
    """A path, a URL, an option and text in backticks stay in one piece, whatever the width."""
    for width in range(12, 60):
        assert piece in "\n".join(broken(f"See {piece} for more of it.", width)) or len(piece) >= width


def test_a_command_stays_one_line() -> None:
    """A command is there to be pasted."""
    command = "  exolink-reconcile apply --plan plan.json --state /var/lib/exolink --lock-timeout 60"
    assert fitted(command, 40) == command
    assert fitted(f"X=1 {command.strip()}", 40) == f"X=1 {command.strip()}"


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        (
            "  --target    Only these addresses, as TENANT/KIND/NAME.",
            34,
            ["  --target    Only these", "              addresses, as", "              TENANT/KIND/NAME."],
        ),
        ("1. A step with quite a few words in it.", 20, ["1. A step with quite", "   a few words in", "   it."]),
        ("    Indented text that goes on and on", 24, ["    Indented text that", "      goes on and on"]),
    ],
)
def test_the_rest_goes_below_the_second_column(text: str, width: int, expected: list[str]) -> None:
    """A table of two columns, a numbered step and an indented sentence keep their shape."""
    assert fitted(text, width).split("\n") == expected
