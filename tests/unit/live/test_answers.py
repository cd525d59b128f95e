"""What answers may cost: of the large ones only one is held at a time, and an error holds none."""

import gzip
import random
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from exolink_reconcile.errors import ApiDenied, ApiRejected, ApiSurprise, ApiUnreachable
from exolink_reconcile.live import answers
from exolink_reconcile.secret_url import SecretUrl


class Body(httpx.SyncByteStream):
    def __init__(self, pieces: int) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.pieces):
            yield b"x" * 100


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_LARGE", 1000)


def test_row_E16_large_answers_are_held_one_at_a_time() -> None:
    """Eight threads that read large answers hold one; small ones wait for nobody."""
    held, most, lock = [0], [0], threading.Lock()
    small_done = threading.Event()

    def large() -> None:
        def read() -> int:
            data = answers.body(httpx.Response(200, stream=Body(50)), "GET", "/x")
            with lock:
                held[0] += 1
                most[0] = max(most[0], held[0])
            assert small_done.wait(30)
            with lock:
                held[0] -= 1
            return len(data)

        assert answers.in_turn(read) == 5000

    threads = [threading.Thread(target=large) for _ in range(8)]
    for thread in threads:
        thread.start()
    small = answers.in_turn(lambda: answers.body(httpx.Response(200, stream=Body(5)), "GET", "/x"))
    small_done.set()
    for thread in threads:
        thread.join()
    assert (len(small), most[0]) == (500, 1)


def test_row_E16_what_is_no_list_is_small() -> None:
    """One object, or the answer to a write, is never large."""
    with pytest.raises(ApiSurprise, match="E-TOO-LARGE"):
        answers.body(httpx.Response(200, stream=Body(11)), "GET", "/x")


def test_row_E16_an_error_does_not_hold_the_answer() -> None:
    """Whoever keeps the error keeps nothing of what was read, and the next one has its turn."""

    def read() -> bytes:
        data = answers.body(httpx.Response(200, stream=Body(50)), "GET", "/x")
        try:
            raise ValueError(data)
        except ValueError:
            raise ApiSurprise("E-BAD-LIST", f"{len(data)}") from None

    errors = []
    for _ in range(2):
        with pytest.raises(ApiSurprise) as caught:
            answers.in_turn(read)
        errors.append(caught.value)
    for error in errors:
        assert error.__context__ is None
        trace = error.__traceback__
        while trace is not None:
            assert "data" not in trace.tb_frame.f_locals
            trace = trace.tb_next


# ------------------------------------------------------------------------------------------------------------- its bytes


class Pieces(httpx.SyncByteStream):
    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces


def read(*pieces: bytes, coding: str | None = None) -> bytes:
    headers = {} if coding is None else {"Content-Encoding": coding}
    return answers.body(httpx.Response(200, headers=headers, stream=Pieces(*pieces)), "GET", "/x")


PACKED = gzip.compress(b"a" * 900)


@pytest.mark.parametrize("coding", [None, "", "identity", " Identity "])
def test_a_plain_answer(coding: str | None) -> None:
    """An answer that is not packed is what came, however it was cut."""
    assert read(b"ab", b"", b"c", coding=coding) == b"abc"


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", " GZIP"])
@pytest.mark.parametrize("at_once", [1, 7, 10_000])
def test_a_packed_answer(monkeypatch: pytest.MonkeyPatch, coding: str, at_once: int) -> None:
    """It is unpacked a little at a time, however it was cut."""
    monkeypatch.setattr(answers, "_UNPACKED_AT_ONCE", at_once)
    assert read(PACKED, coding=coding) == read(*(bytes([byte]) for byte in PACKED), coding=coding) == b"a" * 900


@pytest.mark.parametrize(
    ("pieces", "coding"),
    [
        ((PACKED,), "br"),
        ((PACKED,), "gzip, gzip"),
        ((PACKED,), "deflate"),
        ((b"plain",), "gzip"),
        ((PACKED[:-1],), "gzip"),
        ((PACKED, b"x"), "gzip"),
        ((PACKED + PACKED,), "gzip"),
        ((), "gzip"),
        ((zlib.compress(b"a"),), "gzip"),
    ],
)
def test_an_answer_that_cannot_be_unpacked(pieces: tuple[bytes, ...], coding: str) -> None:
    """Only whole gzip is taken, and one of it: nothing half unpacked is ever read."""
    with pytest.raises(httpx.DecodingError):
        read(*pieces, coding=coding)


