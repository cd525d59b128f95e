"""HTTP to the Exolink API: the only sender.

It builds each URL itself, checks the origin before it attaches the token, follows no redirect, bounds the size and the
total time of every answer, and repeats only what certainly had no effect: a read, a write that did not leave, and a write
that the API put off (429). It does not decide whether a write without a clear answer may be repeated.
"""

import json
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from exolink_reconcile import __version__
from exolink_reconcile.errors import ApiRejected, ApiSurprise, ApiUnreachable, NoClearAnswer
from exolink_reconcile.live import answers, trust, urls
from exolink_reconcile.live.pace import Pace
from exolink_reconcile.live.quiet_httpx import httpx
from exolink_reconcile.live.rereading import ReadLists
from exolink_reconcile.live.transport import Deadline, OneConnection
from exolink_reconcile.resource import Kind
from exolink_reconcile.secret_url import SecretUrl

CONNECT_TIMEOUT = 10.0
_HEADERS = (
    (b"User-Agent", f"exolink-reconcile/{__version__}".encode()),
    (b"Accept", b"application/json"),
    (b"Accept-Encoding", b"gzip"),
    (b"Connection", b"keep-alive"),
)
_KNOWN_URLS = 100
_TRIES = 4
_TRIES_THROTTLED = 8
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0
# Retries beyond this many, or this share of all requests, would only make an API in trouble worse.
_FREE_RETRIES = 50
_RETRY_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that was sent and its result; nothing in it is secret. `status` is None if there was no answer."""

    method: str
    path: str
    status: int | None
    ms: float
    attempt: int


def _nothing() -> None:
    """Nothing."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The sender of a write. `leaving` is called right before each request leaves, after every wait; if it raises, the
    request is not sent. `put_off` is called when a request certainly had no effect and will be repeated, before the pause.
    """

    leaving: Callable[[], None] = _nothing
    put_off: Callable[[], None] = _nothing


_NOBODY = Watch()


class Api:
    """The API of one origin, for use from several threads.

    Args:
        base_url: scheme, host, port and maybe a path; `https`, or `http` for loopback only.
        token: the bearer token; None for the emulator inside the process.
        reread: reads the token again when the API no longer accepts it (a token file that was renewed).
        timeout: seconds for one request as a whole, headers and body included.
        transport: makes a thread's transport that replaces the network (the emulator inside the process, tests).
        trace: called after each request, from the thread that made it; it must not raise.

    Raises:
        InputError: the URL is not a place to send a token to.

    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | None,
        reread: Callable[[], str | None] = lambda: None,
        ca_file: str | None = None,
        timeout: float = 60.0,
        parallelism: int = 8,
        transport: Callable[[], httpx.BaseTransport] | None = None,
        sleep: Callable[[float], object] = time.sleep,
        trace: Callable[[Exchange], object] | None = None,
    ) -> None:
        self._base = base_url.rstrip("/") if transport else urls.checked_base(base_url)
        self._base_path = urlsplit(self._base).path
        self._origin = urls.origin(httpx.URL(self._base))
        self._urls: dict[str, httpx.URL] = {}
        self._token = token
        self._reread = reread
        self._requests = 0
        self._retries = 0
        self._in_a_hurry = False
        self._timeout = timeout
        self._make_transport = transport
        self._ca_file = ca_file
        self._sleep = sleep
        self._trace = trace
        self.tenant_ids: dict[str, int] = {}  # by name, from the tenants' own answers
        self.lists = ReadLists()
        self._threads = threading.local()
        self._transports: list[httpx.BaseTransport] = []
        self._lock = threading.Lock()
        self._ssl_context: ssl.SSLContext | None = None
        self._pace = Pace()
        self._date = ""
        self._clock: float | None = None
        self.proxy = None if transport else urls.proxy_for(self._base)
        self.pool = ThreadPoolExecutor(max_workers=parallelism, thread_name_prefix="exolink")
        # Parsing a list needs several times its size for a moment, and each thread keeps the memory that it once had: with
        # ten tenants that was 1.4 GB. Threads cannot parse at the same time anyway.
        self.reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="exolink-reader")

    def now(self) -> float | None:
        """The API's own clock, in seconds since the epoch, from the `Date` of its answers; None if no answer had one."""
        return None if self._clock is None else self._clock + time.monotonic()

    def hurry(self, timeout: float) -> None:
        """From now on, give each request only this many seconds and one attempt."""
        self._timeout = min(self._timeout, timeout)
        self._in_a_hurry = True

    def keep_lists(self) -> None:
        """From now on keep the rows of each list with their text: most of them are the same when it is read again."""
        self.lists.most_bytes = answers.MAX_ANSWER

    def close(self) -> None:
        """Close every connection, without waiting for threads that still wait for an answer."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.reader.shutdown(wait=False, cancel_futures=True)
        for transport in self._transports:
            transport.close()

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --------------------------------------------------------------------------------------------------------- verbs

    def list(self, kind: Kind, tenant: str) -> answers.Listing:
        """A collection as the API answered it. Raises ApiError; a 404 is an error, never an empty list."""
        headers, data = self._read(urls.path(kind.collection, tenant))
        return answers.Listing.of(headers, data)

    def get(self, kind: Kind, tenant: str, remote_id: int | None = None) -> bytes | None:
        """The JSON text of one object; None if the API answers 404, or 405 (it offers no object by its id)."""
        try:
            return self._read(urls.path(kind.item, tenant, remote_id))[1]
        except ApiRejected as error:
            if error.status == 404 or (error.status == 405 and remote_id is not None):
                return None
            raise

    def create(self, kind: Kind, tenant: str, body: Mapping[str, Any], watch: Watch = _NOBODY) -> None:
        """Create one object. Raises NoClearAnswer when it may have been created all the same."""
        self._write("POST", urls.path(kind.collection, tenant), body, watch)

    def update(self, kind: Kind, tenant: str, remote_id: int, body: Mapping[str, Any], watch: Watch = _NOBODY) -> None:
        """Update one object. Raises NoClearAnswer when it may have been updated all the same."""
        self._write("PUT", urls.path(kind.item, tenant, remote_id), body, watch)

    def delete(self, kind: Kind, tenant: str, remote_id: int, watch: Watch = _NOBODY) -> bool:
        """Delete one object; False where it is gone already. Raises NoClearAnswer when it may have been deleted."""
        try:
            self._write("DELETE", urls.path(kind.item, tenant, remote_id), None, watch)
        except ApiRejected as error:
            if error.status not in (404, 410):
                raise
            return False
        return True

    def may_repeat(self, number: int, error: NoClearAnswer) -> bool:
        """Whether a write may be tried once more after attempt `number` got no clear answer; pauses if it may."""
        headers = {} if error.retry_after is None else {"retry-after": error.retry_after}
        return self._try_again(number, 0, headers)

    # ------------------------------------------------------------------------------------------------------- sending

    def _read(self, path: str) -> tuple[httpx.Headers, bytes]:
        attempt = 0
        while True:
            attempt += 1
            try:
                status, headers, body = self._send("GET", path, None, attempt)
            except (httpx.TransportError, httpx.DecodingError) as error:
                if answers.is_final(error) or not self._try_again(attempt):
                    raise self._unreachable("GET", path, error) from None
                continue
            if status == 200:
                return headers, body
            if not ((status in (408, 429) or status >= 500) and self._try_again(attempt, status, headers)):
                raise answers.refusal("GET", path, status, headers, answers.redacted(headers, body, self._token, ()))

    def _write(self, method: str, path: str, body: Mapping[str, Any] | None, watch: Watch) -> None:
        content = None if body is None else json.dumps(_revealed(body), ensure_ascii=False).encode()
        attempt = 0
        while True:
            attempt += 1
            try:
                status, headers, answer = self._send(method, path, content, attempt, watch.leaving)
            except answers.NOTHING_LEFT as error:
                watch.put_off()
                if answers.is_final(error) or not self._try_again(attempt):  # nothing has left: no write is in doubt
                    raise self._unreachable(method, path, error) from None
                continue
            except (httpx.TransportError, httpx.DecodingError) as error:
                raise NoClearAnswer("E-AMBIGUOUS", f"{method} {path}: {self._reason(error)}") from None
            except ApiSurprise as error:
                if error.code != "E-TOO-LARGE":  # nothing was sent
                    raise
                raise NoClearAnswer("E-AMBIGUOUS", error.summary) from None
            if 200 <= status < 300:
                if answers.is_page(headers, answer):  # of a proxy or a login: it says nothing about the write
                    raise NoClearAnswer("E-AMBIGUOUS", f"{method} {path}: a web page answered ({status}), not the API")
                return
            if status >= 500 or status in (303, 408) or (method == "POST" and 300 <= status < 400):
                raise NoClearAnswer(
                    "E-AMBIGUOUS", f"{method} {path}: the API answered {status}", headers.get("retry-after")
                )
            if status == 429:
                watch.put_off()
            if not (status == 429 and self._try_again(attempt, status, headers)):
                secrets = [value for value in (body or {}).values() if isinstance(value, SecretUrl)]
                raise answers.refusal(
                    method, path, status, headers, answers.redacted(headers, answer, self._token, secrets)
                )

    def _send(
        self, method: str, path: str, content: bytes | None, attempt: int, leaving: Callable[[], None] = _nothing
    ) -> tuple[int, httpx.Headers, bytes]:
        """One request as a whole; repeated once with a renewed token if the API no longer accepts ours."""
        token = self._token
        status, headers, body = self._send_once(method, path, content, token, attempt, leaving)
        if status == 401 and self._renew(token):
            return self._send_once(method, path, content, self._token, attempt, leaving)
        return status, headers, body

    def _unreachable(self, method: str, path: str, error: Exception) -> ApiUnreachable:
        """What went wrong; without any connection also with whom, because the URL is the likely mistake."""
        via = ""
        if "CERTIFICATE" in str(error).upper():
            via = f" ({_about_certificate(str(error), self._base)})"
        elif self.proxy:
            via = f" (through the proxy {self.proxy.host}, which {self.proxy.variable} names)"
        elif isinstance(error, answers.NOTHING_LEFT):
            via = f" (no connection to {self._base}: is --api-url right, and reachable from here?)"
        summary = f"{method} {path}: {self._reason(error)}{via}"
        return ApiUnreachable("E-UNREACHABLE", summary, says_what_now=bool(via))

    def _reason(self, error: Exception) -> str:
        return answers.without_secrets(answers.reason(error), self._token)

    def _renew(self, refused: str | None) -> bool:
        """Whether there is another token than the refused one; read once, however many threads ask."""
        with self._lock:
            if self._token == refused:
                self._token = self._reread() or refused
            return self._token != refused

    def _send_once(
        self,
        method: str,
        path: str,
        content: bytes | None,
        token: str | None,
        attempt: int,
        leaving: Callable[[], None],
    ) -> tuple[int, httpx.Headers, bytes]:
        """One request as a whole: status, headers, body within its limits."""
        started = self._pace.wait(self._sleep)
        self._requests += 1
        transport = self._transport()
        request = self._request(method, path, content, token)
        leaving()
        backend: Deadline | None = getattr(self._threads, "deadline", None)
        if backend is not None:
            backend.at = time.monotonic() + self._timeout
        status = None
        try:
            response = transport.handle_request(request)
            status = response.status_code
            self._note(response, started)
            try:
                return status, response.headers, answers.body(response, method, path)
            finally:
                response.close()
        finally:
            if self._trace is not None:
                self._trace(Exchange(method, path, status, 1000 * (time.monotonic() - started), attempt))

    def _request(self, method: str, path: str, content: bytes | None, token: str | None) -> httpx.Request:
        """A request with all its headers: to let httpx find out which ones are missing takes a tenth of each request."""
        url = self._url(path)
        headers = [(b"Host", url.netloc), *_HEADERS]
        if token is not None:
            headers.append((b"Authorization", f"Bearer {token}".encode()))
        if content is not None:
            headers += [(b"Content-Type", b"application/json"), (b"Content-Length", str(len(content)).encode())]
        timeouts = dict.fromkeys(("read", "write", "pool"), self._timeout)
        timeouts["connect"] = min(CONNECT_TIMEOUT, self._timeout)
        stream = httpx.ByteStream(content or b"")
        return httpx.Request(method, url, headers=headers, stream=stream, extensions={"timeout": timeouts})

    def _note(self, response: httpx.Response, started: float) -> None:
        """Take in what an answer says besides its body: whether we are too fast, and the API's time."""
        if response.status_code == 429:
            self._pace.refused(started)
        else:
            self._pace.accepted()
        self._set_clock(response.headers.get("date", ""))

    def _set_clock(self, date: str) -> None:
        """Take in a `Date`. The latest one counts: an answer from a cache has an older one."""
        if date and date != self._date:
            self._date, at = date, answers.http_date(date)
            if at is not None:
                ahead = at - time.monotonic()
                self._clock = ahead if self._clock is None else max(self._clock, ahead)

    def _url(self, path: str) -> httpx.URL:
        """The URL of a path, checked: the token goes to one origin only, and a name cannot leave its path segment."""
        resolved = self._urls.get(path)
        if resolved is None:
            resolved = httpx.URL(self._base + path)
            if urls.origin(resolved) != self._origin or resolved.raw_path.decode("ascii") != self._base_path + path:
                host = f"{resolved.scheme}://{resolved.host}"
                raise ApiSurprise("E-ORIGIN", f"refusing to send to {host}: not the API that was named")
            if len(self._urls) < _KNOWN_URLS:  # all creates of a kind go to one URL
                self._urls[path] = resolved
        return resolved

    def _transport(self) -> httpx.BaseTransport:
        """The transport of this thread. There is no httpx.Client around it: it would add a third to the cost of each
        request for cookies, redirects and authentication flows, none of which must happen here.
        """
        transport: httpx.BaseTransport | None = getattr(self._threads, "transport", None)
        if transport is None:
            transport = self._make_transport() if self._make_transport else self._network_transport()
            self._threads.transport = transport
            with self._lock:
                self._transports.append(transport)
        return transport

    def _network_transport(self) -> httpx.BaseTransport:
        """A transport with one connection a thread: httpx's pool gets slower with every connection that it holds."""
        with self._lock:
            if self._ssl_context is None and self._origin[0] == "https":  # made once: it costs 30 ms
                self._ssl_context = trust.context(self._ca_file)
        deadline = Deadline()
        self._threads.deadline = deadline
        return OneConnection(self._ssl_context, deadline, self._timeout, self.proxy.url if self.proxy else None)

    def _try_again(self, attempt: int, status: int = 0, headers: Mapping[str, str] = MappingProxyType({})) -> bool:
        """Whether to try once more; pauses if so. A throttled origin pauses every thread for as long as it asks."""
        throttled = status == 429
        self._retries += not throttled  # coming back when the origin asked us to does no harm
        if self._in_a_hurry or attempt >= (_TRIES_THROTTLED if throttled else _TRIES):
            return False
        if self._retries > max(_FREE_RETRIES, _RETRY_SHARE * self._requests):
            return False
        asked = answers.retry_after(headers)
        pause = random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1))
        if asked is None and not throttled:
            self._sleep(pause)
            return True
        return self._pace.pause(pause if asked is None else asked)


def _revealed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body as it goes over the wire: the one place where a secret URL is revealed."""
    return {name: value.reveal() if isinstance(value, SecretUrl) else value for name, value in body.items()}


def _about_certificate(error: str, base: str) -> str:
    """What OpenSSL's words mean for the user: another CA to trust helps with neither a wrong name nor an old certificate."""
    if "mismatch" in error:
        return f"the certificate is for another host than {base}: is --api-url right?"
    if "expired" in error or "not yet valid" in error:
        return f"the certificate of {base} is not valid now: its owner must renew it, unless the clock here is wrong"
    return f"the certificate of {base} is not trusted: --ca-file FILE names others to trust"
