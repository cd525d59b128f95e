"""Facts to decisions: start from a world where nothing is to do, change one thing, see the one step that follows."""

from typing import Any

import pytest
from support_pipeline import document, pipeline, read_yaml, tenant_create_contract
from world import World

from exolink_reconcile import planner
from exolink_reconcile.errors import InputError
from exolink_reconcile.model import Action, Plan
from exolink_reconcile.planner import Choices
from exolink_reconcile.report import text

CPMS = {"displayName": "Primary", "url": "wss://cpms.example.com/", "interval": 30}
CHARGER = {"identity": "CP-1", "displayName": "Lobby", "profileId": 1}


def settled_world(chargers: int = 1) -> World:
    world = World()
    world.edit("acme", "tenant", 0, name="Acme")
    world.add("acme", "cpms", **CPMS)
    for number in range(1, chargers + 1):
        world.add("acme", "charger", **{**CHARGER, "identity": f"CP-{number}"})
    return world


def yaml(cpms: dict[str, Any] | None = None, charger: dict[str, Any] | None = None, **more: Any) -> str:
    """The document that describes the settled world, with changes."""
    lists: dict[str, Any] = {
        "name": "Acme",
        "cpms": [{**CPMS, **(cpms or {})}],
        "chargers": [{**CHARGER, **(charger or {})}],
    }
    return document("acme", **{**lists, **more})


def plan(world: World, text: str, **choices: Any) -> Plan:
    with pipeline(world) as run:
        return run.plan(text, **choices)


def steps(found: Plan) -> list[str]:
    return [f"{step.action.word} {step.address.local}" for step in found.steps]


def held(found: Plan) -> list[str]:
    return [f"{each.code} {each.action.word} {each.address.local}" for each in found.held_back]


def test_settled() -> None:
    """Where nothing differs nothing is planned."""
    found = plan(settled_world(), yaml())
    assert (found.waves, found.held_back, found.refusals, found.differs) == ((), (), (), False)


@pytest.mark.parametrize(
    ("text", "step", "sends"),
    [
        (yaml(cpms={"url": "wss://new/"}), "update cpms/Primary", ("url",)),
        (yaml(charger={"profileId": 2}), "update charger/CP-1", ("displayName", "profileId")),
        (yaml(charger={"displayName": "New"}), "update charger/CP-1", ("displayName", "profileId")),
        (yaml(name="Acme 2"), "update tenant/acme", ("name",)),
        (yaml(chargers=[CHARGER, {**CHARGER, "identity": "CP-9"}]), "create charger/CP-9", ("identity", "displayName", "profileId")),
        (yaml(chargers=[], removed=[{"charger": "CP-1"}]), "delete charger/CP-1", ()),
        (yaml(cpms=None, removed=[{"cpms": "Gone"}, {"charger": "CP-8"}], charger={"profileId": 5}), "update charger/CP-1", ("displayName", "profileId")),
    ],
)  # fmt: skip
def test_one_change_one_step(text: str, step: str, sends: tuple[str, ...]) -> None:
    """One difference is one step, which sends every managed field the contract takes, and no other."""
    found = plan(settled_world(), text)
    assert steps(found) == [step]
    assert [each.sends for each in found.steps] == [sends]
    assert found.held_back == ()


def test_absence_deletes_nothing() -> None:
    """What is taken out of the YAML stays as it is, and is counted as unmanaged."""
    found = plan(settled_world(), document("acme", cpms=[], chargers=[], removed=[{"charger": "x"}, {"cpms": "x"}]))
    assert steps(found) == [] and found.unmanaged_counts == {"cpms": 1, "charger": 1}


def test_kinds_not_mentioned_are_not_read() -> None:
    """A kind that no document mentions is not read, even with an empty list: it declares nothing."""
    world = settled_world()
    plan(world, document("acme", cpms=[CPMS]))
    assert sorted(world.paths) == ["/tenant/acme", "/tenant/acme/cpms"]


def test_a_field_that_cannot_be_updated() -> None:
    """A changed `interval` is held back, and the three ways out are named; what can be updated goes ahead."""
    found = plan(settled_world(), yaml(cpms={"interval": 60, "url": "wss://new/"}))
    assert steps(found) == ["update cpms/Primary"] and held(found) == ["E-CANNOT-UPDATE update cpms/Primary"]
    [entry] = found.held_back
    assert entry.field and entry.field.name == "interval"
    assert [word in " ".join(entry.ways_out) for word in ("revert", "createOnly: [interval]", "--allow-replace")] == [
        True
    ] * 3


