"""Changes of several threads to one commit: who waits at the same time shares it."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """A change that waits to be made durable: `done` when that was tried, with the `error` that it gave."""

    done: bool
    error: Exception | None


_W = TypeVar("_W", bound=Waiting)


class GroupCommit(Generic[_W]):
    """A queue of changes. `commit` makes a batch durable: it sets `error` where it cannot."""

    def __init__(self, commit: Callable[[Sequence[_W]], None]) -> None:
        self._commit = commit
        self._queue: list[_W] = []
        self._queue_lock = threading.Lock()
        self.lock = threading.Lock()  # held while a batch is committed

    def add(self, change: _W) -> None:
        """Make a change durable, together with those that other threads added meanwhile. Raises its error."""
        with self._queue_lock:
            self._queue.append(change)
        with self.lock:
            if not change.done:
                with self._queue_lock:
                    batch, self._queue = self._queue, []
                self._commit(batch)
                for waiting in batch:
                    waiting.done = True
        if change.error is not None:
            raise change.error
