"""The last look: what is left of a plan, and what became different beside it."""

from typing import Any

import pytest
from support_pipeline import document, pipeline
from world import World

from exolink_reconcile.applying import verifying
from exolink_reconcile.codes import Exit
from exolink_reconcile.model import LiveState, Outcome, Status
from exolink_reconcile.planning import differ

CPMS = {"url": "wss://h/", "interval": 30}


def entry(name: str, **fields: Any) -> dict[str, Any]:
    return {"displayName": name, **CPMS, **fields}


def verified(
    live: list[dict[str, Any]],
    outcomes: dict[str, Exit] | None = None,
    *,
    target: str = "acme/cpms/*",
    before: bool = True,
) -> tuple[dict[str, tuple[str, bool]], tuple[str, ...]]:
    """What is left and the notes, after an apply that was to make A, of a tenant that also declares B, with these rows in the last list."""
    world = World()
    world.add("acme", "cpms", **entry("B"))
    with pipeline(world) as run:
        desired = run.desired(document("acme", cpms=[entry("A"), entry("B")]))
        plan = run.plan(desired, targets=(target,))
        differing = differ.addresses(differ.diff(desired, run.live(desired)))
        for row in world.rows("acme", "cpms"):
            world.soft_delete("acme", "cpms", row["id"])
        for fields in live:
            world.add("acme", "cpms", **fields)
        last: LiveState = run.live(desired)
    rows = {("acme", kind): kind_rows for kind, kind_rows in last.tenants["acme"].rows.items()}
    ended = [
        Outcome(step, Status.FAILED, "", "E-REJECTED", code)
        for step in plan.steps
        if (code := (outcomes or {}).get(step.address.name)) is not None
    ]
    remaining, notes = verifying.verify(plan, desired, rows, ended, differing if before else ())
    return {difference.address.name: (difference.detail, difference.gone) for difference in remaining}, notes


def test_nothing_is_left_where_all_is_as_declared() -> None:
    """Then an apply may say that it is complete."""
    assert verified([entry("A"), entry("B")]) == ({}, ())


def test_what_differs_still_is_left_with_its_values() -> None:
    """A write that was answered and is not what is live is not called done."""
    assert verified([entry("A", interval=9), entry("B")]) == ({"A": ("interval is 9, not 30", False)}, ())


def test_what_is_not_there_is_left_as_gone() -> None:
    """It is reported apart from what is there and different."""
    assert verified([entry("B")]) == ({"A": ("still to do", True)}, ())


def test_two_of_one_name_are_left() -> None:
    """Which of them is meant is not guessed: the plan is not done."""
    [(detail, gone)] = verified([entry("A"), entry("A"), entry("B")])[0].values()
    assert "id" in detail and not gone


def test_a_step_that_failed_is_not_reported_twice() -> None:
    """Its own outcome says so already."""
    assert verified([entry("B")], {"A": Exit.INCOMPLETE}) == ({}, ())
    assert verified([entry("B")], {"A": Exit.DONE}) == ({"A": ("still to do", True)}, ())


@pytest.mark.parametrize(
    ("before", "start_differs", "noted"), [(True, False, True), (False, False, True), (True, True, False)]
)
def test_a_difference_elsewhere_is_a_note_where_it_is_new(before: bool, start_differs: bool, noted: bool) -> None:
    """What another hand changed meanwhile is reported; what differed before the plan already is not."""
    target, live = ("acme/cpms/B", [entry("B")]) if start_differs else ("acme/cpms/A", [entry("A")])
    left, notes = verified(live, target=target, before=before)
    assert left == {} and bool(notes) is noted
    assert all(note.endswith("did not touch: acme/cpms/B.") for note in notes)
