"""What earlier runs left open, and what they made moments ago: settled before anything is planned on it."""

from collections.abc import Callable
from typing import Any

import pytest
from support_apply import CPMS, WINDOW, Runs, killed_create, names, on_answer, relist, replace, yaml
from support_chargers import CHARGER
from support_pipeline import document
from world import Answer, World

from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import ReconcileError


def test_row_F2_two_applies_in_a_row_while_the_list_shows_the_old_one(runs: Runs, world: World) -> None:
    """What an earlier run deleted and made is known: a list that still shows the old one is waited for."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    assert runs.apply(replace("R", 9)) is Exit.DONE
    old, shown_until = world.rows("acme", "cpms")[0] | {"deletedAt": None}, runs.clock.now + 5
    relist(world, lambda rows: [old] if runs.clock.now < shown_until else rows, kind="cpms")
    assert runs.apply(replace("R", 9)) is Exit.DONE
    assert len(world.live("acme", "cpms")) == 1 and "Waiting up to" in runs.printed


def test_row_F3_what_one_read_showed_no_other_read_takes_back(runs: Runs, world: World) -> None:
    """A killed create that a list showed once is not made again because the next list does not show it."""
    killed_create(runs, world)
    reads = [0]

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        reads[0] += 1
        return [] if 1 < reads[0] <= 3 else rows

    relist(world, change)
    assert runs.apply(yaml("CP-1")) is Exit.DONE
    assert names(world) == ["CP-1"]


def test_row_F4_age_counts_from_sending(runs: Runs, world: World) -> None:
    """A create that waited long for its turn is as young as its request, not as its intent."""
    late: list[Callable[[], object]] = []

    def override(method: str, path: str) -> Answer | None:
        if method != "POST":
            return None
        if runs.clock.now < 1_080:
            return 429, {"Retry-After": "80"}, b""
        late.append(lambda: world.add("acme", "charger", identity="CP-1", **CHARGER))
        runs.kill()
        return None

    world.override = override
    assert runs.apply(yaml("CP-1")) is None
    world.override, arrives = None, runs.clock.now + 40

    def passed() -> None:
        if late and runs.clock.now >= arrives:
            late.pop()()

    runs.clock.passed = passed
    runs.clock.sleep(20)
    assert runs.apply(yaml("CP-1")) is Exit.DONE
    runs.clock.sleep(100)
    assert names(world) == ["CP-1"]


@pytest.mark.parametrize("get", [200, 404, 405])
def test_row_F9_F10_what_the_journal_knows_is_waited_for(runs: Runs, world: World, get: int) -> None:
    """The id of what was made stays known, settled by this run or the next; a list that lags is waited for, GET or not."""
    killed_create(runs, world)
    runs.clock.sleep(10)
    assert runs.apply(document("acme", chargers=[])) is Exit.DONE
    if get != 200:
        world.override = lambda method, path: (get, {}, b"") if method == "GET" and "/charger/" in path else None
    until = runs.clock.now + 3
    relist(world, lambda rows: [] if runs.clock.now < until else rows)
    assert runs.apply(yaml("CP-1"), allow_shrunk=("acme/charger",)) is Exit.DONE
    assert names(world) == ["CP-1"]


def test_row_F11_open_deletes_are_waited_for(runs: Runs, world: World) -> None:
    """A delete of a killed run that arrives late is waited for, and not taken for what did not happen."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)
    world.add("acme", "charger", identity="CP-2", **CHARGER)
    world.override = lambda method, path: runs.kill() if method == "DELETE" else None
    assert runs.apply(document("acme", removed=[{"charger": "CP-1"}])) is None
    world.override, late = None, [runs.clock.now + 20]

    def passed() -> None:
        if late and runs.clock.now >= late[0]:
            late.pop()
            world.soft_delete("acme", "charger", "CP-1")

    runs.clock.passed = passed
    assert runs.apply(yaml("CP-1", "CP-2")) is Exit.DONE
    runs.clock.sleep(WINDOW)
    assert names(world) == ["CP-1", "CP-2"]


def test_row_F14_answered_is_known_at_once(runs: Runs, world: World) -> None:
    """A create that was answered and killed while waiting for a blind list is not made again."""
    for _ in range(3):
        relist(world, lambda rows: [])
        runs.clock.passed = lambda: runs.kill() if world.writes else None
        runs.apply(yaml("CP-1"))
        runs.clock.passed = lambda: None
        runs.clock.sleep(2 * WINDOW)
    assert len(world.writes) == 1 and runs.open() == ["create acme/charger/CP-1"]


def test_row_F16_what_answers_by_its_id_is_not_made_again(runs: Runs, world: World) -> None:
    """An object that no list shows, and whose id answers, is held back, however old it is."""
    assert runs.apply(yaml("CP-1")) is Exit.DONE
    relist(world, lambda rows: [])
    runs.clock.sleep(5 * WINDOW)
    end = runs.apply(yaml("CP-1"), allow_shrunk=("acme/charger",))
    assert end is Exit.INCOMPLETE and len(world.writes) == 1 and names(world) == ["CP-1"]


