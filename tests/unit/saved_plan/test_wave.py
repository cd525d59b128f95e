"""A saved plan in waves: the reviewed steps at some addresses go now, the rest stays for the next wave."""

from typing import Any

import pytest
from support_pipeline import Pipeline, as_json, document, pipeline
from world import World

from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import InputError, PlanStale
from exolink_reconcile.model import DesiredState, Outcome, Plan, Result, Status
from exolink_reconcile.planning import digest
from exolink_reconcile.report import result_text, sentences
from exolink_reconcile.saved_plan import reader, wave
from exolink_reconcile.saved_plan.reader import SavedPlan
from exolink_reconcile.saved_plan.wave import Wave

CHARGER = {"displayName": "x", "profileId": 1}
YAML = document(
    "acme",
    chargers=[{"identity": name, **CHARGER} for name in ("A-1", "A-2", "B-1", "B-2")],
    removed=[{"charger": "OLD"}],
)


@pytest.fixture
def world() -> World:
    world = World()
    world.add("acme", "charger", identity="OLD")
    world.add("acme", "charger", identity="KEPT")
    return world


def saved_of(plan: Plan) -> SavedPlan:
    return reader.read(as_json(plan).encode())


def wave_of(run: Pipeline, saved: SavedPlan, desired: DesiredState, *patterns: str) -> Wave:
    plan, live = run.plan(desired), run.live(desired)
    return wave.of(saved, plan, digest.of_each(plan), desired, live, patterns)


def names(part: Wave) -> list[str]:
    return [step.address.name for step in part.plan.steps]


def test_wave_after_wave(world: World) -> None:
    """Each wave does its steps and says how many are left; deletes stay for the one after which nothing else is left."""
    with pipeline(world) as run:
        desired = run.desired(YAML)
        saved = saved_of(run.plan(desired))
        results: list[tuple[list[str], tuple[str, ...], tuple[Exit, ...]]] = []
        for patterns in (("acme/charger/A-*", "acme/charger/OLD"), ("acme/charger/OLD",), ("*/B-*",), ("*",)):
            part = wave_of(run, saved, desired, *patterns)
            result = part.result(run.apply(desired, part.plan))
            results.append((names(part), result.notes[-1:], result.exit_codes))
    left = (Exit.INCOMPLETE,)
    assert results == [
        (["A-1", "A-2"], ("3 of 5 steps left.",), left),
        ([], ("3 of 5 steps left.",), left),
        (["B-1", "B-2"], ("1 of 5 steps left.",), left),
        (["OLD"], (), ()),
    ]


def test_a_wave_is_a_part(world: World) -> None:
    """Text claims nothing of the whole, says which deletes of the wave wait, and how to go on."""
    with pipeline(world) as run:
        desired = run.desired(YAML)
        saved = saved_of(run.plan(desired))
        part = wave_of(run, saved, desired, "acme/charger/OLD")
        result = part.result(run.apply(desired, part.plan))
        assert list(sentences.summary(part.plan))[0] == "No changes in the part that --wave leaves."
        assert any(note.startswith("waits: delete acme/charger/OLD: ") for note in result.notes)
        assert "\nNext: the same plan with --wave for other addresses" in result_text.result(result, part.plan)
        part = wave_of(run, saved, desired, "acme/charger/A-*")
        assert "This plan is partial: it holds only what --wave leaves." in sentences.compared(part.plan)
        assert not wave_of(run, saved, desired, "acme/*").plan.partial


def test_the_last_wave_takes_the_deletes_along(world: World) -> None:
    """The wave after which nothing else of the tenant is left has its deletes, too."""
    with pipeline(world) as run:
        desired = run.desired(YAML)
        saved = saved_of(run.plan(desired))
        assert names(wave_of(run, saved, desired, "acme/*")) == ["A-1", "A-2", "B-1", "B-2", "OLD"]


