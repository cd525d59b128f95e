"""How an apply is approved: what goes unasked, what is refused before the API is read, and what a saved plan binds."""

from pathlib import Path

import pytest

from .conftest import Commands

YAML = "tenant: acme\ncpms: [{displayName: A, url: wss://h/, interval: 30}]\n"


@pytest.fixture
def prepared(command: Commands) -> Commands:
    """A tenant without the backend that the YAML declares."""
    (command.folder / "exolink.yaml").write_text(YAML, "utf-8")
    return command


def saved(command: Commands, *paths: str) -> str:
    """The digest of a plan that is saved to plan.json."""
    result = command("plan", *paths, "--out", "plan.json")
    assert result.code == 0
    [digest] = [line.split()[1] for line in result.out.splitlines() if line.startswith("Digest:")]
    return digest


def test_nobody_is_asked_without_a_terminal(prepared: Commands) -> None:
    """A job that forgot its approval writes nothing, and does not wait for an answer."""
    result = prepared("apply")
    assert result.code == 3 and "E-NO-APPROVAL" in result.err and prepared.world.writes == []


def test_json_asks_nobody(prepared: Commands) -> None:
    """A program that reads events cannot answer a question."""
    result = prepared("apply", "--format", "json")
    assert result.code == 3 and "E-NO-APPROVAL" in result.err and prepared.world.writes == []


def test_the_digest_that_was_reviewed_is_enough(prepared: Commands) -> None:
    """--expect applies just that plan; the first 32 digits will do."""
    digest = saved(prepared)
    assert prepared("apply", "--expect", digest[:32]).code == 0
    assert [row["displayName"] for row in prepared.world.live("acme", "cpms")] == ["A"]


@pytest.mark.parametrize("digest", ["", "123", "z" * 64, "0" * 65])
def test_what_is_not_a_digest_is_refused(prepared: Commands, digest: str) -> None:
    """A short or mistyped digest approves nothing, least of all any plan."""
    result = prepared("apply", "--expect", digest)
    assert result.code == 3 and "E-USAGE" in result.err and prepared.world.writes == []


def test_another_plan_than_the_reviewed_one_is_stale(prepared: Commands) -> None:
    """An edit after the review is another plan."""
    digest = saved(prepared)
    Path("exolink.yaml").write_text(YAML.replace("30", "60"), "utf-8")
    result = prepared("apply", "--expect", digest)
    assert result.code == 6 and "E-STALE" in result.err and prepared.world.writes == []


def test_a_saved_plan_says_what_changed_since(prepared: Commands) -> None:
    """The difference to the review is shown, as `show --since` shows it."""
    saved(prepared)
    Path("exolink.yaml").write_text(YAML.replace("30", "60"), "utf-8")
    result = prepared("apply", "--plan", "plan.json")
    assert result.code == 6 and "Since the review:" in result.err and "interval" in result.err
    assert prepared.world.writes == []


def test_a_plan_for_another_api_does_not_move_the_token(prepared: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan file names an API; the operator's own wins, unless both are the same."""
    saved(prepared)
    monkeypatch.setenv("EXOLINK_API_URL", "http://127.0.0.1:9")
    result = prepared("apply", "--plan", "plan.json")
    assert result.code == 6 and "if the plan's API is meant, give --api-url" in result.err


def test_an_option_of_a_saved_plan_cannot_be_changed(prepared: Commands) -> None:
    """What was reviewed includes the options; another one is another plan."""
    saved(prepared)
    result = prepared("apply", "--plan", "plan.json", "--prune")
    assert result.code == 6 and "the plan was made with another --prune" in result.err and prepared.world.writes == []


def test_a_plan_in_another_folder_says_where_to_run_it(prepared: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its paths count from the folder where it was made."""
    saved(prepared, "exolink.yaml")
    other = prepared.folder / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    result = prepared("apply", "--plan", "../plan.json")
    assert result.code == 3 and "which is not here" in result.err and prepared.world.writes == []


def test_a_wave_needs_its_plan(prepared: Commands) -> None:
    """A wave is a part of what was reviewed, so there must be something reviewed."""
    result = prepared("apply", "--wave", "acme/*")
    assert result.code == 3 and "give --plan FILE too" in result.err


def test_a_plan_that_was_applied_is_not_applied_again(prepared: Commands) -> None:
    """The second run of a job does nothing and says why."""
    saved(prepared)
    assert prepared("apply", "--plan", "plan.json").code == 0
    count = len(prepared.world.writes)
    result = prepared("apply", "--plan", "plan.json")
    assert result.code == 6 and "E-APPLIED" in result.err and len(prepared.world.writes) == count
