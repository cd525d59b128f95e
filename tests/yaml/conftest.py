"""The command as a process, seen from outside: these tests know what users are promised and nothing of the code.

No `__init__.py` in this folder: a package called `yaml` would hide PyYAML from everybody whose tests import it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import command
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# Characters that must never reach a terminal from a user's file: C0 but newline, DEL, C1, bidi controls, zero-width.
HOSTILE = frozenset(
    [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) != "\n"]
    + list("\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
)


@dataclass(frozen=True)
class Diagnostic:
    """One entry of `diagnostics[]`, flattened."""

    severity: str
    file: str | None
    line: int | None
    column: int | None
    text: str


@dataclass(frozen=True)
class Result:
    """What a finished process left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def diagnostics(self) -> list[Diagnostic]:
        return [_flatten(entry) for entry in self.json["diagnostics"]]

    @property
    def errors(self) -> list[Diagnostic]:
        return [diagnostic for diagnostic in self.diagnostics if diagnostic.severity == "error"]

    @property
    def warnings(self) -> list[Diagnostic]:
        return [diagnostic for diagnostic in self.diagnostics if diagnostic.severity == "warning"]


def _flatten(entry: Mapping[str, Any]) -> Diagnostic:
    place = entry.get("range") or {}
    start = place.get("start") or {}
    text = f"{entry.get('summary') or ''}\n{entry.get('detail') or ''}"
    return Diagnostic(entry["severity"], place.get("filename"), start.get("line"), start.get("column"), text)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Result]:
    """`run("validate", "conf", cwd=…, env={…})`: a clean environment, and never a crash or a traceback."""
    home = tmp_path_factory.mktemp("home")

    def run_command(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 120) -> Result:
        clean = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = command.run(arguments, cwd=cwd, env={**clean, **(env or {})}, timeout=timeout)
        result = Result(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
        assert "Traceback" not in result.output, result.output[-4000:]
        assert result.exit_code not in (1, 2) and result.exit_code >= 0, (result.exit_code, result.output[-4000:])
        return result

    return run_command


@pytest.fixture(scope="session")
def validate(run: Callable[..., Result]) -> Callable[..., Result]:
    """`validate --format json` in `cwd`; its envelope is checked each time."""

    def validate_paths(*paths: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 120) -> Result:
        result = run("validate", *paths, "--format", "json", cwd=cwd, env=env, timeout=timeout)
        assert result.exit_code in (0, 3), (result.exit_code, result.stderr)
        report = result.json
        assert report["valid"] is (result.exit_code == 0)
        assert report["error_count"] == len(result.errors)
        assert report["warning_count"] == len(result.warnings)
        assert report["valid"] is (report["error_count"] == 0)
        return result

    return validate_paths


@pytest.fixture(scope="session")
def corpus(
    validate: Callable[..., Result], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Mapping[str, bytes]], Result]:
    """Writes `files` below a folder `corpus`, validates that folder once a topic, and remembers the result."""
    results: dict[str, Result | BaseException] = {}

    def validate_corpus(topic: str, files: Mapping[str, bytes]) -> Result:
        if topic not in results:
            folder = tmp_path_factory.mktemp("topic")
            for name, content in files.items():
                write(folder / "corpus" / name, content)
            try:
                results[topic] = validate("corpus", cwd=folder)
            except (AssertionError, ValueError, subprocess.TimeoutExpired) as crash:
                results[topic] = crash  # a crash is as final as a result: do not try it once a case
        result = results[topic]
        if isinstance(result, BaseException):
            raise AssertionError(f"the run over the topic {topic} gave no report") from result
        return result

    return validate_corpus


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """`folder({"conf/a.yaml": "tenant: acme"})` is a scratch folder with these files."""

    def make(files: Mapping[str, str | bytes]) -> Path:
        for name, content in files.items():
            write(tmp_path / name, content)
        return tmp_path

    return make


@pytest.fixture(scope="session")
def hostile() -> frozenset[str]:
    return HOSTILE


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY
