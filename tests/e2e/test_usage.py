"""The command line itself: mistakes, help, and options from the environment."""

import json
import os
import subprocess

from command import COMMAND

from .conftest import TOKEN, Cli
from .support import NO_CHANGES, SETTLED

MISTAKES = {
    "an option like another": (("plan", "--targt", "acme/*"), "--target"),
    "a command like another": (("aply",), "apply"),
    "no such option": (("apply", "--force"), "--force"),
    "no switch for the token": (("plan", "--token", "hush"), "--token"),
    "no such format": (("plan", "--format", "xml"), "json"),
    "no number": (("plan", "--parallelism", "many"), "--parallelism"),
    "no plan to show": (("show",), "PLANFILE"),
    "no URL": (("plan", "--api-url", "https://h:99999"), "--api-url"),
    "half a URL": (("plan", "--api-url", "https://["), "--api-url"),
    "a folder without documents": (("plan", "home"), "home"),
}


def test_mistakes_exit_3_before_any_request(settled: Cli) -> None:
    """A usage error exits 3, names what is wrong and what may have been meant, and sends nothing."""
    results = settled.each([args for args, _ in MISTAKES.values()], code=3)
    for result, (_, word) in zip(results, MISTAKES.values(), strict=True):
        assert word in result.err and result.out == "", result.report
    assert settled.world.log == []


def test_nothing_to_read(cli: Cli) -> None:
    """Without PATH, exolink.yaml and exolink/, there is nothing to plan: 3."""
    assert "exolink.yaml" in cli("plan", code=3).err
    cli.write("exolink.yaml", "# nothing but a comment\n")
    cli("plan", code=3)
    assert cli.world.log == []


def test_help_and_version(cli: Cli) -> None:
    """--help and --version need no token, no file and no API."""
    overall, of_plan, version = cli.each([("--help",), ("plan", "--help"), ("--version",)], token=None, bare=True)
    assert all(f" {command} " in overall.out for command in ("validate", "plan", "apply", "show", "export", "emulate"))
    assert all(option in of_plan.out for option in ("--target", "--allow-deletes", "--detailed-exitcode"))
    assert any(character.isdigit() for character in version.out)


def test_every_option_has_a_variable(settled: Cli) -> None:
    """EXOLINK_ and the option's name; repeatable ones hold one value a line; booleans are words or digits."""
    settled.world.edit("acme", "charger", "CP-0001", profileId=7)
    settled.world.edit("acme", "cpms", "Test bench", url="wss://x.example.com/")
    base = {"EXOLINK_API_URL": settled.url, "EXOLINK_STATE": "state", "EXOLINK_DETAILED_EXITCODE": "true"}
    both = base | {"EXOLINK_TARGET": "acme/charger/CP-0001\nacme/cpms/*", "EXOLINK_FORMAT": "json"}
    plan = settled("plan", env=both, bare=True, code=2)
    assert {change["address"] for change in plan.json["exolink"]["changes"]} == {
        "acme/charger/CP-0001",
        "acme/cpms/Test bench",
    }
    excluding = base | {"EXOLINK_EXCLUDE": "acme/cpms/*", "EXOLINK_FORMAT": "json"}
    result = settled("plan", "--format", "text", env=excluding, bare=True, code=2)
    assert result.counts("Plan: 0 to add, 1 to change, 0 to destroy."), "what is typed wins over the variable"
    approved = base | {"EXOLINK_AUTO_APPROVE": "1", "EXOLINK_FORMAT": "json"}
    applied = settled("apply", env=approved, bare=True)
    assert all(json.loads(line) for line in applied.lines)
    assert settled("plan", env=base, bare=True).counts(NO_CHANGES)


def test_booleans_from_the_environment(settled: Cli) -> None:
    """1, 0, true, false, and nothing else."""
    settled.world.edit("acme", "charger", "CP-0001", profileId=7)
    for value, code in {"1": 2, "false": 0, "maybe": 3}.items():
        settled("plan", env={"EXOLINK_DETAILED_EXITCODE": value}, code=code)


