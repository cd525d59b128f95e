"""All or nothing on reading: a doubtful answer writes nothing anywhere, and the token goes to one place only."""

from collections.abc import Callable

import pytest
from world import Answer, World

from .conftest import TOKEN, Cli
from .support import NO_CHANGES, SETTLED

JSON = {"Content-Type": "application/json"}


def at(path_end: str, answer: Answer) -> Callable[[str, str], Answer | None]:
    """An override: this answer for every read of that path."""
    return lambda method, path: answer if method == "GET" and path.endswith(path_end) else None


DOUBTFUL: dict[str, Answer] = {
    "html": (200, {"Content-Type": "text/html"}, b"<html><body>Please log in</body></html>"),
    "500": (500, {}, b""),
    "404": (404, JSON, b'{"error": "no such list"}'),
    "object": (200, JSON, b'{"items": []}'),
    "nothing": (200, JSON, b""),
    "cut": (200, JSON, b'[{"id": 1, "identity": "CP-1"'),
    "row without id": (200, JSON, b'[{"identity": "CP-1", "displayName": "A", "profileId": 1}]'),
    "row without key": (200, JSON, b'[{"id": 1, "displayName": "A", "profileId": 1}]'),
}


@pytest.mark.parametrize("answer", DOUBTFUL.values(), ids=DOUBTFUL)
def test_an_unreadable_list(cli: Cli, answer: Answer) -> None:
    """A list that cannot be read is never an empty list: 4, and nothing is written anywhere."""
    cli.write("exolink.yaml", SETTLED)
    cli.world.override = at("/charger", answer)
    cli("apply", "--auto-approve", code=4)
    assert cli.world.writes == []


def test_a_tenant_that_is_not_there(start: Callable[..., Cli]) -> None:
    """A tenant that is 404 or deleted is 4, and nothing is written in the others either."""
    cli = start(("acme", "gone"))
    cli.world.soft_delete("gone", "tenant", "gone")
    for tenant in ("ghost", "gone"):
        cli.write(f"{tenant}.yaml", SETTLED + f"---\ntenant: {tenant}\nname: X\n")
        refused = cli("apply", f"{tenant}.yaml", "--auto-approve", code=4)
        assert tenant in refused.err
    assert cli.world.writes == []


def test_a_tenant_that_answers_nonsense(cli: Cli) -> None:
    """A tenant's own answer is judged like a list."""
    cli.write("exolink.yaml", SETTLED)
    cli.world.override = at("/tenant/acme", (200, JSON, b"[]"))
    cli("apply", "--auto-approve", code=4)
    assert cli.world.writes == []


def test_what_is_ignored_in_an_answer(settled: Cli) -> None:
    """Unknown fields are ignored, numbers and strings both decoded, and soft-deleted rows are not looked at."""
    settled.world.edit("acme", "charger", "CP-0001", profileId="1", chargeBoxSerialNumber=7, shape={"x": [1]})
    settled.world.edit("acme", "cpms", "Primary backend", interval="60")
    settled.world.add("acme", "cpms", displayName="Primary backend", deletedAt="2025-01-01T00:00:00Z")
    assert settled("plan", "--detailed-exitcode").counts(NO_CHANGES)


def test_not_authenticated(cli: Cli) -> None:
    """401 and 403 are 10, on a tenant as on a list, and nothing is written."""
    cli.write("exolink.yaml", SETTLED)
    cli("apply", "--auto-approve", token="canary-but-wrong", code=10)
    assert {request.status for request in cli.world.log} == {401}
    cli.world.override = at("/charger", (403, JSON, b'{"error": "viewer"}'))
    cli("apply", "--auto-approve", code=10)
    assert cli.world.writes == []


def test_a_redirect_is_not_followed(cli: Cli) -> None:
    """A redirect is 4; nobody else gets a request, let alone the token."""
    elsewhere = World(token=TOKEN)
    cli.write("exolink.yaml", SETTLED)
    with elsewhere.serve() as url:
        cli.world.override = lambda method, path: (308, {"Location": url + path}, b"")
        cli("apply", "--auto-approve", code=4)
    assert elsewhere.log == [] and cli.world.writes == []


def test_an_api_that_is_not_there(cli: Cli) -> None:
    """Nobody listening is 4."""
    cli.write("exolink.yaml", SETTLED)
    cli("plan", "--api-url", "http://127.0.0.1:9", code=4)


def test_plain_http_is_for_loopback(cli: Cli) -> None:
    """http:// goes to loopback names and addresses only; anything else exits 3."""
    cli.write("exolink.yaml", SETTLED)
    urls = ["http://192.0.2.1", "http://localhost.invalid", "nonsense"]
    cli.each([("plan", "--api-url", url) for url in urls], code=3)
    assert cli.world.log == []
    cli("plan", "--api-url", cli.url.replace("127.0.0.1", "localhost"))


def test_no_usable_token(cli: Cli) -> None:
    """A missing, unreadable or malformed token exits 10 without a request and without showing it."""
    cli.write("exolink.yaml", SETTLED)
    cli("plan", token=None, code=10)
    for token in ("hush two", "hush\nthree", "hush-ü"):
        assert "hush" not in cli("plan", token=token, code=10).text
    cli("plan", "--token-file", "token-that-is-not-there", code=10)
    assert cli.world.log == []


def test_where_the_token_comes_from(cli: Cli) -> None:
    """--token-file, else EXOLINK_TOKEN_FILE, else EXOLINK_TOKEN; a trailing line break is dropped."""
    cli.write("exolink.yaml", SETTLED)
    cli.write("token", f"{TOKEN}\n")
    cli.write("token-wrong", "canary-but-wrong\n")
    cli("plan", "--token-file", "token", env={"EXOLINK_TOKEN_FILE": "token-wrong"}, token="canary-but-wrong")
    cli("plan", env={"EXOLINK_TOKEN_FILE": "token"}, token="canary-but-wrong\n")
    assert {request.status for request in cli.world.log} == {200}


def test_hostile_names_are_inert(cli: Cli) -> None:
    """A live name cannot steer a terminal or a CI runner."""
    cli.world.add("acme", "charger", identity="X\x1b[31m\n::error ::pwned\u202e", displayName="A")
    cli.world.edit("acme", "tenant", "acme", name="B\x1b[31m\n::error ::pwned\u202e")
    cli.write("exolink.yaml", "tenant: acme\nname: Acme\nchargers: []\npolicy: {exclusive: [charger]}\n")
    plan = cli("plan", "--show-unmanaged")
    assert plan.text.count("pwned") >= 2 and "\u202e" not in plan.text
    assert not any(line.strip().startswith("::") for line in plan.text.splitlines())
