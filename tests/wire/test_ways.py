"""The way to the API: names, proxies, whom to trust, and what errors say of it."""

import contextlib
import gzip
import json
import socket
import ssl
import sys
import threading
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from exolink_reconcile import secret_url
from exolink_reconcile.errors import ApiError, ApiSurprise, ApiUnreachable, InputError, NoClearAnswer
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import answers, live_state, names, trust, urls
from exolink_reconcile.live.api import Api

TENANT, CPMS, CHARGER = KINDS
TOKEN = "canary-5d1f0c7e"
HOST = "https://api.example.com"


# --------------------------------------------------------------------------------------------------------------- names


@contextlib.contextmanager
def silent_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A look-up that does not end before the block does."""
    asked: list[str] = []
    ended = threading.Event()

    def getaddrinfo(host: str, *args: Any, **options: Any) -> object:
        asked.append(host)
        ended.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        yield asked
    finally:
        ended.set()


def test_row_C8_the_look_up_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer ends a request in its time, and its thread keeps nobody from ending."""
    with silent_name_server(monkeypatch) as asked, Api(HOST, token=TOKEN, timeout=0.05, sleep=lambda s: None) as api:
        with pytest.raises(ApiUnreachable, match="no connection in time"):
            api.list(CPMS, "acme")
        waiting = [thread for thread in threading.enumerate() if thread.name == "name-look-up"]
        assert len(asked) == 1 and [thread.daemon for thread in waiting] == [True]


def test_row_C8_a_create_whose_host_is_not_known_never_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address nothing was sent: no write is in doubt."""
    with silent_name_server(monkeypatch), Api(HOST, token=TOKEN, timeout=0.05, sleep=lambda s: None) as api:
        with pytest.raises(ApiUnreachable):
            api.create(CPMS, "acme", {"displayName": "A"})


def test_a_name_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own words say what is wrong with a name."""

    def getaddrinfo(*args: Any, **options: Any) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with Api(HOST, token=TOKEN, sleep=lambda s: None) as api, pytest.raises(ApiUnreachable) as caught:
        api.list(CPMS, "acme")
    assert "Name or service not known (no connection to https://api.example.com" in caught.value.summary


def test_an_address_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address needs no name server; a name has all its addresses, each once, in order."""
    entries = [(0, 0, 0, "", (address, 443)) for address in ("192.0.2.1", "2001:db8::1", "192.0.2.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: entries)
    assert names.look_up("2001:db8::7", 443, 1.0) == ("2001:db8::7",)
    assert names.look_up("h", 443, 1.0) == ("192.0.2.1", "2001:db8::1")


# ------------------------------------------------------------------------------------------------------------- proxies


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({"HTTPS_PROXY": "proxy.lan:3128"}, "http://proxy.lan:3128"),
        ({"https_proxy": "http://low:1", "HTTPS_PROXY": "http://high:1"}, "http://low:1"),
        ({"ALL_PROXY": "http://all:1"}, "http://all:1"),
        ({"all_proxy": "all:1", "HTTPS_PROXY": "https://own:1"}, "https://own:1"),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "all:1"}, "http://all:1"),
        ({"HTTPS_PROXY": "u:p%40@proxy.lan"}, "http://u:p%40@proxy.lan:1080"),
        ({"HTTPS_PROXY": "[::1]:3128/"}, "http://[::1]:3128/"),
        ({"HTTP_PROXY": "http://plain:1"}, None),
        ({"HTTPS_PROXY": "p:1", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "p:1", "NO_PROXY": "other.com, .example.com"}, None),
        ({"HTTPS_PROXY": "p:1", "no_proxy": "EXAMPLE.com"}, None),
        ({"HTTPS_PROXY": "p:1", "no_proxy": "api.example.com:443"}, None),
        ({"HTTPS_PROXY": "p:1", "no_proxy": "api.example.com:8443 ample.com"}, "http://p:1"),
        ({"HTTPS_PROXY": "p:1", "no_proxy": "other", "NO_PROXY": "*"}, "http://p:1"),
    ],
)  # fmt: skip
def test_row_C9_proxies_as_curl_reads_them(environment: Mapping[str, str], proxy: str | None) -> None:
    """Which proxy is meant, for a host behind https."""
    named = urls.proxy_for(HOST, environment)
    assert (named.url if named else None) == proxy


@pytest.mark.parametrize(("host", "exempt"), [("https://10.1.2.3", True), ("https://[2001:db8::5]:8443", True), ("https://10.2.0.1", False)])  # fmt: skip
def test_row_C9_networks_without_a_proxy(host: str, exempt: bool) -> None:
    """NO_PROXY takes addresses and networks as well as names."""
    assert (urls.proxy_for(host, {"ALL_PROXY": "p:1", "NO_PROXY": "10.1.0.0/16,2001:db8::/32"}) is None) is exempt


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1080", "socks4a://u:hunter2@h:1", "ftp://h:1", "http://", "h:hunter2", "http://u:hunter2@h:99999", "http://h:1/path", "h h:1", "h:0"])  # fmt: skip
def test_row_C9_a_proxy_that_cannot_be_used(variable: str, value: str) -> None:
    """It is an error that names the variable and never quotes a password: nothing goes past a proxy in silence."""
    with pytest.raises(InputError) as caught:
        urls.proxy_for(HOST, {variable: value})
    assert caught.value.code == "E-PROXY" and variable in caught.value.summary and "hunter2" not in str(caught.value)


def test_row_C9_the_proxy_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is named: a proxy that does not listen is not the API's address. Its password stays secret."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"ops:hunter2@127.0.0.1:{port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with Api(HOST, token=TOKEN, sleep=lambda s: None) as api, pytest.raises(ApiUnreachable) as caught:
        api.list(CPMS, "acme")
    assert f"127.0.0.1:{port}" in caught.value.summary and "HTTPS_PROXY" in caught.value.summary
    assert "--api-url" not in caught.value.summary and "hunter2" not in caught.value.summary


# --------------------------------------------------------------------------------------------------------------- trust


def test_row_C9_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    """The option or variable that names what cannot be used is the one that is blamed."""
    text = tmp_path / "text"
    text.write_text("no certificates in here")
    wrong: list[tuple[str | None, dict[str, str], str]] = [
        (None, {"SSL_CERT_FILE": str(file)}, "SSL_CERT_FILE") for file in (tmp_path / "gone", tmp_path, text)
    ]
    wrong += [(None, {"SSL_CERT_DIR": f"{tmp_path}:{file}"}, "SSL_CERT_DIR") for file in (tmp_path / "gone", text)]
    wrong += [(str(file), {"SSL_CERT_FILE": "/gone"}, "--ca-file") for file in (tmp_path / "gone", text)]
    for option, environment, culprit in wrong:
        with pytest.raises(InputError) as caught:
            trust.context(option, environment)
        assert caught.value.code == "E-CA-FILE" and caught.value.summary.startswith(culprit), caught.value.summary


def test_the_systems_trust_store(tmp_path: Path) -> None:
    """Without a word from the user it is the system's, imported only then; a named folder or file is used instead."""
    assert type(trust.context(None, {})).__module__.startswith(("truststore", "ssl"))
    assert trust.context(None, {"SSL_CERT_DIR": str(tmp_path)}).verify_mode is ssl.CERT_REQUIRED
    import certifi

    named = trust.context(None, {"SSL_CERT_FILE": certifi.where(), "SSL_CERT_DIR": str(tmp_path)})
    assert named.check_hostname and named.cert_store_stats()["x509_ca"] > 50