def test_create_only() -> None:
    """`createOnly` is sent on create and never compared or updated afterwards."""
    assert steps(plan(settled_world(), yaml(cpms={"interval": 60, "createOnly": ["interval"]}))) == []
    found = plan(World(), document("acme", cpms=[{**CPMS, "createOnly": ["interval"]}]))
    assert [step.sends for step in found.steps] == [("displayName", "url", "interval")]


@pytest.mark.parametrize("by", ["option", "policy"])
def test_replace(by: str) -> None:
    """With permission what cannot be updated is replaced: one step that deletes and creates with all that is declared."""
    policy = {"policy": {"allowReplace": ["cpms/Primary"]}} if by == "policy" else {}
    choices = {"allow_replace": ("acme/cpms/Primary",)} if by == "option" else {}
    found = plan(settled_world(), yaml(cpms={"interval": 60}, **policy), **choices)
    assert steps(found) == ["replace cpms/Primary"] and found.counts == (1, 0, 1)
    assert [step.sends for step in found.steps] == [("displayName", "url", "interval")]


def test_a_permission_to_replace_is_no_order() -> None:
    """What can be updated is updated, replace allowed or not."""
    policy = {"allowReplace": ["cpms/Primary"]}
    assert steps(plan(settled_world(), yaml(cpms={"url": "wss://new/"}, policy=policy))) == ["update cpms/Primary"]


@pytest.mark.parametrize("pattern", ["cpms/P*", "cpms/*", "cpms/primary", "cpms/Primar"])
def test_allow_replace_is_exact(pattern: str) -> None:
    """`allowReplace` names one object; a pattern in it is just a name."""
    assert steps(plan(settled_world(), yaml(cpms={"interval": 60}, policy={"allowReplace": [pattern]}))) == []


def test_a_protected_replace_is_refused() -> None:
    """Protected is never replaced: it is held back, and apply refuses."""
    policy = {"allowReplace": ["cpms/Primary"], "protect": ["cpms/Prim?ry"]}
    found = plan(settled_world(), yaml(cpms={"interval": 60}, policy=policy))
    assert held(found) == ["E-PROTECTED replace cpms/Primary"] and [r.code for r in found.refusals] == ["E-PROTECTED"]


def test_a_replace_that_cannot_be_made_again() -> None:
    """Nothing is deleted for a replace whose create would be refused."""
    entry = {"displayName": "Primary", "interval": 60}
    found = plan(settled_world(), document("acme", cpms=[entry]), allow_replace=("acme/cpms/Primary",))
    assert steps(found) == [] and held(found) == ["E-CONTRACT replace cpms/Primary"]


def test_a_pinned_object_is_not_replaced() -> None:
    """A replace gives a new id, so a pinned object is held back."""
    world = settled_world()
    number = world.row("acme", "cpms", "Primary")["id"]
    found = plan(world, yaml(cpms={"interval": 60, "id": number}, policy={"allowReplace": ["cpms/Primary"]}))
    assert held(found) == ["E-PINNED replace cpms/Primary"]


# ------------------------------------------------------------------------------------------------------------- prune


def test_prune() -> None:
    """`--prune` deletes what is not declared where the policy claims it, and nowhere else."""
    world = settled_world(chargers=3)
    world.add("acme", "cpms", displayName="Stray")
    policy = {"exclusive": ["charger/CP-*"], "protect": ["charger/CP-3"]}
    assert steps(plan(world, yaml(policy=policy))) == []
    found = plan(world, yaml(policy=policy), prune=True)
    assert steps(found) == ["delete charger/CP-2"] and found.unmanaged_counts == {"cpms": 1, "charger": 1}
    assert [step.pruned for step in found.steps] == [True]


def test_prune_without_a_claim() -> None:
    """Where nothing is claimed `--prune` does nothing, and says so."""
    found = plan(settled_world(chargers=3), yaml(), prune=True)
    assert steps(found) == [] and "exclusive" in found.notes[0]


def test_prune_reads_what_is_claimed() -> None:
    """A kind that is only claimed is read, and pruned."""
    found = plan(settled_world(chargers=1), document("acme", policy={"exclusive": ["charger"]}), prune=True)
    assert steps(found) == ["delete charger/CP-1"]


def test_prune_does_not_guess() -> None:
    """Two live objects with one name are not pruned but held back."""
    world = settled_world()
    for _ in range(2):
        world.add("acme", "cpms", displayName="Twin")
    found = plan(world, yaml(policy={"exclusive": ["cpms"]}), prune=True)
    assert steps(found) == [] and held(found) == ["E-DUPLICATE-LIVE delete cpms/Twin"] * 2


