"""The plan as JSON: Terraform's shape plus the key `exolink`, canonical, and without a secret."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from .conftest import Cli, starting
from .support import Result

DESIRED = """
tenant: acme
policy: {allowReplace: ["cpms/Test bench"]}
cpms:
  - {displayName: Primary backend, url: "wss://user:${env:NEW_PASSWORD}@a.example.com/ocpp?token=${env:NEW_TOKEN}"}
  - {displayName: Test bench, url: "wss://b.example.com/", interval: 60}
  - {displayName: Held, url: "wss://c.example.com/", interval: 60}
chargers:
  - {identity: CP-0001, displayName: Lobby left, profileId: 1}
removed:
  - {cpms: Old backend, reason: "OPS-123"}
"""
SECRETS = {"NEW_PASSWORD": "hush-new", "NEW_TOKEN": "hush-token"}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """One step of each action, one field held back, two unmanaged objects; for all tests here that only look."""
    with starting(tmp_path_factory.mktemp("planned")) as start:
        yield seeded(start())


@pytest.fixture(scope="module")
def plan(planned: Cli) -> Any:
    """That plan."""
    return plan_of(planned).json


def seeded(cli: Cli) -> Cli:
    live_url = "wss://user:hush-old@a.example.com/ocpp?token=hush-older"
    cli.world.add("acme", "cpms", displayName="Primary backend", url=live_url, interval=30)
    cli.world.add("acme", "cpms", displayName="Test bench", url="wss://b.example.com/", interval=30)
    cli.world.add("acme", "cpms", displayName="Held", url="wss://c.example.com/", interval=30)
    cli.world.add("acme", "cpms", displayName="Old backend", url="wss://x:hush-gone@d.example.com/", interval=30)
    cli.world.add("acme", "cpms", displayName="Nobody's")
    cli.world.add("acme", "charger", identity="XX-1")
    cli.write("exolink.yaml", DESIRED)
    return cli


def plan_of(cli: Cli, *args: str) -> Result:
    return cli("plan", "exolink.yaml", "--format", "json", *args, env=SECRETS)


def test_terraform_readers_can_read_it(plan: Any) -> None:
    """`resource_changes` has the changes and nothing else, in the form Terraform's readers know."""
    assert plan["format_version"] == "1.2" and re.fullmatch(r"\d+\.\d+\.\d+", plan["terraform_version"])
    assert plan["planned_values"] and plan["configuration"] and "timestamp" not in plan
    changes: dict[str, Any] = {change["address"]: change for change in plan["resource_changes"]}
    assert {address: change["change"]["actions"] for address, change in changes.items()} == {
        'exolink_cpms.acme["Primary backend"]': ["update"],
        'exolink_cpms.acme["Test bench"]': ["delete", "create"],
        'exolink_cpms.acme["Old backend"]': ["delete"],
        'exolink_charger.acme["CP-0001"]': ["create"],
    }
    for change in changes.values():
        assert (change["mode"], change["name"]) == ("managed", "acme") and change["provider_name"]
        assert change["address"] == f'{change["type"]}.acme["{change["index"]}"]'
        assert change["change"].keys() >= {"after_unknown", "before_sensitive", "after_sensitive"}


def test_before_and_after(planned: Cli, plan: Any) -> None:
    """`before` is the live object with its id, `after` the same overlaid with the managed fields."""
    changes = {change["index"]: change["change"] for change in plan["resource_changes"]}
    live = planned.world.row("acme", "cpms", "Primary backend")
    update = changes["Primary backend"]
    assert update["before"]["id"] == update["after"]["id"] == live["id"]
    assert update["before"]["interval"] == update["after"]["interval"] == 30
    assert update["after"]["displayName"] == "Primary backend"
    create, delete = changes["CP-0001"], changes["Old backend"]
    assert create["before"] is None and delete["after"] is None
    assert create["after"].items() >= {"identity": "CP-0001", "displayName": "Lobby left", "profileId": 1}.items()
    assert delete["before"]["id"] == planned.world.row("acme", "cpms", "Old backend")["id"]
    assert (changes["Test bench"]["before"]["interval"], changes["Test bench"]["after"]["interval"]) == (30, 60)


def test_canonical(planned: Cli) -> None:
    """The same inputs give the same bytes, on one line."""
    first, second = plan_of(planned), plan_of(planned)
    assert first.out == second.out and first.out.count("\n") <= 1