def test_a_variable_of_another_command_is_no_mistake(settled: Cli) -> None:
    """The variables are the same for all commands; one that a command has no option for is left alone."""
    assert settled("plan", env={"EXOLINK_AUTO_APPROVE": "1", "EXOLINK_EXPECT": "x"}).counts(NO_CHANGES)


def test_both_ways_of_approval_at_once(settled: Cli) -> None:
    """--plan and --expect are two different claims; what was not reviewed is not applied."""
    settled.world.edit("acme", "charger", "CP-0001", profileId=7)
    settled("plan", "--out", "p")
    assert settled("apply", "--plan", "p", "--expect", "0" * 64, code=None).code in (3, 6)
    assert settled.world.writes == []


def test_all_problems_in_one_go(settled: Cli) -> None:
    """Every problem of every file is reported in one go, each with its place, before any request."""
    settled.write("exolink.yaml", SETTLED.replace("displayName: Lobby left", "displayNam: Lobby left"))
    settled.write("more.yaml", "tenant: acme\nchargers:\n  - {identity: CP-7, profileId: x}\n")
    refused = settled("plan", "exolink.yaml", "more.yaml", code=3)
    assert "exolink.yaml:8:" in refused.text and "displayName" in refused.text
    assert "more.yaml:3:" in refused.text and "profileId" in refused.text
    assert settled.world.log == []


def test_seconds_are_a_number_of_them(settled: Cli) -> None:
    """A time that nobody could wait is a usage error, not a crash of the clock."""
    runs = [("plan", "--timeout", "inf"), ("plan", "--settle", "nan"), ("plan", "--lock-timeout", "1e12")]
    for result in settled.each(runs, code=3):
        assert result.args[1] in result.err
    assert settled.world.log == []


def test_one_api_however_it_is_spelled(settled: Cli) -> None:
    """The same origin in another spelling has the same digest, the same memory and the same saved plans."""
    settled.world.edit("acme", "charger", "CP-0001", displayName="x")
    spellings = [settled.url, f"{settled.url}/", settled.url.replace("http", "HTTP")]
    digests = {settled.digest("--api-url", url) for url in spellings}
    assert len(digests) == 1
    settled("plan", "--out", "p", "--api-url", spellings[1])
    settled("apply", "--plan", "p", "--api-url", spellings[2])


def test_unknowns_of_a_folder_that_is_not_there(cli: Cli) -> None:
    """No all-clear for a place where no state was ever kept: 11."""
    cli.write("file", "x\n")
    for state in ("typo", "file"):
        assert "E-STORAGE" in cli("unknowns", "--state", state, code=11, bare=True).err


def test_the_demo_is_the_same_everywhere(cli: Cli) -> None:
    """The user's own options neither change the story nor let it write outside of its folder."""
    precious = cli.write("precious.json", "mine\n")
    options = {"EXOLINK_OUT": str(precious), "EXOLINK_TARGET": "acme/x/y", "EXOLINK_FORMAT": "markdown"}
    assert "That is the whole story" in cli("demo", env=options, bare=True).out
    assert precious.read_text() == "mine\n"


def test_a_result_that_cannot_be_written(settled: Cli) -> None:
    """A full disk under stdout is 11, and says so."""
    with open("/dev/full", "wb") as full:
        arguments = [*COMMAND, "plan", "--api-url", settled.url]
        environment = {"PATH": os.environ["PATH"], "HOME": str(settled.folder), "EXOLINK_TOKEN": TOKEN}
        finished = subprocess.run(
            arguments, cwd=settled.folder, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert finished.returncode == 11 and "E-STORAGE: the result could not be written" in finished.stderr


def test_a_format_for_all_commands(settled: Cli) -> None:
    """EXOLINK_FORMAT may name a format that only another command has; a word that names no format is a mistake everywhere."""
    applied = settled("apply", env={"EXOLINK_FORMAT": "markdown", "EXOLINK_AUTO_APPROVE": "1"})
    assert NO_CHANGES in applied.out
    settled("apply", "--format", "markdown", code=3)
    settled("apply", env={"EXOLINK_FORMAT": "xml"}, code=3)


def test_nothing_is_compared(settled: Cli) -> None:
    """Where everything is ruled out, `No changes` does not stand alone."""
    assert "rule out everything" in settled("plan", "--exclude", "*").text
