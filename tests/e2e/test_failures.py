"""When something goes wrong in the middle: what goes on, what stops, and what the exit code says."""

from collections.abc import Callable

from world import Answer

from .conftest import Cli
from .support import SETTLED, charger_lines, numbered

REFUSED: Answer = (422, {"Content-Type": "application/json"}, b'{"error": "the depot is closed"}')


def test_a_failed_create(cli: Cli) -> None:
    """Independent work goes on, the totals say what happened, the failure is named, and a re-run converges."""
    cli.write("exolink.yaml", "tenant: acme\nchargers:\n" + charger_lines(numbered(1, 5), displayName="A", profileId=1))
    posts: list[str] = []

    def refuse_the_first(method: str, path: str) -> Answer | None:
        if method == "POST":
            posts.append(path)
        return REFUSED if method == "POST" and len(posts) == 1 else None

    cli.world.override = refuse_the_first
    applied = cli("apply", "--auto-approve", code=5)
    made = {row["identity"] for row in cli.world.live("acme", "charger")}
    [failed] = set(numbered(1, 5)) - made
    assert failed in applied.text and "the depot is closed" in applied.text
    assert "5 added" not in applied.text
    again = cli("apply", "--auto-approve")
    assert again.counts("Apply complete! Resources: 1 added, 0 changed, 0 destroyed.")


def test_no_deletes_where_something_failed(start: Callable[..., Cli]) -> None:
    """Where something failed nothing is replaced or deleted, in that tenant; in another one it is."""
    cli = start(("acme", "beta"))
    for tenant in ("acme", "beta"):
        cli.world.add(tenant, "cpms", displayName="Old")
        cli.world.add(tenant, "cpms", displayName="Test bench", url="wss://a.example.com/", interval=30)
    document = """tenant: {}
policy: {{allowReplace: [cpms/Test bench]}}
cpms: [{{displayName: Test bench, url: "wss://a.example.com/", interval: 60}}]
chargers: [{{identity: CP-1, displayName: A, profileId: 1}}]
removed: [{{cpms: Old}}]
"""
    cli.write("fleet.yaml", document.format("acme") + "---\n" + document.format("beta"))
    cli.world.override = lambda method, path: REFUSED if (method, path) == ("POST", "/tenant/acme/charger") else None
    cli("apply", "fleet.yaml", "--auto-approve", "--allow-deletes", "4", code=5)
    assert {row["displayName"] for row in cli.world.live("acme", "cpms")} == {"Old", "Test bench"}
    assert [row["interval"] for row in cli.world.live("beta", "cpms")] == [60]


def test_ten_failures_in_a_row(cli: Cli) -> None:
    """After 10 failures in a row, no more of that action and kind is tried; the rest goes on."""
    cli.write("exolink.yaml", SETTLED + charger_lines(numbered(1, 40), displayName="A", profileId=1))
    cli.world.override = lambda method, path: REFUSED if method == "POST" and path.endswith("/charger") else None
    cli("apply", "--auto-approve", code=5)
    posts = [request for request in cli.world.writes if request.line == "POST /tenant/acme/charger"]
    assert 10 <= len(posts) <= 18, "what was in flight may still end"
    assert len(cli.world.live("acme", "cpms")) == 2


def test_the_right_to_write_is_lost_halfway(cli: Cli) -> None:
    """A 403 in the middle is 10, nothing more is written, and what was written is known."""
    cli.write(
        "exolink.yaml", "tenant: acme\nchargers:\n" + charger_lines(numbered(1, 40), displayName="A", profileId=1)
    )

    def lost(method: str, path: str) -> Answer | None:
        return (403, {}, b"") if method == "POST" and len(cli.world.live("acme", "charger")) >= 5 else None

    cli.world.override = lost
    applied = cli("apply", "--auto-approve", code=10)
    made = len(cli.world.live("acme", "charger"))
    assert 5 <= made <= 12 and f"{made} added" in applied.text
    assert len(cli.world.writes) <= made + 8, "what was in flight may still be answered"


def test_an_object_that_moved(settled: Cli) -> None:
    """An object that moved since it was read is skipped: 6 when nothing was written."""
    settled.world.edit("acme", "charger", "CP-0001", displayName="x")
    row = settled.world.row("acme", "charger", "CP-0001")

    def moves(index: int, method: str, path: str) -> None:
        if path == f"/tenant/acme/charger/{row['id']}":
            settled.world.edit("acme", "charger", "CP-0001", displayName="by another hand")

    settled.world.before_request = moves
    settled("apply", "--auto-approve", code=6)
    assert settled.world.writes == []


def surprise(cli: Cli, **fields: object) -> Callable[[str, str, Answer], Answer]:
    """A server that stores these fields with every update of a charger."""

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "PUT" and "/charger/" in path:
            cli.world.edit("acme", "charger", int(path.rpartition("/")[2]), **fields)
        return answer

    return alter


def test_a_server_that_stores_another_value(settled: Cli) -> None:
    """E-NORMALISED: 5 after the first write, no more of that action and kind, and the rest goes on."""
    for identity in ("CP-0001", "CP-0002"):
        settled.world.edit("acme", "charger", identity, displayName="x")
    settled.world.edit("acme", "cpms", "Test bench", url="wss://x.example.com/")
    settled.world.alter = surprise(settled, displayName="SHOUTED")
    assert "E-NORMALISED" in settled("apply", "--auto-approve", code=5).text
    puts = [request.path.split("/")[3] for request in settled.world.writes]
    assert sorted(puts) == ["charger", "cpms"]


def test_a_server_that_clears_what_was_not_sent(cli: Cli) -> None:
    """E-PUT-CLOBBERS: 5 after the first write, and no more of that action and kind."""
    for identity in numbered(1, 3):
        cli.world.add("acme", "charger", identity=identity, displayName="precious")
    cli.write("exolink.yaml", "tenant: acme\nchargers:\n" + charger_lines(numbered(1, 3), profileId=2))
    cli.world.alter = surprise(cli, displayName="")
    assert "E-PUT-CLOBBERS" in cli("apply", "--auto-approve", code=5).text
    assert len(cli.world.writes) == 1


def test_a_write_may_answer_anything(cli: Cli) -> None:
    """A client neither needs a body after a write nor trips over one."""
    cli.write("exolink.yaml", SETTLED)

    def chatty(method: str, path: str, answer: Answer) -> Answer:
        return (200, {"Content-Type": "text/plain"}, b"thanks") if method in ("POST", "PUT") else answer

    cli.world.alter = chatty
    cli("apply", "--auto-approve")
    assert len(cli.world.live("acme", "charger")) == 2


def test_the_verifying_read_judges_the_plan(settled: Cli) -> None:
    """After the writes the plan's addresses are read again; a new difference elsewhere is a note, not a failure."""
    settled.world.edit("acme", "charger", "CP-0001", displayName="x")

    def elsewhere(method: str, path: str, answer: Answer) -> Answer:
        if method == "PUT":
            settled.world.edit("acme", "charger", "CP-0002", displayName="by another hand")
        return answer

    settled.world.alter = elsewhere
    settled("apply", "--auto-approve")
    assert settled.world.row("acme", "charger", "CP-0001")["displayName"] == "Lobby left"
