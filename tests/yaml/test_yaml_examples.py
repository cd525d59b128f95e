"""The examples are valid, plan to creates on an empty emulator, and name a schema that editors can find."""

from __future__ import annotations

import collections
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MODELINE = re.compile(r"# yaml-language-server: \$schema=(\S+)\n")


@pytest.mark.parametrize("name", ["quickstart", "fleet"])
def test_example_is_valid(name: str, validate: Callable[..., Any], repository: Path, tmp_path: Path) -> None:
    """An example has neither errors nor warnings, and needs no variable to be validated."""
    shutil.copytree(repository / "examples", tmp_path / "examples")
    result = validate(f"examples/{name}", cwd=tmp_path)
    assert (result.exit_code, result.diagnostics) == (0, [])


def actions(
    run: Callable[..., Any], example: Path, tmp_path: Path, env: dict[str, str]
) -> tuple[collections.Counter[Any], Any]:
    options = ["--api-url", f"emulator:{tmp_path / 'live.db'}", "--state", str(tmp_path / "state"), "--format", "json"]
    result = run("plan", str(example), *options, cwd=tmp_path, env=env)
    assert result.exit_code == 0, result.output
    plan = result.json
    return collections.Counter(
        (step["name"], step["type"], *step["change"]["actions"]) for step in plan["resource_changes"]
    ), plan["exolink"]


def test_quickstart_plans_creates_alone(run: Callable[..., Any], repository: Path, tmp_path: Path) -> None:
    """A newcomer's first plan only adds: two CPMS and three chargers."""
    steps, ours = actions(run, repository / "examples/quickstart", tmp_path, {})
    assert steps == {("acme", "exolink_cpms", "create"): 2, ("acme", "exolink_charger", "create"): 3}
    assert ours["held_back"] == []


def test_fleet_plans_completely(run: Callable[..., Any], repository: Path, tmp_path: Path) -> None:
    """The fleet can be made as it stands: nothing held back, nothing deleted, the password not shown."""
    steps, ours = actions(run, repository / "examples/fleet", tmp_path, {"BENCH_PASSWORD": "correct-horse"})
    assert {tenant for tenant, *_ in steps} == {"acme", "nordwind"}
    assert {action for _, _, *acts in steps for action in acts} <= {"create", "update"}
    assert {kind for _, kind, *acts in steps if acts == ["update"]} <= {"exolink_tenant"}
    assert sum(count for (_, _, *acts), count in steps.items() if acts == ["create"]) == 25
    assert ours["held_back"] == []
    assert "correct-horse" not in str(ours)


def test_fleet_needs_its_variable(run: Callable[..., Any], repository: Path, tmp_path: Path) -> None:
    """Without the password there is no plan, and the message names the variable."""
    options = ["--api-url", f"emulator:{tmp_path / 'live.db'}", "--state", str(tmp_path / "state")]
    result = run("plan", str(repository / "examples/fleet"), *options, cwd=tmp_path)
    assert result.exit_code == 3
    assert "BENCH_PASSWORD" in result.output


NO_CONFIGURATIONS = {"pipelines", "kubernetes", "monitoring"}


def test_modelines_lead_to_the_schema(repository: Path) -> None:
    """Each example starts with a modeline that leads to the schema in this repository."""
    files = [f for f in sorted((repository / "examples").rglob("*.yaml")) if not NO_CONFIGURATIONS & {*f.parts}]
    assert files
    for file in files:
        modeline = MODELINE.match(file.read_text())
        assert modeline, file
        assert (file.parent / modeline[1]).resolve() == repository / "schemas/exolink-config.schema.json"
