"""Where the time and the memory of a plan go, stage by stage: the real command, with timers put around its functions.

    python -m benchmarks.profile [CHARGERS] [--style plain|named] [--list same|percent|all] [--format FORMAT]

A stage's seconds are its own: what a stage inside of it took is not counted twice. Beside the wall clock stands processor
time, which other work on the machine does not stretch. The stages of reading the
list run in a thread; what the main thread waits for them is theirs. The peak is the process's at the end of the stage.
Timers cost about a microsecond a call, and stand around functions that run once for each file, list or plan, never
once for each charger. A function that is no longer there is named, and its time then shows up in the stage around it.
"""

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

_WAIT = "wait for what is read, beside the threads"
# (stage, module, function): the first word of the function may be a class. In the order of a plan.
_STAGES = (
    ("read the files, digest of the bytes", "desired.files", "read"),
    ("YAML events to documents", "desired.documents", "read"),
    ("  long plain lists, without the parser", "desired.plain_lists", "cut"),
    ("join tenants, the rest of desired state", "desired.desired_state", "build"),
    ("  defaults and names of profiles to values", "desired.desired_state", "_Builder._entry_values"),
    ("  validate entries", "desired.desired_state", "_Builder._validate"),
    ("  an entry and its place to `Declared`", "desired.desired_state", "_Builder._entries"),
    ("  names and removed entries, checked", "desired.checks", "check"),
    ("places of problems", "desired.problems", "Problems.diagnostics"),
    ("the contract", "pipeline", "read_contract"),
    ("desired state against the contract", "contract", "check"),
    ("targets", "planning.choices", "check_choices"),
    ("the client", "live.connection", "connect"),
    ("the memory of earlier runs", "state.journal", "peek"),
    (_WAIT, "live.live_state", "read"),
    ("  tenant (thread)", "live.live_state", "_read_tenant"),
    ("  receive lists (thread)", "live.api", "Api.list"),
    ("  validate lists, rows, ids (thread)", "live.live_state", "_checked_rows"),
    ("  a field given twice? (thread)", "live.live_state", "_says_twice"),
    ("compare", "planning.differ", "diff"),
    ("  rows by key", "planning.differ", "_by_key"),
    ("  rows that nobody declares", "planning.differ", "_rest"),
    ("decide", "planning.planner", "plan"),
    ("digest", "planning.digest", "of_each"),
    ("the plan as JSON", "saved_plan.writer", "plan"),
    ("the plan as text", "report.text", "render"),
    ("print", "cli.console", "Console.out"),
)


class Timers:
    """Seconds and processor seconds by stage, each its own; and the peak when it last ended."""

    def __init__(self) -> None:
        self.own: dict[str, float] = {}
        self.processor: dict[str, float] = {}
        self.peak: dict[str, float] = {}
        self.missing: list[str] = []
        self.in_threads = 0.0
        self._inside = threading.local()
        self._main = threading.get_ident()

    def wrap(self, stage: str, module_name: str, path: str) -> None:
        """Put a timer around a function, wherever it was imported to by name as well."""
        module = import_module(f"exolink_reconcile.{module_name}")
        owner_path, _, name = path.rpartition(".")
        owner = getattr(module, owner_path, None) if owner_path else module
        function = getattr(owner, name, None)
        if function is None:
            self.missing.append(f"{module_name}.{path}")
            return
        setattr(owner, name, self._timed(stage, function))

    def _timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            below = self._stack()
            below.append((0.0, 0.0))
            began, began_processor = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                took, used = time.perf_counter() - began, time.thread_time() - began_processor
                wall, processor = below.pop()
                self.own[stage] = self.own.get(stage, 0.0) + took - wall
                self.processor[stage] = self.processor.get(stage, 0.0) + used - processor
                self.peak[stage] = peak()
                if below:
                    below[-1] = (below[-1][0] + took, below[-1][1] + used)
                elif threading.get_ident() != self._main:
                    self.in_threads = max(self.in_threads, took)

        return timed

    def _stack(self) -> list[tuple[float, float]]:
        if not hasattr(self._inside, "below"):
            self._inside.below = []
        stack: list[tuple[float, float]] = self._inside.below
        return stack


