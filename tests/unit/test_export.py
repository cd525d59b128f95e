"""Live state to YAML that plans to no changes."""

import json
import re
from typing import Any

import pytest
from ruamel.yaml import YAML
from support_pipeline import CONTRACT_TEXT, pipeline, read_yaml
from world import World

from exolink_reconcile import export as exporter
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import live_state

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


def table(world: World) -> tuple[str, list[str]]:
    with pipeline(world) as run:
        live = live_state.read(run.api, {"acme": [TENANT, CHARGER]}, TENANT)
        return exporter.table("acme", CHARGER, live.tenants["acme"].rows[CHARGER], run.contract)


@pytest.mark.parametrize("kind", ["cpms", "charger"])
def test_a_list_of_nothing_but_rows_left_out(kind: str) -> None:
    """Where every row is left out the file is still one that can be read."""
    world = World()
    for _ in range(2):
        world.add("acme", kind, **{"displayName" if kind == "cpms" else "identity": "Twin"})
    text, warnings = export(world)
    assert len(warnings) == 2 and text.count("# left out") == 2
    assert [len(entries) for entries in read_yaml(text).tenants[0].declared.values()] == [1, 0, 0]


@pytest.mark.parametrize("name", ["", "  ", "a\u202eb", "a\nb: [", "\x1b[2J"])
def test_hostile_names_are_left_out(name: str) -> None:
    """A row that YAML may not declare is left out with a comment and a warning that steer nothing."""
    world = World()
    world.add("acme", "charger", identity=name, displayName="x")
    world.add("acme", "charger", identity="CP-1", displayName="x")
    text, warnings = export(world)
    [declared] = read_yaml(text).tenants[0].declared[CHARGER]
    assert declared.resource.identity == "CP-1" and len(warnings) == 1  # type: ignore[attr-defined]  # a field of this kind
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


def test_row_E13_no_command_of_a_runner_in_yaml() -> None:
    """A runner that prints the export finds no command in it, and the values are what they were."""
    world = World()
    names = ["##vso[task.setvariable]x", "a ##[error]b", "::error::c", "###[d"]
    for name in names:
        world.add("acme", "charger", identity=name, displayName=name)
    text, warnings = export(world)
    assert warnings == [] and not re.search(r"##\[|##vso|::[a-z]", text)
    declared = read_yaml(text).tenants[0].declared[CHARGER]
    assert sorted(entry.resource.identity for entry in declared) == sorted(names)  # type: ignore[attr-defined]  # a field of this kind
    with pipeline(world) as run:
        assert not run.plan(text).differs


def test_row_E13_csv_has_no_escapes() -> None:
    """CSV cannot say such a value inertly: the cell stays empty, or the row goes, each with a warning."""
    world = World()
    for identity, name in (
        ("CP-1", "##vso[a]b"),
        ("##[error]", "x"),
        ("CP-2", "Plan: 0 to add"),
        ("Plan: 1 to add", "y"),
    ):
        world.add("acme", "charger", identity=identity, displayName=name)
    text, warnings = table(world)
    assert text == 'identity,displayName,profileId\nCP-1,,1\nCP-2,"Plan: 0 to add",1\n"Plan: 1 to add",y,1\n'
    assert len(warnings) == 2 and not any("##" in warning for warning in warnings)


def test_formulas_are_exported_with_a_warning() -> None:
    """A cell is its text; what a spreadsheet makes of it is the user's to know."""
    world = World()
    world.add("acme", "charger", identity="=1+1", displayName="-")
    world.add("acme", "charger", identity="CP-1", displayName="A")
    text, [warning] = table(world)
    assert "\n=1+1,-,1\n" in text and "1 row has cells that a spreadsheet takes for formulas" in warning


def test_csv_leaves_out_what_yaml_may_not_declare() -> None:
    """The same rows as in YAML, each with a warning."""
    world = World()
    for name in ("Twin", "Twin", "a\u202eb", "", "CP-1", "${env:X}", "a;b"):
        world.add("acme", "charger", identity=name, displayName="x\ny" if name == "CP-1" else "x")
    text, warnings = table(world)
    assert text == 'identity,displayName,profileId\n$${env:X},x,1\nCP-1,,1\n"a;b",x,1\n' and len(warnings) == 5


def test_what_breaks_a_limit_of_the_contract_is_left_out() -> None:
    """A live value that plan would refuse as E-LIMIT is left out, whatever its pattern says."""
    loaded = YAML(typ="safe").load(CONTRACT_TEXT)
    limits = '"displayName": {"type": "string", "pattern": "^[A-Z] *$"'
    contract_text = json.dumps(loaded).replace('"displayName": {"type": "string"', limits)
    world = World()
    world.add("acme", "charger", identity="CP-1", displayName="b")
    world.add("acme", "charger", identity="CP-2", displayName="B")
    with pipeline(world, contract_text=contract_text) as run:
        text, warnings = run.export("acme")
        assert "displayName: B" in text and "displayName: b" not in text
        assert not run.plan(text).differs
    assert len([warning for warning in warnings if "must match the pattern" in warning]) == 1


@pytest.mark.parametrize("url", ["wss://u:a:b@h/", "wss://u:p@h/?token=a/b", "wss://u:p@h/#a?b"])
def test_row_B1_a_secret_that_a_variable_cannot_hold(url: str) -> None:
    """Where a secret would not stay in its part of the URL, the variable is for the whole of it; none is the tool's own."""
    world = World(tenants=("exolink",))
    world.add("exolink", "cpms", displayName="Main", url=url)
    with pipeline(world) as run:
        text, _ = run.export("exolink")
        [variable] = re.findall(r"\$\{env:(\w+)\}", text)
        assert not run.plan(run.desired(text, {variable: url})).differs
