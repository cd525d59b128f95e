"""What counts as a list of the API: all of it, of this tenant, each row readable in one way only."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from support_wire import (
    api_of,
)

from exolink_reconcile.errors import ApiError, ApiSurprise
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import live_state
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import LiveState

TENANT, CPMS, CHARGER = KINDS


class Server:
    """Answers the tenant `acme` (id 1), its list of CPMS as given, and one CPMS."""

    def __init__(self, rows: object, headers: Sequence[tuple[str, str]] = (), one: object = None) -> None:
        self.rows = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
        self.headers = headers
        self.one = one

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/tenant/acme":
            return httpx.Response(200, json={"id": 1, "domainPrefix": "acme", "name": "Acme"})
        if request.url.path == "/tenant/acme/cpms":
            return httpx.Response(200, content=self.rows, headers=list(self.headers))
        return httpx.Response(200, json=self.one)

    def api(self) -> Api:
        return Api("http://x.invalid", token="t", transport=lambda: httpx.MockTransport(self), parallelism=1)

    def read(self) -> LiveState:
        with self.api() as api:
            return live_state.read(api, {"acme": [TENANT, CPMS]}, TENANT)


def cpms(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": number, "tenantId": 1, "displayName": f"B{number}", "url": "wss://h/", "deletedAt": None} | fields


TWO = [cpms(1), cpms(2)]


def spoiled(server: Server) -> str:
    with pytest.raises(ApiSurprise) as caught:
        server.read()
    assert (caught.value.code, caught.value.exit_code) == ("E-BAD-LIST", 4)
    return caught.value.summary


@pytest.mark.parametrize(
    "headers",
    [
        {"Link": '</tenant/acme/cpms?page=2>; rel="next"'},
        {"Link": '<https://elsewhere.example.com/?page=2>; rel="next"'},
        {"link": '<?page=1>; rel=first, <?page=2>;title="x, y";REL=next'},
        {"Link": '<?a;rel=prev>; rel="last next"'},
        {"X-Total-Count": "3"},
        {"X-Total": " 57 "},
        {"X-Next-Page": "2"},
        {"Content-Range": "items 0-1/3"},
        {"Content-Range": "*/3", "X-Total-Count": "2"},
    ],
)
def test_row_A6_a_part_is_not_the_list(headers: Mapping[str, str]) -> None:
    """A list that says that there is more than what came is never taken for the whole."""
    assert "acme" in spoiled(Server(TWO, list(headers.items())))


@pytest.mark.parametrize(
    "headers",
    [
        {"Link": '<https://docs.example.com/>; rel="help", <?page=1>; rel="prev"'},
        {"Link": '</next;rel=next>; rel="self"'},
        {"X-Total-Count": "2", "X-Total": "2", "X-Next-Page": "", "Content-Range": "items 0-1/2"},
        {"X-Total-Count": "1"},
        {"X-Total-Count": "many", "Content-Range": "items 0-1/*"},
    ],
)
def test_row_A6_a_whole_list(headers: Mapping[str, str]) -> None:
    """A list that is all there, or says nothing that counts, is a list."""
    assert len(Server(TWO, list(headers.items())).read().tenants["acme"].rows[CPMS]) == 2


def test_row_A6_the_deleted_ones_count_as_came() -> None:
    """A total counts rows that came, soft-deleted ones included."""
    rows = [cpms(1), cpms(2, deletedAt="2025-10-15T15:19:50.834Z")]
    assert len(Server(rows, [("X-Total-Count", "2")]).read().tenants["acme"].rows[CPMS]) == 1


@pytest.mark.parametrize("moment", ["2025-10-15T15:19:50.834Z", "x", 1760541590834, 1760541590.8])
def test_deleted_however_the_moment_is_written(moment: object) -> None:
    """A row with a moment in `deletedAt` does not exist, be it text or a number."""
    [row] = Server([cpms(1), cpms(2, deletedAt=moment)]).read().tenants["acme"].rows[CPMS]
    assert row.id == 1


@pytest.mark.parametrize("moment", [0, -1, True, False, [], {}])
def test_what_may_mean_deleted_or_not(moment: object) -> None:
    """Nobody knows whether such a row exists, so the list cannot be used."""
    assert "deletedAt" in spoiled(Server([cpms(1), cpms(2, deletedAt=moment)]))


@pytest.mark.parametrize("owner", [2, "2", 1.5, [1], "1 ", 10, True])
def test_row_A7_a_row_of_another_tenant(owner: object) -> None:
    """A row that says it belongs to another tenant spoils the list."""
    assert "another tenant" in spoiled(Server([cpms(1), cpms(2, tenantId=owner)]))


@pytest.mark.parametrize("owner", [1, "1", 1.0, None])
def test_row_A7_a_row_of_this_tenant(owner: object) -> None:
    """However the API writes the owner; and one that it leaves out says nothing. Nor does one inside of something else."""
    rows = [cpms(1), cpms(2, tenantId=owner), cpms(3, profile={"tenantId": 7})]
    del rows[0]["tenantId"]
    assert len(Server(rows).read().tenants["acme"].rows[CPMS]) == 3


@pytest.mark.parametrize(("answer", "word"), [(cpms(8), "its id is 8"), (cpms(7, tenantId=2), "another tenant")])
def test_row_A7_an_answer_about_something_else(answer: object, word: str) -> None:
    """An object that was asked for by id is that one, of that tenant, or the answer does not count."""
    server = Server(TWO, one=answer)
    with server.api() as api:
        live_state.read(api, {"acme": [TENANT, CPMS]}, TENANT)
        with pytest.raises(ApiSurprise, match=word) as caught:
            live_state.read_one(api, CPMS, "acme", 7)
    assert caught.value.code == "E-BAD-ANSWER"


TWICE = [
    '[{"id": 1, "displayName": "A", "url": "wss://a/", "url": "wss://b/"}, {"id": 2, "displayName": "B"}]',
    '[{"id": 2, "displayName": "B"}, {"id": 1, "url": "wss://a/", "displayName": "A", "url": "wss://b/"}]',
    '[{"id": 1, "displayName": "A", "url": null, "url": "wss://b/"}, {"id": 2, "displayName": "B", "url": null}]',
    '[{"id": 1, "displayName": "A", "deletedAt": null, "deletedAt": null}, {"id": 2, "displayName": "B"}]',
    '[{"id": 1, "displayName": "A", "interval": 1, "interval": null}, {"id": 2, "displayName": "}, {"}]',
    '[{"id": 1, "displayName": "A", "id": 3}, {"id": 2, "displayName": "B"}]',
]


@pytest.mark.parametrize("text", TWICE)
def test_row_F22_a_field_that_is_given_twice(text: str) -> None:
    """A row that gives a field twice spoils its list, whatever the other rows lack."""
    assert "twice" in spoiled(Server(text.encode()))


@pytest.mark.parametrize(
    "rows",
    [
        [cpms(1), cpms(2, url=None), cpms(3, interval=None)],
        [cpms(1, displayName="}, {"), cpms(2, displayName='"url"')],
        [cpms(1, tags=[{"id": 1, "url": "x"}, {"id": 2, "url": "y"}]), cpms(2, owner={"displayName": "z"})],
    ],
)
def test_row_F22_a_field_that_is_given_once(rows: Sequence[object]) -> None:
    """Nulls, nested objects and texts that look like JSON are no field given twice."""
    assert len(Server(rows).read().tenants["acme"].rows[CPMS]) == len(rows)


@pytest.mark.parametrize("identifier", ["501.0", "1e3", "٥", " 7", "", True, None, 7.5, 2**63, "9" * 30, "0x1", "1_0"])
def test_row_F23_what_is_not_an_id(identifier: object) -> None:
    """An id is a whole number, as JSON writes one or as its text; anything else spoils the list."""
    spoiled(Server([cpms(1), cpms(2, id=identifier)]))


@pytest.mark.parametrize("identifier", [7, "7", 7.0])
def test_row_F23_what_is_an_id(identifier: object) -> None:
    """7, 7.0 and "7" are one id, and the row is found by it again."""
    server = Server([cpms(1), cpms(2, id=identifier)])
    with server.api() as api:
        rows, is_whole = live_state.read_rows(api, CPMS, "acme", {7})
    assert [row.id for row in rows] == [1, 7] and is_whole[7]["displayName"] == "B2"


def test_a_tenant_that_cannot_be_read_is_the_error() -> None:
    """Its lists do not hide why the tenant itself could not be read, with one thread as with many."""
    server = Server(TWO)
    with Api("http://x.invalid", token="t", transport=lambda: httpx.MockTransport(lambda request: httpx.Response(403) if request.url.path == "/tenant/acme" else server(request)), parallelism=1) as api, pytest.raises(ApiError) as caught:  # fmt: skip
        live_state.read(api, {"acme": [TENANT, CPMS]}, TENANT)
    assert caught.value.exit_code == 10


def test_row_E16_values_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of millions of values that are no rows, or in one row, is refused before they are made."""
    monkeypatch.setattr(live_state, "_MOST_VALUES", 50)
    for text in ("[" + "0," * 60 + "0]", json.dumps([{**cpms(1), "other": [0] * 60}])):
        assert "more than 50 values" in spoiled(Server(text.encode()))


