"""Judgements to outcomes: what each step reports, and what that means for the steps after it."""

from collections.abc import Iterable, Mapping
from typing import Any

from exolink_reconcile.applying import judge
from exolink_reconcile.applying.judge import Judgement, Verdict
from exolink_reconcile.applying.knowledge import NOTHING, Answer, End, Knowledge, Verb
from exolink_reconcile.applying.task import Task
from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import ApiDenied, ApiError
from exolink_reconcile.model import Action, FieldChange, Outcome, Status, Step, remote_id
from exolink_reconcile.resource import Row, compared, fields, key, masked_like

# The API does not keep what is sent: every further write of the kind would go wrong in the same way.
NOT_KEPT = ("E-NORMALISED", "E-PUT-CLOBBERS")
_STILL_THERE = "the API said deleted, and still lists it"


# ------------------------------------------------------------------------------------------------------- before the write


def to_do(step: Step, live: Row) -> bool:
    """Whether an update would still change anything."""
    return any(getattr(live, name) != _after(step, name) for name in step.sends)


def moved(step: Step, live: Row) -> str:
    """How the object differs from what the plan saw, in the facts that the plan rests on; empty if it does not."""
    names = step.sends if step.action is Action.UPDATE else compared(step.kind)
    for name in (key(step.kind), *names):
        if getattr(step.before, name) != getattr(live, name):
            return f"{name} {_differ('was', _shown(step, step.before, name), 'is', _shown(step, live, name))}"
    return ""


# -------------------------------------------------------------------------------------------------------- after the write


def of(task: Task, window: float, raw_rows: Mapping[int, Mapping[str, Any]] = NOTHING) -> Outcome:
    """What really happened to a step, as far as we know. `raw_rows` are rows as the API answered them, by id."""
    step, knowledge = task.step, task.knowledge
    if task.already:
        return Outcome(step, Status.DONE, task.already)
    judgement = judge.judge(knowledge, window)
    match step.action:
        case Action.CREATE:
            return _made(task, judgement)
        case Action.UPDATE:
            return _updated(task, judgement, raw_rows)
        case Action.DELETE:
            return _deleted(task, judgement)
        case Action.REPLACE:
            deleted = _deleted(task, judgement)
            return deleted if deleted.status is not Status.DONE else _made(task, judgement, deleted.destroyed)


def unread(task: Task, error: ApiError) -> Outcome:
    """What happened to a step whose list could not be read: its answer is believed, but not called verified."""
    step, knowledge = task.step, task.knowledge
    verb = Verb.UPDATE if step.action is Action.UPDATE else Verb.CREATE if step.creates else Verb.DELETE
    if task.already:
        return _unverified(task, f"{task.already}, but could not be read back", error)
    if knowledge.answer(verb) is not Answer.YES:
        if knowledge.answer(Verb.DELETE) is Answer.YES:  # a replace: its first half is done
            return _not_read(_made(task, Judgement(Verdict.DONE, _unread_verdict(knowledge, verb)), 1), error)
        return _unknown(step, f"no clear answer: {knowledge.detail(verb)}; not read back: {error.summary}")
    return _unverified(
        task,
        "answered, but could not be read back",
        error,
        added=int(step.creates),
        changed=int(step.action is Action.UPDATE),
        destroyed=int(step.deletes),
    )


def _unread_verdict(knowledge: Knowledge, verb: Verb) -> Verdict:
    verdicts = {Answer.NOTHING: Verdict.NOT_SENT, Answer.REFUSED: Verdict.REFUSED}
    return verdicts.get(knowledge.answer(verb), Verdict.WAIT)


def _not_read(outcome: Outcome, error: ApiError) -> Outcome:
    detail = f"{outcome.detail}; not read back: {error.summary}"
    return Outcome(outcome.step, outcome.status, detail, outcome.code, outcome.exit_code, destroyed=outcome.destroyed)


def _unverified(
    task: Task, sentence: str, error: ApiError, *, added: int = 0, changed: int = 0, destroyed: int = 0
) -> Outcome:
    exit_code = Exit.DENIED if isinstance(error, ApiDenied) else Exit.INCOMPLETE
    detail = f"{sentence}: {error.summary}"
    return Outcome(task.step, Status.DONE, detail, "E-UNVERIFIED", exit_code, added, changed, destroyed)


