"""What apply refuses although the plan shows it: the delete budget, lists that shrank, writes that nobody documented."""

from typing import Any

import pytest
from support_html import step
from support_pipeline import (
    document,
    pipeline,
)
from support_planning import CHARGER, CPMS, plan_of, plan_where, settled_world, yaml
from world import World

from exolink_reconcile.model import Action, DesiredState, Plan, Source, Step
from exolink_reconcile.planning import guardrails
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.resource import ListKey

CHARGERS = ListKey("acme", "charger")


def deletes(count: int) -> list[Step]:
    return [step(Action.DELETE, f"CP-{number}", number) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("count", "live", "why"),
    [
        (1, 1, ""),
        (2, 2, "it would empty acme/charger (2 of 2)"),
        (2, 20, ""),
        (2, 19, "it deletes 2 of 19 in acme/charger, more than 10%"),
        (25, 1_000, ""),
        (26, 1_000, "it deletes 26, more than 25"),
    ],
)
def test_what_may_go_without_its_number(count: int, live: int, why: str) -> None:
    """A single one is free; then up to a tenth of what is live, up to 25 in all, and never the last."""
    refusals = guardrails.delete_budget(deletes(count), {CHARGERS: live}, Choices())
    expected = [("E-DELETES", f"{count} deletes need --allow-deletes {count}: {why}")] if why else []
    assert [(refusal.code, refusal.summary) for refusal in refusals] == expected


def test_the_number_is_exact() -> None:
    """The number of all deletes lets them go; one more or less does not, however few there are."""
    for number, refused in ((26, False), (25, True), (27, True)):
        choices = Choices(allow_deletes=number)
        assert bool(guardrails.delete_budget(deletes(26), {CHARGERS: 1_000}, choices)) is refused
    assert guardrails.delete_budget(deletes(1), {CHARGERS: 9}, Choices(allow_deletes=2))


def test_what_a_command_needs_is_said_as_its_options() -> None:
    """A command that is offered names every option without which apply would refuse it."""
    steps = [delete._replace(inferred=True) for delete in deletes(2)]
    assert [*guardrails.permissions(steps, {CHARGERS: 2}, Choices())] == ["--allow-deletes", "2", "--allow-inferred"]
    assert [*guardrails.permissions(deletes(1), {CHARGERS: 9}, Choices())] == []


def test_nothing_is_pruned_where_a_part_was_not_read() -> None:
    """What was not read may declare what would be deleted; the first place is named, and how many there are."""
    places = [Source(path, 1, 1) for path in ("conf/a.yaml", "conf/b.yaml", "conf/c.yaml")]
    for count, named in ((1, "conf/a.yaml;"), (2, "conf/a.yaml and 1 more;"), (3, "conf/a.yaml and 2 more;")):
        desired = DesiredState((), "", unread=tuple(places[:count]))
        [refusal] = guardrails.read_in_part(desired, Choices(prune=True))
        assert refusal.code == "E-PARTLY-READ" and f"was not read: {named}" in refusal.summary
        assert guardrails.read_in_part(desired, Choices()) == []
    assert guardrails.read_in_part(DesiredState((), ""), Choices(prune=True)) == []


def test_a_number_that_was_given_stays_in_the_command() -> None:
    """A command that is offered says the number anew where one was given, needed or not: another one would be refused."""
    assert [*guardrails.permissions(deletes(1), {CHARGERS: 9}, Choices(allow_deletes=3))] == ["--allow-deletes", "1"]


def test_a_list_that_became_empty() -> None:
    """It is more likely a fault than the truth, until somebody says that it is true; one that was never seen is fine."""
    refused = guardrails.shrunk({CHARGERS: 0, ListKey("acme", "cpms"): 0}, {CHARGERS: 40}, Choices())
    assert [refusal.code for refusal in refused] == ["E-LIST-SHRANK"] and "40 rows" in refused[0].summary
    assert guardrails.shrunk({CHARGERS: 0}, {CHARGERS: 40}, Choices(allow_shrunk=("acme/charger",))) == []
    assert guardrails.shrunk({CHARGERS: 1}, {CHARGERS: 40}, Choices()) == []


def test_a_write_that_nobody_documented() -> None:
    """It needs a word, and the first one is named."""
    steps = [delete._replace(inferred=True) for delete in deletes(2)]
    [refusal] = guardrails.inferred(steps, Choices())
    assert refusal.code == "E-INFERRED" and "acme/charger/CP-1" in refusal.summary
    assert guardrails.inferred(steps, Choices(may_infer=True)) == []


