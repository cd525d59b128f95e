"""Requests without a network, and a server of raw bytes on loopback."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import httpx
import pytest

from exolink_reconcile.errors import ApiError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live.api import Api
from exolink_reconcile.secret_url import SecretUrl

TENANT, CPMS, CHARGER = KINDS
TOKEN = "canary-5d1f0c7e"

HOST = "https://api.example.com"


def api_of(answer: Any) -> Api:
    def respond(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return cast(httpx.Response, answer)

    return Api("http://x.invalid", token=TOKEN, transport=lambda: httpx.MockTransport(respond), sleep=lambda s: None)


Answer = Any


class Script:
    """Answers a scripted sequence, the last one for ever, and remembers what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer) if isinstance(answer, int) else answer

    def api(self, base: str = "http://x.invalid", **options: Any) -> Api:
        options = {"token": TOKEN, "parallelism": 2, "sleep": self.waits.append, **options}
        return Api(base, transport=lambda: httpx.MockTransport(self), **options)


def rows() -> httpx.Response:
    return httpx.Response(200, content=b"[]")


VERBS: dict[str, Callable[[Api], object]] = {
    "list": lambda api: api.list(CPMS, "acme"),
    "get": lambda api: api.get(CPMS, "acme", 7),
    "create": lambda api: api.create(CPMS, "acme", {"displayName": "A"}),
    "update": lambda api: api.update(CPMS, "acme", 7, {"url": SecretUrl("wss://u:p@h/")}),
    "delete": lambda api: api.delete(CPMS, "acme", 7),
}

every_verb = pytest.mark.parametrize("verb", VERBS)

reads = pytest.mark.parametrize("verb", ["list", "get"])


def ask(verb: str, script: Script) -> object:
    with script.api() as api:
        return VERBS[verb](api)


@contextlib.contextmanager
def serving(*pieces: bytes, pause: float = 0.0, forever: bytes = b"") -> Iterator[tuple[str, list[bytes]]]:
    """A server on loopback that answers each connection with `pieces`, pausing between them, then with `forever`."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def answer(connection_: socket.socket) -> None:
        with connection_, contextlib.suppress(OSError):
            heard.append(connection_.recv(65536))
            for piece in pieces:
                connection_.sendall(piece)
                ended.wait(pause)
            while forever and not ended.is_set():
                connection_.sendall(forever)
                ended.wait(pause)

    def accept() -> None:
        while not ended.is_set():
            try:
                connection_, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection_,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
    finally:
        ended.set()
        listener.close()


def error_of(url: str, verb: str, timeout: float) -> Exception:
    with Api(url, token=TOKEN, timeout=timeout, sleep=lambda seconds: None) as api, pytest.raises(ApiError) as caught:
        VERBS[verb](api)
    return caught.value


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
