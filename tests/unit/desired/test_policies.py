"""The policy of a document: globs that can match something, or an error where they stand."""

import pytest
from support_pipeline import read_yaml

from exolink_reconcile.errors import InputError


def policy(line: str) -> dict[str, list[str]]:
    parsed = read_yaml(f"tenant: acme\npolicy: {{{line}}}\n").tenants[0].policy
    return {name: [p.glob for p in getattr(parsed, name)] for name in ("protect", "exclusive", "allow_replace")}


def test_every_default_is_the_safe_one() -> None:
    """Nothing may be replaced and nothing is claimed that the document does not name."""
    assert policy("protect: []") == {"protect": [], "exclusive": [], "allow_replace": []}


def test_a_kind_alone_means_all_of_it() -> None:
    """In a list of globs; `allowReplace` is exact, and names one object."""
    assert policy("protect: [charger], exclusive: ['*/CP-*', 'c*']")["protect"] == ["charger/*"]
    with pytest.raises(InputError, match=r"\"charger\" names no kind|names no kind"):
        policy("allowReplace: [charger]")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("protect: ['chargers/CP-*']", "E-GLOB"),
        ("protect: ['CP-*']", "E-GLOB"),
        ("allowReplace: ['c*/A']", "E-GLOB"),
        ('protect: ["charger/a\\u200bb"]', "E-GLOB"),
        ("protect: charger", "E-TYPE"),
        ("protect: [[charger]]", "E-TYPE"),
        ("protekt: [charger]", "E-UNKNOWN-KEY"),
    ],
)
def test_a_glob_that_can_match_nothing_is_an_error(line: str, code: str) -> None:
    """A typo in `protect` would protect nothing."""
    with pytest.raises(InputError) as caught:
        policy(line)
    assert [d.code for d in caught.value.diagnostics if d.severity == "error"] == [code]


def test_a_bracket_is_a_warning() -> None:
    """It stands for itself; who writes one mostly means alternatives."""
    warnings = read_yaml("tenant: acme\npolicy: {protect: ['charger/CP-[12]', 'cpms/{a,b}']}\n").warnings
    assert [(d.code, d.source and d.source.line) for d in warnings] == [("W-GLOB", 2)] * 2
