"""Commands to medians: each a fresh process, measured in turn with those it is compared to, its words checked."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

PYTHON = sys.executable
TOOL = str(Path(sys.executable).with_name("exolink-reconcile"))
TOKEN = {"EXOLINK_TOKEN": "bench", "NO_COLOR": "1", "PYTHONHASHSEED": "0"}


# Whoever sets it measures compilers: an installed tool has its bytecode, and so have its peers.
_NOT_PASSED_ON = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPROFILEIMPORTTIME")


class WrongAnswer(Exception):
    """A command did not do what it was measured for: its time means nothing."""


@dataclass(frozen=True)
class Command:
    """What to run. `check` sees the exit code, stdout and stderr, and is false where the command did something else.

    `before` runs ahead of each run, outside of the time; `after` gives a number to keep beside it (seconds of a part).
    """

    name: str
    arguments: Sequence[str]
    check: Callable[[int, str, str], bool] = lambda code, out, err: code == 0
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    before: Callable[[], object] = lambda: None
    after: Callable[[str], object] = lambda out: None
    read_output: bool = False


@dataclass
class Measured:
    """The runs of one command. Seconds and MiB; `kept` is what `after` gave for each."""

    name: str
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    kept: list[object] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(self.wall)

    @property
    def mebibytes(self) -> float:
        """The median peak."""
        return statistics.median(self.peak)

    @property
    def spread(self) -> str:
        """The least and the most, and how many."""
        return f"{min(self.wall):.3g}-{max(self.wall):.3g} s, n={len(self.wall)}"


def in_turn(commands: Sequence[Command], rounds: int, *, warm: bool = True) -> list[Measured]:
    """Run A, B, C, A, B, C … and keep every run; one more round ahead, which is thrown away, warms the caches."""
    found = [Measured(command.name) for command in commands]
    for number in range(-1 if warm else 0, rounds):
        for command, measured in zip(commands, found, strict=True):
            once(command, measured if number >= 0 else Measured(command.name))
    return found


def once(command: Command, measured: Measured) -> None:
    """Run a command and add what it took. The peak is that of the process itself, from the system's own books."""
    command.before()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            command.arguments,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=command.folder,
            env=environment(command.environment),
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said = [_said(each, whole=command.read_output) for each in (out, err)]
    if not command.check(process.returncode, *said):
        raise WrongAnswer(f"{command.name}: exit {process.returncode}\n{said[0][-600:]}\n{said[1][-600:]}")
    measured.wall.append(wall)
    measured.processor.append(used.ru_utime + used.ru_stime)
    measured.peak.append(used.ru_maxrss / 1024)
    measured.kept.append(command.after(said[0]))


def _said(file: IO[bytes], *, whole: bool) -> str:
    """What was printed; only its start and end where the whole may be large: children inherit the peak of this process."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if whole or size <= 8192:
        return file.read().decode("utf-8", "replace")
    start = file.read(4096)
    file.seek(size - 4096)
    return (start + b"\n...\n" + file.read()).decode("utf-8", "replace")


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """What a measured process gets: ours, without what would slow it down, a token, no colours."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    return {**kept, **TOKEN, **more}


def compile_all(*folders: Path) -> None:
    """Write the bytecode of everything below these folders, as an installer does."""
    there = [str(folder) for folder in folders if folder.exists()]
    subprocess.run([PYTHON, "-m", "compileall", "-q", "-j", "2", *there], check=False, stdout=subprocess.DEVNULL)


class Api:
    """A stand-in API in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def counts(self) -> dict[str, int]:
        """How often each `METHOD /path` was asked for."""
        return dict(json.loads(self._control("GET", "counts")))

    def window(self) -> float:
        """Seconds from the first write received to the last answer sent."""
        return float(json.loads(self._control("GET", "window")))

    def reset(self) -> None:
        """Forget what was asked; rows stay."""
        self._control("POST", "reset")

    def _control(self, method: str, what: str) -> bytes:
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/-/{what}", method=method)) as answer:
            body: bytes = answer.read()
        return body


@contextmanager
def api(latency_ms: float = 0, *, charger: Path | None = None, cpms: Path | None = None) -> Iterator[Api]:
    """A stand-in API that serves these lists, by kind."""
    arguments = [f"{kind}={path}" for kind, path in (("charger", charger), ("cpms", cpms)) if path]
    process = subprocess.Popen(
        [PYTHON, "-m", "benchmarks.server", str(latency_ms), *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        yield Api(process)
    finally:
        process.kill()
        process.wait()
