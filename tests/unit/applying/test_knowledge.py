"""What is known of a write: what its attempts say together, and what the journal kept of an earlier run's."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from exolink_reconcile.applying.knowledge import (
    Answer,
    Attempt,
    End,
    Knowledge,
    Listing,
    Sighting,
    Verb,
    Write,
    of_intent,
)
from exolink_reconcile.kinds.cpms import Cpms
from exolink_reconcile.model import Action, Intent
from exolink_reconcile.resource import Address, Row, row_model

ADDRESS = Address("acme", "cpms", "A")
VALUES = {"displayName": "A", "url": "wss://u:***@h/"}


def row(row_id: int = 1, name: str = "A", url: str = "wss://u:pw@h/", **fields: Any) -> Row:
    parsed: Row = TypeAdapter(row_model(Cpms)).validate_python(
        {"id": row_id, "displayName": name, "url": url, **fields}
    )
    return parsed


def known(action: Action = Action.CREATE, target: int | None = None, *, masked: bool = True) -> Knowledge:
    return Knowledge(Write(ADDRESS, Cpms, action, target, VALUES, masked))


def test_what_a_row_has_otherwise() -> None:
    """As the journal keeps values, what a mask hides is not compared; a field that this version does not know differs."""
    write = known().write
    assert write.differing(row()) == [] and write.differing(row(url="wss://u:other@h/")) == []
    assert write.differing(row(name="B")) == ["displayName"] and write.differing(row(url="wss://h/")) == ["url"]
    assert write._replace(values={"evil": 1}).differing(row()) == ["evil"]
    assert write._replace(values={"displayName": "A", "interval": 5}, masked=False).differing(row()) == ["interval"]


def test_how_an_attempt_ends() -> None:
    """The first thing that is known of an end stands; without an open attempt nothing ends."""
    knowledge = known()
    assert knowledge.ended(End.ANSWERED) is knowledge
    sent = knowledge.sending(Verb.CREATE, 1.0)
    assert sent.attempts == (Attempt(Verb.CREATE, 1.0),)
    refused = sent.ended(End.REFUSED, "why", "E-X")
    assert refused.attempts == (Attempt(Verb.CREATE, 1.0, End.REFUSED, "why", "E-X"),)
    assert refused.ended(End.ANSWERED) is refused
    assert refused.sending(Verb.CREATE, 2.0).ended(End.ANSWERED).attempts[1:] == (
        Attempt(Verb.CREATE, 2.0, End.ANSWERED),
    )


def test_an_attempt_that_did_nothing() -> None:
    """What is still open when the next one leaves did nothing, and so did what was not sent; what ended stays."""
    sent = known().sending(Verb.CREATE, 1.0)
    assert sent.sending(Verb.CREATE, 2.0).attempts == (Attempt(Verb.CREATE, 2.0),)
    assert sent.not_sent().attempts == () and known().not_sent().attempts == ()
    ended = sent.ended(End.UNCLEAR)
    assert ended.not_sent().attempts == ended.attempts
    assert ended.sending(Verb.CREATE, 2.0).not_sent().attempts == ended.attempts


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((), Answer.NOTHING),
        ((End.REFUSED,), Answer.REFUSED),
        ((End.UNCLEAR, End.REFUSED), Answer.UNCLEAR),
        ((End.REFUSED, End.UNCLEAR), Answer.UNCLEAR),
        ((End.UNCLEAR, End.ANSWERED), Answer.YES),
        ((End.GONE,), Answer.YES),
        ((End.UNCLEAR, End.GONE), Answer.YES),
    ],
)
def test_what_attempts_say_together(ends: tuple[End, ...], expected: Answer) -> None:
    """One that was unclear stays so; what concerns another verb says nothing."""
    knowledge = known().sending(Verb.UPDATE, 0.5).ended(End.ANSWERED, "other", "E-OTHER")
    for at, end in enumerate(ends, 1):
        knowledge = knowledge.sending(Verb.DELETE, at).ended(end)
    assert knowledge.answer(Verb.DELETE) is expected
    assert [attempt.end for attempt in knowledge.effective(Verb.DELETE)] == [
        end for end in ends if end is not End.REFUSED
    ]
    assert knowledge.detail(Verb.DELETE) == "no answer came" and knowledge.code(Verb.DELETE) == ""


def test_an_open_attempt_is_not_clear() -> None:
    """A request that left and is not answered may have its effect."""
    assert known().sending(Verb.CREATE, 1.0).answer(Verb.CREATE) is Answer.UNCLEAR


def test_why_attempts_are_not_answered() -> None:
    """What was unclear last, and then what was refused last; the word is that of the last refusal."""
    knowledge = known().sending(Verb.CREATE, 1).ended(End.UNCLEAR, "first")
    assert knowledge.detail(Verb.CREATE) == "first"
    knowledge = knowledge.sending(Verb.CREATE, 2).ended(End.REFUSED, "refused", "E-ONE")
    assert knowledge.detail(Verb.CREATE) == "first; then refused"
    knowledge = knowledge.sending(Verb.CREATE, 3).ended(End.REFUSED, "again", "E-TWO")
    assert (knowledge.detail(Verb.CREATE), knowledge.code(Verb.CREATE)) == ("first; then again", "E-TWO")
    knowledge = (
        knowledge.sending(Verb.CREATE, 4)
        .ended(End.UNCLEAR, "lost")
        .sending(Verb.UPDATE, 5)
        .ended(End.REFUSED, "x", "E-X")
    )
    assert (knowledge.detail(Verb.CREATE), knowledge.code(Verb.CREATE)) == ("lost", "E-TWO")


def intent(action: str, **more: Any) -> Intent:
    target = None if action == "create" else 1
    return Intent(1, "o", ADDRESS, action, target, VALUES, 0.0, 30.0, **{"answered": False, **more})


@pytest.mark.parametrize(
    ("made", "attempts"),
    [
        (intent("create"), [(Verb.CREATE, End.UNCLEAR)]),
        (intent("create", answered=True), [(Verb.CREATE, End.ANSWERED)]),
        (intent("update"), [(Verb.UPDATE, End.UNCLEAR)]),
        (intent("delete", answered=True), [(Verb.DELETE, End.ANSWERED)]),
        (intent("replace"), [(Verb.DELETE, End.UNCLEAR)]),
        (intent("replace", deleted=True), [(Verb.DELETE, End.ANSWERED), (Verb.CREATE, End.UNCLEAR)]),
        (intent("replace", answered=True), [(Verb.DELETE, End.ANSWERED), (Verb.CREATE, End.ANSWERED)]),
        (intent("update", deleted=True), [(Verb.UPDATE, End.UNCLEAR)]),
    ],
)
def test_a_write_of_an_earlier_run(made: Intent, attempts: list[tuple[Verb, End]]) -> None:
    """It was sent as long ago as it is old; of a replace it is known which half it had come to."""
    knowledge = of_intent(made, Cpms, 100.0, has_get=False)
    assert [(attempt.verb, attempt.end) for attempt in knowledge.attempts] == attempts
    assert {attempt.sent_at for attempt in knowledge.attempts} == {70.0}
    write = knowledge.write
    assert (write.address, write.kind, write.target, write.values) == (ADDRESS, Cpms, made.remote_id, VALUES)
    assert write.masked and not write.has_get and write.action.word == made.action


def test_what_a_list_shows_of_a_target() -> None:
    """It is seen or it is not; a list that also lacks what nobody deleted proves nothing."""
    knowledge = known(Action.UPDATE, 1)
    updated = knowledge.listed(Listing(Cpms, [row(), row(2, "B")], 5.0))
    assert updated.target_seen == Sighting(row(), 5.0) and updated.effect_seen_at == 5.0
    other = updated.listed(Listing(Cpms, [row(name="B")], 6.0))
    assert (other.effect_seen_at, other.target_seen) == (5.0, Sighting(row(name="B"), 6.0))
    gone = other.listed(Listing(Cpms, [row(2)], 7.0))
    assert (gone.target_unlisted_at, gone.target_seen, gone.products) == (7.0, other.target_seen, {})
    assert other.listed(Listing(Cpms, [], 7.0, lost=[2])) == other


def test_what_a_get_shows_of_a_target() -> None:
    """There, deleted, or not found: three different things."""
    knowledge = known(Action.DELETE, 1)
    assert knowledge.got(None, 2.0) == knowledge._replace(target_not_found_at=2.0)
    assert knowledge.got(row(deletedAt="2026-01-01"), 2.0) == knowledge._replace(target_deleted_at=2.0)
    assert knowledge.got(row(), 2.0) == knowledge._replace(target_seen=Sighting(row(), 2.0, by_id=True))


def test_what_a_create_may_have_made() -> None:
    """Objects of its name that were not there before, also under a name that reads the same; what was seen stays."""

    def products(rows: list[Row], knowledge: Knowledge = known(), **more: Any) -> Knowledge:
        return knowledge.listed(Listing(Cpms, rows, 5.0, **more))

    both = products([row(1), row(2), row(3, "B")])
    assert set(both.products) == {1, 2} and both.product_unlisted_at is None
    assert set(products([row(1), row(2)], ids_before=frozenset({1})).products) == {2}
    assert set(products([row(1), row(2)], known(Action.REPLACE, 1)).products) == {2}
    assert set(products([row(1), row(2, " a ")], ids_before=frozenset({1})).products) == {2}
    assert products([row(1), row(2, " a ")]).products.keys() == {1}
    none = both.listed(Listing(Cpms, [row(3, "B")], 6.0))
    assert (set(none.products), none.product_unlisted_at) == ({1, 2}, 6.0)
    assert both.listed(Listing(Cpms, [], 6.0, lost=[9])) == both
    more = both.listed(Listing(Cpms, [row(2), row(4)], 7.0))
    assert {number: sighting.at for number, sighting in more.products.items()} == {1: 5.0, 2: 7.0, 4: 7.0}
