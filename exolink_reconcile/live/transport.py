"""One connection a thread, whose every wait, the name look-up included, ends at the deadline of its request."""

import socket
import ssl
import time
from contextlib import suppress
from typing import Any

from exolink_reconcile.live import names
from exolink_reconcile.live.quiet_httpx import httpcore, httpx

_IDLE = 5.0  # seconds after which an idle connection is not used again
_LONGEST = 2**31 - 1  # milliseconds that the kernel takes
_Options = list[tuple[int, int, int]]


class OneConnection(httpx.HTTPTransport):
    """httpx's own transport over one connection whose every wait ends at the deadline.

    `timeout` is how many seconds the kernel may try to deliver what was sent, also when nobody waits any longer: see
    `_give_up_after`.
    """

    def __init__(self, context: ssl.SSLContext | None, deadline: "Deadline", timeout: float, proxy: str | None) -> None:
        backend = _DeadlineBackend(deadline, _give_up_after(timeout))
        if proxy is None:
            self._pool: Any = _NoPool(context, backend)
        else:
            url = httpx.URL(proxy)
            user = (url.username.encode(), url.password.encode()) if url.username else None
            self._pool = httpcore.HTTPProxy(
                proxy_url=str(url.copy_with(userinfo=b"")),
                proxy_auth=user,
                proxy_ssl_context=context if url.scheme == "https" else None,
                ssl_context=context,
                max_connections=1,
                keepalive_expiry=_IDLE,
                network_backend=backend,
            )


class _NoPool:
    """One connection in place of httpcore's pool, opened again when it is closed or was idle for too long.

    The pool with one connection takes 50 of the 440 µs of a request.
    """

    def __init__(self, context: ssl.SSLContext | None, backend: httpcore.NetworkBackend) -> None:
        self._context, self._backend = context, backend
        self._connection: httpcore.HTTPConnection | None = None

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        if self._connection is not None and self._connection.has_expired():
            self._connection.close()
        if self._connection is None or self._connection.is_closed():
            self._connection = httpcore.HTTPConnection(
                request.url.origin,
                ssl_context=self._context,
                keepalive_expiry=_IDLE,
                network_backend=self._backend,
            )
        return self._connection.handle_request(request)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _give_up_after(timeout: float) -> _Options:
    """Socket options with which the kernel gives up what is not acknowledged in so many seconds.

    Otherwise it repeats it for minutes, also after the connection is closed or the process is dead: a write that was given
    up, waited for and made by somebody else would arrive when the network is back.
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT"):  # only Linux has it
        return []
    return [(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, min(max(1, int(1000 * timeout)), _LONGEST))]


class Deadline:
    """When the request that a thread is making must have ended, on the monotonic clock."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = float("inf")

    def left(self, timeout: float | None, error: type[Exception]) -> float:
        """Seconds a wait may take. A read timeout alone would let an answer drip on for ever."""
        remaining = self.at - time.monotonic()
        if remaining <= 0:
            raise error("the time for the whole request is over")
        return remaining if timeout is None else min(timeout, remaining)


class _DeadlineBackend(httpcore.NetworkBackend):
    def __init__(self, deadline: Deadline, options: _Options) -> None:
        self._inner = httpcore.SyncBackend()
        self._deadline = deadline
        self._options = options

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        remaining = self._deadline.left(timeout, httpcore.ConnectTimeout)
        addresses = names.look_up(host, port, remaining)
        for number, address in enumerate(addresses, start=1):
            remaining = self._deadline.left(timeout, httpcore.ConnectTimeout)
            try:
                options = [*(socket_options or []), *self._options]
                stream = self._inner.connect_tcp(address, port, remaining, local_address, options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
            else:
                return _DeadlineStream(stream, self._deadline)
        raise httpcore.ConnectError("the name has no address")


class _DeadlineStream(httpcore.NetworkStream):
    """Sends what was written only when an answer is read: head and body in one packet, and one wait for the GIL less."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline
        self._written: list[bytes] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._written:
            data = b"".join(self._written)
            self._written.clear()
            remaining = self._deadline.left(timeout, httpcore.WriteTimeout)
            with suppress(httpcore.WriteError):  # like httpcore: there may still be an answer
                self._inner.write(data, remaining)
        return self._inner.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._written.append(buffer)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        remaining = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, remaining), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
