"""What was reviewed is what is applied: the saved plan, and the digest."""

import json
import re
import stat
from collections.abc import Callable
from typing import Any

import pytest
from world import Answer

from .conftest import Cli
from .support import SETTLED


@pytest.fixture
def reviewed(settled: Cli) -> Cli:
    """Two updates, planned and saved as `p`."""
    settled.world.edit("acme", "charger", "CP-0001", displayName="x")
    settled.world.edit("acme", "charger", "CP-0002", displayName="y")
    settled("plan", "--out", "p")
    settled.world.log.clear()
    return settled


def test_a_saved_plan_is_applied_without_asking(reviewed: Cli) -> None:
    """The file is private, one line, and the document of --format json; apply needs nothing but the file, once."""
    path = reviewed.folder / "p"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "\n" not in path.read_text().removesuffix("\n")
    result = reviewed("plan", "--format", "json", "--out", "again")
    assert result.out.strip() == (reviewed.folder / "again").read_text().strip()
    applied = reviewed("apply", "--plan", "p")
    assert applied.counts("Apply complete! Resources: 0 added, 2 changed, 0 destroyed.")
    again = reviewed("apply", "--plan", "p", code=6)
    assert "already applied" in again.text and len(reviewed.world.writes) == 2


def test_a_plan_as_a_page(reviewed: Cli) -> None:
    """`--format html` prints one page; `show` prints the same from the file, but for notes; the command on it applies."""
    page = reviewed("plan", "--format", "html").out
    assert page.startswith("<!DOCTYPE html>") and page.endswith("</html>\n")
    assert "Plan: 0 to add, 2 to change, 0 to destroy." in page and "exolink.yaml:" in page
    shown = reviewed("show", "p", "--format", "html").out
    assert shown == page
    digest = json.loads((reviewed.folder / "p").read_text())["exolink"]["digest"]
    assert f"exolink-reconcile apply --expect {digest} " in re.sub(r"</?span[^>]*>", "", page)


def test_show_renders_a_saved_plan(settled: Cli) -> None:
    """`show` says what plan said, without a request and without a token."""
    settled.world.edit("acme", "charger", "CP-0002", displayName="y")
    planned = settled("plan", "--out", "p")
    settled.world.log.clear()
    as_text, as_json = settled.each([("show", "p"), ("show", "p", "--format", "json")], token=None)
    assert settled.world.log == []
    assert as_text.lines[-2:] == planned.lines[-2:] and as_text.place("~", "CP-0002") >= 0
    assert as_json.json == json.loads((settled.folder / "p").read_text())


def test_row_E2_show_names_api_and_options_first(settled: Cli) -> None:
    """Who looks at a plan file sees first where it would go, and by which options: before what it says of itself."""
    settled.world.edit("acme", "charger", "CP-0002", displayName="y")
    settled("plan", "--out", "p", "--target", "acme/charger/*", "--allow-inferred")
    result = settled("show", "p", bare=True, token=None)
    digest = json.loads((settled.folder / "p").read_text())["exolink"]["digest"]
    options = f"--api-url {settled.url} --target 'acme/charger/*' --allow-inferred"
    assert result.lines[:4] == [
        f"Saved plan for {settled.url}",
        "Tenants: acme",
        f"Digest: {digest}",
        f"Options: {options}",
    ]


def test_row_E2_a_plan_file_cannot_move_the_token(reviewed: Cli) -> None:
    """A plan for another API than the operator's own is refused before the token is read, and nothing is sent there."""
    elsewhere = {"EXOLINK_API_URL": "https://api.example.com"}
    refused = reviewed("apply", "--plan", "p", "--token-file", "not-there", env=elsewhere, code=6)
    assert "E-PLAN-ORIGIN" in refused.text and reviewed.url in refused.text and reviewed.world.log == []


def test_unrelated_changes_do_not_make_it_stale(reviewed: Cli) -> None:
    """Comments, places, and what is unmanaged are not in the digest."""
    before = reviewed.digest()
    reviewed.write("exolink.yaml", "# a comment\n\n" + SETTLED)
    reviewed.world.add("acme", "charger", identity="XX-1")
    assert reviewed.digest() == before
    reviewed("apply", "--plan", "p")
    assert len(reviewed.world.writes) == 2


def test_a_stale_plan_writes_nothing(reviewed: Cli) -> None:
    """What moved since the review, on either side, makes the plan stale."""
    reviewed.world.edit("acme", "charger", "CP-0001", displayName="z")
    stale = reviewed("apply", "--plan", "p", code=6)
    assert "E-STALE" in stale.text
    reviewed.world.edit("acme", "charger", "CP-0001", displayName="x")
    reviewed.swap("exolink.yaml", "Lobby left", "Lobby middle")
    reviewed("apply", "--plan", "p", code=6)
    reviewed.write("exolink.yaml", SETTLED + "  - {identity: CP-0003, displayName: C, profileId: 1}\n")
    reviewed("apply", "--plan", "p", code=6)
    assert reviewed.world.writes == []


