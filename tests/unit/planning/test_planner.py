"""Facts to decisions: start from a world where nothing is to do, change one thing, see the one step that follows."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from ruamel.yaml import YAML
from support_pipeline import (
    CONTRACT_TEXT,
    ORIGIN,
    contract_of,
    digest_of,
    document,
    pipeline,
    read_yaml,
    tenant_create_contract,
)
from world import World

from exolink_reconcile.contract import Field, Operation
from exolink_reconcile.errors import InputError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, Plan
from exolink_reconcile.planning import differ, planner
from exolink_reconcile.planning.choices import Choices, check_choices, wanted
from exolink_reconcile.report import text
from exolink_reconcile.resource import Kind, ListKey, name_of_row

TENANT, CPMS_KIND, CHARGER_KIND = KINDS

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


def plan_where(
    world: World,
    text: str,
    *,
    kind: Kind = CPMS_KIND,
    seen: Mapping[ListKey, int] = {},
    offers: Mapping[str, Any] = {},
    **choices: Any,
) -> Plan:
    """The plan where the API offers something else for a kind, or where earlier runs saw so many rows."""
    base = contract_of()
    other = replace(base, offers={**base.offers, kind: replace(base.offer(kind), **offers)})
    with pipeline(world) as run:
        desired = run.desired(text)
        changes = differ.diff(desired, run.live(desired, Choices(may_infer=True, **choices)))
        return planner.plan(changes, desired, other, Choices(may_infer=True, **choices), ORIGIN, seen)  # fmt: skip


def offered(kind: Kind, which: str) -> Operation:
    """An operation of the bundled contract."""
    operation = getattr(contract_of().offer(kind), which)
    assert isinstance(operation, Operation)
    return operation


def inferring(operation: Operation, name: str) -> Operation:
    """The same operation, with one field that is only inferred."""
    return replace(operation, fields={**operation.fields, name: Field(name, True, (), {})})


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


def test_create_only_is_not_updated() -> None:
    """An update of another field leaves a create-only one as it is, though the contract could set it."""
    entry = {"createOnly": ["displayName"], "displayName": "Other", "profileId": 2}
    assert [step.sends for step in plan(settled_world(), yaml(charger=entry)).steps] == [("profileId",)]


def test_an_update_that_cannot_be_whole() -> None:
    """An update that the API would refuse, because a field it needs is not written, is held back and not tried."""
    names = frozenset(f"needed{number}" for number in range(6))
    update = replace(offered(CPMS_KIND, "update"), required=frozenset({"url"}) | names)
    found = plan_where(settled_world(), yaml(cpms={"url": "wss://new/"}), offers={"update": update})
    assert steps(found) == [] and held(found) == ["E-CONTRACT update cpms/Primary"]
    assert ", ".join(sorted(names)) in found.held_back[0].reason
    create = replace(offered(CPMS_KIND, "create"), required=names)
    found = plan_where(World(), document("acme", cpms=[CPMS]), offers={"create": create})
    assert steps(found) == [] and ", ".join(sorted(names)) in found.held_back[0].reason


def test_nothing_can_be_updated() -> None:
    """Where the API has no update at all, each field that differs is held back, in the order of their names."""
    changed = {"url": "wss://new/", "interval": 60, "authPassThrough": "true"}
    found = plan_where(settled_world(), yaml(cpms=changed), offers={"update": None})
    assert steps(found) == []
    assert [each.field and each.field.name for each in found.held_back] == ["authPassThrough", "interval", "url"]


def test_a_create_with_what_cannot_be_sent() -> None:
    """A create is held back whole when one of its fields cannot be sent."""
    found = plan(World(), document("acme", cpms=[{**CPMS, "authPassThrough": "true"}]))
    assert steps(found) == [] and held(found) == ["E-CONTRACT create cpms/Primary"]
    assert "does not take authPassThrough" in found.held_back[0].reason
    found = plan_where(World(), document("acme", cpms=[CPMS]), offers={"create": None})
    assert steps(found) == [] and "cannot create a cpms" in found.held_back[0].reason
    assert "create it in the web page" in found.held_back[0].ways_out[0]


def test_a_create_without_what_the_api_needs() -> None:
    """It is held back whole, and the way out names the field to write."""
    found = plan(World(), document("acme", cpms=[{"displayName": "Primary", "url": "wss://h/"}]))
    assert steps(found) == [] and held(found) == ["E-CONTRACT create cpms/Primary"]
    assert found.held_back[0].ways_out == (
        "write interval in the entry, or in `defaults` for all cpms of the document",
    )


def test_row_A4_a_pin_of_another_object() -> None:
    """A pinned id whose object has another name is held back whole, whatever else differs."""
    world = settled_world()
    world.edit("acme", "cpms", "Primary", displayName="Old")
    number = world.row("acme", "cpms", "Old")["id"]
    found = plan(world, yaml(cpms={"id": number, "url": "wss://other/"}))
    assert steps(found) == [] and held(found) == ["E-OTHER-NAME update cpms/Primary"]
    assert found.held_back[0].field is None


@pytest.mark.parametrize(("entries", "expected"), [({}, "update"), (None, "delete")])  # fmt: skip
def test_what_cannot_be_told_apart(entries: dict[str, Any] | None, expected: str) -> None:
    """Two live objects of one name: nothing is done to either, and the place in the YAML is named; no target, no word."""
    world = settled_world()
    world.add("acme", "cpms", **CPMS)
    text_ = document("acme", removed=[{"cpms": "Primary"}]) if entries is None else yaml(**entries)
    found = plan(world, text_)
    assert steps(found) == [] and held(found) == [f"E-DUPLICATE-LIVE {expected} cpms/Primary"]
    assert found.held_back[0].source is not None and found.held_back[0].kind is CPMS_KIND
    assert plan(world, text_, excludes=("acme/cpms/Prim*y",)).held_back == ()


def test_the_reason_of_a_delete() -> None:
    """A delete says why: with the words of the entry where it has some."""
    removed = [{"charger": "CP-1", "reason": "contract ended"}, {"charger": "CP-2"}]
    found = plan(settled_world(2), document("acme", removed=removed))
    assert [step.reason for step in found.steps] == ["removed: contract ended", "removed"]


def test_a_delete_that_the_api_does_not_offer() -> None:
    """It is held back, removed, pruned or replaced; what would have been pruned is unmanaged."""
    world = settled_world()
    removed = plan_where(world, document("acme", removed=[{"cpms": "Primary"}]), offers={"delete": None})
    pruned = plan_where(world, document("acme", policy={"exclusive": ["cpms"]}), offers={"delete": None}, prune=True)
    replaced = plan_where(world, yaml(cpms={"interval": 60}), offers={"delete": None}, allow_replace=("acme/cpms/Primary",))  # fmt: skip
    for found, action in ((removed, "delete"), (pruned, "delete"), (replaced, "replace")):
        assert steps(found) == [] and held(found) == [f"E-CONTRACT {action} cpms/Primary"]
        assert "cannot delete a cpms" in found.held_back[0].reason
    assert pruned.unmanaged_counts == {"cpms": 1, "charger": 0}


def test_inferred() -> None:
    """A step says whether the vendor documents what it sends: apply asks for a permission otherwise."""
    world = settled_world(3)
    text = yaml(
        cpms={"url": "wss://new/"}, policy={"exclusive": ["charger/CP-3"]}, removed=[{"charger": "CP-2"}],
        chargers=[{**CHARGER, "profileId": 2}, {**CHARGER, "identity": "CP-9"}],
    )  # fmt: skip
    found = plan(world, text, prune=True)
    assert {f"{step.action.word} {step.address.local}": step.inferred for step in found.steps} == {
        "update cpms/Primary": False, "update charger/CP-1": True, "create charger/CP-9": True,
        "delete charger/CP-2": True, "delete charger/CP-3": True,
    }  # fmt: skip


@pytest.mark.parametrize(("of_delete", "of_field", "expected"), [(False, False, False), (True, False, True), (False, True, True)])  # fmt: skip
def test_an_inferred_half_of_a_replace(of_delete: bool, of_field: bool, expected: bool) -> None:
    """A replace is inferred when its delete is, or anything its create sends."""
    create = offered(CPMS_KIND, "create")
    offers = {
        "delete": replace(offered(CPMS_KIND, "delete"), inferred=of_delete),
        "create": inferring(create, "interval") if of_field else create,
    }
    text = yaml(cpms={"interval": 60})
    found = plan_where(settled_world(), text, offers=offers, allow_replace=("acme/cpms/Primary",))
    assert [(step.action, step.inferred) for step in found.steps] == [(Action.REPLACE, expected)]


@pytest.mark.parametrize("by", ["option", "policy"])
def test_replace(by: str) -> None:
    """With permission what cannot be updated is replaced: one step that deletes and creates with all that is declared."""
    policy = {"policy": {"allowReplace": ["cpms/Primary"]}} if by == "policy" else {}
    choices = {"allow_replace": ("acme/cpms/Primary",)} if by == "option" else {}
    found = plan(settled_world(), yaml(cpms={"interval": 60}, **policy), **choices)
    assert steps(found) == ["replace cpms/Primary"] and found.counts == (1, 0, 1)
    assert [step.sends for step in found.steps] == [("displayName", "url", "interval")]


def test_a_replace_sends_what_is_create_only() -> None:
    """A replace is a create too, so create-only fields are part of it."""
    entry = {"interval": 60, "url": "wss://new/", "createOnly": ["url"]}
    found = plan(settled_world(), yaml(cpms=entry), allow_replace=("acme/cpms/Primary",))
    assert [step.sends for step in found.steps] == [("displayName", "url", "interval")]


def test_a_replace_that_could_not_send_all() -> None:
    """Nothing is deleted for a replace that loses a field; the field that would have asked for it is named."""
    entry = {"interval": 60, "authPassThrough": "true"}
    found = plan(settled_world(), yaml(cpms=entry), allow_replace=("acme/cpms/Primary",))
    assert steps(found) == [] and held(found) == ["E-CONTRACT replace cpms/Primary"] * 2
    assert [each.field.name for each in found.held_back if each.field] == ["authPassThrough", "interval"]
    assert all("authPassThrough" in each.reason for each in found.held_back)


def test_what_can_be_updated_is_although_a_replace_is_refused() -> None:
    """A replace that is allowed and not possible holds back what it was for, and nothing else."""
    entry = {"interval": 60, "authPassThrough": "true", "url": "wss://new/"}
    found = plan(settled_world(), yaml(cpms=entry), allow_replace=("acme/cpms/Primary",))
    assert steps(found) == ["update cpms/Primary"]
    assert [each.field.name for each in found.held_back if each.field] == ["authPassThrough", "interval"]


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


@pytest.mark.parametrize(
    ("glob", "warned"),
    [
        ("charger/cp-*", True), ("charger/CP-[0-9]", True), ("charger/{CP-1,CP-2}", True), ("cpms/primary*", True),
        ("charger/CP-*", False), ("charger/LIVE-*", False), ("charger", False), ("cpms/Old", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["protect", "exclusive"])
def test_row_A3_a_glob_that_protects_nothing(glob: str, warned: bool, where: str) -> None:
    """A glob of the policy that matches nothing declared, removed or live is named, with its place."""
    world = settled_world()
    world.add("acme", "charger", identity="LIVE-1", displayName="x", profileId=1)
    removed = "" if where == "protect" else "removed: [{cpms: Old}]\n"
    if glob == "cpms/Old" and where == "protect":
        world.add("acme", "cpms", displayName="Old", url="wss://h/", interval=5)
    notes = plan(world, yaml() + f'policy: {{{where}: ["{glob}"]}}\n' + removed).notes
    told = [note.summary for note in notes if note.code == "W-GLOB"]
    assert [f"`{glob}`" in summary for summary in told] == [True] * warned


def test_row_D4_what_a_delete_takes_away_is_shown() -> None:
    """The fields of what goes stand in the text, whether it is listed as removed or pruned."""
    world = settled_world()
    world.add("acme", "charger", identity="CP-9", displayName="Depot north", profileId=7)
    for more, choices in (
        ("removed: [{charger: CP-9}]\n", {}),
        ("policy: {exclusive: [charger]}\n", {"prune": True}),
    ):
        shown = text.plan(plan(world, yaml() + more, **choices), "0" * 64)
        block = shown[shown.index("acme/charger/CP-9") :]
        assert "Depot north" in block and "profileId: 7" in block


def test_prune() -> None:
    """`--prune` deletes what is not declared where the policy claims it, and nowhere else."""
    world = settled_world(chargers=3)
    world.add("acme", "cpms", displayName="Stray")
    policy = {"exclusive": ["charger/CP-*"], "protect": ["charger/CP-3"]}
    assert steps(plan(world, yaml(policy=policy))) == []
    found = plan(world, yaml(policy=policy), prune=True)
    assert steps(found) == ["delete charger/CP-2"] and found.unmanaged_counts == {"cpms": 1, "charger": 1}
    assert [step.pruned for step in found.steps] == [True]
    assert [[name_of_row(each.kind, row) for row in each.rows] for each in found.unmanaged] == [["Stray"], ["CP-3"]]  # fmt: skip
    assert found.notes == ()


def test_prune_without_a_claim() -> None:
    """Where nothing is claimed `--prune` does nothing, and says so."""
    found = plan(settled_world(chargers=3), yaml(), prune=True)
    assert steps(found) == [] and "exclusive" in found.notes[0].summary


def test_prune_reads_what_is_claimed() -> None:
    """A kind that is only claimed is read, and pruned."""
    found = plan(settled_world(chargers=1), document("acme", policy={"exclusive": ["charger"]}), prune=True)
    assert steps(found) == ["delete charger/CP-1"] and found.unmanaged == ()


def test_a_claim_of_one_tenant() -> None:
    """A claim holds in its tenant only, and one is enough for `--prune` to have something to do."""
    world = World(tenants=("acme", "beta"))
    for tenant in ("acme", "beta"):
        world.add(tenant, "charger", **CHARGER)
    text_ = document("acme", policy={"exclusive": ["charger"]}) + "---\n" + document("beta", removed=[{"charger": "x"}])
    found = plan(world, text_, prune=True)
    assert [str(step.address) for step in found.steps] == ["acme/charger/CP-1"] and found.notes == ()


def test_prune_does_not_guess() -> None:
    """Two live objects with one name are not pruned but held back."""
    world = settled_world()
    for _ in range(2):
        world.add("acme", "cpms", displayName="Twin")
    found = plan(world, yaml(policy={"exclusive": ["cpms"]}), prune=True)
    assert steps(found) == [] and held(found) == ["E-DUPLICATE-LIVE delete cpms/Twin"]
    assert "as ids" in found.held_back[0].reason


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
        ({"excludes": ("acme/charger/CP-1",)}, ["update cpms/Primary"]),
        ({"excludes": ("acme/charger/CP-?",)}, ["update cpms/Primary"]),
    ],
)
def test_targets(choices: Any, expected: list[str]) -> None:
    """Only what a target matches and no exclude does is planned."""
    text = yaml(cpms={"url": "wss://new/"}, charger={"profileId": 2})
    assert steps(plan(settled_world(), text, **choices)) == expected


def test_what_a_target_rules_out_is_not_read() -> None:
    """A tenant or kind that the choices rule out wholly is not read at all."""
    desired = read_yaml(yaml() + "---\n" + document("beta", name="B"))
    read = {
        tenant: [kind.kind for kind in kinds]
        for tenant, kinds in wanted(desired, Choices(targets=("acme/charger/CP-*",))).items()
    }
    assert read == {"acme": ["charger"]}


@pytest.mark.parametrize(
    ("glob", "read"),
    [
        ("acme/cpms/*", ["tenant", "charger"]),
        ("acme/*", []),
        ("*/c*", ["tenant"]),
        ("acme/cpms/Primary", ["tenant", "cpms", "charger"]),
        ("*/", ["tenant", "cpms", "charger"]),
        ("acme/cpms/", ["tenant", "cpms", "charger"]),
    ],
)
def test_what_an_exclude_rules_out_is_not_read(glob: str, read: list[str]) -> None:
    """Only an exclude that covers every name of a kind spares its reading."""
    found = wanted(read_yaml(yaml()), Choices(excludes=(glob,)))
    assert [kind.kind for kind in found.get("acme", [])] == read


@pytest.mark.parametrize("choices", [{"targets": ("acme/cpms/x*",)}, {"targets": ("acme/cpms/Primary", "nope")}, {"allow_replace": ("acme/cpms/Nope",)}, {"allow_replace": ("Primary",)},
    {"allow_replace": ("beta/cpms/Primary",)}, {"allow_replace": ("nope/cpms/Primary",)}, {"allow_replace": ("acme/charger/Primary",)},
    {"allow_shrunk": ("acme",)}, {"allow_shrunk": ("acme/nope",)}, {"allow_shrunk": ("nope/cpms",)}, {"allow_shrunk": ("acme/cpms/x",)}])  # fmt: skip
def test_a_choice_that_matches_nothing(choices: Any) -> None:
    """A choice that matches nothing is an error before anything is read: it is a mistake, not a wish for nothing."""
    with pytest.raises(InputError) as caught:
        check_choices(read_yaml(yaml() + "---\n" + document("beta", name="B")), Choices(**choices))
    assert caught.value.code == "E-TARGET" and str(next(iter(choices.values()))[-1]) in caught.value.summary


@pytest.mark.parametrize(
    "choices",
    [
        {"allow_replace": ("acme/cpms/Primary",)},
        {"allow_shrunk": ("acme/cpms", "beta/charger")},
        {"targets": ("acme/cpms/P*",)},
        {"targets": ("acme/cpms/Primary", "acme/charger/CP-1", "beta/tenant/beta", "acme/charger/Gone")},
    ],
)
def test_a_choice_that_matches(choices: Any) -> None:
    """What is declared or removed may be chosen."""
    text_ = yaml(removed=[{"charger": "Gone"}]) + "---\n" + document("beta", name="B")
    check_choices(read_yaml(text_), Choices(**choices))


def test_the_first_target_that_matches_nothing() -> None:
    """Of several the message names the first, whatever their order."""
    for targets in (("acme/d", "acme/b", "acme/c", "acme/a"), ("acme/a", "acme/c", "acme/b", "acme/d")):
        with pytest.raises(InputError, match="--target acme/a matches no address"):
            check_choices(read_yaml(yaml()), Choices(targets=targets))


def test_a_target_may_match_what_is_pruned() -> None:
    """With --prune a target may match a live address; still nothing is an error."""
    text = yaml(policy={"exclusive": ["charger"]})
    check_choices(read_yaml(text), Choices(targets=("acme/charger/CP-2",), prune=True))
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


def test_only_deletes_are_deletes() -> None:
    """Creates and updates are no part of the number, and a plan without deletes needs none."""
    text_ = yaml(chargers=[{**CHARGER, "identity": "New"}], removed=[{"charger": f"CP-{n}"} for n in (1, 2, 3)])
    assert plan(settled_world(5), text_, allow_deletes=3).refusals == ()
    assert plan(settled_world(), yaml(), allow_deletes=3).refusals == ()


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
    [refusal] = plan(world, text_).refusals
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
    world = settled_world()
    world.add("acme", "cpms", **{**CPMS, "displayName": "Second"})
    cpms = [{**CPMS, "interval": 60}, {**CPMS, "displayName": "Second", "interval": 60}]
    text_ = document("acme", policy={"allowReplace": ["cpms/Primary", "cpms/Second"]}, cpms=cpms)
    assert [each.code for each in plan(world, text_, reviewed=True).refusals] == ["E-DELETES"]


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


# ------------------------------------------------------------------------------------------------------ shrunk lists


@pytest.mark.parametrize(
    ("live", "seen", "allowed", "refused"),
    [
        (0, {ListKey("acme", "charger"): 1}, (), True),
        (0, {ListKey("acme", "charger"): 500}, (), True),
        (1, {ListKey("acme", "charger"): 500}, (), False),   # smaller, not gone
        (0, {ListKey("acme", "charger"): 0}, (), False),
        (0, {}, (), False),
        (0, {ListKey("beta", "charger"): 5, ListKey("acme", "cpms"): 5}, (), False),
        (0, {ListKey("acme", "charger"): 5}, ("acme/charger",), False),
        (0, {ListKey("acme", "charger"): 5}, ("acme/cpms", "beta/charger"), True),
    ],
)  # fmt: skip
def test_a_list_that_shrank_to_nothing(live: int, seen: Any, allowed: tuple[str, ...], refused: bool) -> None:
    """A list that had rows and is empty now is more likely a fault than the truth: nothing is applied until it is said."""
    found = plan_where(settled_world(live), document("acme", chargers=[CHARGER]), seen=seen, allow_shrunk=allowed)
    assert [each.code for each in found.refusals] == ["E-LIST-SHRANK"] * refused
    if refused:
        summary = found.refusals[0].summary
        assert f"saw {seen['acme', 'charger']} rows" in summary and "--allow-shrunk acme/charger" in summary


def test_several_lists_that_shrank() -> None:
    """Each is named, in the order of tenants and kinds."""
    text_ = "---\n".join(document(t, chargers=[CHARGER], cpms=[CPMS]) for t in ("b", "a"))
    seen = {ListKey(tenant, kind): 2 for tenant in ("b", "a") for kind in ("cpms", "charger")}
    found = plan_where(World(tenants=("a", "b")), text_, seen=seen)
    assert [each.summary.split()[3] for each in found.refusals] == ["a/charger", "a/cpms", "b/charger", "b/cpms"]


# ------------------------------------------------------------------------------------------------------------ shown


def test_profiles_are_shown_by_name() -> None:
    """A number that a profile names is shown with it."""
    text_ = document("acme", profiles={"standard": 1, "night": 2}, chargers=[{**{k: v for k, v in CHARGER.items() if k != "profileId"}, "profile": "night"}])  # fmt: skip
    found = plan(settled_world(), text_)
    assert "profileId: 1 (standard) -> 2 (night)" in text.plan(found, "0" * 64)


def test_a_number_with_two_names() -> None:
    """The name that is written first is shown."""
    text_ = document("acme", profiles={"night": 2, "day": 2}, chargers=[{**CHARGER, "profileId": 2}])
    assert "-> 2 (night)" in text.plan(plan(settled_world(), text_), "0" * 64)


def test_what_needs_a_tenant_that_is_not_made() -> None:
    """Where the create of a tenant is held back, so is everything in it."""
    with pipeline(World(tenants=()), contract_text=tenant_create_contract(required=("domainPrefix", "name"))) as run:
        found = run.plan(document("new", cpms=[CPMS]))
    assert held(found) == ["E-DEPENDS create cpms/Primary", "E-CONTRACT create tenant/new"]


def test_what_needs_a_tenant_that_is_left_out() -> None:
    """A tenant that is not there and is left out of the run is not made, so nothing in it is either."""
    with pipeline(World(tenants=()), contract_text=tenant_create_contract(required=("domainPrefix", "name"))) as run:
        found = run.plan(document("new", name="New", cpms=[CPMS]), excludes=("new/tenant/new",))
    assert steps(found) == [] and held(found) == ["E-DEPENDS create cpms/Primary"]


def test_a_tenant_that_is_there_is_no_obstacle() -> None:
    """Leaving out a change of the tenant, or a create beside it, keeps nothing else back."""
    text_ = yaml(name="New name", chargers=[{**CHARGER, "identity": "CP-8"}, {**CHARGER, "identity": "CP-9"}])
    found = plan(settled_world(), text_, excludes=("acme/tenant/acme", "acme/charger/CP-8"))
    assert steps(found) == ["create charger/CP-9"] and held(found) == []


def test_what_is_only_inferred_is_refused_until_it_is_allowed() -> None:
    """Plan says beforehand that apply will refuse, and which option is missing."""
    world, text = settled_world(), yaml(chargers=[{"identity": "CP-9", "displayName": "x", "profileId": 1}])
    with pipeline(world) as run:
        refused = run.plan(text, may_infer=False)
        assert [refusal.code for refusal in refused.refusals] == ["E-INFERRED"]
        assert "acme/charger/CP-9" in refused.refusals[0].summary and "--allow-inferred" in refused.refusals[0].summary
        assert run.plan(text).refusals == ()
        assert run.plan(yaml(cpms={"url": "wss://new/"}), may_infer=False).refusals == ()


def test_ways_out_lead_somewhere() -> None:
    """A field that no create takes can neither be set by a replace nor once and for all."""
    found = plan(settled_world(), yaml(cpms={"authPassThrough": "true", "interval": 60}))
    ways = {held.field.name: held.ways_out for held in found.held_back if held.field}
    assert ways["authPassThrough"] == (
        "revert it in the YAML: authPassThrough: false", "take authPassThrough out of the YAML, and change it in the web page"
    )  # fmt: skip
    assert len(ways["interval"]) == 2 and "createOnly: [interval]" in ways["interval"][1]


@pytest.mark.parametrize("live", [60.5, None])
def test_no_way_out_that_yaml_cannot_say(live: float | None) -> None:
    """A live value that the YAML may not declare cannot be written there: the field goes."""
    world = settled_world()
    [row] = world.live("acme", "cpms")
    world.edit("acme", "cpms", row["displayName"], interval=live)
    [held] = plan(world, yaml()).held_back
    assert held.ways_out[0] == "take interval out of the YAML, which cannot say what is live"


def test_two_of_one_name_go_in_the_order_of_their_ids() -> None:
    """The order of the entries does not reach the plan, nor does the order of the ids in a reason."""
    world = settled_world()
    for number in (8, 7, 9):
        world.add("acme", "cpms", displayName="Twin", id=number)
    twins = [{"cpms": "Twin", "id": number} for number in (9, 7, 8)]
    for entries in (twins, twins[::-1]):
        found = plan(world, yaml(removed=entries), allow_deletes=3)
        assert [step.before.id for step in found.steps if step.before] == [7, 8, 9]
    [held_] = plan(world, yaml(policy={"exclusive": ["cpms"]}), prune=True).held_back
    assert "as ids 7 and 8 and 9" in held_.reason


def test_nothing_to_compare_is_said_only_then() -> None:
    """A target that leaves something needs no note."""
    assert plan(settled_world(), yaml(), targets=("acme/cpms/*",)).notes == ()
    [note] = plan(settled_world(), yaml(), excludes=("*",)).notes
    assert "rule out everything" in note.summary


def test_every_choice_is_the_safe_one_by_default() -> None:
    """What nobody chose permits nothing."""
    choices = Choices()
    assert not (choices.prune or choices.reviewed or choices.may_infer or choices.saved)
    assert (choices.allow_replace, choices.allow_deletes, choices.allow_shrunk) == ((), None, ())


def test_what_is_held_back_says_why() -> None:
    """The reason names the field; where a replace was allowed and is not possible, it is no way out."""
    [held_] = plan(settled_world(), yaml(cpms={"interval": 60})).held_back
    assert held_.reason == "the contract cannot update interval"
    entry, policy = {"interval": 60}, {"allowReplace": ["cpms/Primary"], "protect": ["cpms/*"]}
    [held_] = plan(settled_world(), yaml(cpms=entry, policy=policy)).held_back
    assert held_.code == "E-PROTECTED" and len(held_.ways_out) == 2
    assert plan(settled_world(), yaml()).tenants == ("acme",)


@pytest.mark.parametrize("option", ["targets", "excludes"])
@pytest.mark.parametrize(
    ("glob", "near"),
    [
        ("acme/charger/CO-*", "acme/charger/CP-*"),
        ("charger/CP-1", "acme/charger/CP-1"),
        ("CP-1", "acme/charger/CP-1"),
        ("acme/chargers/*", "acme/charger/*"),
        ("acme/cpms/Primari", "acme/cpms/Primary"),
        ("beta/*", ""),
    ],
)
@pytest.mark.parametrize("prune", [False, True])
def test_row_A2_a_filter_that_matches_nothing(option: str, glob: str, near: str, prune: bool) -> None:
    """An exclude that matches nothing is refused as a target is, with --prune too; the nearest that matches is named."""
    text = yaml(policy={"exclusive": ["charger"]})
    with pytest.raises(InputError) as raised:
        with pipeline(settled_world()) as run:
            chosen: dict[str, Any] = {option: (glob,), "prune": prune}
            check_choices(run.desired(text), Choices(**chosen))
            run.plan(text, **chosen)
    [problem] = raised.value.diagnostics
    option = option.removesuffix("s")
    assert (problem.code, f"--{option} {glob} matches no address" in problem.summary) == ("E-TARGET", True)
    assert problem.detail.startswith(f"Did you mean {near}? ") == bool(near)


@pytest.mark.parametrize(
    "choices",
    [
        {"excludes": ("acme/charger/STRAY-*",), "prune": True},
        {"excludes": ("acme/charger/*",), "prune": True},
        {"excludes": ("acme/charger/X*",), "targets": ("acme/cpms/*",), "prune": True},
        {"excludes": ("acme/cpms/Gone",)},
    ],
)
def test_row_A2_what_an_exclude_may_name(choices: dict[str, Any]) -> None:
    """An exclude may name what is declared, removed or, with --prune, live; of lists that are not read nothing is known."""
    world = settled_world()
    world.add("acme", "charger", identity="STRAY-1", displayName="S", profileId=1)
    text = yaml(removed=[{"cpms": "Gone"}], policy={"exclusive": ["charger"]})
    check_choices(read_yaml(text), Choices(**choices))
    assert plan(world, text, **choices).held_back == ()


def test_row_A4_a_twin_of_a_pinned_object_is_not_pruned() -> None:
    """What has the name of a declared entry is not deleted for being declared by another id: that takes a removed entry."""
    world = settled_world()
    number = world.add("acme", "cpms", **CPMS)
    text = yaml(cpms={"id": number}, policy={"exclusive": ["cpms"]})
    found = plan(world, text, prune=True)
    assert steps(found) == [] and held(found) == ["E-PINNED delete cpms/Primary"]


def ways(found: Plan) -> list[str]:
    [entry] = found.held_back
    return [way for way in entry.ways_out if "replace" in way]


@pytest.mark.parametrize(
    ("entry", "more"),
    [
        ({"interval": 60}, {"policy": {"protect": ["cpms/Primary"]}}),
        ({"interval": 60, "id": 1}, {}),
        ({"url": None, "interval": 60}, {}),
    ],
)
def test_row_D5_no_way_out_that_a_guardrail_refuses(entry: dict[str, Any], more: dict[str, Any]) -> None:
    """Where a replace is protected, pinned or not possible it is not offered."""
    world = settled_world()
    if "id" in entry:
        entry = {**entry, "id": world.row("acme", "cpms", "Primary")["id"]}
    cpms = {name: value for name, value in {**CPMS, **entry}.items() if value is not None}
    assert ways(plan(world, document("acme", cpms=[cpms], **more))) == []


def test_row_D5_a_way_out_is_a_command_that_plans_the_replace() -> None:
    """The command on the plan, given again, gives a plan that holds nothing back and that no guardrail refuses."""
    world = settled_world()
    for number in range(20):
        world.add("acme", "cpms", displayName=f"Old {number}", url="wss://old/")
    text = yaml(cpms={"interval": 60}, removed=[{"cpms": f"Old {number}"} for number in range(4)])
    [way] = ways(plan(world, text, allow_deletes=4, again=("--target", "acme/cpms/*", "a b.yaml")))
    assert way.endswith(
        "exolink-reconcile plan --allow-replace acme/cpms/Primary --allow-deletes 5 --target 'acme/cpms/*' 'a b.yaml'"
    )
    found = plan(world, text, allow_deletes=5, allow_replace=("acme/cpms/Primary",))
    assert (found.held_back, found.refusals, found.count(Action.REPLACE)) == ((), (), 1)


def test_row_D6_what_was_compared() -> None:
    """The plan counts what is live in its part, by kind; a kind that was not read is not counted."""
    world = settled_world(chargers=3)
    assert plan(world, yaml()).compared == {"tenant": 1, "cpms": 1, "charger": 3}
    found = plan(world, yaml(), targets=("acme/charger/CP-1",))
    assert found.compared == {"tenant": 1, "charger": 1} and found.partial == ("--target",) and not found.complete


def test_an_api_without_a_get_of_one_object_says_so() -> None:
    """Where only a list can be read right before a write, the plan says that there is no better check; its digest is the same."""
    description = YAML(typ="safe").load(CONTRACT_TEXT)
    for path, operations in description["paths"].items():
        if path.count("/") == 4:
            del operations["get"]
    world = settled_world()
    text = yaml(cpms={"url": "wss://new/"}, chargers=[CHARGER, {**CHARGER, "identity": "NEW"}])
    with pipeline(world) as run:
        usual = run.plan(text)
    with pipeline(world, contract_text=json.dumps(description)) as run:
        poor, result = run.plan(text), run.apply(text)
    [note] = poor.notes
    assert note.code == "W-RECHECK" and "no GET of a single cpms" in note.summary  # a create needs none
    assert usual.notes == () and digest_of(usual) == digest_of(poor)
    assert result.exit_codes == () and not any(r.method == "GET" and r.path.count("/") == 4 for r in world.log)


def test_row_F19_the_twin_of_a_pinned_entry_is_spoken_of() -> None:
    """A live object with the name of an entry that pins another id is unmanaged, and a note names both."""
    world = World()
    pinned, twin = (world.add("acme", "cpms", **{**CPMS, "displayName": "P"}) for _ in range(2))
    with pipeline(world) as run:
        plan = run.plan(document("acme", cpms=[{**CPMS, "displayName": "P", "id": pinned}]))
    assert plan.unmanaged_counts["cpms"] == 1
    assert any(note.code == "E-DUPLICATE-LIVE" and f"(id {twin})" in note.summary for note in plan.notes)


def test_row_F25_what_create_only_keeps_back_is_said_so() -> None:
    """A field that an update needs and that `createOnly` keeps out of it is written in the YAML, and the reason says so."""
    world = World()
    loaded = YAML(typ="safe").load(CONTRACT_TEXT)
    [path] = [path for path, operations in loaded["paths"].items() if "/cpms/" in path and "put" in operations]
    schema = {"type": "object", "required": ["url", "interval"],
              "properties": {"url": {"type": "string"}, "interval": {"type": "integer"}}}  # fmt: skip
    loaded["paths"][path]["put"]["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    world.add("acme", "cpms", **{**CPMS, "displayName": "P"})
    entry = {"displayName": "P", "url": "wss://new/", "interval": 9, "createOnly": ["interval"]}
    with pipeline(world, contract_text=json.dumps(loaded)) as run:
        [held] = run.plan(document("acme", cpms=[entry])).held_back
    assert "interval, which `createOnly` keeps out of updates" in held.reason
