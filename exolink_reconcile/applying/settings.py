"""How to apply, and where what happens goes."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from exolink_reconcile.model import Outcome, Step
from exolink_reconcile.resource import ListKey


class Record(Protocol):
    """Where intents and outcomes go; see journal.Journal, which promises more."""

    def intend(self, step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Make an intent durable. Raises StorageFailed: then the write must not be sent."""

    def sending(self, step: Step, api_date: float | None = None) -> None:
        """Stamp an attempt right before it leaves. Raises StorageFailed: then it must not be sent."""

    def answered(self, step: Step, *, deleted: bool = False) -> None:
        """Remember that the write was answered, or of a replace the delete. Raises StorageFailed."""

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Take in outcomes. Raises StorageFailed."""

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
    """Lets everything go on."""
    return ""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to apply. `settle` is the settle window, in seconds: how long a write may take to show.

    `starting` and `sent` are called from several threads when the write of a step is about to go and was answered,
    `ended` when it is known what became of it; `waiting` with a sentence when something has not shown up yet. `blind` names, by tenant and kind word,
    an earlier create that was answered and never showed up: nothing more is created there. `stages` are how many steps of
    a group go before the next look back. `gate` is asked after each stage that did something, with its number and addresses:
    why nothing more may start, empty where it may. `sleep` and `clock` are for tests; without them a wish to stop ends a sleep.
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
