"""The judge's table, row by row and at its edges: when a read counts, what the last attempt is, what counts as applied."""

import itertools

import pytest
from pydantic import TypeAdapter

from exolink_reconcile.applying import judge
from exolink_reconcile.applying.judge import Judgement, Verdict
from exolink_reconcile.applying.knowledge import End, Knowledge, Listing, Verb, Write, of_intent
from exolink_reconcile.kinds.charger import Charger
from exolink_reconcile.model import Action, Intent, remote_id
from exolink_reconcile.resource import Address, Row, row_model

WINDOW = 10.0
TARGET = 1
VERBS = {Action.CREATE: Verb.CREATE, Action.UPDATE: Verb.UPDATE, Action.DELETE: Verb.DELETE}
Objects = dict[int, str]  # id and displayName


def row(row_id: int, value: str = "", *, deleted: bool = False, profile: int = 1) -> Row:
    deleted_at = "2026-01-01" if deleted else None
    fields = {"id": row_id, "identity": "CP-1", "displayName": value, "profileId": profile, "deletedAt": deleted_at}
    parsed: Row = TypeAdapter(row_model(Charger)).validate_python(fields)
    return parsed


def known(action: Action, *, has_get: bool = True) -> Knowledge:
    """What is known before anything was sent: the target is as it was, and what is sent is `ours`."""
    target = None if action is Action.CREATE else TARGET
    values = {} if action is Action.DELETE else {"displayName": "ours"}
    write = Write(Address("acme", "charger", "CP-1"), Charger, action, target, values, has_get=has_get)
    return Knowledge(write, checked=None if action is Action.CREATE else row(TARGET, "before"))


def sent(action: Action, at: float, end: End, *more: tuple[float, End], has_get: bool = True) -> Knowledge:
    """One attempt or several."""
    knowledge = known(action, has_get=has_get)
    for when, how in ((at, end), *more):
        knowledge = knowledge.sending(VERBS[action], when).ended(how)
    return knowledge


def listed(knowledge: Knowledge, at: float, objects: Objects, *, lost: tuple[int, ...] = ()) -> Knowledge:
    return knowledge.listed(Listing(Charger, [row(*entry) for entry in objects.items()], at, lost=lost))


def made(knowledge: Knowledge) -> tuple[Verdict | None, int | None]:
    judgement = judge.judge(knowledge, WINDOW)
    return judgement.made, remote_id(judgement.row) if judgement.row is not None else None


def deleted(knowledge: Knowledge) -> Verdict | None:
    return judge.judge(knowledge, WINDOW).deleted


# -------------------------------------------------------------------------------------------------------------- create


def test_what_was_there_before_a_create_is_not_its_product() -> None:
    """A sighting counts from the moment of sending, that moment included."""
    before = listed(known(Action.CREATE), 1, {5: "ours"}).sending(Verb.CREATE, 2).ended(End.UNCLEAR)
    assert made(before) == (Verdict.WAIT, None)
    assert made(listed(before, 2, {5: "ours"})) == (Verdict.DONE, 5)


@pytest.mark.parametrize(("end", "verdict"), [(End.ANSWERED, Verdict.BLIND), (End.UNCLEAR, Verdict.UNSEEN)])
def test_absence_counts_a_window_after_the_last_attempt(end: End, verdict: Verdict) -> None:
    """From then on, not a moment before, and not by a list that lacks more."""
    knowledge = sent(Action.CREATE, 0, End.UNCLEAR, (5, end))
    assert made(listed(knowledge, 14.9, {})) == (Verdict.WAIT, None)
    assert made(listed(knowledge, 15, {}, lost=(9,))) == (Verdict.WAIT, None)
    assert made(listed(knowledge, 15, {})) == (verdict, None)


def test_a_product_of_the_first_attempt() -> None:
    """What was seen after the first attempt may be its product, also when a second one was sent since."""
    knowledge = listed(sent(Action.CREATE, 0, End.UNCLEAR), 1, {5: "ours"}).sending(Verb.CREATE, 2).ended(End.UNCLEAR)
    assert made(knowledge) == (Verdict.DONE, 5)


