"""Whatever happens at an address, the judge never says what is false: every history of up to five events is tried.

A replace is a delete and then a create: its histories begin at the delete, and once more where that was answered.
The reference is a server with one address and a window of ten ticks. It keeps every version of what is live; an event
takes a tick. Requests that left may take effect at once, late or never, and their answers may be lost; another hand may
write; a list may be any version of the last window, as long as it shows what took effect of a write that was sent a window
ago (A1 and A2 of docs/reliability.md); GET by id tells the truth, or answers 404 whatever is there.
"""

import functools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from exolink_reconcile.applying import judge, knowledge
from exolink_reconcile.applying.judge import Verdict
from exolink_reconcile.applying.knowledge import Answer, End, Knowledge, Listing, Verb, Write
from exolink_reconcile.kinds.charger import Charger
from exolink_reconcile.model import Action, Intent
from exolink_reconcile.resource import Address, Row, row_model

WINDOW = 10
TARGET = 1
NAME = "CP-1"
Objects = tuple[tuple[int, str], ...]  # id and value of what is live
ADDRESS = Address("acme", "charger", NAME)
VERBS = {
    Action.CREATE: (Verb.CREATE,),
    Action.UPDATE: (Verb.UPDATE,),
    Action.DELETE: (Verb.DELETE,),
    Action.REPLACE: (Verb.DELETE, Verb.CREATE),
}
Sent = tuple[Verb, int]  # a request of ours, by when it was sent


@functools.cache
def row(row_id: int, value: str, deleted: bool = False) -> Row:
    fields = {"id": row_id, "identity": NAME, "displayName": value, "deletedAt": "2026-01-01" if deleted else None}
    parsed: Row = TypeAdapter(row_model(Charger)).validate_python(fields)
    return parsed


@dataclass(frozen=True)
class History:
    """What happened, what is true, and what the tool knows of it."""

    action: Action
    knowledge: Knowledge
    events: tuple[str, ...] = ()
    now: int = 0
    versions: tuple[tuple[int, Objects], ...] = ((-1000, ()),)
    took_effect: tuple[tuple[Verb, int, int], ...] = ()  # of our writes: when each was sent, and when it took effect
    pending: tuple[Sent, ...] = ()  # those that may still take effect
    sent: tuple[Sent, ...] = ()
    ids: int = 1
    crashed: bool = False

    @property
    def live(self) -> dict[int, str]:
        return dict(self.versions[-1][1])

    def at(self, moment: int) -> Objects:
        return [objects for since, objects in self.versions if since <= moment][-1]

    def since(self, moment: int) -> list[Objects]:
        return [self.at(moment), *(objects for since, objects in self.versions if since > moment)]

    @property
    def open(self) -> bool:
        return bool(self.knowledge.attempts) and self.knowledge.attempts[-1].end is End.OPEN

    def may_come(self, verb: Verb) -> bool:
        """Whether a request of ours may still take effect."""
        last = self.knowledge.attempts[-1] if self.open else None
        in_time = last is not None and last.verb is verb and last.sent_at + WINDOW >= self.now
        return in_time or any(verb is pending for pending, _ in self.pending)

    def first_sent(self, verb: Verb) -> int:
        """When the first request of a verb was sent; as far as is known after a crash."""
        times = [at for sent, at in self.sent if sent is verb]
        return (
            min(times) if times else int(self.knowledge.attempts[-1].sent_at) if self.knowledge.attempts else self.now
        )

    def became(self, event: str, **changes: Any) -> "History":
        return replace(self, events=(*self.events, event), now=self.now + 1, **changes)

    def with_live(self, live: dict[int, str]) -> "History":
        return replace(self, versions=(*self.versions, (self.now, tuple(sorted(live.items())))))

    def take_effect(self, verb: Verb, sent: int) -> "History":
        """Our write takes effect now."""
        live = self.live
        if verb is Verb.CREATE:
            live, ids = {**live, self.ids + 1: "ours"}, self.ids + 1
        elif TARGET not in live:
            return self
        else:
            live, ids = {**live, TARGET: "ours"}, self.ids
            if verb is Verb.DELETE:
                del live[TARGET]
        return replace(self.with_live(live), ids=ids, took_effect=(*self.took_effect, (verb, sent, self.now)))