def peak() -> float:
    """MiB of this process at its largest so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(began: float, report: str, arguments: list[str]) -> None:
    """Run the command in this process, as its front door does; write what was found to `report`."""
    import gc

    from exolink_reconcile.cli import commands

    gc.disable()
    first = ("interpreter, click, these timers", time.time() - began, time.process_time(), peak())
    importing = time.perf_counter()
    for module in ("pipeline", "report.text", "saved_plan.writer"):
        import_module(f"exolink_reconcile.{module}")
    second = ("imports, models", time.perf_counter() - importing, time.process_time() - first[2], peak())
    timers = Timers()
    for stage in _STAGES:
        timers.wrap(*stage)
    running, running_processor = time.perf_counter(), time.process_time()
    code = commands.exit_code(arguments)
    whole, whole_processor = time.perf_counter() - running, time.process_time() - running_processor
    timers.own[_WAIT] = max(0.0, timers.own.get(_WAIT, 0.0) - timers.in_threads)
    own, processor = timers.own, timers.processor
    rows = [first, second]
    rows += [
        (name, own[name], processor.get(name, 0.0), timers.peak[name]) for name, _, _ in _STAGES if name in processor
    ]
    rows.append(("everything else", whole - sum(own.values()), whole_processor - sum(processor.values()), peak()))
    Path(report).write_text(
        json.dumps(
            {"rows": rows, "missing": timers.missing, "ended": time.time(), "used": time.process_time(), "code": code}
        )
    )
    sys.exit(code)  # the end of the process, teardown included, is measured by the parent


def main() -> int:
    """Profile one plan in a process of its own and print the table."""
    from benchmarks import fleet, measuring

    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description="Where the time of a plan goes.")
    parser.add_argument("chargers", nargs="?", type=int, default=100_000)
    parser.add_argument("--style", choices=fleet.STYLES, default="plain")
    parser.add_argument("--list", choices=("same", "percent", "all"), default="percent")
    parser.add_argument("--format", default="text")
    options = parser.parse_args()
    folder = fleet.ensure(options.chargers, options.style)
    measuring.compile_all(*map(Path, ("exolink_reconcile", "benchmarks", ".venv/lib")))
    report, output = fleet.CACHE / "profile.json", fleet.CACHE / "profile.txt"
    with measuring.api(charger=folder / f"{options.list}.json") as api, output.open("wb") as out:
        arguments = ["plan", str(folder / "exolink.yaml"), "--api-url", api.url, "--format", options.format]
        command = [sys.executable, "-m", "benchmarks.profile", "--child", repr(time.time()), str(report), *arguments]
        process = subprocess.Popen(command, stdout=out, env=measuring.environment({}))
        _, _, used = os.wait4(process.pid, 0)
        ended = time.time()
    found = json.loads(report.read_text())
    processor = used.ru_utime + used.ru_stime
    rows = [
        *found["rows"],
        ("end of the process", ended - found["ended"], processor - found["used"], used.ru_maxrss / 1024),
    ]
    total = sum(row[1] for row in rows)
    print(f"{'stage':46} {'seconds':>8} {'share':>6} {'processor':>10} {'share':>6} {'peak MiB':>9}")
    for name, seconds, busy, mebibytes in rows:
        print(f"{name:46} {seconds:8.3f} {seconds / total:6.1%} {busy:10.3f} {busy / processor:6.1%} {mebibytes:9.0f}")
    print(f"{'all':46} {total:8.3f} {'':6} {processor:10.3f} {'':6} {used.ru_maxrss / 1024:9.0f}")
    for name in found["missing"]:
        print(f"not there any more: {name}; see _STAGES in benchmarks/profile.py")
    return int(found["code"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(float(sys.argv[2]), sys.argv[3], sys.argv[4:])
    sys.exit(main())
