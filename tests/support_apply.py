"""The real apply command, again and again, in this process: over a world, with a journal in a folder, in made-up time."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support_pipeline import CONTRACT_TEXT, contract_of, read_yaml
from world import World

from exolink_reconcile.applying import applier
from exolink_reconcile.applying.settings import Settings
from exolink_reconcile.applying.waiting import Stop
from exolink_reconcile.cli.apply import Apply
from exolink_reconcile.cli.console import Console
from exolink_reconcile.cli.options import Options
from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import ReconcileError
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import Plan, Result
from exolink_reconcile.pipeline import Wanted
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.state.journal import Journal

ORIGIN = "http://127.0.0.1"
WINDOW = 90.0


class Killed(BaseException):
    """The process is gone: raised by a hook of the world, nothing handles it."""


class Clock:
    """Time that passes only when somebody sleeps. Stands in for the module `time`; `passed` is called after each sleep."""

    def __init__(self) -> None:
        import time

        self.now = 1_000.0
        self.passed: Callable[[], object] = lambda: None
        self.gmtime, self.strftime = time.gmtime, time.strftime

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.0)
        self.passed()


class Written(Console):
    """A console that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def out(self, text: str) -> None:
        self.lines.append(text)

    err = out


class Runs:
    """Runs of apply over one world and one state folder. `said` is what the last one printed, `result` how it went."""

    def __init__(self, folder: Path, world: World, contract_text: str = CONTRACT_TEXT) -> None:
        self.folder, self.world, self.contract_text = folder, world, contract_text
        self.clock = Clock()
        self.said = ""
        self.result: Result | None = None
        self.plan: Plan | None = None
        self.dead = False
        self.stop = Stop()

    def apply(self, yaml: str, *, settle: float = WINDOW, **choices: Any) -> Exit | ReconcileError | None:
        """One process of the command: its exit code, the error it ended with, or None where it was killed."""
        console = Written()
        self.dead, self.result, self.plan = False, None, None
        fields: dict[str, Any] = {
            **dict.fromkeys(Options.__dataclass_fields__, None), "api_url": ORIGIN, "parallelism": 1, "timeout": 5.0,
                "paths": ("exolink.yaml",), "state": str(self.folder), "lock_timeout": 0.0, "settle": settle,
                **dict.fromkeys(("target", "exclude", "allow_replace", "allow_shrunk", "allow_unreachable"), ()),
        }  # fmt: skip
        options = Options(**fields)
        chosen = Choices(**{"may_infer": True, **choices})

        def wanted(options: Options, console: Console, **kwargs: Any) -> Wanted:
            return Wanted(ORIGIN, read_yaml(yaml), contract_of(self.contract_text), self.contract_text, chosen)

        with contextlib.ExitStack() as patches:
            for target, new in (
                ("state.journal.time", self.clock),
                ("state.journal_rows.time", self.clock),
                ("cli.apply.Settings", functools.partial(Settings, sleep=self.clock.sleep, clock=self.clock.monotonic)),
                ("applying.applier.apply", functools.partial(self._applied, applier.apply)),
                ("cli.start.connected", self._connected),
                ("cli.start.wanted", wanted),
                ("cli.apply.Stop", self._stop),
                ("cli.apply.leave", lambda code: None),
            ):
                patches.enter_context(patch(f"exolink_reconcile.{target}", new, create=True))
            try:
                return Apply(console, True, None, None, "text").run(options, ())
            except Killed:
                return None
            except ReconcileError as error:
                console.err(f"error: {error.code}: {error.summary}")
                return error
            finally:
                self.said = "".join(console.lines)

    def open(self) -> list[str]:
        """What is still open on record."""
        with contextlib.closing(Journal(self.folder, ORIGIN)) as journal:
            return [f"{op.action} {op.address}" for op in journal.open_operations()]

    def kill(self) -> None:
        """End the process, from a hook of the world."""
        self.dead = True
        raise Killed

    def _stop(self) -> Stop:
        self.stop = Stop()
        return self.stop

    def _applied(self, apply: Any, plan: Plan, *rest: Any) -> Result:
        self.plan = plan
        self.result = apply(plan, *rest)
        return self.result

    @contextlib.contextmanager
    def _connected(self, *args: Any) -> Iterator[Api]:
        transport = self.world.transport
        with Api(ORIGIN, token=self.world.token, parallelism=1, transport=transport, sleep=self.clock.sleep) as api:
            try:
                yield api
            finally:
                api.pool.shutdown(wait=True, cancel_futures=True)
