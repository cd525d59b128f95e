"""The only sender: what it sends where, what it sends again, and how long it waits."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_wire import (
    TOKEN,
    VERBS,
    Answer,
    Script,
    ask,
    every_verb,
    reads,
    rows,
    serving,
)

from exolink_reconcile import __version__
from exolink_reconcile.errors import (
    ApiDenied,
    ApiError,
    ApiRejected,
    ApiSurprise,
    ApiUnreachable,
    InputError,
    NoClearAnswer,
)
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import answers, pace
from exolink_reconcile.live.api import Api, Exchange, Watch
from exolink_reconcile.secret_url import SecretUrl

TENANT, CPMS, CHARGER = KINDS


# --------------------------------------------------------------------------------------------------------- one origin


@every_verb
def test_what_is_sent(verb: str) -> None:
    """Every request has the token, asks for JSON, and has a body with its content type where it has one at all."""
    script = Script(httpx.Response(200, content=b"[]"))
    ask(verb, script)
    [request] = script.requests
    assert request.headers["authorization"] == f"Bearer {TOKEN}" and request.headers["accept"] == "application/json"
    assert (
        (request.headers.get("content-type") == "application/json")
        is bool(request.content)
        is (verb in ("create", "update"))
    )
    assert request.url.query == b"" and str(request.url).startswith("http://x.invalid/tenant/acme/cpms")


def test_a_secret_goes_over_the_wire_as_it_is() -> None:
    """A secret URL is revealed in the body, and only there."""
    script = Script(200)
    ask("update", script)
    assert script.requests[0].content == b'{"url": "wss://u:p@h/"}'


@every_verb
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_refused(verb: str, status: int) -> None:
    """A redirect is never followed, so the token goes to no other place; the message says where it pointed."""
    script = Script(httpx.Response(status, headers={"location": "https://evil.example.com/x?token=1"}))
    with pytest.raises(ApiError) as caught:
        ask(verb, script)
    assert len(script.requests) == 1 and isinstance(caught.value, NoClearAnswer if verb == "create" else ApiSurprise)
    assert TOKEN not in caught.value.summary and "?token" not in caught.value.summary


def test_a_base_path_is_kept() -> None:
    """An API below a path is asked below that path."""
    script = Script(rows())
    with script.api("http://x.invalid/api/v1/") as api:
        api.list(CPMS, "acme")
    assert script.requests[0].url.path == "/api/v1/tenant/acme/cpms"


@pytest.mark.parametrize("tenant", ["..", ".", "", "../x", "a/b", "a/../../b", "a?b", "a#b", "a%2fb", "a\\b", "a b", "a\r\nX: y", "@evil.com", "//evil.com", "é"])  # fmt: skip
def test_a_tenant_is_one_segment(tenant: str) -> None:
    """Whatever a tenant is called, it is one segment of the path, or nothing is sent."""
    script = Script(rows())
    with script.api() as api, contextlib.suppress(ApiSurprise):
        api.list(CPMS, tenant)
    for request in script.requests:
        parts = request.url.raw_path.split(b"/")
        assert request.url.host == "x.invalid" and b"?" not in request.url.raw_path
        assert (len(parts), parts[:2], parts[3:]) == (4, [b"", b"tenant"], [b"cpms"]) and parts[2] not in (
            b"",
            b".",
            b"..",
        )


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.text(alphabet="./%2eF\\?#@:", max_size=6)
)
def test_no_name_climbs(tenant: str) -> None:
    """For any text at all: one host, one segment."""
    test_a_tenant_is_one_segment(tenant)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.exolink.cloud", "http://192.168.1.4", "http://0.0.0.0", "http://localhost.evil.com", "http://127.0.0.1.evil.com",
        "http://[::2]", "HTTP://api.exolink.cloud", "http://2130706433", "http://127.1", "ftp://h", "//h", "h", "",
        "https://user:pw@h", "https://user@h", "https://h?x=1", "https://h#x", "https://", "https://h:99999", "https://h:0",
        "https://h h", "https://h\n", "http://localhost@evil.com", "http://evil.com#localhost", "file:///etc/passwd",
        "https://a..b", "https://.", "https://" + 64 * "a", "https://xn--zzzzzzzz.invalid",
    ],
)  # fmt: skip
def test_no_place_to_send_a_token_to(url: str) -> None:
    """Clear text goes to loopback only, and anything that is not plainly an origin is refused before a request."""
    with pytest.raises(InputError):
        Api(url, token=TOKEN)


@pytest.mark.parametrize("url", ["http://localhost", "http://LOCALHOST:8480/", "http://127.0.0.1:1", "http://127.8.9.1", "http://[::1]:80", "https://api.exolink.cloud/v1"])  # fmt: skip
def test_places_that_are_fine(url: str) -> None:
    """Loopback may be http, everything else https."""
    Api(url, token=TOKEN).close()


def test_the_environment_redirects_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is never used for loopback, and .netrc credentials never replace the token."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]") as (url, _), Api(url, token=TOKEN) as api:
        assert (api.proxy, api.list(CPMS, "acme").data) == (None, b"[]")


# ------------------------------------------------------------------------------------------------------ sending again


TROUBLE = [500, 502, 503, 504, httpx.ReadTimeout("slow"), httpx.ReadError("reset"), httpx.RemoteProtocolError("closed")]


@reads
@pytest.mark.parametrize("trouble", TROUBLE, ids=str)
def test_what_may_be_repeated(verb: str, trouble: Answer) -> None:
    """A read that met trouble is sent again, with a pause, a few times."""
    script = Script(trouble, trouble, httpx.Response(200, content=b"[]"))
    ask(verb, script)
    assert len(script.requests) == 3 and len(script.waits) == 2
    assert len({(r.method, r.url, r.content) for r in script.requests}) == 1


@reads
@pytest.mark.parametrize("trouble", TROUBLE, ids=str)
def test_it_ends(verb: str, trouble: Answer) -> None:
    """It is not sent for ever: a read ends as unreachable."""
    script = Script(trouble)
    with pytest.raises(ApiUnreachable):
        ask(verb, script)
    assert len(script.requests) == 4 and sum(script.waits) < 10


@pytest.mark.parametrize("verb", ["create", "update", "delete"])
@pytest.mark.parametrize("trouble", [*TROUBLE, httpx.WriteTimeout("slow"), httpx.WriteError("reset")], ids=str)
def test_a_write_in_doubt_is_not_sent_again_here(verb: str, trouble: Answer) -> None:
    """A write that may have arrived is sent once: whether it happened is for reading to tell."""
    script = Script(trouble, 201)
    with pytest.raises(NoClearAnswer) as caught:
        ask(verb, script)
    assert len(script.requests) == 1 and caught.value.exit_code == 9


def test_who_asks_whether_to_repeat_pauses() -> None:
    """A write in doubt may be tried again a few times, each after a longer pause, or as long as the answer asked for."""
    script = Script(200)
    with script.api() as api:
        error = NoClearAnswer("E-AMBIGUOUS", "500")
        assert [api.may_repeat(number, error) for number in (1, 2, 3, 4)] == [True, True, True, False]
        assert [low <= wait <= 2 * low for wait, low in zip(script.waits, (0.125, 0.25, 0.5), strict=True)] == [
            True
        ] * 3
        assert api.may_repeat(1, NoClearAnswer("E-AMBIGUOUS", "503", retry_after="2"))
        api.list(CPMS, "acme")
    assert 1.5 < sum(script.waits[3:]) <= 2


class Stopped(Exception):
    """What a caller raises who does not want a request to leave."""


@pytest.mark.parametrize("verb", ["create", "update", "delete"])
def test_row_F12_who_sends_is_asked_right_before(verb: str) -> None:
    """Right before each request leaves its sender is asked, also after a pause: what raises there is not sent."""
    script = Script(throttled("1"), 200)
    waits_at: list[int] = []

    def leaving() -> None:
        waits_at.append(len(script.waits))
        if len(waits_at) == 2:
            raise Stopped

    calls: dict[str, Callable[[Api], object]] = {
        "create": lambda api: api.create(CPMS, "acme", {"displayName": "A"}, Watch(leaving)),
        "update": lambda api: api.update(CPMS, "acme", 7, {"displayName": "A"}, Watch(leaving)),
        "delete": lambda api: api.delete(CPMS, "acme", 7, Watch(leaving)),
    }
    with script.api() as api, pytest.raises(Stopped):
        calls[verb](api)
    assert len(script.requests) == 1 and waits_at[0] == 0 < waits_at[1]


@every_verb
@pytest.mark.parametrize("trouble", [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow")], ids=str)
def test_what_never_left(verb: str, trouble: Answer) -> None:
    """Without a connection nothing left: even a create is tried again, and in the end no write is in doubt."""
    script = Script(trouble, trouble, httpx.Response(200, content=b"[]"))
    ask(verb, script)
    assert len(script.requests) == 3
    with pytest.raises(ApiUnreachable):
        ask(verb, Script(trouble))


@every_verb
@pytest.mark.parametrize(
    "trouble",
    [httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), httpx.LocalProtocolError("Illegal header")],
    ids=["tls", "request"],
)
def test_what_fails_always(verb: str, trouble: Answer) -> None:
    """A certificate that is not trusted, or a request that cannot be built, is not tried again."""
    script = Script(trouble)
    with pytest.raises(
        ApiUnreachable if verb in ("list", "get") or isinstance(trouble, httpx.ConnectError) else ApiError
    ):
        ask(verb, script)
    if verb in ("list", "get") or isinstance(trouble, httpx.ConnectError):
        assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("self-signed certificate", "--ca-file FILE"),
        ("Hostname mismatch, certificate is not valid for 'api'.", "is --api-url right?"),
        ("IP address mismatch, certificate is not valid for '10.0.0.1'.", "is --api-url right?"),
        ("certificate has expired", "must renew it"),
    ],
)
def test_what_helps_with_a_certificate(words: str, advice: str) -> None:
    """Another CA to trust is advised only where it would help."""
    trouble = httpx.ConnectError(f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {words} (_ssl.c:1006)")
    with pytest.raises(ApiUnreachable) as caught:
        ask("list", Script(trouble))
    assert [hint for hint in ("--ca-file", "--api-url", "renew") if hint in caught.value.summary] == [
        hint for hint in ("--ca-file", "--api-url", "renew") if hint in advice
    ]


def test_pauses_grow() -> None:
    """The pause doubles with each try, and no two clients wait alike."""
    for _ in range(5):
        script = Script(500)
        with pytest.raises(ApiUnreachable):
            ask("list", script)
        assert [low <= wait <= 2 * low for wait, low in zip(script.waits, (0.125, 0.25, 0.5))] == [True] * 3
        assert len(set(script.waits)) == 3


def test_retries_have_a_budget() -> None:
    """An API in trouble is not burdened for ever: after fifty retries each request is tried once."""
    script = Script(500)
    with script.api() as api:
        for _ in range(30):
            with pytest.raises(ApiUnreachable):
                api.list(CPMS, "acme")
        assert 60 < len(script.requests) <= 90
        sent = len(script.requests)
        with pytest.raises(ApiUnreachable):
            api.list(CPMS, "acme")
        assert len(script.requests) == sent + 1


def test_the_budget_grows_with_the_work() -> None:
    """A long run may retry a tenth of its requests, and being throttled does not count as a retry."""
    script = Script(*([500, rows()] * 50), *(rows() for _ in range(900)), *([500, rows()] * 40))
    with script.api() as api:
        for _ in range(990):
            api.list(CPMS, "acme")
    script = Script(*([throttled("0"), rows()] * 200), 500, rows())
    with script.api() as api:
        for _ in range(201):
            api.list(CPMS, "acme")


@pytest.mark.parametrize("trouble", [500, 429, httpx.ReadTimeout("slow"), httpx.ConnectError("refused")], ids=str)
@every_verb
def test_in_a_hurry(verb: str, trouble: Answer) -> None:
    """Somebody who asked it to stop does not wait for pauses: each request is tried once."""
    script = Script(trouble)
    with script.api() as api:
        api.hurry(1.0)
        with pytest.raises(ApiError):
            VERBS[verb](api)
    assert (len(script.requests), script.waits) == (1, [])


@pytest.mark.parametrize(("timeout", "hurried"), [(60.0, 0.3), (0.3, 60.0)])
def test_a_hurry_never_waits_longer(timeout: float, hurried: float) -> None:
    """From then on a request has the shorter of both times."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with Api(f"http://127.0.0.1:{silent.getsockname()[1]}", token=TOKEN, timeout=timeout) as api:
            api.hurry(hurried)
            with pytest.raises(ApiUnreachable, match="no whole answer in time"):
                api.list(CPMS, "acme")


