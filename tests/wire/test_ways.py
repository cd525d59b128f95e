"""The way to the API: names, proxies, whom to trust, and what errors say of it."""

import gzip
import zlib

import httpx
import pytest
from support_wire import TOKEN, api_of

from exolink_reconcile import secret_url
from exolink_reconcile.errors import ApiError, ApiSurprise, ApiUnreachable, NoClearAnswer
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import answers

TENANT, CPMS, CHARGER = KINDS


# ------------------------------------------------------------------------------------------------------ what is quoted


HOSTILE = [
    httpx.RemoteProtocolError(f"illegal header line: bytearray(b'X: Bearer {TOKEN}')"),
    httpx.DecodingError(f"Error -3 {TOKEN}"),
    httpx.ProxyError(f"407 {TOKEN}"),
    httpx.UnsupportedProtocol(TOKEN),
    httpx.ConnectError(f"no {TOKEN}"),
    httpx.ReadError(f"no {TOKEN}"),
]


@pytest.mark.parametrize("error", HOSTILE, ids=lambda error: type(error).__name__)
def test_row_E7_no_byte_of_the_other_side_is_quoted(error: Exception) -> None:
    """What a server or proxy sends back does not reach a message: it may be our token."""
    with api_of(error) as api:
        for verb in (lambda: api.list(CPMS, "acme"), lambda: api.create(CPMS, "acme", {})):
            with pytest.raises(ApiError) as caught:
                verb()
            assert TOKEN not in f"{caught.value} {caught.value.__cause__}"


def test_row_E7_a_refusing_proxy_is_told_by_its_status() -> None:
    """The number is ours to show, and a create that a proxy refused never left."""
    with api_of(httpx.ProxyError("407 Proxy Authentication Required")) as api, pytest.raises(ApiUnreachable) as caught:
        api.create(CPMS, "acme", {})
    assert "the proxy refused the connection (407)" in caught.value.summary


@pytest.mark.parametrize(
    "text",
    ["a" * 20_000, "a" * 19_990 + "://x", "A+" * 10_000, "wss://" * 3_000, "x" * 99 + "wss://u:hunter2@h/?t=hunter2"],
    ids=["letters", "almost", "plus", "urls", "long"],
)
def test_row_E25_masking_grows_with_the_text(text: str) -> None:
    """Any text of an answer is masked in one pass: the step count of the pattern stays linear."""
    masked = answers.redacted({}, text.encode(), TOKEN, ())
    assert len(masked) < 600 and "hunter2" not in masked


def test_row_E25_the_pattern_is_bounded() -> None:
    """A letter starts no search through the whole text: no scheme is longer than 31 characters."""
    at_most = secret_url._ANY_URL.search("a" * 99 + "://h")
    assert secret_url._ANY_URL.search("a" * 31 + "://h") and at_most and at_most.start() == 68


# --------------------------------------------------------------------------------------------------------------- sizes


def packed(*codings: str, data: bytes = b"[]") -> httpx.Response:
    for _ in codings:
        data = gzip.compress(data)
    return httpx.Response(200, headers={"content-encoding": ", ".join(codings)}, stream=httpx.ByteStream(data))


@pytest.mark.parametrize("codings", [("gzip", "gzip"), ("gzip", "identity"), ("br",), ("deflate",), ("gzip gzip",)])
def test_row_E16_one_coding_only(codings: tuple[str, ...]) -> None:
    """Packed twice, 4 kB can hold gigabytes: what was not asked for is not unpacked, and no write is called done."""
    with api_of(packed(*codings)) as api:
        with pytest.raises(ApiUnreachable):
            api.list(CPMS, "acme")
        with pytest.raises(NoClearAnswer):
            api.create(CPMS, "acme", {})


def test_row_E16_a_packed_answer() -> None:
    """gzip, and nothing else, is asked for and unpacked."""
    for coding in ("gzip", "X-GZIP"):
        with api_of(packed(coding, data=b"[ ]")) as api:
            assert api.list(CPMS, "acme").data == b"[ ]"


@pytest.mark.parametrize(
    "data",
    [gzip.compress(b"[]")[:-1], gzip.compress(b"[]") * 2, gzip.compress(b"[]") + b"x", zlib.compress(b"[]"), b""],
    ids=["cut", "two", "more", "zlib", "nothing"],
)
def test_row_E16_what_is_not_one_whole_answer(data: bytes) -> None:
    """A packed answer that is cut off, or followed by another one, does not count."""
    response = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(data))
    with api_of(response) as api, pytest.raises(ApiUnreachable):
        api.list(CPMS, "acme")


def test_row_E16_a_bomb_is_unpacked_a_piece_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 4 kB that unpack to 4 MB no more is held than the limit and one piece."""
    monkeypatch.setattr(answers, "MAX_ANSWER", 10_000)
    monkeypatch.setattr(answers, "_UNPACKED_AT_ONCE", 1_000)
    held = [len(piece) for piece in answers._unpacked(packed("gzip", data=b" " * 4_000_000))]
    assert max(held) <= 1_000
    with api_of(packed("gzip", data=b" " * 4_000_000)) as api, pytest.raises(ApiSurprise, match="E-TOO-LARGE"):
        api.list(CPMS, "acme")