def test_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer may be as large as its limit and not larger, packed or not; the message tells the limit and the request."""
    mib = 1024 * 1024
    monkeypatch.setattr(answers, "_LARGE", 2 * mib)
    monkeypatch.setattr(answers, "MAX_ANSWER", 3 * mib)
    assert len(read(b"x" * mib, b"x" * mib)) == 2 * mib
    for pieces, coding in (((b"x" * 2 * mib, b"x"), None), ((gzip.compress(b"x" * (2 * mib + 1)),), "gzip")):
        with pytest.raises(ApiSurprise, match="E-TOO-LARGE: GET /x: the answer is larger than 2 MiB"):
            read(*pieces, coding=coding)
    assert len(answers.in_turn(lambda: read(b"x" * 3 * mib))) == 3 * mib
    with pytest.raises(ApiSurprise, match="E-TOO-LARGE: GET /x: the answer is larger than 3 MiB"):
        answers.in_turn(lambda: read(b"x" * 3 * mib, b"x"))
    monkeypatch.setattr(answers, "MAX_ANSWER", mib)
    with pytest.raises(ApiSurprise, match="larger than 1 MiB"):
        read(b"x" * mib, b"x")


def test_row_E16_a_turn_ends_with_what_was_read() -> None:
    """Afterwards what this thread reads is small again, and another thread has its turn."""
    for _ in range(2):
        assert len(answers.in_turn(lambda: read(b"x" * 5000))) == 5000
        with pytest.raises(ApiSurprise):
            read(b"x" * 5000)
    assert answers._TURN.acquire(blocking=False)
    answers._TURN.release()
    assert len(answers.in_turn(lambda: read(b"x" * 1000))) == 1000  # small: no turn is taken, none is given back
    assert not answers._TURN.locked()


def test_how_much_an_answer_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list 128 MiB, anything else 16 MiB, to a thread that never asked for a list too."""
    monkeypatch.undo()
    mib = b"x" * (1024 * 1024)
    assert len(read(*[mib] * 16)) == 16 * len(mib)
    with pytest.raises(ApiSurprise, match="larger than 16 MiB"):
        read(*[mib] * 16, b"x")
    assert len(answers.in_turn(lambda: read(*[mib] * 128))) == 128 * len(mib)
    with pytest.raises(ApiSurprise, match="larger than 128 MiB"):
        answers.in_turn(lambda: read(*[mib] * 128, b"x"))
    monkeypatch.setattr(answers, "_LARGE", 1000)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ApiSurprise):
        pool.submit(read, b"x" * 1001).result()


