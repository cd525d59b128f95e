"""Whatever happens at an address, the judge never says what is false: every history of up to five events is tried.

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

from exolink_reconcile.applying import judge
from exolink_reconcile.applying.judge import Verdict
from exolink_reconcile.applying.knowledge import End, Knowledge, Listing, Verb, Write
from exolink_reconcile.kinds.charger import Charger
from exolink_reconcile.model import Action
from exolink_reconcile.resource import Address, Row, row_model

WINDOW = 10
TARGET = 1
NAME = "CP-1"
Objects = tuple[tuple[int, str], ...]  # id and value of what is live
VERBS = {Action.CREATE: Verb.CREATE, Action.UPDATE: Verb.UPDATE, Action.DELETE: Verb.DELETE}


@functools.cache
def row(row_id: int, value: str, deleted: bool = False) -> Row:
    given = {"id": row_id, "identity": NAME, "displayName": value, "deletedAt": "2026-01-01" if deleted else None}
    found: Row = TypeAdapter(row_model(Charger)).validate_python(given)
    return found


@dataclass(frozen=True)
class History:
    """What happened, what is true, and what the tool knows of it."""

    action: Action
    knowledge: Knowledge
    events: tuple[str, ...] = ()
    now: int = 0
    versions: tuple[tuple[int, Objects], ...] = ((-1000, ()),)
    took_effect: tuple[tuple[int, int], ...] = ()  # of our writes: when each was sent, and when it took effect
    pending: tuple[int, ...] = ()  # when those were sent that may still take effect
    first_sent: int = 0
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

    @property
    def may_come(self) -> bool:
        """Whether a request of ours may still take effect."""
        in_time = self.open and self.knowledge.attempts[-1].sent_at + WINDOW >= self.now
        return bool(self.pending) or in_time

    def became(self, event: str, **changes: Any) -> "History":
        return replace(self, events=(*self.events, event), now=self.now + 1, **changes)

    def with_live(self, live: dict[int, str]) -> "History":
        return replace(self, versions=(*self.versions, (self.now, tuple(sorted(live.items())))))

    def take_effect(self, sent: int) -> "History":
        """Our write takes effect now."""
        live = self.live
        if self.action is Action.CREATE:
            here = replace(self, ids=self.ids + 1)
            return replace(
                here.with_live({**live, here.ids: "ours"}), took_effect=(*self.took_effect, (sent, self.now))
            )
        if TARGET not in live:
            return self
        live = (
            {**live, TARGET: "ours"} if self.action is Action.UPDATE else {k: v for k, v in live.items() if k != TARGET}
        )
        return replace(self.with_live(live), took_effect=(*self.took_effect, (sent, self.now)))


def start(action: Action, *, has_get: bool) -> History:
    there: Objects = () if action is Action.CREATE else ((TARGET, "before"),)
    target = None if action is Action.CREATE else TARGET
    values = {} if action is Action.DELETE else {"displayName": "ours"}
    write = Write(Address("acme", "charger", NAME), Charger, action, target, values, has_get=has_get)
    checked = None if action is Action.CREATE else row(TARGET, "before")
    return History(action, Knowledge(write, checked=checked), versions=((-1000, there),))


# -------------------------------------------------------------------------------------------------------------- events


def follow(h: History) -> Iterator[History]:
    """Every history that is one event longer."""
    if h.open:
        yield from ends(h)
    elif not h.crashed and may_send(h):
        first = h.first_sent or h.now
        yield h.became("sent", knowledge=h.knowledge.sending(VERBS[h.action], h.now), first_sent=first)
    for sent in h.pending[:1]:
        late = replace(h, pending=h.pending[1:]).take_effect(sent)
        yield late.became("takes effect late")
    yield from other_hands(h)
    yield from reads(h)
    yield replace(h.became("window passes", pending=()), now=h.now + WINDOW + 1)
    if not h.crashed and h.knowledge.attempts:
        yield crash(h)


def may_send(h: History) -> bool:
    """A create that may have had an effect is never sent again."""
    return h.action is not Action.CREATE or not h.knowledge.effective(Verb.CREATE)


def ends(h: History) -> Iterator[History]:
    """How a request that left may end."""
    sent = int(h.knowledge.attempts[-1].sent_at)
    if not h.may_come:
        yield h.became("never arrives", knowledge=h.knowledge.ended(End.UNCLEAR))
        return
    there = h.action is Action.CREATE or TARGET in h.live
    if there:
        yield h.take_effect(sent).became("answered", knowledge=h.knowledge.ended(End.ANSWERED))
    elif h.action is Action.DELETE:
        yield h.became("answered 404", knowledge=h.knowledge.ended(End.GONE))
    yield h.became("refused", knowledge=h.knowledge.ended(End.REFUSED))
    unclear = h.knowledge.ended(End.UNCLEAR)
    yield h.take_effect(sent).became("answer lost", knowledge=unclear)
    yield h.became("never arrives", knowledge=unclear)
    yield h.became("arrives late", knowledge=unclear, pending=(*h.pending, sent))


def other_hands(h: History) -> Iterator[History]:
    live = h.live
    if h.action is Action.CREATE:
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
        found = row(TARGET, value) if value is not None else None
        yield h.became("GET shows", knowledge=h.knowledge.got(found, h.now))
        if value is None:
            yield h.became("GET says deleted", knowledge=h.knowledge.got(row(TARGET, "", True), h.now))
        else:
            yield h.became("GET answers 404 for anything", knowledge=h.knowledge.got(None, h.now))


def lagging(h: History) -> set[Objects]:
    """The versions of the last window that a list may still show."""
    due = max((effect for sent, effect in h.took_effect if sent + WINDOW <= h.now), default=-1000)
    oldest = max(h.now - WINDOW, due)
    return set(h.since(oldest)) - {h.versions[-1][1]}


def listed(h: History, objects: Objects, event: str, lost: tuple[int, ...] = ()) -> History:
    known = None if h.crashed else frozenset({TARGET} if h.action is not Action.CREATE else ())
    listing = Listing(Charger, [row(*each) for each in objects], h.now, ids_before=known, lost=lost)
    return h.became(event, knowledge=h.knowledge.listed(listing))


def crash(h: History) -> History:
    """The next run knows what the journal knows: that it was sent, when last, and whether it was answered."""
    last = h.knowledge.attempts[-1]
    pending = (*h.pending, int(last.sent_at)) if last.end is End.OPEN and h.may_come else h.pending
    effective = h.knowledge.effective(VERBS[h.action])
    again = Knowledge(h.knowledge.write)
    if effective:
        answered = any(attempt.end in (End.ANSWERED, End.GONE) for attempt in effective)
        again = again.sending(VERBS[h.action], effective[-1].sent_at).ended(End.ANSWERED if answered else End.UNCLEAR)
    return h.became("crash", knowledge=again, pending=pending, crashed=True)


# -------------------------------------------------------------------------------------------------------------- claims


def false_claim(h: History) -> str:
    """What the judge says that is not so; empty where all of it is."""
    found = judge.judge(h.knowledge, WINDOW)
    verdict = found.deleted if h.action is Action.DELETE else found.made
    may_come = h.may_come
    seen = h.since(h.first_sent - WINDOW) if h.knowledge.attempts else []
    ours = [dict(objects).get(TARGET) for objects in seen]
    claims: dict[Verdict, bool] = {
        Verdict.NOT_SENT: not h.knowledge.attempts,
        Verdict.REFUSED: not h.took_effect and not may_come,
        Verdict.WAIT: True,
        Verdict.BLIND: any(attempt.end in (End.ANSWERED, End.GONE) for attempt in h.knowledge.attempts),
    }
    match h.action:
        case Action.CREATE:
            ours_live = any(value == "ours" for value in h.live.values())
            claims |= {
                Verdict.DONE: any(seen), Verdict.DIFFERENT: any(seen),
                Verdict.TWICE: any(len(objects) > 1 for objects in seen),
                Verdict.UNSEEN: not may_come and not ours_live,
            }  # fmt: skip
        case Action.UPDATE:
            claims |= {
                Verdict.DONE: "ours" in ours, Verdict.DIFFERENT: bool(set(ours) - {"ours", None}),
                Verdict.VANISHED: TARGET not in h.live,
                Verdict.UNSEEN: not may_come and h.live.get(TARGET) != "ours",
            }  # fmt: skip
        case Action.DELETE:
            claims |= {
                Verdict.DONE: TARGET not in h.live,
                Verdict.UNSEEN: not may_come and (TARGET in h.live or "another hand deletes" in h.events),
            }
    assert verdict is not None
    return "" if claims[verdict] else f"{h.action.word}: {', '.join(h.events)}: {verdict}"


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
    found = judge.judge(h.knowledge, WINDOW)
    verdicts[found.deleted or found.made] += 1
    if depth > (0 if h.knowledge.attempts else 1):  # with nothing sent there is nothing to be wrong about
        if not told_at_last(h):
            wrong.append(f"never told: {h.action.word}: {', '.join(h.events)}")
        for longer in follow(h):
            walk(longer, depth - 1, wrong, verdicts)


REACHED = {
    Action.CREATE: {Verdict.DONE, Verdict.DIFFERENT, Verdict.TWICE, Verdict.UNSEEN, Verdict.BLIND},
    Action.UPDATE: {Verdict.DONE, Verdict.DIFFERENT, Verdict.VANISHED, Verdict.UNSEEN},
    Action.DELETE: {Verdict.DONE, Verdict.UNSEEN},
}


@pytest.mark.parametrize("has_get", [True, False])
@pytest.mark.parametrize("action", list(VERBS))
def test_the_judge_is_never_wrong(action: Action, has_get: bool) -> None:
    """In every history of five events what the judge says is so, and in the end it says something."""
    wrong: list[str] = []
    verdicts: Counter[Verdict | None] = Counter()
    walk(start(action, has_get=has_get), 5, wrong, verdicts)
    assert not wrong, f"{len(wrong)} of {sum(verdicts.values())}\n" + "\n".join(wrong[:20])
    assert set(verdicts) >= REACHED[action] | {Verdict.NOT_SENT, Verdict.REFUSED, Verdict.WAIT}
