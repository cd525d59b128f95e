"""HTTP to the Exolink API: the only sender.

It builds each URL itself, checks the origin before the token is attached, follows no redirect, bounds the size and the
total time of every answer, and decides what may be sent again: a read may, a write that is repeatable by nature (PUT,
DELETE) may, a create may not once its first byte can have left.
"""

import json
import random
import re
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from exolink_reconcile.errors import (
    ApiDenied,
    ApiRejected,
    ApiSurprise,
    ApiUnreachable,
    NoClearAnswer,
    problem,
)
from exolink_reconcile.live.pace import MAX_PAUSE, Pace
from exolink_reconcile.live.quiet_httpx import httpcore, httpx
from exolink_reconcile.resource import Kind, SecretUrl

MAX_ANSWER = 256 * 1024 * 1024
CONNECT_TIMEOUT = 10.0
_ANY_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?://|\\/\\/)[^\s\"'<>]+")
_LONGEST_SAID, _SHOWN_SAID = 20_000, 500  # bytes of an answer that are looked at, characters that are shown
_HEADERS = {
    "User-Agent": "exolink-reconcile",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
}
_KNOWN_URLS = 100
_TRIES = 4
_TRIES_THROTTLED = 8
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 8.0
# Retries beyond this many, or this share of all requests, would only add to what is wrong with the API.
_FREE_RETRIES = 50
_RETRY_SHARE = 0.1


