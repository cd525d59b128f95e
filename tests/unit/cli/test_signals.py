"""What a signal does: it is remembered, whatever the main thread holds at that moment."""

import signal
import threading
from collections.abc import Iterator

import pytest

from exolink_reconcile.applying.waiting import Stop
from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.signals import SIGNALS, Interrupted


@pytest.fixture(autouse=True)
def _listening() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    SIGNALS.listen()
    yield
    SIGNALS.listen()
    for number, handler in before.items():
        signal.signal(number, handler)


class Taken:
    """A lock that the main thread holds: whoever wants it now waits for ever."""

    def __enter__(self) -> None:
        raise AssertionError("a handler takes a lock")

    acquire = __enter__

    def __exit__(self, *exc: object) -> None:
        pass


@pytest.fixture
def _everything_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the signal comes in the middle of writing to a reader that paused."""
    monkeypatch.setattr(CONSOLE, "_lock", Taken())
    monkeypatch.setattr(threading, "Lock", Taken)


@pytest.mark.usefixtures("_everything_held")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_row_C1_a_handler_takes_no_lock_and_prints_nothing(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before the first write, while something is written, and at the end: a signal is remembered, that is all."""
    with pytest.raises(Interrupted):
        signal.raise_signal(number)
    stop = Stop()
    SIGNALS.hand_to(stop.ask)
    signal.raise_signal(number)
    SIGNALS.finish()
    signal.raise_signal(number)
    assert (SIGNALS.number, stop.signal, stop.at_once) == (number, number, False)
    assert capfd.readouterr() == ("", "")
