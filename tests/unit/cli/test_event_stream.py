"""The events of an apply as lines: the last one is always the result, once."""

import json
from typing import Any

import pytest
from support_text import everything

from exolink_reconcile.cli.console import Console
from exolink_reconcile.cli.event_stream import EventStream, exit_code_of
from exolink_reconcile.cli.signals import Interrupted
from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import ApiDenied, Locked
from exolink_reconcile.model import Diagnostic, Outcome, Result, Status

PLAN = everything()
STEP = next(iter(PLAN.steps))


class Written(Console):
    """A console that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def out(self, text: str, paint: object = None) -> None:
        self.text += text


def stream(*, quiet: bool = False) -> tuple[EventStream, Written]:
    console = Written()
    return EventStream(console, quiet=quiet), console


def events(console: Written) -> list[dict[str, Any]]:
    return [json.loads(line) for line in console.text.splitlines()]


def test_the_result_is_the_last_line_and_there_is_one() -> None:
    """What a thread still has to say after the end is dropped, and so is a second end."""
    told, console = stream()
    told.version("1")
    told.end(Exit.DONE)
    told.answered(STEP)
    told.end(Exit.BUG)
    assert [(event["type"], event.get("exit_code")) for event in events(console)] == [("version", None), ("result", 0)]


def test_the_result_remembers_what_was_told() -> None:
    """Plan, outcomes, errors that came too late to stop anything: the end has all of them, however the run ends."""
    told, console = stream()
    told.plan(PLAN, "d1g")
    told.started(STEP)
    told.diagnostics([Diagnostic("W-EMPTY", "x", severity="warning"), Diagnostic("E-STORAGE", "the disk is full")])
    told.result(Result((Outcome(STEP, Status.UNKNOWN, "", "E-AMBIGUOUS", Exit.UNKNOWN),)), Exit.UNKNOWN)
    told.end(Exit.UNKNOWN)
    last = events(console)[-1]
    assert (
        last["digest"] == "d1g"
        and {"E-STORAGE", "E-AMBIGUOUS"} <= set(last["codes"])
        and "W-EMPTY" not in last["codes"]
    )
    assert last["unknown"] == [str(STEP.address)]


def test_the_text_format_has_its_own_words() -> None:
    """Quiet from the first line to the last."""
    events, console = stream(quiet=True)
    events.version("1")
    events.end(Exit.DONE)
    assert console.text == ""


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ApiDenied("E-DENIED", "x"), 10),
        (Locked("E-LOCKED", "x"), 8),
        (KeyboardInterrupt(), 130),
        (Interrupted(15), 143),
        (ValueError("x"), 1),
    ],
)
def test_the_last_event_has_the_exit_code_of_the_process(error: BaseException, exit_code: int) -> None:
    """A reader of the events need not ask the shell."""
    assert exit_code_of(error) == exit_code