@reads
def test_a_read_that_cannot_be_unpacked(verb: str) -> None:
    """An answer that cannot be unpacked does not count: it is asked for again, and then the API is unreachable."""
    broken = lambda: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))  # noqa: E731  # one expression
    script = Script(broken(), rows())
    assert ask(verb, script) in (b"[]", answers.Listing(b"[]"))
    with pytest.raises(ApiUnreachable):
        ask(verb, Script(*(broken() for _ in range(5))))


MEANING = [
    (199, "list", "E-ANSWER"), (204, "list", "E-ANSWER"), (299, "list", "E-ANSWER"),
    (300, "list", "E-REDIRECT"), (399, "list", "E-REDIRECT"), (400, "list", "E-REJECTED"), (404, "list", "E-REJECTED"), (499, "list", "E-REJECTED"),
    (401, "list", "E-DENIED"), (403, "list", "E-DENIED"), (402, "list", "E-REJECTED"), (429, "list", "E-UNREACHABLE"), (428, "list", "E-REJECTED"), (430, "list", "E-REJECTED"),
    (408, "list", "E-UNREACHABLE"), (500, "list", "E-UNREACHABLE"), (599, "list", "E-UNREACHABLE"),
    (199, "create", "E-ANSWER"), (200, "create", ""), (299, "create", ""), (300, "create", "E-AMBIGUOUS"), (399, "create", "E-AMBIGUOUS"), (400, "create", "E-REJECTED"),
    (429, "create", "E-UNREACHABLE"), (499, "create", "E-REJECTED"), (500, "create", "E-AMBIGUOUS"),
    (200, "update", ""), (299, "update", ""), (300, "update", "E-REDIRECT"), (399, "update", "E-REDIRECT"), (400, "update", "E-REJECTED"), (404, "update", "E-REJECTED"),
    (499, "update", "E-REJECTED"), (500, "update", "E-AMBIGUOUS"), (303, "update", "E-AMBIGUOUS"), (408, "create", "E-AMBIGUOUS"), (408, "update", "E-AMBIGUOUS"),
    (408, "delete", "E-AMBIGUOUS"), (303, "delete", "E-AMBIGUOUS"), (405, "delete", "E-REJECTED"), (403, "delete", "E-DENIED"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "verb", "code"), MEANING)
