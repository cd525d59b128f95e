"""One step to its requests: what is looked at before, what is sent again, and what is not."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from support_apply import (
    CPMS,
    Runs,
    answers,
    names,
    on_answer,
    relist,
    replace,
    yaml,
)
from support_chargers import CHARGER
from support_pipeline import document
from world import Answer, World

from exolink_reconcile.codes import Exit

NO: tuple[Answer, ...] = tuple((status, {}, b"{}") for status in (401, 403, 422))


@pytest.mark.parametrize("refusal", NO, ids=lambda answer: str(answer[0]))
def test_row_F1_a_delete_whose_repetition_is_refused(runs: Runs, world: World, refusal: Answer) -> None:
    """A delete that took effect is not called failed because its repetition was refused."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)
    world.add("acme", "charger", identity="CP-2", **CHARGER)
    count = answers(world, "DELETE", "lost", refusal)
    end = runs.apply(document("acme", removed=[{"charger": "CP-1"}]))
    assert names(world) == ["CP-2"] and runs.result is not None
    assert (end, runs.result.totals, count) == (Exit.DONE, (0, 0, 1), [1])


@pytest.mark.parametrize("refusal", NO, ids=lambda answer: str(answer[0]))
def test_row_F1_an_update_whose_repetition_is_refused(runs: Runs, world: World, refusal: Answer) -> None:
    """An update that may have arrived is not called failed because its repetition was refused."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)
    answers(world, "PUT", (504, {}, b""), refusal)
    end = runs.apply(yaml("CP-1", profileId=2))
    assert end is Exit.UNKNOWN and "no clear answer" in runs.printed and runs.open() == ["update acme/charger/CP-1"]


@pytest.mark.parametrize("status", [404, 410])
def test_row_F1_gone_is_gone(runs: Runs, world: World, status: int) -> None:
    """404 and 410 to a DELETE mean gone, and after a lost answer that it was ours; the replace goes on."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    answers(world, "DELETE", "lost", (status, {}, b""), kind="/cpms")
    text = document("acme", policy={"allowReplace": ["cpms/R"]}, cpms=[{"displayName": "R", **CPMS, "interval": 9}])
    end = runs.apply(text)
    assert (end, [row["interval"] for row in world.live("acme", "cpms")]) == (Exit.DONE, [9])
    assert runs.result is not None and runs.result.totals == (1, 0, 1)


def test_row_F2_a_replace_of_what_is_gone_already_makes_nothing(runs: Runs, world: World) -> None:
    """Without any memory: a DELETE answered 404 says that the list is old, so nothing is created in its place."""
    row_id = world.add("acme", "cpms", displayName="R", **CPMS)
    old = world.rows("acme", "cpms")[0]
    world.soft_delete("acme", "cpms", row_id)
    world.add("acme", "cpms", displayName="R", **CPMS, id=77)
    relist(world, lambda rows: [old], kind="cpms")
    end = runs.apply(replace("R", 9))
    assert len(world.live("acme", "cpms")) == 1 and end is not Exit.DONE and "E-STALE" in runs.printed


@pytest.mark.parametrize("get", [200, 404, 405])
def test_row_F7_the_recheck_is_as_new_as_the_stage(runs: Runs, world: World, get: int) -> None:
    """Where GET answers 404 the list is read anew for each stage: another hand's edit is seen."""
    for number in range(30):
        world.add("acme", "charger", identity=f"CP-{number:02}", **CHARGER)
    if get != 200:
        world.override = lambda method, path: (get, {}, b"") if method == "GET" and "/charger/" in path else None
    edited = [False]

    def before(index: int, method: str, path: str) -> None:
        if len(world.writes) == 11 and not edited[0]:
            edited[0] = True
            world.edit("acme", "charger", "CP-29", profileId=77)

    world.before_request = before
    end = runs.apply(yaml(*(f"CP-{number:02}" for number in range(30)), profileId=2))
    assert end is Exit.INCOMPLETE and "E-STALE" in runs.printed
    assert [row["profileId"] for row in world.live("acme", "charger") if row["identity"] == "CP-29"] == [77]


