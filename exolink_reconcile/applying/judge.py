"""Knowledge to what became of each write: one table of rules, for this run and for the next one.

`late` is the moment when the settle window after the last attempt that may have had an effect is over. A read counts only
if it began after the first such attempt.

    create   nothing left                                       NOT_SENT
             every attempt was refused                          REFUSED
             one list shows more than one product               TWICE
             a product is seen, as it was sent                  DONE
             a product is seen, otherwise                       DIFFERENT if answered, else once a list is read from `late` on
             a list from `late` on shows none                   BLIND if answered, else UNSEEN
    update   the target is seen as it was sent                  DONE
             it is deleted, or neither listed nor found         VANISHED
             it is otherwise than before, and was answered      DIFFERENT
             a read from `late` on shows it as before           DIFFERENT if answered, else UNSEEN
             a read from `late` on shows it otherwise           DIFFERENT
    delete   answered, and a list lacks the target              DONE
             no clear answer, a list lacks it, GET finds none   DONE
             the API says by its id that it is deleted          DONE
             a read from `late` on shows it                     BLIND if answered, else UNSEEN
    each     anything else                                      WAIT

A list that also lacks an object which nobody deleted proves no absence. Where the API offers GET, a delete without a clear
answer is not done before a GET finds nothing. `UNSEEN` is the only verdict after which a write may be sent again.
"""

import enum
from dataclasses import dataclass

from exolink_reconcile.applying.knowledge import Answer, Knowledge, Verb
from exolink_reconcile.model import Action
from exolink_reconcile.resource import Row