def test_the_last_list_that_shows_products_decides() -> None:
    """Two in one list are two; two in two lists are one that went and one that came."""
    knowledge = sent(Action.CREATE, 0, End.ANSWERED)
    assert made(listed(knowledge, 1, {5: "ours", 6: "ours"})) == (Verdict.TWICE, 5)
    assert made(listed(listed(knowledge, 1, {6: "ours"}), 2, {5: "other"})) == (Verdict.DIFFERENT, 5)
    assert made(listed(listed(knowledge, 1, {5: "other"}), 2, {6: "ours"})) == (Verdict.DONE, 6)


def test_an_object_with_other_values_counts_a_window_after_the_last_attempt() -> None:
    """Until then it may be another writer's; from then on it is what is there, and so it stays if a later list lacks it."""
    knowledge = sent(Action.CREATE, 0, End.UNCLEAR, (5, End.UNCLEAR))
    early = listed(knowledge, 14.9, {5: "other"})
    assert made(early) == (Verdict.WAIT, None)
    assert made(listed(knowledge, 15, {5: "other"})) == (Verdict.DIFFERENT, 5)
    assert made(listed(early, 15, {})) == (Verdict.DIFFERENT, 5)


# -------------------------------------------------------------------------------------------------------------- update


@pytest.mark.parametrize(
    ("end", "at", "value", "verdict"),
    [
        (End.ANSWERED, -1, "other", Verdict.WAIT),
        (End.UNCLEAR, -1, "ours", Verdict.WAIT),
        (End.UNCLEAR, 0, "ours", Verdict.DONE),
        (End.ANSWERED, 1, "ours", Verdict.DONE),
        (End.ANSWERED, 1, "other", Verdict.DIFFERENT),
        (End.UNCLEAR, 1, "other", Verdict.WAIT),
        (End.ANSWERED, 1, "before", Verdict.WAIT),
        (End.UNCLEAR, 1, "before", Verdict.WAIT),
        (End.ANSWERED, 9.9, "before", Verdict.WAIT),
        (End.ANSWERED, 10, "before", Verdict.DIFFERENT),
        (End.UNCLEAR, 9.9, "before", Verdict.WAIT),
        (End.UNCLEAR, 10, "before", Verdict.UNSEEN),
        (End.UNCLEAR, 10, "other", Verdict.DIFFERENT),
        (End.REFUSED, 10, "before", Verdict.REFUSED),
    ],
)
def test_what_a_read_of_the_target_says_of_an_update(end: End, at: float, value: str, verdict: Verdict) -> None:
    """A read by list or by GET, by when it began, by what it shows, and by whether the update was answered."""
    knowledge = sent(Action.UPDATE, 0, end)
    assert made(listed(knowledge, at, {TARGET: value}))[0] is verdict
    assert made(knowledge.got(row(TARGET, value), at))[0] is verdict


def test_the_window_of_an_update_counts_from_the_last_attempt() -> None:
    """And what it did, from the first."""
    knowledge = sent(Action.UPDATE, 0, End.UNCLEAR, (5, End.UNCLEAR))
    assert made(listed(knowledge, 1, {TARGET: "ours"})) == (Verdict.DONE, TARGET)
    assert made(listed(knowledge, 14, {TARGET: "before"}))[0] is Verdict.WAIT
    assert made(listed(knowledge, 15, {TARGET: "before"}))[0] is Verdict.UNSEEN


def test_an_effect_that_was_seen_stays() -> None:
    """What another hand wrote after it does not take it back."""
    knowledge = listed(listed(sent(Action.UPDATE, 0, End.UNCLEAR), 1, {TARGET: "ours"}), 2, {TARGET: "other"})
    assert made(knowledge)[0] is Verdict.DONE


