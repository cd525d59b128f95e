"""explain: what a code, a kind or a field means, from the tables of the reference."""

import pytest
from support_cli import Run

from exolink_reconcile.codes import Code, Exit


@pytest.mark.parametrize("word", [*(str(int(exit)) for exit in Exit), "E-STALE", "e-stale", "W-SECRET"])
def test_explain_codes(run: Run, word: str) -> None:
    """Every exit code, and error codes in any case, are explained from the tables that the reference is made of."""
    code, out, _ = run("explain", word)
    means = Code(word.upper()).means if "-" in word else Exit(int(word)).means
    assert code == 0 and means in out


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("charger", "identity"), ("charger.profileId", "inferred"), ("charger.profile", "profileId"), ("cpms.url", "documented"),
        ("policy.protect", "deleted"), ("profileId", "charger.profileId: "), ("interval", "cpms.interval: "), ("protect", "policy.protect: "),
        ("displayName", "charger.displayName: "), ("createOnly", "cpms.createOnly: "), ("firmwareVersion", "charger.firmwareVersion: Read-only"),
        ("charger.chargePointModel", "Read-only"), ("reason", "removed.reason"), ("columns", "chargersFrom.columns"), ("tenant", "neither created nor deleted"), ("removed.reason", "reviewer"),
    ],
)  # fmt: skip
def test_explain_words_of_the_yaml(run: Run, word: str, says: str) -> None:
    """Kinds, fields and other keys are explained, with what the API takes."""
    code, out, _ = run("explain", word)
    assert code == 0 and says in out


def test_a_bare_field_is_explained_in_each_kind(run: Run) -> None:
    """A field that two kinds have is explained for both, a line apart."""
    out = run("explain", "displayName")[1]
    assert out.startswith("cpms.displayName: ") and "\n\ncharger.displayName: " in out


def test_explain_what_nobody_knows(run: Run) -> None:
    """A word that means nothing is a usage error with the nearest one."""
    code, _, err = run("explain", "E-STALLE")
    assert code == 3 and "E-STALE" in err
    assert run("explain", "\x1b[31m")[0] == 3
