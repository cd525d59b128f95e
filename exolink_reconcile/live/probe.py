"""URLs of CPMS backends to whether a charger can reach them: one WebSocket handshake each, from this machine.

The handshake is anonymous: it never carries the API's token. It trusts the same certificates as the API client. Any answer
over HTTP counts, even a refusal: a backend that refuses is there.
"""

import base64
import os
import re
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from exolink_reconcile import __version__
from exolink_reconcile.errors import InputError
from exolink_reconcile.live import names, trust, urls
from exolink_reconcile.live.quiet_httpx import httpcore
from exolink_reconcile.model import Action, Plan, Probe, Step
from exolink_reconcile.resource import fields
from exolink_reconcile.secret_url import SecretUrl

SUBPROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")
_AT_ONCE = 16
_LONGEST_HEAD = 65_536
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r\n]")


def plan(
    plan: Plan, *, timeout: float, ca_file: str | None, environment: Mapping[str, str] = os.environ
) -> tuple[Probe, ...]:
    """A probe of each URL that the plan gives to a backend, in the order of its steps.

    Raises:
        InputError: --ca-file, or a file or proxy that the environment names, cannot be used.

    """
    wanted = [(step, url) for step in plan.steps for url in _urls(step)]
    if not wanted:
        return ()
    context = trust.context(ca_file, environment)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="probe") as pool:
        answers = pool.map(lambda pair: handshake(pair[1].reveal(), timeout, context, environment), wanted)
        return tuple(
            Probe(step.address, answer.status is not None, answer.status, answer.subprotocol, answer.reason)
            for (step, _), answer in zip(wanted, answers, strict=True)
        )


def _urls(step: Step) -> list[SecretUrl]:
    if step.declared is None or step.action not in (Action.CREATE, Action.UPDATE, Action.REPLACE):
        return []
    changed = {change.name for change in step.fields} if step.action is Action.UPDATE else set(step.sends)
    values = [getattr(step.declared.resource, name, None) for name in fields(step.kind) if name in changed]
    return [value for value in values if isinstance(value, SecretUrl)]


@dataclass(frozen=True, slots=True)
class Handshake:
    """The result: the status of an answer over HTTP, or None; the subprotocol agreed on; else why not, in our words."""

    status: int | None = None
    subprotocol: str | None = None
    reason: str = ""


class _NoAnswer(Exception):
    pass


def handshake(url: str, timeout: float, context: ssl.SSLContext, environment: Mapping[str, str]) -> Handshake:
    """One handshake, within `timeout` as a whole. Never raises, whatever the other side does."""
    deadline = time.monotonic() + timeout
    try:
        parts = urlsplit(url)
        host, tls = parts.hostname or "", parts.scheme.lower() == "wss"
        port = parts.port or (443 if tls else 80)
        with connected(host, port, tls, deadline, context, environment) as stream:
            return _ask(stream, url, deadline)
    except Exception as error:
        return Handshake(reason=why_not(error))


def why_not(error: Exception) -> str:
    """Why there is no connection or no answer, in our own words; raises an error that is our own bug again."""
    match error:
        case _NoAnswer():
            return str(error)
        case InputError():
            return error.summary
        case httpcore.ConnectTimeout() | TimeoutError():
            return "no answer in time"
        case httpcore.ConnectError():
            return "the name is not known"
        case ssl.SSLCertVerificationError():
            return f"the certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return "TLS failed: the other side does not speak it, or no version that we trust"
        case OSError():
            return (error.strerror or type(error).__name__).lower()
        case ValueError():
            return "the URL cannot be used"
    raise error


def connected(
    host: str, port: int, tls: bool, deadline: float, context: ssl.SSLContext, environment: Mapping[str, str]
) -> socket.socket:
    """A connection to a host, through the proxy that the environment names, if any. Raises many kinds of errors."""
    variables = ("https_proxy", "HTTPS_PROXY") if tls else ("http_proxy",)  # like curl: HTTP_PROXY may be a header
    proxy = urls.proxy_to(host, port, variables, environment)
    if proxy is None:
        stream = _tcp(host, port, deadline)
    else:
        stream = _through(proxy, host, port, deadline)
    if not tls:
        return stream
    stream.settimeout(_left(deadline))
    try:
        return context.wrap_socket(stream, server_hostname=host)
    except BaseException:
        stream.close()
        raise


