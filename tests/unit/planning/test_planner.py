"""Facts to decisions: start from a world where nothing is to do, change one thing, see the one step that follows."""

from dataclasses import replace
from typing import Any

import pytest
from support_pipeline import (
    document,
    pipeline,
    tenant_create_contract,
)
from support_planning import (
    CHARGER,
    CPMS,
    CPMS_KIND,
    held,
    inferring,
    offered,
    plan_of,
    plan_where,
    settled_world,
    steps,
    yaml,
)
from world import World

from exolink_reconcile.model import Action
from exolink_reconcile.report import text
from exolink_reconcile.resource import name_of_row


def test_settled() -> None:
    """Where nothing differs nothing is planned."""
    plan = plan_of(settled_world(), yaml())
    assert (plan.waves, plan.held_back, plan.refusals, plan.differs) == ((), (), (), False)


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
    plan = plan_of(settled_world(), text)
    assert steps(plan) == [step]
    assert [step.sends for step in plan.steps] == [sends]
    assert plan.held_back == ()


def test_absence_deletes_nothing() -> None:
    """What is taken out of the YAML stays as it is, and is counted as unmanaged."""
    plan = plan_of(settled_world(), document("acme", cpms=[], chargers=[], removed=[{"charger": "x"}, {"cpms": "x"}]))
    assert steps(plan) == [] and plan.unmanaged_counts == {"cpms": 1, "charger": 1}


def test_kinds_not_mentioned_are_not_read() -> None:
    """A kind that no document mentions is not read, even with an empty list: it declares nothing."""
    world = settled_world()
    plan_of(world, document("acme", cpms=[CPMS]))
    assert sorted(world.paths) == ["/tenant/acme", "/tenant/acme/cpms"]


def test_a_field_that_cannot_be_updated() -> None:
    """A changed `interval` is held back, and the three ways out are named; what can be updated goes ahead."""
    plan = plan_of(settled_world(), yaml(cpms={"interval": 60, "url": "wss://new/"}))
    assert steps(plan) == ["update cpms/Primary"] and held(plan) == ["E-CANNOT-UPDATE update cpms/Primary"]
    [entry] = plan.held_back
    assert entry.field and entry.field.name == "interval"
    assert [word in " ".join(entry.ways_out) for word in ("revert", "createOnly: [interval]", "--allow-replace")] == [
        True
    ] * 3


def test_create_only() -> None:
    """`createOnly` is sent on create and never compared or updated afterwards."""
    assert steps(plan_of(settled_world(), yaml(cpms={"interval": 60, "createOnly": ["interval"]}))) == []
    plan = plan_of(World(), document("acme", cpms=[{**CPMS, "createOnly": ["interval"]}]))
    assert [step.sends for step in plan.steps] == [("displayName", "url", "interval")]


def test_create_only_is_not_updated() -> None:
    """An update of another field leaves a create-only one as it is, though the contract could set it."""
    entry = {"createOnly": ["displayName"], "displayName": "Other", "profileId": 2}
    assert [step.sends for step in plan_of(settled_world(), yaml(charger=entry)).steps] == [("profileId",)]


def test_nothing_can_be_updated() -> None:
    """Where the API has no update at all, each field that differs is held back, in the order of their names."""
    changed = {"url": "wss://new/", "interval": 60, "authPassThrough": "true"}
    plan = plan_where(settled_world(), yaml(cpms=changed), offers={"update": None})
    assert steps(plan) == []
    assert [held.field and held.field.name for held in plan.held_back] == ["authPassThrough", "interval", "url"]


def test_row_A4_a_pin_of_another_object() -> None:
    """A pinned id whose object has another name is held back whole, whatever else differs."""
    world = settled_world()
    world.edit("acme", "cpms", "Primary", displayName="Old")
    number = world.row("acme", "cpms", "Old")["id"]
    plan = plan_of(world, yaml(cpms={"id": number, "url": "wss://other/"}))
    assert steps(plan) == [] and held(plan) == ["E-OTHER-NAME update cpms/Primary"]
    assert plan.held_back[0].field is None


