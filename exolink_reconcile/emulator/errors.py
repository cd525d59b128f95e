"""The emulator's own ways to fail on purpose."""

from collections.abc import Sequence


class EmulatorError(Exception):
    """The emulator cannot run with what it was given; the message is one sentence for the user."""


class Refused(Exception):
    """A request gets an error as its answer: HTTP status, a sentence for the caller, extra headers."""

    def __init__(self, status: int, message: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = tuple(headers)