def test_what_was_packed_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What gzip takes up again from 32 kB before is unpacked, too."""
    monkeypatch.setattr(answers, "_UNPACKED_AT_ONCE", 1000)
    monkeypatch.setattr(answers, "_LARGE", 100_000)
    data = random.Random(1).randbytes(20_000) * 2
    assert read(gzip.compress(data), coding="gzip") == data


# ----------------------------------------------------------------------------------------------------------- its headers


@pytest.mark.parametrize(
    ("headers", "total"),
    [
        ({}, None),
        ({"X-Total-Count": "5"}, 5),
        ({"X-Total": " 0 "}, 0),
        ({"X-Total": "5", "X-Total-Count": "7"}, 7),
        ({"X-Total": "7", "X-Total-Count": "5"}, 7),
        ({"Content-Range": "items 0-4/12"}, 12),
        ({"Content-Range": "items 0-4/*"}, None),
        ({"Content-Range": "12"}, 12),
        ({"X-Total": "-5"}, None),
        ({"X-Total": "5.0"}, None),
        ({"X-Total": "many", "X-Total-Count": "5"}, 5),
        ({"X-Total": "9" * 17}, int("9" * 17)),
        ({"X-Total": "9" * 18}, None),
        ({"X-Total": "\xb2"}, None),
    ],
)
def test_how_many_rows_a_list_says_it_has(headers: dict[str, str], total: int | None) -> None:
    """The largest number that a header tells; what is not a number tells nothing."""
    encoded = [(name.encode(), text.encode("latin-1")) for name, text in headers.items()]
    listing = answers.Listing.of(httpx.Headers(encoded), b"[]")
    assert (listing.data, listing.total) == (b"[]", total)


@pytest.mark.parametrize(
    ("headers", "announced"),
    [
        ({}, ""),
        ({"Link": '<https://h/?page=2>; rel="next"'}, "Link"),
        ({"Link": "<https://h/?page=2>;rel=next"}, "Link"),
        ({"Link": "<https://h/?page=2>; REL = 'prev next'"}, "Link"),
        ({"Link": '<https://h/a>; rel="prev", <https://h/b>; title="x"; rel="next"'}, "Link"),
        ({"Link": '<https://h/?rel=next>; rel="prev"'}, ""),
        ({"Link": "<https://h/>; rel=nextpage"}, ""),
        ({"Link": "<https://h/>; title=next"}, ""),
        ({"Link": "<a;rel=next>; rel=last"}, ""),
        ({"X-Next-Page": "2"}, "X-Next-Page"),
        ({"X-Next-Page": " "}, ""),
    ],
)
def test_whether_a_list_goes_on(headers: dict[str, str], announced: str) -> None:
    """The header that announces another page; what only looks like it in an address does not."""
    assert answers.Listing.of(httpx.Headers(headers), b"").next_page == announced


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": " "}, None),
        ({"Retry-After": " 7 "}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "9" * 500}, 999_999_999_999.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-7"}, None),
        ({"Retry-After": "\xb2"}, None),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT", "Date": "Thu, 01 Jan 1970 00:01:00 GMT"}, 40.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT", "Date": "Thu, 01 Jan 1970 00:02:00 GMT"}, 0.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:01:40 GMT"}, 0.0),  # long ago by our clock
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds or a date, which counts from the server's own; anything else asks for nothing."""
    assert answers.retry_after(headers and {name.lower(): text for name, text in headers.items()}) == seconds