@pytest.mark.parametrize(("entries", "expected"), [({}, "update"), (None, "delete")])
def test_what_cannot_be_told_apart(entries: dict[str, Any] | None, expected: str) -> None:
    """Two live objects of one name: nothing is done to either, and the place in the YAML is named; no target, no word."""
    world = settled_world()
    world.add("acme", "cpms", **CPMS)
    text_ = document("acme", removed=[{"cpms": "Primary"}]) if entries is None else yaml(**entries)
    plan = plan_of(world, text_)
    assert steps(plan) == [] and held(plan) == [f"E-DUPLICATE-LIVE {expected} cpms/Primary"]
    assert plan.held_back[0].source is not None and plan.held_back[0].kind is CPMS_KIND
    assert plan_of(world, text_, excludes=("acme/cpms/Prim*y",)).held_back == ()


def test_the_reason_of_a_delete() -> None:
    """A delete says why: with the words of the entry where it has some."""
    removed = [{"charger": "CP-1", "reason": "contract ended"}, {"charger": "CP-2"}]
    plan = plan_of(settled_world(2), document("acme", removed=removed))
    assert [step.reason for step in plan.steps] == ["removed: contract ended", "removed"]


def test_inferred() -> None:
    """A step says whether the vendor documents what it sends: apply asks for a permission otherwise."""
    world = settled_world(3)
    text = yaml(
        cpms={"url": "wss://new/"},
        policy={"exclusive": ["charger/CP-3"]},
        removed=[{"charger": "CP-2"}],
        chargers=[{**CHARGER, "profileId": 2}, {**CHARGER, "identity": "CP-9"}],
    )
    plan = plan_of(world, text, prune=True)
    assert {f"{step.action.word} {step.address.local}": step.inferred for step in plan.steps} == {
        "update cpms/Primary": False,
        "update charger/CP-1": True,
        "create charger/CP-9": True,
        "delete charger/CP-2": True,
        "delete charger/CP-3": True,
    }