def start(action: Action, *, has_get: bool) -> History:
    objects: Objects = () if action is Action.CREATE else ((TARGET, "before"),)
    target = None if action is Action.CREATE else TARGET
    values = {} if action is Action.DELETE else {"displayName": "ours"}
    write = Write(ADDRESS, Charger, action, target, values, has_get=has_get)
    checked = None if action is Action.CREATE else row(TARGET, "before")
    return History(action, Knowledge(write, checked=checked), versions=((-1000, objects),))


# -------------------------------------------------------------------------------------------------------------- events


def follow(h: History) -> Iterator[History]:
    """Every history that is one event longer."""
    if h.open:
        yield from ends(h)
    elif not h.crashed and (verb := may_send(h)) is not None:
        sent = (*h.sent, (verb, h.now))
        yield h.became(f"sent {verb.value}", knowledge=h.knowledge.sending(verb, h.now), sent=sent)
    for verb, at in h.pending[:1]:
        late = replace(h, pending=h.pending[1:]).take_effect(verb, at)
        yield late.became("takes effect late")
    yield from other_hands(h)
    yield from reads(h)
    yield replace(h.became("window passes", pending=()), now=h.now + WINDOW + 1)
    if not h.crashed and h.knowledge.attempts:
        yield crash(h)


def may_send(h: History) -> Verb | None:
    """What may be sent now. A create that may have had an effect is never sent again; one of a replace follows its delete."""
    *_, last = VERBS[h.action]
    if last is not Verb.CREATE:
        return last
    if h.knowledge.effective(Verb.CREATE):
        return None
    if h.action is Action.CREATE:
        return Verb.CREATE
    unclear = h.knowledge.answer(Verb.DELETE) is Answer.UNCLEAR
    looked_gone = unclear and h.knowledge.target_not_found_at is not None and TARGET not in h.live
    return Verb.CREATE if h.knowledge.answer(Verb.DELETE) is Answer.YES or looked_gone else Verb.DELETE


def ends(h: History) -> Iterator[History]:
    """How a request that left may end."""
    last = h.knowledge.attempts[-1]
    verb, sent = last.verb, int(last.sent_at)
    if not h.may_come(verb):
        yield h.became("never arrives", knowledge=h.knowledge.ended(End.UNCLEAR))
        return
    if verb is Verb.CREATE or TARGET in h.live:
        yield h.take_effect(verb, sent).became("answered", knowledge=h.knowledge.ended(End.ANSWERED))
    elif verb is Verb.DELETE:
        yield h.became("answered 404", knowledge=h.knowledge.ended(End.GONE))
    yield h.became("refused", knowledge=h.knowledge.ended(End.REFUSED))
    unclear = h.knowledge.ended(End.UNCLEAR)
    yield h.take_effect(verb, sent).became("answer lost", knowledge=unclear)
    yield h.became("never arrives", knowledge=unclear)
    yield h.became("arrives late", knowledge=unclear, pending=(*h.pending, (verb, sent)))


def other_hands(h: History) -> Iterator[History]:
    live = h.live
    if Verb.CREATE in VERBS[h.action]:
        yield replace(h, ids=h.ids + 1).with_live({**live, h.ids + 1: "hand"}).became("another hand creates")
    if live:
        first = min(live)
        yield h.with_live({**live, first: "hand"}).became("another hand updates")
        yield h.with_live({k: v for k, v in live.items() if k != first}).became("another hand deletes")


def reads(h: History) -> Iterator[History]:
    yield listed(h, h.versions[-1][1], "list shows")
    for version in lagging(h):
        yield listed(h, version, "list lags")
    yield listed(h, (), "list lacks everything", lost=(99,))
    if h.knowledge.write.target is not None and h.knowledge.write.has_get:
        value = h.live.get(TARGET)
        live = row(TARGET, value) if value is not None else None
        yield h.became("GET shows", knowledge=h.knowledge.got(live, h.now))
        if value is None:
            yield h.became("GET says deleted", knowledge=h.knowledge.got(row(TARGET, "", True), h.now))
        else:
            yield h.became("GET answers 404 for anything", knowledge=h.knowledge.got(None, h.now))