def test_a_date_by_our_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not say what time it is: the date counts from ours."""
    monkeypatch.setattr(time, "time", lambda: 90.0)
    assert answers.retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}) == 10.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Thu, 01 Jan 1970 00:01:40 GMT", 100.0),
        ("Thu, 01 Jan 1970 01:01:40 +0100", 100.0),
        ("Thu, 01 Jan 1970 00:01:40", 100.0),
        ("Thu, 01 Jan 1970 00:01:40 -0000", 100.0),
        ("", None),
        ("tomorrow", None),
        ("Thu, 99 Jan 1970 00:01:40 GMT", None),
        ("Thu, 01 Jan 99999 00:01:40 GMT", None),
        ("Thu, 01 Jan 1970 00:01:40 +99999999999999999", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 253402387139.0),
        (" " * 100 + "Thu, 01 Jan 1970 00:01:40 GMT", None),
    ],
)
def test_dates(text: str, seconds: float | None) -> None:
    """A date of HTTP, in UTC where it names no zone; no text of a server is an error of ours."""
    assert answers.http_date(text) == seconds


def test_a_date_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever this machine stands."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        seconds = answers.http_date("Thu, 01 Jan 1970 00:01:40")
    time.tzset()
    assert seconds == 100.0


@pytest.mark.parametrize(
    ("content_type", "body", "page"),
    [
        ("text/html; charset=utf-8", b"", True),
        ("application/XHTML+xml", b"[]", True),
        ("", b"\xef\xbb\xbf \t\r\n<!doctype html>", True),
        ("application/json", b"<", True),
        ("", b"[1]", False),
        ("application/json", b"", False),
        ("application/json", b'{"a": "<"}', False),
        ("", b" " * 199 + b"<", True),
        ("", b" " * 200 + b"<", False),
    ],
)
def test_a_page_is_no_answer(content_type: str, body: bytes, page: bool) -> None:
    """HTML by what it says it is, or by how it begins."""
    assert answers.is_page({"content-type": content_type} if content_type else {}, body) is page


# ---------------------------------------------------------------------------------------------------- what it says


@pytest.mark.parametrize(
    ("status", "headers", "error", "message"),
    [
        (401, {}, ApiDenied, "E-DENIED: GET /x: the API does not know the token (401): why"),
        (403, {}, ApiDenied, "E-DENIED: GET /x: the token has no right to this (403): why"),
        (300, {}, ApiSurprise, "E-REDIRECT: GET /x: redirected to elsewhere; "),
        (399, {"location": "https://u:pw@Other:1/p?t=pw"}, ApiSurprise, "E-REDIRECT: GET /x: redirected to other; "),
        (302, {"location": "https://[/"}, ApiSurprise, "E-REDIRECT: GET /x: redirected to elsewhere; "),
        (302, {"location": "/login"}, ApiSurprise, "E-REDIRECT: GET /x: redirected to elsewhere; "),
        (429, {}, ApiUnreachable, "E-UNREACHABLE: GET /x: the API answers 429 again and again: why"),
        (429, {"retry-after": "300"}, ApiUnreachable, "E-UNREACHABLE: GET /x: the API answers 429 again and again: why"),
        (429, {"retry-after": "301"}, ApiUnreachable, "E-UNREACHABLE: GET /x: the API asks to come back in 301 s (429): why"),
        (500, {}, ApiUnreachable, "E-UNREACHABLE: GET /x: the API answers 500 again and again: why"),
        (503, {"retry-after": "301"}, ApiUnreachable, "E-UNREACHABLE: GET /x: the API answers 503 again and again: why"),
        (204, {}, ApiSurprise, "E-ANSWER: GET /x: the API answered 204, not 200"),
        (299, {}, ApiSurprise, "E-ANSWER: GET /x: the API answered 299, not 200"),
        (400, {}, ApiRejected, "E-REJECTED: GET /x: the API refused (400): why"),
        (407, {}, ApiRejected, "E-REJECTED: GET /x: the API refused (407): why"),
        (408, {}, ApiUnreachable, "E-UNREACHABLE: GET /x: the API answers 408 again and again: why"),
        (409, {}, ApiRejected, "E-REJECTED: GET /x: the API refused (409): why"),
        (428, {}, ApiRejected, "E-REJECTED: GET /x: the API refused (428): why"),
        (499, {}, ApiRejected, "E-REJECTED: GET /x: the API refused (499): why"),
    ],
)  # fmt: skip
def test_what_a_refusal_means(status: int, headers: dict[str, str], error: type, message: str) -> None:
    """Each status but success is one error with its own words; a redirect names the host and nothing else of it."""
    refusal = answers.refusal("GET", "/x", status, headers, ": why")
    assert type(refusal) is error and str(refusal).startswith(message)
    assert not isinstance(refusal, ApiRejected) or refusal.status == status


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", ""),
        (b" plain words \n", ": plain words"),
        (b'{"error": " no "}', ": no"),
        (b'{"message": "m", "error": "e"}', ": e"),
        (b'{"title": "t", "detail": "d", "message": "m"}', ": m"),
        (b'{"title": "t", "detail": "d"}', ": d"),
        (b'{"error": "", "title": "t"}', ": t"),
        (b'{"error": {"message": "inner", "code": 7}}', ": inner"),
        (b'{"error": {"code": 7}}', ': {"code": 7}'),
        (b'{"error": {}, "code": "\xc3\xa9"}', ': {"error": {}, "code": "\xe9"}'),
        (b"[1, 2]", ": [1, 2]"),
        (b"7", ": 7"),
        (b"[" * 15_000, ": " + "[" * 500),
        (b"\xff\xfe", ": \ufffd\ufffd"),
        (b"x" * 501, ": " + "x" * 500),
        (b" " * 20_000 + b"x", ""),
        (b" " * 19_999 + b"xy", ": x"),
    ],
)
def test_what_a_server_says(body: bytes, expected: str) -> None:
    """Its own sentence, out of the JSON around it, and not at any length."""
    assert answers.redacted(JSON, body, None, []) == expected


def test_a_page_says_nothing() -> None:
    """The text of a web page is not shown."""
    assert answers.redacted({"content-type": "text/HTML"}, b"words", None, []) == ""


SENT = SecretUrl("wss://u:p%40ss+wrd@h/?k=abc&s=é%22")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bad token tok-123", "bad token ***"),
        ("bad p%40ss+wrd", "bad ***"),
        ("bad p@ss+wrd", "bad ***"),
        ("bad p@ss wrd", "bad ***"),
        ("k abc xabc abcd ABC", "k *** xabc abcd ABC"),
        ('s "é%22" é" x', 's "***" *** x'),
        ('{"s": "é\\"", "t": "\\u00e9\\""}', '{"s": "***", "t": "***"}'),
        ("see wss://a:b@h/?q=1", "see wss://a:***@h/?q=***"),
        ("nothing", "nothing"),
    ],
)
def test_no_text_holds_what_was_sent(text: str, expected: str) -> None:
    """Servers quote what they refuse, decoded or inside JSON: token and secrets are found in each of their spellings."""
    assert answers.without_secrets(text, "tok-123", [SENT]) == expected


@pytest.mark.parametrize(
    ("secret", "text", "expected"),
    [
        ("abc", "abc xabc abcx", "*** xabc abcx"),
        ("abcd", "abcd xabcdx", "*** x***x"),
        ("a.c", "a.c abc", "*** abc"),
        ("ab/cd", '"ab\\/cd"', '"***"'),
        ("abcd", "abcdabcdx", "******x"),
        ("", "text", "text"),
    ],
)
def test_short_secrets_are_whole_words(secret: str, text: str, expected: str) -> None:
    """A secret of three characters is found where it stands alone, a longer one wherever it stands."""
    assert answers.without_secrets(text, secret) == expected


def test_the_longest_secret_first() -> None:
    """A secret that holds another one is masked as a whole."""
    sent = [SecretUrl("wss://u:abcd@h/"), SecretUrl("wss://u:abcdefgh@h/")]
    assert answers.without_secrets("abcdefgh abcd", None, sent) == "*** ***"
    sent = [SecretUrl(f"wss://u:{'abcdefghijklmn'[-length:]}@h/") for length in range(4, 15)]
    assert answers.without_secrets("abcdefghijklmn", None, sent) == "***"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (httpx.ProxyError("407 Proxy tok-123"), "the proxy refused the connection (407)"),
        (httpx.ProxyError("no"), "the proxy refused the connection"),
        (httpx.ProxyError(""), "the proxy refused the connection"),
        (httpx.ProxyError("\xb2\xb2\xb2"), "the proxy refused the connection"),
        (httpx.LocalProtocolError("tok-123"), "the request could not be built"),
        (httpx.RemoteProtocolError("tok-123"), "the answer is not HTTP, or was cut off"),
        (httpx.DecodingError("tok-123"), "the answer could not be unpacked"),
        (httpx.ConnectTimeout("tok-123"), "no connection in time"),
        (httpx.ReadTimeout("tok-123"), "no whole answer in time"),
        (httpx.WriteTimeout("tok-123"), "the request could not be sent in time"),
        (httpx.PoolTimeout("tok-123"), "no connection in time"),
        (httpx.ConnectError("[Errno 111] Connection refused"), "Connection refused"),
        (httpx.ConnectError("[Errno -2] Name or service not known"), "Name or service not known"),
        (httpx.ReadError(""), "ReadError"),
        (OSError("[Errno x] y"), "[Errno x] y"),
        (ValueError("tok-123"), "ValueError"),
    ],
)
def test_why_a_request_failed(error: Exception, words: str) -> None:
    """In our own words, or the system's; what the other side sent is not quoted."""
    assert answers.reason(error) == words


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (httpx.LocalProtocolError("x"), True),
        (httpx.ConnectError("[SSL: certificate_verify_failed]"), True),
        (httpx.ConnectError("Connection refused"), False),
        (httpx.RemoteProtocolError("x"), False),
    ],
)
def test_what_is_not_tried_again(error: Exception, final: bool) -> None:
    """TLS that fails once fails always, and so does a request that cannot be built."""
    assert answers.is_final(error) is final
