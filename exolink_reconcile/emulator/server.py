"""WSGI application to a listening HTTP/1.1 server."""

import socket
import threading
from collections.abc import Callable
from wsgiref.types import WSGIApplication

from cheroot import wsgi

from exolink_reconcile.emulator.errors import EmulatorError

_THREADS = 32
_BACKLOG = 128
_TICK_SECONDS = 0.1  # how often the server looks whether to stop
_KEPT_CONNECTIONS = 1000
_STOP_SECONDS = 0  # Ctrl-C does not wait for slow senders; answers under way are still written


class _Server(wsgi.Server):
    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: tuple[str, int]) -> socket.socket:
        """Bind, and close the socket when that fails, which cheroot forgets."""
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_


def serve(app: WSGIApplication, host: str, port: int, *, ready: Callable[[str, int], None]) -> None:
    """Serve until KeyboardInterrupt; `ready` hears the real host and port once connections are taken.

    Raises:
        EmulatorError: nothing can listen there.

    """
    server = _Server(
        (host, port), app, numthreads=_THREADS, request_queue_size=_BACKLOG, shutdown_timeout=_STOP_SECONDS
    )
    server.keep_alive_conn_limit = _KEPT_CONNECTIONS
    server.expiration_interval = _TICK_SECONDS
    # The main thread only waits: an interrupt in the middle of cheroot's loop would lose the connections in its hands.
    loop = threading.Thread(target=server.serve, name="emulator")
    try:
        _listen(server, f"{host}:{port}")
        ready(*server.bind_addr)
        loop.start()
        loop.join()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
        # An interrupt may come before the server calls itself ready; its threads would then keep the process alive.
        server.requests.stop(_STOP_SECONDS)


def _listen(server: wsgi.Server, address: str) -> None:
    try:
        server.prepare()
    except OSError as error:
        raise EmulatorError(f"cannot listen on {address}: {error.__cause__ or error}") from None