def lagging(h: History) -> set[Objects]:
    """The versions of the last window that a list may still show."""
    due = max((effect for _, sent, effect in h.took_effect if sent + WINDOW <= h.now), default=-1000)
    oldest = max(h.now - WINDOW, due)
    return set(h.since(oldest)) - {h.versions[-1][1]}


def listed(h: History, objects: Objects, event: str, lost: tuple[int, ...] = ()) -> History:
    ids_before = None if h.crashed else frozenset({TARGET} if h.action is not Action.CREATE else ())
    listing = Listing(Charger, [row(*columns) for columns in objects], h.now, ids_before=ids_before, lost=lost)
    return h.became(event, knowledge=h.knowledge.listed(listing))


def crash(h: History) -> History:
    """The next run knows what the journal knows: that it was sent, when last, and what of it was answered."""
    attempts, before = h.knowledge.attempts, h.knowledge
    last = attempts[-1]
    pending = (*h.pending, (last.verb, int(last.sent_at))) if h.open and h.may_come(last.verb) else h.pending
    again = Knowledge(before.write)
    if any(before.effective(verb) for verb in Verb):
        half = h.action is Action.REPLACE and before.answer(Verb.DELETE) is Answer.YES
        is_whole = before.answer(VERBS[h.action][-1]) is Answer.YES
        effective = max(attempt.sent_at for attempt in attempts if attempt.end is not End.REFUSED)
        intent = Intent(
            1, "https://api", ADDRESS, h.action.word, before.write.target, dict(before.write.values), 0.0,
            h.now - effective, answered=is_whole, deleted=half,
        )  # fmt: skip
        again = knowledge.of_intent(intent, Charger, h.now, has_get=before.write.has_get)
    return h.became("crash", knowledge=again, pending=pending, crashed=True)


# -------------------------------------------------------------------------------------------------------------- claims


def false_claim(h: History) -> str:
    """What the judge says that is not so; empty where all of it is."""
    judgement = judge.judge(h.knowledge, WINDOW)
    for verb in VERBS[h.action]:
        verdict = judgement.deleted if verb is Verb.DELETE else judgement.made
        assert verdict is not None
        if not claims(h, verb)[verdict]:
            return f"{h.action.word}: {', '.join(h.events)}: {verb.value} {verdict}"
    applied = judgement.applied and h.action in (Action.DELETE, Action.REPLACE)
    return f"{h.action.word}: {', '.join(h.events)}: applied" if applied and TARGET in h.live else ""


def claims(h: History, verb: Verb) -> dict[Verdict, bool]:
    """What each verdict about a verb claims, and whether it is so."""
    attempts = [attempt for attempt in h.knowledge.attempts if attempt.verb is verb]
    may_come = h.may_come(verb)
    so: dict[Verdict, bool] = {
        Verdict.NOT_SENT: not attempts,
        Verdict.REFUSED: not may_come and not any(verb is sent for sent, _, _ in h.took_effect),
        Verdict.WAIT: True,
        Verdict.BLIND: any(attempt.end in (End.ANSWERED, End.GONE) for attempt in attempts),
    }
    states = h.since(h.first_sent(verb) - WINDOW) if attempts else []
    match verb:
        case Verb.CREATE:
            most = max(
                (sum(1 for number, _ in objects if number != h.knowledge.write.target) for objects in states), default=0
            )
            unseen = not may_come and "ours" not in h.live.values()
            so |= {Verdict.DONE: most > 0, Verdict.DIFFERENT: most > 0, Verdict.TWICE: most > 1, Verdict.UNSEEN: unseen}
        case Verb.UPDATE:
            target = {dict(objects).get(TARGET) for objects in states}
            so |= {
                Verdict.DONE: "ours" in target,
                Verdict.DIFFERENT: bool(target - {"ours", None}),
                Verdict.VANISHED: TARGET not in h.live,
                Verdict.UNSEEN: not may_come and h.live.get(TARGET) != "ours",
            }
        case Verb.DELETE:
            so |= {
                Verdict.DONE: TARGET not in h.live,
                Verdict.UNSEEN: not may_come and (TARGET in h.live or "another hand deletes" in h.events),
            }
    return so