def test_what_a_status_means(status: int, verb: str, code: str) -> None:
    """Each status has one meaning; the message says which request it was and, where there is no other word, the status."""
    script = Script(httpx.Response(status, headers={"retry-after": "0"}, json={"error": "because"}))
    if not code:
        assert ask(verb, script) in (None, True)
        return
    with pytest.raises(ApiError) as caught:
        ask(verb, script)
    assert caught.value.code == code
    method = {"list": "GET", "create": "POST", "update": "PUT", "delete": "DELETE"}[verb]
    path = "/tenant/acme/cpms/7" if verb in ("update", "delete") else "/tenant/acme/cpms"
    assert caught.value.summary.startswith(f"{method} {path}: ")
    assert str(status) in caught.value.summary or code == "E-REDIRECT"
    assert ("because" in caught.value.summary) is (code in ("E-REJECTED", "E-DENIED", "E-UNREACHABLE"))
    tries = 8 if status == 429 else 4 if (status == 408 or status >= 500) and verb == "list" else 1
    assert len(script.requests) == tries


NOBODY = " (no connection to http://x.invalid: is --api-url right, and reachable from here?)"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ReadTimeout("x"), "no whole answer in time"),
        (httpx.WriteTimeout("x"), "the request could not be sent in time"),
        (httpx.ConnectTimeout("x"), "no connection in time"),
        (httpx.PoolTimeout("x"), "no connection in time"),
        (httpx.ReadError("it was reset"), "it was reset"),
        (httpx.ReadError(""), "ReadError"),
        (httpx.LocalProtocolError("Illegal header value b'x'"), "the request could not be built"),
    ],
)
@pytest.mark.parametrize("verb", ["list", "create"])
def test_what_an_error_means(error: Exception, expected: str, verb: str) -> None:
    """The message says which request failed and why, in words."""
    with pytest.raises(ApiError) as caught:
        ask(verb, Script(error))
    place = "GET /tenant/acme/cpms" if verb == "list" else "POST /tenant/acme/cpms"
    assert caught.value.summary.removesuffix(NOBODY) == f"{place}: {expected}"
    assert caught.value.summary.endswith(NOBODY) is isinstance(error, httpx.ConnectTimeout)
    connected = verb == "create" and not isinstance(error, httpx.ConnectTimeout)
    assert caught.value.code == ("E-AMBIGUOUS" if connected else "E-UNREACHABLE")