def plan_of_deletes(live: int, removed: int, **choices: Any) -> Plan:
    """`removed` of `live` chargers go."""
    return plan_of(
        settled_world(live),
        document("acme", removed=[{"charger": f"CP-{n}"} for n in range(1, removed + 1)]),
        **choices,
    )


@pytest.mark.parametrize(
    ("live", "removed", "allowed"),
    [
        (1, 1, True),  # a single delete is free, even of the last one
        (5, 1, True),
        (20, 2, True),  # exactly 10 %
        (19, 2, False),  # more than 10 %
        (2, 2, False),  # would empty it
        (250, 25, True),  # exactly 25, exactly 10 %
        (400, 25, True),
        (400, 26, False),  # more than 25 in all
    ],
)
def test_delete_budget(live: int, removed: int, allowed: bool) -> None:
    """More than 10 %, the last ones, or more than 25 in all need `--allow-deletes`; the number of the plan settles it."""
    plan = plan_of_deletes(live, removed)
    assert [refusal.code for refusal in plan.refusals] == ([] if allowed else ["E-DELETES"])
    assert plan.count(Action.DELETE) == removed
    if not allowed:
        assert f"--allow-deletes {removed}" in plan.refusals[0].summary
        assert plan_of_deletes(live, removed, allow_deletes=removed).refusals == ()


@pytest.mark.parametrize("number", [0, 1, 2, 4, 100])
def test_any_other_number_is_refused(number: int) -> None:
    """The number must be that of all deletes of the plan."""
    assert [refusal.code for refusal in plan_of_deletes(40, 3, allow_deletes=number).refusals] == ["E-DELETES"]


def test_single_deletes_do_not_count() -> None:
    """One delete in each of many places is free, and does not add up."""
    tenants = [f"t{number:02}" for number in range(30)]
    world = World(tenants=tenants)
    for tenant in tenants:
        world.add(tenant, "charger", **CHARGER)
    text = "---\n".join(document(tenant, removed=[{"charger": "CP-1"}]) for tenant in tenants)
    assert plan_of(world, text).refusals == ()


def test_only_deletes_are_plan_of_deletes() -> None:
    """Creates and updates are no part of the number, and a plan without deletes needs none."""
    text_ = yaml(chargers=[{**CHARGER, "identity": "New"}], removed=[{"charger": f"CP-{n}"} for n in (1, 2, 3)])
    assert plan_of(settled_world(5), text_, allow_deletes=3).refusals == ()
    assert plan_of(settled_world(), yaml(), allow_deletes=3).refusals == ()


def test_every_reason_is_said() -> None:
    """A refusal names each list that is hit, by tenant and kind, with how much of it goes."""
    world = World(tenants=("a", "b"))
    for tenant in ("a", "b"):
        for number in range(15):
            world.add(tenant, "charger", **{**CHARGER, "identity": f"CP-{number}"})
        for name in ("X", "Y"):
            world.add(tenant, "cpms", **{**CPMS, "displayName": name})
    removed = [{"cpms": "X"}, {"cpms": "Y"}, *({"charger": f"CP-{number}"} for number in range(12))]
    text_ = "---\n".join(document(tenant, removed=removed) for tenant in ("b", "a"))
    [refusal] = plan_of(world, text_).refusals
    assert refusal.summary.endswith(
        "28 deletes need --allow-deletes 28:"
        " it deletes 12 of 15 in a/charger, more than 10%; it would empty a/cpms (2 of 2);"
        " it deletes 12 of 15 in b/charger, more than 10%; it would empty b/cpms (2 of 2); it deletes 28, more than 25"
    )


def test_several_kinds_add_up() -> None:
    """More than 25 in all, over kinds and tenants, need the number of all of them."""
    world = World(tenants=("a", "b"))
    for tenant in ("a", "b"):
        for number in range(200):
            world.add(tenant, "charger", **{**CHARGER, "identity": f"CP-{number}"})
    removed = [{"charger": f"CP-{number}"} for number in range(13)]
    text = "---\n".join(document(tenant, removed=removed) for tenant in ("a", "b"))
    assert "--allow-deletes 26" in plan_of(world, text).refusals[0].summary


def test_unmanaged_count_and_soft_deleted_do_not() -> None:
    """The share is of what is live: unmanaged objects count, soft-deleted ones do not."""
    world = settled_world(20)
    for number in range(11, 21):
        world.soft_delete("acme", "charger", f"CP-{number}")
    text = document("acme", removed=[{"charger": "CP-1"}, {"charger": "CP-2"}])
    assert "2 of 10" in plan_of(world, text).refusals[0].summary


