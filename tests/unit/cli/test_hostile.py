"""Whatever command, whatever format, whoever wrote it: nothing that is printed steers a terminal or a CI runner."""

import json
import re
import unicodedata
from typing import Any

import pytest

from exolink_reconcile.cli.options import FINDINGS_FORMATS, PLAN_FORMATS
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, Step
from exolink_reconcile.report import FORMATS
from exolink_reconcile.resource import Address
from exolink_reconcile.state import lock
from exolink_reconcile.state.journal import Journal

from .conftest import Commands

COMMAND = "##vso[task.setvariable]a ::error::b ##[group]c ::add-mask::d"
STEERS = "\x1b[2J\u202e\u200b\u2028\x9b31m"
YAML_COMMAND = json.dumps(COMMAND)
_OBEYED = re.compile(r"##vso\[|##\[|##teamcity\[|::[A-Za-z]", re.IGNORECASE)
_OWN = re.compile(r"(?m)^::(error|warning|notice) [^\n]*?::|^::(error|warning|notice)::")


def judge(text: str, *, annotations: bool = False) -> None:
    """Nothing of what was put in is left alive."""
    alive = {hex(ord(c)) for c in text if c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs")}
    assert alive == set()
    text = re.sub(r"(?s)<style>.*?</style>", "", text)  # pseudo-elements are the style sheet's own
    obeyed = _OBEYED.findall(_OWN.sub("", text) if annotations else text)
    assert obeyed == []


@pytest.fixture
def hostile(command: Commands) -> Commands:
    """A tenant whose live names steer, and YAML whose names command."""
    for number, name in enumerate((f"live {STEERS}", f"live {COMMAND}", f"x\nPlan: 0 to add {STEERS}")):
        command.world.add("acme", "cpms", displayName=name, url=f"wss://h{STEERS}/{COMMAND}", interval=number)
        command.world.add("acme", "charger", identity=name, displayName=f"{COMMAND}{STEERS}", profileId=1)
    command.world.add("acme", "charger", identity=f"mine {COMMAND}", displayName=STEERS, profileId=1)
    (command.folder / "exolink.yaml").write_text(
        f"""\
tenant: acme
policy: {{exclusive: [charger], protect: [{json.dumps("cpms/" + COMMAND)}]}}
profiles: {{{json.dumps(COMMAND)}: 1}}
cpms:
  - {{displayName: {YAML_COMMAND}, url: "wss://h/::error::/?t=1", interval: 5}}
chargers:
  - {{identity: {json.dumps("mine " + COMMAND)}, displayName: {YAML_COMMAND}, profile: {json.dumps(COMMAND)}}}
  - {{identity: {YAML_COMMAND}, displayName: x, profileId: 1}}
removed:
  - {{cpms: {json.dumps("live " + COMMAND)}, reason: {YAML_COMMAND}}}
"""
    )
    return command


BROKEN = f"""\
tenant: {YAML_COMMAND}
{json.dumps(COMMAND)}: x
cpms:
  - {{displayName: "\\e[2J\\u202E", {json.dumps(COMMAND)}: y, url: {YAML_COMMAND}}}
  - {{displayName: {YAML_COMMAND}, interval: {YAML_COMMAND}, createOnly: [{YAML_COMMAND}]}}
policy: {{protect: [{YAML_COMMAND}]}}
"""


@pytest.mark.parametrize("format", FINDINGS_FORMATS)
def test_row_E13_findings(command: Commands, format: str) -> None:
    """Findings quote names, keys and files of a pull request, in every format."""
    name = f"{COMMAND.replace('/', '')}{STEERS}.yaml"
    (command.folder / name).write_text(BROKEN)
    result = command("validate", name, "missing-" + name, "--format", format)
    assert result.code == 3 and "E-" in result.out + result.err
    judge(result.out + result.err, annotations=format == "github")
    if format in ("json", "sarif", "codequality"):
        assert "##vso[" in json.dumps(json.loads(result.out)) or format != "json"  # the same to a JSON reader


@pytest.mark.parametrize("format", PLAN_FORMATS)
def test_row_E13_plans(hostile: Commands, format: str) -> None:
    """A plan shows names of the pull request and of the API; so does the file that is shown later."""
    arguments = ("plan", "--prune", "--show-unmanaged", "--full", "--allow-deletes", "9")
    result = hostile(*arguments, "--format", format)
    assert result.code == 0 and "charger" in result.out
    judge(result.out + result.err, annotations=format == "github")


def test_row_E20_a_plan_file_that_is_shown(hostile: Commands) -> None:
    """So does `show`, in every format, and two plans beside each other."""
    assert hostile("plan", "-o", "p").code == 0
    assert hostile("plan", "-o", "q", "--target", "acme/charger/*").code == 0
    for format in FORMATS:
        result = hostile("show", "p", "--format", format)
        assert result.code == 0
        judge(result.out + result.err, annotations=format == "github")
    judge(hostile("show", "p", "--since", "q").out)


@pytest.mark.parametrize(
    "place", ["address", "reason", "field", "code", "ways_out", "id", "file", "note", "name", "option"]
)
def test_row_E20_a_forged_plan_file(hostile: Commands, place: str) -> None:
    """Whatever stands in a plan file that somebody made, showing or applying it prints nothing alive."""
    from exolink_reconcile.saved_plan import writer

    assert hostile("plan", "-o", "p").code == 0
    plan = json.loads((hostile.folder / "p").read_text())
    own, evil = plan["exolink"], f"{COMMAND}{STEERS}"
    change = own["changes"][0]
    held: dict[str, Any] = {
        "address": "acme/cpms/x",
        "action": "update",
        "field": None,
        "before": None,
        "after": None,
        "code": "E-CANNOT-UPDATE",
        "reason": "r",
        "sensitive": False,
        "ways_out": [],
        "source": None,
    }
    own["held_back"].append(held)
    match place:
        case "address":
            held["address"] = f"acme/cpms/{evil}"
        case "reason":
            held["reason"] = change["reason"] = evil
        case "field":
            held["field"] = evil
        case "code":
            held["code"] = evil
        case "ways_out":
            held["ways_out"] = [evil]
        case "id":
            for row in plan["resource_changes"]:
                if row["change"]["before"]:
                    row["change"]["before"]["id"] = evil
        case "file":
            held["source"] = {"file": evil, "line": 1, "column": 1}
        case "note":
            own["notes"].append({"code": "W-RENAME", "summary": evil, "addresses": []})
        case "name":
            own["names"] = {evil: {"profileId": {"1": evil}}, "acme": {"profileId": {"1": evil}}}
        case "option":
            own["paths"], own["options"]["target"] = [evil], [evil]
    own["checksum"] = writer.checksum_of(plan)
    (hostile.folder / "p").write_text(json.dumps(plan))
    for format in FORMATS:
        result = hostile("show", "p", "--format", format)
        assert result.code in (0, 3, 6)
        judge("" if format == "json" else result.out, annotations=format == "github")
        judge(result.err)
    result = hostile("apply", "--plan", "p")
    assert result.code in (0, 3, 5, 6)  # what is not part of a step is not part of the digest
    judge(result.out + result.err)


def test_row_E13_what_an_apply_and_the_state_say(hostile: Commands) -> None:
    """Events, results, history, open writes and locks: names of the API and of the pull request are in all of them."""
    for format in ("json", "text"):
        result = hostile("apply", "--auto-approve", "--format", format)
        assert result.code in (0, 5) and "charger" in result.out
        judge(result.out + result.err)
    with Journal(hostile.folder / "state", hostile.url) as journal:
        journal.intend(
            Step(Action.CREATE, Address("acme", "cpms", f"{COMMAND}{STEERS}"), KINDS[1], COMMAND, None), {}, {}
        )
        run = journal.run
    with lock.hold(hostile.folder / "state", hostile.url, ["acme"], 0.0, run="r"):
        holder = dict.fromkeys(("user", "host", "run", "tenant", "origin", "pid"), f"{COMMAND}{STEERS}")
        path = lock.path_of(hostile.folder / "state", hostile.url, "acme")
        path.write_text(json.dumps(holder | {"since": 1.0}))
        for arguments in (("locks",), ("unknowns",), ("history",), ("doctor",)):
            for format in ("text", "json"):
                result = hostile(*arguments, "--format", format)
                assert result.code in (0, 9) or arguments == ("doctor",)
                judge(result.out + result.err)
                assert format == "text" or json.loads(result.out)["format_version"] == "1.0"
        result = hostile("apply", "--auto-approve", "--lock-timeout", "0.1")
        assert result.code == 8
        judge(result.out + result.err)
    runs = {write["run"] for write in json.loads(hostile("history", "--format", "json").out)["writes"]}
    for name in runs | {run}:
        judge(hostile("history", "--run", name, "--format", "yaml").out)


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "acme"), ("export", "acme", "--format", "csv"), ("export", "acme", "--out", f"out {COMMAND}{STEERS}"),
        ("export", f"{COMMAND}{STEERS}"), ("plan", "--target", f"{COMMAND}{STEERS}"), ("plan", f"--{COMMAND}{STEERS}"),
        ("plan", "--out", f"{COMMAND}{STEERS}".replace("/", "")), ("apply", "--plan", f"{COMMAND}{STEERS}"),
        (f"{COMMAND}{STEERS}",), ("explain", f"{COMMAND}{STEERS}"), ("unknowns", "--forget", f"acme/cpms/{COMMAND}{STEERS}"),
        ("history", "--run", f"{COMMAND}{STEERS}"), ("locks", "--break", f"{COMMAND}{STEERS}", "--token", "1", "--reason", "x"),
        ("store", "status", "--state", f"{COMMAND}{STEERS}"), ("capabilities", "--contract", f"{COMMAND}{STEERS}"),
        ("doctor", "--contract", f"{COMMAND}{STEERS}"), ("plan", "--api-url", f"https://{COMMAND}{STEERS}"),
        ("plan", "--ca-file", f"{COMMAND}{STEERS}"), ("plan", "--token-file", f"{COMMAND}{STEERS}"),
        ("plan", "--base", f"{COMMAND}{STEERS}"), ("init", "--from-live", f"{COMMAND}{STEERS}"),
    ],
    ids=lambda arguments: "-".join(arguments)[:20].replace("\x1b", "").split("#")[0],
)  # fmt: skip
def test_row_E22_what_the_command_line_says(hostile: Commands, arguments: tuple[str, ...]) -> None:
    """Options and file names that a shell expands are made inert, in messages of click too."""
    result = hostile(*arguments)
    assert result.code != 1
    judge(result.out + result.err)
