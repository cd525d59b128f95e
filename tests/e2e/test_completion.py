"""Tab: what the shells offer, by the scripts that the command prints for them."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pexpect
import pytest

from exolink_reconcile.cli import commands

HEAVY = ("httpx", "pydantic", "ruamel.yaml", "deepdiff", "jsonschema", "sqlite3")
COMMAND = """
import atexit, sys
sys.argv[0] = "exolink-reconcile"
atexit.register(lambda: print("modules:", *sys.modules, file=sys.stderr))
from exolink_reconcile.__main__ import main
main()
"""


def ask(line: str) -> tuple[list[str], list[str]]:
    """What is offered at the end of a command line, as `TYPE,VALUE`, and the modules it took."""
    words = line.split(" ")
    environment = {
        "PATH": os.environ["PATH"],
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_EXOLINK_RECONCILE_COMPLETE": "bash_complete",
    }
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    modules = next(line for line in done.stderr.splitlines() if line.startswith("modules:"))
    return [line for line in done.stdout.splitlines() if line], modules.split()


def script(shell: str) -> str:
    environment = {"PATH": os.environ["PATH"], "_EXOLINK_RECONCILE_COMPLETE": f"{shell}_source"}
    done = subprocess.run(
        [sys.executable, "-m", "exolink_reconcile"], env=environment, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("exolink-reconcile va", ["plain,validate"]),
        ("exolink-reconcile plan --detailed", ["plain,--detailed-exitcode"]),
        ("exolink-reconcile apply --format ", ["plain,text", "plain,json"]),
        ("exolink-reconcile schema c", ["plain,config"]),
        ("exolink-reconcile validate ex", ["file,ex"]),
        ("exolink-reconcile plan a.yaml ", ["file,"]),
        ("exolink-reconcile plan --out pl", ["file,pl"]),
        ("exolink-reconcile apply --token-file ", ["file,"]),
        ("exolink-reconcile apply --plan ", ["file,"]),
        ("exolink-reconcile apply --state ", ["dir,"]),
        ("exolink-reconcile export --out ", ["dir,"]),
        ("exolink-reconcile show ", ["file,"]),
        ("exolink-reconcile export ", []),
    ],
)
def test_what_is_offered(line: str, offered: list[str]) -> None:
    """Commands, options and choices are offered, names of files and folders left to the shell; and it is fast."""
    found, modules = ask(line)
    assert found == offered
    assert [name for name in HEAVY if name in modules] == []


def test_every_command_is_offered() -> None:
    """An empty word offers the commands of the help."""
    assert [line.removeprefix("plain,") for line in ask("exolink-reconcile ")[0]] == list(commands.COMMANDS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the command on the PATH, the scripts of the shells, and something to complete."""
    command = tmp_path / "bin" / "exolink-reconcile"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom exolink_reconcile.__main__ import main\nmain()\n")
    command.chmod(0o755)
    (tmp_path / "depot.yaml").write_text("tenant: acme\n")
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def in_shell(folder: Path, shell: str, *args: str) -> str:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    (folder / f"complete.{shell}").write_text(script(shell))
    done = subprocess.run(
        [shell, *args], cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_valid(folder: Path, shell: str) -> None:
    """Each shell can read its script."""
    in_shell(folder, shell, "-n", f"complete.{shell}")


def test_bash(folder: Path) -> None:
    """bash completes a command, and leaves the name of a file to its own completion."""
    asked = textwrap.dedent("""
        source complete.bash
        compopt() { local IFS=" "; echo "compopt $*"; }
        try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _exolink_reconcile_completion "$1"; echo "${COMPREPLY[*]}"; }
        try exolink-reconcile va
        try exolink-reconcile plan dep
        complete -p exolink-reconcile
    """)
    output = in_shell(folder, "bash", "--norc", "-c", asked).splitlines()
    assert output[:2] == ["validate", "compopt -o default"]
    assert output[-1] == "complete -o nosort -F _exolink_reconcile_completion exolink-reconcile"


def test_fish(folder: Path) -> None:
    """fish completes a command, a choice and the name of a file."""
    asked = 'source complete.fish; for line in "va" "plan --format j" "plan dep"; complete -C "exolink-reconcile $line"; end'
    output = in_shell(folder, "fish", "--no-config", "-c", asked)
    assert [line.split("\t")[0] for line in output.splitlines()] == ["validate", "json", "depot.yaml"]


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [("va", "validate"), ("plan --format j", "plan --format json"), ("plan dep", "plan depot.yaml")],
)
def test_zsh(folder: Path, typed: str, becomes: str) -> None:
    """zsh, at a prompt, completes a command, a choice and the name of a file."""
    if shutil.which("zsh") is None:
        pytest.skip("no zsh here")
    functions = folder / "zfunc"
    functions.mkdir()
    (functions / "_exolink-reconcile").write_text(script("zsh"))  # as docs/editors.md has it
    child = pexpect.spawn("zsh", ["-f", "-i"], cwd=str(folder), env=environment(folder), encoding="utf-8", timeout=30)
    child.sendline(f"PS1='ready> '; fpath=({functions} $fpath); autoload -Uz compinit; compinit -u -D; echo so''urced")
    child.expect("sourced")
    child.expect("ready> ")
    child.send(f"exolink-reconcile {typed}\t")
    child.expect_exact(f"exolink-reconcile {typed}")
    child.expect_exact(becomes[len(typed) :])
    child.close(force=True)
