"""Each way to fail on purpose has its exit code and a code that is explained."""

import pytest

from exolink_reconcile import errors
from exolink_reconcile.codes import Exit
from exolink_reconcile.model import Diagnostic


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (errors.problem("E-USAGE", "x"), 3),
        (errors.ApiUnreachable("E-UNREACHABLE", "x"), 4),
        (errors.NoTenant("acme", ()), 4),
        (errors.ApiRejected("E-REJECTED", "x", 400), 4),
        (errors.ApiSurprise("E-BAD-LIST", "x"), 4),
        (errors.ApiDenied("E-DENIED", "x"), 10),
        (errors.NoClearAnswer("E-AMBIGUOUS", "x"), 9),
        (errors.LeftOpen("E-LIST-BLIND", "x"), 9),
        (errors.PlanRefused("E-PROTECTED", "x"), 7),
        (errors.PlanStale("E-STALE", "x"), 6),
        (errors.Locked("E-LOCKED", "x"), 8),
        (errors.StorageFailed("E-STORAGE", "x"), 11),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_exit_code_says_who_must_act(error: errors.ReconcileError, exit_code: int) -> None:
    """The contract of the command: scripts and pipelines branch on it."""
    assert error.exit_code == exit_code and str(error).startswith(f"{error.code}: ")


def test_a_code_that_nothing_explains_cannot_be_raised() -> None:
    """`explain` and the reference have a row for each code."""
    with pytest.raises(ValueError, match="E-NONSENSE"):
        errors.PlanRefused("E-NONSENSE", "x")


def test_an_input_error_is_called_after_its_first_error() -> None:
    """Warnings are carried along; they do not name it."""
    warning = Diagnostic("W-EMPTY", "a warning", severity="warning")
    error = errors.InputError([warning, Diagnostic("E-TYPE", "the first"), Diagnostic("E-NAME", "the second")])
    assert (error.code, error.summary, len(error.diagnostics)) == ("E-TYPE", "the first", 3)


def test_anything_else_is_a_bug() -> None:
    """An error without a kind of its own would end as one."""
    assert errors.ReconcileError.exit_code is Exit.BUG
