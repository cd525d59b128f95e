"""A new object that looks like a live one under a new name is a note, never an action."""

from typing import Any

import pytest
from support_pipeline import document, pipeline
from support_planning import CPMS, plan_of
from world import World

from exolink_reconcile.model import Note, Plan
from exolink_reconcile.planning import differ, renames
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.resource import Address

NEW, OLD = Address("acme", "cpms", "New"), Address("acme", "cpms", "Old")


def live(*names: str) -> World:
    """CPMS of these names that all have one url."""
    world = World()
    for name in names:
        world.add("acme", "cpms", **{**CPMS, "displayName": name})
    return world


def declaring(*names: str, **more: Any) -> str:
    """The YAML that declares CPMS of these names with that url."""
    return document("acme", cpms=[{**CPMS, "displayName": name} for name in names], **more)


def renamed(plan: Plan) -> list[Note]:
    return [note for note in plan.notes if note.code == "W-RENAME"]


def test_a_new_object_with_the_url_of_an_unmanaged_one() -> None:
    """The note names both, the id and what they have in common; the plan creates all the same."""
    world = live("Old")
    world.edit("acme", "cpms", "Old", interval=45)
    plan = plan_of(world, declaring("New"))
    [note] = renamed(plan)
    number = world.row("acme", "cpms", "Old")["id"]
    assert note.addresses == (NEW, OLD) and [step.address for step in plan.steps] == [NEW]
    assert f"{NEW} looks like a new name of {OLD}, id {number}: they have the same url." in note.summary


def test_a_new_object_with_the_url_of_a_removed_one() -> None:
    """Removing the old name and declaring a new one is a rename for people, and two objects for the API."""
    [note] = renamed(plan_of(live("Old"), declaring("New", removed=[{"cpms": "Old"}])))
    assert note.addresses == (NEW, OLD)


@pytest.mark.parametrize(
    ("names", "declared"),
    [
        (("Old", "Older"), ("New",)),
        (("Old",), ("New", "Newer")),
        ((), ("New",)),
        (("New", "Old"), ("New",)),
    ],
)
def test_no_guess_is_made(names: tuple[str, ...], declared: tuple[str, ...]) -> None:
    """Two candidates on either side, none, or no new object: no note."""
    assert renamed(plan_of(live(*names), declaring(*declared))) == []


def test_a_changed_object_is_not_a_new_one() -> None:
    """An update that takes the url of an unmanaged object renames nothing."""
    world = live("Old")
    world.add("acme", "cpms", **{**CPMS, "displayName": "New", "url": "wss://another/"})
    assert renamed(plan_of(world, declaring("New"))) == []


def test_an_object_that_gives_its_url_away_is_declared() -> None:
    """A new object with the url that another declared one has had is not that one: it is still there."""
    entries = [{**CPMS, "displayName": "Old", "url": "wss://another/"}, {**CPMS, "displayName": "New"}]
    plan = plan_of(live("Old"), document("acme", cpms=entries))
    assert len([*plan.steps]) == 2 and renamed(plan) == []


def test_two_that_differ_in_the_url_are_two() -> None:
    """What else they have in common says nothing."""
    world = live("Old")
    world.edit("acme", "cpms", "Old", url="wss://another/")
    assert renamed(plan_of(world, declaring("New"))) == []


def test_what_is_no_part_of_the_run_is_not_spoken_of() -> None:
    """A create that the choices or --only leave out has no note."""
    assert renamed(plan_of(live("Old"), declaring("New"), excludes=(str(NEW),))) == []
    with pipeline(live("Old")) as run:
        desired = run.desired(declaring("New"))
        changes = differ.diff(desired, run.live(desired))
    assert renames.notes(changes, Choices(), left_out=[NEW]) == []
    assert len(renames.notes(changes, Choices(), left_out=[])) == 1
