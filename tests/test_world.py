"""The fake API keeps its rules: what it lets through, what it refuses, and over which wires."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from world import World

CPMS = {"displayName": "Primary", "url": "wss://cpms.example.com/", "interval": 30}
CHARGER = {"identity": "CP-1", "displayName": "Lobby", "profileId": 1}


def ask(world: World, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    sent = {"Authorization": f"Bearer {world.token}"}
    if body is not None:
        sent["Content-Type"] = "application/json"
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    status, _, answer = world.respond(method, path, sent, content)
    return status, json.loads(answer) if answer else None


def test_token() -> None:
    """Every request needs the bearer token, and is judged by it before anything else."""
    world = World()
    assert ask(world, "GET", "/tenant/acme", Authorization="Bearer wrong")[0] == 401
    assert world.respond("GET", "/tenant/ghost", {}, b"")[0] == 401
    assert ask(world, "GET", "/tenant/acme")[0] == 200


def test_unknown_paths() -> None:
    """What is not there is 404, what is there but cannot be done is 405, and nothing takes a query."""
    world = World()
    assert ask(world, "GET", "/tenant/ghost")[0] == 404
    assert ask(world, "GET", "/tenant/ghost/cpms")[0] == 404
    assert ask(world, "GET", "/tenant/acme/profile")[0] == 404
    assert ask(world, "GET", "/tenant/acme/cpms/99")[0] == 404
    assert ask(world, "GET", "/tenant/acme/cpms/abc")[0] == 400
    assert ask(world, "GET", "/tenant/acme/cpms?limit=10")[0] == 400
    assert ask(world, "POST", "/tenant", {"domainPrefix": "x", "name": "X"})[0] == 404
    assert ask(world, "DELETE", "/tenant/acme")[0] == 405
    assert ask(world, "PATCH", "/tenant/acme/cpms", CPMS)[0] == 405


def test_tenant_names_are_decoded() -> None:
    """A tenant is named in the path, percent-encoded."""
    world = World(tenants=("a b",))
    assert ask(world, "GET", "/tenant/a%20b")[1]["domainPrefix"] == "a b"


def test_the_life_of_a_cpms() -> None:
    """Writes answer without a body; ids are integers; the interval comes back as a float; a delete is soft."""
    world = World()
    assert ask(world, "POST", "/tenant/acme/cpms", CPMS) == (201, None)
    [row] = ask(world, "GET", "/tenant/acme/cpms")[1]
    assert row.items() >= CPMS.items() and row["deletedAt"] is None and row["authPassThrough"] is False
    assert type(row["id"]) is int and type(row["interval"]) is float
    path = f"/tenant/acme/cpms/{row['id']}"
    assert ask(world, "GET", path) == (200, row)
    assert ask(world, "PUT", path, {"url": "wss://other.example.com/"}) == (200, None)
    assert ask(world, "GET", path)[1]["url"] == "wss://other.example.com/"
    assert ask(world, "DELETE", path) == (204, None)
    assert [ask(world, method, path)[0] for method in ("GET", "DELETE")] == [404, 404]
    assert ask(world, "PUT", path, {"url": "wss://x/"})[0] == 404
    assert ask(world, "GET", "/tenant/acme/cpms")[1][0]["deletedAt"]
    assert world.live("acme", "cpms") == [] and len(world.rows("acme", "cpms")) == 1


def test_the_life_of_a_charger() -> None:
    """A charger takes three fields, gives up two of them to updates, and reports fields of its own."""
    world = World()
    assert ask(world, "POST", "/tenant/acme/charger", CHARGER) == (201, None)
    [row] = ask(world, "GET", "/tenant/acme/charger")[1]
    assert row.items() >= CHARGER.items() and row["chargeBoxSerialNumber"] == 12345 and "deletedAt" not in row
    path = f"/tenant/acme/charger/{row['id']}"
    assert ask(world, "PUT", path, {"profileId": 2}) == (200, None)
    assert world.row("acme", "charger", "CP-1")["displayName"] == "Lobby"
    assert ask(world, "POST", "/tenant/acme/charger", CHARGER)[0] == 409
    assert ask(world, "DELETE", path)[0] == 204
    assert ask(world, "POST", "/tenant/acme/charger", CHARGER)[0] == 201


def test_the_life_of_a_tenant() -> None:
    """A tenant can be read and renamed; a deleted one can still be read, and nothing in it."""
    world = World()
    assert ask(world, "PUT", "/tenant/acme", {"name": "Acme"}) == (200, None)
    assert ask(world, "GET", "/tenant/acme")[1]["name"] == "Acme"
    assert ask(world, "PUT", "/tenant/acme", {"domainPrefix": "x"})[0] == 400
    world.soft_delete("acme", "tenant", "acme")
    assert ask(world, "GET", "/tenant/acme")[1]["deletedAt"]
    assert ask(world, "GET", "/tenant/acme/cpms")[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        CPMS | {"authPassThrough": True},
        CPMS | {"interval": "30"},
        CPMS | {"interval": 30.5},
        CPMS | {"interval": True},
        CPMS | {"displayName": None},
        CPMS | {"url": "cpms.example.com"},
        {"displayName": "Primary", "url": "wss://x/"},
        [CPMS],
        b"",
        b"{",
        b'{"url": "wss://a/", "url": "wss://b/"}',
    ],
    ids=repr,
)
def test_bodies_are_strict(body: Any) -> None:
    """An unknown, missing or wrongly typed field changes nothing and is 400."""
    world = World()
    assert ask(world, "POST", "/tenant/acme/cpms", body)[0] == 400
    assert world.rows("acme", "cpms") == []
    assert [request.changed for request in world.log] == [False]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("cpms", {"interval": 60}),
        ("cpms", {"displayName": "Other"}),
        ("cpms", {"url": 1}),
        ("charger", {"identity": "CP-2"}),
        ("charger", {"profileId": "2"}),
        ("charger", {"provisioned": True}),
    ],
)
def test_updates_are_strict(kind: str, body: Any) -> None:
    """A CPMS gives up its url only, a charger displayName and profileId only."""
    world = World()
    fields = {"cpms": CPMS, "charger": CHARGER}[kind]
    row_id = world.add("acme", kind, **fields)
    before = world.rows("acme", kind)
    assert ask(world, "PUT", f"/tenant/acme/{kind}/{row_id}", body)[0] == 400
    assert world.rows("acme", kind) == before


def test_content_type() -> None:
    """A body is application/json, with or without a charset; GET and DELETE have none."""
    world = World()
    path = "/tenant/acme/cpms"
    assert ask(world, "POST", path, CPMS, Content_Type="text/plain")[0] == 415
    assert ask(world, "POST", path, CPMS, Content_Type="application/json; charset=utf-8")[0] == 201
    assert ask(world, "GET", path, CPMS)[0] == 400


def test_loosened_worlds() -> None:
    """A world can be made to allow more than the vendor documents."""
    world = World((), cpms_update_fields=("url", "interval"), tenant_create=True, delete_rows_listed=False)
    assert ask(world, "POST", "/tenant", {"domainPrefix": "beta", "name": "Beta"}) == (201, None)
    assert ask(world, "POST", "/tenant", {"domainPrefix": "beta", "name": "Beta"})[0] == 409
    assert ask(world, "POST", "/tenant", {"domainPrefix": "x"})[0] == 400
    row_id = world.add("beta", "cpms", **CPMS)
    assert ask(world, "PUT", f"/tenant/beta/cpms/{row_id}", {"interval": 60})[0] == 200
    assert world.row("beta", "cpms", row_id)["interval"] == 60
    assert ask(world, "DELETE", f"/tenant/beta/cpms/{row_id}")[0] == 204
    assert ask(world, "GET", "/tenant/beta/cpms") == (200, [])


def test_extra_kinds() -> None:
    """A toy kind lives by the same rules."""
    toy = {"widget": {"key": "label", "create": {"label": str, "size": float}, "update": {"size": float}}}
    world = World(extra_kinds=toy)
    assert ask(world, "POST", "/tenant/acme/widget", {"label": "A", "size": 1.5})[0] == 201
    assert ask(world, "POST", "/tenant/acme/widget", {"label": "A"})[0] == 400
    row = world.row("acme", "widget", "A")
    assert ask(world, "PUT", f"/tenant/acme/widget/{row['id']}", {"size": 2})[0] == 200
    assert ask(world, "PUT", f"/tenant/acme/widget/{row['id']}", {"label": "B"})[0] == 400
    assert ask(world, "GET", "/tenant/acme/widget")[1][0].items() >= {"label": "A", "size": 2}.items()


def test_another_hand() -> None:
    """Seeds, edits and soft deletes go past the rules, and ids are never shared between kinds."""
    world = World(tenants=("acme", "beta"))
    first = world.add("acme", "cpms", displayName="Twin")
    second = world.add("acme", "cpms", displayName="Twin")
    world.add("acme", "cpms", displayName="Pinned", id=second + 1)
    charger = world.add("acme", "charger", identity="CP-1", chargePointModel="X")
    assert len({first, second, second + 1, charger}) == 4
    world.edit("acme", "cpms", first, displayName="Single")
    world.soft_delete("acme", "cpms", "Twin")
    assert [row["displayName"] for row in world.live("acme", "cpms")] == ["Single", "Pinned"]
    assert world.row("acme", "charger", "CP-1").items() >= {"profileId": 1, "chargePointModel": "X"}.items()
    assert world.live("beta", "cpms") == [] and world.log == []


def test_the_log() -> None:
    """The log tells what was asked, what came of it, and whether anything changed."""
    world = World()
    ask(world, "POST", "/tenant/acme/cpms", CPMS)
    ask(world, "GET", "/tenant/acme/cpms")
    first, second = world.log
    assert (first.line, first.json, first.status, first.changed) == ("POST /tenant/acme/cpms", CPMS, 201, True)
    assert first.headers["content-type"] == "application/json" and json.loads(first.body) == CPMS
    assert (second.index, second.changed, second.json) == (1, False, None)
    assert world.writes == [first] and world.paths == ["/tenant/acme/cpms"] * 2


def test_hooks() -> None:
    """A hook may act before a request, answer in the rules' place, or change what the client sees."""
    world = World()
    requests = []
    world.before_request = lambda index, method, path: requests.append((index, method, path))
    world.override = lambda method, path: (500, {}, b'"boom"') if path.endswith("/charger") else None
    world.alter = lambda method, path, answer: (502, {}, b'"cut"') if method == "POST" else answer
    assert ask(world, "GET", "/tenant/acme/charger") == (500, "boom")
    assert ask(world, "POST", "/tenant/acme/cpms", CPMS) == (502, "cut")
    assert len(world.live("acme", "cpms")) == 1
    assert requests == [(0, "GET", "/tenant/acme/charger"), (1, "POST", "/tenant/acme/cpms")]
    assert [(r.status, r.changed, r.overridden) for r in world.log] == [(500, False, True), (201, True, False)]


