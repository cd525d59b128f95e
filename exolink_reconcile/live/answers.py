"""Status and body of an answer to an error in words, without the secrets of the request."""

import json
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import TypeVar
from urllib.parse import unquote, unquote_plus, urlsplit

from exolink_reconcile.errors import ApiDenied, ApiError, ApiRejected, ApiSurprise, ApiUnreachable
from exolink_reconcile.live.pace import MAX_PAUSE
from exolink_reconcile.live.quiet_httpx import httpx
from exolink_reconcile.secret_url import SecretUrl, masked_text

_T = TypeVar("_T")
MAX_ANSWER = 128 << 20
_LARGE = 16 << 20
_TURN, _OF_THREAD = threading.Lock(), threading.local()
_UNPACKED_AT_ONCE = 1 << 20
# Without a connection no request has left. A proxy that refuses was only asked for a connection.
NOTHING_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
_LINK_TARGET = re.compile("<[^>]*>")
_REL_NEXT = re.compile(r'(?i)\s*rel\s*=\s*["\']?(?:[^"\']*\s)?next\b')
_LONGEST_READ, _LONGEST_SHOWN = 20_000, 500  # bytes of an answer that are searched for words, characters that are shown


def body(response: httpx.Response, method: str, path: str) -> bytes:
    """The body of an answer, unpacked and within its limit; never more than that is in memory.

    Raises:
        ApiSurprise: it is too large.
        DecodingError: it is packed in a way that we did not ask for, or cut off.

    """
    takes_turns = getattr(_OF_THREAD, "takes_turns", False)
    limit = MAX_ANSWER if takes_turns else min(MAX_ANSWER, _LARGE)
    data = bytearray()  # not a list of pieces: the memory of many small ones is not given back to the system
    for piece in _unpacked(response):
        data += piece
        if len(data) > _LARGE and takes_turns:
            _wait_for_turn()
        if len(data) > limit:
            raise ApiSurprise("E-TOO-LARGE", f"{method} {path}: the answer is larger than {limit >> 20} MiB")
    return bytes(data)


def in_turn(read: Callable[[], _T]) -> _T:
    """What `read` returns. It may read a large answer, one thread at a time: eight of them need too much memory.

    Raises:
        ApiError: whatever `read` raises, without its frames: they hold the answer, and the error outlives them.

    """
    _OF_THREAD.takes_turns, _OF_THREAD.has_turn = True, False
    try:
        return read()
    except ApiError as error:
        error.__context__ = None
        raise error.with_traceback(None) from None
    finally:
        _OF_THREAD.takes_turns = False
        if _OF_THREAD.has_turn:
            _TURN.release()


def _wait_for_turn() -> None:
    if not _OF_THREAD.has_turn:
        _TURN.acquire()
        _OF_THREAD.has_turn = True


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    coding = response.headers.get("content-encoding", "").strip().lower()
    stream = response.stream
    assert isinstance(stream, httpx.SyncByteStream)
    if coding in ("", "identity"):
        yield from stream
        return
    if coding not in ("gzip", "x-gzip"):  # also two of them: 4 kB can unpack to 2.5 GB
        raise httpx.DecodingError("another coding than gzip")
    unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        for packed in stream:
            while packed:
                yield unpacking.decompress(packed, _UNPACKED_AT_ONCE)
                packed = unpacking.unconsumed_tail
    except zlib.error:
        raise httpx.DecodingError("not gzip") from None
    if unpacking.unused_data or not unpacking.eof:
        raise httpx.DecodingError("cut off, or more than one answer")


@dataclass(frozen=True, slots=True)
class Listing:
    """The JSON text of a list, and what its headers say about rows that are not in it."""

    data: bytes
    total: int | None = None  # how many rows there are; None where no header says so
    next_page: str = ""  # the header that announces more

    @classmethod
    def of(cls, headers: Mapping[str, str], data: bytes) -> "Listing":
        """The list in an answer with these headers."""
        totals = [headers.get("x-total-count", ""), headers.get("x-total", "")]
        totals.append(headers.get("content-range", "").rpartition("/")[2])
        counts = [int(text) for text in map(str.strip, totals) if text.isascii() and text.isdigit() and len(text) < 18]
        return cls(data, max(counts, default=None), _next_page(headers))


def _next_page(headers: Mapping[str, str]) -> str:
    links = _LINK_TARGET.sub("", headers.get("link", ""))
    if any(_REL_NEXT.match(parameter) for parameter in re.split("[;,]", links)):
        return "Link"
    return "X-Next-Page" if headers.get("x-next-page", "").strip() else ""


