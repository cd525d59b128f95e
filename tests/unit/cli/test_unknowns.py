"""The command `unknowns`, in this process."""

import json
from pathlib import Path

import pytest
from support_cli import Run

from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, Outcome, Status, Step
from exolink_reconcile.resource import Address
from exolink_reconcile.state.journal import Journal

CPMS = KINDS[1]
STAGING, PRODUCTION = "https://staging.example.com", "https://production.example.com"


@pytest.fixture
def run(bare: Run, tmp_path: Path) -> Run:
    return lambda *arguments: bare(*arguments, "--state", str(tmp_path))


def left_open(folder: Path, origin: str, *names: str) -> None:
    with Journal(folder, origin) as journal:
        for name in names:
            step = Step(Action.CREATE, Address("acme", "cpms", name), CPMS, "declared", None)
            journal.intend(step, {}, {"displayName": name})
            if name == "Blind":
                journal.settle([Outcome(step, Status.UNKNOWN, code="E-LIST-BLIND")])


def test_the_list(tmp_path: Path, run: Run) -> None:
    """Each open write with its API and the moment, in UTC; as JSON the same."""
    left_open(tmp_path, STAGING, "A", "Blind")
    code, out, _ = run("unknowns")
    assert code == 0 and "create acme/cpms/A: sent, no clear answer, since 20" in out and f"at {STAGING}" in out
    assert "acme/cpms/Blind: answered, but no list has shown it yet" in out
    code, out, _ = run("unknowns", "--format", "json")
    document = json.loads(out)
    assert (code, document["format_version"], len(document["unknowns"])) == (0, "1.0", 2)
    first = document["unknowns"][0]
    when = first.pop("when")
    assert first == {"address": "acme/cpms/A", "action": "create", "api_url": STAGING, "answered": False}
    assert len(when) == 20 and when.endswith("Z")
    assert json.loads(run("unknowns", "--format", "json", "--api-url", PRODUCTION)[1])["unknowns"] == []
    left_open(tmp_path, PRODUCTION, "A")
    assert f"--forget acme/cpms/A --state {tmp_path} --api-url {STAGING}\n" in run("unknowns", "--api-url", STAGING)[1]


def test_nothing_is_open(tmp_path: Path, run: Run) -> None:
    """An empty state is fine, and nothing is made in it."""
    assert run("unknowns")[:2] == (0, "No write is unknown.\n")
    assert json.loads(run("unknowns", "--format", "json")[1]) == {"format_version": "1.0", "unknowns": []}
    assert list(tmp_path.iterdir()) == []


def test_row_A10_forget_at_several_apis(tmp_path: Path, run: Run) -> None:
    """What is open at two APIs is not forgotten at both by a word: --api-url says at which."""
    left_open(tmp_path, STAGING, "A")
    left_open(tmp_path, PRODUCTION, "A")
    code, _, err = run("unknowns", "--forget", "acme/cpms/A")
    assert code == 3 and STAGING in err and PRODUCTION in err and "--api-url" in err
    assert run("unknowns", "--forget", "acme/cpms/A", "--api-url", STAGING + "/")[:2] == (
        0,
        "Forgot 1 at acme/cpms/A.\n",
    )
    assert [each["api_url"] for each in json.loads(run("unknowns", "--format", "json")[1])["unknowns"]] == [PRODUCTION]


def test_row_A11_forget_while_an_apply_is_at_work(tmp_path: Path, run: Run) -> None:
    """What an apply still waits for is called in flight, and cannot be forgotten: 8. What an earlier run left is not."""
    left_open(tmp_path, STAGING, "Earlier")
    with Journal(tmp_path, STAGING) as journal, journal.hold(["acme"], 0.0, print):
        journal.intend(Step(Action.CREATE, Address("acme", "cpms", "Now"), CPMS, "declared", None), {}, {})
        _, out, _ = run("unknowns")
        assert "acme/cpms/Now: in flight" in out and "acme/cpms/Earlier: sent, no clear answer" in out
        for name in ("Now", "Earlier"):
            code, _, err = run("unknowns", "--forget", f"acme/cpms/{name}")
            assert code == 8 and "E-LOCKED" in err
    assert run("unknowns", "--forget", "acme/cpms/Now")[0] == 0


@pytest.mark.parametrize("address", ["acme/cpms/B", "acme/cpms", "x", ""])
def test_forget_what_is_not_open(tmp_path: Path, run: Run, address: str) -> None:
    """It is an error, so that a mistyped address is noticed."""
    left_open(tmp_path, STAGING, "A")
    code, _, err = run("unknowns", "--forget", address)
    assert code == 3 and ("E-TARGET" in err or "E-USAGE" in err)


def test_forget_as_json(tmp_path: Path, run: Run) -> None:
    """Standard output is the document of what is left; the sentence goes beside it."""
    left_open(tmp_path, STAGING, "A", "B")
    code, out, err = run("unknowns", "--forget", "acme/cpms/A", "--format", "json")
    assert (code, err) == (0, "Forgot 1 at acme/cpms/A.\n")
    assert [each["address"] for each in json.loads(out)["unknowns"]] == ["acme/cpms/B"]


def test_commands_name_the_state(tmp_path: Path, run: Run) -> None:
    """A command to paste works: it names the state that the list is from."""
    left_open(tmp_path, STAGING, "A")
    assert f"--forget acme/cpms/A --state {tmp_path}" in run("unknowns")[1]


def test_history_that_no_glob_matches(tmp_path: Path, run: Run) -> None:
    """Nothing that matches is not the same as nothing on record."""
    left_open(tmp_path, STAGING, "A")
    assert run("history", "acme/charger/*")[1] == "No write on record matches acme/charger/*.\n"
