"""Modules and their tests to the mutants that no test notices: `make mutation`, or `python tests/mutation/run.py --help`.

The tests are collected once. For each mutant a fork of this process gets the mutated functions and runs the tests that
execute the mutated line, quickest first, until one fails. A mutant is killed by a failing test or by one that does not
end; what survives is compared with survivors.md, where each survivor stands with the reason why.
"""

import argparse
import ast
import gc
import inspect
import os
import pickle
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

import pytest
from hypothesis import Phase, settings

sys.path.insert(0, str(Path(__file__).parent))
from operators import Mutant, mutants

ROOT = Path(__file__).parents[2]
SURVIVORS = Path(__file__).parent / "survivors.md"
# What every module of the core is judged by; the others name tests of their own.
CORE = (
    "unit/planning", "unit/saved_plan/test_reader.py", "unit/report/test_text.py", "unit/applying/test_applier.py", "unit/state",
    "unit/live", "wire", "kinds", "fuzz/test_findings.py",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A module to make mistakes in: only in these functions, where some are named, judged by these tests of tests/."""

    tests: tuple[str, ...] = CORE
    functions: tuple[str, ...] = ()

    def judges(self, nodeid: str) -> bool:
        """Whether a test is one of those."""
        return any(nodeid.startswith(f"tests/{path}") for path in self.tests)


JUDGED = Target(
    (
        "unit/applying/test_judge_table.py",
        "unit/applying/test_judge.py::test_the_judge_in_short_histories",
        "unit/applying/test_applier.py",
        "unit/applying/test_knowledge.py",
        "unit/applying/test_lists.py",
        "unit/applying/test_outcomes.py",
        "unit/applying/test_premises.py",
        "unit/applying/test_recovery.py",
        "unit/applying/test_sender.py",
        "unit/applying/test_task.py",
        "unit/applying/test_verifying.py",
    )
)
SAVED_PLAN = Target(
    (
        "unit/saved_plan",
        "unit/planning/test_digest.py",
        "unit/planning/test_attribution.py",
        "golden/test_golden_plans.py::test_golden[pull_request.json]",
    )
)
# Of live/ what decides: which answer is data, what is sent again and when, what an answer or an exception means. Every test of
# the pipeline runs through the sender; those of wire/ are about it.
TARGETS: dict[str, Target] = {
    "planning.planner": Target(), "planning.choices": Target(), "planning.guardrails": Target(), "planning.differ": Target(),
    "planning.obstacles": Target(("unit/planning",)), "planning.notes": Target(("unit/planning",)), "planning.policies": Target(("unit/planning",)),
    "planning.renames": Target(("unit/planning",)),
    "state.journal": Target(),
    "live.api": Target(("wire", "unit/live"), ("Api.get", "Api.delete", "Api.hurry", "Api._read", "Api._write", "Api._send", "Api._renew", "Api._send_once", "Api._try_again")),
    "live.answers": Target(("unit/live",)),
    "live.pace": Target(("unit/live/test_pace.py",)),
    "state.lock": Target(("unit/state/test_lock.py",)),
    "desired.files": Target(("unit/desired/test_files.py",)),
    "desired.plain_lists": Target(("unit/desired/test_plain_lists.py",)),
    "saved_plan.reader": SAVED_PLAN, "saved_plan.review": SAVED_PLAN, "saved_plan.rows": SAVED_PLAN, "saved_plan.writer": SAVED_PLAN, "saved_plan.wave": SAVED_PLAN,
    "secret_url": Target(("unit/test_secret_url.py", "unit/desired/test_references.py")),
    "references": Target(("unit/desired/test_references.py",)),
    "applying.judge": JUDGED,
    "applying.knowledge": Target(
        ("unit/applying/test_knowledge.py", "unit/applying/test_judge_table.py", "unit/applying/test_outcomes.py")
    ),
    "applying.outcomes": Target(("unit/applying/test_outcomes.py",)),
}  # fmt: skip
KILLED, SURVIVED, TOO_LONG = 1, 0, 2


class Mutation:
    """The run loop of pytest, replaced: mutants instead of one run."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.scratch = Path(tempfile.mkdtemp(prefix="mutation-"))
        self.survivors: list[tuple[str, Mutant]] = []
        self.figures: dict[str, tuple[int, int]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        modules = {name: sys.modules[f"exolink_reconcile.{name}"] for name in self.options.modules}
        files = {str(module.__file__): name for name, module in modules.items()}
        sources = {name: Path(str(module.__file__)).read_text("utf-8") for name, module in modules.items()}
        start = time.monotonic()
        touched, seconds = self._baseline(session, files, list(modules.values()))
        show(f"# {len(session.items)} tests pass without any mutant, in {time.monotonic() - start:.0f} s")
        for name, module in modules.items():
            self._module(session, name, module, sources[name], touched, seconds)
        shutil.rmtree(self.scratch, ignore_errors=True)
        return True

    def _baseline(
        self, session: pytest.Session, files: dict[str, str], modules: list[ModuleType]
    ) -> tuple[Any, list[float]]:
        """By (module, line) the tests that execute it, and how long each test takes. Every test must pass."""
        answer = self.scratch / "baseline"
        gc.freeze()  # less to copy in each fork
        child = os.fork()
        if child == 0:
            self._own_folder(session)
            touched: dict[tuple[str, int], set[int]] = defaultdict(set)
            current = [0]

            def trace(frame: FrameType, event: str, arg: object) -> Any:
                name = files.get(frame.f_code.co_filename)
                if name is None:
                    return None
                touched[name, frame.f_lineno].add(current[0])
                return trace

            seconds = []
            for index, item in enumerate(session.items):
                current[0], start = index, time.monotonic()
                for function in (function for module in modules for function in vars(module).values()):
                    _forget(function)
                sys.settrace(trace)
                threading.settrace(trace)
                if not passes(item, None):
                    print(f"fails without any mutant: {item.nodeid}", file=sys.__stderr__)
                    os._exit(1)
                sys.settrace(None)
                seconds.append(time.monotonic() - start)
            answer.write_bytes(pickle.dumps((dict(touched), seconds)))
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            pytest.exit("the tests must pass first", returncode=1)
        measured: tuple[Any, list[float]] = pickle.loads(answer.read_bytes())
        return measured

    def _module(
        self, session: pytest.Session, name: str, module: ModuleType, source: str, touched: Any, seconds: list[float]
    ) -> None:
        wanted = TARGETS[name]
        chosen = [m for m in mutants(ast.parse(source)) if not wanted.functions or m.where in wanted.functions]
        if self.options.sample and len(chosen) > self.options.sample:
            chosen = sorted(random.Random(1).sample(chosen, self.options.sample), key=lambda mutant: mutant.number)
        running: dict[int, tuple[Mutant, float]] = {}
        killed = 0
        for index, mutant in enumerate([*chosen, *[None] * self.options.jobs]):
            while running and (mutant is None or len(running) >= self.options.jobs):
                pid, result = self._next(running)
                done, _ = running.pop(pid)
                killed += result != SURVIVED
                if result == SURVIVED:
                    self.survivors.append((name, done))
                    show(f"{name}:{done.line} {done.where}: {done.text}")
            if mutant is None:
                continue
            if index % 50 == 0:
                show(f"# {name} {index}/{len(chosen)}")
            tests = self._tests(name, mutant, touched)
            tests = [test for test in tests if wanted.judges(session.items[test].nodeid)]
            tests.sort(key=lambda test: seconds[test])
            limit = time.monotonic() + 10 + 5 * sum(seconds[test] for test in tests)
            child = os.fork()
            if child == 0:
                self._child(session, module, source, mutant, [(session.items[test], seconds[test]) for test in tests])
            running[child] = (mutant, limit)
        self.figures[name] = (len(chosen), killed)

    def _tests(self, name: str, mutant: Mutant, touched: Any) -> list[int]:
        """Those that execute the line; for what happens on import, those that execute anything of the module."""
        if mutant.lines:
            return list(set().union(*(touched.get((name, line), ()) for line in mutant.lines)))
        return list(set().union(*(tests for (module, _), tests in touched.items() if module == name)))

    def _next(self, running: dict[int, tuple[Mutant, float]]) -> tuple[int, int]:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid:
                return pid, SURVIVED if status == 0 else KILLED
            for child, (_, limit) in running.items():
                if time.monotonic() > limit:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    return child, TOO_LONG
            time.sleep(0.005)

    def _child(
        self,
        session: pytest.Session,
        module: ModuleType,
        source: str,
        mutant: Mutant,
        tests: list[tuple[pytest.Item, float]],
    ) -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))
        self._own_folder(session)
        try:
            tree = ast.parse(source)
            next(each for each in mutants(tree) if each.number == mutant.number).put()
            transplant(compile(ast.fix_missing_locations(tree), str(module.__file__), "exec"), module)
            for item, usual in tests:
                signal.alarm(int(5 + 5 * usual))  # a test that does not end is a test that fails
                if not passes(item, None):
                    os._exit(KILLED)
            os._exit(SURVIVED)
        except BaseException:
            os._exit(KILLED)

    def _own_folder(self, session: pytest.Session) -> None:
        """No two processes share a temporary folder."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        tempfile.tempdir = str(folder)
        session.config._tmp_path_factory._basetemp = folder  # type: ignore[attr-defined]  # pytest's own, to give each fork its folder
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def passes(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Whether one test passes, with all it sets up and tears down."""
    from _pytest.runner import runtestprotocol

    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=nextitem))


