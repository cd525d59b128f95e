"""The rules of the API that a client can rely on, seen through httpx in the process."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from exolink_reconcile import emulator

Client = Callable[..., httpx.Client]

BACKEND = {"displayName": "Primary backend", "url": "wss://cpms.example.com/ocpp", "interval": 30}
CHARGER = {"identity": "CP-0001", "displayName": "Lobby left", "profileId": 1}


def only(client: httpx.Client, path: str) -> dict[str, Any]:
    (row,) = client.get(path).json()
    assert isinstance(row, dict)
    return row


def test_created_cpms_is_listed(client: Client) -> None:
    """A created CPMS shows what was sent, with an integer id, its tenant's id and the API's own defaults."""
    api = client()
    assert api.post("/tenant/acme/cpms", json=BACKEND).status_code == 201
    row = only(api, "/tenant/acme/cpms")
    assert row == {
        **BACKEND,
        "id": row["id"],
        "tenantId": api.get("/tenant/acme").json()["id"],
        "authPassThrough": False,
        "createdAt": row["createdAt"],
        "updatedAt": row["createdAt"],
        "deletedAt": None,
    }
    assert isinstance(row["id"], int)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["createdAt"])
    assert api.get(f"/tenant/acme/cpms/{row['id']}").json() == row


def test_writes_have_no_body(client: Client) -> None:
    """Writes answer without a body and without a Location; ids are learnt by reading."""
    api = client()
    created = api.post("/tenant/acme/cpms", json=BACKEND)
    path = f"/tenant/acme/cpms/{only(api, '/tenant/acme/cpms')['id']}"
    answers = [created, api.put(path, json={"url": "wss://b"}), api.delete(path)]
    assert [answer.status_code for answer in answers] == [201, 204, 204]
    assert not any(answer.content or "location" in answer.headers for answer in answers)


def test_interval_is_read_as_number(client: Client) -> None:
    """`interval` is an integer when sent and a number when read."""
    api = client()
    api.post("/tenant/acme/cpms", json=BACKEND)
    assert '"interval":30.0' in api.get("/tenant/acme/cpms").text


def test_update_merges(client: Client) -> None:
    """PUT changes the fields it is given, and updatedAt."""
    api = client()
    api.post("/tenant/acme/charger", json=CHARGER)
    before = only(api, "/tenant/acme/charger")
    api.put(f"/tenant/acme/charger/{before['id']}", json={"profileId": 2})
    after = only(api, "/tenant/acme/charger")
    assert after == {**before, "profileId": 2, "updatedAt": after["updatedAt"]}
    assert (before["provisioned"], after["updatedAt"] >= before["updatedAt"]) == (False, True)


def test_delete_is_soft(client: Client) -> None:
    """A deleted object is gone by id but stays in the list with deletedAt set."""
    api = client()
    api.post("/tenant/acme/cpms", json=BACKEND)
    path = f"/tenant/acme/cpms/{only(api, '/tenant/acme/cpms')['id']}"
    api.delete(path)
    assert only(api, "/tenant/acme/cpms")["deletedAt"] is not None
    gone = [api.get(path), api.put(path, json={"url": "wss://b"}), api.delete(path)]
    assert [answer.status_code for answer in gone] == [404, 404, 404]


def test_identity_is_unique_among_live(client: Client) -> None:
    """A second live charger of that identity is a conflict; in another tenant, or after a delete, it is not."""
    api = client()
    api.post("/tenant/acme/charger", json=CHARGER)
    refused = api.post("/tenant/acme/charger", json=CHARGER)
    assert (refused.status_code, "identity" in refused.json()["error"]) == (409, True)
    assert api.post("/tenant/beta/charger", json=CHARGER).status_code == 201
    api.delete(f"/tenant/acme/charger/{only(api, '/tenant/acme/charger')['id']}")
    assert api.post("/tenant/acme/charger", json=CHARGER).status_code == 201


def test_cpms_names_may_repeat(client: Client) -> None:
    """Nothing makes the displayName of a CPMS unique."""
    api = client()
    assert [api.post("/tenant/acme/cpms", json=BACKEND).status_code for _ in range(2)] == [201, 201]


def test_tenants_do_not_share(client: Client) -> None:
    """An object is reached through its own tenant and its own collection only."""
    api = client()
    api.post("/tenant/acme/cpms", json=BACKEND)
    number = only(api, "/tenant/acme/cpms")["id"]
    assert api.get("/tenant/beta/cpms").json() == []
    assert api.get(f"/tenant/beta/cpms/{number}").status_code == 404
    assert api.get(f"/tenant/acme/charger/{number}").status_code == 404


def test_tenant(client: Client) -> None:
    """A tenant has a prefix, a name made from it and a connectUrl; its name can be changed."""
    api = client()
    before = api.get("/tenant/acme").json()
    assert (before["domainPrefix"], before["name"]) == ("acme", "Acme")
    assert (before["connectUrl"], before["deletedAt"]) == ("wss://acme.broker.exolink.cloud/", None)
    api.put("/tenant/acme", json={"name": "Acme Charging GmbH"})
    assert api.get("/tenant/acme").json()["name"] == "Acme Charging GmbH"


def test_only_given_tenants(client: Client) -> None:
    """With a list of tenants, every other one is 404, even one that the database knows from before."""
    client().get("/tenant/beta")
    api = client(tenants=["acme"])
    paths = ["/tenant/acme", "/tenant/beta", "/tenant/beta/cpms", "/tenant/Acme"]
    assert [api.get(path).status_code for path in paths] == [200, 404, 404, 404]


@pytest.mark.parametrize("prefix", ["müller", "日本", "a b", "a%25b", "a+b", "x" * 500])
def test_prefix_is_decoded(client: Client, prefix: str) -> None:
    """A path segment is the percent-decoded text of the prefix."""
    assert client().get(f"/tenant/{prefix}").json()["domainPrefix"] == prefix.replace("%25", "%")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer de", "Bearer devv", "bearer dev", "Basic dev", "dev"])
def test_token(client: Client, header: str | None) -> None:
    """With a token, any other Authorization is 401, on every path."""
    api = client(token="dev")
    headers = {} if header is None else {"Authorization": header}
    for path in ("/tenant/acme", "/nowhere"):
        refused = api.get(path, headers=headers)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert "token" in refused.json()["error"]
    assert api.get("/tenant/acme", headers={"Authorization": "Bearer dev"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/tenant", "/tenant/", "/tenant//cpms", "/tenant/acme/", "/tenant/acme/profile"])
def test_unknown_path(client: Client, path: str) -> None:
    """A path that the contract lacks is 404, with a JSON error."""
    refused = client().get(path)
    assert (refused.status_code, list(refused.json())) == (404, ["error"])


@pytest.mark.parametrize("number", ["x", "1.0", "01", "-1", "0", "9" * 18, "9" * 40, "1 ", "%D9%A1", "nan"])
def test_unknown_id(client: Client, number: str) -> None:
    """An id that is not an integer, or of no object, is 404."""
    assert client().get(f"/tenant/acme/cpms/{number}").status_code == 404


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "POST", "DELETE", "BREW"])
def test_unknown_method(client: Client, method: str) -> None:
    """A method that the contract lacks on a known path is 405 and says what is allowed."""
    refused = client().request(method, "/tenant/acme")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, PUT")


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "json", ";"]
)
def test_content_type(client: Client, kind: str | None) -> None:
    """A body that is not declared as JSON in UTF-8 is 415."""
    headers = {} if kind is None else {"Content-Type": kind}
    answer = client().post("/tenant/acme/cpms", content=json.dumps(BACKEND), headers=headers)
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON ; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_content_type_spellings(client: Client, kind: str) -> None:
    """The media type may be spelt in any way HTTP allows."""
    answer = client().post("/tenant/acme/cpms", content=json.dumps(BACKEND), headers={"Content-Type": kind})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"interval": "30"}, "interval"),
        ({"interval": True}, "interval"),
        ({"interval": 1.5}, "interval"),
        ({"url": "no url"}, "url"),
        ({"displayName": None}, "displayName"),
        ({"authPassThrough": True}, "authPassThrough"),
        ({"id": 7}, "id"),
    ],
)
def test_wrong_field_is_named(client: Client, change: dict[str, Any], named: str) -> None:
    """A body that the contract does not allow is 400, and the answer names the field."""
    refused = client().post("/tenant/acme/cpms", json={**BACKEND, **change})
    assert refused.status_code == 400
    assert named in refused.json()["error"]


def test_missing_field_is_named(client: Client) -> None:
    """A missing field is named."""
    assert "'interval'" in client().post("/tenant/acme/cpms", json={"displayName": "a", "url": "b:"}).json()["error"]


def test_errors_do_not_repeat_values(client: Client) -> None:
    """A wrong URL may hold a password, so no error repeats a value."""
    refused = client().post("/tenant/acme/cpms", json={**BACKEND, "url": "wss user:hunter2@x"})
    assert (refused.status_code, "hunter2" in refused.text) == (400, False)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"url": NaN}',
        b'{"displayName":"a","url":"a:","interval":1e999}',
        b'{"displayName":"a","url":"a:","interval":' + b"9" * 9999 + b"}",
        b'{"displayName":"a","displayName":"b","url":"a:","interval":1}',
        b"[" * 100_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_broken_json(client: Client, raw: bytes) -> None:
    """What is not a plain JSON object is 400, never a failure of the emulator."""
    refused = client().post("/tenant/acme/cpms", content=raw, headers={"Content-Type": "application/json"})
    assert (refused.status_code, list(refused.json())) == (400, ["error"])


def test_too_large_body(client: Client) -> None:
    """A body beyond the limit is 413."""
    assert client().post("/tenant/acme/cpms", json={**BACKEND, "displayName": "x" * 2_000_000}).status_code == 413


@pytest.mark.parametrize("name", ["\x00", "\ud800", "\u202e", "🔌", "a\nb", '"\\', "'; DROP TABLE object; --", ""])
def test_any_text_survives(client: Client, name: str) -> None:
    """Any text that JSON can carry is kept as it was sent."""
    api = client()
    raw = json.dumps({**BACKEND, "displayName": name})
    assert api.post("/tenant/acme/cpms", content=raw, headers={"Content-Type": "application/json"}).status_code == 201
    assert only(api, "/tenant/acme/cpms")["displayName"] == name


def test_restart_keeps_everything(client: Client, database: Path) -> None:
    """A closed and reopened database shows the same, and goes on with new ids."""
    api = client()
    api.post("/tenant/acme/cpms", json=BACKEND)
    before = only(api, "/tenant/acme/cpms")
    again = client()
    assert only(again, "/tenant/acme/cpms") == before
    again.post("/tenant/acme/cpms", json=BACKEND)
    assert again.get("/tenant/acme/cpms").json()[1]["id"] > before["id"]


def test_database_id(client: Client, database: Path, tmp_path: Path) -> None:
    """The id belongs to the database: stable over runs, different in every new one."""
    first = emulator.database_id(database)
    client().get("/tenant/acme")
    assert emulator.database_id(database) == first
    assert emulator.database_id(tmp_path / "other.db") != first


def test_database_is_private(database: Path) -> None:
    """CPMS URLs may hold passwords, so only the owner can read the file."""
    emulator.database_id(database)
    assert database.stat().st_mode & 0o077 == 0


def test_closed_database_is_one_file(client: Client, database: Path) -> None:
    """After closing, the database is one file that can be copied."""
    app = emulator.application(database, "paths: {}", tenants=["acme"], token=None)
    app.close()
    assert list(database.parent.iterdir()) == [database]


@pytest.mark.parametrize("place", ["folder", "text", "other program", "no folder", "newer"])
def test_unusable_database(tmp_path: Path, place: str) -> None:
    """A database that cannot be used is an EmulatorError of one sentence that names it, and stays as it was."""
    path = tmp_path / "db"
    if place == "folder":
        path.mkdir()
    elif place == "text":
        path.write_text("this is no database at all, " * 100)
    elif place == "no folder":
        path = tmp_path / "missing" / "db"
    else:
        if place == "newer":
            emulator.database_id(path)
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99" if place == "newer" else "CREATE TABLE invoices (id)")
        connection.commit()
        connection.close()
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(emulator.EmulatorError, match=re.escape(str(path))) as raised:
        emulator.database_id(path)
    assert "\n" not in str(raised.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_imports_are_light() -> None:
    """Importing the package alone loads none of its libraries; most commands never need them."""
    check = "import sys, exolink_reconcile.emulator; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout.split()
    assert not {"jsonschema", "ruamel.yaml", "cheroot", "sqlite3"} & set(loaded)
