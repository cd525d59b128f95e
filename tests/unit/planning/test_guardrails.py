"""What apply refuses although the plan shows it: the delete budget, lists that shrank, writes that nobody documented."""

import pytest
from support_html import step

from exolink_reconcile.model import Action, Step
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
    steps = [one._replace(inferred=True) for one in deletes(2)]
    assert [*guardrails.permissions(steps, {CHARGERS: 2}, Choices())] == ["--allow-deletes", "2", "--allow-inferred"]
    assert [*guardrails.permissions(deletes(1), {CHARGERS: 9}, Choices())] == []


def test_a_list_that_became_empty() -> None:
    """It is more likely a fault than the truth, until somebody says that it is true; one that was never seen is fine."""
    refused = guardrails.shrunk({CHARGERS: 0, ListKey("acme", "cpms"): 0}, {CHARGERS: 40}, Choices())
    assert [refusal.code for refusal in refused] == ["E-LIST-SHRANK"] and "40 rows" in refused[0].summary
    assert guardrails.shrunk({CHARGERS: 0}, {CHARGERS: 40}, Choices(allow_shrunk=("acme/charger",))) == []
    assert guardrails.shrunk({CHARGERS: 1}, {CHARGERS: 40}, Choices()) == []


def test_a_write_that_nobody_documented() -> None:
    """It needs a word, and the first one is named."""
    steps = [one._replace(inferred=True) for one in deletes(2)]
    [refusal] = guardrails.inferred(steps, Choices())
    assert refusal.code == "E-INFERRED" and "acme/charger/CP-1" in refusal.summary
    assert guardrails.inferred(steps, Choices(may_infer=True)) == []
