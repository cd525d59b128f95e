"""Every expected failure, by who must act. The exit codes are on the classes.

    ReconcileError
    ├── InputError         3   the user who wrote the YAML, the command line, the contract or the plan file
    ├── ApiError           4
    │   ├── ApiUnreachable     the network, or the API is down
    │   │   └── NoTenant       a tenant that is not live
    │   ├── ApiRejected        the API said no to this request
    │   ├── ApiDenied      10  the token, or its rights
    │   ├── ApiSurprise        an answer that cannot be what it should be
    │   └── NoClearAnswer  9   a write was sent and its outcome is not known
    ├── PlanRefused        7   a guardrail, or the user at the prompt
    │   └── PlanStale      6   the plan is not what was reviewed
    ├── Locked             8   another apply
    └── StorageFailed      11  the local disk

Anything else is a bug and looks like one (exit 1).
"""

from collections.abc import Sequence
from typing import ClassVar

from exolink_reconcile.codes import Code, Exit
from exolink_reconcile.model import Diagnostic, Source


class ReconcileError(Exception):
    """A failure that somebody can act on: a stable code, and a sentence with what, where and what now.

    `source` is the place in the YAML that it is about, if there is one.
    """

    exit_code: ClassVar[Exit] = Exit.BUG
    source: Source | None = None

    def __init__(self, code: str, summary: str) -> None:
        super().__init__(f"{code}: {summary}")
        self.code = Code(code)
        self.summary = summary


class InputError(ReconcileError):
    """The input is invalid; nothing was sent. It carries every diagnostic, warnings included."""

    exit_code = Exit.INVALID

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        errors = [diagnostic for diagnostic in diagnostics if diagnostic.severity == "error"]
        super().__init__(errors[0].code, errors[0].summary)
        self.diagnostics = tuple(diagnostics)


class ApiError(ReconcileError):
    """The API gave no usable answer. Unless the summary `says_what_now`, the help of its code is shown below it."""

    exit_code = Exit.NO_ANSWER

    def __init__(self, code: str, summary: str, *, says_what_now: bool = False) -> None:
        super().__init__(code, summary)
        self.says_what_now = says_what_now


class ApiUnreachable(ApiError):
    """No connection, or none in time, or a server error that did not go away."""


class NoTenant(ApiUnreachable):
    """A tenant is not live and cannot be made. `live` are the tenants that are."""

    def __init__(self, tenant: str, live: Sequence[str]) -> None:
        super().__init__(
            "E-NO-TENANT", f"tenant {tenant} does not exist, or was deleted; this contract cannot create it"
        )
        self.tenant = tenant
        self.live = tuple(live)


class ApiRejected(ApiError):
    """The API answered and said no. `status` is the HTTP status code."""

    def __init__(self, code: str, summary: str, status: int) -> None:
        super().__init__(code, summary)
        self.status = status


class ApiDenied(ApiError):
    """401 or 403, or no token to send."""

    exit_code = Exit.DENIED


class ApiSurprise(ApiError):
    """A redirect, a web page, a cut or oversized answer: it must never be read as data."""


class NoClearAnswer(ApiError):
    """A write may or may not have happened. It must not be sent again before a read decides.

    `retry_after` is the text of that header in the answer.
    """

    exit_code = Exit.UNKNOWN

    def __init__(self, code: str, summary: str, retry_after: str | None = None) -> None:
        super().__init__(code, summary)
        self.retry_after = retry_after


class LeftOpen(ReconcileError):
    """A write of an earlier run is still open, and this run ends before it could settle it."""

    exit_code = Exit.UNKNOWN


class PlanRefused(ReconcileError):
    """A guardrail or the user refused; nothing was written."""

    exit_code = Exit.REFUSED


class PlanStale(PlanRefused):
    """The plan is not the reviewed one; nothing was written."""

    exit_code = Exit.STALE


class Locked(ReconcileError):
    """Another apply holds the lock, or ours was lost."""

    exit_code = Exit.LOCKED


class StorageFailed(ReconcileError):
    """A local file could not be read or written."""

    exit_code = Exit.STORAGE


def problem(code: str, summary: str, detail: str = "") -> InputError:
    """An input error that has no place in a file: usage, contract, plan file."""
    return InputError([Diagnostic(code, summary, detail=detail)])