def _tcp(host: str, port: int, deadline: float) -> socket.socket:
    addresses = names.look_up(host, port, _left(deadline))
    failure: OSError = OSError("the name has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), _left(deadline))
        except OSError as error:
            failure = error
    raise failure


def _through(proxy: urls.Proxy, host: str, port: int, deadline: float) -> socket.socket:
    """A connection through an HTTP proxy, by CONNECT."""
    parts = urlsplit(proxy.url)
    if parts.scheme != "http":
        raise _NoAnswer(f"a probe cannot go through {proxy.host}, which {proxy.variable} names: it is https://")
    try:
        stream = _tcp(parts.hostname or "", parts.port or 1080, deadline)
    except (OSError, httpcore.ConnectError, httpcore.ConnectTimeout):
        raise _NoAnswer(f"no connection to the proxy {proxy.host}, which {proxy.variable} names") from None
    authority = f"[{host}]:{port}" if ":" in host else f"{host.encode('idna').decode()}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(user).decode()}")
    try:
        stream.settimeout(_left(deadline))
        stream.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        head = b""
        while b"\r\n\r\n" not in head:
            head += (more := _received(stream, deadline))
            if not more or len(head) > _LONGEST_HEAD:
                break
        status = _STATUS.match(head)
        if status is None or not status[1].startswith(b"2"):
            number = f" ({status[1].decode()})" if status else ""
            raise _NoAnswer(f"the proxy {proxy.host} refused the connection{number}")
    except BaseException:
        stream.close()
        raise
    return stream


def _ask(stream: socket.socket, url: str, deadline: float) -> Handshake:
    from websockets.client import ClientProtocol
    from websockets.typing import Subprotocol
    from websockets.uri import parse_uri

    protocol = ClientProtocol(parse_uri(url), subprotocols=[Subprotocol(name) for name in SUBPROTOCOLS])
    request = protocol.connect()
    request.headers["User-Agent"] = f"exolink-reconcile/{__version__}"
    protocol.send_request(request)
    stream.settimeout(_left(deadline))
    stream.sendall(b"".join(protocol.data_to_send()))
    head = b""
    while b"\r\n\r\n" not in head and len(head) <= _LONGEST_HEAD:
        more = _received(stream, deadline)
        if not more:
            break
        head += more
    status = _STATUS.match(head)
    if status is None:
        raise _NoAnswer("the answer is not HTTP" if head else "closed without an answer")
    number = int(status[1])
    if number != 101:
        return Handshake(number, reason=_redirect(head) if 300 <= number < 400 else "")
    protocol.receive_data(head)
    if protocol.handshake_exc is not None or not protocol.events_received():
        return Handshake(number, _named(head), "but not as a WebSocket server answers")
    return Handshake(number, protocol.subprotocol, "" if protocol.subprotocol else "without a subprotocol of OCPP")


def _named(head: bytes) -> str | None:
    """The subprotocol that an answer names, if we offered it."""
    named = re.search(rb"(?im)^sec-websocket-protocol:[ \t]*([a-z0-9.]{1,20})[ \t]*\r?$", head)
    name = named[1].decode() if named else ""
    return name if name in SUBPROTOCOLS else None


def _redirect(head: bytes) -> str:
    """Where a redirect leads, if that is a plain host; it is shown, not followed."""
    location = re.search(rb"(?im)^location:[ \t]*(?:https?|wss?)://([a-z0-9.-]{1,253})(?=[:/?\r\n]|$)", head)
    return f"redirected to {location[1].decode().lower()}" if location else "redirected"


def _received(stream: socket.socket, deadline: float) -> bytes:
    stream.settimeout(_left(deadline))
    return stream.recv(4096)


def _left(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining
