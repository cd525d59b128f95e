"""The main job: plan shows it, apply makes it, a second plan is empty."""

import json
import re

from world import Answer

from .conftest import Cli
from .support import NO_CHANGES, SETTLED, charger_lines, numbered


def test_from_nothing_to_no_changes(cli: Cli) -> None:
    """Plan writes nothing at all, apply makes it so, and after that there is nothing left to do or to send."""
    cli.write("exolink.yaml", SETTLED)
    cli.world.edit("acme", "tenant", "acme", name="Acme Charging GmbH")
    plan = cli("plan")
    assert plan.lines[-2] == "Plan: 4 to add, 0 to change, 0 to destroy."
    assert re.fullmatch(r"Digest: [0-9a-f]{12,}…?", plan.lines[-1])
    assert "inferred" in plan.text, "charger writes are not documented, and plan says so"
    assert cli.world.writes == [] and not cli.state.exists()
    assert cli.world.paths.count("/tenant/acme") == 1, "every tenant is read by one GET"

    applied = cli("apply", "--auto-approve")
    assert applied.counts("Apply complete! Resources: 4 added, 0 changed, 0 destroyed.")
    assert sorted((request.path, sorted(request.json.items())) for request in cli.world.writes) == [
        ("/tenant/acme/charger", [("displayName", "Lobby left"), ("identity", "CP-0001"), ("profileId", 1)]),
        ("/tenant/acme/charger", [("displayName", "Lobby right"), ("identity", "CP-0002"), ("profileId", 2)]),
        (
            "/tenant/acme/cpms",
            [("displayName", "Primary backend"), ("interval", 60), ("url", "wss://cpms.example.com/ocpp")],
        ),
        ("/tenant/acme/cpms", [("displayName", "Test bench"), ("interval", 30), ("url", "wss://bench.example.com/")]),
    ]

    again, empty = cli("plan", "--detailed-exitcode"), cli("apply", "--auto-approve")
    assert again.counts(NO_CHANGES) and "Plan:" not in again.out
    assert NO_CHANGES in empty.out or "0 added, 0 changed, 0 destroyed" in empty.out
    assert len(cli.world.writes) == 4


def test_all_kinds_of_steps(settled: Cli) -> None:
    """Most dangerous first, one mark a line with the place in the YAML; apply creates and updates before it deletes."""
    settled.world.add("acme", "cpms", displayName="Old backend")
    settled.world.add("acme", "cpms", displayName="Nobody's")
    settled.world.edit("acme", "cpms", "Primary backend", interval=99)
    settled.world.edit("acme", "cpms", "Test bench", interval=99)
    settled.world.edit("acme", "charger", "CP-0002", profileId=1)
    settled.world.soft_delete("acme", "charger", "CP-0001")
    extra = 'policy: {allowReplace: ["cpms/Test bench"]}\nremoved:\n  - {cpms: Old backend, reason: "OPS-123"}\n'
    settled.write("exolink.yaml", SETTLED + extra)

    plan = settled("plan", "--full", "--allow-deletes", "2")
    assert "profileId: 1 (standard) -> 2 (night)" in plan.out and "OPS-123" in plan.out
    assert plan.lines[-3:-1] == ["Plan: 2 to add, 1 to change, 2 to destroy.", "1 held back. 1 unmanaged."]
    held_back, deleted = plan.place("!", "Primary backend"), plan.place("-", "Old backend")
    replaced, updated, created = plan.place("-/+", "Test bench"), plan.place("~", "CP-0002"), plan.place("+", "CP-0001")
    assert held_back < deleted < replaced < min(updated, created)
    for place in ("5:6", "6:6", "8:6", "9:6", "12:6"):
        assert f"exolink.yaml:{place}" in plan.out
    for mark, word in {"+": "create", "~": "update", "-/+": "replace", "-": "delete", "!": "held back"}.items():
        assert re.search(rf"(?<![-/+~!]){re.escape(mark)} +{word}", plan.out), f"{mark} is not in the legend"

    applied = settled("apply", "--auto-approve", "--allow-deletes", "2", code=5)
    assert "Lab" in applied.text and "profile" in applied.text, "what points at the id of a CPMS cannot be seen here"
    assert [request.method for request in settled.world.writes][2:] == ["DELETE", "POST", "DELETE"]
    assert {request.method for request in settled.world.writes[:2]} == {"POST", "PUT"}
    remaining = [row["displayName"] for row in settled.world.live("acme", "cpms")]
    assert remaining == ["Primary backend", "Nobody's", "Test bench"]


