"""--probe: what one WebSocket handshake finds out about a CPMS, against real servers."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support_pipeline import document, pipeline
from websockets.asyncio.server import ServerConnection, serve
from world import World

from exolink_reconcile.live import probe, trust

ANY = trust.context(None, {})


@contextlib.contextmanager
def csms(*subprotocols: str, context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[str]]]:
    """A CSMS of the `ocpp` package; gives its port and, for each connection, the headers it heard."""
    from ocpp.v16 import ChargePoint

    heard: list[str] = []
    ready, ended = threading.Event(), threading.Event()
    ports: list[int] = []

    async def meet(connection: ServerConnection) -> None:
        heard.append(str(connection.request.headers if connection.request else ""))
        await ChargePoint("CP-1", connection).start()

    async def run() -> None:
        async with serve(meet, "127.0.0.1", 0, subprotocols=list(subprotocols), ssl=context) as server:  # type: ignore[arg-type]  # plain strings will do
            ports.append(next(iter(server.sockets)).getsockname()[1])
            ready.set()
            await asyncio.get_running_loop().run_in_executor(None, ended.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    ready.wait()
    try:
        yield ports[0], heard
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def answering(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server that does this with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                answer(client)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def said(text: bytes) -> Callable[[socket.socket], object]:
    return lambda client: (client.recv(4096), client.sendall(text))


def ask(url: str, timeout: float = 5.0, context: ssl.SSLContext = ANY, **environment: str) -> probe.Handshake:
    return probe.handshake(url, timeout, context, environment)


@pytest.mark.parametrize(
    ("offered", "agreed"), [(("ocpp1.6",), "ocpp1.6"), (("ocpp2.0.1", "ocpp1.6"), "ocpp1.6"), (("ocpp2.1",), "ocpp2.1")]
)
def test_a_real_csms(offered: tuple[str, ...], agreed: str) -> None:
    """A CSMS that speaks OCPP answers 101 with the subprotocol; it hears the URL's own password and nothing else."""
    with csms(*offered) as (port, heard):
        answer = ask(f"ws://user:pa%40ss@127.0.0.1:{port}/ocpp/CP-1")
    assert (answer.status, answer.reason) == (101, "") and answer.subprotocol in offered and agreed in offered
    assert "ocpp1.6, ocpp2.0.1, ocpp2.1" in heard[0].replace("\n", " ") and "Bearer" not in heard[0]
    assert "User-Agent: exolink-reconcile/" in heard[0]


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 401, ""),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 1000000\r\n\r\n<html>", 404, ""),
        (b"HTTP/1.0 503 \r\n\r\n", 503, ""),
        (
            b"HTTP/1.1 301 Moved\r\nLocation: https://new.example.com/x?token=1\r\n\r\n",
            301,
            "redirected to new.example.com",
        ),
        (b"HTTP/1.1 302 Found\r\nLocation: https://\x1b[31m/\r\n\r\n", 302, "redirected"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101, "but not as a WebSocket server answers"),
        (b"SSH-2.0-OpenSSH_9\r\n", None, "the answer is not HTTP"),
        (b"", None, "closed without an answer"),
        (b"HTTP/1.1 999 canary\r\n\r\n", None, "the answer is not HTTP"),
    ],
)
def test_any_answer_over_http_counts(text: bytes, status: int | None, reason: str) -> None:
    """Who refuses is there; redirects are shown and not followed; nothing that is sent back is quoted."""
    with answering(said(text)) as port:
        answer = ask(f"ws://127.0.0.1:{port}/")
    assert (answer.status, answer.subprotocol, answer.reason) == (status, None, reason)


@pytest.mark.parametrize(
    ("named", "expected"), [(b"ocpp1.6", "ocpp1.6"), (b" ocpp2.1 ", "ocpp2.1"), (b"mqtt", None), (b"ocpp1.6\x1b", None)]
)
def test_the_subprotocol_of_a_poor_handshake(named: bytes, expected: str | None) -> None:
    """A 101 that lacks the proof of a WebSocket server still says which subprotocol it named, if it is one of OCPP."""
    head = (
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol:" + named + b"\r\nSec-WebSocket-Accept: x\r\n\r\n"
    )
    with answering(said(head)) as port:
        answer = ask(f"ws://127.0.0.1:{port}/")
    assert (answer.status, answer.subprotocol, answer.reason) == (
        101,
        expected,
        "but not as a WebSocket server answers",
    )


