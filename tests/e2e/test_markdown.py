"""The plan for a forge: Markdown of a fresh and of a saved plan, within the size a comment may have, and GitLab's counts."""

import pytest

from .conftest import Cli
from .support import NO_CHANGES, charger_lines, numbered

DESIRED = """
tenant: acme
profiles: {standard: 1, night: 2}
cpms:
  - {displayName: Primary backend, url: "wss://ops:${env:NEW_PASSWORD}@cpms.example.com/ocpp", interval: 90}
chargers:
"""
REMOVED = "removed: [{cpms: Test bench, reason: 'OPS-123'}, {charger: CP-0002}]\n"


@pytest.fixture
def drifted(settled: Cli) -> Cli:
    """Thirty creates, a move to another profile, a secret that changes, a field held back, two deletes."""
    entries = charger_lines(["CP-0001"], profile="night") + charger_lines(
        numbered(100, 129), displayName="'@octocat #1'", profile="standard"
    )
    settled.write("exolink.yaml", DESIRED + entries + REMOVED)
    return settled


SECRET = {"NEW_PASSWORD": "hush-new"}


def test_markdown(drifted: Cli) -> None:
    """The marker first, then the totals, then what is dangerous; no secret, no mention; one Markdown, fresh or saved."""
    fresh = drifted("plan", "exolink.yaml", "--format", "markdown", "--out", "saved.json", env=SECRET)
    lines = fresh.out.splitlines()
    assert lines[0].startswith("<!-- exolink-reconcile plan ") and lines[0].endswith(" -->")
    assert lines.index("Plan: 30 to add, 2 to change, 2 to destroy.") == 5
    assert fresh.place("!", "acme/cpms/Primary backend") < fresh.place("-", "acme/cpms/Test bench")
    assert fresh.place("-", "acme/cpms/Test bench") < fresh.place("~", "acme/cpms/Primary backend")
    assert "hush" not in fresh.text and "@octocat" not in fresh.out
    assert drifted("show", "saved.json", "--format", "markdown").out == fresh.out


def test_full(drifted: Cli) -> None:
    """`--full` writes out each of a long run, folded until somebody clicks."""
    folded = drifted("plan", "exolink.yaml", "--format", "markdown", env=SECRET).out
    full = drifted("plan", "exolink.yaml", "--format", "markdown", "--full", env=SECRET).out
    assert folded.count("\n+ ") == 1 and full.count("\n+ ") == 30
    assert full.count("<details>") == full.count("</details>") == 1


def test_max_size(drifted: Cli) -> None:
    """`--max-size` cuts whole objects and says how many; deletes stay; what cannot be said honestly is not said: 3."""
    for size in (2000, 1500):
        cut = drifted("plan", "exolink.yaml", "--format", "markdown", "--full", "--max-size", str(size), env=SECRET)
        assert len(cut.out.encode()) <= size and "Not shown here: " in cut.out
        assert cut.out.count("\n- ") == 2 and cut.out.count("```") % 2 == 0
    args = ("--format", "markdown", "--max-size", "300")
    refused = drifted("plan", "exolink.yaml", *args, "--out", "saved.json", env=SECRET, code=3)
    assert refused.out == "" and "E-MAX-SIZE" in refused.err
    assert drifted("show", "saved.json", *args, code=3).out == ""
    assert drifted("show", "saved.json", code=0).out


def test_no_changes(settled: Cli) -> None:
    """With nothing to do there is the marker and Terraform's sentence: the comment of before is to be replaced."""
    result = settled("plan", "exolink.yaml", "--format", "markdown")
    assert result.counts(NO_CHANGES) and result.lines[0].startswith("<!-- exolink-reconcile plan ")


def test_gitlab(drifted: Cli) -> None:
    """GitLab's report is three counts; it is made of a saved plan."""
    drifted("plan", "exolink.yaml", "--out", "saved.json", env=SECRET)
    assert drifted("show", "saved.json", "--format", "gitlab").json == {"create": 30, "update": 2, "delete": 2}
    drifted("plan", "exolink.yaml", "--format", "gitlab", env=SECRET, code=3)


@pytest.mark.parametrize("format", ["text", "json", "markdown"])
def test_a_saved_plan_in_every_format(drifted: Cli, format: str) -> None:
    """`show` tells what `plan` told; as text after what the file would do where."""
    planned = drifted("plan", "exolink.yaml", "--out", "saved.json", "--format", format, env=SECRET).out
    saved = drifted("show", "saved.json", "--format", format).out
    assert saved.endswith(planned) and (format == "text" or saved == planned)