# ------------------------------------------------------------------------------------------------------------- order


def test_waves() -> None:
    """Creates and updates along the kinds, then replaces one at a time, then deletes against the kinds."""
    world = settled_world(chargers=3)
    for name in ("Old", "R1", "R2"):
        world.add("acme", "cpms", **{**CPMS, "displayName": name})
    text = document(
        "acme", name="New name",
        policy={"allowReplace": ["cpms/R1", "cpms/R2"]},
        cpms=[{**CPMS, "displayName": "R2", "interval": 9}, {**CPMS, "displayName": "R1", "interval": 9}, {**CPMS, "url": "wss://new/"}, {**CPMS, "displayName": "Add"}],
        chargers=[{**CHARGER, "identity": "CP-0"}, {**CHARGER, "profileId": 7}],
        removed=[{"cpms": "Old"}, {"charger": "CP-3"}, {"charger": "CP-2"}],
    )  # fmt: skip
    found = plan(world, text)
    assert [[f"{step.action.word} {step.address.local}" for step in wave] for wave in found.waves] == [
        ["update tenant/acme"],
        ["create cpms/Add", "update cpms/Primary"],
        ["create charger/CP-0", "update charger/CP-1"],
        ["replace cpms/R1"],
        ["replace cpms/R2"],
        ["delete charger/CP-2", "delete charger/CP-3"],
        ["delete cpms/Old"],
    ]


# ----------------------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({}, ["update cpms/Primary", "update charger/CP-1"]),
        ({"targets": ("acme/cpms/*",)}, ["update cpms/Primary"]),
        ({"targets": ("*/CP-?", "acme/cpms/Primary")}, ["update cpms/Primary", "update charger/CP-1"]),
        ({"excludes": ("*/cpms/*",)}, ["update charger/CP-1"]),
        ({"targets": ("acme/*",), "excludes": ("acme/charger/CP-1",)}, ["update cpms/Primary"]),
    ],
)
def test_targets(choices: Any, expected: list[str]) -> None:
    """Only what a target matches and no exclude does is planned."""
    text = yaml(cpms={"url": "wss://new/"}, charger={"profileId": 2})
    assert steps(plan(settled_world(), text, **choices)) == expected


def test_what_a_target_rules_out_is_not_read() -> None:
    """A tenant or kind that the choices rule out wholly is not read at all."""
    desired = read_yaml(yaml() + "---\n" + document("beta", name="B"))
    wanted = {
        tenant: [kind.kind for kind in kinds]
        for tenant, kinds in planner.wanted(desired, Choices(targets=("acme/charger/CP-*",))).items()
    }
    assert wanted == {"acme": ["charger"]}


@pytest.mark.parametrize("choices", [{"targets": ("acme/cpms/x*",)}, {"targets": ("acme/cpms/Primary", "nope")}, {"allow_replace": ("acme/cpms/Nope",)}, {"allow_replace": ("Primary",)}])  # fmt: skip
def test_a_choice_that_matches_nothing(choices: Any) -> None:
    """A target that matches nothing is an error before anything is read: it is a mistake, not a wish for nothing."""
    with pytest.raises(InputError, match="E-TARGET"):
        planner.check_choices(read_yaml(yaml()), Choices(**choices))


def test_a_target_may_match_what_is_pruned() -> None:
    """With --prune a target may match a live address; still nothing is an error."""
    text = yaml(policy={"exclusive": ["charger"]})
    planner.check_choices(read_yaml(text), Choices(targets=("acme/charger/CP-2",), prune=True))
    found = plan(settled_world(chargers=3), text, targets=("acme/charger/CP-2",), prune=True)
    assert steps(found) == ["delete charger/CP-2"]
    with pytest.raises(InputError, match="E-TARGET"):
        plan(settled_world(chargers=3), text, targets=("acme/charger/CP-4",), prune=True)


# ------------------------------------------------------------------------------------------------------ delete budget


def deletes(live: int, removed: int, **choices: Any) -> Plan:
    """`removed` of `live` chargers go."""
    return plan(settled_world(live), document("acme", removed=[{"charger": f"CP-{n}"} for n in range(1, removed + 1)]), **choices)  # fmt: skip