def told_at_last(h: History) -> bool:
    """Once the window is over a list and a GET leave nothing open."""
    later = replace(h, now=h.now + 2 * WINDOW, pending=())
    if later.open:
        later = replace(later, knowledge=later.knowledge.ended(End.UNCLEAR), now=later.now + WINDOW)
    later = listed(later, later.versions[-1][1], "")
    if judge.asks(later.knowledge, WINDOW):
        value = later.live.get(TARGET)
        later = replace(later, knowledge=later.knowledge.got(row(TARGET, value) if value else None, later.now))
    return not judge.judge(later.knowledge, WINDOW).waits


def walk(h: History, depth: int, wrong: list[str], verdicts: Counter[Verdict | None]) -> None:
    if claim := false_claim(h):
        wrong.append(claim)
        return
    judgement = judge.judge(h.knowledge, WINDOW)
    verdicts.update({judgement.deleted, judgement.made} - {None})
    if depth > (0 if h.knowledge.attempts else 1):  # with nothing sent there is nothing to be wrong about
        if not told_at_last(h):
            wrong.append(f"never told: {h.action.word}: {', '.join(h.events)}")
        for longer in follow(h):
            if len(wrong) < ENOUGH:
                walk(longer, depth - 1, wrong, verdicts)


ENOUGH = 20
MADE = {Verdict.DONE, Verdict.DIFFERENT, Verdict.TWICE, Verdict.UNSEEN, Verdict.BLIND}
REACHED = {
    Action.CREATE: MADE,
    Action.UPDATE: {Verdict.DONE, Verdict.DIFFERENT, Verdict.VANISHED, Verdict.UNSEEN},
    Action.DELETE: {Verdict.DONE, Verdict.UNSEEN},
    Action.REPLACE: MADE - {Verdict.BLIND},  # that takes six events
}


def after_the_delete(h: History) -> Iterator[History]:
    """A replace whose delete was answered, and one whose delete was not and had its effect."""
    sent = next(history for history in follow(h) if history.events[-1] == "sent delete")
    yield from (history for history in follow(sent) if history.events[-1] in ("answered", "answer lost"))


def verdicts_of(action: Action, events: int, *, has_get: bool) -> Counter[Verdict | None]:
    """How often each verdict is said in all histories of so many events; fails where one is false."""
    wrong: list[str] = []
    verdicts: Counter[Verdict | None] = Counter()
    first = start(action, has_get=has_get)
    half = list(after_the_delete(first)) if action is Action.REPLACE else []
    for begin, more in ((first, events - len(half[:1])), *((history, events - 1) for history in half)):
        walk(begin, more, wrong, verdicts)
    assert not wrong, f"{len(wrong)} of {verdicts.total()}\n" + "\n".join(wrong)
    return verdicts


@pytest.mark.parametrize("has_get", [True, False])
@pytest.mark.parametrize("action", list(VERBS))
def test_the_judge_in_short_histories(action: Action, has_get: bool) -> None:
    """What the judge says is so, and in the end it says something: all histories of four events, quickly."""
    assert Verdict.REFUSED in verdicts_of(action, 4, has_get=has_get)


@pytest.mark.parametrize("has_get", [True, False])
@pytest.mark.parametrize("action", list(VERBS))
def test_the_judge_is_never_wrong(action: Action, has_get: bool) -> None:
    """In every history of five events what the judge says is so, and every verdict is said in one."""
    verdicts = verdicts_of(action, 5, has_get=has_get)
    assert set(verdicts) >= REACHED[action] | {Verdict.NOT_SENT, Verdict.REFUSED, Verdict.WAIT}
