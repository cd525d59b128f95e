"""No page names a command or an option that does not exist."""

import re
from pathlib import Path

import click
import pytest

from exolink_reconcile.cli import commands

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
_LINE = re.compile(r"(?:\$ |`|^)exolink-reconcile ([a-z]+)\b([^`\n|#]*)", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_options_exist(page: Path) -> None:
    """What a reader copies from a page must not end as a usage error."""
    context = click.Context(commands.main)
    for name, arguments in _LINE.findall(page.read_text("utf-8")):
        command = commands.main.get_command(context, name)
        assert command is not None, name
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        if not isinstance(command, click.Group):
            assert set(re.findall(r"(?<=\s)--[a-z-]+", arguments)) <= options | {"--help"}, f"{name} {arguments}"
