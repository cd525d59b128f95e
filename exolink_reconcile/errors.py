"""Every way to fail on purpose, by who must act. Exit codes live on the classes.

    ReconcileError
    ├── InputError         3   the person who wrote the YAML, the command line, the contract or the plan file
    ├── ApiError           4
    │   ├── ApiUnreachable     the network, or the API is down
    │   ├── ApiRejected        the API said no to this request
    │   ├── ApiDenied      10  the token, or its rights
    │   ├── ApiSurprise        an answer that cannot be what it should be
    │   └── NoClearAnswer  9   a write was sent and its outcome is not known
    ├── PlanRefused        7   a rail, or the person at the prompt
    │   └── PlanStale      6   the plan is not what was reviewed
    ├── Locked             8   another apply
    └── StorageFailed      11  the local disk

Anything else is a bug and looks like one (exit 1).
"""

from collections.abc import Sequence
from typing import ClassVar

from exolink_reconcile.model import Diagnostic

# Where several apply, the one that asks for the most care wins.
MOST_CARE_FIRST = (1, 9, 11, 8, 10, 7, 6, 5, 4, 3)


class ReconcileError(Exception):
    """A failure that somebody can act on: a stable word, and a sentence with what, where and what now."""

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, summary: str) -> None:
        super().__init__(f"{code}: {summary}")
        self.code = code
        self.summary = summary


class InputError(ReconcileError):
    """The input is invalid; nothing was sent. Carries every diagnostic, also the warnings."""

    exit_code = 3

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity == "error"]
        super().__init__(errors[0].code, errors[0].summary)
        self.diagnostics = tuple(diagnostics)


class ApiError(ReconcileError):
    """The API gave no usable answer."""

    exit_code = 4


class ApiUnreachable(ApiError):
    """No connection, or none in time, or a server error that did not go away."""


class ApiRejected(ApiError):
    """The API answered and said no. `status` is the HTTP status code."""

    def __init__(self, code: str, summary: str, status: int) -> None:
        super().__init__(code, summary)
        self.status = status


class ApiDenied(ApiError):
    """401 or 403, or no token to send."""

    exit_code = 10


class ApiSurprise(ApiError):
    """A redirect, a page, a cut or oversized answer: never to be read as data."""


class NoClearAnswer(ApiError):
    """A write may or may not have happened. Never to be sent again before reading tells."""

    exit_code = 9


class PlanRefused(ReconcileError):
    """A safety rail or the person refused; nothing was written."""

    exit_code = 7


class PlanStale(PlanRefused):
    """What apply would do is not what was reviewed; nothing was written."""

    exit_code = 6


class Locked(ReconcileError):
    """Another apply holds the lock, or ours was lost."""

    exit_code = 8


class StorageFailed(ReconcileError):
    """A local file could not be read or written."""

    exit_code = 11


def problem(code: str, summary: str, detail: str = "") -> InputError:
    """An input error that has no place in a file: usage, contract, plan file."""
    return InputError([Diagnostic(code, summary, detail=detail)])