@pytest.mark.parametrize(("location", "host"), [("https://new.example.com/x", "new.example.com"), ("/x", "elsewhere"), (None, "elsewhere"), ("http://[::1", "elsewhere"), ("http://[zz]:99999999/", "elsewhere")])  # fmt: skip
def test_where_a_redirect_points(location: str | None, host: str) -> None:
    """A redirect names the other host, so that the address can be put right."""
    headers = {} if location is None else {"location": location}
    with pytest.raises(ApiSurprise, match=f"redirected to {host};"):
        ask("list", Script(httpx.Response(302, headers=headers)))


def test_names_are_sent_as_they_are_written() -> None:
    """A body is UTF-8, not escapes: some servers store the escapes."""
    script = Script(201)
    with script.api() as api:
        api.create(CPMS, "acme", {"displayName": "Zürich"})
    assert script.requests[0].content == '{"displayName": "Zürich"}'.encode()


PAGE = b"<!doctype html><html><body>Please log in</body></html>"


@pytest.mark.parametrize("verb", ["create", "update", "delete"])
@pytest.mark.parametrize("answer", [(PAGE, "text/html"), (b"", "text/html; charset=utf-8"), (b"\n " + PAGE, "application/json"), (b"\xef\xbb\xbf" + PAGE, "")])  # fmt: skip
def test_row_A14_a_page_says_nothing_of_a_write(verb: str, answer: tuple[bytes, str]) -> None:
    """A web page answered with 200 comes from a proxy or a login: whether the write happened is for reading to tell."""
    body, content_type = answer
    script = Script(httpx.Response(200, content=body, headers={"content-type": content_type}))
    with pytest.raises(NoClearAnswer) as caught:
        ask(verb, script)
    assert len(script.requests) == 1 and "web page" in caught.value.summary


# ---------------------------------------------------------------------------------------------------- what is observed