def test_what_changed_since_is_skipped(world: World) -> None:
    """A reviewed step whose object changed is skipped as stale, and the others go."""
    world.add("acme", "charger", identity="A-1", displayName="before", profileId=1)
    with pipeline(world) as run:
        desired = run.desired(YAML)
        saved = saved_of(run.plan(desired))
        world.edit("acme", "charger", "A-1", displayName="by hand")
        other = wave_of(run, saved, desired, "acme/charger/B-*")
        assert (names(other), other.moved) == (["B-1", "B-2"], ())
        part = wave_of(run, saved, desired, "acme/charger/A-*")
        result = part.result(run.apply(desired, part.plan))
    assert [(o.step.address.name, o.code) for o in result.outcomes] == [("A-2", ""), ("A-1", "E-STALE")]
    assert result.exit_codes == (Exit.INCOMPLETE,) and "4 of 5 steps left." in result.notes


def test_a_step_that_nobody_reviewed(world: World) -> None:
    """It is refused, whether or not the wave names it."""
    with pipeline(world) as run:
        saved = saved_of(run.plan(YAML))
        more = run.desired(document("acme", chargers=[{"identity": name, **CHARGER} for name in ("A-1", "NEW")]))
        with pytest.raises(PlanStale) as caught:
            wave_of(run, saved, more, "acme/charger/A-*")
    assert caught.value.code == "E-STALE" and "acme/charger/NEW" in caught.value.summary


@pytest.mark.parametrize("patterns", [("acme/charger/C-*",), ("acme/charger/A-*", "beta/*")])
def test_a_wave_that_matches_nothing(world: World, patterns: tuple[Any, ...]) -> None:
    """A typo in a glob is an error, and nothing is done."""
    with pipeline(world) as run:
        desired = run.desired(YAML)
        saved = saved_of(run.plan(desired))
        with pytest.raises(InputError) as caught:
            wave_of(run, saved, desired, *patterns)
    assert caught.value.code == "E-TARGET" and world.writes == []


def test_when_nothing_is_left(world: World) -> None:
    """A plan that was applied wave by wave is applied."""
    with pipeline(world) as run:
        desired = run.desired(YAML)
        saved = saved_of(run.plan(desired))
        run.apply(desired)
        with pytest.raises(PlanStale) as caught:
            wave_of(run, saved, desired, "*")
    assert caught.value.code == "E-APPLIED"


def test_what_is_not_to_do_any_more_is_told(world: World) -> None:
    """A reviewed step that the YAML took back is skipped as changed, once its wave comes; the others go."""
    with pipeline(world) as run:
        saved = saved_of(run.plan(YAML))
        fewer = run.desired(
            document(
                "acme",
                chargers=[{"identity": name, **CHARGER} for name in ("A-1", "B-1", "B-2")],
                removed=[{"charger": "OLD"}],
            )
        )
        other = wave_of(run, saved, fewer, "*/B-1")
        assert (other.vanished, other.open, other.total) == ((), 5, 5)
        part = wave_of(run, saved, fewer, "*/A-*")
        assert (names(part), part.vanished) == (["A-1"], ("create acme/charger/A-2",))
        result = part.result(run.apply(fewer, part.plan))
    skipped = "skipped create acme/charger/A-2: changed since it was reviewed (E-STALE)"
    assert (result.notes[-2:], result.exit_codes) == ((skipped, "4 of 5 steps left."), (Exit.INCOMPLETE,))


def test_only_what_vanished_is_left(world: World) -> None:
    """Where nothing else is left to do, the message says so; it is not the same as an applied plan."""
    with pipeline(world) as run:
        saved = saved_of(run.plan(document("acme", chargers=[{"identity": "A-1", **CHARGER}])))
        nothing = run.desired("tenant: acme\nchargers: []\n")
        part = wave_of(run, saved, nothing, "*")
        result = part.result(run.apply(nothing, part.plan))
    assert (names(part), part.open, part.plan.waves) == ([], 1, ())
    assert (result.notes[-1], result.exit_codes) == ("1 of 1 steps left.", (Exit.INCOMPLETE,))


