"""The command as a process beside a fault server, and what must hold after every single run."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import command
import pytest
from world import Row, World

from . import server as fs

TOKEN = "canary-5d1f0c7e-token"
PASSWORD = "pwcanary9e1b77"
SETTLE = 1.5
TIMEOUT = 1.0
LATE = 1.15  # a late commit: after the client gave up (TIMEOUT), before the settle window is over
NO_CHANGES = "No changes. Your infrastructure matches the configuration."
# What runs before the command where its state is a database: a lease of a minute would make each kill wait for one.
SHORT_LEASES = """
import sys
if "exolink_reconcile" in " ".join(sys.orig_argv):
    from exolink_reconcile.state import leases
    leases.LEASE, leases.HEARTBEAT, leases.MARGIN, leases._POLL = 3.0, 0.5, 0.5, 0.1
"""
NOTHING_WRITTEN = (3, 4, 6, 7)  # exit codes that promise it
REAL_TIME = 60


@dataclass(frozen=True)
class Ran:
    """What one process left behind."""

    args: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float
    log: list[fs.Exchange]
    peak: int = 0  # MiB

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def writes(self) -> list[fs.Exchange]:
        return [exchange for exchange in self.log if exchange.is_write]

    @property
    def lines(self) -> list[str]:
        return [exchange.line for exchange in self.log]

    @property
    def report(self) -> str:
        """Everything a person needs to see why a test failed."""
        requests = "\n".join(
            f"  #{e.index} {e.line} -> {e.status or '-'}{' committed' if e.committed else ''} {e.fault}"
            for e in self.log
        )
        output = f"--- out\n{self.out}\n--- err\n{self.err}\n--- requests\n{requests}"
        return f"{' '.join(self.args)}\nexit code {self.code} after {self.seconds:.1f} s\n{output}"


@dataclass
class Running:
    """A process that was started and has not been asked for its result yet."""

    bench: "Bench"
    args: tuple[str, ...]
    process: command.Process
    files: tuple[IO[bytes], IO[bytes]]
    began: float
    run: int
    peak: int = 0

    def signal(self, number: int) -> float:
        """Send a signal; gives the moment."""
        self.process.send_signal(number)
        return time.monotonic()

    def printed(self) -> str:
        """What it has printed so far."""
        return b"".join(Path(file.name).read_bytes() for file in self.files).decode("utf-8", "replace")

    def finish(self, timeout: float = REAL_TIME) -> Ran:
        ends = time.monotonic() + timeout
        while (code := self.process.poll()) is None:
            if time.monotonic() > ends:
                self.process.kill()
                self.process.wait()
                pytest.fail(f"still running after {timeout} s: {self._ran(-99).report}")
            self._sample()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.02)
        return self._ran(code)

    def _sample(self) -> None:
        with contextlib.suppress(OSError, ValueError, StopIteration):
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            peak = next(line for line in lines if line.startswith("VmHWM"))
            self.peak = max(self.peak, int(peak.split()[1]) // 1024)

    def _ran(self, code: int) -> Ran:
        out, err = (Path(file.name).read_bytes() for file in self.files)
        self.bench.outputs |= {f"{self.run} stdout": out, f"{self.run} stderr": err}
        return Ran(
            self.args,
            code,
            out.decode("utf-8", "replace"),
            err.decode("utf-8", "replace"),
            time.monotonic() - self.began,
            self.bench.server.of_run(self.run),
            self.peak,
        )


@dataclass
class Bench:
    """A folder, a world behind a fault server, and the command. Everything it runs is judged."""

    folder: Path
    server: fs.FaultServer
    may_delete: set[int] = field(default_factory=set)
    outputs: dict[str, bytes] = field(default_factory=dict)
    settle: float = SETTLE
    timeout: float = TIMEOUT
    state_url: str = ""  # of a database, instead of a folder
    variables: dict[str, str] = field(default_factory=dict)  # for every run

    @property
    def world(self) -> World:
        return self.server.world

    @property
    def state(self) -> Path:
        return self.folder / "state"

    # --------------------------------------------------------------------------------------------------------- files

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).lstrip("\n").encode())
        return path

    def patch(self, code: str) -> dict[str, str]:
        """An environment in which this code runs before the command does: a fault inside the process."""
        self.write("patch/sitecustomize.py", code)
        return {"PYTHONPATH": os.pathsep.join(filter(None, [str(self.folder / "patch"), os.environ.get("PYTHONPATH")]))}

    # ----------------------------------------------------------------------------------------------------- processes

    def start(
        self,
        *args: str,
        env: Mapping[str, str | None] | None = None,
        bare: bool = False,
        wrap: Iterable[str] = (),
        preexec: Callable[[], Any] | None = None,
        stdout: IO[bytes] | int | None = None,
        stderr: IO[bytes] | int | None = None,
    ) -> Running:
        """Start the command; `wrap` goes before it (strace), `bare` adds no options."""
        files = tuple(tempfile.NamedTemporaryFile(dir=self.folder, prefix="said-") for _ in "oe")
        self.server.run += 1
        began = time.monotonic()
        process = command.start(
            args if bare else self.arguments(args),
            cwd=self.folder,
            env=self.environment(env),
            stdout=files[0] if stdout is None else stdout,
            stderr=files[1] if stderr is None else stderr,
            wrap=wrap,
            preexec=preexec,
        )
        self.server.victim = process
        return Running(self, args, process, (files[0], files[1]), began, self.server.run)

    def run(self, *args: str, code: int | Iterable[int] | None = None, **options: Any) -> Ran:
        """Run the command to its end. `code`: what it may exit with; None: anything but a bug."""
        __tracebackhide__ = True
        ran = self.start(*args, **options).finish()
        self.check(ran, code)
        return ran

    def apply(self, *args: str, code: int | Iterable[int] | None = 0, **options: Any) -> Ran:
        __tracebackhide__ = True
        return self.run("apply", "--auto-approve", *args, code=code, **options)

    def plan(self, *args: str, code: int | Iterable[int] | None = 0, **options: Any) -> Ran:
        __tracebackhide__ = True
        return self.run("plan", *args, code=code, **options)

    def converge(self, applies: int = 2) -> list[Ran]:
        """G2: without faults, at most two more applies lead to an empty plan."""
        __tracebackhide__ = True
        self.server.heal()
        runs: list[Ran] = []
        for _ in range(applies):
            runs.append(self.apply(code=None))
            if runs[-1].code == 0:
                break
            time.sleep(self.settle if runs[-1].code == 9 else 0)
        assert runs[-1].code == 0, "G2: no convergence\n" + "\n\n".join(ran.report for ran in runs)
        self.empty()
        return runs

    def empty(self) -> Ran:
        """Nothing is left to do, and the judges agree."""
        __tracebackhide__ = True
        plan = self.plan("--detailed-exitcode", code=None)
        assert plan.code == 0, f"G2: there is still something to do\n{plan.report}"
        self.judge()
        return plan

    def arguments(self, args: tuple[str, ...]) -> list[str]:
        added: list[str] = []
        if args[0] in ("plan", "apply", "export") and not {"--plan", "--api-url"} & set(args):
            added += ["--api-url", self.server.url]
        if args[0] in ("plan", "apply", "unknowns") and "--state" not in args and not self.state_url:
            added += ["--state", str(self.state)]
        if args[0] == "apply" and self.state_url and "--lock-timeout" not in args:
            added += ["--lock-timeout", "30"]  # the lease of a run that was killed ends by itself
        if args[0] == "apply" and "--settle" not in args:
            added += ["--settle", str(self.settle)]
        if args[0] in ("plan", "apply") and "--timeout" not in args and "--plan" not in args:
            added += ["--timeout", str(self.timeout)]
        return [*args, *added]

    def environment(self, extra: Mapping[str, str | None] | None = None) -> dict[str, str]:
        clean: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "EXOLINK_TOKEN": TOKEN,
            "BENCH_PASSWORD": PASSWORD,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.environ.get("PYTHONPATH"),  # another build of the command may be put to the test
            "EXOLINK_STATE": self.state_url or None,
            **self.variables,
        }
        if self.state_url:
            clean |= self.patch(SHORT_LEASES)
        return {name: value for name, value in {**clean, **(extra or {})}.items() if value is not None}

    # -------------------------------------------------------------------------------------------------------- judges

    def check(self, ran: Ran, code: int | Iterable[int] | None = None) -> None:
        """What holds for every run: no bug, no traceback, and an exit code that says what happened."""
        __tracebackhide__ = True
        codes = None if code is None else {code} if isinstance(code, int) else set(code)
        wrong = {
            "a bug in the tool": ran.code == 1,
            "a traceback": "Traceback (most recent call last)" in ran.text,
            "2 is for plan --detailed-exitcode": ran.code == 2 and "--detailed-exitcode" not in ran.args,
            f"{ran.code} promises that nothing was written": ran.code in NOTHING_WRITTEN and bool(ran.writes),
            f"expected exit code {code}": codes is not None and ran.code not in codes,
            "colour went into a pipe": "\x1b" in ran.text,
        }
        if True in wrong.values():
            pytest.fail("; ".join(name for name, is_wrong in wrong.items() if is_wrong) + f"\n{ran.report}")

    def judge(self) -> None:
        """G1, G3 and G9, from the server's log and everything that was written anywhere."""
        __tracebackhide__ = True
        self.server.settle()
        assert self.server.errors == []
        assert fs.duplicates(self.world) == [], "G1: more than one live object for a key"
        assert fs.deletes(self.server.log) <= self.may_delete, "G3: a DELETE that nobody planned"
        assert fs.misplaced_tokens(TOKEN, self.server.log) == [], "G9: the token outside its header"
        leaks = fs.token_leaks((TOKEN, PASSWORD), [self.folder], self.outputs)
        assert leaks == [], f"G9: a secret stands in {leaks}"

    def open_unknowns(self) -> str:
        return self.run("unknowns", code=0).out