class Api:
    """The API of one origin, for use from several threads.

    Args:
        base_url: scheme, host, port and maybe a path; `https`, or `http` for loopback only.
        token: the bearer token; None for the emulator inside the process.
        reread: gives the token anew when the API does not know it any more (a token file that was renewed).
        timeout: seconds for one request as a whole, headers and body included.
        transport: makes the transport of a thread instead of the network (the emulator inside the process, tests).

    Raises:
        InputError: the URL is no place to send a token to.

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
    ) -> None:
        self._base = base_url.rstrip("/") if transport else _checked_base(base_url)
        self._base_path = urlsplit(self._base).path
        self._origin = _origin(httpx.URL(self._base))
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
        self._threads = threading.local()
        self._transports: list[httpx.BaseTransport] = []
        self._lock = threading.Lock()
        self._ssl_context: ssl.SSLContext | None = None
        self._pace = Pace()
        self.proxy = None if transport else _proxy_for(self._base)
        self.pool = ThreadPoolExecutor(max_workers=parallelism, thread_name_prefix="exolink")

    @property
    def proxy_host(self) -> str:
        """Host and port of the proxy in use, without its credentials."""
        parts = urlsplit(self.proxy or "")
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    def hurry(self, timeout: float) -> None:
        """From now on give each request only so many seconds, and try it once."""
        self._timeout = min(self._timeout, timeout)
        self._in_a_hurry = True

    def close(self) -> None:
        """Close every connection. A thread that still waits for an answer is not waited for."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        for transport in self._transports:
            transport.close()

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --------------------------------------------------------------------------------------------------------- verbs

    def list(self, kind: Kind, tenant: str) -> bytes:
        """The JSON text of a collection. Raises ApiError; a 404 is an error, never an empty list."""
        return self._read(_path(kind.collection, tenant))

    def get(self, kind: Kind, tenant: str, remote_id: int | None = None) -> bytes | None:
        """The JSON text of one object, or None where the API answers 404."""
        try:
            return self._read(_path(kind.item, tenant, remote_id))
        except ApiRejected as error:
            if error.status == 404:
                return None
            raise

    def create(self, kind: Kind, tenant: str, body: Mapping[str, Any]) -> None:
        """Create one object. Raises NoClearAnswer when it may have been created all the same."""
        self._write("POST", _path(kind.collection, tenant), body)

    def update(self, kind: Kind, tenant: str, remote_id: int, body: Mapping[str, Any]) -> None:
        """Update one object."""
        self._write("PUT", _path(kind.item, tenant, remote_id), body)

    def delete(self, kind: Kind, tenant: str, remote_id: int) -> None:
        """Delete one object; already gone is done."""
        try:
            self._write("DELETE", _path(kind.item, tenant, remote_id), None)
        except ApiRejected as error:
            if error.status != 404:
                raise

    # ------------------------------------------------------------------------------------------------------- sending

    def _read(self, path: str) -> bytes:
        attempt = 0
        while True:
            attempt += 1
            try:
                status, headers, body = self._send("GET", path, None)
            except (httpx.TransportError, httpx.DecodingError) as error:
                if _is_final(error) or not self._try_again(attempt):
                    raise self._unreachable("GET", path, error) from None
                continue
            if status == 200:
                return body
            if not ((status == 429 or status >= 500) and self._try_again(attempt, status, headers)):
                raise _refusal("GET", path, status, headers, self._redacted(headers, body, ()))

    def _write(self, method: str, path: str, body: Mapping[str, Any] | None) -> None:
        content = None if body is None else json.dumps(_revealed(body), ensure_ascii=False).encode()
        repeatable = method != "POST"
        attempt = 0
        while True:
            attempt += 1
            try:
                status, headers, answer = self._send(method, path, content)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if _is_final(error) or not self._try_again(attempt):  # nothing has left: no write is in doubt
                    raise self._unreachable(method, path, error) from None
                continue
            except (httpx.TransportError, httpx.DecodingError) as error:
                if not (repeatable and self._try_again(attempt)):
                    raise NoClearAnswer("E-AMBIGUOUS", f"{method} {path}: {_reason(error)}") from None
                continue
            except ApiSurprise as error:
                if error.code != "E-TOO-LARGE":  # nothing was sent
                    raise
                raise NoClearAnswer("E-AMBIGUOUS", error.summary) from None
            if 200 <= status < 300:
                return
            if status >= 500 or (not repeatable and 300 <= status < 400):
                if not (repeatable and self._try_again(attempt, status, headers)):
                    raise NoClearAnswer("E-AMBIGUOUS", f"{method} {path}: the API answered {status}")
            elif not (status == 429 and self._try_again(attempt, status, headers)):
                secrets = [value for value in (body or {}).values() if isinstance(value, SecretUrl)]
                raise _refusal(method, path, status, headers, self._redacted(headers, answer, secrets))

    def _send(self, method: str, path: str, content: bytes | None) -> tuple[int, httpx.Headers, bytes]:
        """One request as a whole; repeated once with a renewed token when the API does not know ours any more."""
        token = self._token
        status, headers, body = self._send_once(method, path, content, token)
        if status == 401 and self._renew(token):
            return self._send_once(method, path, content, self._token)
        return status, headers, body

    def _redacted(self, headers: Mapping[str, str], body: bytes, sent: Iterable[SecretUrl]) -> str:
        """What the server said, without the token and the secrets of what was sent: servers quote what they refuse."""
        said = _masked(
            _said(headers, body), [self._token or "", *(value for url in sent for value in url.secret_values)]
        )
        said = _ANY_URL.sub(lambda found: str(SecretUrl(found.group().replace("\\/", "/"))), said)
        return f": {said[:_SHOWN_SAID]}" if said else ""

    def _unreachable(self, method: str, path: str, error: Exception) -> ApiUnreachable:
        """What went wrong and, where there was no connection at all, with whom: most likely the URL is not right."""
        nobody = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))
        where = f" (no connection to {self._base}: is --api-url right, and reachable from here?)" if nobody else ""
        if "CERTIFICATE" in str(error).upper():
            where = f" (the certificate of {self._base} is not trusted: --ca-file FILE names others to trust)"
        return ApiUnreachable("E-UNREACHABLE", f"{method} {path}: {_reason(error)}{where}")

    def _renew(self, refused: str | None) -> bool:
        """Whether there is another token than the one that was refused; asked for once however many threads want it."""
        with self._lock:
            if self._token == refused:
                self._token = self._reread() or refused
            return self._token != refused

    def _send_once(
        self, method: str, path: str, content: bytes | None, token: str | None
    ) -> tuple[int, httpx.Headers, bytes]:
        """One request as a whole: status, headers, body within its limits."""
        started = self._pace.wait(self._sleep)
        self._requests += 1
        transport = self._transport()
        request = httpx.Request(
            method,
            self._url(path),
            headers=_HEADERS if token is None else {**_HEADERS, "Authorization": f"Bearer {token}"},
            content=content,
            extensions={
                "timeout": {
                    **dict.fromkeys(("read", "write", "pool"), self._timeout),
                    "connect": min(CONNECT_TIMEOUT, self._timeout),
                }
            },
        )
        if content is not None:
            request.headers["Content-Type"] = "application/json"
        backend: _Deadline | None = getattr(self._threads, "deadline", None)
        if backend is not None:
            backend.at = time.monotonic() + self._timeout
        response = transport.handle_request(request)
        if response.status_code == 429:
            self._pace.refused(started)
        else:
            self._pace.accepted()
        try:
            return response.status_code, response.headers, _bounded(response.iter_bytes(), method, path)
        finally:
            response.close()

    def _url(self, path: str) -> httpx.URL:
        """The URL of a path, checked: the token goes to one origin, and a name cannot climb out of its path segment."""
        found = self._urls.get(path)
        if found is None:
            found = httpx.URL(self._base + path)
            if _origin(found) != self._origin or found.raw_path.decode("ascii") != self._base_path + path:
                where = f"{found.scheme}://{found.host}"
                raise ApiSurprise("E-ORIGIN", f"refusing to send to {where}: not the API that was named")
            if len(self._urls) < _KNOWN_URLS:  # creates of one kind all go to one
                self._urls[path] = found
        return found

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
        """A transport with one connection. httpx's pool gets slower with every connection it holds; one a thread does not."""
        with self._lock:
            if self._ssl_context is None and self._origin[0] == "https":  # made once: it costs 30 ms
                self._ssl_context = _ssl_context(self._ca_file)
        deadline = _Deadline()
        self._threads.deadline = deadline
        return _OneConnection(self._ssl_context, deadline, self.proxy)

    def _try_again(self, attempt: int, status: int = 0, headers: Mapping[str, str] = MappingProxyType({})) -> bool:
        """Whether to try once more, after a pause. A throttled origin is paused for every thread, as long as it asks."""
        throttled = status == 429
        self._retries += not throttled  # an origin that says when to come back is not made worse by coming back
        if self._in_a_hurry or attempt >= (_TRIES_THROTTLED if throttled else _TRIES):
            return False
        if self._retries > max(_FREE_RETRIES, _RETRY_SHARE * self._requests):
            return False
        asked = _retry_after(headers)
        pause = random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1))
        if asked is None and not throttled:
            self._sleep(pause)
            return True
        return self._pace.pause(pause if asked is None else asked)