class Verdict(enum.Enum):
    """What became of one request of a write."""

    NOT_SENT = "not sent"
    REFUSED = "refused: no effect"
    DONE = "its effect is there"
    DIFFERENT = "the object is there, and not as it was sent"
    TWICE = "more than one object of the name is there"
    VANISHED = "the object to update is gone"
    WAIT = "cannot be told yet"
    UNSEEN = "no clear answer, and no effect any more"
    BLIND = "answered, and it shows no effect"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a write: of its delete, of its create or update, and the row that shows the latter."""

    deleted: Verdict | None = None
    made: Verdict | None = None
    row: Row | None = None

    @property
    def waits(self) -> bool:
        """Whether a later read may tell more."""
        return Verdict.WAIT in (self.deleted, self.made)

    @property
    def applied(self) -> bool:
        """Whether every part of the write that left has its effect."""
        has_effect = {Verdict.DONE, Verdict.DIFFERENT, Verdict.TWICE}
        if self.deleted is not None and self.made is not None:
            return self.deleted is Verdict.DONE and self.made in has_effect
        if self.deleted is not None:
            return self.deleted is Verdict.DONE
        return self.made in has_effect


def judge(knowledge: Knowledge, window: float) -> Judgement:
    """What became of a write, by the table above. `window` is the settle window, in seconds."""
    match knowledge.write.action:
        case Action.CREATE:
            return Judgement(None, *_created(knowledge, window))
        case Action.UPDATE:
            return Judgement(None, *_updated(knowledge, window))
        case Action.DELETE:
            return Judgement(_deleted(knowledge, window))
        case Action.REPLACE:
            return Judgement(_deleted(knowledge, window), *_created(knowledge, window))


def _created(knowledge: Knowledge, window: float) -> tuple[Verdict, Row | None]:
    match knowledge.answer(Verb.CREATE):
        case Answer.NOTHING:
            return Verdict.NOT_SENT, None
        case Answer.REFUSED:
            return Verdict.REFUSED, None
        case answer:
            pass
    attempts = knowledge.effective(Verb.CREATE)
    late = attempts[-1].sent_at + window
    products = [sighting for sighting in knowledge.products.values() if sighting.at >= attempts[0].sent_at]
    if products:
        latest = max(sighting.at for sighting in products)
        together = [sighting.row for sighting in products if sighting.at == latest]
        row = together[0]
        if len(together) > 1:
            return Verdict.TWICE, row
        if not knowledge.write.differing(row):
            return Verdict.DONE, row
        if answer is Answer.YES or latest >= late or _since(knowledge.product_unlisted_at, late):
            return Verdict.DIFFERENT, row
        return Verdict.WAIT, None  # another writer may have made it, and ours may still be on its way
    if _since(knowledge.product_unlisted_at, late):
        return (Verdict.BLIND if answer is Answer.YES else Verdict.UNSEEN), None
    return Verdict.WAIT, None


def _updated(knowledge: Knowledge, window: float) -> tuple[Verdict, Row | None]:
    match knowledge.answer(Verb.UPDATE):
        case Answer.NOTHING:
            return Verdict.NOT_SENT, None
        case Answer.REFUSED:
            return Verdict.REFUSED, None
        case answer:
            pass
    attempts = knowledge.effective(Verb.UPDATE)
    first, late = attempts[0].sent_at, attempts[-1].sent_at + window
    sighting = knowledge.target_seen if knowledge.target_seen and knowledge.target_seen.at >= first else None
    if _since(knowledge.effect_seen_at, first):
        return Verdict.DONE, sighting.row if sighting else None
    if knowledge.target_deleted_at is not None or (_unlisted(knowledge, first, late) and _not_found(knowledge, first)):
        return Verdict.VANISHED, None
    if sighting is None:
        return Verdict.WAIT, None
    unchanged = as_before(knowledge, sighting.row)
    if sighting.at >= late:
        return (Verdict.UNSEEN if unchanged and answer is not Answer.YES else Verdict.DIFFERENT), sighting.row
    return (Verdict.DIFFERENT if answer is Answer.YES and not unchanged else Verdict.WAIT), sighting.row


def _deleted(knowledge: Knowledge, window: float) -> Verdict:
    match knowledge.answer(Verb.DELETE):
        case Answer.NOTHING:
            return Verdict.NOT_SENT
        case Answer.REFUSED:
            return Verdict.REFUSED
        case answer:
            pass
    attempts = knowledge.effective(Verb.DELETE)
    first, late = attempts[0].sent_at, attempts[-1].sent_at + window
    if _since(knowledge.target_deleted_at, first):
        return Verdict.DONE
    if _unlisted(knowledge, first, late) and (answer is Answer.YES or _not_found(knowledge, first)):
        return Verdict.DONE
    if knowledge.target_seen is not None and knowledge.target_seen.at >= late:
        return Verdict.BLIND if answer is Answer.YES else Verdict.UNSEEN
    return Verdict.WAIT


def as_before(knowledge: Knowledge, row: Row) -> bool:
    """Whether the fields of a row that are not as sent are as they were right before the write."""
    checked, names = knowledge.checked, knowledge.write.differing(row)
    return checked is not None and all(getattr(checked, name) == getattr(row, name) for name in names)


def asks(knowledge: Knowledge, window: float) -> bool:
    """Whether a GET by id would tell more than a list: the list lacks a target whose write got no clear answer."""
    if not knowledge.write.has_get or knowledge.write.target is None or not judge(knowledge, window).waits:
        return False
    verb = Verb.UPDATE if knowledge.write.action is Action.UPDATE else Verb.DELETE
    attempts = knowledge.effective(verb)
    return bool(attempts) and _unlisted(knowledge, attempts[0].sent_at, float("inf"))


def _since(at: float | None, moment: float) -> bool:
    return at is not None and at >= moment


def _unlisted(knowledge: Knowledge, first: float, late: float) -> bool:
    """Whether a list lacks the target, and no better read has shown it since."""
    at, sighting = knowledge.target_unlisted_at, knowledge.target_seen
    if at is None or at < first:
        return False
    return sighting is None or sighting.at <= at or not (sighting.by_id or sighting.at >= late)


def _not_found(knowledge: Knowledge, first: float) -> bool:
    """Whether a GET by id did not find the target either; without GET, the list alone decides."""
    if not knowledge.write.has_get:
        return True
    at, sighting = knowledge.target_not_found_at, knowledge.target_seen
    return at is not None and at >= first and not (sighting is not None and sighting.by_id and sighting.at > at)