def test_only_marks_in_use_are_explained(settled: Cli) -> None:
    """The legend has the marks in use and no other."""
    settled.world.edit("acme", "cpms", "Test bench", url="wss://other.example.com/")
    plan = settled("plan")
    assert re.search(r"url: .*wss://other\.example\.com/.* -> .*wss://bench\.example\.com/", plan.out)
    assert re.search(r"~ +update", plan.out) and not re.search(r"\+ +create|-/\+|- +delete|! +held back", plan.out)


def test_an_update_sends_what_is_managed(cli: Cli) -> None:
    """An update carries every managed field the contract lets it send, changed or not, and no other."""
    world = cli.world
    world.add("acme", "cpms", displayName="Primary", url="wss://a.example.com/", interval=30)
    world.add("acme", "charger", identity="CP-1", displayName="Lobby", profileId=1)
    world.add("acme", "charger", identity="CP-2", displayName="Yard", profileId=1)
    cli.write(
        "exolink.yaml",
        """
        tenant: acme
        name: Acme
        cpms:
          - {displayName: Primary, url: "wss://b.example.com/", interval: 30}
        chargers:
          - {identity: CP-1, profileId: 2}
          - {identity: CP-2, displayName: Yard, profileId: 2}
        """,
    )
    applied = cli("apply", "--auto-approve")
    assert applied.counts("Apply complete! Resources: 0 added, 4 changed, 0 destroyed.")
    assert {request.path: request.json for request in world.writes} == {
        "/tenant/acme": {"name": "Acme"},
        f"/tenant/acme/cpms/{world.row('acme', 'cpms', 'Primary')['id']}": {"url": "wss://b.example.com/"},
        f"/tenant/acme/charger/{world.row('acme', 'charger', 'CP-1')['id']}": {"profileId": 2},
        f"/tenant/acme/charger/{world.row('acme', 'charger', 'CP-2')['id']}": {"displayName": "Yard", "profileId": 2},
    }
    assert world.row("acme", "charger", "CP-1")["displayName"] == "Lobby"


def test_long_runs_are_folded(cli: Cli) -> None:
    """Alike updates are one line with a count, which --full unfolds."""
    for identity in numbered(1, 200):
        cli.world.add("acme", "charger", identity=identity, profileId=1)
    cli.write("exolink.yaml", "tenant: acme\nchargers:\n" + charger_lines(numbered(1, 200), profileId=2))
    folded, full = cli("plan"), cli("plan", "--full")
    assert "200 chargers: profileId 1 -> 2" in folded.out and "CP-150" not in folded.out
    assert all(identity in full.out for identity in numbered(1, 200))
    assert folded.lines[-2:] == full.lines[-2:]


def test_unmanaged_is_counted_and_left_alone(settled: Cli) -> None:
    """What is live, and neither declared nor removed, is counted, shown on request, and never touched."""
    settled.world.add("acme", "cpms", displayName="Nobody's")
    settled.world.add("acme", "charger", identity="XX-9")
    settled.world.edit("acme", "charger", "CP-0001", displayName="x")
    plan, listing = settled.each([("plan",), ("plan", "--show-unmanaged")])
    assert plan.counts("2 unmanaged.") and "XX-9" not in plan.out
    assert "XX-9" in listing.out and "Nobody's" in listing.out
    settled("apply", "--auto-approve")
    assert len(settled.world.writes) == 1 and len(settled.world.live("acme", "charger")) == 3


