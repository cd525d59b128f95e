"""The progress of a run on stderr: a line that is redrawn on a terminal, lines and a heartbeat elsewhere."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from exolink_reconcile.cli.console import Console
from exolink_reconcile.cli.signals import SIGNALS
from exolink_reconcile.inert import inert
from exolink_reconcile.model import Outcome, Status, Step
from exolink_reconcile.pipeline import Wanted

_TICK = 0.2  # seconds between two updates
_HEARTBEAT = 30.0  # seconds of silence after which a log gets a line: a CI system takes more for a hang
_LONG = 5.0  # seconds after which a write in flight is named
_SETTLING_IN = 3.0  # seconds before the time left can be estimated
_BAR = 24  # columns of the bar in a log
_SHORTEST_BAR, _LONGEST_BAR = 8, 60
STOPPING = "Stopping: no new write starts; waiting up to 5 s for what is in flight."


class Ticker:
    """Calls `tick` regularly until the end, from a thread of its own."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def begin(self) -> None:
        """Start."""
        self._thread.start()

    def end(self) -> None:
        """Stop, and wait until the last call is done."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_TICK):
            self._tick()


class Line:
    """A line that is redrawn on a terminal, or a heartbeat elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._drawn = ""
        self._spoke = time.monotonic()

    @property
    def live(self) -> bool:
        """Whether the line is redrawn."""
        return self._live

    @property
    def room(self) -> int | None:
        """How many columns a drawn line may take; None in a log."""
        return shutil.get_terminal_size().columns - 1 if self._live else None

    def draw(self, text: str) -> None:
        """Show the state: at once on a terminal, elsewhere only after a long silence."""
        room = self.room
        if room is not None:
            text = text if len(text) <= room else f"{text[: room - 1]}…"
            if text != self._drawn:
                self._console.note(f"\r{text}\x1b[K")
                self._drawn = text
        elif time.monotonic() - self._spoke >= _HEARTBEAT:
            self.say(f"{text}\n")

    def say(self, text: str) -> None:
        """Write complete lines, above the drawn line."""
        self.clear()
        self._console.note(text)
        self._spoke = time.monotonic()

    def clear(self) -> None:
        """Remove the drawn line."""
        if self._drawn:
            self._console.note("\r\x1b[K")
            self._drawn = ""


@contextmanager
def reading(console: Console, wanted: Wanted) -> Iterator[None]:
    """Show what is being read, while it is read."""
    count = len(wanted.tenants)
    subject = f"tenant {wanted.tenants[0]}" if count == 1 else f"{count} tenants"
    subject = f"{subject} at {wanted.api_url}"
    began = time.monotonic()
    line = Line(console)
    ticker = Ticker(lambda: line.draw(f"Reading {inert(subject)} ({duration(time.monotonic() - began)})"))
    ticker.begin()
    try:
        yield
    finally:
        ticker.end()
        line.clear()


class Progress:
    """The progress of an apply: what is done, what failed (at once), what is in flight for long, and the time left.

    Use it in a `with` statement around the writes; its methods are called from several threads.
    """

    def __init__(self, console: Console, total: int) -> None:
        self.total = total
        self._line = Line(console)
        self._done = self._failed = 0
        self._in_flight: dict[int, tuple[str, float]] = {}
        self._every = 1 if total <= 50 else total // 20
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._stopping = False
        self._ticker = Ticker(self._tick)

    @property
    def seconds(self) -> float:
        """How long it took so far."""
        return time.monotonic() - self._began

    def __enter__(self) -> None:
        """The first write is about to leave."""
        self._began = time.monotonic()
        self._ticker.begin()

    def started(self, step: Step) -> None:
        """The write of a step is about to leave."""
        with self._lock:
            self._in_flight[id(step)] = (_named(step), time.monotonic())

    def answered(self, step: Step) -> None:
        """The write of a step was answered."""
        with self._lock:
            self._in_flight.pop(id(step), None)
            self._done += 1
            if not self._line.live and (self._done % self._every == 0 or self._done == self.total):
                self._line.say(f"{self._done}/{self.total} {_named(step)}\n")

    def ended(self, outcome: Outcome) -> None:
        """A step is over; one that went wrong is reported at once."""
        with self._lock:
            self._in_flight.pop(id(outcome.step), None)
            if outcome.status in (Status.FAILED, Status.UNKNOWN):
                self._failed += 1
                status = outcome.status.value
                self._line.say(f"{status} {_named(outcome.step)}: {inert(outcome.detail)} ({outcome.code})\n")

    def note(self, sentence: str) -> None:
        """Show a sentence that is not about one step."""
        with self._lock:
            self._line.say(f"{inert(sentence)}\n")

    def __exit__(self, *exc_info: object) -> None:
        """Everything is reported, or an error is about to be."""
        self._ticker.end()
        with self._lock:
            self._line.clear()

    def _tick(self) -> None:
        with self._lock:
            if SIGNALS.number and not self._stopping:
                self._stopping = True
                self._line.say(f"\n{STOPPING}\n")
            self._line.draw(self._state())

    def _state(self) -> str:
        """One line: a bar, counts, speed, time left, and the write that has been waiting for longest."""
        seconds = self.seconds
        parts = [f"{self._done}/{self.total}"]
        if self._failed:
            parts.append(f"{self._failed} failed")
        if self._done == self.total:
            parts.append("reading back")
        elif self._done and seconds > _SETTLING_IN:
            parts.append(f"{duration(seconds / self._done * (self.total - self._done))} left")
        parts.append(duration(seconds))
        if self._in_flight:
            name, since = min(self._in_flight.values(), key=lambda entry: entry[1])
            if (waited := time.monotonic() - since) >= _LONG:
                parts.append(f"waiting {duration(waited)} for {name}")
        text = "  ".join(parts)
        return f"{self._bar(len(text))}{text}"

    def _bar(self, beside: int) -> str:
        """A bar that leaves room for the text beside it; none where there is no room."""
        room = self._line.room
        columns = _BAR if room is None else min(room - beside - 1, _LONGEST_BAR)
        if columns < _SHORTEST_BAR:
            return ""
        filled = self._done * columns // self.total if self.total else columns
        return f"{'█' * filled}{'░' * (columns - filled)} "


def duration(seconds: float) -> str:
    """Seconds in people's units: `0.4 s`, `22 s`, `1 m 30 s`, `2 h 5 m`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} m {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} m"


def _named(step: Step) -> str:
    return f"{step.action.word} {inert(str(step.address))}"