def test_secrets_are_masked_and_marked(cli: Cli) -> None:
    """The password of a URL and the values of its query are shown as *** in every output, and marked sensitive."""
    seeded(cli)
    result = plan_of(cli, "--out", "saved")
    [update] = [c["change"] for c in result.json["resource_changes"] if c["index"] == "Primary backend"]
    masked = "wss://user:***@a.example.com/ocpp?token=***"
    assert update["before"]["url"] == update["after"]["url"] == masked
    assert update["before_sensitive"]["url"] is update["after_sensitive"]["url"] is True
    results = [cli("plan", "--full", "--show-unmanaged", env=SECRETS), cli("show", "saved")]
    applied = cli("apply", "--auto-approve", "--allow-deletes", "2", "--format", "json", env=SECRETS, code=5)
    assert cli.world.row("acme", "cpms", "Primary backend")["url"].count("hush") == 2
    for text in (result.text, applied.text, *(output.text for output in results)):
        assert "hush" not in text
    for path in cli.folder.rglob("*"):
        assert path.is_dir() or b"hush" not in path.read_bytes(), f"a secret is stored in {path.name}"


def test_our_own_key(planned: Cli, plan: Any) -> None:
    """`exolink` says in our words what Terraform's has no place for."""
    exolink = plan["exolink"]
    assert exolink.keys() >= {"schema_version", "digest", "api_url", "config_digest", "paths", "options"}
    assert exolink["api_url"].rstrip("/") == planned.url and exolink["paths"] == ["exolink.yaml"]
    [held_back] = exolink["held_back"]
    assert (held_back["address"], held_back["field"]) == ("acme/cpms/Held", "interval")
    assert held_back["action"] and held_back["reason"]
    assert (exolink["unmanaged"]["cpms"], exolink["unmanaged"]["charger"]) == (1, 1)
    changes = {change["address"]: change for change in exolink["changes"]}
    assert {address: change["action"] for address, change in changes.items()} == {
        "acme/cpms/Primary backend": "update",
        "acme/cpms/Test bench": "replace",
        "acme/cpms/Old backend": "delete",
        "acme/charger/CP-0001": "create",
    }
    assert all(change.keys() >= {"fields", "reason"} for change in changes.values())
    assert changes["acme/cpms/Old backend"]["source"] == {"file": "exolink.yaml", "line": 10, "column": 6}
    assert changes["acme/charger/CP-0001"]["source"] == {"file": "exolink.yaml", "line": 8, "column": 6}


def test_nothing_to_do(settled: Cli) -> None:
    """Without changes it is still a plan that readers accept."""
    plan = settled("plan", "--format", "json").json
    assert plan["resource_changes"] == [] and plan["exolink"]["changes"] == plan["exolink"]["held_back"] == []
    assert plan["planned_values"] and plan["configuration"]


def test_the_schemas(planned: Cli, plan: Any) -> None:
    """`schema plan` describes what plan writes, `schema config` what users write."""
    for_plan, for_config = planned.each([("schema", "plan"), ("schema", "config")], token=None)
    plan_schema, config_schema = for_plan.json, for_config.json
    judge = jsonschema.validators.validator_for(plan_schema)
    judge.check_schema(plan_schema)
    assert [error.message for error in judge(plan_schema).iter_errors(plan)] == []
    assert not judge(plan_schema).is_valid({"format_version": "1.2"})

    assert "draft-07" in config_schema["$schema"]
    jsonschema.Draft7Validator.check_schema(config_schema)
    of_config = jsonschema.Draft7Validator(config_schema)
    entry = {"displayName": "A", "url": "wss://a.example.com/", "interval": 60, "createOnly": ["interval"]}
    document = {
        "tenant": "acme",
        "policy": {"protect": ["cpms/A*"], "exclusive": ["charger"], "allowReplace": ["cpms/B"]},
        "profiles": {"standard": 1},
        "defaults": {"cpms": {"interval": 30}, "chargers": {"profile": "standard"}},
        "cpms": [entry],
        "chargers": [{"identity": "CP-1", "displayName": "A", "profile": "standard"}],
        "removed": [{"cpms": "Old", "reason": "x"}, {"charger": "CP-9", "id": 7}],
    }
    assert [error.message for error in of_config.iter_errors(document)] == []
    assert not of_config.is_valid(document | {"chargerz": []}) and not of_config.is_valid({"cpms": []})
