"""Findings and changes at their lines, by the command: `validate` and `plan` for those who show a pull request."""

import json
from pathlib import Path

import pytest

from .conftest import Cli
from .support import NO_CHANGES, SETTLED, Result

BROKEN = """
tenant: acme
cpms:
  - {displayName: A, url: "wss://a.example.com/", colour: red}
chargers:
  - {identity: CP-1, profile: nigth}
"""
ACTIONS = {"GITHUB_ACTIONS": "true"}


def commands(result: Result) -> list[str]:
    return [line for line in result.out.splitlines() if line.startswith("::")]


def test_validate_github(cli: Cli) -> None:
    """An annotation a problem, from the root of the repository; the text as ever; exit 3."""
    cli.write("sub/exolink.yaml", BROKEN)
    refused = cli("validate", "./sub", "--format", "github", code=3, env={"GITHUB_WORKSPACE": str(cli.folder.parent)})
    assert [line.partition("::")[2].partition("::")[0] for line in commands(refused)] == [
        f"error title=E-UNKNOWN-KEY,file={cli.folder.name}/sub/exolink.yaml,line=3,col=51",
        f"error title=E-PROFILE,file={cli.folder.name}/sub/exolink.yaml,line=5,col=31",
    ]
    assert "./sub/exolink.yaml:3:51: error: E-UNKNOWN-KEY" in refused.err and "2 errors." in refused.err


def test_validate_by_itself_in_actions(cli: Cli) -> None:
    """In GitHub Actions the annotations are there besides the text, unless a format was asked for."""
    cli.write("exolink.yaml", BROKEN)
    usual = cli("validate", code=3)
    by_itself = cli("validate", code=3, env=ACTIONS)
    assert commands(usual) == [] and len(commands(by_itself)) == 2
    assert by_itself.err == usual.err
    assert commands(cli("validate", "--format", "text", code=3, env=ACTIONS)) == []
    assert commands(cli("validate", code=3, env=ACTIONS | {"EXOLINK_FORMAT": "text"})) == []
    assert json.loads(cli("validate", "--format", "json", code=3, env=ACTIONS).out)["valid"] is False
    cli.write("exolink.yaml", SETTLED)
    assert cli("validate", env=ACTIONS).out == "Success! The configuration is valid.\n"


@pytest.mark.parametrize("format", ["sarif", "codequality"])
def test_validate_for_other_programs(cli: Cli, format: str) -> None:
    """Stdout is the report and nothing else, with and without findings, also where there is nothing to read."""
    findings = lambda text: text["runs"][0]["results"] if format == "sarif" else text  # noqa: E731  # one expression
    assert len(findings(cli("validate", "--format", format, code=3).json)) == 1, "there is no file yet"
    cli.write("exolink.yaml", BROKEN)
    refused = cli("validate", "--format", format, code=3, env={"CI_PROJECT_DIR": str(cli.folder.parent)})
    assert len(findings(refused.json)) == 2 and refused.err == ""
    assert f"{cli.folder.name}/exolink.yaml" in refused.out
    cli.write("exolink.yaml", SETTLED)
    assert findings(cli("validate", "--format", format, env=ACTIONS).json) == []


def test_plan_github(settled: Cli) -> None:
    """Changes are notices on the lines that cause them, what is held back is a warning; the log has the whole text."""
    settled.swap("exolink.yaml", "standard: 1", "standard: 3")
    settled.swap("exolink.yaml", "wss://cpms.example.com/ocpp", "wss://new.example.com/ocpp")
    settled.swap("exolink.yaml", "interval: 30", "interval: 31")
    result = settled("plan", "--format", "github", "--detailed-exitcode", code=2)
    assert commands(result) == [
        "::warning title=E-CANNOT-UPDATE,file=exolink.yaml,line=6,col=74::held back: acme/cpms/Test bench: interval 30 -> 31"
        "%0AE-CANNOT-UPDATE: the contract cannot update interval. Ways out: revert it in the YAML: interval: 30; createOnly:"
        " [interval] in the entry: sent when it is created, never compared; a replace, which gives it a new id: exolink-reconcile"
        f" plan --allow-replace 'acme/cpms/Test bench' --api-url {settled.url}.",
        "::notice title=plan%3A update,file=exolink.yaml,line=5,col=41::will change url of acme/cpms/Primary backend:"
        " wss://cpms.example.com/ocpp -> wss://new.example.com/ocpp",
        "::notice title=plan%3A update,file=exolink.yaml,line=3,col=22::will change profileId of acme/charger/CP-0001:"
        " 1 -> 3 (standard) (through this line of profiles)",
    ]
    assert result.out.endswith(settled("plan").out)


