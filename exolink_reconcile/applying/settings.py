"""How to apply, and where the events of an apply go."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from exolink_reconcile.model import Outcome, Step
from exolink_reconcile.resource import ListKey


class Record(Protocol):
    """Where intents and outcomes go; see journal.Journal, which promises more."""

    def intend(self, step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Make an intent durable. Raises StorageFailed, and then the write must not be sent."""

    def sending(self, step: Step, api_date: float | None = None) -> None:
        """Stamp an attempt right before it leaves. Raises StorageFailed, and then it must not be sent."""

    def answered(self, step: Step, *, deleted: bool = False) -> None:
        """Remember that the write was answered, or that the delete of a replace was. Raises StorageFailed."""

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Record outcomes. Raises StorageFailed."""

    def saw(self, counts: Mapping[ListKey, int]) -> None:
        """Remember how many rows each list has. Raises StorageFailed."""


class Unrecorded:
    """A record that keeps nothing: for an API that is thrown away afterwards."""

    def intend(self, step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Nothing."""

    def sending(self, step: Step, api_date: float | None = None) -> None:
        """Nothing."""

    def answered(self, step: Step, *, deleted: bool = False) -> None:
        """Nothing."""

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Nothing."""

    def saw(self, counts: Mapping[ListKey, int]) -> None:
        """Nothing."""


def no_gate(stage: int, addresses: Sequence[str]) -> str:
    """A gate that is always open."""
    return ""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to apply. `settle` is the settle window, in seconds: how long a write may take to show.

    `starting` and `sent` are called, from several threads, when the write of a step is about to leave and when it was
    answered; `ended` when its outcome is known; `waiting` with a sentence when something has not shown up yet. `blind` names,
    by list, an earlier create that was answered and never showed up: nothing more is created there. `stages` are how many
    steps of a group go before the next look back. `gate` is called after each stage that wrote something, with its number and
    addresses; it returns why nothing more may start, empty if it may. `sleep` and `clock` are for tests; the default sleep
    ends at a wish to stop.
    """

    settle: float = 90.0
    record: Record = field(default_factory=Unrecorded)
    blind: Mapping[ListKey, str] = field(default_factory=dict)
    starting: Callable[[Step], None] = lambda step: None
    waiting: Callable[[str], None] = lambda sentence: None
    sent: Callable[[Step], None] = lambda step: None
    ended: Callable[[Outcome], None] = lambda outcome: None
    stages: tuple[int, ...] = (1, 10)
    gate: Callable[[int, Sequence[str]], str] = no_gate
    sleep: Callable[[float], object] | None = None
    clock: Callable[[], float] = time.monotonic