# ------------------------------------------------------------------------------------------------------------- answers


def _bounded(chunks: Iterable[bytes], method: str, path: str) -> bytes:
    there: list[bytes] = []
    size = 0
    for chunk in chunks:
        there.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER:
            raise ApiSurprise(
                "E-TOO-LARGE", f"{method} {path}: the answer is larger than {MAX_ANSWER // 1024 // 1024} MiB"
            )
    return b"".join(there)


def _refusal(method: str, path: str, status: int, headers: Mapping[str, str], said: str) -> Exception:
    """The error that an answer other than success means."""
    if status == 401:
        return ApiDenied("E-DENIED", f"{method} {path}: the API does not know the token (401){said}")
    if status == 403:
        return ApiDenied("E-DENIED", f"{method} {path}: the token has no right to this (403){said}")
    if 300 <= status < 400:
        host = _host(headers.get("location", ""))
        return ApiSurprise(
            "E-REDIRECT",
            f"{method} {path}: redirected to {host}; redirects are never followed: set --api-url to the final address",
        )
    if status == 429 and (asked := _retry_after(headers)) and asked > MAX_PAUSE:
        return ApiUnreachable(
            "E-UNREACHABLE", f"{method} {path}: the API asks to come back in {asked:.0f} s (429){said}"
        )
    if status == 429 or status >= 500:
        return ApiUnreachable("E-UNREACHABLE", f"{method} {path}: the API answers {status} again and again{said}")
    if status < 300:
        return ApiSurprise("E-ANSWER", f"{method} {path}: the API answered {status}, not 200")
    return ApiRejected("E-REJECTED", f"{method} {path}: the API refused ({status}){said}", status)


