"""What an apply says at its end: what happened, and what to do now."""

import shlex

import pytest

from exolink_reconcile.codes import Exit
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, Outcome, Plan, Result, Status, Step
from exolink_reconcile.report import result_text
from exolink_reconcile.resource import Address

CPMS = KINDS[1]

NOTHING = Plan("https://h", (), (), {})


@pytest.mark.parametrize(
    ("code", "next_step"),
    [(Exit.DONE, None), (Exit.STORAGE, "record is not whole"), (Exit.LOCKED, "record"), (Exit.UNKNOWN, "`unknowns`")],
)
def test_only_exit_0_is_complete(code: Exit, next_step: str | None) -> None:
    """`Apply complete!` stands for exit code 0 and nothing else; whatever decides another one says what is next."""
    text = result_text.result(Result(()), NOTHING, code)
    assert ("Apply complete!" in text) == (next_step is None)
    assert next_step is None or ("Next: " in text and next_step in text)


def blind(*names: str) -> Result:
    steps = [Step(Action.CREATE, Address("acme", "cpms", name), CPMS, "declared", None) for name in names]
    return Result(tuple(Outcome(s, Status.UNKNOWN, "not in the list", "E-LIST-BLIND", Exit.UNKNOWN) for s in steps))


def test_a_blind_list_has_a_command_to_paste() -> None:
    """The way out names the address, quoted for a shell; of many the first three."""
    text = result_text.result(blind("It's A", "B"), NOTHING, Exit.UNKNOWN)
    commands = [shlex.split(line) for line in text.splitlines() if "--forget" in line]
    assert commands == [["exolink-reconcile", "unknowns", "--forget", f"acme/cpms/{n}"] for n in ("It's A", "B")]
    assert "ADDRESS" not in text
    many = result_text.result(blind(*map(str, range(9))), NOTHING, Exit.UNKNOWN)
    assert many.count("--forget") == 3 and "and 6 more" in many


def test_only_what_is_open_is_forgotten() -> None:
    """A create that was never sent has nothing to forget: the command for it would be refused."""
    [sent, *_] = blind("A").outcomes
    skipped = [
        Outcome(o.step, Status.SKIPPED, "the first", "E-LIST-BLIND", Exit.UNKNOWN) for o in blind("B", "C").outcomes
    ]
    text = result_text.result(Result((sent, *skipped)), NOTHING, Exit.UNKNOWN, " --state s")
    assert [line.strip() for line in text.splitlines() if "exolink-reconcile" in line] == [
        "exolink-reconcile unknowns --forget acme/cpms/A --state s"
    ]
    text = result_text.result(Result(tuple(skipped)), NOTHING, Exit.UNKNOWN)
    assert text.endswith("\n  exolink-reconcile unknowns\n") and "Next: " in text


def test_after_a_gate_there_is_one_way_on() -> None:
    """Nothing is to be fixed in the YAML after a gate that said no: the same command goes on."""
    skipped = Outcome(blind("A").outcomes[0].step, Status.SKIPPED, "the gate", "E-GATE", Exit.INCOMPLETE)
    text = result_text.result(Result((skipped,), gated="no"), NOTHING, Exit.INCOMPLETE)
    assert text.endswith("Next: run the same command again; what is done stays done.\n")
