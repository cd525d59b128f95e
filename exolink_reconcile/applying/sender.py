"""One step to its requests: look at the object, make the intent durable, send, and repeat only what is safe to repeat.

The rule of repetition: after no clear answer, look at the object before anything else. A create is never sent again. An
update or delete is sent again if the object is still exactly as it was right before the first attempt: then the repetition
cannot undo somebody else's change. Whether a request may leave at all is checked right before it leaves, after every wait.
"""

import dataclasses
import enum
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

from exolink_reconcile.applying import outcomes
from exolink_reconcile.applying.knowledge import NOTHING, Answer, End, Knowledge, Verb
from exolink_reconcile.applying.lists import Lists
from exolink_reconcile.applying.settings import Settings
from exolink_reconcile.applying.task import Task, Withheld, skipped
from exolink_reconcile.contract import Contract
from exolink_reconcile.errors import ApiError, NoClearAnswer
from exolink_reconcile.live import live_state
from exolink_reconcile.live.api import Api, Watch
from exolink_reconcile.model import Action
from exolink_reconcile.resource import Row, fields, masked_fields, masked_like
from exolink_reconcile.secret_url import masked_text

_VERBS = {
    Action.CREATE: (Verb.CREATE,),
    Action.UPDATE: (Verb.UPDATE,),
    Action.DELETE: (Verb.DELETE,),
    Action.REPLACE: (Verb.DELETE, Verb.CREATE),
}


class _Next(enum.Enum):
    """What to do after an attempt without a clear answer."""

    AGAIN = "the object is as it was"
    DONE = "it has its effect"
    LEAVE = "it cannot be told now"