def test_only_mentioned_kinds_are_read(cli: Cli) -> None:
    """Of a tenant's lists, those kinds are read that its documents mention: declared, removed or exclusive."""
    cli.write("chargers.yaml", "tenant: acme\nchargers: [{identity: CP-1, displayName: A, profileId: 1}]\n")
    cli.write("removed.yaml", "tenant: acme\nremoved: [{cpms: Old}]\n")
    cli.write("exclusive.yaml", "tenant: acme\npolicy: {exclusive: [charger]}\n")
    cli("plan", "chargers.yaml")
    assert set(cli.world.paths) == {"/tenant/acme", "/tenant/acme/charger"}
    cli.world.log.clear()
    cli("plan", "removed.yaml")
    assert set(cli.world.paths) == {"/tenant/acme", "/tenant/acme/cpms"}
    cli.world.log.clear()
    cli("plan", "exclusive.yaml")
    assert set(cli.world.paths) == {"/tenant/acme", "/tenant/acme/charger"}


def test_the_default_path_is_a_folder(cli: Cli) -> None:
    """Without PATH and exolink.yaml, the folder exolink/ is read: *.yaml and *.yml, no hidden folders; parts join."""
    cli.write("exolink/a.yaml", "tenant: acme\ncpms: [{displayName: A, url: 'wss://a.example.com', interval: 1}]\n")
    cli.write("exolink/deep/b.yml", "tenant: acme\ncpms: [{displayName: B, url: 'wss://b.example.com', interval: 1}]\n")
    cli.write("exolink/.hidden/c.yaml", "nonsense: true\n")
    cli.write("exolink/notes.txt", "nonsense: true\n")
    cli.write("exolink/empty.yaml", "# nothing yet\n")
    plan = cli("plan")
    assert plan.counts("Plan: 2 to add, 0 to change, 0 to destroy.")
    assert "empty.yaml" in plan.err, "a file of a folder without any document is skipped with a warning"
    assert "exolink/deep/b.yml:2:9" in plan.out


def test_apply_as_json_lines(cli: Cli) -> None:
    """With --format json, stdout of apply is JSON lines and nothing else."""
    cli.write("exolink.yaml", SETTLED)
    applied = cli("apply", "--auto-approve", "--format", "json")
    assert applied.lines and all(isinstance(json.loads(line), dict) for line in applied.lines)
    assert len(cli.world.live("acme", "charger")) == 2


def test_one_write_first(cli: Cli) -> None:
    """The creates of a (tenant, kind) start with one, alone, before the others follow."""
    events: list[tuple[str, str]] = []

    def answered(method: str, path: str, answer: Answer) -> Answer:
        events.append(("answered", method))
        return answer

    cli.world.before_request = lambda index, method, path: events.append(("asked", method))
    cli.world.alter = answered
    cli.write(
        "exolink.yaml", "tenant: acme\nchargers:\n" + charger_lines(numbered(1, 30), displayName="A", profileId=1)
    )
    cli("apply", "--auto-approve")
    posts = [what for what, method in events if method == "POST"]
    assert len(posts) == 60 and posts[:2] == ["asked", "answered"]


def test_a_terminal_is_asked(settled: Cli) -> None:
    """On a terminal apply asks; anything but `yes` exits 7 and writes nothing."""
    settled.world.edit("acme", "charger", "CP-0001", displayName="x")
    settled.terminal("apply", answer="y", code=7)
    assert settled.world.writes == []
    settled.terminal("apply", answer="yes", code=0)
    assert settled.world.row("acme", "charger", "CP-0001")["displayName"] == "Lobby left"


def test_without_a_terminal_nobody_is_asked(settled: Cli) -> None:
    """Without a terminal and without approval, apply exits 3 before any request."""
    settled("apply", code=3)
    assert settled.world.log == []


def test_the_embedded_emulator(cli: Cli) -> None:
    """`emulator:FILE` needs no token and no server, and every tenant exists in it."""
    cli.write("exolink.yaml", SETTLED)
    emulated = ("--api-url", "emulator:demo.sqlite")
    assert "Apply complete!" in cli("apply", "--auto-approve", *emulated, token=None).out
    assert cli("plan", *emulated, token=None).counts(NO_CHANGES)
    assert cli.world.log == []


def test_the_demo(cli: Cli) -> None:
    """`demo` tells the whole story by itself."""
    demo = cli("demo", token=None)
    assert "Plan: " in demo.out and "Apply complete!" in demo.out and NO_CHANGES in demo.out
