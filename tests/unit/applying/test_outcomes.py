"""What is reported of each step: counted as it happened, with the exit code of what is not known, in words to act on."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter
from support_apply import CPMS, Runs, names, on_answer
from support_apply import replace as replacing
from support_chargers import CHARGER
from support_pipeline import document, pipeline
from world import World

from exolink_reconcile.applying import outcomes
from exolink_reconcile.applying.knowledge import NOTHING, End, Listing, Verb, of_step
from exolink_reconcile.applying.task import Task
from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import ApiDenied, ApiUnreachable
from exolink_reconcile.kinds.cpms import Cpms
from exolink_reconcile.model import FieldChange, Outcome, Status, Step
from exolink_reconcile.resource import Row, row_model

WINDOW = 10.0
OLD = {"displayName": "A", "url": "wss://u:one@h/", "interval": 5}
PLACE = "exolink.yaml:3:6"


def row(row_id: int, **fields: Any) -> Row:
    values = {"id": row_id, "displayName": "A", "url": "wss://u:two@h/", "interval": 6, **fields}
    parsed: Row = TypeAdapter(row_model(Cpms)).validate_python(values)
    return parsed


def planned(action: str) -> Step:
    """The one step of a plan: the URL and the interval of the CPMS A are to change, its id is 2 where it is live."""
    world = World()
    if action != "create":
        world.add("acme", "cpms", **OLD)
    entry = {"displayName": "A", "url": "wss://u:two@h/", "interval": 5 if action == "update" else 6}
    policy = {"allowReplace": ["cpms/A"]} if action == "replace" else {}
    lists = {"removed": [{"cpms": "A"}]} if action == "delete" else {"cpms": [entry]}
    with pipeline(world) as run:
        [step] = run.plan(document("acme", policy=policy, **lists) if policy else document("acme", **lists)).steps
    assert step.action.word == action
    return step._replace(source=step.source._replace(line=3, column=6) if step.source else None)


STEPS = {action: planned(action) for action in ("create", "update", "delete", "replace")}
VERBS = {
    "create": [Verb.CREATE],
    "update": [Verb.UPDATE],
    "delete": [Verb.DELETE],
    "replace": [Verb.DELETE, Verb.CREATE],
}
A, U, R, G = End.ANSWERED, End.UNCLEAR, End.REFUSED, End.GONE


def task(action: str, *ends: End, code: str = "E-REJECTED", **more: Any) -> Task:
    """A step of which so many requests were sent, one a verb, each with how it ended."""
    step = STEPS[action]
    knowledge = of_step(step, has_get=True)._replace(checked=step.before)
    for verb, end in zip(VERBS[action], ends):
        detail = "" if end in (A, G) else f"{verb.value} why"
        knowledge = knowledge.sending(verb, 1.0).ended(end, detail, code if end is R else "")
    return Task(step, knowledge, **more)


def of(task: Task, *rows: Row, at: float = 2.0, raw: Mapping[int, Mapping[str, Any]] = NOTHING) -> Outcome:
    """The outcome after a list showed these rows."""
    task.learn(lambda knowledge: knowledge.listed(Listing(Cpms, rows, at)))
    return outcomes.of(task, WINDOW, raw)


def figures(outcome: Outcome) -> tuple[Any, ...]:
    return outcome.status, outcome.code, outcome.exit_code, (outcome.added, outcome.changed, outcome.destroyed)


DONE, FAILED, UNKNOWN = Status.DONE, Status.FAILED, Status.UNKNOWN
INCOMPLETE = Exit.INCOMPLETE
ID = 2  # of what is live before
NOT_KEPT = "interval: sent 6, stored 7: the API does not keep it, or another writer changed it since"


def test_what_was_already_so() -> None:
    """Nothing was sent, so nothing is counted."""
    outcome = of(task("update", already="it was so"))
    assert (figures(outcome), outcome.detail) == ((DONE, "", Exit.DONE, (0, 0, 0)), "it was so")


@pytest.mark.parametrize(
    ("end", "rows", "at", "expected", "detail", "number"),
    [
        (A, [row(7)], 2, (DONE, "", Exit.DONE, (1, 0, 0)), "", 7),
        (U, [row(7)], 2, (DONE, "", Exit.DONE, (1, 0, 0)), "", 7),
        (A, [row(7, interval=7)], 2, (FAILED, "E-NORMALISED", INCOMPLETE, (1, 0, 0)), NOT_KEPT, 7),
        (U, [row(7, interval=7)], 2, (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "no clear answer: create why", None),
        (U, [row(7, interval=7)], 20, (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), f"no clear answer: create why; {NOT_KEPT}", None),
        (A, [row(7), row(8)], 2, (FAILED, "E-DUPLICATE-LIVE", INCOMPLETE, (1, 0, 0)), "live more than once now, as ids 7 and 8: another one was there that the plan did not see", None),
        (U, [row(8), row(7)], 2, (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "no clear answer: create why; live more than once now, as ids 7 and 8: another one was there that the plan did not see", None),
        (A, [], 20, (UNKNOWN, "E-LIST-BLIND", Exit.UNKNOWN, (0, 0, 0)), "the API said created, but its list does not show it", None),
        (U, [], 20, (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "no clear answer: create why", None),
        (R, [], 2, (FAILED, "E-REJECTED", INCOMPLETE, (0, 0, 0)), f"create why ({PLACE})", None),
    ],
)  # fmt: skip
def test_a_create(end: End, rows: list[Row], at: float, expected: Any, detail: str, number: int | None) -> None:
    """What a list shows decides; an answer alone is not believed, and what is not known is not counted."""
    outcome = of(task("create", end), *rows, at=at)
    assert (figures(outcome), outcome.detail, outcome.made) == (expected, detail, number)


def test_a_create_that_was_not_sent() -> None:
    """It says why it was withheld."""
    outcome = of(task("create", withheld=("E-LOCK-LOST", "the lock was lost")))
    assert (outcome.code, outcome.detail) == (
        "E-LOCK-LOST",
        f"deleted, but not created again: the create was not sent: the lock was lost ({PLACE})",
    )


GONE_TOO = "the old one (id 2) is deleted; "


@pytest.mark.parametrize(
    ("ends", "rows", "expected", "detail"),
    [
        ((A, A), [row(7)], (DONE, "", Exit.DONE, (1, 0, 1)), ""),
        ((G, A), [row(7)], (DONE, "", Exit.DONE, (1, 0, 0)), ""),
        ((A, A), [row(7, interval=7)], (FAILED, "E-NORMALISED", INCOMPLETE, (1, 0, 1)), NOT_KEPT),
        ((A, U), [row(7, interval=7)], (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 1)), f"{GONE_TOO}no clear answer: create why; {NOT_KEPT}"),
        ((A, A), [row(7), row(8)], (FAILED, "E-DUPLICATE-LIVE", INCOMPLETE, (1, 0, 1)), f"{GONE_TOO}live more than once now, as ids 7 and 8: another one was there that the plan did not see"),
        ((A, U), [row(7), row(8)], (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 1)), f"no clear answer: create why; {GONE_TOO}live more than once now, as ids 7 and 8: another one was there that the plan did not see"),
        ((A, R), [], (FAILED, "E-REJECTED", INCOMPLETE, (0, 0, 1)), f"deleted, but not created again: create why ({PLACE})"),
        ((A,), [], (FAILED, "E-STOPPED", INCOMPLETE, (0, 0, 1)), f"deleted, but not created again: the create was not sent: it was stopped ({PLACE})"),
        ((A, A), [], (UNKNOWN, "E-LIST-BLIND", Exit.UNKNOWN, (0, 0, 1)), f"{GONE_TOO}the API said created, but its list does not show it"),
        ((A, U), [], (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 1)), f"{GONE_TOO}no clear answer to the create: create why"),
        ((R,), [row(ID)], (FAILED, "E-REJECTED", INCOMPLETE, (0, 0, 0)), f"delete why ({PLACE})"),
        ((U,), [row(ID)], (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "no clear answer to the delete: delete why; nothing was created"),
        ((A,), [row(ID)], (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "the API said deleted, and still lists it"),
        ((A, A), [row(ID), row(7)], (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (1, 0, 0)), "the API said deleted, and still lists it"),
    ],
)  # fmt: skip
def test_a_replace(ends: tuple[End, ...], rows: list[Row], expected: Any, detail: str) -> None:
    """The half that happened is counted, and the other one is named."""
    outcome = of(task("replace", *ends), *rows, at=20)
    assert (figures(outcome), outcome.detail) == (expected, detail)


@pytest.mark.parametrize(
    ("end", "rows", "expected", "detail"),
    [
        (A, [], (DONE, "", Exit.DONE, (0, 0, 1)), ""),
        (G, [], (DONE, "", Exit.DONE, (0, 0, 0)), "already gone"),
        (R, [row(ID)], (FAILED, "E-REJECTED", INCOMPLETE, (0, 0, 0)), f"delete why ({PLACE})"),
        (A, [row(ID)], (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "the API said deleted, and still lists it"),
        (U, [row(ID)], (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "no clear answer: delete why"),
    ],
)
def test_a_delete(end: End, rows: list[Row], expected: Any, detail: str) -> None:
    """What was gone before we came was not destroyed by us."""
    outcome = of(task("delete", end), *rows, at=20)
    assert (figures(outcome), outcome.detail) == (expected, detail)


def test_a_delete_that_was_repeated() -> None:
    """A 404 to the second attempt, after a first one without a clear answer: it may well be ours."""
    deleted = task("delete", U)
    deleted.learn(lambda knowledge: knowledge.sending(Verb.DELETE, 1.5).ended(G))
    assert figures(of(deleted)) == (DONE, "", Exit.DONE, (0, 0, 1))


SECRET_STORED = "url: sent wss://u:***@h/, stored wss://u:***@h/ (a secret in it differs): the API does not keep it, or another writer changed it since"


@pytest.mark.parametrize(
    ("end", "rows", "at", "expected", "detail"),
    [
        (A, [row(ID, interval=5)], 2, (DONE, "", Exit.DONE, (0, 1, 0)), ""),
        (U, [row(ID, interval=5)], 2, (DONE, "", Exit.DONE, (0, 1, 0)), ""),
        (A, [row(ID, url="wss://u:x@h/")], 2, (FAILED, "E-NORMALISED", INCOMPLETE, (0, 1, 0)), SECRET_STORED),
        (A, [row(ID, url="wss://u:one@h/")], 20, (FAILED, "E-NORMALISED", INCOMPLETE, (0, 0, 0)), SECRET_STORED),
        (U, [row(ID, url=None)], 20, (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "no clear answer: update why; url: sent wss://u:***@h/, stored nothing: the API does not keep it, or another writer changed it since"),
        (R, [row(ID)], 2, (FAILED, "E-REJECTED", INCOMPLETE, (0, 0, 0)), f"update why ({PLACE})"),
        (A, [row(ID, url="wss://u:one@h/")], 2, (DONE, "E-UNVERIFIED", INCOMPLETE, (0, 1, 0)), "answered, but no list shows it yet"),
        (U, [row(ID, url="wss://u:one@h/")], 20, (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "no clear answer: update why"),
    ],
)  # fmt: skip
def test_an_update(end: End, rows: list[Row], at: float, expected: Any, detail: str) -> None:
    """It is done when it is seen; what is stored otherwise than sent is reported, and no secret with it."""
    outcome = of(task("update", end), *rows, at=at)
    assert (figures(outcome), outcome.detail) == (expected, detail)


@pytest.mark.parametrize(
    ("end", "changed", "detail"),
    [(A, 1, "answered, but the object is gone since"), (U, 0, "no clear answer: update why; the object is gone since")],
)
def test_an_update_whose_object_is_gone(end: End, changed: int, detail: str) -> None:
    """Another hand deleted it; an answer says that the update was made before."""
    gone = task("update", end)
    gone.learn(lambda knowledge: knowledge.got(row(ID, deletedAt="2026-01-01"), 3.0))
    outcome = of(gone)
    assert figures(outcome) == (FAILED, "E-STALE", INCOMPLETE, (0, changed, 0))
    assert outcome.detail == f"{detail}: another hand deleted it"


def test_what_another_writer_stored() -> None:
    """Where the API says who wrote last, the other writer is blamed and not the API."""
    outcome = of(task("update", A, written_since="2026" * 20), row(ID, url="wss://u:x@h/"))
    assert outcome.code == "E-STALE"
    assert outcome.detail.endswith(f": another writer changed it since (updatedAt {('2026' * 20)[:40]})")


@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_what_is_not_allowed(action: str) -> None:
    """A refusal for want of rights ends the run with 10."""
    outcome = of(task(action, R, code="E-DENIED"), *([] if action == "create" else [row(ID)]))
    assert (outcome.code, outcome.exit_code) == ("E-DENIED", Exit.DENIED)
    half = of(task("replace", A, R, code="E-DENIED"), at=20)
    assert (half.code, half.exit_code, half.destroyed) == ("E-DENIED", Exit.DENIED, 1)


def test_a_step_that_stands_nowhere() -> None:
    """Without a place there is none in the sentence."""
    refused = task("delete", R)
    refused.step = refused.step._replace(source=None)
    assert of(refused, row(ID)).detail == "delete why"


# ----------------------------------------------------------------------------------------- what an update did not send


@pytest.mark.parametrize(
    ("live", "raw_before", "raw_after", "detail"),
    [
        ({}, {}, {}, ""),
        ({"interval": None}, {}, {}, "interval was 5, is nothing"),
        ({"interval": 9}, {}, {}, ""),  # may be another hand, and is not cleared
        ({"interval": 9}, {"x": 1}, {}, "interval was 5, is 9"),  # of the first one of a group
        ({"authPassThrough": True}, {"x": 1}, {}, "authPassThrough was False, is True"),
        ({}, {"note": "kept"}, {"note": ""}, "note was kept, is "),
        ({}, {"note": "kept"}, {"note": None}, "note was kept, is nothing"),
        ({}, {"note": "kept"}, {"note": "other"}, ""),
        ({}, {"note": "kept"}, {}, ""),
        ({}, {"note": ""}, {"note": None}, ""),
        ({}, {"flag": True}, {"flag": False}, ""),
        ({}, {"list": ["a"]}, {"list": []}, ""),
        ({}, {"count": 3, "share": 0.5}, {"count": 0, "share": None}, "count was 3, is 0; share was 0.5, is nothing"),
        ({}, {"deletedAt": "x", "interval": 3}, {"deletedAt": None, "interval": None}, ""),
    ],
)
def test_what_an_update_clears(live: dict[str, Any], raw_before: Any, raw_after: Any, detail: str) -> None:
    """A field that lost its value is reported; of the first update of a group also a field that has another one."""
    updated = task("update", A, raw_row=raw_before)
    outcome = of(updated, row(ID, **{"interval": 5, "authPassThrough": False, **live}), raw={ID: raw_after})
    if detail:
        assert figures(outcome) == (FAILED, "E-PUT-CLOBBERS", INCOMPLETE, (0, 1, 0))
        assert outcome.detail == f"the update changed what it did not send: {detail}"
    else:
        assert figures(outcome) == (DONE, "", Exit.DONE, (0, 1, 0))


def test_a_field_that_gets_its_first_value_is_not_cleared() -> None:
    """What had no value before may have got one from the server."""
    updated = task("update", A, raw_row={"x": 1})
    updated.learn(lambda knowledge: knowledge._replace(checked=row(ID, interval=None)))
    assert of(updated, row(ID, interval=5)).status is DONE


def test_nothing_is_called_cleared_of_what_was_not_looked_at() -> None:
    """Without a look right before the write there is nothing to compare with."""
    updated = task("update", A, raw_row={"note": "kept"})
    updated.learn(lambda knowledge: knowledge._replace(checked=None))
    assert of(updated, row(ID, interval=None), raw={ID: {"note": ""}}).status is DONE


# -------------------------------------------------------------------------------------------------------- not read back


UNREAD = ApiUnreachable("E-UNREACHABLE", "no list")


@pytest.mark.parametrize(
    ("action", "ends", "expected", "detail"),
    [
        ("create", (A,), (DONE, "E-UNVERIFIED", INCOMPLETE, (1, 0, 0)), "answered, but could not be read back: no list"),
        ("update", (A,), (DONE, "E-UNVERIFIED", INCOMPLETE, (0, 1, 0)), "answered, but could not be read back: no list"),
        ("delete", (A,), (DONE, "E-UNVERIFIED", INCOMPLETE, (0, 0, 1)), "answered, but could not be read back: no list"),
        ("replace", (A, A), (DONE, "E-UNVERIFIED", INCOMPLETE, (1, 0, 1)), "answered, but could not be read back: no list"),
        ("create", (U,), (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "no clear answer: create why; not read back: no list"),
        ("delete", (U,), (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "no clear answer: delete why; not read back: no list"),
        ("update", (U,), (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "no clear answer: update why; not read back: no list"),
        ("replace", (U,), (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 0)), "no clear answer: no answer came; not read back: no list"),
        ("replace", (A, U), (UNKNOWN, "E-AMBIGUOUS", Exit.UNKNOWN, (0, 0, 1)), f"{GONE_TOO}no clear answer to the create: create why; not read back: no list"),
        ("replace", (A, R), (FAILED, "E-REJECTED", INCOMPLETE, (0, 0, 1)), f"deleted, but not created again: create why ({PLACE}); not read back: no list"),
        ("replace", (A,), (FAILED, "E-STOPPED", INCOMPLETE, (0, 0, 1)), f"deleted, but not created again: the create was not sent: it was stopped ({PLACE}); not read back: no list"),
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_read(action: str, ends: tuple[End, ...], expected: Any, detail: str) -> None:
    """An answer is believed and not called verified; what got none is not known."""
    outcome = outcomes.unread(task(action, *ends), UNREAD)
    assert (figures(outcome), outcome.detail) == (expected, detail)


def test_what_was_already_so_and_is_not_read() -> None:
    """It is not verified either; a token that lost its right ends the run with 10."""
    outcome = outcomes.unread(task("update", already="it was so"), ApiDenied("E-DENIED", "no right"))
    assert figures(outcome) == (DONE, "E-UNVERIFIED", Exit.DENIED, (0, 0, 0))
    assert outcome.detail == "it was so, but could not be read back: no right"


# ------------------------------------------------------------------------------------------------- before, and the next


def test_what_is_still_to_do() -> None:
    """An update has something to do while any field that it sends is otherwise."""
    step = STEPS["update"]
    for sends in (("url",), ("displayName", "url")):
        step = step._replace(sends=sends)
        assert not outcomes.to_do(step, row(ID)) and outcomes.to_do(step, row(ID, url="wss://u:one@h/"))


@pytest.mark.parametrize(
    ("action", "live", "moved"),
    [
        ("update", OLD, ""),
        (
            "update",
            {**OLD, "url": "wss://u:x@h/"},
            "url was wss://u:***@h/, is wss://u:***@h/ (a secret in it differs)",
        ),
        ("update", {**OLD, "url": None}, "url was wss://u:***@h/, is nothing"),
        ("update", {**OLD, "displayName": "B"}, "displayName was A, is B"),
        ("update", {**OLD, "interval": 9}, ""),  # not sent
        ("delete", {**OLD, "interval": 9}, "interval was 5, is 9"),
        ("replace", {**OLD, "interval": None}, "interval was 5, is nothing"),
        ("delete", OLD, ""),
    ],
)
def test_what_moved_since_the_plan(action: str, live: dict[str, Any], moved: str) -> None:
    """An update rests on what it sends, a delete on all that is compared; both on the name."""
    assert outcomes.moved(STEPS[action], row(ID, authPassThrough=False, **live)) == moved


def test_no_value_of_a_variable_is_told() -> None:
    """What the YAML takes from the environment is masked in what is live, too."""
    world = World()
    world.add("acme", "cpms", displayName="A", url="wss://h/one", interval=5)
    yaml = document("acme", cpms=[{"displayName": "A", "url": "PLACE"}]).replace("PLACE", "wss://h/${env:P}")
    with pipeline(world) as run:
        [step] = run.plan(run.desired(yaml, {"P": "two"})).steps
    live = row(ID, url="wss://h/three", interval=5)
    assert outcomes.moved(step, live) == "url was wss://h/***, is wss://h/*** (a secret in it differs)"


@pytest.mark.parametrize(
    ("action", "status", "code", "stops"),
    [
        ("create", DONE, "E-UNVERIFIED", None),
        ("update", FAILED, "E-NORMALISED", ("E-NORMALISED", "acme/cpms/A: why")),
        ("create", FAILED, "E-PUT-CLOBBERS", ("E-PUT-CLOBBERS", "acme/cpms/A: why")),
        ("create", UNKNOWN, "E-LIST-BLIND", ("E-LIST-BLIND", "the first create, acme/cpms/A, does not show up in the list")),
        ("delete", UNKNOWN, "E-LIST-BLIND", ("E-STOPPED", "the first delete, acme/cpms/A, shows no effect")),
        ("replace", UNKNOWN, "E-AMBIGUOUS", ("E-STOPPED", "the first replace, acme/cpms/A, got no clear answer")),
        ("create", UNKNOWN, "E-AMBIGUOUS", ("E-STOPPED", "the first create, acme/cpms/A, got no clear answer")),
        ("update", UNKNOWN, "E-AMBIGUOUS", ("E-STOPPED", "the first update, acme/cpms/A, shows no effect")),
    ],
)  # fmt: skip
def test_what_stops_the_others(action: str, status: Status, code: str, stops: Any) -> None:
    """The first write of a group that is not as it should be stops the rest of it, and says why."""
    first = task(action)
    assert outcomes.stops(first, Outcome(first.step, status, "why", code)) == stops


def test_how_live_differs_in_words() -> None:
    """Each field with both sides; without a field something is still to do."""
    changes = [FieldChange("interval", 5, 6), FieldChange("url", None, "wss://h/")]
    assert outcomes.words(changes) == "interval is 5, not 6; url is nothing, not wss://h/"
    assert outcomes.words([]) == "still to do"


# ------------------------------------------------------------------------------------------------------ in a whole apply


def test_row_F15_a_replace_says_which_half(runs: Runs, world: World) -> None:
    """A replace whose delete was done and whose create was not answered counts the half that happened and names the other."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    world.override = lambda method, path: (503, {}, b"") if method == "POST" else None
    end = runs.apply(replacing("R", 9))
    assert end is Exit.UNKNOWN and runs.result is not None and runs.result.totals == (0, 0, 1)
    assert "is deleted; no clear answer to the create" in runs.printed


