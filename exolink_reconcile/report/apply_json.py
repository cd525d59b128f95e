"""An apply to events in the shape of `terraform apply -json`, with a final `result` on every ending.

Terraform's events, in its order: `version`, `planned_change` for each step, `change_summary` of the plan, our own `probe`
for each handshake of --probe, then `apply_start`, `apply_progress` (answered, not verified yet), `apply_complete` or
`apply_errored` for each step, `diagnostic` wherever something is wrong, and `change_summary` of the apply. The last one,
`result`, is our own: it is there even if nothing began, so that a reader who finds none knows that the process was killed.

An event is a value; `text` makes a line of it. The caller gives the time, because nothing here reads a clock.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import InputError, ReconcileError
from exolink_reconcile.inert import inert, json_without_commands
from exolink_reconcile.model import Diagnostic, Outcome, Plan, Result, Status, Step
from exolink_reconcile.report.validation_json import diagnostic
from exolink_reconcile.resource import Address
from exolink_reconcile.saved_plan.rows import resource_address

Event = dict[str, Any]


def text(event: Event, at: str) -> str:
    """One line. `at` is the time, RFC 3339.

    It is ASCII, so that no character of a name can hide or steer anything. Commands that a CI runner obeys anywhere in a line
    (`##vso[`, `::error`) are escaped: a JSON reader sees the same value, the runner sees nothing.
    """
    head = {name: event[name] for name in ("@level", "@message", "@module")}
    line = json.dumps({**head, "@timestamp": at, **event}, ensure_ascii=True)
    return json_without_commands(line) + "\n"


def version(number: str) -> Event:
    """The first event."""
    return _event("version", f"exolink-reconcile {number}", exolink_reconcile=number, ui="1.2")


def plan(plan: Plan, digest: str) -> Iterator[Event]:
    """One event for each step, then the counts with what is held back and the digest."""
    for step in plan.steps:
        planned = {"resource": _resource(step.address), "action": step.action.word}
        yield _event("planned_change", f"{step.address}: Plan to {step.action.word}", change=planned)
    add, change, remove = plan.counts
    sentence = f"Plan: {add} to add, {change} to change, {remove} to destroy."
    held = [
        {"address": str(held_back.address), "code": held_back.code, "reason": held_back.reason}
        for held_back in plan.held_back
    ]
    event = _event("change_summary", "", changes=_changes(plan.counts, "plan"), digest=digest, held_back=held)
    yield {**event, "@message": sentence}  # our own sentence: nothing in it comes from outside
    for probe in plan.probes or ():
        facts = {name: getattr(probe, name) for name in ("reachable", "status", "subprotocol", "reason")}
        level = "info" if probe.reachable else "warn"
        yield _event("probe", f"Probe: {probe}", level, probe={"address": str(probe.address), **facts})


def started(step: Step) -> Event:
    """A write is about to be sent."""
    return _event("apply_start", f"{step.address}: {step.action.word}", hook=_hook(step))


def answered(step: Step, seconds: int) -> Event:
    """A write was answered; its effect is read afterwards."""
    return _event("apply_progress", f"{step.address}: answered", hook=_hook(step, elapsed_seconds=seconds))


def result(result: Result, seconds: Mapping[int, int]) -> Iterator[Event]:
    """One event for each outcome, then the differences that the last read still found, and notes. `seconds` by `id(step)`."""
    for outcome in result.outcomes:
        yield _outcome(outcome, seconds.get(id(outcome.step), 0))
    for difference in result.left:
        yield _diagnostic(Diagnostic(difference.code, f"{difference.address}: {difference.detail}"))
    for note in result.notes:
        yield _event("log", note)


def summary(result: Result, *, complete: bool) -> Event:
    """Terraform's counts of what happened."""
    add, change, remove = result.totals
    sentence = f"Apply {'complete!' if complete else 'incomplete.'} Resources: {add} added, {change} changed, {remove} destroyed."
    return _event("change_summary", sentence, changes=_changes(result.totals, "apply"))


