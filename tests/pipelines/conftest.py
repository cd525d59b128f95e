"""A GitHub runner as far as ci/action.sh sees one: its environment, its files, a `gh`, and the installed tool."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "ci" / "action.sh"
QUICKSTART = (ROOT / "examples" / "quickstart" / "exolink.yaml").read_text("utf-8")
MARKER = "<!-- exolink-reconcile"

TOOL = """#!/bin/sh
exec {python} -m exolink_reconcile "$@"
"""
PYTHON = """#!/bin/sh
exec {python} "$@"
"""


@dataclass(frozen=True)
class Step:
    """What one step left behind."""

    code: int
    log: str
    summary: str
    outputs: dict[str, str]

    @property
    def commands(self) -> list[str]:
        """The lines that the runner takes for commands: `::` at the start of a line, `##[` anywhere, unless they are stopped."""
        found, fence = [], ""
        for line in self.log.splitlines():
            if fence:
                fence = "" if line == f"::{fence}::" else fence
            elif stopped := re.fullmatch(r"::stop-commands::([0-9a-f]{32})", line):
                fence = stopped[1]
            elif line.lstrip().startswith("::") or "##[" in line:
                found.append(line)
        assert not fence, "commands are still stopped at the end"
        return found


@dataclass
class Runner:
    """Calling it runs the action's script in the checkout, with these inputs."""

    folder: Path
    checkout: Path
    environment: dict[str, str]
    steps: list[Step] = field(default_factory=list)

    def inputs(self, **inputs: str) -> dict[str, str]:
        """The environment of the step; what it reads and writes is its own."""
        number = len(self.steps)
        files = {name: str(self.folder / f"{name}{number}") for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            Path(path).touch()
        names = {name if name.isupper() else f"ACTION_{name.upper()}": value for name, value in inputs.items()}
        return {**self.environment, **files, **names}

    def __call__(self, command: str, *, code: int = 0, script: Path = SCRIPT, **inputs: str) -> Step:
        environment = self.inputs(command=command, **inputs)
        done = subprocess.run(
            ["bash", str(script)],
            cwd=self.checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
        step = self.finished(done.returncode, done.stdout.decode(), environment)
        assert step.code == code, step.log + step.summary
        return step

    def finished(self, code: int, log: str, environment: Mapping[str, str]) -> Step:
        lines = Path(environment["GITHUB_OUTPUT"]).read_text().splitlines()
        assert all(re.fullmatch(r"[a-z-]+=.*", line) for line in lines), lines
        outputs = dict(line.split("=", 1) for line in lines)
        self.steps.append(Step(code, log, Path(environment["GITHUB_STEP_SUMMARY"]).read_text(), outputs))
        assert not list(self.folder.rglob("exolink.??????")), "the working folder, with the token, was not removed"
        return self.steps[-1]

    def write(self, text: str, name: str = "exolink.yaml") -> None:
        (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (self.checkout / name).write_text(text, "utf-8")

    @property
    def comments(self) -> list[dict[str, Any]]:
        store = self.folder / "comments.json"
        return json.loads(store.read_text()) if store.exists() else []

    @comments.setter
    def comments(self, comments: list[dict[str, Any]]) -> None:
        (self.folder / "comments.json").write_text(json.dumps(comments))

    @property
    def calls(self) -> list[dict[str, Any]]:
        log = self.folder / "gh.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A runner on a pull request of the same repository, with the quickstart checked out and an empty emulator behind it."""
    bin, checkout, temp = tmp_path / "bin", tmp_path / "checkout", tmp_path / "temp"
    for folder in (bin, checkout, temp, tmp_path / "home"):
        folder.mkdir()
    (bin / "exolink-reconcile").write_text(TOOL.format(python=sys.executable))
    (bin / "python").write_text(PYTHON.format(python=sys.executable))
    shutil.copy(Path(__file__).with_name("gh.py"), bin / "gh")
    for program in bin.iterdir():
        program.chmod(0o755)
    environment = {
        "PATH": f"{bin}:{os.environ['PATH']}", "HOME": str(tmp_path / "home"), "RUNNER_TEMP": str(temp), "CI": "true",
        "ACTION_BIN": str(bin), "ACTION_API_URL": f"emulator:{tmp_path}/live.db", "ACTION_STATE": str(temp / "state"),
        "ACTION_COMMENT": "true", "ACTION_PR": "7", "ACTION_HEAD_SHA": "a" * 40, "ACTION_FORK": "false",
        "GITHUB_REPOSITORY": "acme/fleet", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "42",
        "ACTION_PAUSE": "0", "EXOLINK_SETTLE": "1", "GH_TOKEN": "gh-canary", "GH_STORE": str(tmp_path / "comments.json"), "GH_LOG": str(tmp_path / "gh.log"),
    }  # fmt: skip
    new_runner = Runner(tmp_path, checkout, environment)
    new_runner.write(QUICKSTART)
    return new_runner