def test_replaces_and_prune_count() -> None:
    """Removed, prune and replaces are one sum."""
    world = settled_world(3)
    policy = {"exclusive": ["charger"], "allowReplace": ["cpms/Primary"]}
    plan = plan_of(world, yaml(cpms={"interval": 5}, policy=policy), prune=True)
    assert plan.counts == (1, 0, 3) and "--allow-deletes 3" in plan.refusals[0].summary


def test_reviewed_plan_of_deletes() -> None:
    """A reviewed plan needs no number for `removed` entries; prune needs it all the same."""
    assert plan_of_deletes(5, 5, reviewed=True).refusals == ()
    plan = plan_of(settled_world(5), yaml(policy={"exclusive": ["charger"]}), prune=True, reviewed=True)
    assert [refusal.code for refusal in plan.refusals] == ["E-DELETES"]
    world = settled_world()
    world.add("acme", "cpms", **{**CPMS, "displayName": "Second"})
    cpms = [{**CPMS, "interval": 60}, {**CPMS, "displayName": "Second", "interval": 60}]
    text_ = document("acme", policy={"allowReplace": ["cpms/Primary", "cpms/Second"]}, cpms=cpms)
    assert [refusal.code for refusal in plan_of(world, text_, reviewed=True).refusals] == ["E-DELETES"]


def test_held_back_deletes_do_not_count() -> None:
    """What is held back is not a delete."""
    world = settled_world(5)
    for number in range(2, 6):
        world.add("acme", "charger", **{**CHARGER, "identity": f"CP-{number}"})
    text = document("acme", removed=[{"charger": f"CP-{n}"} for n in range(1, 6)])
    plan = plan_of(world, text)
    assert plan.count(Action.DELETE) == 1 and plan.refusals == ()


def test_a_target_narrows_the_budget() -> None:
    """The budget is about what the run would delete."""
    assert plan_of_deletes(5, 5, targets=("acme/charger/CP-1",)).refusals == ()


@pytest.mark.parametrize(
    ("live", "counts_before", "allowed", "refused"),
    [
        (0, {ListKey("acme", "charger"): 1}, (), True),
        (0, {ListKey("acme", "charger"): 500}, (), True),
        (1, {ListKey("acme", "charger"): 500}, (), False),  # smaller, not gone
        (0, {ListKey("acme", "charger"): 0}, (), False),
        (0, {}, (), False),
        (0, {ListKey("beta", "charger"): 5, ListKey("acme", "cpms"): 5}, (), False),
        (0, {ListKey("acme", "charger"): 5}, ("acme/charger",), False),
        (0, {ListKey("acme", "charger"): 5}, ("acme/cpms", "beta/charger"), True),
    ],
)
def test_a_list_that_shrank_to_nothing(live: int, counts_before: Any, allowed: tuple[str, ...], refused: bool) -> None:
    """A list that had rows and is empty now is more likely a fault than the truth: nothing is applied until it is said."""
    plan = plan_where(
        settled_world(live), document("acme", chargers=[CHARGER]), counts_before=counts_before, allow_shrunk=allowed
    )
    assert [refusal.code for refusal in plan.refusals] == ["E-LIST-SHRANK"] * refused
    if refused:
        summary = plan.refusals[0].summary
        assert f"saw {counts_before['acme', 'charger']} rows" in summary and "--allow-shrunk acme/charger" in summary


def test_several_lists_that_shrank() -> None:
    """Each is named, in the order of tenants and kinds."""
    text_ = "---\n".join(document(t, chargers=[CHARGER], cpms=[CPMS]) for t in ("b", "a"))
    counts_before = {ListKey(tenant, kind): 2 for tenant in ("b", "a") for kind in ("cpms", "charger")}
    plan = plan_where(World(tenants=("a", "b")), text_, counts_before=counts_before)
    assert [refusal.summary.split()[3] for refusal in plan.refusals] == ["a/charger", "a/cpms", "b/charger", "b/cpms"]


def test_what_is_only_inferred_is_refused_until_it_is_allowed() -> None:
    """Plan says beforehand that apply will refuse, and which option is missing."""
    world, text = settled_world(), yaml(chargers=[{"identity": "CP-9", "displayName": "x", "profileId": 1}])
    with pipeline(world) as run:
        refused = run.plan(text, may_infer=False)
        assert [refusal.code for refusal in refused.refusals] == ["E-INFERRED"]
        assert "acme/charger/CP-9" in refused.refusals[0].summary and "--allow-inferred" in refused.refusals[0].summary
        assert run.plan(text).refusals == ()
        assert run.plan(yaml(cpms={"url": "wss://new/"}), may_infer=False).refusals == ()