def test_transport() -> None:
    """An httpx client reaches the world inside the process, and sees dropped connections as such."""
    world = World()
    headers = {"Authorization": "Bearer secret-token"}
    with httpx.Client(transport=world.transport(), base_url="http://world", headers=headers) as client:
        assert client.post("/tenant/acme/cpms", json=CPMS).status_code == 201
        assert client.get("/tenant/acme/cpms").json()[0]["displayName"] == "Primary"
        world.before_request = drop
        with pytest.raises(httpx.ReadError):
            client.get("/tenant/acme")
    assert (world.log[-1].status, world.log[-1].changed) == (0, False)


def drop(*_: Any) -> None:
    raise ConnectionResetError("dropped")


def test_server() -> None:
    """On a port: one connection serves many requests, each answer has its length, a dropped one has none."""
    world = World()
    headers = {"Authorization": "Bearer secret-token", "Content-Type": "application/json"}
    with world.serve() as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
        connection.request("POST", "/tenant/acme/cpms", json.dumps(CPMS), headers)
        created = connection.getresponse()
        assert (created.status, created.headers["Content-Length"], created.read()) == (201, "0", b"")
        socket = connection.sock
        connection.request("GET", "/tenant/acme/cpms", headers=headers)
        assert json.load(connection.getresponse())[0]["displayName"] == "Primary"
        connection.request("DELETE", f"/tenant/acme/cpms/{world.live('acme', 'cpms')[0]['id']}", headers=headers)
        assert connection.getresponse().read() == b""
        assert connection.sock is socket
        world.before_request = drop
        connection.request("GET", "/tenant/acme", headers=headers)
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
        connection.close()


def test_threads() -> None:
    """Many clients at once lose nothing and share no id."""
    world = World()
    headers = {"Authorization": "Bearer secret-token"}
    with world.serve() as url, httpx.Client(base_url=url, headers=headers) as client, ThreadPoolExecutor(8) as pool:
        bodies = [CHARGER | {"identity": f"CP-{number}"} for number in range(200)]
        answers = pool.map(lambda body: client.post("/tenant/acme/charger", json=body).status_code, bodies)
        assert set(answers) == {201}
    assert len({row["id"] for row in world.live("acme", "charger")}) == 200
    assert sorted(request.index for request in world.log) == list(range(200))