def test_row_F15_a_create_that_was_never_sent_is_not_in_doubt(runs: Runs, world: World) -> None:
    """A delete in doubt, and so no create: only the delete is called unclear."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    world.override = lambda method, path: (503, {}, b"") if method == "DELETE" else None
    end = runs.apply(replacing("R", 9))
    assert (
        end is Exit.UNKNOWN
        and "no clear answer to the delete" in runs.printed
        and "nothing was created" in runs.printed
    )


def test_another_hand_between_the_halves_of_a_replace(runs: Runs, world: World) -> None:
    """What another hand makes under the name while ours is deleted is not called ours, and two of them are not a success."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    on_answer(world, "DELETE", lambda: world.add("acme", "cpms", displayName="R", url="wss://hand/", interval=1))
    end = runs.apply(replacing("R", 9))
    assert end is Exit.INCOMPLETE and "E-DUPLICATE-LIVE" in runs.printed and len(world.live("acme", "cpms")) == 2


def test_a_delete_whose_object_another_hand_made_again(runs: Runs, world: World) -> None:
    """The delete is done, and what stands there again under the name is left and said."""
    for name in ("CP-1", "CP-2"):
        world.add("acme", "charger", identity=name, **CHARGER)
    on_answer(world, "DELETE", lambda: world.add("acme", "charger", identity="CP-1", **CHARGER), lost=True)
    end = runs.apply(document("acme", removed=[{"charger": "CP-1"}]))
    assert end is Exit.INCOMPLETE and runs.result is not None and runs.result.totals == (0, 0, 1)
    assert names(world) == ["CP-1", "CP-2"] and len(world.writes) == 1


def test_a_delete_answered_404_of_what_is_still_listed(runs: Runs, world: World) -> None:
    """404 to a DELETE means gone, and a list that goes on showing the object says otherwise: unknown, not destroyed."""
    for name in ("CP-1", "CP-2"):
        world.add("acme", "charger", identity=name, **CHARGER)
    world.override = lambda method, path: (404, {}, b"") if method == "DELETE" else None
    end = runs.apply(document("acme", removed=[{"charger": "CP-1"}]))
    assert end is Exit.UNKNOWN and runs.result is not None and runs.result.totals == (0, 0, 0)
