"""How much of a saved plan earlier runs have left, as far as the state of this machine knows."""

from dataclasses import replace
from pathlib import Path

import pytest
from support_pipeline import as_json, pipeline
from world import World

from exolink_reconcile.cli import progress_of_plan
from exolink_reconcile.model import Outcome, Plan, Status
from exolink_reconcile.saved_plan import reader
from exolink_reconcile.saved_plan.reader import SavedPlan
from exolink_reconcile.state.journal import Journal

YAML = "tenant: acme\ncpms:\n" + "".join(
    f"  - {{displayName: N{n}, url: wss://h/, interval: 30}}\n" for n in range(1, 6)
)


def planned() -> tuple[Plan, SavedPlan]:
    """A plan of five creates, and what was saved of it."""
    with pipeline(World()) as run:
        plan = run.plan(YAML)
    return plan, reader.read(as_json(plan).encode())


def done(folder: Path, plan: Plan, saved: SavedPlan, count: int) -> None:
    """An earlier run of the plan that did its first steps."""
    steps = list(plan.steps)[:count]
    with Journal(folder, plan.origin, saved.digest) as journal:
        for step in steps:
            journal.intend(step, {}, {})
        journal.settle([Outcome(step, Status.DONE, added=1) for step in steps])


def test_what_is_left_is_counted_and_named(tmp_path: Path) -> None:
    """The first addresses that are left stand in the sentence, and the number of the others."""
    plan, saved = planned()
    done(tmp_path / "state", plan, saved, 1)
    assert progress_of_plan.left(saved, str(tmp_path / "state")) == (
        f"4 of 5 steps left, says the folder {tmp_path / 'state'}: acme/cpms/N2, acme/cpms/N3, acme/cpms/N4 and 1 more."
    )


def test_nothing_left_is_said(tmp_path: Path) -> None:
    """A plan that was applied in full says so."""
    plan, saved = planned()
    done(tmp_path / "state", plan, saved, 5)
    assert progress_of_plan.left(saved, str(tmp_path / "state")).startswith("0 of 5 steps left, says the folder")


def test_a_state_without_a_run_of_the_plan_says_nothing(tmp_path: Path) -> None:
    """Not knowing is not `nothing was done`: the state may be another machine's."""
    plan, saved = planned()
    assert progress_of_plan.left(saved, str(tmp_path / "none")) == ""
    done(tmp_path / "state", replace(plan, waves=()), saved, 0)
    assert progress_of_plan.left(saved, str(tmp_path / "state")) == ""


def test_a_state_that_cannot_be_read_is_a_note(tmp_path: Path) -> None:
    """To look at a plan must not fail because of the state."""
    _, saved = planned()
    (tmp_path / "state").write_text("a file", "utf-8")
    assert progress_of_plan.left(saved, str(tmp_path / "state")).startswith(
        "Note: how much of this plan is left is not known: the state folder"
    )


def test_an_emulator_that_is_not_here_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at a plan makes no database."""
    monkeypatch.chdir(tmp_path)
    _, saved = planned()
    document = saved.document.model_copy(
        update={"exolink": saved.document.exolink.model_copy(update={"api_url": "emulator:none.db"})}
    )
    assert progress_of_plan.left(SavedPlan(document), None) == "" and list(tmp_path.iterdir()) == []
