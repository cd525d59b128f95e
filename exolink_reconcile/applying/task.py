"""One step of a plan while it is applied: what we know about it, and how it ended."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from exolink_reconcile.applying.knowledge import NOTHING, Answer, End, Knowledge, Verb
from exolink_reconcile.codes import Exit
from exolink_reconcile.model import Outcome, Status, Step

# A step skipped for these reasons ends the run as the reason does, not just as incomplete.
_EXITS = {
    "E-STORAGE": Exit.STORAGE,
    "E-LIST-BLIND": Exit.UNKNOWN,
    "E-DENIED": Exit.DENIED,
    "E-STALE": Exit.STALE,
    "E-LOCK-LOST": Exit.LOCKED,
    "E-LOCKED": Exit.LOCKED,
    "E-STATE-UNSAFE": Exit.STORAGE,
}


class Withheld(Exception):
    """A request must not leave; with a code and a sentence."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(slots=True)
class Task:
    """One step: what we know about its write, why it was withheld, and its outcome.

    `raw_row` is the target as the API answered it right before the write, for the first task of a group only. `already` says
    why nothing had to be sent, `recorded` that the intent is on record. `answered_at` is the API's own clock when it answered;
    `written_since` is the object's `updatedAt`, if that says that another writer came after us. The knowledge is replaced
    under a lock, because a read may arrive together with an answer.
    """

    step: Step
    knowledge: Knowledge
    raw_row: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    already: str = ""
    recorded: bool = False
    answered_at: float | None = None
    written_since: str = ""
    withheld: tuple[str, str] | None = None
    outcome: Outcome | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def learn(self, change: Callable[[Knowledge], Knowledge]) -> Knowledge:
        """Replace the knowledge by what `change` makes of it."""
        with self.lock:
            self.knowledge = change(self.knowledge)
            return self.knowledge

    @property
    def touched(self) -> bool:
        """Whether a list can show its effect: a request left that may have one, or none was needed."""
        return bool(self.already) or any(self.knowledge.effective(verb) for verb in Verb)

    @property
    def may_be_in_flight(self) -> bool:
        """Whether a request of it may have had an effect; a delete of an object that was gone already had none."""
        return any(attempt.end is not End.GONE for verb in Verb for attempt in self.knowledge.effective(verb))

    @property
    def may_have_created(self) -> bool:
        """Whether a row of its name may be its own."""
        return self.knowledge.answer(Verb.CREATE) in (Answer.UNCLEAR, Answer.YES)

    @property
    def may_have_deleted(self) -> bool:
        """Whether its target may be gone because of it."""
        return self.knowledge.answer(Verb.DELETE) in (Answer.UNCLEAR, Answer.YES)


def skipped(task: Task, code: str, reason: str) -> Outcome:
    """The outcome of a step for which nothing was sent."""
    return Outcome(task.step, Status.SKIPPED, reason, code, _EXITS.get(code, Exit.INCOMPLETE))
