"""A host's name to its addresses: in bounded time, and nobody waits for a name server at the end."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support_wire import (
    HOST,
    TOKEN,
)

from exolink_reconcile.errors import ApiUnreachable
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import names
from exolink_reconcile.live.api import Api

TENANT, CPMS, CHARGER = KINDS


@contextlib.contextmanager
def silent_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A look-up that does not end before the block does."""
    asked: list[str] = []
    ended = threading.Event()

    def getaddrinfo(host: str, *args: Any, **options: Any) -> object:
        asked.append(host)
        ended.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        yield asked
    finally:
        ended.set()


def test_row_C8_the_look_up_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer ends a request in its time, and its thread keeps nobody from ending."""
    with silent_name_server(monkeypatch) as asked, Api(HOST, token=TOKEN, timeout=0.05, sleep=lambda s: None) as api:
        with pytest.raises(ApiUnreachable, match="no connection in time"):
            api.list(CPMS, "acme")
        waiting = [thread for thread in threading.enumerate() if thread.name == "name-look-up"]
        assert len(asked) == 1 and [thread.daemon for thread in waiting] == [True]


def test_row_C8_a_create_whose_host_is_not_known_never_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address nothing was sent: no write is in doubt."""
    with silent_name_server(monkeypatch), Api(HOST, token=TOKEN, timeout=0.05, sleep=lambda s: None) as api:
        with pytest.raises(ApiUnreachable):
            api.create(CPMS, "acme", {"displayName": "A"})


def test_a_name_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own words say what is wrong with a name."""

    def getaddrinfo(*args: Any, **options: Any) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with Api(HOST, token=TOKEN, sleep=lambda s: None) as api, pytest.raises(ApiUnreachable) as caught:
        api.list(CPMS, "acme")
    assert "Name or service not known (no connection to https://api.example.com" in caught.value.summary


def test_an_address_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address needs no name server; a name has all its addresses, each once, in order."""
    entries = [(0, 0, 0, "", (address, 443)) for address in ("192.0.2.1", "2001:db8::1", "192.0.2.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: entries)
    assert names.look_up("2001:db8::7", 443, 1.0) == ("2001:db8::7",)
    assert names.look_up("h", 443, 1.0) == ("192.0.2.1", "2001:db8::1")
