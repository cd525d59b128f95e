"""The client against the examples of the vendor's own page, request for request."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import vcr
from vcr.cassette import Cassette
from vcr.errors import CannotOverwriteExistingCassetteException

from exolink_reconcile.errors import ApiRejected, ApiSurprise, ApiUnreachable
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import live_state
from exolink_reconcile.live.api import Api
from exolink_reconcile.secret_url import SecretUrl

TENANT, CPMS, CHARGER = KINDS
RECORDINGS = vcr.VCR(
    cassette_library_dir=str(Path(__file__).parent / "cassettes"),
    record_mode="none",
    match_on=("method", "scheme", "host", "port", "path", "query", "body", "sent"),
)


def _sent(one: vcr.request.Request, other: vcr.request.Request) -> None:
    """The token, and the content type where there is a body."""
    for name in ("Authorization", "Content-Type"):
        assert one.headers.get(name) == other.headers.get(name), name


RECORDINGS.register_matcher("sent", _sent)


@pytest.fixture
def cassette() -> Iterator[Cassette]:
    with RECORDINGS.use_cassette("documented.yaml") as tape:
        yield tape


@pytest.fixture
def api(cassette: Cassette) -> Iterator[Api]:
    with Api("https://api.exolink.cloud", token="documented-token", sleep=lambda seconds: None) as api:
        yield api


def test_list(api: Api) -> None:
    """The documented row carries a non-null `deletedAt`: it is gone, and its twin without one is live."""
    [row] = live_state.read_list(api, CPMS, "acme")
    assert dataclasses.asdict(cast(Any, row)) == {
        "id": 2,
        "displayName": "My Charger",
        "url": SecretUrl("ws://cpms.exolink.com"),
        "interval": 30,
        "authPassThrough": True,
        "deletedAt": None,
    }


def test_get(api: Api) -> None:
    """One object is decoded, and one that says it was deleted does not exist."""
    row = live_state.read_one(api, CPMS, "acme", 2)
    assert row is not None and row.displayName == "My Charger"  # type: ignore[attr-defined]  # a field of this kind
    assert live_state.read_one(api, CPMS, "acme", 1) is None


def test_writes(api: Api, cassette: Cassette) -> None:
    """Create, update and delete send exactly the documented bodies, and are content with an answer without one."""
    api.create(CPMS, "acme", {"displayName": "string", "url": SecretUrl("wss://cpms.example.com"), "interval": 30})
    api.update(CPMS, "acme", 2, {"url": SecretUrl("string")})
    api.delete(CPMS, "acme", 2)
    assert cassette.play_count == 3


def test_a_missing_tenant(api: Api) -> None:
    """A tenant that is 404 and cannot be created ends the read."""
    with pytest.raises(ApiUnreachable, match="E-NO-TENANT"):
        live_state.read(api, {"ghost": []}, TENANT)


def test_nothing_else_is_sent(api: Api) -> None:
    """Another body, another content type or another token would not match: the cassette is a judge."""
    with pytest.raises(CannotOverwriteExistingCassetteException):
        api.update(CPMS, "acme", 2, {"url": "string", "interval": 30})
    with (
        Api("https://api.exolink.cloud", token="other") as other,
        pytest.raises(CannotOverwriteExistingCassetteException),
    ):
        other.delete(CPMS, "acme", 2)


# What the vendor's pages leave open: whatever comes, it is rows or an error, never an empty list.
@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"{}", b'{"items": []}', b"<html>login</html>", b"[", b'[{"id": 1}]', b'[{"displayName": "A"}]', b"[null]",
        b'[{"id": 1, "displayName": "A"}, {"id": 1, "displayName": "B"}]', b'"[]"', b"[[]]", b"\xff", b"[" * 100_000,
        b'[{"id": 1, "displayName": "A", "interval": "often"}]', b'[{"id": NaN, "displayName": "A"}]',
    ],
)  # fmt: skip
def test_doubtful_lists(body: bytes) -> None:
    """A doubtful answer is an error that quotes nothing of it."""
    import httpx

    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    with Api("http://x.invalid", token="t", transport=lambda: transport) as api, pytest.raises(ApiSurprise) as caught:
        live_state.read_list(api, CPMS, "acme")
    assert caught.value.code == "E-BAD-LIST" and "login" not in caught.value.summary


def test_another_tenant_answers() -> None:
    """An answer about another tenant than the one asked for is never taken for it."""
    import httpx

    body = json.dumps({"id": 1, "domainPrefix": "other", "name": "x"})
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    with Api("http://x.invalid", token="t", transport=lambda: transport) as api, pytest.raises(ApiSurprise):
        live_state.read(api, {"acme": []}, TENANT)


def test_a_list_that_is_not_there() -> None:
    """404 for the list of a tenant that exists is an error, never an empty list."""
    import httpx

    def answer(request: httpx.Request) -> httpx.Response:
        body = {"id": 1, "domainPrefix": "acme"}
        return httpx.Response(200, json=body) if request.url.path == "/tenant/acme" else httpx.Response(404)

    with Api("http://x.invalid", token="t", transport=lambda: httpx.MockTransport(answer)) as api:
        with pytest.raises(ApiUnreachable, match="E-NO-LIST"):
            live_state.read(api, {"acme": [CPMS]}, TENANT)
        with pytest.raises(ApiRejected):
            api.list(CPMS, "acme")
