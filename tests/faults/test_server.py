"""The fault server itself: a judge has to be right about what it sees."""

import base64
import http.client
import json
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import server as fs
from .bench import TOKEN, wait_for

BODY = {"identity": "CP-1", "displayName": "A", "profileId": 1}


@pytest.fixture
def server() -> Iterator[fs.FaultServer]:
    with fs.serving(fs.Lenient(("acme",), TOKEN)) as server:
        yield server


def ask(
    server: fs.FaultServer,
    method: str = "GET",
    path: str = "/tenant/acme/charger",
    body: object = None,
    timeout: float = 60,
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    headers = {"Authorization": f"Bearer {TOKEN}", **({"Content-Type": "application/json"} if body else {})}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_without_rules_it_is_the_world(server: fs.FaultServer) -> None:
    """What the world answers is answered, and the log knows what took effect."""
    assert ask(server, "POST", body=BODY)[0] == 201
    assert [row["identity"] for row in json.loads(ask(server)[1])] == ["CP-1"]
    assert [(e.method, e.committed, e.status) for e in server.log] == [("POST", True, 201), ("GET", False, 200)]


@pytest.mark.parametrize(
    ("fault", "error", "committed"),
    [
        (fs.reset_before, ConnectionError, False),
        (fs.reset_after, ConnectionError, True),
        (fs.hangup_before, ConnectionError, False),
        (fs.timeout_before, TimeoutError, False),
        (fs.timeout_after, TimeoutError, True),
        (fs.cut, http.client.IncompleteRead, True),
        (fs.cut_chunked, http.client.IncompleteRead, True),
        (fs.cut_head, http.client.HTTPException, True),
        (fs.no_http, http.client.BadStatusLine, True),
    ],
)
def test_a_write_without_a_clear_answer(
    server: fs.FaultServer, fault: fs.Fault, error: type[Exception], committed: bool
) -> None:
    """The client sees what it should see, and the judge knows whether the row is there."""
    server.on(fs.nth("POST", 0), fault)
    try:
        ask(server, "POST", body=BODY, timeout=0.3 if error is TimeoutError else 60)
    except Exception as seen:
        assert isinstance(seen, error) or fault is fs.cut_head, repr(seen)
    else:
        assert fault not in (fs.reset_before, fs.reset_after, fs.timeout_before, fs.timeout_after)
    assert len(server.world.live("acme", "charger")) == committed == server.log[0].committed


def test_a_late_commit(server: fs.FaultServer) -> None:
    """The client has gone when the row appears."""
    server.on(fs.nth("POST", 0), fs.late_commit(2))
    with pytest.raises(TimeoutError):
        ask(server, "POST", body=BODY, timeout=0.1)
    assert server.world.live("acme", "charger") == []
    server.settle()
    assert len(server.world.live("acme", "charger")) == 1


def test_lists_that_do_not_tell(server: fs.FaultServer) -> None:
    """A cap and a blind spot hide rows that are there."""
    server.world.add("acme", "charger", identity="OLD")
    hiding = server.on(fs.lists, fs.hidden(3))
    ask(server, "POST", body=BODY)
    assert len(json.loads(ask(server)[1])) == 1
    wait_for(lambda: len(json.loads(ask(server)[1])) == 2)
    assert hiding.fired > 1
    server.heal()
    server.on(fs.lists, fs.capped(1))
    assert len(json.loads(ask(server)[1])) == 1


def test_the_judges_see(server: fs.FaultServer) -> None:
    """Two live rows of a key are a duplicate; a DELETE is remembered by its id."""
    ask(server, "POST", body=BODY)
    assert fs.duplicates(server.world) == []
    ask(server, "POST", body=BODY)
    assert fs.duplicates(server.world) == [("acme", "charger", "CP-1", 2)]
    ask(server, "DELETE", "/tenant/acme/charger/3")
    assert fs.deletes(server.log) == {3} and fs.duplicates(server.world) == []


def test_the_judges_find_secrets(tmp_path: Path) -> None:
    """In files below a folder and in what was printed, plain or in base64; a file called token is where it belongs."""
    (tmp_path / "token").write_text("s3cret/canary")
    assert fs.token_leaks(["s3cret/canary"], [tmp_path], {"stdout": b"Bearer ***"}) == []
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "log").write_bytes(b"..." + base64.b64encode(b"user:s3cret/canary@host"))
    leaks = fs.token_leaks(["s3cret/canary"], [tmp_path], {"stdout": b"GET s3cret%2Fcanary"})
    assert leaks == [str(tmp_path / "a" / "log"), "stdout"]


def test_a_bomb_is_big(server: fs.FaultServer) -> None:
    """It fits into a few kilobytes a mebibyte, and unpacks."""
    server.on(fs.lists, fs.gzip_bomb(3))
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(f"GET /tenant/acme/charger HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        octets = b"".join(iter(lambda: sock.recv(65536), b""))
    body = octets.partition(b"\r\n\r\n")[2]
    assert len(body) < 20_000 and len(zlib.decompressobj(31).decompress(body)) == 3 << 20
