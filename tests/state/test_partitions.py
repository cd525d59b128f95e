"""The wire between a run and its shared state: cut at every message, slow; and a server whose disk is full."""

import contextlib
import itertools
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import postgres_server
import pytest

from exolink_reconcile.errors import ReconcileError, StorageFailed
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, Outcome, Status, Step
from exolink_reconcile.resource import Address, ListKey
from exolink_reconcile.state import connection, database_url, leases
from exolink_reconcile.state.postgres import PostgresStore

ORIGIN = "https://api.example.com"
STEP = Step(Action.CREATE, Address("acme", "cpms", "A"), KINDS[1], "declared", None)
CUTS = ("before", "after")  # the server gets the message, or does not; the answer is lost either way
BATCHES = 6


@dataclass
class Wire:
    """A TCP relay to the server: it resets the connection at one message of the client, and delays every one."""

    target: tuple[str, int]
    cut_at: int = -1
    cut: str = "before"
    delay: float = 0.0
    messages: int = 0
    sockets: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> "Wire":
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for each in (self.listener, *self.sockets):
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
                self.sockets += client, server
                threading.Thread(target=self._to_server, args=(client, server), daemon=True).start()
                threading.Thread(target=self._to_client, args=(server, client), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                number, self.messages = self.messages, self.messages + 1
                time.sleep(self.delay)
                if number != self.cut_at:
                    server.sendall(data)
                    continue
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()  # with a reset
                if self.cut == "after":
                    server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _to_client(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                client.sendall(data)
            client.close()


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No heartbeat comes between the messages that a test counts; a server that lost us gives up in half a second."""
    monkeypatch.setattr(leases, "HEARTBEAT", 30.0)
    monkeypatch.setattr(connection, "_BEGIN", connection._BEGIN.replace(b"'5s'", b"'500ms'"))


def run_through(wire: Wire, name: str) -> list[tuple[str, str | None, int | None]]:
    """What is on record, read without the wire, after one write went through a run whose store is behind the wire."""
    server = postgres_server.server()
    url = server.url(name)
    parts = urlsplit(url)
    wire.target = (str(parts.hostname), int(parts.port or 0))
    with wire, contextlib.closing(_store(url.replace(f":{parts.port}/", f":{wire.port}/"))) as store:
        with store.hold(["acme"], 0.0, lambda sentence: None):
            store.intend(STEP, {}, {})
            store.sending(STEP)
            store.answered(STEP)
            store.settle([Outcome(STEP, Status.DONE, made=3)])
            store.saw({ListKey("acme", "cpms"): 1})
    with contextlib.closing(_store(url)) as store:
        assert store.leases() == [], "a lock stayed"
        return [(operation.address.name, operation.outcome, operation.made_id) for operation in store.history()]


def _store(url: str) -> PostgresStore:
    return PostgresStore(database_url.parse(url), ORIGIN, "digest")


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_reset_at_every_message(quiet: None, cut: str, batch: int) -> None:
    """Whichever message the connection breaks at, asked or answered: the write is on record once, and the lock is free.

    Before anything is on record a run may also end with what is wrong.
    """
    server = postgres_server.server()
    untouched = Wire(("", 0))
    assert run_through(untouched, server.new_database()) == [("A", "done", 3)]
    for number in itertools.count(batch, BATCHES):
        name = server.new_database()
        wire = Wire(("", 0), cut_at=number, cut=cut)
        try:
            recorded = run_through(wire, name)
        except ReconcileError as error:
            assert isinstance(error, StorageFailed) and "E-STORAGE" in str(error.code)
            assert server.sql("SELECT 1 FROM exolink.op", name) == []
            continue
        assert recorded == [("A", "done", 3)], f"message {number} of {wire.messages}"
        if number >= wire.messages:
            break
    assert untouched.messages > 10


def test_a_slow_wire(quiet: None) -> None:
    """Every message takes its time: all is as ever."""
    assert run_through(Wire(("", 0), delay=0.05), postgres_server.server().new_database()) == [("A", "done", 3)]


def test_a_full_disk() -> None:
    """The server cannot store the intent: nothing may be sent, 11 says why, and what could be stored stays."""
    server = postgres_server.server()
    name = server.new_database()
    server.sql(
        "CREATE FUNCTION exolink.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'could not extend file \"base/1/2\": No space left on device' USING ERRCODE = 'disk_full';"
        " END $$; CREATE TRIGGER full_disk BEFORE INSERT ON exolink.op EXECUTE FUNCTION exolink.full()",
        name,
    )
    with contextlib.closing(_store(server.url(name))) as store:
        with store.hold(["acme"], 0.0, lambda sentence: None):
            with pytest.raises(StorageFailed, match=r"No space left on device"):
                store.intend(STEP, {}, {})
        assert store.leases() == [] and list(store.history()) == []
