"""A token that may only read is enough to plan: nothing but reading is ever tried."""

import pytest
from world import WRITES, Answer

from .conftest import Cli

CHANGED = """
tenant: acme
name: Acme
policy: {exclusive: ["charger/*"], allowReplace: ["cpms/Test bench"]}
cpms:
  - {displayName: Primary backend, url: "wss://moved.example.com/ocpp", interval: 60}
  - {displayName: Test bench, url: "wss://bench.example.com/", interval: 45}
  - {displayName: Another, url: "wss://another.example.com/"}
chargers:
  - {identity: CP-0001, displayName: Lobby, profileId: 1}
removed:
  - {charger: CP-0002}
"""


@pytest.fixture
def read_only(settled: Cli) -> Cli:
    """A world that answers 403 to every write; the YAML wants creates, updates, a replace and deletes."""

    def refuse(method: str, path: str) -> Answer | None:
        return (403, {"Content-Type": "application/json"}, b'{"error": "read only"}') if method in WRITES else None

    settled.world.override = refuse
    settled.world.add("acme", "charger", identity="CP-0003", displayName="Yard", profileId=1)
    settled.write("exolink.yaml", CHANGED)
    return settled


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan"],
        ["plan", "--format", "json"],
        ["plan", "--out", "p"],
        ["plan", "--prune"],
        ["plan", "--prune", "--out", "p", "--format", "json", "--allow-deletes", "3"],
        ["plan", "--show-unmanaged", "--full"],
        ["export", "acme"],
    ],
    ids=" ".join,
)
def test_nothing_but_reading_is_tried(read_only: Cli, arguments: list[str]) -> None:
    """Whatever plan is asked for, the server sees only GET."""
    shown = read_only(*arguments)
    assert {request.method for request in read_only.world.log} == {"GET"}
    if arguments[0] == "plan":
        assert "Another" in shown.out and "CP-0002" in shown.out
        assert ("CP-0003" in shown.out) is ("--prune" in arguments or "--show-unmanaged" in arguments)


def test_the_server_would_have_refused(read_only: Cli) -> None:
    """The control: with the same token apply is refused, and exits 10."""
    read_only("apply", "--auto-approve", code=10)
    assert [request.status for request in read_only.world.log if request.method in WRITES] == [403]