def test_every_request_is_traced() -> None:
    """Each request that is sent is reported once, with its status and which try it was, and without anything secret."""
    exchanges: list[Exchange] = []
    script = Script(500, httpx.ReadTimeout("slow"), rows(), 401, 201)
    with script.api(trace=exchanges.append, reread=lambda: "renewed") as api:
        api.list(CPMS, "acme")
        api.create(CPMS, "acme", {"url": SecretUrl("wss://u:hunter2@h/")})
    assert [(exchange.method, exchange.path, exchange.status, exchange.attempt) for exchange in exchanges] == [
        ("GET", "/tenant/acme/cpms", 500, 1),
        ("GET", "/tenant/acme/cpms", None, 2),
        ("GET", "/tenant/acme/cpms", 200, 3),
        ("POST", "/tenant/acme/cpms", 401, 1),
        ("POST", "/tenant/acme/cpms", 201, 1),
    ]
    assert (
        all(exchange.ms >= 0 for exchange in exchanges)
        and "hunter2" not in repr(exchanges)
        and TOKEN not in repr(exchanges)
    )


def test_who_asks() -> None:
    """The server's log can tell which version of this tool asked."""
    script = Script(rows())
    ask("list", script)
    assert script.requests[0].headers["user-agent"] == f"exolink-reconcile/{__version__}"


# ----------------------------------------------------------------------------------------------------- a renewed token


def bearer(request: httpx.Request) -> str:
    return request.headers["authorization"].removeprefix("Bearer ")


@every_verb
def test_a_renewed_token(verb: str) -> None:
    """A token that was renewed while the run went on is taken up: the request is repeated with it, and so are all later ones."""
    script = Script(401, httpx.Response(200, content=b"[]"))
    with script.api(reread=lambda: "renewed") as api:
        VERBS[verb](api)
        VERBS[verb](api)
    assert [bearer(request) for request in script.requests] == [TOKEN, "renewed", "renewed"]
    assert len({(request.method, request.url, request.content) for request in script.requests}) == 1


@pytest.mark.parametrize("again", [None, "", TOKEN])
def test_a_token_that_was_not_renewed(again: str | None) -> None:
    """Without another token the API's no stands, and it is not asked twice."""
    script = Script(401)
    with script.api(reread=lambda: again) as api, pytest.raises(ApiDenied):
        api.list(CPMS, "acme")
    assert len(script.requests) == 1


def test_a_renewed_token_that_is_refused_too() -> None:
    """One renewal a request: a second no is the answer."""
    asked: list[int] = []
    script = Script(401)
    with script.api(reread=lambda: asked.append(1) or "renewed") as api, pytest.raises(ApiDenied):
        api.list(CPMS, "acme")
    assert len(script.requests) == 2 and len(asked) == 1


@pytest.mark.parametrize("status", [500, 503, 403, 409])
def test_only_a_401_renews_the_token(status: int) -> None:
    """Any other no has nothing to do with the token: above all a create is not sent once more."""
    asked: list[int] = []
    script = Script(status)
    with script.api(reread=lambda: asked.append(1) or "renewed") as api, pytest.raises(ApiError):
        VERBS["create"](api)
    assert (len(script.requests), asked) == (1, [])


def test_another_thread_renewed_it() -> None:
    """A token that another thread renewed meanwhile is not read again."""
    asked: list[int] = []
    script = Script(rows())
    with script.api(reread=lambda: asked.append(1) or "renewed") as api:
        assert api._renew(TOKEN) and api._renew(TOKEN)
    assert len(asked) == 1


def test_no_token() -> None:
    """The emulator inside the process gets no token, not even an empty one."""
    script = Script(rows())
    with script.api(token=None) as api:
        api.list(CPMS, "acme")
    assert "authorization" not in script.requests[0].headers


@every_verb
@pytest.mark.parametrize(
    ("status", "error"),
    [(400, ApiRejected), (401, ApiDenied), (403, ApiDenied), (409, ApiRejected), (422, ApiRejected)],
)
def test_a_clear_no(verb: str, status: int, error: type[Exception]) -> None:
    """A clear no is not asked again."""
    script = Script(httpx.Response(status, json={"error": "because of this"}))
    with pytest.raises(error, match="because of this"):
        ask(verb, script)
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("verb", "fine"), [("list", False), ("get", True), ("update", False), ("delete", True), ("create", False)]
)
def test_not_found(verb: str, fine: bool) -> None:
    """404 is `not there` for a get, `gone already` for a delete, and an error for everything else."""
    if fine:
        assert not ask(verb, Script(404))
    else:
        with pytest.raises(ApiRejected):
            ask(verb, Script(404))


@pytest.mark.parametrize("status", [201, 202, 204, 206])
@reads
def test_an_answer_to_a_read_that_is_not_200(verb: str, status: int) -> None:
    """Only 200 is data."""
    with pytest.raises(ApiSurprise):
        ask(verb, Script(status))


