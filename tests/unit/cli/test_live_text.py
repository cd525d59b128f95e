"""What is live as text: the same for `export` and `init`, with its warnings."""

from pathlib import Path

import pytest
from support_chargers import charger

from .conftest import Commands

CHARGER = charger("CP-1")


@pytest.mark.parametrize(
    "arguments", [("export", "not/a/tenant"), ("export", "acme", "a b"), ("init", "--from-live", "a/b")]
)
def test_what_cannot_be_a_tenant_is_refused_unread(command: Commands, arguments: tuple[str, ...]) -> None:
    """Nothing is asked of the API for a name that cannot be a tenant's."""
    result = command(*arguments)
    assert result.code == 3 and "E-NAME" in result.err and command.world.log == []


def test_init_declares_what_export_shows(command: Commands) -> None:
    """One text, whichever command asks for it."""
    command.world.add("acme", "charger", **CHARGER)
    exported = command("export", "acme")
    assert command("init", "--from-live", "acme").code == 0
    assert Path("exolink.yaml").read_text("utf-8") == exported.out and "CP-1" in exported.out


@pytest.mark.parametrize("format", ["yaml", "csv"])
def test_what_the_text_cannot_say_is_a_warning(command: Commands, format: str) -> None:
    """A row that would not be valid is left out, in words on stderr; the text is the rest."""
    command.world.add("acme", "charger", **CHARGER)
    command.world.add("acme", "charger", **{**CHARGER, "identity": "CP-\x1b2"})
    result = command("export", "acme", "--format", format)
    assert result.code == 0 and "warning: " in result.err and "left out" in result.err
    assert "CP-1" in result.out and "\x1b" not in result.out + result.err
