"""--probe: what plan shows of a backend that is not there, and what apply makes of it."""

import json

from .conftest import Cli

DEAD = 'tenant: acme\ncpms: [{displayName: New, url: "ws://127.0.0.1:1/", interval: 30}]\n'
WORD = "E-UNREACHABLE-CPMS"


def test_a_backend_that_cannot_be_reached(cli: Cli) -> None:
    """plan shows it and saves it nowhere; apply refuses with 7 before any write, unless it is allowed by its address."""
    cli.write("exolink.yaml", DEAD)
    plan = cli("plan", "--probe", "--out", "p.json")
    assert WORD in plan.out and "connection refused" in plan.out
    assert "probes" not in (cli.folder / "p.json").read_text()
    assert cli("plan", "--probe", "--format", "json").json["exolink"]["probes"] == [
        {"address": "acme/cpms/New", "reachable": False, "status": None, "subprotocol": None, "reason": "connection refused"}
    ]  # fmt: skip
    assert WORD in cli("plan", "--probe", "--format", "markdown").out
    assert WORD in cli("plan", "--probe", "--format", "html").out
    assert WORD not in cli("plan").text
    refused = cli("apply", "--plan", "p.json", "--probe", code=7)
    assert WORD in refused.err and "--allow-unreachable" in refused.err and cli.world.writes == []
    cli("apply", "--plan", "p.json", "--probe", "--allow-unreachable", "acme/cpms/New")
    assert json.loads(cli("plan", "--probe", "--format", "json").out)["exolink"]["probes"] == []