def refusal(method: str, path: str, status: int, headers: Mapping[str, str], reason: str) -> Exception:
    """The error for an answer that is not a success."""
    if status == 401:
        return ApiDenied("E-DENIED", f"{method} {path}: the API does not know the token (401){reason}")
    if status == 403:
        return ApiDenied("E-DENIED", f"{method} {path}: the token has no right to this (403){reason}")
    if 300 <= status < 400:
        host = _host(headers.get("location", ""))
        return ApiSurprise(
            "E-REDIRECT",
            f"{method} {path}: redirected to {host}; redirects are never followed: set --api-url to the final address",
            says_what_now=True,
        )
    if status == 429 and (asked := retry_after(headers)) and asked > MAX_PAUSE:
        return ApiUnreachable(
            "E-UNREACHABLE", f"{method} {path}: the API asks to come back in {asked:.0f} s (429){reason}"
        )
    if status in (408, 429) or status >= 500:
        return ApiUnreachable("E-UNREACHABLE", f"{method} {path}: the API answers {status} again and again{reason}")
    if status < 300:
        return ApiSurprise("E-ANSWER", f"{method} {path}: the API answered {status}, not 200")
    return ApiRejected("E-REJECTED", f"{method} {path}: the API refused ({status}){reason}", status)


def redacted(headers: Mapping[str, str], body: bytes, token: str | None, sent: Iterable[SecretUrl]) -> str:
    """The server's words, without the token and the secrets of the request: servers quote what they refuse."""
    text = without_secrets(_words(headers, body), token, sent)
    return f": {text[:_LONGEST_SHOWN]}" if text else ""


def without_secrets(text: str, token: str | None, sent: Iterable[SecretUrl] = ()) -> str:
    """A text from outside, fit to be shown: every such text that leaves this package goes through here."""
    text = _masked(text, [*([token] if token else []), *(value for url in sent for value in url.secret_values)])
    return masked_text(text)


def _host(location: str) -> str:
    """The host that a redirect leads to; a server may send anything."""
    try:
        return urlsplit(location).hostname or "elsewhere"
    except ValueError:
        return "elsewhere"


def _words(headers: Mapping[str, str], body: bytes) -> str:
    """The server's words; none in a page of HTML. They must be masked before they are cut: half a secret is not found."""
    if "html" in headers.get("content-type", "").lower():
        return ""
    text = body[:_LONGEST_READ].decode("utf-8", "replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()
    while isinstance(answer, dict):
        message = next((answer[name] for name in ("error", "message", "detail", "title") if answer.get(name)), None)
        if message is None:
            break
        answer = message
    return answer.strip() if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def _spellings(secret: str) -> set[str]:
    """A secret as a server may quote it: as it was sent, with its percent signs decoded, inside JSON."""
    plain = {secret, unquote(secret), unquote_plus(secret)}
    inside_json = {json.dumps(spelling)[1:-1] for spelling in plain} | {
        json.dumps(spelling, ensure_ascii=False)[1:-1] for spelling in plain
    }
    return {*plain, *inside_json, *(spelling.replace("/", "\\/") for spelling in inside_json)}


def _masked(text: str, secrets: Iterable[str]) -> str:
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    for spelling in sorted(spellings, key=len, reverse=True):
        # A short one must be a whole word: within longer words it is not the secret.
        text = (
            text.replace(spelling, "***")
            if len(spelling) > 3
            else re.sub(rf"(?<!\w){re.escape(spelling)}(?!\w)", "***", text)
        )
    return text


def reason(error: Exception) -> str:
    """Why a request failed, in our own words: errors of HTTP quote what the other side sent, tokens included."""
    if isinstance(error, httpx.ProxyError):
        status = str(error)[:3]
        return f"the proxy refused the connection{f' ({status})' if status.isascii() and status.isdigit() else ''}"
    for kind, words in _REASONS.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, (httpx.NetworkError, OSError)):  # the system's words: connection refused, certificate expired
        return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
    return type(error).__name__


_REASONS: Mapping[type[Exception], str] = {
    httpx.LocalProtocolError: "the request could not be built",
    httpx.RemoteProtocolError: "the answer is not HTTP, or was cut off",
    httpx.DecodingError: "the answer could not be unpacked",
    httpx.ConnectTimeout: "no connection in time",
    httpx.ReadTimeout: "no whole answer in time",
    httpx.WriteTimeout: "the request could not be sent in time",
    httpx.PoolTimeout: "no connection in time",
}


def is_final(error: Exception) -> bool:
    """Whether a repetition must fail too: TLS that fails once fails always, and so does a request that cannot be built."""
    return isinstance(error, httpx.LocalProtocolError) or "CERTIFICATE" in str(error).upper()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the server asks us to wait; None if it asks for nothing, or nothing sensible."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    if text:
        until, now = http_date(text), http_date(headers.get("date", ""))
        return None if until is None else max(until - (time.time() if now is None else now), 0.0)
    return None


def http_date(text: str) -> float | None:
    """An HTTP date in seconds since the epoch, in UTC if it names no zone; None if it is not a date."""
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text[:100])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def is_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether an answer is a web page: of a proxy, of a login, of anything but the API."""
    return "html" in headers.get("content-type", "").lower() or body[:200].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"
