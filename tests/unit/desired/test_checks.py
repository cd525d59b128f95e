"""Names that look the same, or cannot be read."""

import pytest
from support_pipeline import read_yaml

from exolink_reconcile.confusables import skeleton, skeletons
from exolink_reconcile.desired import desired_state, documents
from exolink_reconcile.errors import InputError
from exolink_reconcile.kinds import KINDS


def warnings(text: str) -> list[str]:
    return [f"{warning.code} {warning.source}" for warning in read_yaml(f"tenant: acme\n{text}\n").warnings]


@pytest.mark.parametrize(("one", "other"), [("Primary", "Рrimаry"), ("CP-0O1", "CP-O0l"), ("A\u2010B", "A-B")])
def test_row_E24_look_alikes_are_a_warning(one: str, other: str) -> None:
    """Two names of one skeleton are a warning, at the second of them; they may both be meant."""
    assert skeleton(one) == skeleton(other)
    assert warnings(f"cpms:\n- displayName: {one}\n- displayName: {other}") == ["W-CONFUSABLE exolink.yaml:4:3"]
    assert warnings(f"cpms: [{{displayName: {one}}}]\nchargers: [{{identity: {other}}}]") == []


def test_skeletons_of_many() -> None:
    """All at once or one by one, a skeleton is the same."""
    names = ["CP-01", "modem", 'a"b', "x|y"]
    assert skeletons(names) == [skeleton(name) for name in names] and len(skeletons(["а\n", "b"])) == 2


@pytest.mark.parametrize(
    "name", ["a\u0600b", "a\u06ddb", "a\U000110bdb", "Z" + "\u0301" * 5, "e\u0301\u0327\u0308\u0323\u0332"]
)
@pytest.mark.parametrize("place", ["chargers: [{identity: %s}]", "chargers: [{identity: A, displayName: %s}]", "removed: [{charger: %s}]", "profiles: {%s: 1}", "name: %s"])  # fmt: skip
def test_row_E24_what_cannot_be_read_is_refused(name: str, place: str) -> None:
    """Format characters, and more than four accents on one letter, are in no name."""
    if place.startswith("name") and "\u0301" in name:
        pytest.skip("the name of a tenant is not a key")
    with pytest.raises(InputError, match="E-NAME"):
        read_yaml("tenant: acme\n" + place % f'"{name}"')


def test_four_marks_are_fine() -> None:
    """Languages that stack accents can be written."""
    assert warnings('chargers: [{identity: "Z\u0301\u0327\u0308\u0323a\u0301"}]') == []


def test_row_D7_a_cpms_without_url() -> None:
    """`validate` says what an object cannot be created without; where `defaults` have it or an id is pinned, it does not."""
    text = "tenant: acme\ncpms: [{displayName: A}, {displayName: B, id: 1}, {displayName: C, url: 'wss://${env:X}/'}]\n"
    parsed, problems = documents.read("f.yaml", text.encode(), None)
    warnings = desired_state.build(parsed, KINDS, problems=problems, thorough=True).warnings
    assert [(warning.code, str(warning.source)) for warning in warnings] == [("W-INCOMPLETE", "f.yaml:2:9")]
    assert desired_state.build(parsed, KINDS, problems=problems).warnings == ()


@pytest.mark.parametrize("url", ["wss://u:pw@h/", "wss://h/?token=t", "wss://h/#part", "wss://u:pw@h/?t=${env:X}"])
def test_row_D7_a_secret_that_is_written_out(url: str) -> None:
    """A literal password, query value or fragment is a warning; one from a variable is not."""
    [warning] = read_yaml(f"tenant: acme\ncpms: [{{displayName: A, url: '{url}'}}]", environment={"X": "x"}).warnings
    assert warning.code == "W-SECRET"
    fine = "tenant: acme\ncpms: [{displayName: A, url: 'wss://u:${env:X}@h/?t=${env:X}#${env:X}'}]"
    assert read_yaml(fine, environment={"X": "x"}).warnings == ()