def edited(change: Callable[[Any], object]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        plan = json.loads(text)
        change(plan)
        return json.dumps(plan)

    return edit


EDITS = {
    "value": edited(lambda plan: plan["resource_changes"][0]["change"]["after"].update(displayName="evil")),
    "missing step": edited(lambda plan: (plan["resource_changes"].pop(), plan["exolink"]["changes"].pop())),
    "digest": edited(lambda plan: plan["exolink"].update(digest="0" * len(plan["exolink"]["digest"]))),
}


def test_an_edited_plan_is_refused(reviewed: Cli) -> None:
    """A plan file is a claim, not a script: an edited one is 6, and nothing is written."""
    text = (reviewed.folder / "p").read_text()
    for name, edit in EDITS.items():
        (reviewed.folder / name).write_text(edit(text))
    reviewed.each([("apply", "--plan", name) for name in EDITS], code=6)
    assert reviewed.world.writes == []


def test_what_is_no_plan_is_refused(reviewed: Cli) -> None:
    """A file that cannot be read as a plan exits 3, before any request."""
    text = (reviewed.folder / "p").read_text()
    for name, content in {"words": "not json", "object": "{}", "cut": text[: len(text) // 2]}.items():
        (reviewed.folder / name).write_text(content)
    reviewed.each([("apply", "--plan", name) for name in ("words", "object", "cut", "missing")], code=3)
    assert reviewed.world.log == []


def test_a_partial_apply_can_be_run_again(reviewed: Cli) -> None:
    """After a partial apply the same plan goes on with what is left."""
    refused: list[str] = []

    def refuse_the_first(method: str, path: str) -> Answer | None:
        if method != "PUT" or refused:
            return None
        refused.append(path)
        return 400, {"Content-Type": "application/json"}, b'{"error": "not today"}'

    reviewed.world.override = refuse_the_first
    reviewed("apply", "--plan", "p", code=5)
    assert len([request for request in reviewed.world.writes if request.changed]) == 1
    applied = reviewed("apply", "--plan", "p")
    assert applied.counts("Apply complete! Resources: 0 added, 1 changed, 0 destroyed.")
    assert reviewed.world.writes[-1].path == refused[0]


def test_a_missing_step_must_be_live_as_planned(reviewed: Cli) -> None:
    """What is not to do any more must be live as planned, by whomever; otherwise the plan is stale."""
    reviewed.swap("exolink.yaml", "  - {identity: CP-0001, displayName: Lobby left, profile: standard}\n", "")
    reviewed.world.edit("acme", "charger", "CP-0001", displayName="other")
    reviewed("apply", "--plan", "p", code=6)
    assert reviewed.world.writes == []
    reviewed.write("exolink.yaml", SETTLED)
    reviewed.world.edit("acme", "charger", "CP-0001", displayName="Lobby left")
    reviewed("apply", "--plan", "p")
    assert len(reviewed.world.writes) == 1


def test_options_come_from_the_plan(reviewed: Cli) -> None:
    """Another path or option than the recorded one is refused; the same one is fine."""
    reviewed.write("other.yaml", SETTLED)
    api, target = ("--api-url", "http://127.0.0.1:9"), ("--target", "acme/charger/CP-0001")
    reviewed.each([("apply", "--plan", "p", *other) for other in (("--prune",), target, api, ("other.yaml",))], code=6)
    assert reviewed.world.writes == []
    reviewed("plan", "--target", "acme/charger/CP-0001", "--out", "one")
    reviewed("apply", "--plan", "one", "--api-url", reviewed.url)
    assert len(reviewed.world.writes) == 1, "the recorded target still holds"


def test_expect(reviewed: Cli) -> None:
    """--expect applies what has this digest, given whole or by 32 digits or more, without asking."""
    digest = reviewed.digest()
    assert digest[:32] in reviewed("plan").lines[-1]
    wrong = "0" * 32 if not digest.startswith("0") else "f" * 32
    nearly = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    reviewed.each([("apply", "--expect", claim) for claim in (wrong, nearly)], code=6)
    assert reviewed.world.writes == []
    reviewed("apply", "--expect", digest[:31], code=3)
    reviewed("apply", "--expect", digest[:32])
    assert len(reviewed.world.writes) == 2


def test_expect_needs_the_options_again(reviewed: Cli) -> None:
    """What was reviewed under a target is not what is planned without it."""
    digest = reviewed.digest("--target", "*/CP-0001")
    reviewed("apply", "--expect", digest, code=6)
    reviewed("apply", "--expect", digest, "--target", "*/CP-0001")
    assert len(reviewed.world.writes) == 1


def test_the_digest_covers_the_origin(start: Callable[..., Cli]) -> None:
    """The same steps at another API are another plan."""
    first, second = start(), start()
    for cli in (first, second):
        cli.write("exolink.yaml", SETTLED)
    assert first.digest() != second.digest()


def test_row_E14_a_secret_is_in_the_digest_by_where_it_comes_from(cli: Cli) -> None:
    """Another literal or another variable is another digest; another value of one variable is the same."""
    cli.world.add("acme", "cpms", displayName="A", url="wss://u:first@a.example.com/", interval=30)
    text = 'tenant: acme\ncpms: [{{displayName: A, url: "wss://u:{}@a.example.com/", interval: 30}}]\n'

    def digest(password: str, value: str = "") -> str:
        cli.write("exolink.yaml", text.format(password))
        document: str = cli("plan", "--format", "json", env={"ONE": value, "TWO": value}).json["exolink"]["digest"]
        return document

    assert len({digest("first"), digest("second"), digest("third")}) == 3
    assert digest("${env:ONE}", "second") == digest("${env:ONE}", "third") != digest("${env:TWO}", "third")


def test_storage_that_fails(reviewed: Cli) -> None:
    """A plan that cannot be saved exits 11; to be made it needs no state."""
    (reviewed.folder / "file").write_text("")
    reviewed("plan", "--out", "nowhere/p", code=11)
    reviewed("plan", "--state", "file/state")


def test_apply_needs_its_state(reviewed: Cli) -> None:
    """apply without a state it can write to exits 11 before it writes anything."""
    (reviewed.folder / "file").write_text("")
    reviewed("apply", "--auto-approve", "--state", "file/state", code=11)
    assert reviewed.world.writes == []


def test_row_E1_a_plan_file_that_was_edited(reviewed: Cli) -> None:
    """A plan whose steps were changed after it was made is refused, and nothing is written."""
    path = reviewed.folder / "p"
    path.write_text(path.read_text().replace("CP-0002", "CP-0003"))
    refused = reviewed("apply", "--plan", "p", code=6)
    assert "E-EDITED" in refused.text and reviewed.world.writes == []


def test_since(reviewed: Cli) -> None:
    """`show --since` names only the address whose change is another one, and both of its values."""
    reviewed.world.edit("acme", "charger", "CP-0002", displayName="z")
    reviewed("plan", "--out", "later")
    result = reviewed("show", "later", "--since", "p")
    assert (
        "CP-0002" in result.out
        and "CP-0001" not in result.out
        and "was y ->" in result.out
        and "now z ->" in result.out
    )
    assert "No difference" in reviewed("show", "p", "--since", "p").out
    differences = reviewed("show", "later", "--since", "p", "--format", "json").json["differences"]
    assert [difference["address"] for difference in differences] == ["acme/charger/CP-0002"]
    reviewed("show", "p", "--since", "p", "--format", "markdown", code=3)


def test_a_stale_plan_tells_the_difference(reviewed: Cli) -> None:
    """Beside E-STALE stands what `show --since` would say: each address whose change is another one now."""
    reviewed.world.edit("acme", "charger", "CP-0001", displayName="z")
    stale = reviewed("apply", "--plan", "p", code=6)
    assert "E-STALE" in stale.err and "displayName: was x -> " in stale.err and ", now z -> " in stale.err
    reviewed("plan", "--out", "now")
    assert reviewed("show", "now", "--since", "p").out in stale.err


def test_show_tells_what_is_left(reviewed: Cli) -> None:
    """After a wave `show` says how many steps are left, as the state knows it; before the first one nothing."""
    reviewed.world.edit("acme", "charger", "CP-0002", displayName="y")
    assert "steps left" not in reviewed("show", "p").out
    assert "1 of 2 steps left" in reviewed("apply", "--plan", "p", "--wave", "*/CP-0001", code=5).out
    result = reviewed("show", "p")
    assert "1 of 2 steps left, says" in result.lines[4] and "acme/charger/CP-0002" in result.lines[4]
    assert result.lines[-1].startswith("Digest: ")
    as_json = reviewed("show", "p", "--format", "json")
    assert "steps left" in as_json.err and as_json.json == json.loads((reviewed.folder / "p").read_text())
    reviewed("apply", "--plan", "p", "--wave", "*")
    assert "0 of 2 steps left" in reviewed("show", "p").out


def test_wave_after_wave_under_one_approval(reviewed: Cli) -> None:
    """Each wave is held against, shows and records the digest of the whole plan that was reviewed, also after the first."""
    digest = json.loads((reviewed.folder / "p").read_text())["exolink"]["digest"]
    for name, code in (("CP-0001", 5), ("CP-0002", 0)):
        ran = reviewed("apply", "--plan", "p", "--expect", digest[:40], "--wave", f"acme/charger/{name}", code=code)
        assert ran.counts(f"Digest: {digest}") and "This wave is 1 of 2 reviewed steps" in ran.err
    reviewed("apply", "--plan", "p", "--expect", "0" * 32, "--wave", "*", code=6)
    assert len(reviewed.world.writes) == 2


def test_what_a_gate_prints_is_not_a_note(reviewed: Cli) -> None:
    """`--quiet` leaves out notes and progress; what a gate said is neither: it is why a run stopped."""
    ran = reviewed("apply", "--plan", "p", "--gate", "echo 3 of 10 are offline; false", "--quiet", code=5)
    assert "gate: 3 of 10 are offline" in ran.err and "E-GATE" in ran.text
