"""WSGI request to the JSON value in its body."""

import functools
import json
import math
from email.message import Message
from typing import NoReturn
from wsgiref.types import InputStream, WSGIEnvironment

from exolink_reconcile.emulator.errors import Refused
from exolink_reconcile.emulator.facts import Json

LIMIT = 1024 * 1024
"""Bytes of the largest body that is looked at."""

_DRAINED = 64 * 1024 * 1024
"""Bytes of a too large body that are still read, so that its sender gets to see the answer."""

_CHUNK = 64 * 1024
_LONGEST_INTEGER = 300
"""Digits; a longer integer would not fit a float, and the API shows some integers as numbers."""


def read(environ: WSGIEnvironment) -> bytes:
    """The whole body; to be called for every request, because the server takes unread bytes for the next one.

    Raises:
        Refused: 413 for more than LIMIT bytes, 400 for a body shorter than announced.

    """
    stream: InputStream = environ["wsgi.input"]
    announced = _announced(environ)
    kept = bytearray()
    remaining = _DRAINED if announced is None else min(announced, _DRAINED)
    size = 0
    while size < remaining and (chunk := _read_chunk(stream, remaining - size)):
        size += len(chunk)
        kept += chunk[: LIMIT + 1 - len(kept)]
    if len(kept) > LIMIT:
        raise Refused(413, f"the body is larger than {LIMIT} bytes")
    if announced is not None and size < announced:
        raise Refused(400, "the body is shorter than its Content-Length")
    return bytes(kept)


def parse(content_type: str, raw: bytes) -> Json:
    """The JSON value of a body.

    Raises:
        Refused: 415 when the body is not declared as JSON in UTF-8, 400 when it is not JSON.
        RecursionError: it is nested too deeply.

    """
    _check_type(content_type)
    try:
        return _LOOSE_ENDS_REFUSED.decode(raw.decode("utf-8"))  # type: ignore[no-any-return]  # JSON
    except UnicodeDecodeError:
        raise Refused(400, "the body is not UTF-8") from None
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {error}"[:300]) from None


def _announced(environ: WSGIEnvironment) -> int | None:
    """Bytes to come; None when only the end of the stream tells (chunked)."""
    length: str = environ.get("CONTENT_LENGTH") or ""
    if not length:
        ends_by_itself = environ.get("wsgi.input_terminated") or "HTTP_TRANSFER_ENCODING" in environ
        return None if ends_by_itself else 0
    if not (length.isascii() and length.isdigit()):
        raise Refused(400, "Content-Length is not a number")
    return int(length[:18])


def _read_chunk(stream: InputStream, remaining: int) -> bytes:
    try:
        return stream.read(min(remaining, _CHUNK))
    except ValueError:  # cheroot's word for broken chunked coding
        raise Refused(400, "the body's transfer coding is broken", [("Connection", "close")]) from None


@functools.lru_cache(maxsize=64)
def _check_type(content_type: str) -> None:
    header = Message()
    header["Content-Type"] = content_type or "none/none"
    charset = str(header.get_param("charset", "utf-8")).lower()
    if header.get_content_type() != "application/json" or charset not in {"utf-8", "utf8"}:
        raise Refused(415, "the body must be application/json in UTF-8")


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:
        raise ValueError("a number is too large")
    return int(text)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("an object has a key twice")
    return fields


_LOOSE_ENDS_REFUSED = json.JSONDecoder(
    parse_constant=_constant, parse_float=_finite, parse_int=_integer, object_pairs_hook=_unique
)