def stops(task: Task, outcome: Outcome) -> tuple[str, str] | None:
    """Why the first write of a group makes more of them unsafe: a code and a sentence; None if it does not."""
    step = task.step
    if outcome.status is Status.DONE:
        return None
    if outcome.code in NOT_KEPT:
        return outcome.code, f"{step.address}: {outcome.detail}"
    if step.creates and outcome.code == "E-LIST-BLIND":
        return "E-LIST-BLIND", f"the first create, {step.address}, does not show up in the list"
    if step.creates:
        return "E-STOPPED", f"the first {step.action.word}, {step.address}, got no clear answer"
    return "E-STOPPED", f"the first {step.action.word}, {step.address}, shows no effect"


def words(fields: Iterable[FieldChange]) -> str:
    """How live differs from what is declared, in words."""
    return (
        "; ".join(f"{change.name} {_differ('is', change.before, 'not', change.after)}" for change in fields)
        or "still to do"
    )


# ------------------------------------------------------------------------------------------------------------ each action


def _made(task: Task, judgement: Judgement, destroyed: int = 0) -> Outcome:
    """What became of a create, or of the second half of a replace whose first half is done."""
    step, knowledge = task.step, task.knowledge
    answer, detail = knowledge.answer(Verb.CREATE), knowledge.detail(Verb.CREATE)
    half = step.deletes
    old = f"the old one (id {remote_id(step.before)}) is deleted; " if step.before is not None else ""
    match judgement.made:
        case Verdict.DONE:
            assert judgement.row is not None
            return Outcome(step, Status.DONE, added=1, destroyed=destroyed, made=remote_id(judgement.row))
        case Verdict.DIFFERENT:
            assert judgement.row is not None
            sentence = _stored(task, judgement.row)
            if answer is Answer.YES:
                code = _not_kept(task)
                new_id = remote_id(judgement.row)
                return Outcome(step, Status.FAILED, sentence, code, Exit.INCOMPLETE, 1, 0, destroyed, new_id)
            return _unknown(step, f"{old}no clear answer: {detail}; {sentence}", destroyed=destroyed)
        case Verdict.TWICE:
            ids = " and ".join(str(number) for number in sorted(knowledge.products))
            sentence = f"{old}live more than once now, as ids {ids}: another one was there that the plan did not see"
            if answer is Answer.YES:
                return Outcome(step, Status.FAILED, sentence, "E-DUPLICATE-LIVE", Exit.INCOMPLETE, 1, 0, destroyed)
            return _unknown(step, f"no clear answer: {detail}; {sentence}", destroyed=destroyed)
        case Verdict.NOT_SENT:
            code, reason = task.withheld or ("E-STOPPED", "it was stopped")
            return _half_done(task, f"the create was not sent: {reason}", code, destroyed)
        case Verdict.REFUSED:
            if half:
                return _half_done(task, detail, knowledge.code(Verb.CREATE), destroyed)
            return _refused(task, Verb.CREATE)
        case _ if answer is Answer.YES:
            sentence = f"{old}the API said created, but its list does not show it"
            return Outcome(step, Status.UNKNOWN, sentence, "E-LIST-BLIND", Exit.UNKNOWN, destroyed=destroyed)
        case _:
            create = "no clear answer to the create" if half else "no clear answer"
            return _unknown(step, f"{old}{create}: {detail}", destroyed=destroyed)


def _updated(task: Task, judgement: Judgement, raw_rows: Mapping[int, Mapping[str, Any]]) -> Outcome:
    step, knowledge, row = task.step, task.knowledge, judgement.row
    answered = knowledge.answer(Verb.UPDATE) is Answer.YES
    no_answer = f"no clear answer: {knowledge.detail(Verb.UPDATE)}"
    match judgement.made:
        case Verdict.DONE:
            cleared = _cleared(task, row, raw_rows.get(remote_id(row), NOTHING)) if row is not None else []
            if not cleared:
                return Outcome(step, Status.DONE, changed=1)
            sentence = "; ".join(
                f"{change.name} {_differ('was', change.before, 'is', change.after)}" for change in cleared
            )
            detail = f"the update changed what it did not send: {sentence}"
            return Outcome(step, Status.FAILED, detail, "E-PUT-CLOBBERS", Exit.INCOMPLETE, changed=1)
        case Verdict.DIFFERENT if row is not None:
            sentence = _stored(task, row)
            if not answered:
                return _unknown(step, f"{no_answer}; {sentence}")
            changed = int(not judge.as_before(knowledge, row))
            return Outcome(step, Status.FAILED, sentence, _not_kept(task), Exit.INCOMPLETE, changed=changed)
        case Verdict.VANISHED:
            detail = "the object is gone since: another hand deleted it"
            detail = f"answered, but {detail}" if answered else f"{no_answer}; {detail}"
            return Outcome(step, Status.FAILED, detail, "E-STALE", Exit.INCOMPLETE, changed=int(answered))
        case Verdict.REFUSED:
            return _refused(task, Verb.UPDATE)
        case _ if answered:
            detail = "answered, but no list shows it yet"
            return Outcome(step, Status.DONE, detail, "E-UNVERIFIED", Exit.INCOMPLETE, changed=1)
        case _:
            return _unknown(step, no_answer)