def test_plan_github_of_many(settled: Cli) -> None:
    """One line that changes many is one annotation with their number."""
    for number in range(30):
        settled.world.add("acme", "charger", identity=f"X-{number:02}", displayName="Bay", profileId=1)
    entries = "".join(f"  - {{identity: X-{number:02}}}\n" for number in range(30))
    settled.write("more.yaml", f"tenant: acme\ndefaults:\n  chargers:\n    profile: night\nchargers:\n{entries}")
    result = settled("plan", "exolink.yaml", "more.yaml", "--format", "github")
    assert commands(result) == [
        "::notice title=plan%3A update,file=more.yaml,line=4,col=14::this line of defaults changes 30 chargers of acme:"
        " profileId 1 (standard) -> 2 (night)%0Aacme/charger/X-00 … acme/charger/X-29"
    ]


def test_plan_github_without_changes(settled: Cli) -> None:
    """Nothing to do makes no annotation."""
    result = settled("plan", "--format", "github")
    assert commands(result) == [] and NO_CHANGES in result.out


def test_plan_github_that_fails(settled: Cli) -> None:
    """What stops a plan is an annotation too: on the lines of the YAML, or for the run as a whole."""
    settled.swap("exolink.yaml", "profile: night", "profile: nigth")
    refused = settled("plan", "--format", "github", code=3)
    assert [line.split("::")[1] for line in commands(refused)] == [
        "error title=E-PROFILE,file=exolink.yaml,line=9,col=60"
    ]
    assert "exolink.yaml:9:60: error: E-PROFILE" in refused.err
    settled.swap("exolink.yaml", "profile: nigth", "profile: night")
    denied = settled("plan", "--format", "github", code=10, token="wrong")
    assert [line.split("::")[1] for line in commands(denied)] == ["error title=E-DENIED"]
    assert commands(settled("plan", code=10, token="wrong")) == []


def test_show_github(settled: Cli) -> None:
    """A saved plan is annotated at the places it recorded: there is no YAML to look into."""
    settled.swap("exolink.yaml", "wss://cpms.example.com/ocpp", "wss://new.example.com/ocpp")
    settled("plan", "--out", "plan.json")
    (settled.folder / "exolink.yaml").rename(settled.folder / "elsewhere.yaml")
    result = settled("show", "plan.json", "--format", "github")
    assert commands(result) == [
        "::notice title=plan%3A update,file=exolink.yaml,line=5,col=6::will change url of acme/cpms/Primary backend:"
        " wss://cpms.example.com/ocpp -> wss://new.example.com/ocpp"
    ]
    assert result.out.endswith(settled("show", "plan.json").out)


def test_hostile_names(cli: Cli, tmp_path: Path) -> None:
    """No line of the log starts a command that we did not mean, whatever the names are."""
    names = ["::error::x", "##[error]x", "%0A::warning::x", "🔌", "a\\u0041b"]
    entries = "".join(f'  - {{identity: "{name}", displayName: "{name}", profileId: 1}}\n' for name in names)
    cli.write("exolink.yaml", f"tenant: acme\nchargers:\n{entries}")
    result = cli("plan", "--format", "github")
    assert all(line.startswith("::notice title=plan%3A create,file=exolink.yaml,") for line in commands(result))
    assert len(commands(result)) == len(names)
    assert not any("##[" in line or line.lstrip().startswith("::") for line in result.out.splitlines()[len(names) :])