@pytest.mark.parametrize(("end", "has_get"), list(itertools.product((End.ANSWERED, End.UNCLEAR), (True, False))))
def test_an_update_of_what_is_gone(end: End, has_get: bool) -> None:
    """Deleted says the API; or neither listed nor found, where it can be asked."""
    knowledge = sent(Action.UPDATE, 0, end, has_get=has_get)
    assert made(knowledge.got(row(TARGET, deleted=True), 1))[0] is Verdict.VANISHED
    unlisted = listed(knowledge, 1, {})
    assert made(unlisted)[0] is (Verdict.WAIT if has_get else Verdict.VANISHED)
    assert made(unlisted.got(None, 2))[0] is Verdict.VANISHED
    assert made(knowledge.got(None, 2))[0] is Verdict.WAIT


# -------------------------------------------------------------------------------------------------------------- delete


@pytest.mark.parametrize(("end", "verdict"), [(End.ANSWERED, Verdict.BLIND), (End.UNCLEAR, Verdict.UNSEEN)])
def test_a_target_that_stays(end: End, verdict: Verdict) -> None:
    """Seen from a window after the last attempt on: it was not deleted."""
    knowledge = sent(Action.DELETE, 0, End.UNCLEAR, (5, end))
    assert deleted(listed(knowledge, 14.9, {TARGET: ""})) is Verdict.WAIT
    assert deleted(listed(knowledge, 15, {TARGET: ""})) is verdict


def test_a_list_that_lacks_the_target() -> None:
    """Enough where the delete was answered; else GET is asked, where there is one. Only reads after the first attempt count."""
    answered, unclear = (sent(Action.DELETE, 1, end) for end in (End.ANSWERED, End.UNCLEAR))
    assert deleted(listed(answered, 0.9, {})) is Verdict.WAIT
    assert deleted(listed(answered, 1, {})) is Verdict.DONE
    assert deleted(listed(answered, 1, {}, lost=(9,))) is Verdict.WAIT
    assert deleted(listed(unclear, 1, {})) is Verdict.WAIT
    assert deleted(listed(unclear, 1, {}).got(None, 0.9)) is Verdict.WAIT
    assert deleted(listed(unclear, 1, {}).got(None, 1)) is Verdict.DONE
    again = listed(unclear, 1, {}).got(None, 2).sending(Verb.DELETE, 3).ended(End.UNCLEAR)
    assert deleted(again) is Verdict.DONE  # what the first attempt did stays done
    assert deleted(listed(sent(Action.DELETE, 1, End.UNCLEAR, has_get=False), 1, {})) is Verdict.DONE
    assert deleted(answered.got(row(TARGET, deleted=True), 0.9)) is Verdict.WAIT
    assert deleted(unclear.got(row(TARGET, deleted=True), 1)) is Verdict.DONE


def test_which_of_two_reads_is_believed() -> None:
    """A list that lags does not take back what another one lacks; a GET does, and so does what is seen after the window."""
    answered = listed(sent(Action.DELETE, 0, End.ANSWERED), 2, {})
    assert deleted(listed(answered, 1, {TARGET: ""})) is Verdict.DONE
    assert deleted(listed(answered, 3, {TARGET: ""})) is Verdict.DONE
    assert deleted(answered.got(row(TARGET), 2)) is Verdict.DONE
    assert deleted(answered.got(row(TARGET), 3)) is Verdict.WAIT
    assert deleted(listed(answered, 10, {TARGET: ""})) is Verdict.BLIND
    unclear = listed(sent(Action.DELETE, 0, End.UNCLEAR), 2, {}).got(None, 3)
    assert deleted(unclear.got(row(TARGET), 4)) is Verdict.WAIT
    assert deleted(listed(unclear, 4, {TARGET: ""})) is Verdict.DONE
    assert deleted(listed(sent(Action.DELETE, 0, End.UNCLEAR), 2, {}).got(row(TARGET), 3).got(None, 3)) is Verdict.WAIT
    assert (
        deleted(listed(listed(sent(Action.DELETE, 0, End.UNCLEAR), 2, {}).got(row(TARGET), 3), 4, {}).got(None, 5))
        is Verdict.DONE
    )


# ---------------------------------------------------------------------------------------------------- what is asked, told


