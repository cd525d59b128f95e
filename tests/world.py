"""A fake of the Exolink API, in memory, that enforces the rules instead of recording calls.

Written by hand from the vendor's pages, not from the OpenAPI file, and sharing no code with the tool: the same wrong idea
on both sides is the classic trap. Where the vendor's pages are silent it answers in the way that asks most of a client:

    unknown body field, wrong type, query string   400      soft-deleted rows stay in their list, item routes 404
    a body that is not application/json            415      POST 201, PUT 200 and DELETE 204, all without a body
    `interval` read back as a float                         serial numbers read back as bare numbers
    `deletedAt` null on a live CPMS, absent on a live charger
"""

import json
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import httpx

Row = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]
Fields = Mapping[str, type]

WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Kind:
    """What one collection accepts: `create` and `update` map a body field to its JSON type."""

    key: str
    create: Fields
    update: Fields
    required: frozenset[str]


@dataclass(frozen=True)
class Request:
    """One request as it came in, and what became of it; status 0 when a hook dropped it before the rules saw it."""

    index: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    json: Any
    status: int
    changed: bool
    overridden: bool

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class Refusal(Exception):
    """The rules say no."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


class World:
    """The tenants, what is in them, and the rules. All methods may be called from any thread.

    Hooks, for tests that break things; each may raise ConnectionError to drop the connection without an answer:

    * `before_request(index, method, path)`: before anything else happens, for instance to edit the world.
    * `override(method, path)`: an answer given instead of the rules, or None to let the rules speak.
    * `alter(method, path, answer)`: what the client gets to see, after the rules took effect.
    """

    def __init__(
        self,
        tenants: Iterable[str] = ("acme",),
        token: str = "secret-token",
        *,
        cpms_update_fields: Iterable[str] = ("url",),
        tenant_create: bool = False,
        extra_kinds: Mapping[str, Mapping[str, Any]] | None = None,
        delete_rows_listed: bool = True,
    ) -> None:
        self.token = token
        self.tenant_create = tenant_create
        self.delete_rows_listed = delete_rows_listed
        self.log: list[Request] = []
        self.before_request: Callable[[int, str, str], None] | None = None
        self.override: Callable[[str, str], Answer | None] | None = None
        self.alter: Callable[[str, str, Answer], Answer] | None = None
        self._kinds = _kinds(cpms_update_fields, extra_kinds or {})
        self._tenants: dict[str, Row] = {}
        self._rows: dict[tuple[str, str], list[Row]] = {}
        self._lock = threading.RLock()
        self._last_id = 0
        self._clock = 0
        self._requests = 0
        for tenant in tenants:
            self.add(tenant, "tenant")

    # ---- what tests do to it -----------------------------------------------------------------------------------

    def add(self, tenant: str, kind: str, **fields: Any) -> int:
        """Put one row there by another hand, past the rules; gives its id."""
        with self._lock:
            if kind == "tenant":
                row = self._new_tenant(tenant, fields.pop("name", f"{tenant} GmbH"))
            else:
                if kind == "charger":
                    fields = {"displayName": fields.get("identity"), "profileId": 1} | fields
                elif kind == "cpms":
                    fields = {"url": "wss://cpms.example.com/", "interval": 30} | fields
                row = self._new_row(tenant, kind, fields.pop("id", None))
            row.update(fields)
            return int(row["id"])

    def edit(self, tenant: str, kind: str, target: int | str, **fields: Any) -> None:
        """Change a live row, named by id or by key, by another hand, past the rules."""
        with self._lock:
            self._find(tenant, kind, target).update(fields, updatedAt=self._now())

    def soft_delete(self, tenant: str, kind: str, target: int | str) -> None:
        """Delete a live row by another hand."""
        self.edit(tenant, kind, target, deletedAt=self._now())

    def live(self, tenant: str, kind: str) -> list[Row]:
        """Copies of the rows that exist, as the API shows them."""
        return [row for row in self.rows(tenant, kind) if not row.get("deletedAt")]

    def rows(self, tenant: str, kind: str) -> list[Row]:
        """Copies of all rows, soft-deleted ones too, as the API shows them."""
        with self._lock:
            if kind == "tenant":
                return [dict(self._tenants[tenant])] if tenant in self._tenants else []
            return [_shown(row) for row in self._rows.get((tenant, kind), [])]

    def row(self, tenant: str, kind: str, target: int | str) -> Row:
        """A copy of the one live row with this id or key."""
        with self._lock:
            return _shown(self._find(tenant, kind, target))

    @property
    def writes(self) -> list[Request]:
        """The requests that asked for a change, in the order they were answered."""
        return [request for request in self.log if request.method in WRITES]

    @property
    def paths(self) -> list[str]:
        """The paths asked for, in the order they were answered."""
        return [request.path for request in self.log]

    # ---- how it is reached -------------------------------------------------------------------------------------

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request. Raises: ConnectionError, from a hook only: the connection is to be dropped."""
        headers = {name.lower(): value for name, value in headers.items()}
        with self._lock:
            index, self._requests = self._requests, self._requests + 1
        try:
            if self.before_request:
                self.before_request(index, method, target)
            overriding = self.override(method, target) if self.override else None
        except ConnectionError:
            self._note(index, method, target, headers, body, status=0, changed=False, overridden=True)
            raise
        with self._lock:
            clock = self._clock
            answer = overriding or self._answer(method, target, headers, body)
            changed, overridden = self._clock != clock, overriding is not None
            self._note(index, method, target, headers, body, status=answer[0], changed=changed, overridden=overridden)
        return self.alter(method, target, answer) if self.alter else answer

    def _note(
        self,
        index: int,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        *,
        status: int,
        changed: bool,
        overridden: bool,
    ) -> None:
        request = Request(index, method, path, headers, body, _json_or_none(body), status, changed, overridden)
        with self._lock:
            self.log.append(request)

    def transport(self) -> "httpx.BaseTransport":
        """This world inside the process, for an httpx client."""
        import httpx

        world = self

        class Transport(httpx.BaseTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                target = request.url.raw_path.decode("ascii")
                try:
                    status, headers, body = world.respond(request.method, target, request.headers, request.read())
                except ConnectionError as error:
                    raise httpx.ReadError(str(error), request=request) from error
                return httpx.Response(status, headers=headers, content=body, request=request)

        return Transport()

    @contextmanager
    def serve(self) -> Iterator[str]:
        """This world on a port of 127.0.0.1, for as long as the block lasts; gives the base URL."""
        server = _Server(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    # ---- the rules ---------------------------------------------------------------------------------------------

    def _answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            return self._ruled(method, target, headers, body)
        except Refusal as refusal:
            return _json_answer(refusal.status, {"error": refusal.error})

    def _ruled(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("authorization") != f"Bearer {self.token}":
            raise Refusal(401, "no valid bearer token")
        path, _, query = target.partition("?")
        if query or "#" in path:
            raise Refusal(400, "no operation takes a query")
        match [unquote(segment) for segment in path.split("/")[1:]]:
            case ["tenant"] if self.tenant_create:
                handlers = {"POST": lambda: self._create_tenant(_object(headers, body))}
            case ["tenant", tenant]:
                handlers = {
                    "GET": lambda: _json_answer(200, self._tenant(tenant)),
                    "PUT": lambda: self._update_tenant(tenant, _object(headers, body)),
                }
            case ["tenant", tenant, kind] if kind in self._kinds:
                handlers = {
                    "GET": lambda: self._list(tenant, kind),
                    "POST": lambda: self._create(tenant, kind, _object(headers, body)),
                }
            case ["tenant", tenant, kind, row_id] if kind in self._kinds:
                handlers = {
                    "GET": lambda: _json_answer(200, _shown(self._item(tenant, kind, row_id))),
                    "PUT": lambda: self._update(tenant, kind, row_id, _object(headers, body)),
                    "DELETE": lambda: self._delete(tenant, kind, row_id),
                }
            case _:
                raise Refusal(404, "no such path")
        if method not in handlers:
            raise Refusal(405, "no such operation")
        if method in ("GET", "DELETE") and body:
            raise Refusal(400, f"{method} takes no body")
        return handlers[method]()

    def _create_tenant(self, body: Row) -> Answer:
        _check(body, {"domainPrefix": str, "name": str}, required={"domainPrefix", "name"})
        if body["domainPrefix"] in self._tenants:
            raise Refusal(409, "domainPrefix is taken")
        self._new_tenant(body["domainPrefix"], body["name"])
        return 201, {}, b""

    def _update_tenant(self, tenant: str, body: Row) -> Answer:
        row = self._open_tenant(tenant)
        _check(body, {"name": str})
        row.update(body, updatedAt=self._now())
        return 200, {}, b""

    def _list(self, tenant: str, kind: str) -> Answer:
        self._open_tenant(tenant)
        rows = self._rows.get((tenant, kind), [])
        return _json_answer(200, [_shown(row) for row in rows if self.delete_rows_listed or not row.get("deletedAt")])

    def _create(self, tenant: str, kind: str, body: Row) -> Answer:
        self._open_tenant(tenant)
        rule = self._kinds[kind]
        _check(body, rule.create, required=rule.required)
        if kind == "cpms" and not _is_uri(body["url"]):
            raise Refusal(400, "url is not a URI")
        rows = self._rows.get((tenant, kind), [])
        if kind == "charger" and any(r["identity"] == body["identity"] and not r.get("deletedAt") for r in rows):
            raise Refusal(409, "identity is taken")
        self._new_row(tenant, kind).update(body)
        return 201, {}, b""

    def _update(self, tenant: str, kind: str, row_id: str, body: Row) -> Answer:
        row = self._item(tenant, kind, row_id)
        _check(body, self._kinds[kind].update)
        row.update(body, updatedAt=self._now())
        return 200, {}, b""

    def _delete(self, tenant: str, kind: str, row_id: str) -> Answer:
        self._item(tenant, kind, row_id).update(deletedAt=self._now())
        return 204, {}, b""

    # ---- the rows ----------------------------------------------------------------------------------------------

    def _tenant(self, tenant: str) -> Row:
        if tenant not in self._tenants:
            raise Refusal(404, "no such tenant")
        return self._tenants[tenant]

    def _open_tenant(self, tenant: str) -> Row:
        row = self._tenant(tenant)
        if row["deletedAt"]:
            raise Refusal(404, "the tenant is deleted")
        return row

    def _item(self, tenant: str, kind: str, row_id: str) -> Row:
        self._open_tenant(tenant)
        if not (row_id.isascii() and row_id.isdigit()):
            raise Refusal(400, "an id is an integer")
        for row in self._rows.get((tenant, kind), []):
            if row["id"] == int(row_id) and not row.get("deletedAt"):
                return row
        raise Refusal(404, f"no such {kind}")

    def _find(self, tenant: str, kind: str, target: int | str) -> Row:
        if kind == "tenant":
            return self._tenants[tenant]
        field = "id" if isinstance(target, int) else self._kinds[kind].key
        rows = self._rows.get((tenant, kind), [])
        matching = [row for row in rows if row[field] == target and not row.get("deletedAt")]
        assert len(matching) == 1, f"{len(matching)} live {kind} {target!r} in {tenant}"
        return matching[0]

    def _new_tenant(self, tenant: str, name: str) -> Row:
        now = self._now()
        self._tenants[tenant] = {
            "id": self._next_id(),
            "name": name,
            "domainPrefix": tenant,
            "stripeCustomerId": f"cus_{tenant}",
            "connectUrl": f"wss://{tenant}.broker.exolink.cloud/",
            "createdAt": now,
            "updatedAt": now,
            "deletedAt": None,
        }
        return self._tenants[tenant]

    def _new_row(self, tenant: str, kind: str, row_id: int | None = None) -> Row:
        now = self._now()
        row: Row = {"id": row_id or self._next_id(), "tenantId": self._tenants[tenant]["id"]}
        if kind == "cpms":
            row |= {"authPassThrough": False, "createdAt": now, "updatedAt": now, "deletedAt": None}
        elif kind == "charger":
            row |= {"provisioned": False, "chargeBoxSerialNumber": 12345, "meterType": None}
        self._rows.setdefault((tenant, kind), []).append(row)
        return row

    def _next_id(self) -> int:
        """One counter for all kinds, so that an id used for the wrong kind finds nothing."""
        self._last_id += 1
        while any(row["id"] == self._last_id for rows in self._rows.values() for row in rows):
            self._last_id += 1
        return self._last_id

    def _now(self) -> str:
        """A clock that ticks once a change, so that runs are repeatable."""
        with self._lock:
            self._clock += 1
            return f"2025-10-15T{self._clock // 3600 % 24:02}:{self._clock // 60 % 60:02}:{self._clock % 60:02}.834Z"


def _kinds(cpms_update_fields: Iterable[str], extra: Mapping[str, Mapping[str, Any]]) -> dict[str, Kind]:
    cpms: Fields = {"displayName": str, "url": str, "interval": int}
    charger: Fields = {"identity": str, "displayName": str, "profileId": int}
    kinds = {
        "cpms": Kind("displayName", cpms, {name: cpms[name] for name in cpms_update_fields}, frozenset(cpms)),
        "charger": Kind("identity", charger, {"displayName": str, "profileId": int}, frozenset(charger)),
    }
    for name, rule in extra.items():
        required = frozenset(rule.get("required", rule["create"]))
        kinds[name] = Kind(rule["key"], dict(rule["create"]), dict(rule.get("update", {})), required)
    return kinds


def _object(headers: Mapping[str, str], body: bytes) -> Row:
    """The JSON object of a request body."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refusal(415, "a body must be application/json")
    try:
        parsed = json.loads(body.decode("utf-8"), object_pairs_hook=_no_duplicates)
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise Refusal(400, "the body is not an object")
    return parsed


def _no_duplicates(pairs: list[tuple[str, Any]]) -> Row:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a field is given twice")
    return dict(pairs)


def _check(body: Row, fields: Fields, required: Iterable[str] = ()) -> None:
    """Refuse what is missing, unknown or of the wrong JSON type."""
    for name, value in body.items():
        if name not in fields:
            raise Refusal(400, f"unknown field {name}")
        expected = (int, float) if fields[name] is float else (fields[name],)
        if type(value) not in expected:
            raise Refusal(400, f"{name} is not of type {fields[name].__name__}")
    for name in sorted(required):
        if name not in body:
            raise Refusal(400, f"{name} is required")


def _is_uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc) and text.isprintable() and " " not in text


def _shown(row: Row) -> Row:
    """A row as the API shows it."""
    interval = row.get("interval")
    return row | {"interval": float(interval)} if type(interval) is int else dict(row)


def _json_answer(status: int, value: Any) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _json_or_none(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is not worth a traceback in the test's output."""


def _handler(world: World) -> type[socketserver.BaseRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def _serve(self) -> None:
            if "transfer-encoding" in self.headers:
                self.close_connection = True
                return self._send(411, {}, b"")
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            try:
                status, headers, answer = world.respond(self.command, self.path, dict(self.headers.items()), body)
            except ConnectionError:
                self.close_connection = True
                return None
            return self._send(status, headers, answer)

        def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204 and "content-length" not in {name.lower() for name in headers}:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    return Handler
