"""What a run is about: its targets and excludes on addresses."""

import pytest

from exolink_reconcile.kinds import KINDS
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.resource import Address

_, CPMS, CHARGER = KINDS
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
    one = Choices(targets=("acme/charger/CP-1",))
    assert one.may_cover("acme", CHARGER) and not one.may_cover("acme", CPMS) and not one.may_cover("other", CHARGER)
    without = Choices(excludes=("acme/charger/*",))
    assert without.may_cover("acme", CPMS) and not without.may_cover("acme", CHARGER)
    assert Choices(excludes=("acme/charger/CP-1",)).may_cover("acme", CHARGER)


def test_a_plan_of_a_part_names_the_options_that_make_it_one() -> None:
    """What leaves something out is named; nothing is where all is planned."""
    assert Choices().partial == ()
    assert Choices(targets=("a",), only="drift").partial == ("--target", "--only")