def transplant(code: Any, module: ModuleType) -> None:
    """Run the mutated module aside, and give its functions, defaults and plain constants to the one in use."""
    aside = ModuleType(module.__name__)
    aside.__file__ = module.__file__
    exec(code, vars(aside))
    for name, live in list(vars(module).items()):
        mutated = vars(aside).get(name)
        if inspect.isclass(live) and live.__module__ == module.__name__:
            for inner, function in vars(live).items():
                _give(function, vars(mutated).get(inner))
        elif isinstance(live, (int, float, str, tuple)) and not name.startswith("__"):
            setattr(module, name, mutated)
        elif isinstance(getattr(live, "__self__", live), re.Pattern):  # a pattern, or a method of one
            setattr(module, name, mutated)
        elif getattr(live, "__module__", None) == module.__name__:
            _give(live, mutated)


def _give(live: Any, mutated: Any) -> None:
    _forget(live)
    live, mutated = inspect.unwrap(getattr(live, "fget", live)), inspect.unwrap(getattr(mutated, "fget", mutated))
    if isinstance(live, FunctionType) and isinstance(mutated, FunctionType):
        live.__code__, live.__defaults__, live.__kwdefaults__ = (
            mutated.__code__,
            mutated.__defaults__,
            mutated.__kwdefaults__,
        )