def _host(location: str) -> str:
    """Where a redirect leads, in a word; a server may send anything."""
    try:
        return urlsplit(location).hostname or "elsewhere"
    except ValueError:
        return "elsewhere"


def _said(headers: Mapping[str, str], body: bytes) -> str:
    """What the server said; a page of HTML says nothing. Not cut yet: a secret cut in half is not found any more."""
    if not body or "html" in headers.get("content-type", "").lower():
        return ""
    text = body[:_LONGEST_SAID].decode("utf-8", "replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()
    while isinstance(answer, dict):
        found = next((answer[name] for name in ("error", "message", "detail", "title") if answer.get(name)), None)
        if found is None:
            break
        answer = found
    return answer.strip() if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def _spellings(secret: str) -> set[str]:
    """A secret as a server may quote it: as it was sent, with its percent signs decoded, inside JSON."""
    plain = {secret, unquote(secret), unquote_plus(secret)}
    inside_json = {json.dumps(each)[1:-1] for each in plain} | {
        json.dumps(each, ensure_ascii=False)[1:-1] for each in plain
    }
    return {each for each in (*plain, *inside_json, *(each.replace("/", "\\/") for each in inside_json)) if each}


def _masked(text: str, secrets: Iterable[str]) -> str:
    spellings = {each for secret in secrets if secret for each in _spellings(secret)}
    for each in sorted(spellings, key=len, reverse=True):
        # A short one is no secret that could be found again in a sentence, only a piece of its words.
        text = text.replace(each, "***") if len(each) > 3 else re.sub(rf"(?<!\w){re.escape(each)}(?!\w)", "***", text)
    return text


def _reason(error: Exception) -> str:
    """Why a request failed, without the header values that some httpx errors quote."""
    if isinstance(error, httpx.LocalProtocolError):
        return "the request could not be built"
    words: dict[type[Exception], str] = {
        httpx.ConnectTimeout: "no connection in time",
        httpx.ReadTimeout: "no whole answer in time",
        httpx.WriteTimeout: "the request could not be sent in time",
        httpx.PoolTimeout: "no connection in time",
    }
    return words.get(type(error)) or re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__


def _is_final(error: Exception) -> bool:
    """TLS that fails once fails always, and so does a request that cannot be built."""
    return isinstance(error, httpx.LocalProtocolError) or "CERTIFICATE" in str(error).upper()


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait that the server asked for; None where it asked for nothing sensible."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    if text:
        from email.utils import parsedate_to_datetime

        try:
            now = parsedate_to_datetime(headers["date"]) if "date" in headers else None
            until = parsedate_to_datetime(text)
            return max(until.timestamp() - (now.timestamp() if now else time.time()), 0.0)
        except (ValueError, TypeError, OverflowError):
            return None
    return None


# ------------------------------------------------------------------------------------------------------------ requests


def _revealed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body as it goes over the wire: the one place where a secret URL is revealed."""
    return {name: value.reveal() if isinstance(value, SecretUrl) else value for name, value in body.items()}


def _path(template: str, tenant: str, remote_id: int | None = None) -> str:
    if tenant in ("", ".", ".."):
        raise ApiSurprise("E-ORIGIN", f"`{tenant}` cannot be a path segment")
    path = template.replace("{tenant}", quote(tenant, safe=""))
    return path.replace("{id}", str(int(remote_id))) if remote_id is not None else path


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _checked_base(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        raise problem("E-API-URL", "--api-url is no URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in base_url):
        raise problem("E-API-URL", "--api-url must be https://HOST, http:// for loopback, or emulator:FILE")
    if parts.username is not None or parts.query or parts.fragment:
        raise problem("E-API-URL", "--api-url takes no user, query or fragment")
    labels = parts.hostname.removesuffix(".").split(".")
    if (
        port == 0
        or not all(c.isascii() and c.isprintable() for c in base_url)
        or not all(0 < len(label) < 64 for label in labels)
    ):
        raise problem("E-API-URL", "--api-url is no URL")
    try:
        _origin(httpx.URL(base_url))
    except (httpx.InvalidURL, UnicodeError):
        raise problem("E-API-URL", "--api-url is no URL") from None
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise problem("E-INSECURE", f"http:// would send the token in clear to {parts.hostname}: use https://")
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: `localhost`, 127.0.0.0/8 or `::1`. Nothing is looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names for this URL. Loopback and plain http never go through one."""
    parts = urlsplit(base_url)
    if parts.scheme != "https" or not parts.hostname or is_loopback(parts.hostname):
        return None
    if urllib.request.proxy_bypass(parts.hostname):
        return None
    proxy = urllib.request.getproxies().get("https")
    try:
        if not proxy or urlsplit(proxy).scheme not in ("http", "https"):
            return None
        if urlsplit(proxy).hostname and urlsplit(proxy).port != 0:
            httpx.URL(proxy)
            return proxy
    except (ValueError, httpx.InvalidURL):
        pass
    raise problem("E-PROXY", "the proxy that the environment names for https is no URL (HTTPS_PROXY)")


def _ssl_context(ca_file: str | None) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context() if ca_file is None else ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise problem("E-CA-FILE", f"--ca-file {ca_file} cannot be used: {error.strerror or error}") from None


# ----------------------------------------------------------------------------------------------------------- transport


class _OneConnection(httpx.HTTPTransport):
    """httpx's own transport over a pool of one connection whose every wait ends at the deadline."""

    def __init__(self, context: ssl.SSLContext | None, deadline: "_Deadline", proxy: str | None) -> None:
        backend = _DeadlineBackend(deadline)
        if proxy is None:
            self._pool: Any = httpcore.ConnectionPool(
                ssl_context=context, max_connections=1, keepalive_expiry=5.0, network_backend=backend
            )
        else:
            url = httpx.URL(proxy)
            user = (url.username.encode(), url.password.encode()) if url.username else None
            self._pool = httpcore.HTTPProxy(
                proxy_url=str(url.copy_with(userinfo=b"")),
                proxy_auth=user,
                ssl_context=context,
                max_connections=1,
                keepalive_expiry=5.0,
                network_backend=backend,
            )


class _Deadline:
    """When the request that a thread is making must have ended, on the monotonic clock."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = float("inf")

    def left(self, timeout: float | None, error: type[Exception]) -> float:
        """Seconds a wait may take. A read timeout alone would let an answer drip on for ever."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise error("the time for the whole request is over")
        return left if timeout is None else min(timeout, left)


class _DeadlineBackend(httpcore.NetworkBackend):
    def __init__(self, deadline: _Deadline) -> None:
        self._inner = httpcore.SyncBackend()
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout, httpcore.ConnectTimeout)
        stream = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return _DeadlineStream(stream, self._deadline)


class _DeadlineStream(httpcore.NetworkStream):
    """Sends what was written when an answer is wanted: head and body in one packet, and one wait for the GIL less."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner = inner
        self._deadline = deadline
        self._written: list[bytes] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._written:
            data = b"".join(self._written)
            self._written.clear()
            left = self._deadline.left(timeout, httpcore.WriteTimeout)
            with suppress(httpcore.WriteError):  # as httpcore does: there may be an answer all the same
                self._inner.write(data, left)
        return self._inner.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._written.append(buffer)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