# ------------------------------------------------------------------------------------------------- the plan of 12 steps

TWELVE = """
tenant: acme
profiles: {standard: 1, night: 2}
policy: {protect: ["charger/BYSTANDER"]}
cpms:
  - {displayName: Moved backend, url: "wss://moved.example.com/", interval: 30}
  - {displayName: New A, url: "wss://ops:${env:BENCH_PASSWORD}@a.example.com/?key=${env:BENCH_PASSWORD}", interval: 30}
  - {displayName: New B, url: "wss://b.example.com/", interval: 60}
chargers:
  - {identity: MOVED-1, profile: night}
  - {identity: CP-1, displayName: Bay 1, profile: standard}
  - {identity: CP-2, displayName: Bay 2, profile: standard}
  - {identity: CP-3, displayName: Bay 3, profile: standard}
  - {identity: CP-4, displayName: Bay 4, profile: standard}
  - {identity: CP-5, displayName: Bay 5, profile: standard}
  - {identity: CP-6, displayName: Bay 6, profile: standard}
removed:
  - {cpms: Old backend, reason: "contract ended, OPS-123"}
  - {charger: CP-99}
"""
BYSTANDERS = (("cpms", "Bystander"), ("charger", "BYSTANDER"))


def twelve(bench: Bench) -> Bench:
    """A world and a file between which lie 12 steps: 2 + 6 creates, 2 updates, 2 deletes; and two bystanders."""
    world = bench.world
    world.add("acme", "cpms", displayName="Moved backend", url="wss://before.example.com/", interval=30)
    world.add("acme", "cpms", displayName="Bystander", url="wss://bystander.example.com/", interval=10)
    world.add("acme", "cpms", displayName="Old backend", deletedAt="2025-01-01T00:00:00.000Z")  # and one long gone
    world.add("acme", "charger", identity="MOVED-1", displayName="By the door", profileId=1)
    world.add("acme", "charger", identity="BYSTANDER", displayName="Not ours", profileId=9)
    bench.may_delete = {
        world.add("acme", "cpms", displayName="Old backend", url="wss://old.example.com/", interval=30),
        world.add("acme", "charger", identity="CP-99", displayName="Broken", profileId=1),
    }
    bench.write("exolink.yaml", TWELVE)
    return bench


