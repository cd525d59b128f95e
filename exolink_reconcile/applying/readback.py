"""Writes and a list to outcomes: what really happened to each step, as far as reading tells.

Everything here is a question to rows that were read: nothing is read, waited for or counted.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import ApiDenied, ApiError
from exolink_reconcile.model import Action, FieldChange, Outcome, Status, Step, remote_id
from exolink_reconcile.resource import Kind, Row, compared, fields, folded, key

# The API does not keep what is sent: one more write of the kind would be one more that is not as planned.
NOT_KEPT = ("E-NORMALISED", "E-PUT-CLOBBERS")


@dataclass(slots=True)
class Sent:
    """What is known of a step between its write and the list that tells.

    `checked` is the row right before the write, `whole` the same with the fields that no kind knows.
    """

    step: Step
    clear: bool = True
    detail: str = ""
    done_before: bool = False
    deleted: bool = False
    checked: Row | None = None
    whole: Mapping[str, Any] = field(default_factory=dict)


class Listed:
    """One list of a kind, with its rows by id and by key; a few of them as the API answered them, by id.

    `known` are the ids that were there when the plan was made, None where that is not known; `new` are the other rows, by
    name as people read it.
    """

    def __init__(
        self, kind: Kind, rows: Sequence[Row], whole: Mapping[int, Mapping[str, Any]], before: Sequence[Row] | None
    ) -> None:
        self.whole = whole
        self.known = known = set(map(remote_id, before)) if before is not None else None
        new = [row for row in rows if remote_id(row) not in known] if known is not None else []
        self.new = {folded(getattr(row, key(kind))): row for row in new}
        self.by_id = {remote_id(row): row for row in rows}
        self.by_key: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            self.by_key[getattr(row, key(kind))].append(row)


def to_do(step: Step, live: Row) -> bool:
    """Whether an update would still change anything."""
    return any(getattr(live, name) != _after(step, name) for name in step.sends)


def _after(step: Step, name: str) -> object:
    return getattr(step.declared.resource, name) if step.declared else None


def moved(step: Step, live: Row) -> str:
    """How the object differs from what the plan saw, in the facts that the plan rests on; empty when it does not."""
    names = step.sends if step.action is Action.UPDATE else compared(step.kind)
    for name in (key(step.kind), *names):
        planned, now = getattr(step.before, name), getattr(live, name)
        if planned != now:
            return f"{name} {_told('was', planned, 'is', now)}"
    return ""


def _row_of(sent: Sent, rows: Listed) -> Row | None:
    """The row that a step's write is about: by id where it has one, else by its key."""
    step = sent.step
    if step.action is Action.UPDATE:
        assert step.before is not None
        return rows.by_id.get(remote_id(step.before))
    # Not the one that was replaced, nor one that was there before: another entry may pin it, whatever its name is.
    others = rows.known if rows.known is not None else {remote_id(step.before)} if step.before is not None else set()
    for row in rows.by_key.get(step.address.name, ()):
        if remote_id(row) not in others:
            return row
    # An API that changes a name is not blind: what it made is there, under a name that reads the same.
    return rows.new.get(folded(step.address.name))


def _differences(sent: Sent, row: Row) -> list[FieldChange]:
    """The sent fields that the API has otherwise."""
    return [
        FieldChange(name, getattr(row, name), _after(sent.step, name))
        for name in sent.step.sends
        if getattr(row, name) != _after(sent.step, name)
    ]


def _still_there(sent: Sent, rows: Listed) -> bool:
    assert sent.step.before is not None
    return remote_id(sent.step.before) in rows.by_id


def unread(sent: Sent, error: ApiError) -> Outcome:
    """What happened to a step whose list could not be read: an answer is believed, but not called verified."""
    if not sent.clear:
        return Outcome(
            sent.step,
            Status.UNKNOWN,
            f"no clear answer: {sent.detail}; not read back: {error.summary}",
            "E-AMBIGUOUS",
            Exit.UNKNOWN,
        )
    exit_code = Exit.DENIED if isinstance(error, ApiDenied) else Exit.INCOMPLETE
    done = not sent.done_before
    step = sent.step
    return Outcome(
        step, Status.DONE, f"answered, but could not be read back: {error.summary}", "E-UNVERIFIED", exit_code,
        added=int(done and step.creates), changed=int(done and step.action is Action.UPDATE), destroyed=int(done and step.deletes),
    )  # fmt: skip


def shows(sent: Sent, rows: Listed) -> bool:
    """Whether a list shows a write's effect, so that nothing is left to wait for."""
    if sent.step.deletes and _still_there(sent, rows):
        return False
    if sent.step.action is Action.DELETE:
        return True
    row = _row_of(sent, rows)
    if row is None:
        return False
    differences = _differences(sent, row)
    return not differences or (sent.clear and not _lags(sent, differences))


def _lags(sent: Sent, differences: Iterable[FieldChange]) -> bool:
    """Whether an update may still show up: where the row is not as it was sent, it is as it was before."""
    before = sent.checked or sent.step.before
    return sent.step.action is Action.UPDATE and all(getattr(before, d.name) == d.before for d in differences)


