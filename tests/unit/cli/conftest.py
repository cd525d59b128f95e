"""Commands run in this process, in a folder of their own, against a world that is served, or the emulator."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support_cli import YAML, Run
from world import World

from exolink_reconcile.cli import commands
from exolink_reconcile.cli.console import CONSOLE

TOKEN = "canary-4c1f"


@dataclass(frozen=True)
class CommandResult:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Commands:
    """Calling it runs a command; `world` is what the API has."""

    world: World
    url: str
    folder: Path
    _capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> CommandResult:
        CONSOLE._gone.clear()
        self._capture.readouterr()
        code = commands.exit_code(arguments)
        captured = self._capture.readouterr()
        return CommandResult(int(code), captured.out, captured.err)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Commands]:
    """Run commands against an empty tenant acme."""
    for name in [name for name in os.environ if name.startswith("EXOLINK_") or name in ("CI", "GITHUB_ACTIONS")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    world = World(("acme",), TOKEN)
    with world.serve() as url:
        for name, value in {"TOKEN": TOKEN, "API_URL": url, "STATE": "state", "SETTLE": "0"}.items():
            monkeypatch.setenv(f"EXOLINK_{name}", value)
        yield Commands(world, url, tmp_path, capsys)


Write = Callable[[str], None]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command in a folder of its own; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("EXOLINK_") or name in ("CI", "GITHUB_ACTIONS")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "exolink.yaml").write_text(YAML, "utf-8")
    CONSOLE._gone.clear()

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = commands.exit_code(arguments)
        captured = capsys.readouterr()
        return int(code), captured.out, captured.err

    return call