class Sender:
    """Sends the steps of one apply; used from several threads.

    `withhold` says why a request of a task must not leave now; None if it may.
    """

    def __init__(
        self,
        api: Api,
        contract: Contract,
        lists: Lists,
        settings: Settings,
        withhold: Callable[[Task], tuple[str, str] | None],
    ) -> None:
        self._api, self._contract, self._lists, self._settings = api, contract, lists, settings
        self._withhold = withhold

    def do(self, task: Task, *, first: bool, since: float) -> None:
        """Do one step. `first`: it is the first of its group; `since`: when its stage began: later lists are fresh.

        Raises:
            Withheld, StorageFailed, Locked: a request of it must not leave.
            NoClearAnswer: a request left, and its effect is not known.
            ApiError: a request was refused.

        """
        before: Mapping[str, Any] = {}
        if task.step.before is not None:
            row, raw_row = self._look(task, since)
            if not self._still_so(task, row, raw_row):
                return
            assert row is not None
            checked = _filled(row, raw_row, task.step.before)
            task.learn(lambda knowledge: knowledge._replace(checked=checked))
            task.raw_row = raw_row if first else NOTHING
            before = _recorded(task, row, raw_row)
        for verb in _VERBS[task.step.action]:
            self._request(task, verb, before)
        self._settings.sent(task.step)

    # -------------------------------------------------------------------------------------------------------- looking

    def _look(self, task: Task, since: float) -> tuple[Row | None, Mapping[str, Any]]:
        """The target now, as a row and as the API answered it.

        If there is no GET, or it does not find the target, a list that was read for this stage decides. A GET that says
        "deleted" is believed.
        """
        step, knowledge = task.step, task.knowledge
        tenant, target = step.address.tenant, knowledge.write.target
        if knowledge.write.has_get:
            at = self._settings.clock()
            item = live_state.read_item_whole(self._api, step.kind, tenant, target)
            task.learn(lambda so_far: so_far.got(item[0] if item else None, at))
            if item is not None:
                return (None, NOTHING) if item[0].deletedAt else item
        if step.kind.is_tenant() or target is None:
            return None, NOTHING
        row = self._lists.fresh(tenant, step.kind, since).by_id.get(target)
        if row is not None and knowledge.write.has_get:
            self._lists.without_get.add(step.kind)
        return row, NOTHING

    def _still_so(self, task: Task, row: Row | None, raw_row: Mapping[str, Any]) -> bool:
        """Whether the target is as the plan saw it; if not, the task ends with an outcome here."""
        step = task.step
        assert step.before is not None
        if row is None and step.action is Action.DELETE:
            task.already = "already gone"
            return False
        if row is None:
            task.outcome = skipped(task, "E-STALE", "changed since the plan: it is gone")
            return False
        row = _filled(row, raw_row, step.before)
        if step.action is Action.UPDATE and not outcomes.to_do(step, row):
            task.already = "already as declared"
            return False
        if moved := outcomes.moved(step, row):
            task.outcome = skipped(task, "E-STALE", f"changed since the plan: {moved}")
            return False
        return True

    # -------------------------------------------------------------------------------------------------------- sending

    def _request(self, task: Task, verb: Verb, before: Mapping[str, Any]) -> None:
        """Send one request, and repeat it until its end is clear or it must be left open."""
        number = 0
        while True:
            number += 1
            try:
                gone = self._send(task, verb, before)
            except NoClearAnswer as error:
                task.learn(functools.partial(Knowledge.ended, end=End.UNCLEAR, detail=error.summary))
                after = self._after(task, verb, number, error)
                if after is _Next.LEAVE:
                    raise
                if after is _Next.DONE:
                    break
            except ApiError as error:
                self._refused(task, verb, error)
                raise
            else:
                self._answered(task, verb, gone=gone)
                break
        if verb is Verb.DELETE and task.step.creates:
            self._settings.record.answered(task.step, deleted=True)
        else:
            self._settings.record.answered(task.step)

    def _send(self, task: Task, verb: Verb, before: Mapping[str, Any]) -> bool:
        """Send one request once; returns whether it was a delete of an object that is gone already."""
        step, target = task.step, task.knowledge.write.target
        tenant, values = step.address.tenant, task.knowledge.write.values

        def put_off() -> None:
            task.learn(Knowledge.not_sent)

        watch = Watch(lambda: self._leaving(task, verb, before), put_off)
        if verb is Verb.CREATE:
            self._api.create(step.kind, tenant, values, watch)
            return False
        assert target is not None
        if verb is Verb.UPDATE:
            self._api.update(step.kind, tenant, target, values, watch)
            return False
        return not self._api.delete(step.kind, tenant, target, watch)

    def _leaving(self, task: Task, verb: Verb, before: Mapping[str, Any]) -> None:
        """Right before a request leaves: check that it may, and put it on record. Raises Withheld, StorageFailed, Locked."""
        step, record = task.step, self._settings.record
        task.learn(Knowledge.not_sent)  # an attempt that is still open had no effect: only such are repeated at once
        if reason := self._withhold(task):
            raise Withheld(*reason)
        if not task.recorded:
            record.intend(step, before, masked_fields(step.declared.resource, step.sends) if step.declared else {})
            task.recorded = True
            self._settings.starting(step)
        record.sending(step)
        at = self._settings.clock()
        task.learn(lambda so_far: so_far.sending(verb, at))
        if reason := self._withhold(task):
            task.learn(lambda so_far: so_far.not_sent())
            raise Withheld(*reason)

    def _answered(self, task: Task, verb: Verb, *, gone: bool) -> None:
        earlier = task.knowledge.answer(verb) is Answer.UNCLEAR and len(task.knowledge.effective(verb)) > 1
        task.learn(lambda so_far: so_far.ended(End.GONE if gone else End.ANSWERED))
        task.answered_at = self._api.now()
        if gone and not earlier and task.step.creates:
            # We did not remove it, so the list that shows it is old, and may lack an object that took its place.
            raise Withheld("E-STALE", "changed since the plan: it is gone")

    def _refused(self, task: Task, verb: Verb, error: ApiError) -> None:
        """Note a clear no; after an unclear attempt it is a no to the repetition only."""
        task.learn(lambda so_far: so_far.ended(End.REFUSED, error.summary, error.code))
        if task.knowledge.answer(verb) is Answer.NOTHING:
            task.withheld = error.code, error.summary
        if task.knowledge.answer(verb) is Answer.UNCLEAR:
            raise NoClearAnswer("E-AMBIGUOUS", task.knowledge.detail(verb)) from error

    def _after(self, task: Task, verb: Verb, number: int, error: NoClearAnswer) -> _Next:
        """What to do after an attempt without a clear answer: look, then decide."""
        if verb is Verb.CREATE or self._withhold(task) or not self._api.may_repeat(number, error):
            return _Next.LEAVE
        try:
            row, raw_row = self._look(task, self._settings.clock())
        except ApiError:
            return _Next.LEAVE
        if row is None:
            return _Next.DONE if verb is Verb.DELETE else _Next.LEAVE
        assert task.step.before is not None
        row = _filled(row, raw_row, task.step.before)
        if verb is Verb.UPDATE and not task.knowledge.write.differing(row):
            return _Next.DONE
        return _Next.AGAIN if row == task.knowledge.checked else _Next.LEAVE


def _filled(row: Row, raw_row: Mapping[str, Any], planned: Row) -> Row:
    """A row, with fields that its answer left out taken from the plan's row: a GET may answer with fewer than a list."""
    anything: Any = row
    names = [
        field_info.name for field_info in dataclasses.fields(anything) if field_info.name not in ("id", "deletedAt")
    ]
    left_out = {name: getattr(planned, name) for name in names if raw_row and name not in raw_row}
    filled: Row = dataclasses.replace(anything, **left_out) if left_out else row
    return filled


def _recorded(task: Task, row: Row, raw_row: Mapping[str, Any]) -> dict[str, Any]:
    """The object as it goes on record before the write: known fields, and what the device reports about itself."""
    kind = task.step.kind
    reported = {name: raw_row[name] for name in kind.reported if _may_stand_in_json(raw_row.get(name))}
    row = masked_like(row, task.step.declared.resource) if task.step.declared else row
    masked_row = masked_fields(row, ("id", *fields(kind)))
    return {
        name: masked_text(value) if isinstance(value, str) else value
        for name, value in {**reported, **masked_row}.items()
    }


def _may_stand_in_json(value: object) -> bool:
    """Whether a reported value goes on record: text or a number, but not NaN or Infinity, which no JSON has."""
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))
