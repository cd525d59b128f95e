"""Whether a new plan is the reviewed one, what is left of it, or something else."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_pipeline import Pipeline, digest_of, document, pipeline
from support_saved_plans import CHARGER, WANTED, save, world
from world import World

from exolink_reconcile.errors import PlanStale
from exolink_reconcile.planning import digest
from exolink_reconcile.saved_plan import reader, review


def check(run: Pipeline, saved: reader.SavedPlan, yaml: str = WANTED) -> None:
    desired = run.desired(yaml)
    plan = run.plan(desired)
    review.check(saved, plan, digest.of_each(plan), desired, run.live(desired))


def refused(run: Pipeline, saved: reader.SavedPlan, yaml: str = WANTED) -> str:
    with pytest.raises(PlanStale) as caught:
        check(run, saved, yaml)
    return caught.value.code


def settle(world: World, name: str) -> None:
    """One step of the plan happens."""
    match name:
        case "create cpms":
            world.add("acme", "cpms", displayName="A", url="wss://u:hunter2@h/", interval=5)
        case "create charger":
            world.add("acme", "charger", **CHARGER, identity="CP-2")
        case "update":
            world.edit("acme", "charger", "CP-1", profileId=2)
        case "delete":
            world.soft_delete("acme", "charger", "Old")


STEPS = ("create cpms", "create charger", "update", "delete")


def test_unchanged() -> None:
    """A plan that comes out the same may be applied."""
    with pipeline(world()) as run:
        saved = save(run)
        check(run, saved)
        assert saved.digest == digest_of(run.plan(WANTED))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sets(st.sampled_from(STEPS), min_size=1, max_size=4))
def test_after_a_partial_apply(done: set[str]) -> None:
    """A rest of the reviewed steps may be applied while the others are live as planned; nothing left is `already applied`."""
    live = world()
    with pipeline(live) as run:
        saved = save(run)
        for name in done:
            settle(live, name)
        if len(done) < len(STEPS):
            check(run, saved)
        else:
            assert refused(run, saved) == "E-APPLIED"


def another_url(live: World) -> None:
    live.add("acme", "cpms", displayName="A", url="wss://u:hunter2@other/", interval=5)


def another_interval(live: World) -> None:
    live.add("acme", "cpms", displayName="A", url="wss://u:hunter2@h/", interval=6)


@pytest.mark.parametrize(
    "drift",
    [
        pytest.param(lambda w: w.edit("acme", "charger", "CP-1", profileId=3), id="the object of an update drifted"),
        pytest.param(lambda w: w.edit("acme", "charger", "CP-1", displayName="x"), id="a field it also sends drifted"),
        pytest.param(lambda w: w.edit("acme", "charger", "Old", profileId=3), id="the object of a delete drifted"),
        pytest.param(lambda w: w.soft_delete("acme", "charger", "CP-1"), id="the object of an update went"),
        pytest.param(another_url, id="what was to be created is there, otherwise"),
        pytest.param(another_interval, id="what was to be created is there, with a field that no update takes"),
        pytest.param(
            lambda w: w.add("acme", "charger", **CHARGER, identity="cp-2"), id="what was to be created is held back now"
        ),
        pytest.param(
            lambda w: (w.soft_delete("acme", "charger", "Old"), w.add("acme", "charger", **CHARGER, identity="Old")),
            id="what was to be deleted was made again",
        ),
    ],
)
def test_drift(drift: Any) -> None:
    """Whatever moved since the review refuses the whole plan, before anything is written."""
    live = world()
    with pipeline(live) as run:
        saved = save(run)
        drift(live)
        assert refused(run, saved) == "E-STALE"
    assert live.writes == []


@pytest.mark.parametrize(
    "yaml",
    [
        WANTED.replace('identity: "CP-2"', 'identity: "CP-3"'),
        WANTED + 'name: "x"\n',
        WANTED.replace('profileId: "2"', 'profileId: "4"'),
        WANTED.replace('  - {charger: "Old"}\n', '  - {charger: "Old"}\n  - {charger: "CP-8"}\n').replace(
            '"CP-2"', '"CP-7"'
        ),
    ],
)
def test_another_yaml(yaml: str) -> None:
    """A step that nobody reviewed refuses the plan, whatever else is as reviewed."""
    with pipeline(world()) as run:
        assert refused(run, save(run), yaml) == "E-STALE"


def test_a_step_that_is_no_longer_wanted() -> None:
    """A reviewed step that the YAML took back is not `live as planned`."""
    with pipeline(world()) as run:
        saved = save(run)
        assert (
            refused(run, saved, WANTED.replace('  - {displayName: "Lobby", profileId: "1", identity: "CP-2"}\n', ""))
            == "E-STALE"
        )


def test_a_delete_of_what_is_not_read_any_more() -> None:
    """Where the YAML has no list of its kind any more, nobody knows whether the object is gone: the plan is stale."""
    with pipeline(world()) as run:
        saved = save(run, document("acme", removed=[{"charger": "Old"}]))
        assert refused(run, saved, document("acme", name="acme")) == "E-STALE"


def test_a_step_that_was_done_and_is_no_longer_wanted() -> None:
    """What was made as planned and is not declared any more is not as reviewed: the rest is not applied either."""
    live = world()
    with pipeline(live) as run:
        saved = save(run)
        settle(live, "create charger")
        assert (
            refused(run, saved, WANTED.replace('  - {displayName: "Lobby", profileId: "1", identity: "CP-2"}\n', ""))
            == "E-STALE"
        )


def message(run: Pipeline, saved: reader.SavedPlan, yaml: str = WANTED) -> str:
    with pytest.raises(PlanStale) as caught:
        check(run, saved, yaml)
    return caught.value.summary


def test_what_is_said_of_a_stale_plan() -> None:
    """It says which step is another one now, whether it was reviewed, and how many steps there were and are."""
    live = world()
    with pipeline(live) as run:
        saved = save(run)
        another = message(run, saved, WANTED.replace('identity: "CP-2"', 'identity: "CP-3"'))
        assert "it would now create acme/charger/CP-3; nobody reviewed it. Reviewed: 4 steps; now: 4." in another
        gone = message(run, saved, WANTED.replace('  - {charger: "Old"}\n', "").replace("removed:\n", ""))
        assert "delete acme/charger/Old was reviewed, is not to do any more, and is not live as planned" in gone
        live.edit("acme", "charger", "CP-1", profileId=3)
        moved = message(run, saved)
        assert "it would now update acme/charger/CP-1; update was reviewed there, but something changed since" in moved


def test_an_empty_plan() -> None:
    """A plan that had nothing to do comes out the same: a pipeline without a change does not fail."""
    with pipeline(world()) as run:
        check(run, save(run, "tenant: acme\n"), "tenant: acme\n")


def test_a_delete_whose_object_got_another_name_is_not_done() -> None:
    """The object that was to go is still there, under another name: nobody reviewed what is to be done now."""
    live = world()
    with pipeline(live) as run:
        saved = save(run)
        live.edit("acme", "charger", "Old", identity="Renamed")
        assert refused(run, saved) == "E-STALE"


@pytest.mark.parametrize("length", [12, 40, 64])
def test_expect(length: int) -> None:
    """The first digits of the digest are enough, and any other digest is stale."""
    with pipeline(world()) as run:
        own = digest_of(run.plan(WANTED))
    review.check_digest(own, own[:length])
    wrong = own[: length - 1] + "g"
    with pytest.raises(PlanStale, match=f"E-STALE.*expected {wrong}, it is now {own}"):
        review.check_digest(own, wrong)


def test_expect_of_a_saved_plan() -> None:
    """A saved plan must have the digest that is expected, too."""
    review.check_expected("abc", "abc")
    review.check_expected("abc", "ab")
    with pytest.raises(PlanStale, match="E-STALE.*expected b, it is abc"):
        review.check_expected("abc", "b")