@pytest.mark.parametrize("action", [Action.UPDATE, Action.DELETE])
def test_what_is_asked_by_its_id(action: Action) -> None:
    """A target that a list lacks and no clear answer is about, where there is a GET; nothing else is worth a request."""
    unclear = sent(action, 0, End.UNCLEAR)
    assert judge.asks(listed(unclear, 1, {}), WINDOW)
    assert judge.asks(listed(unclear, 1, {}).sending(VERBS[action], 2).ended(End.UNCLEAR), WINDOW)
    assert not judge.asks(unclear, WINDOW)
    assert not judge.asks(listed(unclear, 1, {TARGET: "before"}), WINDOW)
    assert not judge.asks(listed(unclear, 1, {}).got(None, 2), WINDOW)
    assert not judge.asks(listed(sent(action, 0, End.UNCLEAR, has_get=False), 1, {}), WINDOW)
    assert not judge.asks(listed(known(action), 1, {}), WINDOW)
    assert not judge.asks(listed(sent(Action.CREATE, 0, End.UNCLEAR), 1, {}), WINDOW)
    assert not judge.asks(listed(sent(action, 2, End.UNCLEAR), 1, {}), WINDOW)


def test_as_before() -> None:
    """Only the sent fields that differ count, and nothing is as before where nobody looked before."""
    update = known(Action.UPDATE)
    assert judge.as_before(update, row(TARGET, "before")) and not judge.as_before(update, row(TARGET, "other"))
    wider = update.write._replace(values={"displayName": "ours", "profileId": 2})
    assert not judge.as_before(
        Knowledge(wider, checked=row(TARGET, "before", profile=1)), row(TARGET, "before", profile=3)
    )
    unchecked = Knowledge(update.write)
    assert not judge.as_before(unchecked, row(TARGET, "before"))


THERE = {Verdict.DONE, Verdict.DIFFERENT, Verdict.TWICE}


@pytest.mark.parametrize(("delete", "create"), list(itertools.product((None, *Verdict), (None, *Verdict))))
def test_what_is_told_as_applied(delete: Verdict | None, create: Verdict | None) -> None:
    """Every part that there is has its effect: gone is what was deleted, there is what was made, however it is."""
    parts = {part for part, answer in (("delete", delete), ("create", create)) if answer is not None}
    effects = {part for part, has in (("delete", delete is Verdict.DONE), ("create", create in THERE)) if has}
    assert Judgement(delete, create).applied == (bool(parts) and parts == effects)
    assert Judgement(delete, create).waits == (Verdict.WAIT in (delete, create))


def test_a_sighting_at_the_moment_of_sending_an_update_counts() -> None:
    """What is seen then may be what another hand made of it since."""
    knowledge = listed(sent(Action.UPDATE, 2, End.ANSWERED), 2, {TARGET: "other"})
    assert made(knowledge)[0] is Verdict.DIFFERENT


def test_what_a_get_shows_after_a_404_did_not_vanish() -> None:
    """The later of two GETs by id is believed, whatever a list lacks after it."""
    knowledge = sent(Action.UPDATE, 0, End.UNCLEAR).got(None, 11).got(row(TARGET, "before"), 12)
    assert made(listed(knowledge, 13, {}))[0] is Verdict.UNSEEN
    assert made(listed(knowledge.got(None, 14), 15, {}))[0] is Verdict.VANISHED


@pytest.mark.parametrize(("made_id", "expected"), [(None, (Verdict.WAIT, None)), (5, (Verdict.DONE, 5))])
def test_what_an_earlier_write_made_is_not_what_a_later_one_did(
    made_id: int | None, expected: tuple[Verdict, int | None]
) -> None:
    """A list that lags shows what we made at the address before, and another hand renamed since: an open create made another."""
    intent = Intent(
        7, "http://api", Address("acme", "charger", "CP-1"), "create", None, {"displayName": "ours"}, 0.0, 1.0, False, made_id
    )  # fmt: skip
    knowledge = of_intent(intent, Charger, 10.0, has_get=True, made_before=5)
    assert made(listed(knowledge, 11, {5: "ours"})) == expected
    assert made(listed(knowledge, 12, {8: "ours"})) == (Verdict.DONE, 8)