def test_a_refusal_that_quotes_the_secret() -> None:
    """A server that repeats the password of what it refuses does not bring it into our message."""
    script = Script(httpx.Response(422, json={"error": "the password hunter2 is too weak"}))
    with script.api() as api, pytest.raises(ApiRejected) as caught:
        api.update(CPMS, "acme", 7, {"url": SecretUrl("wss://u:hunter2@h/")})
    assert "too weak" in caught.value.summary and "hunter2" not in caught.value.summary


@pytest.mark.parametrize(
    "answer",
    [
        b'{"errors":[{"value":"wss:\\/\\/u:PA%40SS+1@h\\/?token=to\\/ken+2"}]}',  # slashes escaped, deep inside
        b'{"error":{"message":"bad password PA@SS 1 and token to/ken 2"}}',  # decoded
        b"bad: PA@SS+1, to/ken+2",
        b"x" * 490 + b" PA%40SS+1 to%2Fken+2",  # across the place where the text is cut
    ],
)
def test_a_secret_in_another_spelling(answer: bytes) -> None:
    """However a server writes what it refuses, the secrets of it are found before the text is cut."""
    with Script(httpx.Response(422, content=answer)).api() as api, pytest.raises(ApiRejected) as caught:
        api.update(CPMS, "acme", 7, {"url": SecretUrl("wss://u:PA%40SS+1@h/?token=to%2Fken+2")})
    assert not any(part in caught.value.summary for part in ("PA", "SS", "ken+", "ken 2")), caught.value.summary


def test_a_short_value_of_a_query_does_not_spoil_the_sentence() -> None:
    """`?v=2` hides a 2 that stands alone, and nothing inside of words."""
    script = Script(httpx.Response(400, json={"message": "interval must be 2 to 20 here"}))
    with script.api() as api, pytest.raises(ApiRejected) as caught:
        api.update(CPMS, "acme", 7, {"url": SecretUrl("wss://h/?v=2&e=e")})
    assert "interval must be *** to 20 here" in caught.value.summary


def test_a_refusal_that_is_no_sentence() -> None:
    """Whatever a server puts into its refusal, it is a refusal and no bug of ours."""
    with pytest.raises(ApiRejected):
        ask("create", Script(httpx.Response(400, content=b"[" * 20_000)))


@pytest.mark.parametrize("proxy", ["http://proxy:notaport", "http://proxy:99999", "http://[::1", "http://proxy:0"])
def test_a_proxy_that_is_no_url(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in HTTPS_PROXY is reported as one."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with pytest.raises(InputError) as caught:
        Api("https://api.exolink.cloud", token=TOKEN)
    assert caught.value.code == "E-PROXY"


def test_a_page_of_html_says_nothing() -> None:
    """What a gateway's error page says is not repeated."""
    page = httpx.Response(400, headers={"content-type": "text/html"}, content=b"<h1>secret page</h1>")
    with pytest.raises(ApiRejected) as caught:
        ask("list", Script(page))
    assert "secret page" not in caught.value.summary


# ---------------------------------------------------------------------------------------------------------- throttling


def throttled(value: str, **headers: str) -> httpx.Response:
    return httpx.Response(429, headers={"retry-after": value, **headers})


@every_verb
@pytest.mark.parametrize(("value", "seconds"), [("7", 7), ("0", 0), ("300", 300)])
def test_retry_after(verb: str, value: str, seconds: float) -> None:
    """429 does no harm: every verb waits as long as the server asks, and goes on."""
    script = Script(throttled(value), httpx.Response(200, content=b"[]"))
    ask(verb, script)
    assert len(script.requests) == 2
    assert sum(script.waits) == pytest.approx(seconds, abs=0.5)


@pytest.mark.parametrize(("offset", "seconds"), [(20, 20), (-20, 0)])
def test_retry_after_as_a_date(offset: int, seconds: float) -> None:
    """A date counts from the server's own clock, not from ours."""
    now = 1_000_000_000
    dates = {"retry-after": formatdate(now + offset, usegmt=True), "date": formatdate(now, usegmt=True)}
    script = Script(httpx.Response(429, headers=dates), rows())
    ask("list", script)
    assert sum(script.waits) == pytest.approx(seconds, abs=0.5)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "UTC"])