def test_row_F17_only_known_deletes_explain_a_shrunk_list(runs: Runs, world: World) -> None:
    """A delete that may not have happened does not excuse an empty list."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)
    world.override = lambda method, path: runs.kill() if method == "DELETE" else None
    assert runs.apply(document("acme", removed=[{"charger": "CP-1"}]), allow_deletes=1) is None
    world.override = None
    runs.clock.sleep(2 * WINDOW)
    relist(world, lambda rows: [])
    end = runs.apply(yaml("CP-1"))
    assert isinstance(end, ReconcileError) and end.code == "E-LIST-SHRANK" and names(world) == ["CP-1"]


def test_row_F17_a_kill_between_deletes_is_no_false_alarm(runs: Runs, world: World) -> None:
    """What a killed run deleted is known: the list that it emptied did not shrink by itself."""
    for name in ("CP-1", "CP-2"):
        world.add("acme", "charger", identity=name, **CHARGER)

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "DELETE" and len([r for r in world.writes if r.changed]) == 2:
            runs.kill()
        return answer

    world.alter = alter
    text = document("acme", removed=[{"charger": "CP-1"}, {"charger": "CP-2"}])
    assert runs.apply(text, allow_deletes=2) is None
    world.alter = None
    assert runs.apply(document("acme", chargers=[])) is Exit.DONE


def test_row_F18_nothing_is_called_held_back_where_nothing_is(runs: Runs, world: World) -> None:
    """Exit 9 because of an earlier write names that write."""
    world.override = lambda method, path: (201, {}, b"") if method == "POST" else None
    assert runs.apply(yaml("CP-1")) is Exit.UNKNOWN
    end = runs.apply(document("acme", chargers=[]))
    assert end is Exit.UNKNOWN and "held back" not in runs.printed and "create acme/charger/CP-1" in runs.printed


def test_row_C3_an_earlier_unknown_create_is_named_however_the_run_ends(runs: Runs, world: World) -> None:
    """A run that ends before it could settle an earlier create ends with 9 and names it."""
    killed_create(runs, world)
    world.override = lambda method, path: (503, {}, b"") if method == "GET" else None
    end = runs.apply(yaml("CP-1"))
    assert isinstance(end, ReconcileError) and end.exit_code is Exit.UNKNOWN
    assert "create acme/charger/CP-1" in runs.printed and runs.open() == ["create acme/charger/CP-1"]


def test_row_F10_what_was_made_moments_ago_is_waited_for_without_a_get(runs: Runs, world: World) -> None:
    """Two applies in a row, a list that lags and a GET that answers 404: the second one waits and makes nothing."""
    assert runs.apply(yaml("CP-1")) is Exit.DONE
    until = runs.clock.now + 3
    world.override = lambda method, path: (404, {}, b"") if method == "GET" and "/charger/" in path else None
    relist(world, lambda rows: [] if runs.clock.now < until else rows)
    assert runs.apply(yaml("CP-1"), allow_shrunk=("acme/charger",)) is Exit.DONE
    assert names(world) == ["CP-1"] and len(world.writes) == 1


def test_a_replace_that_was_killed_and_finished_by_another_hand(runs: Runs, world: World) -> None:
    """Killed between its halves, and somebody made the object by hand: nothing is made twice."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    on_answer(world, "DELETE", runs.kill)
    assert runs.apply(replace("R", 9)) is None
    world.alter = None
    world.add("acme", "cpms", displayName="R", **{**CPMS, "interval": 9})
    assert runs.apply(replace("R", 9)) is Exit.DONE and len(world.live("acme", "cpms")) == 1


def test_a_replace_that_was_killed_while_the_list_shows_the_old_one(runs: Runs, world: World) -> None:
    """Killed after its create arrived; the next run waits out a list that shows the old object, and makes nothing."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    old = world.rows("acme", "cpms")[0]
    on_answer(world, "POST", runs.kill)
    assert runs.apply(replace("R", 9)) is None
    until = runs.clock.now + 60
    relist(world, lambda rows: [old] if runs.clock.now < until else rows, kind="cpms")
    assert runs.apply(replace("R", 9)) is Exit.DONE and len(world.live("acme", "cpms")) == 1


def test_another_hand_makes_it_while_ours_is_under_way(runs: Runs, world: World) -> None:
    """The same object, field by field, cannot be distinguished from ours; when ours comes late both are held back, never a third."""
    late: list[float] = []

    def override(method: str, path: str) -> Answer | None:
        if method == "POST":
            world.add("acme", "charger", identity="CP-1", **CHARGER)
            late.append(runs.clock.now + 50)
            raise ConnectionError("reset")
        return None

    def passed() -> None:
        if late and runs.clock.now > late[0]:
            late.clear()
            world.add("acme", "charger", identity="CP-1", **CHARGER)

    world.override, runs.clock.passed = override, passed
    assert runs.apply(yaml("CP-1")) is Exit.DONE
    world.override = None
    runs.clock.sleep(2 * WINDOW)
    end = runs.apply(yaml("CP-1"))
    assert end is Exit.INCOMPLETE and "E-DUPLICATE-LIVE" in runs.printed and names(world) == ["CP-1", "CP-1"]


def test_what_a_person_renames_before_any_list_shows_it(runs: Runs, world: World) -> None:
    """A create that was answered and never shows up under its name stays open, and nothing more is made there."""
    on_answer(world, "POST", lambda: world.edit("acme", "charger", "CP-1", identity="renamed"))
    assert runs.apply(yaml("CP-1", "CP-2")) is Exit.UNKNOWN
    world.alter = None
    runs.clock.sleep(5 * WINDOW)
    assert runs.apply(yaml("CP-1", "CP-2")) is Exit.UNKNOWN and names(world) == ["renamed"]
    assert runs.open() == ["create acme/charger/CP-1"]