def test_what_is_not_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection, silence, an unknown name: not reachable, with the reason."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert ask(f"ws://127.0.0.1:{port}/") == probe.Handshake(reason="connection refused")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for scheme in ("ws", "wss"):
            assert ask(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/", 0.2) == probe.Handshake(
                reason="no answer in time"
            )

    def unknown(*args: object, **options: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert ask("wss://cpms.invalid/") == probe.Handshake(reason="the name is not known")


def test_a_dripping_answer_ends() -> None:
    """An answer that never ends its head is silence when the time is over."""
    ended = threading.Event()

    def drip(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        while not ended.wait(0.02):
            client.sendall(b"X: 1\r\n")

    with answering(drip) as port:
        answer = ask(f"ws://127.0.0.1:{port}/", 0.3)
        ended.set()
    assert answer == probe.Handshake(reason="no answer in time")


def test_certificates(tmp_path: Path) -> None:
    """One that is not trusted is not reachable, as for the API; with --ca-file it is."""
    key, crt = tmp_path / "k.pem", tmp_path / "c.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", crt, "-days", "9", "-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)  # fmt: skip
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(crt, key)
    with csms("ocpp1.6", context=server) as (port, _):
        answer = ask(f"wss://127.0.0.1:{port}/")
        assert answer.status is None and answer.reason.startswith("the certificate is not trusted: ")
        assert ask(f"wss://127.0.0.1:{port}/", context=trust.context(str(crt), {})).subprotocol == "ocpp1.6"
    with csms("ocpp1.6") as (port, _):
        assert ask(f"wss://127.0.0.1:{port}/").reason.startswith("TLS failed")


def test_the_proxy_of_the_environment() -> None:
    """It is gone through by CONNECT, with its own password; what it refuses, or cannot be, is said with its name."""
    heard: list[bytes] = []

    def proxy(client: socket.socket) -> None:
        heard.append(client.recv(4096))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        client.recv(4096)
        client.sendall(b"HTTP/1.1 401 Unauthorized\r\n\r\n")

    with answering(proxy) as port:
        assert ask("ws://cpms.example.com/x", ALL_PROXY=f"u:p@127.0.0.1:{port}").status == 401
    assert heard[0].startswith(b"CONNECT cpms.example.com:80 HTTP/1.1\r\n") and b"Basic dTpw\r\n" in heard[0]
    with answering(said(b"HTTP/1.1 407 canary\r\n\r\n")) as port:
        assert (
            ask("wss://cpms.example.com/", HTTPS_PROXY=f"127.0.0.1:{port}").reason
            == f"the proxy 127.0.0.1:{port} refused the connection (407)"
        )
    assert "HTTPS_PROXY" in ask("wss://cpms.example.com/", HTTPS_PROXY="socks5://127.0.0.1:1").reason
    assert "HTTPS_PROXY" in ask("wss://cpms.example.com/", HTTPS_PROXY="https://127.0.0.1:1").reason


def test_which_urls_of_a_plan() -> None:
    """Those of CPMS that are created or get another url; nothing for a tenant, a charger or another field."""
    with answering(said(b"HTTP/1.1 404 Not Found\r\n\r\n")) as port:
        url = f"ws://127.0.0.1:{port}/"
        world = World(cpms_update_fields=("url", "interval"))
        world.add("acme", "cpms", displayName="Moved", url="ws://h/", interval=1)
        world.add("acme", "cpms", displayName="Same", url="ws://h/", interval=1)
        yaml = document(
            "acme",
            cpms=[{"displayName": name, "url": url, "interval": 1} for name in ("Moved", "New")]
            + [{"displayName": "Same", "url": "ws://h/", "interval": 1}],
            chargers=[{"identity": "A", "displayName": "A", "profileId": 1}],
        )
        with pipeline(world) as run:
            probes = probe.plan(run.plan(yaml), timeout=5.0, ca_file=None, environment={})
    assert sorted((str(probe.address), probe.reachable, probe.status) for probe in probes) == [
        ("acme/cpms/Moved", True, 404),
        ("acme/cpms/New", True, 404),
    ]
