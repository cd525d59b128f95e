"""The emulator on a real socket."""

import json
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from exolink_reconcile import emulator

Server = Callable[..., AbstractContextManager[str]]

CONTRACT = Path(__file__).parents[2] / "schemas" / "exolink-api.openapi.yaml"
BACKEND = json.dumps({"displayName": "Primary backend", "url": "wss://cpms.example.com", "interval": 30}).encode()
TOKEN = "Authorization: Bearer dev"


def request(method: str, path: str, raw: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: emulator", *headers]
    if raw and "Transfer-Encoding: chunked" not in headers:
        lines.append(f"Content-Length: {len(raw)}")
    return "\r\n".join([*lines, "", ""]).encode() + raw


def exchange(url: str, *requests: bytes) -> list[int]:
    """Statuses of requests sent one after another on one connection, the last one asking to close it."""
    address = urllib.parse.urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        connection.sendall(b"".join(requests))
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


LAST = request("GET", "/tenant/acme", b"", TOKEN, "Connection: close")
JSON = "Content-Type: application/json"


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (request("POST", "/tenant/acme/cpms", BACKEND, TOKEN, JSON), 201),
        (request("POST", "/tenant/acme/cpms", BACKEND, JSON), 401),
        (request("POST", "/nowhere", BACKEND, TOKEN, JSON), 404),
        (request("PATCH", "/tenant/acme/cpms", BACKEND, TOKEN, JSON), 405),
        (request("POST", "/tenant/acme/cpms", BACKEND, TOKEN, "Content-Type: text/plain"), 415),
        (request("GET", "/tenant/acme", BACKEND, TOKEN), 200),
        (request("HEAD", "/tenant/acme", b"", TOKEN), 405),
        (
            request(
                "POST",
                "/tenant/acme/cpms",
                b"%x\r\n%s\r\n0\r\n\r\n" % (len(BACKEND), BACKEND),
                TOKEN,
                JSON,
                "Transfer-Encoding: chunked",
            ),
            201,
        ),
    ],
)
def test_connection_stays_usable(server: Server, first: bytes, status: int) -> None:
    """After any answer, whether the body was wanted or not, the next request on the connection is understood."""
    with server() as url:
        assert exchange(url, first, LAST) == [status, 200]


def test_keep_alive(server: Server) -> None:
    """Connections are kept, and more of them than the server has threads."""
    headers = {"Authorization": "Bearer dev"}
    context = httpx.create_ssl_context()  # one for all: each costs more than the requests do
    with server() as url, httpx.Client(base_url=url, headers=headers) as warm:
        clients = [httpx.Client(base_url=url, headers=headers, verify=context) for _ in range(60)]
        for _ in range(2):
            assert {client.get("/tenant/acme").status_code for client in [warm, *clients]} == {200}
        assert {client.get("/tenant/acme").headers.get("connection") for client in clients} == {None}
        for client in clients:
            client.close()


def test_path_as_sent(server: Server) -> None:
    """A path is split before it is decoded, and a path that is not UTF-8 is 404."""
    with server(tenants="a/b") as url:
        paths = ["/tenant/a%2Fb", "/tenant/a/b", "/tenant/%ff", "/tenant/a%252Fb"]
        requests = [request("GET", path, b"", TOKEN) for path in paths]
        assert exchange(url, *requests, LAST) == [200, 404, 404, 404, 404]


def test_data_outlives_the_server(server: Server) -> None:
    """What one server wrote, the next one shows."""
    headers = {"Authorization": "Bearer dev"}
    with server() as url:
        httpx.post(f"{url}/tenant/acme/cpms", content=BACKEND, headers={**headers, "Content-Type": "application/json"})
    with server() as url:
        assert len(httpx.get(f"{url}/tenant/acme/cpms", headers=headers).json()) == 1


def test_stops_with_open_connections(server: Server) -> None:
    """Ctrl-C ends the server at once although clients are connected, one of them in the middle of a request."""
    with server() as url:
        address = urllib.parse.urlsplit(url)
        half = socket.create_connection((address.hostname, address.port))
        half.sendall(request("POST", "/tenant/acme/cpms", BACKEND, TOKEN, JSON)[:-5])
        idle = httpx.Client(base_url=url)
        idle.get("/tenant/acme")
    half.close()
    idle.close()


def test_port_in_use(database: Path) -> None:
    """A port that is taken is an EmulatorError that names it."""
    app = emulator.application(database, CONTRACT.read_text(), tenants=None, token=None)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(emulator.EmulatorError, match=f"127.0.0.1:{port}"):
            emulator.serve(app, "127.0.0.1", port, ready=lambda host, port: None)
    app.close()


@pytest.mark.parametrize(
    ("examples", "seed"),
    [pytest.param(4, 1, id="short"), pytest.param(200, 2, id="long", marks=pytest.mark.long)],
)
def test_schemathesis_finds_nothing(server: Server, tmp_path: Path, examples: int, seed: int) -> None:
    """The server keeps its contract under generated requests: examples, coverage, fuzzing, stateful."""
    schemathesis = Path(sys.executable).with_name("schemathesis")
    with server(tenants="*") as url:
        run = subprocess.run(
            [str(schemathesis), "run", str(CONTRACT), "--url", url, "-H", TOKEN, "--checks", "all"]
            + ["--seed", str(seed), "--max-examples", str(examples)],
            cwd=tmp_path,  # it leaves folders behind
            capture_output=True,
            text=True,
        )
    assert run.returncode == 0, run.stdout
    assert "Stateful" in run.stdout
