"""What answers may cost: of the large ones only one is held at a time, and an error holds none."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from exolink_reconcile.errors import ApiSurprise
from exolink_reconcile.live import answers


class Body(httpx.SyncByteStream):
    def __init__(self, pieces: int) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.pieces):
            yield b"x" * 100


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_LARGE", 1000)


def test_row_E16_large_answers_are_held_one_at_a_time() -> None:
    """Eight threads that read large answers hold one; small ones wait for nobody."""
    held, most, lock = [0], [0], threading.Lock()
    small_done = threading.Event()

    def large() -> None:
        def read() -> int:
            data = answers.body(httpx.Response(200, stream=Body(50)), "GET", "/x")
            with lock:
                held[0] += 1
                most[0] = max(most[0], held[0])
            assert small_done.wait(30)
            with lock:
                held[0] -= 1
            return len(data)

        assert answers.in_turn(read) == 5000

    threads = [threading.Thread(target=large) for _ in range(8)]
    for thread in threads:
        thread.start()
    small = answers.in_turn(lambda: answers.body(httpx.Response(200, stream=Body(5)), "GET", "/x"))
    small_done.set()
    for thread in threads:
        thread.join()
    assert (len(small), most[0]) == (500, 1)


def test_row_E16_what_is_no_list_is_small() -> None:
    """One object, or the answer to a write, is never large."""
    with pytest.raises(ApiSurprise, match="E-TOO-LARGE"):
        answers.body(httpx.Response(200, stream=Body(11)), "GET", "/x")


def test_row_E16_an_error_does_not_hold_the_answer() -> None:
    """Whoever keeps the error keeps nothing of what was read, and the next one has its turn."""

    def read() -> bytes:
        data = answers.body(httpx.Response(200, stream=Body(50)), "GET", "/x")
        try:
            raise ValueError(data)
        except ValueError:
            raise ApiSurprise("E-BAD-LIST", f"{len(data)}") from None

    errors = []
    for _ in range(2):
        with pytest.raises(ApiSurprise) as caught:
            answers.in_turn(read)
        errors.append(caught.value)
    for error in errors:
        assert error.__context__ is None
        trace = error.__traceback__
        while trace is not None:
            assert "data" not in trace.tb_frame.f_locals
            trace = trace.tb_next
