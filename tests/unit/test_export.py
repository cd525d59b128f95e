"""Live state to YAML that plans to no changes."""

import re
from typing import Any

import pytest
from support_pipeline import pipeline, read_yaml
from world import World

from exolink_reconcile.kinds import KINDS

TENANT, CPMS, CHARGER = KINDS


def export(world: World) -> tuple[str, list[str]]:
    with pipeline(world) as run:
        return run.export("acme")


def test_settled() -> None:
    """The export is what a person would have written: a modeline, the tenant, the entries by name."""
    world = World()
    world.edit("acme", "tenant", 0, name="Acme Charging")
    world.add("acme", "cpms", displayName="Primary backend", url="wss://h/ocpp", interval=60)
    world.add("acme", "charger", identity="CP-2", displayName="Right", profileId=2)
    world.add("acme", "charger", identity="0123", displayName="1e5", profileId=1)
    assert export(world) == (
        """\
# yaml-language-server: $schema=./schemas/exolink-config.schema.json
tenant: acme
name: Acme Charging

cpms:
  - displayName: Primary backend
    url: "wss://h/ocpp"
    interval: 60

chargers:
  - identity: "0123"
    displayName: "1e5"
    profileId: 1
  - identity: CP-2
    displayName: Right
    profileId: 2
""",
        [],
    )


@pytest.mark.parametrize("kind", ["cpms", "charger"])
def test_a_list_of_nothing_but_rows_left_out(kind: str) -> None:
    """Where every row is left out the file is still one that can be read."""
    world = World()
    for _ in range(2):
        world.add("acme", kind, **{"displayName" if kind == "cpms" else "identity": "Twin"})
    text, warnings = export(world)
    assert len(warnings) == 2 and text.count("# left out") == 2
    assert [len(found) for found in read_yaml(text).tenants[0].declared.values()] == [1, 0, 0]


@pytest.mark.parametrize("name", ["", "  ", "a\u202eb", "a\nb: [", "\x1b[2J"])
def test_hostile_names_are_left_out(name: str) -> None:
    """A row that YAML may not declare is left out with a comment and a warning that steer nothing."""
    world = World()
    world.add("acme", "charger", identity=name, displayName="x")
    world.add("acme", "charger", identity="CP-1", displayName="x")
    text, warnings = export(world)
    [declared] = read_yaml(text).tenants[0].declared[CHARGER]
    assert declared.resource.identity == "CP-1" and len(warnings) == 1  # type: ignore[attr-defined]
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text + warnings[0])


def test_names_that_read_the_same_are_left_out() -> None:
    """Two names that differ in case only cannot both be declared, so neither is."""
    world = World()
    for name in ("Lobby", "LOBBY ", "Other"):
        world.add("acme", "charger", identity=name)
    text, warnings = export(world)
    assert len(warnings) == 2 and len(read_yaml(text).tenants[0].declared[CHARGER]) == 1


def test_secrets_become_variables() -> None:
    """Passwords and values of a query are not written; a note says which variable to set, and then nothing differs."""
    world = World()
    for name in ("Test bench", "test-bench!"):
        world.add("acme", "cpms", displayName=name, url=f"wss://u:pa${{x@h/?token=t0ps3cret&k={len(name)}", interval=1)
    text, warnings = export(world)
    assert "t0ps3cret" not in text and "pa$" not in text and warnings == []
    variables = re.findall(r"# Set (\w+) before planning", text)
    assert len(variables) == len(set(variables)) == 6
    values = {name: "pa${x" if "PASSWORD" in name else "t0ps3cret" if "TOKEN" in name else "?" for name in variables}
    for name in variables:
        if values[name] == "?":
            values[name] = str(len("Test bench") if name == "ACME_TEST_BENCH_K" else len("test-bench!"))
    with pipeline(world) as run:
        assert not run.plan(run.desired(text, values)).differs


@pytest.mark.parametrize("live", [{"interval": 30.5}, {"interval": 10**19}, {"interval": -3}, {"interval": None}, {"url": ""}, {"url": "http://x"}, {"url": None}])  # fmt: skip
def test_values_that_yaml_may_not_declare(live: dict[str, Any]) -> None:
    """A live value that YAML may not declare is left out, the rest of the entry stays, and nothing differs."""
    world = World()
    world.add("acme", "cpms", displayName="A", **live)
    text, _ = export(world)
    with pipeline(world) as run:
        assert not run.plan(text).differs


@pytest.mark.parametrize("number", [10**18 - 1, 10**18, 10**40, 2.5, -1])
def test_numbers_that_yaml_may_not_declare(number: float) -> None:
    """However large a live number is, the export can be planned."""
    world = World()
    world.add("acme", "charger", identity="A", profileId=number)
    text, _ = export(world)
    with pipeline(world) as run:
        assert not run.plan(text).differs


def test_reads_the_same_in_any_order() -> None:
    """The order of the API's rows does not reach the file."""
    texts = set()
    for order in (range(5), range(4, -1, -1)):
        world = World()
        for number in order:
            world.add("acme", "charger", identity=f"CP-{number}", id=100 + number)
        texts.add(export(world)[0])
    assert len(texts) == 1


def test_an_empty_tenant() -> None:
    """A tenant with nothing in it is a document that declares nothing else."""
    text, warnings = export(World())
    assert warnings == [] and text.endswith("tenant: acme\nname: acme GmbH\n")


def test_a_variable_stands_for_one_password() -> None:
    """Names that run together must not give two backends one password."""
    world = World(tenants=("acme", "acme-de"))
    world.add("acme", "cpms", displayName="de Main", url="wss://u:one@h/")
    world.add("acme-de", "cpms", displayName="Main", url="wss://u:two@h/")
    with pipeline(world) as run:
        text, _ = run.export("acme", "acme-de")
        variables = re.findall(r"\$\{env:(\w+)\}", text)
        desired = run.desired(text, dict(zip(variables, ("one", "two"), strict=True)))
        assert not run.plan(desired).differs
