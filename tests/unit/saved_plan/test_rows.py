"""The rows of plan JSON: what Terraform's own readers make of a step."""

import json
from dataclasses import replace
from typing import Any

import pytest
import support_plans
from ruamel.yaml import YAML
from support_pipeline import CONTRACT_TEXT, Pipeline, as_json, document, pipeline
from world import World

from exolink_reconcile.applying import verified
from exolink_reconcile.model import BaseInfo, Plan
from exolink_reconcile.planning.attribution import Base
from exolink_reconcile.resource import Address
from exolink_reconcile.saved_plan import rows

PROVIDER = "registry.exolink.cloud/exolink/exolink"
MASKED = "wss://ops:***@cpms.example.com/ocpp/1.6/primary?token=***"


def parsed(plan: Plan) -> Any:
    return json.loads(as_json(plan))


def row(plan: Plan, index: str) -> Any:
    """What the plan says of one resource, but for what every row has."""
    [row] = [row for row in parsed(plan)["resource_changes"] if row["index"] == index]
    assert row.pop("address") == f'{row["type"]}.{row["name"]}["{index}"]'
    assert (row.pop("mode"), row.pop("name"), row.pop("provider_name")) == ("managed", "acme", PROVIDER)
    return row


ROWS: dict[str, Any] = {
    "Analytics tap": {
        "type": "exolink_cpms", "index": "Analytics tap", "change": {
            "actions": ["create"],
            "before": None, "before_sensitive": False,
            "after": {"displayName": "Analytics tap", "interval": 120, "url": "wss://tap.example.com/ingest"},
            "after_sensitive": {}, "after_unknown": {"authPassThrough": True, "id": True},
        },
    },
    "Primary backend": {  # only the password differs
        "type": "exolink_cpms", "index": "Primary backend", "change": {
            "actions": ["update"],
            "before": {"authPassThrough": False, "displayName": "Primary backend", "id": 2, "interval": 30, "url": MASKED},
            "after": {"authPassThrough": False, "displayName": "Primary backend", "id": 2, "interval": 30, "url": MASKED},
            "before_sensitive": {"url": True}, "after_sensitive": {"url": True}, "after_unknown": {"url": True},
        },
    },
    "CP-0001": {
        "type": "exolink_charger", "index": "CP-0001", "change": {
            "actions": ["update"],
            "before": {"displayName": "Lobby right", "id": 7, "identity": "CP-0001", "profileId": 1},
            "after": {"displayName": "Lobby right", "id": 7, "identity": "CP-0001", "profileId": 2},
            "before_sensitive": {}, "after_sensitive": {}, "after_unknown": {},
        },
    },
    "Test bench": {
        "type": "exolink_cpms", "index": "Test bench", "action_reason": "replace_because_cannot_update", "change": {
            "actions": ["delete", "create"], "replace_paths": [["interval"]],
            "before": {
                "authPassThrough": False, "displayName": "Test bench", "id": 4, "interval": 30,
                "url": "wss://bench.example.com/",
            },
            "after": {"displayName": "Test bench", "interval": 60, "url": "wss://bench.example.com/"},
            "before_sensitive": {}, "after_sensitive": {}, "after_unknown": {"authPassThrough": True, "id": True},
        },
    },
    "CP-0090": {
        "type": "exolink_charger", "index": "CP-0090", "action_reason": "delete_because_each_key", "change": {
            "actions": ["delete"],
            "before": {"displayName": "Parking deck 2", "id": 15, "identity": "CP-0090", "profileId": 1},
            "before_sensitive": {},
            "after": None, "after_sensitive": False, "after_unknown": {},
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("index", ROWS)
def test_a_row_for_each_action(index: str) -> None:
    """Before is the live object with its id, after the same with what the step sends; secrets are masked and marked."""
    assert row(support_plans.mixed(), index) == ROWS[index]


def test_what_will_be() -> None:
    """What will be there has its values; what is deleted has none. Values, secrets and addresses are those of the row."""
    plan = parsed(support_plans.mixed())
    planned = plan["planned_values"]["root_module"]["resources"]
    assert planned == [
        {
            **{name: row[name] for name in ("address", "mode", "type", "name", "index", "provider_name")},
            "schema_version": 0,
            "values": row["change"]["after"],
            "sensitive_values": row["change"]["after_sensitive"],
        }
        for row in plan["resource_changes"]
        if row["change"]["after"] is not None
    ]
    assert len(planned) == 20


def test_our_own_words_for_a_change() -> None:
    """Each change in the tool's own words, in the order of the rows."""
    plan = parsed(support_plans.mixed())
    changes = plan["exolink"]["changes"]
    assert [change["address"].rpartition("/")[2] for change in changes] == [
        row["index"] for row in plan["resource_changes"]
    ]
    [change] = [change for change in changes if change["address"] == "acme/charger/CP-0001"]
    assert len(change.pop("digest")) == 64
    assert change == {
        "action": "update",
        "address": "acme/charger/CP-0001",
        "cause": None,
        "fields": ["profileId"],
        "inferred": True,
        "reason": "differs",
        "secrets": {},
        "sends": ["displayName", "profileId"],
        "source": {"column": 6, "file": "exolink.yaml", "line": 11},
    }
    [change] = [change for change in changes if change["address"] == "acme/cpms/Primary backend"]
    assert (change["inferred"], list(change["secrets"])) == (False, ["url"])


def test_a_secret_that_goes_or_comes() -> None:
    """The side that has a secret is marked, the other one is not; only what is hidden on both sides is called unknown."""
    world = World()
    world.add("acme", "cpms", displayName="Gets", url="wss://h/", interval=5)
    world.add("acme", "cpms", displayName="Loses", url="wss://u:hunter2@h/", interval=5)
    world.add("acme", "cpms", displayName="Goes", url="wss://u:hunter2@h/", interval=5)
    yaml = document(
        "acme",
        cpms=[{"displayName": "Gets", "url": "wss://u:hunter3@h/"}, {"displayName": "Loses", "url": "wss://h/"}],
        removed=[{"cpms": "Goes"}],
    )
    with pipeline(world) as run:
        plan = run.plan(yaml)
    masks = {
        name: tuple(
            row(plan, name)["change"][mask] for mask in ("before_sensitive", "after_sensitive", "after_unknown")
        )
        for name in ("Gets", "Loses", "Goes")
    }
    assert masks == {
        "Gets": ({}, {"url": True}, {}),
        "Loses": ({"url": True}, {}, {}),
        "Goes": ({"url": True}, False, {}),
    }
    assert "hunter" not in as_json(plan)


def test_a_secret_that_stays() -> None:
    """A URL that an update leaves as it is, is marked on both sides like one that it sends."""
    description = YAML(typ="safe").load(CONTRACT_TEXT)
    description["components"]["schemas"]["CpmsUpdate"]["properties"]["interval"] = {"type": "integer"}
    world = World()
    world.add("acme", "cpms", displayName="A", url="wss://u:hunter2@h/", interval=5)
    world.add("acme", "cpms", displayName="B", url="wss://h/", interval=5)
    with pipeline(world, contract_text=json.dumps(description)) as run:
        plan = run.plan(document("acme", cpms=[{"displayName": name, "interval": 6} for name in "AB"]))
    for name, mask in {"A": {"url": True}, "B": {}}.items():
        change = row(plan, name)["change"]
        assert (change["before_sensitive"], change["after_sensitive"], change["after_unknown"]) == (mask, mask, {})
    assert row(plan, "A")["change"]["after"]["url"] == "wss://u:***@h/"


def test_a_backend_without_a_url() -> None:
    """What the API shows without a value is null before, and values of several types stand in one column."""
    world = World()
    for name, url in (("None", None), ("Some", "wss://h/")):
        world.add("acme", "cpms", displayName=name, url=url, interval=5)
    with pipeline(world) as run:
        plan = run.plan(document("acme", removed=[{"cpms": "None"}, {"cpms": "Some"}]))
    assert [row(plan, name)["change"]["before"]["url"] for name in ("None", "Some")] == [None, "wss://h/"]


def test_a_step_that_stands_nowhere() -> None:
    """A step without a place in the YAML has none in the plan either."""
    plan = support_plans.one()
    [step] = plan.steps
    [change] = parsed(replace(plan, waves=((step._replace(source=None),),)))["exolink"]["changes"]
    assert change["source"] is None


# ------------------------------------------------------------------------------------------------------------------ drift


BEFORE = document(
    "acme",
    chargers=[{"identity": f"CP-{n}", "displayName": "Bay", "profileId": 1} for n in range(4)],
    cpms=[
        {"displayName": "A", "url": "wss://u:hunter2@h/", "interval": 5},
        {"displayName": "B", "url": "wss://b/", "interval": 5},
    ],
)


def drifted(yaml: str = BEFORE, **rows: dict[str, Any] | None) -> dict[str, Any]:
    """The drift that a plan of `yaml` tells, by name. `rows` are live as given, all others as in BEFORE (None: not live)."""
    world = World()
    live: dict[str, dict[str, Any]] = {
        **{f"CP_{n}": {"identity": f"CP-{n}", "displayName": "Bay", "profileId": 1} for n in range(4)},
        "A": {"displayName": "A", "url": "wss://u:hunter2@h/", "interval": 5},
        "B": {"displayName": "B", "url": "wss://b/", "interval": 5},
    }
    for name, declared in live.items():
        changes = rows.get(name, {})
        if changes is not None:
            world.add("acme", "charger" if "identity" in declared else "cpms", **{**declared, **changes})
    with pipeline(world) as run:
        return {row["index"]: row for row in parsed(run.plan(yaml, base=base(run)))["resource_drift"]}


def base(run: Pipeline) -> Base:
    [before] = run.desired(BEFORE).tenants
    info = BaseInfo("path", path="main/")
    return Base(info, frozenset({"acme"}), verified.declared(before), verified.removed(before))


def test_what_another_hand_changed() -> None:
    """Before is what was declared, after what is live; what nobody touched has no drift."""
    [(index, drift)] = drifted(CP_1={"profileId": 3}).items()
    assert drift == {
        "address": 'exolink_charger.acme["CP-1"]',
        "mode": "managed",
        "type": "exolink_charger",
        "name": "acme",
        "index": index,
        "provider_name": PROVIDER,
        "change": {
            "actions": ["update"],
            "after_unknown": {},
            "before_sensitive": {},
            "after_sensitive": {},
            "before": {"id": drift["change"]["after"]["id"], "identity": "CP-1", "displayName": "Bay", "profileId": 1},
            "after": {"id": drift["change"]["after"]["id"], "identity": "CP-1", "displayName": "Bay", "profileId": 3},
        },
    }


def test_what_another_hand_deleted() -> None:
    """It was declared, and is not live."""
    [drift] = drifted(CP_2=None).values()
    assert drift["change"] == {
        "actions": ["delete"],
        "before": {"identity": "CP-2", "displayName": "Bay", "profileId": 1},
        "after": None,
        "after_unknown": {},
        "before_sensitive": {},
        "after_sensitive": False,
    }


def test_a_secret_of_what_another_hand_deleted() -> None:
    """A URL with a secret is masked and marked; one without is not marked."""
    drift = drifted(A=None, B=None)
    masks = {name: row["change"]["before_sensitive"] for name, row in drift.items()}
    assert masks == {"A": {"url": True}, "B": {}} and "hunter" not in str(drift)
    assert drift["A"]["change"]["before"] == {"displayName": "A", "url": "wss://u:***@h/", "interval": 5}


def test_what_both_changed() -> None:
    """Before is what was declared of the fields that another hand changed, and what is live of all others."""
    entry = 'identity: "CP-3", displayName: "Bay", profileId: "1"'
    yaml = BEFORE.replace(entry, 'identity: "CP-3", displayName: "New", profileId: "2"')
    [drift] = drifted(yaml, CP_3={"displayName": "By hand"}).values()
    assert {name: side for name, side in drift["change"]["before"].items() if name != "id"} == {
        "identity": "CP-3",
        "displayName": "Bay",
        "profileId": 1,
    }
    assert drift["change"]["after"]["displayName"] == "By hand"


def test_what_only_this_change_does_is_no_drift() -> None:
    """An edit, and what is taken away by it, is not the work of another hand."""
    yaml = BEFORE.replace('url: "wss://b/"', 'url: "wss://c/"')
    assert drifted(yaml + 'removed: [{charger: "CP-9"}]\n') == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("exolink_x", 'exolink_cpms.acme["exolink_x"]'),
        ('say "hi" \\ é', 'exolink_cpms.acme["say \\"hi\\" \\\\ é"]'),
        ("a\u202eb", 'exolink_cpms.acme["a\\u202eb"]'),
    ],
)
def test_an_address_of_terraform(name: str, expected: str) -> None:
    """A name is quoted as Terraform quotes an index, and nothing in it is alive."""
    assert rows.resource_address(Address("acme", "cpms", name)) == expected
