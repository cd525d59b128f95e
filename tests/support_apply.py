"""The real apply command, again and again, in this process: over a world, with a journal in a folder, in made-up time."""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support_chargers import charger
from support_pipeline import CONTRACT_TEXT, contract_of, document, read_yaml
from world import Answer, Refusal, World

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

    def out(self, text: str, paint: object = None) -> None:
        self.lines.append(text)

    err = out


class Runs:
    """Runs of apply over one world and one state folder. `said` is what the last one printed, `result` how it went."""

    def __init__(self, folder: Path, world: World, contract_text: str = CONTRACT_TEXT) -> None:
        self.folder, self.world, self.contract_text = folder, world, contract_text
        self.clock = Clock()
        self.printed = ""
        self.result: Result | None = None
        self.plan: Plan | None = None
        self.dead = False
        self.stop = Stop()

    def apply(self, yaml: str, *, settle: float = WINDOW, **choices: Any) -> Exit | ReconcileError | None:
        """One process of the command: its exit code, the error it ended with, or None where it was killed."""
        console = Written()
        self.dead, self.result, self.plan = False, None, None
        fields: dict[str, Any] = {
            **dict.fromkeys(Options.__dataclass_fields__, None),
            "api_url": ORIGIN,
            "parallelism": 1,
            "timeout": 5.0,
            "paths": ("exolink.yaml",),
            "state": str(self.folder),
            "lock_timeout": 0.0,
            "settle": settle,
            **dict.fromkeys(("target", "exclude", "allow_replace", "allow_shrunk", "allow_unreachable"), ()),
        }
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
                self.printed = "".join(console.lines)

    def open(self) -> list[str]:
        """What is still open on record."""
        with contextlib.closing(Journal(self.folder, ORIGIN)) as journal:
            return [f"{op.action} {op.address}" for op in journal.open_intents()]

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


CPMS = {"url": "wss://h/", "interval": 30}


class Lenient(World):
    """A world that lets two chargers have one identity: a duplicate must be seen, not be refused."""

    def _create(self, tenant: str, kind: str, body: Any) -> Answer:
        try:
            return super()._create(tenant, kind, body)
        except Refusal as refusal:
            if refusal.status != 409:
                raise
        self._new_row(tenant, kind).update(body)
        return 201, {}, b""


def yaml(*names: str, **fields: Any) -> str:
    return document("acme", chargers=[charger(name, **fields) for name in names])


def names(world: World, kind: str = "charger") -> list[str]:
    return sorted(row["identity" if kind == "charger" else "displayName"] for row in world.live("acme", kind))


def lists(method: str, path: str, kind: str = "charger") -> bool:
    return method == "GET" and path.endswith(f"/{kind}")


def answers(world: World, method: str, *endings: Answer | str, kind: str = "/charger") -> list[int]:
    """Writes of a method end so, one after the other: "lost" and "lost, never came", or an answer instead. Then as usual."""
    remaining, count = list(endings), [0]

    def override(found: str, path: str) -> Answer | None:
        if found != method or kind not in path:
            return None
        count[0] += 1
        if remaining and remaining[0] == "lost, never came":
            remaining.pop(0)
            raise ConnectionError("reset")
        if remaining and not isinstance(remaining[0], str):
            return remaining.pop(0)  # type: ignore[return-value]  # the list holds answers only
        return None

    def alter(found: str, path: str, answer: Answer) -> Answer:
        if found == method and kind in path and remaining and remaining[0] == "lost":
            remaining.pop(0)
            raise ConnectionError("reset")
        return answer

    world.override, world.alter = override, alter
    return count


def rows_of(answer: Answer) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(answer[2])
    return rows


def with_rows(answer: Answer, rows: list[dict[str, Any]]) -> Answer:
    return answer[0], answer[1], json.dumps(rows).encode()


def relist(world: World, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], kind: str = "charger") -> None:
    """What lists of a kind show is changed."""

    def alter(method: str, path: str, answer: Answer) -> Answer:
        return with_rows(answer, change(rows_of(answer))) if lists(method, path, kind) and answer[0] == 200 else answer

    world.alter = alter


def replace(name: str, interval: int) -> str:
    return document(
        "acme", policy={"allowReplace": [f"cpms/{name}"]}, cpms=[{"displayName": name, **CPMS, "interval": interval}]
    )


def killed_create(runs: Runs, world: World, *, after: bool = True) -> None:
    """A run that is killed right after its create arrived."""

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "POST":
            runs.kill()
        return answer

    world.alter = alter
    assert runs.apply(yaml("CP-1")) is None
    world.alter = None


def on_answer(world: World, method: str, act: Callable[[], object], *, lost: bool = False) -> None:
    """Something happens right after each write of a method took effect, before its answer comes, or instead of it."""

    def alter(found: str, path: str, answer: Answer) -> Answer:
        if found == method:
            act()
            if lost:
                raise ConnectionError("reset")
        return answer

    world.alter = alter
