"""Prepared lists to HTTP/1.1 answers: a stand-in for the API that is never the bottleneck, and counts what it is asked.

    python -m benchmarks.server LATENCY_MS [COLLECTION=FILE ...]        e.g. charger=.cache/.../same.json

Written from schemas/exolink-api.openapi.yaml; shares no code with the client. One thread a connection: a thread that
sleeps wakes within 0.1 ms, an event loop only on whole milliseconds. A list is sent as the bytes it was prepared as,
after a write as the texts of its rows, of which one is new. The latency goes before every answer and counts from the
last byte of the request.

On stdout: its port. `GET /-/counts` answers what it was asked since the last `POST /-/reset`, as `{"METHOD /path": n}`;
`GET /-/window` the seconds from the first write received to the last answer sent.
"""

import json
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

_TENANT_ROW = {
    "id": 1,
    "name": "Acme Charging GmbH",
    "domainPrefix": "acme",
    "connectUrl": "wss://acme.broker.example/",
    "createdAt": "2025-03-01T08:15:00.000Z",
    "updatedAt": "2025-03-01T08:15:00.000Z",
    "deletedAt": None,
}
_REQUIRED = {"charger": ("identity", "displayName", "profileId"), "cpms": ("displayName", "url", "interval")}
_UPDATES = {"charger": ("displayName", "profileId"), "cpms": ("url",)}


class Collection:
    """The rows of one kind: prepared bytes, turned into rows by the first request that needs one."""

    def __init__(self, kind: str, prepared: bytes) -> None:
        self.kind = kind
        self.prepared: bytes | None = prepared
        self.rows: dict[int, dict[str, Any]] | None = None
        self.texts: dict[int, bytes] = {}
        self.next_id = 1
        self.lock = threading.Lock()

    def list(self) -> bytes:
        """The JSON list of all rows."""
        with self.lock:
            if self.prepared is None:
                assert self.rows is not None
                self.prepared = b"[%s]" % b",".join(self.texts.values())
            return self.prepared

    def get(self, identifier: int) -> dict[str, Any] | None:
        """One row."""
        with self.lock:
            return self._open().get(identifier)

    def create(self, body: dict[str, Any]) -> int:
        """Add a row; the status."""
        if set(body) != set(_REQUIRED[self.kind]):
            return 400
        with self.lock:
            rows = self._open()
            self._put(rows, {"id": self.next_id, "tenantId": 1, **body, "deletedAt": None})
            self.next_id += 1
        return 201

    def change(self, identifier: int, body: dict[str, Any] | None) -> int:
        """Update a row, or delete it where there is no body; the status."""
        if body is not None and not set(body) <= set(_UPDATES[self.kind]):
            return 400
        with self.lock:
            rows = self._open()
            if identifier not in rows:
                return 404
            if body is None:
                del rows[identifier], self.texts[identifier]
                self.prepared = None
            else:
                self._put(rows, {**rows[identifier], **body})
        return 200

    def _put(self, rows: dict[int, dict[str, Any]], row: dict[str, Any]) -> None:
        rows[row["id"]], self.texts[row["id"]] = row, _text(row)
        self.prepared = None

    def _open(self) -> dict[int, dict[str, Any]]:
        if self.rows is None:
            self.rows = {row["id"]: row for row in json.loads(self.prepared or b"[]")}
            self.texts = {number: _text(row) for number, row in self.rows.items()}
            self.next_id = max(self.rows, default=0) + 1
        return self.rows


def _text(row: dict[str, Any]) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode()


class Server:
    """Accepts connections, answers each in its own thread."""

    def __init__(self, collections: dict[str, Collection], latency: float) -> None:
        self.collections = collections
        self.latency = latency
        self.counts: Counter[str] = Counter()
        self.first_write = self.last_answer = 0.0

    def serve(self) -> None:
        """For ever."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        received = b""
        with connection:
            while True:
                while (end := received.find(b"\r\n\r\n")) < 0:
                    more = connection.recv(65536)
                    if not more:
                        return
                    received += more
                head = received[:end].decode("latin-1")
                length = _content_length(head)
                received = received[end + 4 :]
                while len(received) < length:
                    received += connection.recv(65536)
                body, received = received[:length], received[length:]
                self._answer(connection, head, body)

    def _answer(self, connection: socket.socket, head: str, body: bytes) -> None:
        began = time.perf_counter()
        method, path, _ = head.partition("\r\n")[0].split(" ")
        if path.startswith("/-/"):
            _send(connection, 200, self._control(method, path))
            return
        self.counts[f"{method} {path}"] += 1
        if method != "GET" and not self.first_write:
            self.first_write = began
        status, answer = (
            (401, b"{}") if "\r\nauthorization: bearer " not in head.lower() else self._do(method, path, body)
        )
        left = self.latency - (time.perf_counter() - began)
        if left > 0:
            time.sleep(left)
        _send(connection, status, answer)
        self.last_answer = time.perf_counter()

    def _do(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        match path.split("/")[1:]:
            case ["tenant", tenant] if method == "GET":
                return 200, json.dumps({**_TENANT_ROW, "domainPrefix": tenant}).encode()
            case ["tenant", _, kind] if kind in self.collections:
                if method == "GET":
                    return 200, self.collections[kind].list()
                return self.collections[kind].create(json.loads(body)), b""
            case ["tenant", _, kind, identifier] if kind in self.collections:
                if method == "GET":
                    row = self.collections[kind].get(int(identifier))
                    return (200, json.dumps(row).encode()) if row else (404, b"{}")
                return self.collections[kind].change(int(identifier), json.loads(body) if body else None), b""
        return 404, b"{}"

    def _control(self, method: str, path: str) -> bytes:
        if method == "POST":
            self.counts.clear()
            self.first_write = self.last_answer = 0.0
            return b"{}"
        if path == "/-/window":
            return json.dumps(self.last_answer - self.first_write).encode()
        return json.dumps(self.counts).encode()


def _content_length(head: str) -> int:
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0


def _send(connection: socket.socket, status: int, body: bytes) -> None:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    if len(body) < 65536:
        connection.sendall(head + body)
    else:
        connection.sendall(head)
        connection.sendall(body)


def main(arguments: list[str]) -> None:
    """Load the lists, then serve."""
    sys.setswitchinterval(0.0005)  # an answer that is due does not wait for a thread that computes
    files = dict(argument.split("=", 1) for argument in arguments[1:])
    collections = {
        kind: Collection(kind, Path(files[kind]).read_bytes() if kind in files else b"[]") for kind in _REQUIRED
    }
    Server(collections, float(arguments[0]) / 1000).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
