"""The events of an apply to stdout as JSON lines: stamped, one at a time, and nothing after the final result."""

import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from exolink_reconcile.cli.console import Console
from exolink_reconcile.cli.signals import Interrupted
from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import ReconcileError
from exolink_reconcile.model import Diagnostic, Intent, Plan, Result, Step
from exolink_reconcile.report import apply_json


class EventStream:
    """The events of one apply. A quiet stream writes none: the text format has its own words.

    It remembers what happened, because the final result matters most if the run ends unexpectedly.
    """

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._over = quiet
        self._plan: Plan | None = None
        self._digest: str | None = None
        self._result: Result | None = None
        self._left_open: Sequence[str] = ()
        self._errors: list[str] = []
        self._began: dict[int, float] = {}
        self._took: dict[int, int] = {}

    def version(self, number: str) -> None:
        """The first line."""
        self._say([apply_json.version(number)])

    def diagnostics(self, findings: Iterable[Diagnostic]) -> None:
        """Warnings that stop nothing, and errors that came too late to stop anything."""
        diagnostics = tuple(findings)
        self._errors += [diagnostic.code for diagnostic in diagnostics if diagnostic.severity == "error"]
        self._say(apply_json.diagnostics(diagnostics))

    def plan(self, plan: Plan, digest: str) -> None:
        """The planned steps."""
        self._plan, self._digest = plan, digest
        self._say(apply_json.plan(plan, digest))

    def started(self, step: Step) -> None:
        """A write is about to be sent; called from several threads."""
        self._began[id(step)] = time.monotonic()
        self._say([apply_json.started(step)])

    def answered(self, step: Step) -> None:
        """A write was answered; called from several threads."""
        self._took[id(step)] = int(time.monotonic() - self._began.get(id(step), time.monotonic()))
        self._say([apply_json.answered(step, self._took[id(step)])])

    def result(self, result: Result, exit_code: Exit) -> None:
        """The outcome of each step, and the counts."""
        self._result = result
        self._say(apply_json.result(result, self._took))
        self._say([apply_json.summary(result, complete=exit_code is Exit.DONE)])

    def left_open(self, intents: Sequence[Intent]) -> None:
        """Writes of earlier runs stay open."""
        self._left_open = [str(intent.address) for intent in intents]

    def end(self, exit_code: Exit, error: BaseException | None = None) -> None:
        """The last line. Later events, from a thread that still waits for an answer, are dropped."""
        if error is not None:
            self._say(apply_json.failure(error))
        ending = apply_json.ending(
            exit_code,
            plan=self._plan,
            digest=self._digest,
            result=self._result,
            error=error,
            left_open=self._left_open,
            errors=self._errors,
        )
        with self._lock:
            if not self._over:
                self._over = True
                self._console.out(apply_json.text(ending, _now()))

    def _say(self, events: Iterable[apply_json.Event]) -> None:
        with self._lock:
            if not self._over:
                self._console.out("".join(apply_json.text(event, _now()) for event in events))


def exit_code_of(error: BaseException) -> Exit:
    """The exit code of a run that ends with this error."""
    match error:
        case ReconcileError():
            return error.exit_code
        case Interrupted():
            return Exit.of_signal(error.signal)
        case KeyboardInterrupt():
            return Exit.INTERRUPTED
    return Exit.BUG


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
