"""An apply to JSON lines, in the shape of `terraform apply -json`, with a final result on every ending."""

import json
from collections.abc import Mapping
from typing import Any

from exolink_reconcile.errors import InputError, ReconcileError
from exolink_reconcile.model import Action, Outcome, Plan, Result, Status, Step
from exolink_reconcile.report.plan_json import resource_address
from exolink_reconcile.report.validation_json import diagnostic
from exolink_reconcile.resource import Address

_ACTIONS = {Action.CREATE: "create", Action.UPDATE: "update", Action.REPLACE: "replace", Action.DELETE: "delete"}


def line(kind: str, message: str, level: str = "info", **more: Any) -> str:
    """One event. No time: the runner stamps its log lines, and the same run gives the same lines."""
    event = {"@level": level, "@message": message, "@module": "exolink-reconcile", "type": kind, **more}
    return json.dumps(event, ensure_ascii=True) + "\n"


def version(number: str) -> str:
    """The first line."""
    return line("version", f"exolink-reconcile {number}", ui="1.2", exolink_reconcile=number)


def plan(plan: Plan, digest: str) -> str:
    """One line for each step, then the counts and the digest."""
    lines = [
        line(
            "planned_change",
            f"{step.address}: Plan to {_ACTIONS[step.action]}",
            change={"resource": _resource(step.address), "action": _ACTIONS[step.action]},
        )
        for step in plan.steps
    ]
    add, change, remove = plan.counts
    changes = {"add": add, "change": change, "import": 0, "remove": remove, "operation": "plan"}
    said = f"Plan: {add} to add, {change} to change, {remove} to destroy."
    held = [{"address": str(each.address), "reason": each.reason} for each in plan.held_back]
    return "".join([*lines, line("change_summary", said, changes=changes, digest=digest, held_back=held)])


def started(step: Step) -> str:
    """A write was answered."""
    return line("apply_progress", f"{step.address}: sent", hook=_hook(step))


def result(result: Result) -> str:
    """One line for each outcome, then what is left."""
    lines = [_outcome(outcome) for outcome in result.outcomes]
    for left in result.left:
        lines.append(
            line(
                "diagnostic",
                f"{left.address}: {left.detail}",
                "error",
                diagnostic={
                    "severity": "error",
                    "code": left.code,
                    "summary": f"{left.address}: {left.detail}",
                    "detail": "",
                },
            )
        )
    return "".join(lines)


def failure(error: ReconcileError) -> str:
    """What stopped the run, as diagnostics."""
    if isinstance(error, InputError):
        shown = [diagnostic(each) for each in error.diagnostics]
    else:
        shown = [{"severity": "error", "code": error.code, "summary": error.summary, "detail": ""}]
    return "".join(line("diagnostic", f"{each['code']}: {each['summary']}", "error", diagnostic=each) for each in shown)


def ending(totals: tuple[int, int, int], exit_code: int, counts: Mapping[str, int]) -> str:
    """The last line of every apply, whatever happened."""
    add, change, remove = totals
    changes = {"add": add, "change": change, "import": 0, "remove": remove, "operation": "apply"}
    word = "complete!" if exit_code == 0 else "incomplete."
    said = f"Apply {word} Resources: {add} added, {change} changed, {remove} destroyed."
    return line(
        "change_summary",
        said,
        "info" if exit_code == 0 else "error",
        changes=changes,
        outcomes=dict(counts),
        exit_code=exit_code,
    )


def _outcome(outcome: Outcome) -> str:
    step = outcome.step
    if outcome.status is Status.DONE:
        return line("apply_complete", f"{step.address}: {step.action.word} done", hook=_hook(step))
    said = f"{step.address}: {step.action.word} {outcome.status.value}: {outcome.detail}"
    more = {"status": outcome.status.value, "code": outcome.code}
    return line("apply_errored", said, "error", hook=_hook(step), **more)


def _hook(step: Step) -> dict[str, Any]:
    return {"resource": _resource(step.address), "action": _ACTIONS[step.action]}


def _resource(address: Address) -> dict[str, str]:
    return {
        "addr": resource_address(address),
        "resource_type": f"exolink_{address.kind}",
        "resource_name": address.tenant,
        "resource_key": address.name,
        "implied_provider": "exolink",
        "address": str(address),
    }
