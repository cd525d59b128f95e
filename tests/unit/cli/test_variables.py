"""What YAML took from the environment is in no error text, whoever quotes it."""

import json

import pytest

from exolink_reconcile import files
from exolink_reconcile.cli import variables
from exolink_reconcile.cli.run import RUN

from .conftest import Commands

VALUE = "hunter2-of-the-job"
YAML = """\
tenant: acme
cpms:
  - {displayName: "A ${env:NAME}", url: "wss://h/", interval: 30}
"""


@pytest.fixture(autouse=True)
def _set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME", VALUE)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("plan", "--target", f"acme/cpms/A {VALUE[:-1]}"), id="target"),
        pytest.param(("plan", "--exclude", f"acme/cpms/A {VALUE[:-1]}"), id="exclude"),
        pytest.param(("plan", "--allow-replace", f"acme/cpms/A {VALUE[:-1]}"), id="allow-replace"),
    ],
)
def test_row_E5_the_nearest_name_is_shown_as_written(command: Commands, arguments: tuple[str, ...]) -> None:
    """Who guesses a name gets the nearest one as the YAML writes it."""
    (command.folder / "exolink.yaml").write_text(YAML)
    result = command(*arguments)
    assert result.code == 3 and "acme/cpms/A ${env:NAME}" in result.err and VALUE not in result.out + result.err


def test_row_E5_a_limit_of_the_contract(command: Commands) -> None:
    """A check after reading names the entry, not the value."""
    (command.folder / "exolink.yaml").write_text(YAML)
    description = files.bundled("exolink-api.openapi.yaml")
    contract = description.replace("        interval:\n", "        interval:\n          maximum: 5\n")
    assert contract != description
    (command.folder / "contract.yaml").write_text(contract)
    result = command("plan", "--contract", "contract.yaml")
    assert (
        result.code == 3
        and "E-LIMIT" in result.err
        and "${env:NAME}" in result.err
        and VALUE not in result.out + result.err
    )


def test_row_E5_what_the_api_says(command: Commands) -> None:
    """An answer of the API that quotes a name is redacted too, in text, in JSON and where a plan holds back."""
    (command.folder / "exolink.yaml").write_text(YAML)
    body = json.dumps({"message": f"no {VALUE} here"}).encode()
    command.world.override = lambda method, path: (400, {"content-type": "application/json"}, body)
    for arguments in (("plan",), ("apply", "--auto-approve", "--format", "json"), ("doctor",)):
        result = command(*arguments)
        assert result.code == 4 and VALUE not in result.out + result.err


def test_a_guardrail_names_the_entry_as_written(command: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal of apply is an error text."""
    command.world.add("acme", "cpms", displayName=f"A {VALUE}", url="wss://h/", interval=60)
    (command.folder / "exolink.yaml").write_text(
        YAML + 'policy: {protect: ["cpms/A ${env:NAME}"], allowReplace: ["cpms/A ${env:NAME}"]}\n'
    )
    result = command("apply", "--auto-approve")
    assert result.code in (3, 7) and VALUE not in result.err and "${env:NAME}" in result.err


@pytest.mark.parametrize(
    ("value", "text", "hidden"),
    [
        ("ab", "acme/cpms/ab: no `ab`, abc", "acme/cpms/${env:V}: no `${env:V}`, abc"),
        ("a\tb secret", "it is a\\tb secret, a\tb secret", "it is a\\tb secret, ${env:V}"),
        ("x\x1by-secret", "it is x\\x1by-secret", "it is ${env:V}"),
        ("a.c-long", "abc-long", "abc-long"),
    ],
)
def test_hidden_in_any_form(value: str, text: str, hidden: str) -> None:
    """Short values are hidden where they are a whole name; long ones everywhere, as they are and made inert."""
    RUN.begin()
    assert variables.hide(text) == text
    assert variables.watched({"V": value})["V"] == value
    try:
        assert variables.hide(text) == hidden
    finally:
        RUN.begin()