def test_row_F12_nothing_is_sent_after_a_signal(runs: Runs, world: World) -> None:
    """A write that waits for its turn when the signal comes is not sent: skipped, not unknown."""
    posts = [0]

    def override(method: str, path: str) -> Answer | None:
        if method != "POST":
            return None
        posts[0] += 1
        if posts[0] == 1:
            runs.stop.ask(signal.SIGINT)
            return 429, {"Retry-After": "8"}, b""
        return None

    world.override = override
    assert (runs.apply(yaml("CP-1", "CP-2")), posts, runs.open()) == (Exit.INTERRUPTED, [1], [])


def test_row_F13_a_repetition_looks_first(runs: Runs, world: World) -> None:
    """An update without an answer is not sent again over what another hand wrote in between."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "PUT":
            world.edit("acme", "charger", "CP-1", profileId=77)
            raise ConnectionError("reset")
        return answer

    world.alter = alter
    end = runs.apply(yaml("CP-1", profileId=2))
    assert end is Exit.UNKNOWN and [r.method for r in world.writes] == ["PUT"]
    assert world.live("acme", "charger")[0]["profileId"] == 77


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_row_F13_what_is_as_it_was_is_sent_again(runs: Runs, world: World, method: str) -> None:
    """A repetition of what did not arrive is fine."""
    for name in ("CP-1", "CP-2"):
        world.add("acme", "charger", identity=name, **CHARGER)
    count = answers(world, method, "lost, never came", (502, {}, b""))
    text = yaml("CP-1", profileId=2) if method == "PUT" else document("acme", removed=[{"charger": "CP-1"}])
    assert (runs.apply(text), count) == (Exit.DONE, [3])


def test_row_F24_a_get_with_fewer_fields_is_no_change(runs: Runs, world: World) -> None:
    """A GET that leaves out fields which the list has does not make the object changed."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "GET" and "/charger/" in path:
            row = json.loads(answer[2])
            del row["displayName"]
            return answer[0], answer[1], json.dumps(row).encode()
        return answer

    world.alter = alter
    assert runs.apply(yaml("CP-1", profileId=2)) is Exit.DONE


def test_row_E9_urls_in_the_record_are_masked(runs: Runs, world: World, tmp_path: Path) -> None:
    """What goes on record of an object before its write has the secrets of whatever looks like a URL masked."""
    world.add(
        "acme", "charger", identity="CP-1", **CHARGER, firmwareVersion="https://u:hunter2@fw.example.com/?k=hunter2"
    )
    assert runs.apply(yaml("CP-1", profileId=2)) is Exit.DONE
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"hunter2" in text for text in texts) and any(b"fw.example.com" in text for text in texts)


def test_what_no_json_has_does_not_go_on_record(runs: Runs, world: World, tmp_path: Path) -> None:
    """An API that reports NaN leaves a record that every reader of JSON understands."""
    world.add("acme", "charger", identity="CP-1", **CHARGER, firmwareVersion=float("nan"), meterType="M-7")
    assert runs.apply(yaml("CP-1", profileId=2)) is Exit.DONE
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"NaN" in text for text in texts) and any(b"M-7" in text for text in texts)


def test_a_signal_between_the_halves_of_a_replace(runs: Runs, world: World) -> None:
    """What a signal skipped is the signal's; an object that was deleted and not made again is incomplete."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    on_answer(world, "DELETE", lambda: runs.stop.ask(signal.SIGINT))
    end = runs.apply(replace("R", 9))
    assert end is Exit.INCOMPLETE and "deleted, but not created again" in runs.printed and runs.open() == []
    world.alter = None
    assert runs.apply(replace("R", 9)) is Exit.DONE and len(world.live("acme", "cpms")) == 1


def test_an_object_that_was_replaced_by_another_hand(runs: Runs, world: World) -> None:
    """Two stale lists and no GET: the update of an id that is gone is not made to what took its place."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)
    old, reads = world.rows("acme", "charger"), [0]
    world.soft_delete("acme", "charger", "CP-1")
    world.add("acme", "charger", identity="CP-1", displayName="by hand", profileId=5)

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        reads[0] += 1
        return old if reads[0] <= 2 else rows

    relist(world, change)
    world.override = lambda method, path: (404, {}, b"") if method == "GET" and "/charger/" in path else None
    end = runs.apply(yaml("CP-1", profileId=2))
    assert end in (Exit.INCOMPLETE, Exit.UNKNOWN) and world.live("acme", "charger")[0]["profileId"] == 5