def bystanders(world: World) -> list[Row]:
    """G4: what must look the same afterwards."""
    return [world.row("acme", kind, name) for kind, name in BYSTANDERS]


def live_chargers(world: World, tenant: str = "acme") -> list[str]:
    return sorted(row["identity"] for row in world.live(tenant, "charger"))


def fleet(count: int, *, first: int = 1, tenant: str = "acme") -> str:
    """A document that declares so many chargers."""
    entries = "".join(
        f"  - {{identity: CP-{n:03}, displayName: Bay {n}, profileId: 1}}\n" for n in range(first, first + count)
    )
    return f"tenant: {tenant}\nchargers:\n{entries}"


# ---------------------------------------------------------------------------------------------------------------- time


def wait_for(condition: Callable[[], Any], timeout: float = 60) -> Any:
    """Until it is true, or the test fails."""
    __tracebackhide__ = True
    ends = time.monotonic() + timeout
    while time.monotonic() < ends:
        if result := condition():
            return result
        time.sleep(0.01)
    pytest.fail("what the test waited for did not happen")


def seldom(*values: Any) -> list[Any]:
    """Parameters for the long run only."""
    return [
        pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.long) for value in values
    ]


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


INTERRUPTS = {signal.SIGINT: 130, signal.SIGTERM: 143}
