"""The commands run in this process: what they print, what they write, how they end."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from support_cli import API, YAML, Run

from .conftest import TOKEN, Commands

# ------------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize("seconds", ["90", "90s", "2m", "0.5m", "1.5"])
def test_seconds(run: Run, seconds: str) -> None:
    """Seconds may be a number, or one with `s` or `m`."""
    assert run("plan", *API, "--settle", seconds)[0] == 0


@pytest.mark.parametrize("seconds", ["", "s", "1h", "2 m", "-1", "1e9", "nan", "inf", "90000", "1m30s", "٣"])
def test_what_is_not_seconds(run: Run, seconds: str) -> None:
    """Anything else is a usage error."""
    code, _, err = run("plan", *API, "--settle", seconds)
    assert code == 3 and "E-USAGE" in err and "--settle" in err


@pytest.mark.parametrize("option", ["--out", "-o", "--target", "--state", "--contract", "--metrics-file", "--api-url"])
def test_row_D2_an_empty_option(run: Run, option: str) -> None:
    """An option given as '' is a variable of a script that had no value: a usage error, nothing is done."""
    code, out, err = run("plan", option, "")
    assert (code, out) == (3, "") and "E-USAGE" in err and option in err


def test_the_command_that_applies_a_saved_plan_has_what_was_typed(
    command: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works as it stands: with the files and permissions of this one, and its words quoted."""
    (command.folder / "exolink.yaml").write_text(
        'tenant: acme\ncpms: [{displayName: B, url: "wss://h/${env:PART}", interval: 1}]\n'
    )
    (command.folder / "my token").write_text(TOKEN)
    monkeypatch.setenv("PART", "x")
    monkeypatch.setenv("CI", "1")
    monkeypatch.delenv("EXOLINK_TOKEN")
    typed = ("--token-file", "my token", "--env-allow", "PART", "--state", "other state")
    result = command("plan", "-o", "p", *typed)
    assert result.code == 0, result.err
    [line] = [line for line in result.err.splitlines() if "exolink-reconcile apply --plan p" in line]
    pasted = command(*shlex.split(line)[1:])
    assert pasted.code == 0, pasted.err
    assert [row["displayName"] for row in command.world.live("acme", "cpms")] == ["B"]


def test_the_command_leaves_out_what_the_environment_has(command: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """It will be there again; and what names files of this machine is in no plan, whatever its format."""
    (command.folder / "exolink.yaml").write_text(
        "tenant: acme\ncpms: [{displayName: A, url: wss://h/, interval: 60}]\n"
    )
    monkeypatch.setenv("EXOLINK_ENV_ALLOW", "PART")
    assert "--env-allow" not in command("plan", "-o", "p").err
    for format in ("text", "json", "markdown", "html"):
        assert "elsewhere" not in command("plan", "--state", "elsewhere", "--format", format).out


def test_row_E22_an_argument_that_a_shell_expanded(run: Run) -> None:
    """What the parser of the command line quotes in its message steers neither terminal nor CI."""
    code, _, err = run("plan", "--targt=\x1b[31m\n::error::x")
    assert code == 3 and "\x1b" not in err and "\n::error" not in err


def test_quiet(run: Run) -> None:
    """-q leaves out notes and progress, and neither results nor warnings."""
    code, out, err = run("apply", "-y", "-q", *API)
    assert code == 0 and "Apply complete!" in out and err == ""


def test_colour_without_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """FORCE_COLOR colours text without a terminal, and NO_COLOR wins."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in run("plan", *API)[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in run("plan", *API)[1]


# ------------------------------------------------------------------------------------------------------------- outputs


def test_row_C7_a_full_disk() -> None:
    """A result that cannot be written is 11, help and version too; a reader that went away is not an error."""
    for arguments in (["--help"], ["plan", "--help"], ["--version"], ["schema", "config"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [sys.executable, "-m", "exolink_reconcile", *arguments], stdout=full, stderr=subprocess.PIPE
            )
        assert done.returncode == 11 and b"E-STORAGE" in done.stderr, arguments
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(
        [sys.executable, "-m", "exolink_reconcile", "schema", "config"],
        stdout=write,
        stderr=subprocess.PIPE,
        env=environment,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_row_C7_the_working_folder_is_gone(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs the working folder says that it was deleted; what does not need it works."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert run("validate", str(tmp_path / "exolink.yaml"))[0] == 0
    code, _, err = run("plan", str(tmp_path / "exolink.yaml"), "--api-url", "emulator:relative.db", "--state", "state")
    assert code == 11 and "E-BUG" not in err


# ------------------------------------------------------------------------------------------------------ on a terminal


def terminal(folder: Path, *arguments: str, stderr: str | None = None, columns: int = 100) -> "pexpect.spawn[str]":
    command = [sys.executable, "-m", "exolink_reconcile", *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "xterm", "LANG": "C.UTF-8"}
    environment["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    if stderr:
        command = ["sh", "-c", f'exec "$@" 2>{stderr}', "sh", *command]
    return pexpect.spawn(
        command[0],
        command[1:],
        cwd=str(folder),
        env=environment,
        encoding="utf-8",
        timeout=60,
        dimensions=(40, columns),
    )


def test_row_D12_the_question_goes_to_the_terminal(tmp_path: Path) -> None:
    """`apply 2>log` asks where somebody can see it."""
    (tmp_path / "exolink.yaml").write_text(YAML, "utf-8")
    child = terminal(tmp_path, "apply", *API, stderr="log")
    child.expect("Only `yes` will be accepted")
    child.sendline("no")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 7 and "E-NOT-APPROVED" in (tmp_path / "log").read_text("utf-8")


def test_an_error_shows_its_line(tmp_path: Path) -> None:
    """With the place underlined, in colour, wrapped at words; what may be a secret is masked."""
    secret = "hunter2/rest?token=abc123"
    (tmp_path / "exolink.yaml").write_text(
        f'tenant: acme\ncpms:\n  - {{displayName: B, url: "https://user:{secret}", intervall: 3}}\n', "utf-8"
    )
    child = terminal(tmp_path, "validate", columns=70)
    child.expect(pexpect.EOF)
    output = str(child.before)
    child.close()
    assert child.exitstatus == 3
    assert "\x1b[1;31m^^^" in output and "\x1b[1;31merror: E-UNKNOWN-KEY:" in output and "intervall: 3" in output
    assert "hunter2" not in output and "abc123" not in output
