"""HTTP request to HTTP answer, as a WSGI application."""

import contextlib
import hmac
import http.client
import json
import sqlite3
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

from exolink_reconcile.emulator import body, contract, objects
from exolink_reconcile.emulator.contract import Operation, Verb
from exolink_reconcile.emulator.errors import Refused
from exolink_reconcile.emulator.facts import TENANT, Fields
from exolink_reconcile.emulator.objects import Conflict, Place
from exolink_reconcile.emulator.store import Store
from exolink_reconcile.emulator.tenants import Tenants

Headers = Sequence[tuple[str, str]]

_NO_OBJECT = "there is no such object"


@dataclass(frozen=True, slots=True)
class _Answer:
    """A status, the JSON text of the body (empty: no body), headers beyond the usual ones."""

    status: int
    text: str = ""
    headers: Headers = ()


class Application:
    """The API as a WSGI application; safe to call from many threads."""

    def __init__(self, database: Path, contract_text: str, tenants: Sequence[str] | None, token: str | None) -> None:
        self._routes = contract.routes(contract_text)
        self._store = Store(database)
        self._tenants = Tenants(self._store, tenants)
        self._authorization = None if token is None else f"Bearer {token}".encode()

    def close(self) -> None:
        """Close the database."""
        self._store.close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request; its body is read whatever the answer."""
        try:
            answer = self._answer(environ, body.read(environ))
        except Refused as refused:
            answer = _error(refused)
        except RecursionError:  # from reading, judging or storing it
            answer = _error(Refused(400, "the body is nested too deeply"))
        except sqlite3.Error as error:
            answer = _error(Refused(500, f"the emulator's database failed: {error}"))
        content = answer.text.encode("ascii")
        reason = http.client.responses.get(answer.status, "")
        start_response(f"{answer.status} {reason}", _headers(answer, len(content)))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]

    def _answer(self, environ: WSGIEnvironment, raw: bytes) -> _Answer:
        self._check_token(environ)
        operation, values = self._operation(environ)
        match operation.verb:
            case Verb.LIST:
                return _Answer(operation.status, _array(self._listing(operation, values)))
            case Verb.CREATE:
                self._create(operation, values, _fields(operation, environ, raw))
            case Verb.GET:
                return _Answer(operation.status, self._shown(self._place(operation, values)))
            case Verb.UPDATE:
                self._update(self._place(operation, values), _fields(operation, environ, raw))
            case Verb.DELETE:
                self._delete(self._place(operation, values))
            case None:
                raise Refused(501, "the emulator does not know how this operation of the contract behaves")
        return _Answer(operation.status)

    # --- the request: who asks, and for what

    def _check_token(self, environ: WSGIEnvironment) -> None:
        header: str = environ.get("HTTP_AUTHORIZATION", "")
        expected = self._authorization
        if expected is not None and not hmac.compare_digest(header.encode("latin-1", "replace"), expected):
            raise Refused(401, "the bearer token is missing or wrong", [("WWW-Authenticate", "Bearer")])

    def _operation(self, environ: WSGIEnvironment) -> tuple[Operation, list[str]]:
        segments = _segments(environ)
        for route in self._routes:
            values = route.values(segments)
            if values is not None:
                return route.operation(environ["REQUEST_METHOD"], values), values
        raise Refused(404, "the contract has no such path")

    def _owner(self, values: Sequence[str]) -> int:
        """The tenant that a collection's path begins with; nobody for the collection of tenants."""
        return self._tenant(values[0]) if values else objects.NOBODY

    def _place(self, operation: Operation, values: Sequence[str]) -> Place:
        tenant = self._tenant(values[0])
        if operation.collection == TENANT:
            return Place(objects.NOBODY, TENANT, tenant)
        identifier = contract.integer(values[-1])
        if identifier is None:
            raise Refused(404, "ids are integers")
        return Place(tenant, operation.collection, identifier)

    def _tenant(self, prefix: str) -> int:
        identifier = self._tenants.find(prefix)
        if identifier is None:
            raise Refused(404, "there is no such tenant")
        return identifier

    # --- what operations do

    def _listing(self, operation: Operation, values: Sequence[str]) -> list[str]:
        if operation.collection == TENANT:
            return self._tenants.listing()
        owner = self._owner(values)
        with self._store.read() as connection:
            return objects.listing(connection, owner, operation.collection)

    def _create(self, operation: Operation, values: Sequence[str], fields: Fields) -> None:
        owner = self._owner(values)
        with _conflicts_refused(), self._store.write() as connection:
            objects.insert(connection, owner, operation.collection, fields)

    def _shown(self, place: Place) -> str:
        with self._store.read() as connection:
            stored = objects.get(connection, place)
        if stored is None:
            raise Refused(404, _NO_OBJECT)
        return stored

    def _update(self, place: Place, fields: Fields) -> None:
        with _conflicts_refused(), self._store.write() as connection:
            exists = objects.update(connection, place, fields)
        if not exists:
            raise Refused(404, _NO_OBJECT)

    def _delete(self, place: Place) -> None:
        with self._store.write() as connection:
            exists = objects.delete(connection, place)
        if not exists:
            raise Refused(404, _NO_OBJECT)


def _segments(environ: WSGIEnvironment) -> list[str]:
    """The path's segments, decoded one by one where the server passes the path on as it was sent."""
    sent: str | None = environ.get("REQUEST_URI")
    try:
        if sent is not None:
            parts = sent.partition("?")[0].encode("latin-1").split(b"/")
            return [urllib.parse.unquote_to_bytes(part).decode("utf-8") for part in parts[1:]]
    except UnicodeError:
        raise Refused(404, "the path is not UTF-8") from None
    path: str = environ.get("PATH_INFO", "")
    # WSGI wants the bytes of the path disguised as Latin-1; httpx gives the text itself.
    with contextlib.suppress(UnicodeError):
        path = path.encode("latin-1").decode("utf-8")
    return path.split("/")[1:]


def _fields(operation: Operation, environ: WSGIEnvironment, raw: bytes) -> Fields:
    """What a valid body sets."""
    expected = operation.body
    if expected is None:
        return {}
    if not raw:
        if expected.required:
            raise Refused(400, "the body is missing")
        return {}
    return expected.fields(body.parse(environ.get("CONTENT_TYPE", ""), raw))


@contextlib.contextmanager
def _conflicts_refused() -> Iterator[None]:
    try:
        yield
    except Conflict as conflict:
        raise Refused(409, str(conflict)) from None


def _error(refused: Refused) -> _Answer:
    return _Answer(refused.status, json.dumps({"error": refused.message}), refused.headers)


def _array(texts: Sequence[str]) -> str:
    return f"[{','.join(texts)}]"


def _headers(answer: _Answer, size: int) -> list[tuple[str, str]]:
    kind = [("Content-Type", "application/json")] if answer.text else []
    length = [] if answer.status == http.client.NO_CONTENT else [("Content-Length", str(size))]
    return [*kind, *length, *answer.headers]