def _forget(function: Any) -> None:
    """What a cache remembers hides whether a line is executed, and what a mutant of it answers."""
    if not inspect.isclass(function) and callable(clear := getattr(function, "cache_clear", None)):
        clear()


def show(text: str) -> None:
    os.write(2, f"{text}\n".encode())


def report(run: Mutation, *, write: bool) -> int:
    """Print the figures; rewrite survivors.md, or say which survivors have no reason there."""
    stands: dict[tuple[str, str], str] = {}
    for line in SURVIVORS.read_text("utf-8").splitlines() if SURVIVORS.exists() else ():
        if line.startswith("| `"):
            where, text, why = line.strip("| ").rsplit(" | ", 2)
            stands[where, text] = why
    survived = [(f"`{name}.{each.where}`", f"`{each.text}`".replace("|", "\\|")) for name, each in run.survivors]
    rows = {key: stands.get(key, "?") for key in survived}
    others = {
        key: why for key, why in stands.items() if not any(key[0].startswith(f"`{name}.") for name in run.figures)
    }
    if write:
        head = SURVIVORS.read_text("utf-8").partition("\n| where")[0] if SURVIVORS.exists() else "# Survivors\n"
        table = "".join(f"| {where} | {text} | {why} |\n" for (where, text), why in {**others, **rows}.items())
        SURVIVORS.write_text(f"{head}\n| where | mutation | why it survives |\n| --- | --- | --- |\n{table}", "utf-8")
    print(f"{'module':20}{'mutants':>8}{'killed':>8}{'survived':>9}{'killed':>8}")
    for name, (count, killed) in run.figures.items():
        print(f"{name:20}{count:8}{killed:8}{count - killed:9}{killed / max(count, 1):8.1%}")
    unexplained = sum(why == "?" for why in rows.values())
    print(f"{len(rows)} survivors, {unexplained} without a reason in {SURVIVORS.relative_to(ROOT)}")
    return int(unexplained > 0 or any(killed < 0.9 * count for count, killed in run.figures.values()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", default=list(TARGETS), help=", ".join(TARGETS))
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="at most N mutants of a module")
    parser.add_argument("--jobs", type=int, default=2, metavar="N")
    parser.add_argument("--write", action="store_true", help="rewrite survivors.md; the reasons in it are kept")
    options = parser.parse_args()
    settings.register_profile("mutation", derandomize=True, database=None, phases=[Phase.explicit, Phase.generate])
    settings.load_profile("mutation")
    run = Mutation(options)
    os.chdir(ROOT)
    paths = dict.fromkeys(path for name in options.modules for path in TARGETS[name].tests)
    code = pytest.main(
        ["-p", "no:cacheprovider", "-p", "no:warnings", *(f"tests/{path}" for path in paths)], plugins=[run]
    )
    return report(run, write=options.write) if code == 0 else int(code)


if __name__ == "__main__":
    sys.exit(main())
