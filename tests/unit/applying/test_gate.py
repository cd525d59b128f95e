"""Stages and gates: how many steps go before somebody looks, and a command of the user that may stop the rest."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support_pipeline import document, pipeline
from world import World

from exolink_reconcile.applying import applier, gate
from exolink_reconcile.applying.gate import Gate
from exolink_reconcile.applying.settings import Settings
from exolink_reconcile.applying.waiting import Stop
from exolink_reconcile.codes import Exit
from exolink_reconcile.model import Result


def run_with(world: World, count: int, **settings: Any) -> Result:
    chargers = [{"identity": f"CP-{number:03}", "displayName": "x", "profileId": 1} for number in range(count)]
    with pipeline(world) as run:
        desired = run.desired(document("acme", chargers=chargers))
        plan, before = run.plan(desired), run.live(desired)
        chosen = Settings(settle=0.0, sleep=lambda seconds: None, **settings)
        return applier.apply(plan, desired, run.contract, run.api, Stop(), chosen, before)


def asked(command: str, *, timeout: float = 60.0, stop: Stop | None = None, **variables: str) -> tuple[str, list[str]]:
    """What a gate says, and the lines it printed."""
    lines: list[str] = []
    variables_ = gate.environment({"PATH": "/usr/bin:/bin", **variables}, {"SECRET"})
    reason = Gate(command, timeout, variables_, lines.append, stop or Stop())(3, ["acme/charger/A", "acme/charger/B b"])
    return reason, lines


@pytest.mark.parametrize(("stages", "expected"), [((1, 2, 3), [1, 2, 3, 4]), ((1,), [1, 9])])
def test_after_each_stage_with_what_it_did(stages: tuple[int, ...], expected: list[int]) -> None:
    """The gate is asked after every stage, the last one too, with the addresses of the stage, while nothing is in flight."""
    stages_seen: list[tuple[int, int]] = []
    world = World()
    result = run_with(
        world, 10, stages=stages, gate=lambda stage, addresses: stages_seen.append((stage, len(addresses))) or ""
    )
    assert stages_seen == list(enumerate(expected, 1)) and result.exit_codes == ()
    assert len(world.live("acme", "charger")) == 10


def test_a_gate_that_fails_stops_the_rest() -> None:
    """What was done stays done and is verified; the rest is skipped with E-GATE."""
    world = World()
    result = run_with(world, 20, gate=lambda stage, addresses: "no" if stage == 2 else "")
    assert len(world.writes) == 11 and result.exit_codes == (Exit.INCOMPLETE,) and result.gated == "no"
    assert [o.code for o in result.outcomes] == [""] * 11 + ["E-GATE"] * 9


def test_a_gate_that_fails_after_the_last_stage() -> None:
    """There is nothing left to skip, and the run is not complete all the same."""
    result = run_with(World(), 2, gate=lambda stage, addresses: "no" if stage == 2 else "")
    assert (result.totals, result.exit_codes, result.gated) == ((2, 0, 0), (Exit.INCOMPLETE,), "no")


def test_what_a_gate_sees() -> None:
    """Its stage, a file of addresses, an empty standard input; its output comes out line by line."""
    reason, lines = asked('echo "$EXOLINK_STAGE"; cat "$EXOLINK_ADDRESSES"; cat; echo err >&2; printf end')
    assert (reason, lines) == ("", ["3", "acme/charger/A", "acme/charger/B b", "err", "end"])


def test_what_a_gate_does_not_see() -> None:
    """No token, no state, nothing of PostgreSQL, and no variable that the YAML names."""
    hidden: dict[str, Any] = dict.fromkeys(
        ("EXOLINK_TOKEN", "EXOLINK_TOKEN_FILE", "EXOLINK_STATE", "PGPASSWORD", "PGHOST", "SECRET"), "x"
    )
    reason, lines = asked("env", OTHER="seen", **hidden)
    names = {line.partition("=")[0] for line in lines}
    assert not reason and not names & set(hidden) and {"OTHER", "EXOLINK_STAGE", "EXOLINK_ADDRESSES"} <= names


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("exit 3", "ended with exit code 3"),
        ("kill -9 $$", "was ended by signal 9"),
        ("/no/such", "ended with exit code 127"),
    ],
)
def test_a_gate_that_does_not_end_well(command: str, reason: str) -> None:
    """Anything but 0 stops, and the sentence says what it was."""
    assert asked(command)[0] == f"the gate after stage 3 {reason}"


def test_a_gate_that_takes_too_long(tmp_path: Path) -> None:
    """Its whole process group ends, whatever it started."""
    marker = tmp_path / "later"
    reason, _ = asked(f"(sleep 2; touch {marker}) & sleep 60", timeout=0.3)
    assert reason == "the gate after stage 3 took longer than 0.3 s"
    time.sleep(2.2)
    assert not marker.exists()


def test_a_signal_ends_a_gate() -> None:
    """Who asks the apply to stop does not wait for the gate."""
    stop = Stop()
    stop.ask(signal.SIGTERM)
    assert "was ended by the signal" in asked("sleep 60", stop=stop)[0]


def test_a_child_that_lives_on_holds_nobody_up() -> None:
    """A command that leaves something behind is over when it is over."""
    assert asked("sleep 60 & echo done") == ("", ["done"])