@pytest.mark.parametrize("form", ["%a %b %d %H:%M:%S %Y", "%A, %d-%b-%y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S"])
def test_row_C10_a_date_without_a_zone_is_utc(form: str, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A date counts as UTC in each form that HTTP knows, wherever this machine stands."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        until, now = (time.strftime(form, time.gmtime(1_000_000_000 + offset)) for offset in (20, 0))
        script = Script(httpx.Response(429, headers={"retry-after": until, "date": now}), rows())
        ask("list", script)
        assert sum(script.waits) == pytest.approx(20, abs=0.5)
    finally:
        monkeypatch.undo()
        time.tzset()


@every_verb
@pytest.mark.parametrize("value", ["301", "99999", "9" * 30, "Thu, 01 Jan 2099 00:00:00 GMT"])
def test_retry_after_is_bounded(verb: str, value: str) -> None:
    """Nobody waits for hours: a server that asks for more than five minutes is unreachable for now."""
    script = Script(throttled(value), 200)
    with pytest.raises(ApiUnreachable):
        ask(verb, script)
    assert (len(script.requests), script.waits) == (1, [])


@pytest.mark.parametrize("value", ["soon", "-1", "1e9", "٩٩", "", "Thu, 99 Foo 2025", "NaN", "inf"])
def test_a_senseless_retry_after(value: str) -> None:
    """What makes no sense is taken as nothing: the usual short pause."""
    script = Script(
        throttled(value) if value.isascii() else httpx.Response(429, headers=[(b"retry-after", value.encode())]), rows()
    )
    ask("list", script)
    assert len(script.requests) == 2 and 0 < sum(script.waits) < 5


def test_a_date_without_the_servers_clock() -> None:
    """Without the server's own time a date counts from ours."""
    dates = {"retry-after": formatdate(time.time() + 20, usegmt=True)}
    script = Script(httpx.Response(429, headers=dates), rows())
    ask("list", script)
    assert sum(script.waits) == pytest.approx(20, abs=2)


def test_the_clock_of_the_api() -> None:
    """It is what the latest `Date` says and goes on by itself; an older one, from a cache, does not put it back."""
    now = 1_000_000_000

    def at(seconds: int) -> httpx.Response:
        return httpx.Response(200, content=b"[]", headers={"date": formatdate(now + seconds, usegmt=True)})

    with Script(rows(), at(0), at(100), at(-500), httpx.Response(200, headers={"date": "soon"})).api() as api:
        clock = []
        for _ in range(5):
            api.list(CPMS, "acme")
            clock.append(api.now())
    assert clock[0] is None
    assert [time_ and time_ - now for time_ in clock[1:]] == pytest.approx([0, 100, 100, 100], abs=30)


def test_other_trouble_may_name_a_time_too() -> None:
    """A 503 with a time to come back is waited for like a 429."""
    script = Script(httpx.Response(503, headers={"retry-after": "9"}), rows())
    ask("list", script)
    assert sum(script.waits) == pytest.approx(9, abs=0.5)


def test_throttled_without_a_time() -> None:
    """A 429 that names no time is waited for all the same, longer each time, up to eight seconds."""
    script = Script(httpx.Response(429))
    with pytest.raises(ApiUnreachable):
        ask("list", script)
    assert len(script.requests) == 8 and 4 < max(script.waits) <= 8.5


class Clock:
    """A clock that only waiting moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: self.now))

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_distance_after_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a 429 requests keep a distance, so that not all come back at once; good answers shorten it again."""
    clock = Clock(monkeypatch)
    script = Script(throttled("0"), rows())
    with script.api(sleep=clock.sleep) as api:
        starts = []
        for _ in range(400):
            api.list(CPMS, "acme")
            starts.append(clock.now)
    first, last = starts[2] - starts[1], starts[-1] - starts[-2]
    assert 0.005 < first < 0.05 and last < first / 5


def test_a_good_answer_ends_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five minutes of nothing but refusals are the end; a good answer in between starts them anew."""
    clock = Clock(monkeypatch)
    script = Script(*([throttled("200"), rows()] * 4))
    with script.api(sleep=clock.sleep) as api:
        for _ in range(4):
            api.list(CPMS, "acme")
    with Script(throttled("200")).api(sleep=clock.sleep) as api, pytest.raises(ApiUnreachable):
        api.list(CPMS, "acme")
    assert clock.now < 1_000 + 4 * 200 + 300


def test_throttling_ends() -> None:
    """A server that throttles for ever is unreachable in the end, and a create was not done."""
    script = Script(throttled("1"))
    with pytest.raises(ApiUnreachable):
        ask("create", script)
    assert len(script.requests) <= 10 and sum(script.waits) < 30


def test_a_throttled_origin_is_paused_for_all() -> None:
    """What one thread was told holds for the others: the next request waits too."""
    script = Script(throttled("50"), rows())
    with script.api() as api:
        api.pool.submit(api.list, CPMS, "acme").result()
        script.waits.clear()
        api.list(CHARGER, "acme")
    assert sum(script.waits) == pytest.approx(50, abs=1)


def test_trouble_of_one_request_pauses_no_other() -> None:
    """A request that met trouble waits by itself; only an origin that asks for less is given a rest by all."""
    script = Script(500, rows())
    with script.api() as api:
        api.pool.submit(api.list, CPMS, "acme").result()
        script.waits.clear()
        api.list(CHARGER, "acme")
    assert script.waits == []


def test_a_throttled_origin_is_paused_for_all_without_a_time_too() -> None:
    """A 429 that names no time is one for every thread as well."""
    script = Script(httpx.Response(429), rows())
    with script.api() as api:
        api.pool.submit(api.list, CPMS, "acme").result()
        script.waits.clear()
        api.list(CHARGER, "acme")
    assert sum(script.waits) > 0.08


# -------------------------------------------------------------------------------------------------------------- limits


@reads
def test_the_size_of_an_answer(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is too large is an error, never a part of a list."""
    monkeypatch.setattr(answers, "MAX_ANSWER", 1_000)
    assert ask(verb, Script(httpx.Response(200, content=b"x" * 1_000)))
    with pytest.raises(ApiSurprise, match="E-TOO-LARGE"):
        ask(verb, Script(httpx.Response(200, content=b"x" * 1_001)))


class Endless(httpx.SyncByteStream):
    """A body without an end, which counts how much of it was taken."""

    def __init__(self) -> None:
        self.taken = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        while self.taken < 1_000:
            self.taken += 1
            yield b"x" * 1_000

    def close(self) -> None:
        self.closed = True


def test_an_answer_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is taken than the limit, and the connection is given up: memory does not depend on the server."""
    monkeypatch.setattr(answers, "MAX_ANSWER", 10_000)
    body = Endless()
    with pytest.raises(ApiSurprise, match="E-TOO-LARGE"):
        ask("list", Script(httpx.Response(200, stream=body)))
    assert body.taken == 11 and body.closed


def test_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on what an answer unpacks to."""
    import gzip

    monkeypatch.setattr(answers, "MAX_ANSWER", 100_000)
    bomb = httpx.Response(200, headers={"content-encoding": "gzip"}, content=gzip.compress(b"x" * 10_000_000))
    with pytest.raises(ApiSurprise, match="E-TOO-LARGE"):
        ask("list", Script(bomb))


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_write_that_was_done_with_a_large_answer(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A create that was answered with success is not called failed because the answer's body is too large."""
    monkeypatch.setattr(answers, "MAX_ANSWER", 10)
    script = Script(httpx.Response(status, content=b"x" * 11))
    with pytest.raises(NoClearAnswer, match="E-AMBIGUOUS: .*larger than"):
        ask("create", script)
    assert len(script.requests) == 1


@pytest.mark.parametrize("verb", ["create", "update", "delete"])
def test_a_write_whose_answer_cannot_be_unpacked(verb: str) -> None:
    """An answer that cannot be unpacked leaves a create in doubt, and is never read as a refusal."""
    broken = lambda: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"no gzip"))  # noqa: E731  # one expression
    script = Script(*(broken() for _ in range(5)))
    with pytest.raises(NoClearAnswer):
        ask(verb, script)


