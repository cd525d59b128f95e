"""One connection whose every wait ends at the deadline of its request, on a real socket."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support_wire import HEAD, TOKEN, VERBS, error_of, serving

from exolink_reconcile.errors import (
    ApiUnreachable,
    NoClearAnswer,
)
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import transport
from exolink_reconcile.live.api import Api
from exolink_reconcile.live.transport import Deadline, OneConnection

TENANT, CPMS, CHARGER = KINDS


@pytest.mark.parametrize(
    ("pieces", "forever"),
    [
        pytest.param([], b"", id="silence"),
        pytest.param([b"HTTP/1.1 "], b"", id="half a status line"),
        pytest.param([b"HTTP/1.1 200 OK\r\n"], b"X-Drip: 1\r\n", id="dripping headers"),
        pytest.param([HEAD + b"Content-Length: 999999\r\n\r\n["], b" ", id="dripping body"),
        pytest.param([HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], b"1\r\n \r\n", id="dripping chunks"),
    ],
)
def test_the_whole_request_has_a_deadline(pieces: list[bytes], forever: bytes) -> None:
    """However an answer drips, one request ends in its time; a create, sent once, is then unclear."""
    with serving(*pieces, pause=0.05 if forever else 5.0, forever=forever) as (url, heard):
        if not pieces:
            with socket.create_server(("127.0.0.1", 0)) as silent:
                error = error_of(f"http://127.0.0.1:{silent.getsockname()[1]}", "create", 0.4)
        else:
            error = error_of(url, "create", 0.4)
            assert len(heard) == 1
    assert isinstance(error, NoClearAnswer)


def test_a_read_that_drips_ends_as_unreachable() -> None:
    """A read is tried again, each time within its deadline, and ends."""
    with serving(b"HTTP/1.1 200 OK\r\n", pause=0.05, forever=b"X-Drip: 1\r\n") as (url, heard):
        error = error_of(url, "list", 0.2)
    assert isinstance(error, ApiUnreachable) and len(heard) == 4


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(HEAD + b'Content-Length: 100\r\n\r\n[{"id": 1, ', id="shorter than announced"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n", id="no last chunk"),
        pytest.param(b"", id="closed at once"),
        pytest.param(b"SSH-2.0-OpenSSH_9\r\n", id="not HTTP"),
    ],
)
def test_a_cut_answer_is_no_answer(answer: bytes) -> None:
    """An answer that is cut off is never taken for a whole one."""
    with serving(answer) as (url, heard):
        error = error_of(url, "list", 2)
        create = error_of(url, "create", 2)
    assert isinstance(error, ApiUnreachable) and isinstance(create, NoClearAnswer)
    assert len([request for request in heard if request.startswith(b"POST")]) == 1


def test_nobody_listens() -> None:
    """A port where nobody listens is unreachable, and no write is in doubt."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    for verb in VERBS:
        error = error_of(url, verb, 1)
        assert isinstance(error, ApiUnreachable)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux can bound what its kernel delivers")
@pytest.mark.parametrize(("timeout", "milliseconds"), [(60.0, 60_000), (0.5, 500), (1e12, 2**31 - 1)])
def test_the_kernel_gives_up_with_the_request(timeout: float, milliseconds: int) -> None:
    """A write that nobody waits for any longer does not arrive when the network is back: `tests/faults/test_machines.py`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        backend = OneConnection(None, Deadline(), timeout, None)._pool._backend
        stream = backend.connect_tcp("127.0.0.1", listener.getsockname()[1], 5.0)
        connected = stream.get_extra_info("socket")
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == milliseconds
        stream.close()


@contextlib.contextmanager
def keeping_alive() -> Iterator[tuple[str, list[object]]]:
    """A server on loopback that answers any number of requests a connection: its URL, and the client of each request."""
    clients: list[object] = []

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            clients.append(self.client_address)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            if len(clients) == 2:
                self.send_header("Connection", "close")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", clients
        finally:
            server.shutdown()


def test_a_connection_is_used_until_it_is_closed() -> None:
    """Writes go over one connection until the API closes it; the next one opens another, and none is sent twice."""
    with keeping_alive() as (url, clients), Api(url, token=TOKEN) as api:
        for _ in range(4):
            VERBS["create"](api)
    assert len(clients) == 4 and clients[0] == clients[1] != clients[2] == clients[3]


def test_an_idle_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is in between may have forgotten it: a write on it would get no answer, and be unclear."""
    monkeypatch.setattr(transport, "_IDLE", -1.0)
    with keeping_alive() as (url, clients), Api(url, token=TOKEN) as api:
        for _ in range(3):
            VERBS["create"](api)
    assert len(set(clients)) == len(clients) == 3
