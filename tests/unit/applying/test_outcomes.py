"""What is reported of each step: what happened, what is in doubt, what was not done."""

from support_apply import CHARGER, CPMS, Runs, names, on_answer, replace
from support_pipeline import document
from world import World

from exolink_reconcile.codes import Exit


def test_row_F15_a_replace_says_which_half(runs: Runs, world: World) -> None:
    """A replace whose delete was done and whose create was not answered counts the half that happened and names the other."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    world.override = lambda method, path: (503, {}, b"") if method == "POST" else None
    end = runs.apply(replace("R", 9))
    assert end is Exit.UNKNOWN and runs.result is not None and runs.result.totals == (0, 0, 1)
    assert "is deleted; no clear answer to the create" in runs.said


def test_row_F15_a_create_that_was_never_sent_is_not_in_doubt(runs: Runs, world: World) -> None:
    """A delete in doubt, and so no create: only the delete is called unclear."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    world.override = lambda method, path: (503, {}, b"") if method == "DELETE" else None
    end = runs.apply(replace("R", 9))
    assert end is Exit.UNKNOWN and "no clear answer to the delete" in runs.said and "nothing was created" in runs.said


def test_another_hand_between_the_halves_of_a_replace(runs: Runs, world: World) -> None:
    """What another hand makes under the name while ours is deleted is not called ours, and two of them are not a success."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    on_answer(world, "DELETE", lambda: world.add("acme", "cpms", displayName="R", url="wss://hand/", interval=1))
    end = runs.apply(replace("R", 9))
    assert end is Exit.INCOMPLETE and "E-DUPLICATE-LIVE" in runs.said and len(world.live("acme", "cpms")) == 2


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
