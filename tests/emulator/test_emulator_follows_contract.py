"""Another contract is followed without new code."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from exolink_reconcile import emulator

Client = Callable[..., httpx.Client]

WRITTEN = {"2XX": {"description": "Done."}}


def body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def test_more_fields_may_be_updated(client: Client, contract: Any) -> None:
    """A field that the contract lets PUT carry is updated, and read back like a created one."""
    contract["components"]["schemas"]["CpmsUpdate"]["properties"]["interval"] = {"type": "integer"}
    api = client(json.dumps(contract))
    api.post("/tenant/acme/cpms", json={"displayName": "a", "url": "wss://a", "interval": 30})
    (row,) = api.get("/tenant/acme/cpms").json()
    assert api.put(f"/tenant/acme/cpms/{row['id']}", json={"interval": 60}).status_code == 204
    assert '"interval":60.0' in api.get("/tenant/acme/cpms").text


def test_tenant_create(client: Client, contract: Any) -> None:
    """With POST /tenant a tenant can be made, once; it stays served when the emulator is started again."""
    schema = {"type": "object", "properties": {"domainPrefix": {"type": "string"}, "name": {"type": "string"}}}
    contract["paths"]["/tenant"] = {"post": {"requestBody": body(schema), "responses": WRITTEN}}
    text = json.dumps(contract)
    api = client(text, tenants=["acme"])
    assert api.get("/tenant/beta").status_code == 404
    beta = {"domainPrefix": "beta", "name": "Beta Ltd"}
    assert [api.post("/tenant", json=beta).status_code for _ in range(2)] == [201, 409]
    assert api.post("/tenant", json={"domainPrefix": "acme", "name": "x"}).status_code == 409
    again = client(text, tenants=["acme"])
    assert again.get("/tenant/beta").json()["name"] == "Beta Ltd"
    assert again.get("/tenant/beta/cpms").json() == []


def test_tenant_list_and_delete(client: Client, contract: Any) -> None:
    """Tenants follow the same shape as any collection; a deleted one takes its objects out of reach, for good."""
    contract["paths"]["/tenant"] = {"get": {"responses": {}}}
    contract["paths"]["/tenant/{tenant}"]["delete"] = {"responses": WRITTEN}
    text = json.dumps(contract)
    client().get("/tenant/unlisted")
    api = client(text, tenants=["acme", "beta"])
    assert api.delete("/tenant/beta").status_code == 204
    assert [(row["domainPrefix"], row["deletedAt"] is None) for row in api.get("/tenant").json()] == [
        ("acme", True),
        ("beta", False),
    ]
    assert api.get("/tenant/beta/cpms").status_code == 404
    assert client(text).get("/tenant/beta").status_code == 404


def test_new_collection(client: Client, contract: Any) -> None:
    """A collection nobody has heard of is served; parameter names do not matter."""
    named = {"type": "object", "required": ["label"], "properties": {"label": {"type": "string", "maxLength": 5}}}
    parameter = [{"name": "w", "in": "path", "required": True, "schema": {"type": "integer"}}]
    contract["paths"]["/tenant/{t}/widget"] = {
        "get": {"responses": {}},
        "post": {"requestBody": body(named), "responses": {"200": {"description": "Made."}}},
    }
    contract["paths"]["/tenant/{t}/widget/{w}"] = {
        "parameters": parameter,
        "get": {"responses": {}},
        "put": {"requestBody": body(named), "responses": {"200": {"description": "Done."}}},
        "delete": {"responses": {"204": {"description": "Gone."}}},
    }
    api = client(json.dumps(contract))
    assert api.post("/tenant/acme/widget", json={"label": "toolong"}).status_code == 400
    assert api.post("/tenant/acme/widget", json={"label": "one"}).status_code == 200
    (row,) = api.get("/tenant/acme/widget").json()
    path = f"/tenant/acme/widget/{row['id']}"
    assert api.put(path, json={"label": "two"}).status_code == 200
    assert api.get(path).json()["label"] == "two"
    assert [api.delete(path).status_code, api.get(path).status_code] == [204, 404]


def test_missing_operations_are_refused(client: Client, contract: Any) -> None:
    """What a contract does not offer is 405 or 404, however well the emulator could do it."""
    del contract["paths"]["/tenant/{tenant}/charger"]["post"]
    del contract["paths"]["/tenant/{tenant}/charger/{chargerId}"]
    api = client(json.dumps(contract))
    refused = api.post("/tenant/acme/charger", json={"identity": "a", "displayName": "a", "profileId": 1})
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    assert api.get("/tenant/acme/charger/1").status_code == 404
    assert api.get("/tenant/acme/charger").json() == []


def test_unknown_shapes_are_not_implemented(client: Client, contract: Any) -> None:
    """An operation of the contract whose behaviour nobody knows is 501, not a guess."""
    stats = {"200": {"content": {"application/json": {"schema": {"type": "object"}}}, "description": "Counts."}}
    contract["paths"]["/tenant/{tenant}/stats"] = {"get": {"responses": stats}}
    contract["paths"]["/user/{userId}"] = {"get": {"responses": {}}}
    contract["paths"]["/tenant/{tenant}/charger"]["put"] = {"requestBody": body({"type": "array"}), "responses": {}}
    api = client(json.dumps(contract))
    answers = [api.get("/tenant/acme/stats"), api.get("/user/1"), api.put("/tenant/acme/charger", json=[])]
    assert [answer.status_code for answer in answers] == [501, 501, 501]


def test_literal_path_wins(client: Client, contract: Any) -> None:
    """A literal path is found before a template that would match it too."""
    contract["paths"]["/tenant/{tenant}/charger/profile"] = {"delete": {"responses": WRITTEN}}
    assert client(json.dumps(contract)).get("/tenant/acme/charger/profile").status_code == 405


def test_all_of(client: Client, contract: Any) -> None:
    """allOf and local references work in request bodies, and both parts count."""
    schemas = contract["components"]["schemas"]
    schemas["Named"] = {
        "type": "object",
        "required": ["displayName"],
        "properties": {"displayName": {"type": "string"}},
    }
    rest = {"type": "object", "required": ["url"], "properties": {"url": {"type": "string", "format": "uri"}}}
    schemas["CpmsCreate"] = {"allOf": [{"$ref": "#/components/schemas/Named"}, rest]}
    api = client(json.dumps(contract))
    assert api.post("/tenant/acme/cpms", json={"url": "wss://a"}).status_code == 400
    assert api.post("/tenant/acme/cpms", json={"displayName": "a"}).status_code == 400
    assert api.post("/tenant/acme/cpms", json={"displayName": "a", "url": "wss://a"}).status_code == 201


def test_openapi_3_0(client: Client, contract: Any) -> None:
    """OpenAPI 3.0 says null, exclusive bounds and read-only fields in its own way."""
    contract["openapi"] = "3.0.3"
    contract["components"]["schemas"]["CpmsCreate"] = {
        "type": "object",
        "required": ["id", "displayName", "interval"],
        "properties": {
            "id": {"type": "integer", "readOnly": True},
            "displayName": {"type": "string", "nullable": True},
            "interval": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
        },
    }
    api = client(json.dumps(contract))
    assert api.post("/tenant/acme/cpms", json={"displayName": None, "interval": 0}).status_code == 400
    assert api.post("/tenant/acme/cpms", json={"displayName": None, "interval": 1, "id": 77}).status_code == 201
    (row,) = api.get("/tenant/acme/cpms").json()
    assert (row["displayName"], row["id"] == 77) == (None, False)


def test_unnamed_fields_are_ignored(client: Client, contract: Any) -> None:
    """An open body may carry fields that the contract does not name; they are not stored, and own ones never."""
    del contract["components"]["schemas"]["CpmsCreate"]["additionalProperties"]
    api = client(json.dumps(contract))
    sent = {"displayName": "a", "url": "wss://a", "interval": 1, "authPassThrough": True, "deletedAt": "now", "x": 1}
    assert api.post("/tenant/acme/cpms", json=sent).status_code == 201
    (row,) = api.get("/tenant/acme/cpms").json()
    assert (row["authPassThrough"], row["deletedAt"], "x" in row) == (False, None, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "a: [",
        "{",
        "paths: 5",
        "paths: {/tenant: 5}",
        "paths: {/tenant: {post: {requestBody: {$ref: 'https://example.com/body'}}}}",
        "paths: {/tenant: {post: {requestBody: {$ref: '#/components/nothing'}}}}",
        "paths: {/tenant: {$ref: '#/paths/~1tenant'}}",
        "paths: {/tenant: {post: {requestBody: {content: {application/json: {schema: {$ref: 'x.yaml'}}}}}}}",
    ],
)
def test_broken_contract(client: Client, text: str) -> None:
    """A contract that cannot be followed is refused before anything is served, in one sentence."""
    with pytest.raises(emulator.EmulatorError, match="contract") as raised:
        client(text)
    assert "\n" not in str(raised.value)


LONG = "a" * 60 + "!"


def chain(word: str) -> dict[str, Any]:
    """Thirty schemas, each of which asks for the next one twice: a billion in all."""
    links = {f"S{n}": {word: [{"$ref": f"#/components/schemas/S{n + 1}"}] * 2} for n in range(30)}
    return {**links, "S30": {"type": "integer"}}


@pytest.mark.parametrize(
    "pattern",
    ["^(a+)+$", "^(a|aa)*$", "a*" * 20 + "$", "(a*){30}$", "((a?){9}){9}$", "(?=(a+)+$)a", r"(a*)\1*$", "(", 5, "x" * 2000],
)  # fmt: skip
def test_row_E18_a_pattern_that_may_take_for_ever_is_not_tried(client: Client, contract: Any, pattern: Any) -> None:
    """What no pattern should cost, and what is none, is left to the real API; others are judged as ever."""
    fields = contract["components"]["schemas"]["CpmsCreate"]["properties"]
    fields["displayName"]["pattern"] = pattern
    fields["url"]["pattern"] = "^wss://[a-z]+(/[a-z]*)?$|^$"
    api = client(json.dumps(contract))
    assert (
        api.post("/tenant/acme/cpms", json={"displayName": LONG, "url": "wss://a/b", "interval": 30}).status_code == 201
    )
    refused = api.post("/tenant/acme/cpms", json={"displayName": "b", "url": "wss://a/b/c", "interval": 30})
    assert refused.status_code == 400 and "url: does not fit pattern" in refused.text


@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_row_E18_a_schema_without_end_is_refused(client: Client, contract: Any, word: str) -> None:
    """One that doubles thirty times, or refers to itself, is said to be too large, and the next request is answered."""
    contract["components"]["schemas"] |= chain(word)
    contract["components"]["schemas"]["Self"] = {"not": {"$ref": "#/components/schemas/Self"}}
    for name in ("S0", "Self"):
        contract["components"]["schemas"]["CpmsCreate"]["anyOf"] = [{"$ref": f"#/components/schemas/{name}"}]
        api = client(json.dumps(contract))
        refused = api.post("/tenant/acme/cpms", json={"displayName": "a", "url": "wss://a", "interval": 30})
        assert (refused.status_code, "too large to judge" in refused.text) == (400, True)
        assert api.get("/tenant/acme/cpms").json() == []


def test_row_E18_aliases_that_grow(client: Client) -> None:
    """A few lines of YAML that stand for billions of values, or for themselves, are refused."""
    growing = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9) if n else '1'}]\n" for n in range(12))
    with pytest.raises(emulator.EmulatorError, match="more than 2,000,000 values"):
        client(f"{growing}paths: {{}}\n")
    with pytest.raises(emulator.EmulatorError, match="refers to itself"):
        client("x: &x [*x]\npaths: {}\n")


@pytest.mark.parametrize(
    "keyword",
    [
        {"maxLength": "x"},
        {"required": 5},
        {"type": "thing"},
        {"multipleOf": 0},
        {"dependentRequired": 3},
        {"$dynamicRef": "https://elsewhere.example.com/"},
        {"$id": "https://elsewhere.example.com/"},
        {"$schema": "x:y"},
    ],
    ids=lambda keyword: next(iter(keyword)),
)
def test_row_E18_a_keyword_that_means_nothing(client: Client, contract: Any, keyword: dict[str, Any]) -> None:
    """It is an answer, never a crash, and nothing is asked of anybody else."""
    contract["components"]["schemas"]["CpmsCreate"]["properties"]["interval"] = {"not": keyword}
    api = client(json.dumps(contract))
    assert api.post("/tenant/acme/cpms", json={"displayName": "a", "url": "wss://a", "interval": 30}).status_code in (
        201,
        400,
    )
