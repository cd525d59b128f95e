"""What a run is about: its targets and excludes on addresses."""

from typing import Any

import pytest
from support_pipeline import (
    document,
    pipeline,
    read_yaml,
)
from support_planning import plan_of, settled_world, steps, yaml

from exolink_reconcile.errors import InputError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.planning.choices import Choices, check_choices, wanted
from exolink_reconcile.resource import Address

_, CPMS_KIND, CHARGER_KIND = KINDS
CP1, A = Address("acme", "charger", "CP-1"), Address("acme", "cpms", "A")


@pytest.mark.parametrize(
    ("choices", "covered"),
    [
        (Choices(), {CP1, A}),
        (Choices(targets=("acme/charger/*",)), {CP1}),
        (Choices(excludes=("acme/charger/*",)), {A}),
        (Choices(targets=("acme/*",), excludes=("acme/charger/CP-1",)), {A}),
        (Choices(targets=("other/*",)), set()),
    ],
)
def test_which_addresses_a_run_is_about(choices: Choices, covered: set[Address]) -> None:
    """A target takes in, an exclude takes out, and the exclude wins."""
    assert {address for address in (CP1, A) if choices.cover(address)} == covered


def test_what_is_ruled_out_wholly_need_not_be_read() -> None:
    """A list is read if any of its addresses may be covered: a target of one charger reads chargers and nothing else."""
    choices = Choices(targets=("acme/charger/CP-1",))
    assert (
        choices.may_cover("acme", CHARGER_KIND)
        and not choices.may_cover("acme", CPMS_KIND)
        and not choices.may_cover("other", CHARGER_KIND)
    )
    without = Choices(excludes=("acme/charger/*",))
    assert without.may_cover("acme", CPMS_KIND) and not without.may_cover("acme", CHARGER_KIND)
    assert Choices(excludes=("acme/charger/CP-1",)).may_cover("acme", CHARGER_KIND)


def test_a_plan_of_a_part_names_the_options_that_make_it_one() -> None:
    """What leaves something out is named; nothing is where all is planned."""
    assert Choices().partial == ()
    assert Choices(targets=("a",), only="drift").partial == ("--target", "--only")


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
    assert steps(plan_of(settled_world(), text, **choices)) == expected


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
    kinds = wanted(read_yaml(yaml()), Choices(excludes=(glob,)))
    assert [kind.kind for kind in kinds.get("acme", [])] == read


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
    plan = plan_of(settled_world(chargers=3), text, targets=("acme/charger/CP-2",), prune=True)
    assert steps(plan) == ["delete charger/CP-2"]
    with pytest.raises(InputError, match="E-TARGET"):
        plan_of(settled_world(chargers=3), text, targets=("acme/charger/CP-4",), prune=True)


def test_every_choice_is_the_safe_one_by_default() -> None:
    """What nobody chose permits nothing."""
    choices = Choices()
    assert not (choices.prune or choices.reviewed or choices.may_infer or choices.saved)
    assert (choices.allow_replace, choices.allow_deletes, choices.allow_shrunk) == ((), None, ())


@pytest.mark.parametrize("option", ["targets", "excludes"])
@pytest.mark.parametrize(
    ("glob", "near"),
    [
        ("acme/charger/CO-*", "acme/charger/CP-*"),
        ("charger/CP-1", "acme/charger/CP-1"),
        ("CP-1", "acme/charger/CP-1"),
        ("acme/chargers/*", "acme/charger/*"),
        ("acme/cpms/Primari", "acme/cpms/Primary"),
        ("acme/cpms/prim", "acme/cpms/Primary"),
        ("acmee/*", "acme/*"),
        ("acmee/chargers/CP-1", "acme/charger/CP-1"),
        ("acme/chargers", "acme/charger/*"),
        ("chargers", "acme/charger/*"),
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
    assert plan_of(world, text, **choices).held_back == ()
