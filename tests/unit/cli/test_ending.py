"""What a run says at its end is true, the same in text, JSON and exit code, and says what to do now."""

import json
import signal
from pathlib import Path

import pytest

from exolink_reconcile.cli import ending, findings
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.cli.signals import Interrupted
from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import ApiUnreachable, StorageFailed
from exolink_reconcile.state.journal import Journal

from .conftest import Commands

YAML = """\
# first line
tenant: acme
cpms:
  - {displayName: A, url: "wss://h/", interval: 30}
"""


@pytest.mark.parametrize("method", ["saw", "keep_base", "ended"])
def test_a_record_that_fails_after_the_writes(command: Commands, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Everything was written and its record was not: incomplete with 11, in text as in JSON, with the code and the counts."""
    (command.folder / "exolink.yaml").write_text(YAML)
    real, calls = getattr(Journal, method), []

    def fails(journal: Journal, *arguments: object, **options: object) -> object:
        calls.append(method)
        if journal._numbers:  # after the writes
            raise StorageFailed("E-STORAGE", "the disk is full")
        return real(journal, *arguments, **options)

    monkeypatch.setattr(Journal, method, fails)
    result = command("apply", "--auto-approve")
    assert (result.code, "E-STORAGE: the disk is full" in result.err) == (11, True)
    assert (
        "Apply incomplete. Resources: 1 added, 0 changed, 0 destroyed." in result.out and "complete!" not in result.out
    )
    assert "Next: what is counted above was written." in result.out
    command.world.edit("acme", "cpms", "A", url="wss://drift/")
    events = [json.loads(line) for line in command("apply", "--auto-approve", "--format", "json").out.splitlines()]
    assert (events[-1]["exit_code"], events[-1]["codes"], events[-1]["changes"]["change"]) == (11, ["E-STORAGE"], 1)
    assert not any("Apply complete!" in event["@message"] for event in events)


def test_a_gate_does_not_print_the_password_of_the_state(
    command: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The way back that is printed after a gate names the state only where the command line did."""
    (command.folder / "exolink.yaml").write_text(YAML)
    monkeypatch.setenv("EXOLINK_STATE", str(tmp_path / "s3cret"))
    result = command("apply", "--auto-approve", "--gate", "false")
    assert result.code == 5 and "history --run" in result.err and "s3cret" not in result.out + result.err


@pytest.mark.parametrize(
    ("status", "next_step"),
    [(401, "Give a token with the rights."), (403, "Give a token"), (400, "See its reason"), (206, "Check --api-url.")],
)
def test_an_error_of_the_api_says_what_now(command: Commands, status: int, next_step: str) -> None:
    """What the sentence does not say of what to do, the line below does."""
    (command.folder / "exolink.yaml").write_text(YAML)
    reason = b'{"error": "what the API says --here-- decides nothing"}'
    command.world.override = lambda method, path: (status, {}, reason) if path.endswith("/cpms") else None
    error = command("plan").err
    assert error.splitlines()[-1].startswith(f"    {next_step}"), error


def test_a_proxy_is_not_the_fault_of_the_address(capsys: pytest.CaptureFixture[str]) -> None:
    """What failed is named, and --api-url is not."""
    summary = "GET /x: cut off (through the proxy p, which ALL_PROXY names)"
    findings.failure(ApiUnreachable("E-UNREACHABLE", summary, says_what_now=True))
    assert (
        capsys.readouterr().err
        == "error: E-UNREACHABLE: GET /x: cut off (through the proxy p, which ALL_PROXY names).\n"
    )


def test_a_tenant_that_is_not_live_has_its_place(command: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the YAML names it, and which tenant that is live is spelt nearly so: text, JSON and annotation."""
    (command.folder / "exolink.yaml").write_text(YAML + "---\ntenant: acmee\nname: x\n")
    for arguments in (("plan",), ("plan", "--format", "github"), ("apply", "--auto-approve")):
        result = command(*arguments)
        assert result.code == 4 and "exolink.yaml:6:1: error: E-NO-TENANT: tenant acmee does not exist" in result.err
        assert "Did you mean acme?" in result.err
        assert "--format" not in arguments or "file=exolink.yaml,line=6,col=1::tenant acmee" in result.out
    events = command("apply", "--auto-approve", "--format", "json").out.splitlines()
    [diagnostic] = [
        json.loads(line)["diagnostic"] for line in events if '"E-NO-TENANT"' in line and "diagnostic" in line
    ]
    assert diagnostic["range"]["start"] == {"line": 6, "column": 1} and "acme?" in diagnostic["summary"]


@pytest.mark.parametrize(
    ("wrote", "sentence"), [(False, "Nothing was written."), (True, "What was written by then stays.")]
)
def test_what_an_interrupted_command_says_of_files(
    wrote: bool, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that may have written a file or to the state by then does not claim that it did not."""

    def command() -> Exit:
        RUN.wrote = wrote
        raise Interrupted(signal.SIGTERM)

    assert ending.exit_code(command) is Exit.TERMINATED
    assert capsys.readouterr().err.endswith(f"Terminated. {sentence}\n")


@pytest.mark.parametrize(
    ("arguments", "interrupted"),
    [
        (("plan", "--out", "p"), "exolink_reconcile.report.text.render"),
        (("export", "acme", "--out", "there"), "exolink_reconcile.files.write"),
        (("export", "acme", "--into", "exolink.yaml", "--write"), "exolink_reconcile.files.replace_all"),
        (("init", "--ci", "gitlab"), "exolink_reconcile.files.write"),
        (("unknowns", "--forget", "acme/cpms/A"), "exolink_reconcile.cli.open_writes.forget"),
        (("store", "prune", "--older-than", "1"), "exolink_reconcile.cli.state_work.prune"),
        (("store", "import", "state"), "exolink_reconcile.cli.state_work.import_folder"),
        (("store", "init"), "exolink_reconcile.cli.state_work.init"),
    ],
)
def test_every_command_that_writes_says_so(
    command: Commands, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], interrupted: str
) -> None:
    """Interrupted where it writes, none of them says that nothing was written."""
    (command.folder / "state").mkdir(0o700)
    if arguments[0] != "init":
        (command.folder / "exolink.yaml").write_text(YAML)

    def stop(*arguments: object, **options: object) -> None:
        raise Interrupted(signal.SIGINT)

    monkeypatch.setattr(interrupted, stop)
    result = command(*arguments)
    assert result.code == 130 and "Nothing was written" not in result.err and "stays" in result.err
