"""A host's name to its addresses, in bounded time.

The system's look-up has no timeout and cannot be stopped: with a name server that does not answer it takes minutes. So it
runs in a thread that nobody has to wait for, not even the end of the process. A second request for the name joins it.
"""

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from ipaddress import ip_address

from exolink_reconcile.live.quiet_httpx import httpcore

_lock = threading.Lock()
_running: dict[tuple[str, int], Future[Sequence[str]]] = {}


def look_up(host: str, port: int, timeout: float | None) -> Sequence[str]:
    """The addresses of a host, in the order to try them.

    Raises:
        httpcore.ConnectTimeout: there was no answer in time.
        httpcore.ConnectError: there is no such host.

    """
    if _is_address(host):
        return (host,)
    try:
        return _future(host, port).result(timeout)
    except TimeoutError:
        raise httpcore.ConnectTimeout("the name was not looked up in time") from None
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _future(host: str, port: int) -> Future[Sequence[str]]:
    with _lock:
        future = _running.get((host, port))
        if future is None:
            future = _running[host, port] = Future()
            threading.Thread(target=_work, args=(host, port, future), name="name-look-up", daemon=True).start()
        return future


def _work(host: str, port: int, future: Future[Sequence[str]]) -> None:
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))
    except BaseException as error:
        _forget(host, port)
        future.set_exception(error)
    else:
        _forget(host, port)
        future.set_result(addresses)


def _forget(host: str, port: int) -> None:
    with _lock:
        del _running[host, port]