def test_row_E16_rows_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is a list of more rows than any fleet has, however good they are."""
    monkeypatch.setattr(live_state, "_MOST_ROWS", 3)
    assert "more than 3 objects" in spoiled(Server([cpms(number) for number in range(1, 5)]))


def test_row_E16_one_bad_row_is_enough() -> None:
    """Nothing is collected about the rows after it: of a million bad ones that would be gigabytes."""
    with pytest.raises(ValidationError) as caught:
        live_state._list_adapter(CPMS).validate_json(b"[{},{},{}]")
    assert {problem["loc"][0] for problem in caught.value.errors()} == {0}


@pytest.mark.parametrize("text", [b"[" + b"{}," * 300_000 + b"{}]", b"[" + b"{}," * 1_100_000 + b"{}]", b"[" * 1_000_000, b'[{"id":1,"displayName":"' + b"x" * 70_000 + b'"}]'], ids=["some", "too many", "deep", "huge"])  # fmt: skip
def test_row_E16_the_first_bad_row_says_it_all(text: bytes) -> None:
    """A list of a million things that are not rows, or of one that is huge, ends at once, in one sentence."""
    with api_of(httpx.Response(200, content=text)) as api, pytest.raises(ApiSurprise, match="E-BAD-LIST") as caught:
        live_state.read_list(api, CPMS, "acme")
    assert len(caught.value.summary) < 500