@pytest.mark.parametrize(
    ("live", "removed", "allowed"),
    [
        (1, 1, True),      # a single delete is free, even of the last one
        (5, 1, True),
        (20, 2, True),     # exactly 10 %
        (19, 2, False),    # more than 10 %
        (2, 2, False),     # would empty it
        (250, 25, True),   # exactly 25, exactly 10 %
        (400, 25, True),
        (400, 26, False),  # more than 25 in all
    ],
)  # fmt: skip
def test_delete_budget(live: int, removed: int, allowed: bool) -> None:
    """More than 10 %, the last ones, or more than 25 in all need `--allow-deletes`; the number of the plan settles it."""
    found = deletes(live, removed)
    assert [each.code for each in found.refusals] == ([] if allowed else ["E-DELETES"])
    assert found.count(Action.DELETE) == removed
    if not allowed:
        assert f"--allow-deletes {removed}" in found.refusals[0].summary
        assert deletes(live, removed, allow_deletes=removed).refusals == ()


@pytest.mark.parametrize("number", [0, 1, 2, 4, 100])
def test_any_other_number_is_refused(number: int) -> None:
    """The number must be that of all deletes of the plan."""
    assert [each.code for each in deletes(40, 3, allow_deletes=number).refusals] == ["E-DELETES"]


def test_single_deletes_do_not_count() -> None:
    """One delete in each of many places is free, and does not add up."""
    tenants = [f"t{number:02}" for number in range(30)]
    world = World(tenants=tenants)
    for tenant in tenants:
        world.add(tenant, "charger", **CHARGER)
    text = "---\n".join(document(tenant, removed=[{"charger": "CP-1"}]) for tenant in tenants)
    assert plan(world, text).refusals == ()


def test_several_kinds_add_up() -> None:
    """More than 25 in all, over kinds and tenants, need the number of all of them."""
    world = World(tenants=("a", "b"))
    for tenant in ("a", "b"):
        for number in range(200):
            world.add(tenant, "charger", **{**CHARGER, "identity": f"CP-{number}"})
    removed = [{"charger": f"CP-{number}"} for number in range(13)]
    text = "---\n".join(document(tenant, removed=removed) for tenant in ("a", "b"))
    assert "--allow-deletes 26" in plan(world, text).refusals[0].summary


def test_unmanaged_count_and_soft_deleted_do_not() -> None:
    """The share is of what is live: unmanaged objects count, soft-deleted ones do not."""
    world = settled_world(20)
    for number in range(11, 21):
        world.soft_delete("acme", "charger", f"CP-{number}")
    text = document("acme", removed=[{"charger": "CP-1"}, {"charger": "CP-2"}])
    assert "2 of 10" in plan(world, text).refusals[0].summary


def test_replaces_and_prune_count() -> None:
    """Removed, prune and replaces are one sum."""
    world = settled_world(3)
    policy = {"exclusive": ["charger"], "allowReplace": ["cpms/Primary"]}
    found = plan(world, yaml(cpms={"interval": 5}, policy=policy), prune=True)
    assert found.counts == (1, 0, 3) and "--allow-deletes 3" in found.refusals[0].summary


def test_reviewed_deletes() -> None:
    """A reviewed plan needs no number for `removed` entries; prune needs it all the same."""
    assert deletes(5, 5, reviewed=True).refusals == ()
    found = plan(settled_world(5), yaml(policy={"exclusive": ["charger"]}), prune=True, reviewed=True)
    assert [each.code for each in found.refusals] == ["E-DELETES"]


def test_held_back_deletes_do_not_count() -> None:
    """What is held back is not a delete."""
    world = settled_world(5)
    for number in range(2, 6):
        world.add("acme", "charger", **{**CHARGER, "identity": f"CP-{number}"})
    text = document("acme", removed=[{"charger": f"CP-{n}"} for n in range(1, 6)])
    found = plan(world, text)
    assert found.count(Action.DELETE) == 1 and found.refusals == ()


def test_a_target_narrows_the_budget() -> None:
    """The budget is about what the run would delete."""
    assert deletes(5, 5, targets=("acme/charger/CP-1",)).refusals == ()


# ------------------------------------------------------------------------------------------------------------ shown


def test_profiles_are_shown_by_name() -> None:
    """A number that a profile names is shown with it."""
    text_ = document("acme", profiles={"standard": 1, "night": 2}, chargers=[{**{k: v for k, v in CHARGER.items() if k != "profileId"}, "profile": "night"}])  # fmt: skip
    found = plan(settled_world(), text_)
    assert "profileId: 1 (standard) -> 2 (night)" in text.plan(found, "0" * 64)


def test_what_needs_a_tenant_that_is_not_made() -> None:
    """Where the create of a tenant is held back, so is everything in it."""
    with pipeline(World(tenants=()), contract_text=tenant_create_contract(required=("domainPrefix", "name"))) as run:
        found = run.plan(document("new", cpms=[CPMS]))
    assert held(found) == ["E-DEPENDS create cpms/Primary", "E-CONTRACT create tenant/new"]
