"""Commands run in this process, in a folder of their own, against a world that is served, or the emulator."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support_cli import YAML, CommandResult, Run, in_process, leave_home
from world import World

TOKEN = "canary-4c1f"
Write = Callable[[str], None]


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command in an empty folder of its own."""
    leave_home(monkeypatch, tmp_path)
    return in_process(capsys)


@pytest.fixture
def run(bare: Run, tmp_path: Path) -> Run:
    """Run one command in a folder of its own, with a small configuration in it."""
    (tmp_path / "exolink.yaml").write_text(YAML, "utf-8")
    return bare


@dataclass(frozen=True)
class Commands:
    """Calling it runs a command; `world` is what the API has."""

    world: World
    url: str
    folder: Path
    run: Run

    def __call__(self, *arguments: str) -> CommandResult:
        return self.run(*arguments)


@pytest.fixture
def command(bare: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """Run commands against an empty tenant acme."""
    world = World(("acme",), TOKEN)
    with world.serve() as url:
        for name, value in {"TOKEN": TOKEN, "API_URL": url, "STATE": "state", "SETTLE": "0"}.items():
            monkeypatch.setenv(f"EXOLINK_{name}", value)
        yield Commands(world, url, tmp_path, bare)