def wrong(sent: Sent, rows: Listed) -> tuple[str, str] | None:
    """What the first write of a group shows to be unsafe about more of them: a word and a sentence, or None."""
    outcome = became(sent, rows)
    if outcome.status is Status.DONE:
        return None
    if outcome.code in ("E-NORMALISED", "E-PUT-CLOBBERS"):
        return outcome.code, f"{sent.step.address}: {outcome.detail}"
    if sent.step.creates and not sent.clear:
        return "E-STOPPED", f"the first {sent.step.action.word}, {sent.step.address}, got no clear answer"
    if sent.step.creates:
        return "E-LIST-BLIND", f"the first create, {sent.step.address}, does not show up in the list"
    return "E-STOPPED", f"the first {sent.step.action.word}, {sent.step.address}, shows no effect"


def became(sent: Sent, rows: Listed) -> Outcome:
    """What really happened to a step, as far as reading tells."""
    step = sent.step
    if sent.done_before:
        return Outcome(step, Status.DONE, sent.detail)
    row = None if step.action is Action.DELETE else _row_of(sent, rows)
    if step.deletes and _still_there(sent, rows):
        said = "the API said deleted, and still lists it" if sent.deleted else f"no clear answer: {sent.detail}"
        return Outcome(step, Status.UNKNOWN, said, "E-AMBIGUOUS", Exit.UNKNOWN, added=int(row is not None))
    if step.action is Action.DELETE:
        return Outcome(step, Status.DONE, destroyed=1)
    destroyed = int(step.deletes)
    added, changed = (1, 0) if step.creates else (0, 1)
    if row is None and step.before is not None and step.deletes and not sent.clear:
        said = f"the old one (id {remote_id(step.before)}) is deleted; no clear answer to the create: {sent.detail}"
        return Outcome(step, Status.UNKNOWN, said, "E-AMBIGUOUS", Exit.UNKNOWN, destroyed=1)
    if row is None:
        if sent.clear and step.creates:
            detail = "the API said created, but its list does not show it"
            return Outcome(step, Status.UNKNOWN, detail, "E-LIST-BLIND", Exit.UNKNOWN, destroyed=destroyed)
        return Outcome(
            step, Status.UNKNOWN, f"no clear answer: {sent.detail}", "E-AMBIGUOUS", Exit.UNKNOWN, destroyed=destroyed
        )
    if differences := _differences(sent, row):
        said = "; ".join(f"{each.name}: {_told('sent', each.after, 'stored', each.before)}" for each in differences)
        if sent.clear:
            changed = 0 if _lags(sent, differences) else changed
            return Outcome(step, Status.FAILED, said, "E-NORMALISED", Exit.INCOMPLETE, added, changed, destroyed)
        return Outcome(step, Status.UNKNOWN, f"no clear answer: {sent.detail}; {said}", "E-AMBIGUOUS", Exit.UNKNOWN)
    if cleared := _cleared(sent, row, rows.whole.get(remote_id(row), {})):
        said = "; ".join(f"{each.name} {_told('was', each.before, 'is', each.after)}" for each in cleared)
        return Outcome(
            step,
            Status.FAILED,
            f"the update changed what it did not send: {said}",
            "E-PUT-CLOBBERS",
            Exit.INCOMPLETE,
            0,
            1,
        )
    made = remote_id(row) if step.creates else None
    return Outcome(step, Status.DONE, added=added, changed=changed, destroyed=destroyed, made=made)


def _cleared(sent: Sent, row: Row, whole: Mapping[str, Any]) -> list[FieldChange]:
    """What an update changed that it did not send.

    Fields that had a value right before it and have none now. Of the first one of a group, which is read back at once,
    also fields that we know and that have another value, and fields that we do not know: not what the device reports,
    nor flags. Later than that it may have been another hand.
    """
    kind = sent.step.kind
    if sent.step.action is not Action.UPDATE or sent.checked is None:
        return []
    known = [
        FieldChange(name, before, after)
        for name in compared(kind)
        if name not in sent.step.sends
        and (before := getattr(sent.checked, name)) != (after := getattr(row, name))
        and before is not None and (sent.whole or (before and not after))
    ]  # fmt: skip
    others = [
        FieldChange(name, before, whole[name])
        for name, before in sent.whole.items()
        if name in whole and not whole[name] and before and before is not True and isinstance(before, (str, int, float))
        and name not in {*fields(kind), *kind.reported, "deletedAt"}
    ]  # fmt: skip
    return [*known, *others]


def words(fields: Iterable[FieldChange]) -> str:
    return "; ".join(f"{each.name} {_told('is', each.before, 'not', each.after)}" for each in fields) or "still to do"


def _told(what: str, one: Any, also: str, other: Any) -> str:
    """Two values that differ, in words; what differs only in a secret would read the same."""
    first, second = ("nothing" if each is None else str(each) for each in (one, other))
    return f"{what} {first}, {also} {second}" + (" (a secret in it differs)" if first == second else "")
