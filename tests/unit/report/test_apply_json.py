"""The events of an apply: Terraform's shapes, our own last one, and nothing in a name that a runner would obey."""

import json

import pytest
from support_text import everything

from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import ApiDenied, problem
from exolink_reconcile.model import Outcome, Plan, Result, Status
from exolink_reconcile.report import apply_json

PLAN: Plan = everything()
STEPS = tuple(PLAN.steps)


def outcome(number: int, status: Status, code: str = "", exit_code: Exit = Exit.DONE) -> Outcome:
    return Outcome(STEPS[number], status, "why", code, exit_code)


def test_a_plan_is_an_event_a_step_and_its_counts() -> None:
    """Every step is announced with Terraform's word; what is held back is in the summary, and never a step."""
    *steps, summary = apply_json.plan(PLAN, "d1g")
    planned = {event["change"]["resource"]["address"]: event["change"]["action"] for event in steps}
    assert planned == {
        "acme/cpms/Edit": "update",
        "acme/cpms/Make": "create",
        "acme/charger/CP-001": "create",
        "acme/cpms/Redo": "replace",
        "acme/cpms/Gone": "delete",
    }
    assert summary["changes"] == {"add": 3, "change": 1, "import": 0, "remove": 2, "operation": "plan"}
    assert summary["digest"] == "d1g" and [held["address"] for held in summary["held_back"]] == ["acme/cpms/Held"]


@pytest.mark.parametrize(
    ("status", "exit_code", "kind"),
    [
        (Status.DONE, Exit.DONE, "apply_complete"),
        (Status.DONE, Exit.INCOMPLETE, "apply_errored"),
        (Status.FAILED, Exit.INCOMPLETE, "apply_errored"),
        (Status.UNKNOWN, Exit.UNKNOWN, "apply_errored"),
        (Status.SKIPPED, Exit.INCOMPLETE, "apply_errored"),
    ],
)
def test_only_what_is_done_and_verified_is_complete(status: Status, exit_code: Exit, kind: str) -> None:
    """A write that was answered and not read back is not."""
    [event] = apply_json.result(Result((outcome(0, status, "E-X", exit_code),)), {id(STEPS[0]): 7})
    assert event["type"] == kind and event["hook"]["elapsed_seconds"] == 7
    assert ("code" in event) == (kind == "apply_errored")


def test_the_last_event_says_how_it_ended_whatever_happened() -> None:
    """Also where nothing began; with every code, and the addresses whose outcome nobody knows."""
    nothing = apply_json.ending(Exit.DENIED, plan=None, digest=None, result=None, error=ApiDenied("E-DENIED", "no"))
    assert (nothing["type"], nothing["exit_code"], nothing["codes"]) == ("result", 10, ["E-DENIED"])
    assert nothing["steps"] == dict.fromkeys(("done", "failed", "unknown", "skipped"), 0)
    result = Result((outcome(0, Status.UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN), outcome(1, Status.DONE)))
    event = apply_json.ending(
        Exit.UNKNOWN, plan=PLAN, digest="d", result=result, error=None, left_open=["acme/cpms/Old"], errors=["E-STORAGE"]
    )  # fmt: skip
    assert event["unknown"] == ["acme/cpms/Old", str(STEPS[0].address)]
    assert {"E-AMBIGUOUS", "E-STORAGE", PLAN.held_back[0].code} <= set(event["codes"])
    assert (event["steps"]["unknown"], event["steps"]["done"]) == (1, 1)


def test_a_bug_is_named_and_never_quoted() -> None:
    """The text of an unforeseen error may hold a token."""
    [event] = apply_json.failure(ValueError("Bearer hunter2"))
    assert event["diagnostic"]["code"] == "E-BUG" and "hunter2" not in json.dumps(event) and "ValueError" in str(event)
    assert [e["diagnostic"]["code"] for e in apply_json.failure(problem("E-USAGE", "x"))] == ["E-USAGE"]


def test_an_event_is_one_line_that_no_runner_obeys() -> None:
    """ASCII, the level and the sentence first, and a JSON reader gets the name as it is."""
    line = apply_json.text(
        {"@level": "info", "@message": "m", "@module": "x", "type": "t", "name": "##[x]\n::e::é"}, "now"
    )
    assert line.isascii() and line.count("\n") == 1 and "##" not in line and "::e" not in line
    loaded = json.loads(line)
    assert list(loaded)[:4] == ["@level", "@message", "@module", "@timestamp"] and loaded["name"] == "##[x]\n::e::é"
