"""The command starts fast: help and version import nothing heavy."""

import subprocess
import sys

import pytest

from exolink_reconcile.cli import commands
from exolink_reconcile.cli.help import Command

HEAVY = ("httpx", "pydantic", "ruamel.yaml", "deepdiff", "httpcore", "cheroot", "jsonschema", "sqlite3")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        ["-h"],
        ["plan", "--help"],
        ["apply", "--help"],
        ["emulate", "--help"],
        ["export", "--help"],
    ],
    ids=" ".join,
)
def test_nothing_heavy(arguments: list[str]) -> None:
    """Help and version of every command end well without httpx, pydantic, ruamel.yaml or deepdiff."""
    command = [sys.executable, "-X", "importtime", "-m", "exolink_reconcile", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "exolink_reconcile" in modules and [name for name in HEAVY if name in modules] == []
    assert "exolink-reconcile" in done.stdout


def test_help_of_the_group() -> None:
    """The list of commands says what each command says of itself."""
    for name, help in commands.COMMANDS.items():
        assert (commands.command(name).help or "").splitlines()[0] == help


def test_help_goes_through_the_console() -> None:
    """Every command is of the class whose help survives a full disk and shows its examples."""
    assert [name for name, command in commands.leaves() if not isinstance(command, Command)] == []