@pytest.mark.parametrize(
    ("of_delete", "of_field", "expected"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_an_inferred_half_of_a_replace(of_delete: bool, of_field: bool, expected: bool) -> None:
    """A replace is inferred when its delete is, or anything its create sends."""
    create = offered(CPMS_KIND, "create")
    offers = {
        "delete": replace(offered(CPMS_KIND, "delete"), inferred=of_delete),
        "create": inferring(create, "interval") if of_field else create,
    }
    text = yaml(cpms={"interval": 60})
    plan = plan_where(settled_world(), text, offers=offers, allow_replace=("acme/cpms/Primary",))
    assert [(step.action, step.inferred) for step in plan.steps] == [(Action.REPLACE, expected)]


@pytest.mark.parametrize("by", ["option", "policy"])
def test_replace(by: str) -> None:
    """With permission what cannot be updated is replaced: one step that deletes and creates with all that is declared."""
    policy = {"policy": {"allowReplace": ["cpms/Primary"]}} if by == "policy" else {}
    choices = {"allow_replace": ("acme/cpms/Primary",)} if by == "option" else {}
    plan = plan_of(settled_world(), yaml(cpms={"interval": 60}, **policy), **choices)
    assert steps(plan) == ["replace cpms/Primary"] and plan.counts == (1, 0, 1)
    assert [step.sends for step in plan.steps] == [("displayName", "url", "interval")]


def test_a_replace_settles_every_field_at_once() -> None:
    """What an update could settle too goes with the replace: one object has one step."""
    plan = plan_of(
        settled_world(), yaml(cpms={"interval": 60, "url": "wss://new/"}), allow_replace=("acme/cpms/Primary",)
    )
    assert steps(plan) == ["replace cpms/Primary"] and plan.held_back == ()
    [step] = plan.steps
    assert {change.name for change in step.fields} == {"interval", "url"}


def test_a_replace_sends_what_is_create_only() -> None:
    """A replace is a create too, so create-only fields are part of it."""
    entry = {"interval": 60, "url": "wss://new/", "createOnly": ["url"]}
    plan = plan_of(settled_world(), yaml(cpms=entry), allow_replace=("acme/cpms/Primary",))
    assert [step.sends for step in plan.steps] == [("displayName", "url", "interval")]


def test_what_can_be_updated_is_although_a_replace_is_refused() -> None:
    """A replace that is allowed and not possible holds back what it was for, and nothing else."""
    entry = {"interval": 60, "authPassThrough": "true", "url": "wss://new/"}
    plan = plan_of(settled_world(), yaml(cpms=entry), allow_replace=("acme/cpms/Primary",))
    assert steps(plan) == ["update cpms/Primary"]
    assert [held.field.name for held in plan.held_back if held.field] == ["authPassThrough", "interval"]


def test_a_permission_to_replace_is_no_order() -> None:
    """What can be updated is updated, replace allowed or not."""
    policy = {"allowReplace": ["cpms/Primary"]}
    assert steps(plan_of(settled_world(), yaml(cpms={"url": "wss://new/"}, policy=policy))) == ["update cpms/Primary"]


@pytest.mark.parametrize("pattern", ["cpms/P*", "cpms/*", "cpms/primary", "cpms/Primar"])
def test_allow_replace_is_exact(pattern: str) -> None:
    """`allowReplace` names one object; a pattern in it is just a name."""
    assert steps(plan_of(settled_world(), yaml(cpms={"interval": 60}, policy={"allowReplace": [pattern]}))) == []


def test_a_protected_replace_is_refused() -> None:
    """Protected is never replaced: it is held back, and apply refuses."""
    policy = {"allowReplace": ["cpms/Primary"], "protect": ["cpms/Prim?ry"]}
    plan = plan_of(settled_world(), yaml(cpms={"interval": 60}, policy=policy))
    assert held(plan) == ["E-PROTECTED replace cpms/Primary"] and [r.code for r in plan.refusals] == ["E-PROTECTED"]


# ------------------------------------------------------------------------------------------------------------- prune


def test_row_D4_what_a_delete_takes_away_is_shown() -> None:
    """The fields of what goes stand in the text, whether it is listed as removed or pruned."""
    world = settled_world()
    world.add("acme", "charger", identity="CP-9", displayName="Depot north", profileId=7)
    for more, choices in (
        ("removed: [{charger: CP-9}]\n", {}),
        ("policy: {exclusive: [charger]}\n", {"prune": True}),
    ):
        output = text.plan(plan_of(world, yaml() + more, **choices), "0" * 64)
        block = output[output.index("acme/charger/CP-9") :]
        assert "Depot north" in block and "profileId: 7" in block


def test_prune() -> None:
    """`--prune` deletes what is not declared where the policy claims it, and nowhere else."""
    world = settled_world(chargers=3)
    world.add("acme", "cpms", displayName="Stray")
    policy = {"exclusive": ["charger/CP-*"], "protect": ["charger/CP-3"]}
    assert steps(plan_of(world, yaml(policy=policy))) == []
    plan = plan_of(world, yaml(policy=policy), prune=True)
    assert steps(plan) == ["delete charger/CP-2"] and plan.unmanaged_counts == {"cpms": 1, "charger": 1}
    assert [step.pruned for step in plan.steps] == [True]
    assert [[name_of_row(group.kind, row) for row in group.rows] for group in plan.unmanaged] == [["Stray"], ["CP-3"]]
    assert plan.notes == ()


def test_prune_without_a_claim() -> None:
    """Where nothing is claimed `--prune` does nothing, and says so."""
    plan = plan_of(settled_world(chargers=3), yaml(), prune=True)
    assert steps(plan) == [] and "exclusive" in plan.notes[0].summary


def test_prune_reads_what_is_claimed() -> None:
    """A kind that is only claimed is read, and pruned."""
    plan = plan_of(settled_world(chargers=1), document("acme", policy={"exclusive": ["charger"]}), prune=True)
    assert steps(plan) == ["delete charger/CP-1"] and plan.unmanaged == ()


def test_a_claim_of_one_tenant() -> None:
    """A claim holds in its tenant only, and one is enough for `--prune` to have something to do."""
    world = World(tenants=("acme", "beta"))
    for tenant in ("acme", "beta"):
        world.add(tenant, "charger", **CHARGER)
    text_ = document("acme", policy={"exclusive": ["charger"]}) + "---\n" + document("beta", removed=[{"charger": "x"}])
    plan = plan_of(world, text_, prune=True)
    assert [str(step.address) for step in plan.steps] == ["acme/charger/CP-1"] and plan.notes == ()


def test_prune_does_not_guess() -> None:
    """Two live objects with one name are not pruned but held back."""
    world = settled_world()
    for _ in range(2):
        world.add("acme", "cpms", displayName="Twin")
    plan = plan_of(world, yaml(policy={"exclusive": ["cpms"]}), prune=True)
    assert steps(plan) == [] and held(plan) == ["E-DUPLICATE-LIVE delete cpms/Twin"]
    assert "as ids" in plan.held_back[0].reason


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
    plan = plan_of(world, text)
    assert [[f"{step.action.word} {step.address.local}" for step in wave] for wave in plan.waves] == [
        ["update tenant/acme"],
        ["create cpms/Add", "update cpms/Primary"],
        ["create charger/CP-0", "update charger/CP-1"],
        ["replace cpms/R1"],
        ["replace cpms/R2"],
        ["delete charger/CP-2", "delete charger/CP-3"],
        ["delete cpms/Old"],
    ]


# ------------------------------------------------------------------------------------------------------------ shown


def test_profiles_are_shown_by_name() -> None:
    """A number that a profile names is shown with it."""
    text_ = document(
        "acme",
        profiles={"standard": 1, "night": 2},
        chargers=[{**{k: v for k, v in CHARGER.items() if k != "profileId"}, "profile": "night"}],
    )
    plan = plan_of(settled_world(), text_)
    assert "profileId: 1 (standard) -> 2 (night)" in text.plan(plan, "0" * 64)


def test_a_number_with_two_names() -> None:
    """The name that is written first is shown."""
    text_ = document("acme", profiles={"night": 2, "day": 2}, chargers=[{**CHARGER, "profileId": 2}])
    assert "-> 2 (night)" in text.plan(plan_of(settled_world(), text_), "0" * 64)


def test_what_needs_a_tenant_that_is_not_made() -> None:
    """Where the create of a tenant is held back, so is everything in it."""
    with pipeline(World(tenants=()), contract_text=tenant_create_contract(required=("domainPrefix", "name"))) as run:
        plan = run.plan(document("new", cpms=[CPMS]))
    assert held(plan) == ["E-DEPENDS create cpms/Primary", "E-CONTRACT create tenant/new"]


def test_what_needs_a_tenant_that_is_left_out() -> None:
    """A tenant that is not there and is left out of the run is not made, so nothing in it is either."""
    with pipeline(World(tenants=()), contract_text=tenant_create_contract(required=("domainPrefix", "name"))) as run:
        plan = run.plan(document("new", name="New", cpms=[CPMS]), excludes=("new/tenant/new",))
    assert steps(plan) == [] and held(plan) == ["E-DEPENDS create cpms/Primary"]


def test_a_tenant_that_is_there_is_no_obstacle() -> None:
    """Leaving out a change of the tenant, or a create beside it, keeps nothing else back."""
    text_ = yaml(name="New name", chargers=[{**CHARGER, "identity": "CP-8"}, {**CHARGER, "identity": "CP-9"}])
    plan = plan_of(settled_world(), text_, excludes=("acme/tenant/acme", "acme/charger/CP-8"))
    assert steps(plan) == ["create charger/CP-9"] and held(plan) == []


def test_two_of_one_name_go_in_the_order_of_their_ids() -> None:
    """The order of the entries does not reach the plan, nor does the order of the ids in a reason."""
    world = settled_world()
    for number in (8, 7, 9):
        world.add("acme", "cpms", displayName="Twin", id=number)
    twins = [{"cpms": "Twin", "id": number} for number in (9, 7, 8)]
    for entries in (twins, twins[::-1]):
        plan = plan_of(world, yaml(removed=entries), allow_deletes=3)
        assert [step.before.id for step in plan.steps if step.before] == [7, 8, 9]
    [held_] = plan_of(world, yaml(policy={"exclusive": ["cpms"]}), prune=True).held_back
    assert "as ids 7 and 8 and 9" in held_.reason


def test_row_D6_what_was_compared() -> None:
    """The plan counts what is live in its part, by kind; a kind that was not read is not counted."""
    world = settled_world(chargers=3)
    assert plan_of(world, yaml()).compared == {"tenant": 1, "cpms": 1, "charger": 3}
    plan = plan_of(world, yaml(), targets=("acme/charger/CP-1",))
    assert plan.compared == {"tenant": 1, "charger": 1} and plan.partial == ("--target",) and not plan.complete


def test_row_F19_the_twin_of_a_pinned_entry_is_spoken_of() -> None:
    """A live object with the name of an entry that pins another id is unmanaged, and a note names both."""
    world = World()
    pinned, twin = (world.add("acme", "cpms", **{**CPMS, "displayName": "P"}) for _ in range(2))
    with pipeline(world) as run:
        plan = run.plan(document("acme", cpms=[{**CPMS, "displayName": "P", "id": pinned}]))
    assert plan.unmanaged_counts["cpms"] == 1
    assert any(note.code == "E-DUPLICATE-LIVE" and f"(id {twin})" in note.summary for note in plan.notes)