def failure(error: BaseException) -> Iterator[Event]:
    """What stopped the run, as diagnostics."""
    match error:
        case InputError():
            yield from diagnostics(error.diagnostics)
        case ReconcileError():
            yield _diagnostic(Diagnostic(error.code, error.summary, error.source))
        case Exception():  # its text may quote anything, so it is not shown
            yield _diagnostic(Diagnostic("E-BUG", f"this is a bug in exolink-reconcile: {type(error).__name__}"))
        case _:
            yield _diagnostic(Diagnostic("E-INTERRUPTED", "interrupted"))


def diagnostics(findings: Sequence[Diagnostic]) -> Iterator[Event]:
    """Errors and warnings, each with its place."""
    return (_diagnostic(finding) for finding in findings)


def ending(
    exit_code: Exit,
    *,
    plan: Plan | None,
    digest: str | None,
    result: Result | None,
    error: BaseException | None,
    left_open: Sequence[str] = (),
    errors: Sequence[str] = (),
) -> Event:
    """The last event of every apply: the exit code, and everything that it stands for.

    `left_open` are the addresses of earlier writes that this run leaves open, `errors` the codes of errors beside its steps.
    """
    outcomes = result.outcomes if result is not None else ()
    counted = Counter(outcome.status for outcome in outcomes)
    held = plan.held_back if plan is not None else ()
    totals = result.totals if result is not None else (0, 0, 0)
    unknown = [str(outcome.step.address) for outcome in outcomes if outcome.status is Status.UNKNOWN]
    return _event(
        "result",
        f"Apply ended: {exit_code.outcome} (exit code {exit_code:d}).",
        "info" if exit_code is Exit.DONE else "error",
        exit_code=exit_code,
        outcome=exit_code.outcome,
        changes=_changes(totals, "apply"),
        steps={status.value: counted[status] for status in Status},
        codes=sorted({*_codes(plan, result, error), *errors}),
        held_back=list(dict.fromkeys(str(item.address) for item in held)),
        unknown=list(dict.fromkeys([*left_open, *unknown])),
        digest=digest,
    )


def _codes(plan: Plan | None, result: Result | None, error: BaseException | None) -> list[str]:
    """The codes of everything that went wrong or was held back, each once, sorted."""
    codes = {held.code for held in plan.held_back} if plan is not None else set()
    if result is not None:
        codes |= {outcome.code for outcome in result.outcomes} | {difference.code for difference in result.left}
        codes |= {"E-GATE"} if result.gated else set()
    if error is not None:
        codes |= {str(event["diagnostic"]["code"]) for event in failure(error) if event["@level"] == "error"}
    return sorted(codes - {""})


def _outcome(outcome: Outcome, seconds: int) -> Event:
    step = outcome.step
    sentence = f"{step.address}: {step.action.word} {outcome.status.value}"
    if outcome.status is Status.DONE and not outcome.exit_code:
        new_id = {"id_key": "id", "id_value": str(outcome.made)} if outcome.made is not None else {}
        return _event("apply_complete", sentence, hook=_hook(step, **new_id, elapsed_seconds=seconds))
    hook = _hook(step, elapsed_seconds=seconds)
    more = {"status": outcome.status.value, "code": outcome.code, "detail": inert(outcome.detail)}
    return _event("apply_errored", f"{sentence}: {outcome.detail}", "error", hook=hook, **more)


def _diagnostic(finding: Diagnostic) -> Event:
    level = "error" if finding.severity == "error" else "warn"
    return _event("diagnostic", f"{finding.code}: {finding.summary}", level, diagnostic=diagnostic(finding))


def _event(kind: str, message: str, level: str = "info", **more: Any) -> Event:
    return {"@level": level, "@message": inert(message), "@module": "exolink-reconcile", "type": kind, **more}


def _changes(counts: tuple[int, int, int], operation: str) -> dict[str, Any]:
    add, change, remove = counts
    return {"add": add, "change": change, "import": 0, "remove": remove, "operation": operation}


def _hook(step: Step, **more: Any) -> dict[str, Any]:
    return {"resource": _resource(step.address), "action": step.action.word, **more}


def _resource(address: Address) -> dict[str, str]:
    """Terraform's names for an object, and our own `address`."""
    terraform_address = resource_address(address)
    return {
        "addr": terraform_address,
        "module": "",
        "resource": terraform_address,
        "implied_provider": "exolink",
        "resource_type": f"exolink_{address.kind}",
        "resource_name": address.tenant,
        "resource_key": address.name,
        "address": str(address),
    }
