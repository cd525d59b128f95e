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
        {
            "address": "acme/cpms/New",
            "reachable": False,
            "status": None,
            "subprotocol": None,
            "reason": "connection refused",
        }
    ]
    assert WORD in cli("plan", "--probe", "--format", "markdown").out
    assert WORD in cli("plan", "--probe", "--format", "html").out
    assert WORD not in cli("plan").text
    refused = cli("apply", "--plan", "p.json", "--probe", code=7)
    assert WORD in refused.err and "--allow-unreachable" in refused.err and cli.world.writes == []
    allowed = cli("apply", "--plan", "p.json", "--probe", "--allow-unreachable", "acme/cpms/New", "--format", "json")
    events = [json.loads(line) for line in allowed.out.splitlines()]
    assert [event["probe"] for event in events if event["type"] == "probe"] == [
        {
            "address": "acme/cpms/New",
            "reachable": False,
            "status": None,
            "subprotocol": None,
            "reason": "connection refused",
        }
    ]
    assert json.loads(cli("plan", "--probe", "--format", "json").out)["exolink"]["probes"] == []


def test_a_permission_that_permits_nothing(cli: Cli) -> None:
    """A typo in --allow-unreachable is an error with the nearest address; one that nothing is probed at is a note."""
    cli.write("exolink.yaml", DEAD)
    wrong = cli("plan", "--probe", "--allow-unreachable", "acme/cpms/Nwe", code=3)
    assert "E-TARGET" in wrong.err and "acme/cpms/New" in wrong.err and cli.world.log == []
    assert "allows nothing: that is only for --probe" in cli("plan", "--allow-unreachable", "acme/cpms/New").err
    cli("apply", "--auto-approve")
    assert "allows nothing: nothing is probed" in cli("plan", "--probe", "--allow-unreachable", "acme/cpms/New").err


def test_a_wave_probes_what_goes_now(cli: Cli) -> None:
    """A backend of a later wave is not asked yet."""
    other = ', {displayName: Other, url: "ws://127.0.0.1:2/", interval: 30}]'
    cli.write("exolink.yaml", DEAD.replace("interval: 30}]", "interval: 30}" + other))
    cli("plan", "--out", "p.json")
    refused = cli("apply", "--plan", "p.json", "--wave", "*/Other", "--probe", code=7)
    assert "acme/cpms/Other" in refused.err and "acme/cpms/New" not in refused.err
