"""The documented Exolink API over SQLite, driven by a contract: a WSGI application and a local server for it."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from exolink_reconcile.emulator.errors import EmulatorError

__all__ = ["Application", "EmulatorError", "application", "database_id", "serve"]

# Imports wait inside the functions: most commands never run the emulator, and its libraries cost half a second.


class Application(Protocol):
    """A WSGI application that can be closed."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; safe to call from many threads."""

    def close(self) -> None:
        """Close the database; without this call, the end of the interpreter does it."""


def application(database: Path, contract: str, *, tenants: Sequence[str] | None, token: str | None) -> Application:
    """The API that the contract (OpenAPI 3.0 or 3.1, YAML or JSON text) describes, kept in the database file.

    Without a list of tenants, every tenant exists; with one, only those tenants and those created by request do. Without a
    token, requests need none.

    Raises:
        EmulatorError: the database can be neither opened nor made, or the contract cannot be followed.

    """
    from exolink_reconcile.emulator import web

    return web.Application(database, contract, tenants, token)


def serve(app: WSGIApplication, host: str, port: int, *, ready: Callable[[str, int], None]) -> None:
    """Serve the application over HTTP/1.1 until KeyboardInterrupt, in this thread.

    `ready` is called once with the real host and port (0 takes a free one), when connections are accepted.

    Raises:
        EmulatorError: nothing can listen there.

    """
    from exolink_reconcile.emulator import server

    server.serve(app, host, port, ready=ready)


def database_id(database: Path) -> str:
    """The random id that a database got when it was made; makes the database if there is none.

    Raises:
        EmulatorError: the database can be neither opened nor made.

    """
    from exolink_reconcile.emulator import store

    return store.database_id(database)