def _deleted(task: Task, judgement: Judgement) -> Outcome:
    """What became of a delete, or of the first half of a replace."""
    step, knowledge = task.step, task.knowledge
    match judgement.deleted:
        case Verdict.DONE:
            # An object that was gone before our delete was not destroyed by us.
            ours = any(attempt.end is not End.GONE for attempt in knowledge.effective(Verb.DELETE))
            return Outcome(step, Status.DONE, "" if ours else "already gone", destroyed=int(ours))
        case Verdict.REFUSED:
            return _refused(task, Verb.DELETE)
        case _:
            answered = knowledge.answer(Verb.DELETE) is Answer.YES
            detail = _STILL_THERE if answered else f"no clear answer: {knowledge.detail(Verb.DELETE)}"
            if step.creates and not answered:
                detail = f"no clear answer to the delete: {knowledge.detail(Verb.DELETE)}; nothing was created"
            return _unknown(step, detail, added=int(judgement.row is not None))


def _unknown(step: Step, detail: str, *, added: int = 0, destroyed: int = 0) -> Outcome:
    return Outcome(step, Status.UNKNOWN, detail, "E-AMBIGUOUS", Exit.UNKNOWN, added=added, destroyed=destroyed)


def _refused(task: Task, verb: Verb) -> Outcome:
    code = task.knowledge.code(verb)
    exit_code = Exit.DENIED if code == "E-DENIED" else Exit.INCOMPLETE
    return Outcome(task.step, Status.FAILED, task.knowledge.detail(verb) + _where(task.step), code, exit_code)


def _half_done(task: Task, reason: str, code: str, destroyed: int) -> Outcome:
    exit_code = Exit.DENIED if code == "E-DENIED" else Exit.INCOMPLETE
    detail = f"deleted, but not created again: {reason}{_where(task.step)}"
    return Outcome(task.step, Status.FAILED, detail, code, exit_code, destroyed=destroyed)


def _where(step: Step) -> str:
    return f" ({step.source})" if step.source else ""


def _not_kept(task: Task) -> str:
    """Who changed what was sent: the API, or another writer after us."""
    return "E-STALE" if task.written_since else "E-NORMALISED"


def _stored(task: Task, row: Row) -> str:
    """The sent fields that the API stored with another value, in words."""
    step, names = task.step, task.knowledge.write.differing(row)
    sentence = "; ".join(
        f"{name}: {_differ('sent', _after(step, name), 'stored', _shown(step, row, name))}" for name in names
    )
    if task.written_since:
        return f"{sentence}: another writer changed it since (updatedAt {task.written_since[:40]})"
    return f"{sentence}: the API does not keep it, or another writer changed it since"


def _shown(step: Step, row: Row | None, name: str) -> object:
    """A field of a live row, with its URL masked like a declared one."""
    if row is None:
        return None
    return getattr(masked_like(row, step.declared.resource) if step.declared else row, name)


def _after(step: Step, name: str) -> object:
    return getattr(step.declared.resource, name) if step.declared else None


def _cleared(task: Task, row: Row, raw_row: Mapping[str, Any]) -> list[FieldChange]:
    """What an update changed that it did not send.

    These are fields that had a value right before it and have none now. For the first update of a group, which is read back
    at once, they are also known fields with another value, and unknown fields (but neither what the device reports, nor
    flags). Later than that somebody else may have changed them.
    """
    step, checked = task.step, task.knowledge.checked
    if checked is None:
        return []
    changed = [
        FieldChange(name, before, after)
        for name in compared(step.kind)
        if name not in step.sends
        and (before := getattr(checked, name)) != (after := getattr(row, name))
        and before is not None
        and (task.raw_row or (before and not after))
    ]
    unknown_fields = [
        FieldChange(name, before, raw_row[name])
        for name, before in task.raw_row.items()
        if name in raw_row
        and not raw_row[name]
        and before
        and before is not True
        and isinstance(before, (str, int, float))
        and name not in {*fields(step.kind), *step.kind.reported, "deletedAt"}
    ]
    return [*changed, *unknown_fields]


def _differ(verb: str, before: Any, also: str, after: Any) -> str:
    """Two values that differ, in words; two that differ only in a secret would read the same, so it says that."""
    first, second = ("nothing" if value is None else str(value) for value in (before, after))
    return f"{verb} {first}, {also} {second}" + (" (a secret in it differs)" if first == second else "")
