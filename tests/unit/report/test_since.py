"""Two saved plans beside each other: what a reviewer of the first one has not seen."""

import json
from typing import Any

import pytest
from support_pipeline import as_json
from support_text import CPMS, plan_of

from exolink_reconcile.report.since import as_json as as_document
from exolink_reconcile.report.since import since
from exolink_reconcile.saved_plan.format import PlanDocument


def saved(*entries: dict[str, Any]) -> PlanDocument:
    """A plan over one live CPMS `A`, interval 30."""
    lines = "".join(
        f'  - {{displayName: {e["name"]}, url: "{e.get("url", "wss://h/")}", interval: {e["interval"]}}}\n'
        for e in entries
    )
    made = plan_of(
        f"tenant: acme\npolicy: {{allowReplace: [cpms/A]}}\ncpms:\n{lines}", cpms=[{"displayName": "A", **CPMS}]
    )
    return PlanDocument.model_validate_json(as_json(made))


A, B = {"name": "A", "interval": 60}, {"name": "B", "interval": 60}


def marked(earlier: PlanDocument, later: PlanDocument) -> list[str]:
    return [line.split("  ")[1] for line in since(earlier, later).splitlines() if line.startswith("  ")]


def test_the_same_plan_has_no_difference() -> None:
    """Not a digest, not a line."""
    assert since(saved(A, B), saved(A, B)) == "No difference between the two plans.\n"


@pytest.mark.parametrize(
    ("earlier", "later", "marks", "words"),
    [
        ([A], [A, B], ["+ acme/cpms/B"], "create"),
        ([A, B], [A], ["- acme/cpms/B"], "no longer: create"),
        ([A], [{**A, "interval": 90}], ["~ acme/cpms/A"], "interval: was 30 -> 60, now 30 -> 90"),
    ],
)
def test_each_address_whose_change_is_another_one(
    earlier: list[Any], later: list[Any], marks: list[str], words: str
) -> None:
    """New, gone or changed, with what it was; and both digests, because neither approves the other."""
    text = since(saved(*earlier), saved(*later))
    assert marked(saved(*earlier), saved(*later)) == marks and words in text
    assert text.startswith("Digest: ") and text.endswith("1 address differs.\n")


def test_a_long_difference_is_cut_and_counted() -> None:
    """What is left out is said."""
    later = saved(A, *({"name": f"N{number}", "interval": 5} for number in range(9)))
    text = since(saved(A), later, most=2)
    assert text.count("\n  + ") == 2 and "… and 7 more" in text and text.endswith("9 addresses differ.\n")


def held_back(interval: int, *, evil: str = "") -> PlanDocument:
    """A plan that can only hold back the interval of `A`, which is 30."""
    made = plan_of(
        f"tenant: acme\ncpms:\n- {{displayName: A, url: wss://h/, interval: {interval}}}\n",
        cpms=[{"displayName": "A", **CPMS, "url": "wss://h/"}],
    )
    document = PlanDocument.model_validate_json(as_json(made))
    for held in document.exolink.held_back if evil else ():
        object.__setattr__(held, "reason", evil)
    return document


def test_another_value_that_is_held_back_is_a_difference() -> None:
    """The field is held back in both plans; what it should become is not the same."""
    text = since(held_back(60), held_back(90))
    assert "held back interval: was 30 -> 60, E-CANNOT-UPDATE" in text and "now 30 -> 90, E-CANNOT-UPDATE" in text
    assert since(held_back(60), held_back(60)) == "No difference between the two plans.\n"


def test_row_E20_a_forged_reason() -> None:
    """What a plan file says of a reason steers nothing, in text and in JSON."""
    for text in (
        since(held_back(60), held_back(60, evil="\x1b[2J\n::error::x")),
        as_document(held_back(60), held_back(60, evil="\x1b[2J\n::error::x")),
    ):
        assert "\x1b" not in text and "\n::error" not in text


def test_as_json() -> None:
    """Of each address that differs what both plans do there."""
    document = json.loads(as_document(saved(A), saved({**A, "interval": 90}, B)))
    changed, new = sorted(document["differences"], key=lambda difference: str(difference["address"]))
    assert (changed["address"], changed["before"]["interval"], changed["after"]["interval"]) == (
        "acme/cpms/A",
        "30 -> 60",
        "30 -> 90",
    )
    assert (new["address"], new["before"], new["after"]["action"]) == ("acme/cpms/B", None, "create")
    assert document["digest"]["before"] != document["digest"]["after"] and document["format_version"] == "1.0"
    assert json.loads(as_document(saved(A), saved(A)))["differences"] == []
