"""A small configuration, the API that it is for, and what a command that runs in this process gives back."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exolink_reconcile.cli import commands
from exolink_reconcile.cli.console import CONSOLE

YAML = """\
tenant: acme
cpms:
  - {displayName: Primary backend, url: "wss://cpms.example.com/ocpp", interval: 60}
chargers:
  - {identity: CP-0001, displayName: Lobby left, profileId: 1}
"""

API = ("--api-url", "emulator:exolink.db", "--state", "state")


class CommandResult(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., CommandResult]


def in_process(capture: pytest.CaptureFixture[str]) -> Run:
    """What runs a command in this process, by its arguments."""

    def run(*arguments: str) -> CommandResult:
        CONSOLE._gone.clear()
        capture.readouterr()
        code = commands.exit_code(arguments)
        return CommandResult(int(code), *capture.readouterr())

    return run


def leave_home(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Work in this folder, which is the user's home too, with no option in the environment."""
    for name in [name for name in os.environ if name.startswith("EXOLINK_") or name in ("CI", "GITHUB_ACTIONS")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