# ------------------------------------------------------------------------------------------------------ what never leaves


def test_a_refusal_to_send_is_no_write_in_doubt() -> None:
    """What was never sent, because the place is not the API that was named, is not an unknown outcome."""
    script = Script(200)
    with script.api() as api, pytest.raises(ApiError) as caught:
        api.create(CPMS, "..", {"displayName": "A"})
    assert script.requests == [] and caught.value.code == "E-ORIGIN"


@pytest.mark.parametrize("collection", ["@evil.example.com/{tenant}", ".evil.example.com/{tenant}", "/x#{tenant}"])
def test_no_path_leads_to_another_origin(collection: str) -> None:
    """Whatever a path is made of, nothing is sent, token and all, but to the API that was named; and no write is in doubt."""
    script = Script(200)
    with script.api() as api, pytest.raises(ApiSurprise, match="E-ORIGIN"):
        api.create(SimpleNamespace(collection=collection), "acme", {})  # type: ignore[arg-type]  # as much of a kind as is asked
    assert script.requests == []


def test_no_message_holds_the_token() -> None:
    """No error of any verb shows the token, in text or in its chain of causes."""
    answers = [401, 403, 400, 500, 302, 429, httpx.ReadTimeout("x"), httpx.LocalProtocolError(f"Illegal header value b'Bearer {TOKEN}'")]  # fmt: skip
    for verb in VERBS:
        for answer in answers:
            with pytest.raises(ApiError) as caught:
                ask(verb, Script(answer))
            assert TOKEN not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"


@pytest.mark.parametrize(
    ("status", "asked", "expected"),
    [
        (429, 301, "asks to come back in 301 s"),
        (429, 300, "again and again"),
        (429, 0, "again and again"),
        (503, 301, "again and again"),
    ],
)
def test_how_long_a_throttled_api_wants_us_to_wait(status: int, asked: int, expected: str) -> None:
    """A pause that is too long to wait for is reported in seconds; anything else was tried until it was enough."""
    with pytest.raises(ApiUnreachable) as caught:
        ask("list", Script(httpx.Response(status, headers={"retry-after": str(asked)})))
    assert caught.value.code == "E-UNREACHABLE" and expected in caught.value.summary
