"""Changes of several threads to one commit: threads that wait at the same time share it."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

LINGER = 0.01  # seconds that a change which nobody waits for may wait for one that somebody waits for


class Waiting(Protocol):
    """A change that waits to be made durable: `done` after the attempt, with its `error` if it failed."""

    done: bool
    error: Exception | None


_W = TypeVar("_W", bound=Waiting)


class GroupCommit(Generic[_W]):
    """A queue of changes. `commit` makes a batch durable, in order, or sets `error` on the changes that it cannot."""

    def __init__(self, commit: Callable[[Sequence[_W]], None]) -> None:
        self._commit = commit
        self._queue: list[_W] = []
        self._queue_lock = threading.Lock()
        self._unwatched: list[_W] = []
        self._timer: threading.Timer | None = None
        self.lock = threading.Lock()  # held while a batch is committed

    def add(self, change: _W) -> None:
        """Make a change durable, together with changes that other threads added meanwhile.

        Raises its error; or, before it is added, the error of an earlier change that nobody waited for.
        """
        with self._queue_lock:
            failed = next((earlier.error for earlier in self._unwatched if earlier.error is not None), None)
            self._unwatched = [earlier for earlier in self._unwatched if not earlier.done]
            if failed is not None:
                raise failed
            self._queue.append(change)
        with self.lock:
            if not change.done:
                self._commit_queue()
        if change.error is not None:
            raise change.error

    def add_soon(self, change: _W) -> None:
        """Make a change durable with the next one that somebody waits for, or in a moment; nobody waits for it."""
        with self._queue_lock:
            self._queue.append(change)
            self._unwatched.append(change)
            if self._timer is None:
                self._timer = threading.Timer(LINGER, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Make everything that waits durable, as far as possible."""
        with self._queue_lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        with self.lock:
            self._commit_queue()

    def _commit_queue(self) -> None:
        with self._queue_lock:
            batch, self._queue = self._queue, []
        try:
            if batch:
                self._commit(batch)
        except BaseException as error:
            for waiting in batch:
                waiting.error = error if isinstance(error, Exception) else RuntimeError("it was not committed")
            raise
        finally:
            for waiting in batch:
                waiting.done = True