# ------------------------------------------------------------------------------------------------------ what is quoted


def api_of(answer: Any) -> Api:
    def respond(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return cast(httpx.Response, answer)

    return Api("http://x.invalid", token=TOKEN, transport=lambda: httpx.MockTransport(respond), sleep=lambda s: None)


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


@pytest.mark.parametrize("text", ["a" * 20_000, "a" * 19_990 + "://x", "A+" * 10_000, "wss://" * 3_000, "x" * 99 + "wss://u:hunter2@h/?t=hunter2"], ids=["letters", "almost", "plus", "urls", "long"])  # fmt: skip
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


@pytest.mark.parametrize("data", [gzip.compress(b"[]")[:-1], gzip.compress(b"[]") * 2, gzip.compress(b"[]") + b"x", zlib.compress(b"[]"), b""], ids=["cut", "two", "more", "zlib", "nothing"])  # fmt: skip
def test_row_E16_what_is_not_one_whole_answer(data: bytes) -> None:
    """A packed answer that is cut off, or followed by another one, is no answer."""
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


@pytest.mark.parametrize("text", [b"[" + b"{}," * 300_000 + b"{}]", b"[" + b"{}," * 1_100_000 + b"{}]", b"[" * 1_000_000, b'[{"id":1,"displayName":"' + b"x" * 70_000 + b'"}]'], ids=["some", "too many", "deep", "huge"])  # fmt: skip
def test_row_E16_the_first_bad_row_says_it_all(text: bytes) -> None:
    """A list of a million rows that are none, or of one that is huge, ends at once, in one sentence."""
    with api_of(httpx.Response(200, content=text)) as api, pytest.raises(ApiSurprise, match="E-BAD-LIST") as caught:
        live_state.read_list(api, CPMS, "acme")
    assert len(caught.value.summary) < 500


def test_nothing_of_this_is_imported_early() -> None:
    """The trust store is imported when a connection over TLS is made, not before."""
    import subprocess

    code = "import sys, exolink_reconcile.live.connection; print(json.dumps([m in sys.modules for m in ('truststore', 'websockets')]))"
    ran = subprocess.run([sys.executable, "-c", f"import json; {code}"], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [False, False]