def test_what_happened_as_planned_is_not_left(world: World) -> None:
    """A reviewed step that is live as planned counts as done, whoever did it."""
    with pipeline(world) as run:
        desired = run.desired(YAML)
        saved = saved_of(run.plan(desired))
        world.add("acme", "charger", identity="A-1", **CHARGER)
        part = wave_of(run, saved, desired, "*/A-*")
        assert (names(part), part.open, part.total, part.moved, part.vanished) == (["A-2"], 4, 5, (), ())


def test_a_step_that_did_not_end_well_is_left(world: World) -> None:
    """What failed, or was done and is not as it should be, is one of the steps that are left."""
    with pipeline(world) as run:
        desired = run.desired(YAML)
        part = wave_of(run, saved_of(run.plan(desired)), desired, "*")
        first, second, third, fourth, fifth = part.plan.steps
    outcomes = (
        Outcome(first, Status.DONE),
        Outcome(second, Status.DONE, code="E-NORMALISED", exit_code=Exit.INCOMPLETE),
        Outcome(third, Status.FAILED, exit_code=Exit.INCOMPLETE),
        Outcome(fourth, Status.UNKNOWN, exit_code=Exit.UNKNOWN),
        Outcome(fifth, Status.SKIPPED),
    )
    result = part.result(Result(outcomes, notes=("a note",), exit_codes=(Exit.UNKNOWN,)))
    assert result.notes == ("a note", "4 of 5 steps left.") and result.outcomes == outcomes
    assert result.exit_codes == tuple(sorted((Exit.INCOMPLETE, Exit.UNKNOWN)))
    whole = part.result(Result(tuple(Outcome(step, Status.DONE) for step in part.plan.steps)))
    assert (whole.notes, whole.exit_codes) == ((), ())


def test_deletes_wait_for_their_own_tenant_only() -> None:
    """A tenant of which nothing else is left has its deletes; one of which something is left keeps them."""
    world = World(tenants=("acme", "beta"))
    for tenant in ("acme", "beta"):
        world.add(tenant, "charger", identity="OLD")
        world.add(tenant, "charger", identity="KEPT")
    yaml = "---\n".join(
        document(
            tenant,
            chargers=[{"identity": name, **CHARGER} for name in ("A-1", "A-2")],
            removed=[{"charger": "OLD"}],
        )
        for tenant in ("acme", "beta")
    )
    with pipeline(world) as run:
        desired = run.desired(yaml)
        saved = saved_of(run.plan(desired))
        part = wave_of(run, saved, desired, "acme/*", "beta/charger/A-1", "beta/charger/OLD")
        assert all(part.plan.waves) and all(wave_of(run, saved, desired, "*/OLD", "*/A-1").plan.waves)
    assert [str(step.address) for step in part.plan.steps] == [
        "acme/charger/A-1", "acme/charger/A-2", "beta/charger/A-1", "acme/charger/OLD",
    ]  # fmt: skip


def test_a_delete_whose_object_changed_waits_for_nobody(world: World) -> None:
    """A delete that is not as reviewed does not go, and what is to be created beside it does."""
    with pipeline(world) as run:
        desired = run.desired(YAML)
        saved = saved_of(run.plan(desired))
        world.edit("acme", "charger", "OLD", displayName="by hand")
        part = wave_of(run, saved, desired, "*")
    assert names(part) == ["A-1", "A-2", "B-1", "B-2"]
    assert [str(step.address) for step in part.moved] == ["acme/charger/OLD"]


def test_the_nearest_of_a_wave_that_matches_nothing(world: World) -> None:
    """The message names the glob and what was probably meant."""
    with pipeline(world) as run:
        desired = run.desired(YAML)
        saved = saved_of(run.plan(desired))
        with pytest.raises(InputError) as caught:
            wave_of(run, saved, desired, "acme/charger/A1")
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.summary == "--wave acme/charger/A1 matches no reviewed step"
    assert "acme/charger/A-1" in diagnostic.detail
