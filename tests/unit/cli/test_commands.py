"""The commands run in this process: what they print, what they write, how they end."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from exolink_reconcile.cli import commands
from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.codes import Code, Exit

YAML = """\
tenant: acme
cpms:
  - {displayName: Primary backend, url: "wss://cpms.example.com/ocpp", interval: 60}
chargers:
  - {identity: CP-0001, displayName: Lobby left, profileId: 1}
"""
API = ("--api-url", "emulator:exolink.db", "--state", "state")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command in a folder of its own; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("EXOLINK_") or name in ("CI", "GITHUB_ACTIONS")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "exolink.yaml").write_text(YAML, "utf-8")
    CONSOLE._gone.clear()

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = commands.exit_code(arguments)
        shown = capsys.readouterr()
        return int(code), shown.out, shown.err

    return call


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


def test_row_D7_a_variable_that_names_no_option(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped variable is named with the nearest one, whatever command runs; one that is empty counts as unset."""
    monkeypatch.setenv("EXOLINK_ALOW_DELETES", "3")
    monkeypatch.setenv("EXOLINK_EXPECT", "")
    monkeypatch.setenv("EXOLINK_NONSENSE", "")
    monkeypatch.setenv("EXOLINK_TOKEN", "t")
    code, _, err = run("validate")
    assert code == 0 and err.count("W-VARIABLE") == 1
    assert "EXOLINK_ALOW_DELETES" in err and "EXOLINK_ALLOW_DELETES" in err


def test_every_option_has_a_variable() -> None:
    """Of its own name, the same for all commands; but the number of a lease, because EXOLINK_TOKEN is the secret one."""
    options = [option for _, command in commands.leaves() for option in command.params if hasattr(option, "is_flag")]
    assert [option.name for option in options if not option.envvar] == ["token"]
    for option in (option for option in options if option.envvar):
        long = next(name for name in option.opts if name.startswith("--"))
        assert option.envvar == "EXOLINK_" + long[2:].replace("-", "_").upper()


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


@pytest.mark.parametrize("out", ["exolink.yaml", "./exolink.yaml", "link.json", "contract.json"])
def test_row_D2_a_plan_over_what_it_reads(run: Run, out: str) -> None:
    """`plan --out` names an input: 3, and the file is as it was."""
    Path("link.json").symlink_to("exolink.yaml")
    contract = Path(commands.__file__).parents[3] / "schemas" / "exolink-api.openapi.yaml"
    Path("contract.json").write_bytes(contract.read_bytes())
    before = Path(out).read_bytes()
    code, _, err = run("plan", "exolink.yaml", *API, "--contract", "contract.json", "--out", out)
    assert code == 3 and "E-EXISTS" in err and Path(out).read_bytes() == before


def test_row_D2_a_plan_among_the_yaml(run: Run) -> None:
    """A plan that the next plan would read as YAML is refused."""
    Path("folder").mkdir()
    Path("exolink.yaml").rename("folder/acme.yaml")
    assert run("plan", "folder", *API, "--out", "folder/plan.yml")[0] == 3
    assert not Path("folder/plan.yml").exists()
    assert run("plan", "folder", *API, "--out", "folder/plan.json")[0] == 0


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


def test_doctor_finds_a_state_that_cannot_be_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would end an apply with 11 is found beforehand; a folder that can still be made is fine."""
    assert "ok       state" in run("doctor", *API, "--state", "not/yet/there")[1]
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    code, out, _ = run("doctor", *API, "--state", "not/yet/there")
    assert code == 11 and "failed   state: the folder not/yet/there cannot be written" in out
    assert not Path("not").exists()


# ------------------------------------------------------------------------------------------------------------- metrics


def metrics(path: str) -> dict[str, float]:
    lines = [line for line in Path(path).read_text("utf-8").splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_of_a_plan_and_an_apply(run: Run) -> None:
    """What differs, what was done, and zeros for what was not."""
    assert run("plan", *API, "--metrics-file", "m.prom")[0] == 0
    planned = metrics("m.prom")
    assert planned['exolink_differences{tenant="acme",kind="charger",cause="none"}'] == 1
    assert planned['exolink_steps{action="create",outcome="done"}'] == 0
    assert run("apply", "-y", *API, "--metrics-file", "m.prom")[0] == 0
    applied = metrics("m.prom")
    assert applied['exolink_steps{action="create",outcome="done"}'] == 2
    assert sum(value for name, value in applied.items() if name.startswith("exolink_differences")) == 0
    assert (applied["exolink_exit_code"], applied["exolink_held_back"], applied["exolink_unknown_writes"]) == (0, 0, 0)
    assert len([name for name in applied if name.startswith("exolink_steps")]) == 16


def test_metrics_keep_the_last_success(run: Run) -> None:
    """A run that fails says so, and when one last succeeded."""
    assert run("plan", *API, "--metrics-file", "m.prom")[0] == 0
    success = metrics("m.prom")["exolink_last_success_timestamp_seconds"]
    assert run("apply", *API, "--metrics-file", "m.prom")[0] == 3
    failed = metrics("m.prom")
    assert failed["exolink_exit_code"] == 3 and failed["exolink_last_success_timestamp_seconds"] == success > 0
    assert failed["exolink_last_run_timestamp_seconds"] >= success


@pytest.mark.parametrize(
    "text", ["tenant: acme\n", "# only\n# comments\n", "# HELP x\ntenant: acme\n", "a,b\n1,2\n", "{}"]
)
def test_metrics_write_over_nothing_else(run: Run, text: str) -> None:
    """A file that somebody wrote is left as it is, and nothing is asked of the API."""
    Path("theirs").write_text(text)
    code, out, err = run("plan", *API, "--metrics-file", "theirs")
    assert (code, out, Path("theirs").read_text()) == (3, "", text) and "theirs" in err and "is not metrics" in err


@pytest.mark.parametrize(
    "text", ["", "# HELP x y\n", 'exolink_exit_code 3\nother{a="b c"} 1.5e3 1795815772\n\nx NaN\n']
)
def test_metrics_write_over_metrics(run: Run, text: str) -> None:
    """A file of metrics is written anew, whoever wrote it."""
    Path("m.prom").write_text(text)
    assert run("plan", *API, "--metrics-file", "m.prom")[0] == 0
    assert metrics("m.prom")["exolink_exit_code"] == 0


def test_metrics_that_cannot_be_written(run: Run) -> None:
    """The plan is shown, and the exit code says that a file is missing."""
    code, out, err = run("plan", *API, "--metrics-file", "nowhere/m.prom")
    assert code == 11 and "Plan: 2 to add" in out and "E-STORAGE" in err


# ---------------------------------------------------------------------------------------- explain, completion and init


@pytest.mark.parametrize("word", [*(str(int(exit)) for exit in Exit), "E-STALE", "e-stale", "W-SECRET"])
def test_explain_codes(run: Run, word: str) -> None:
    """Every exit code, and error codes in any case, are explained from the tables that the reference is made of."""
    code, out, _ = run("explain", word)
    means = Code(word.upper()).means if "-" in word else Exit(int(word)).means
    assert code == 0 and means in out


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("charger", "identity"), ("charger.profileId", "inferred"), ("charger.profile", "profileId"), ("cpms.url", "documented"),
        ("policy.protect", "deleted"), ("profileId", "charger.profileId: "), ("interval", "cpms.interval: "), ("protect", "policy.protect: "),
        ("displayName", "charger.displayName: "), ("createOnly", "cpms.createOnly: "), ("firmwareVersion", "charger.firmwareVersion: Read-only"),
        ("charger.chargePointModel", "Read-only"), ("reason", "removed.reason"), ("columns", "chargersFrom.columns"), ("tenant", "neither created nor deleted"), ("removed.reason", "reviewer"),
    ],
)  # fmt: skip
def test_explain_words_of_the_yaml(run: Run, word: str, says: str) -> None:
    """Kinds, fields and other keys are explained, with what the API takes."""
    code, out, _ = run("explain", word)
    assert code == 0 and says in out


def test_a_bare_field_is_explained_in_each_kind(run: Run) -> None:
    """A field that two kinds have is explained for both, a line apart."""
    out = run("explain", "displayName")[1]
    assert out.startswith("cpms.displayName: ") and "\n\ncharger.displayName: " in out


def test_a_missing_argument_says_what_there_is(run: Run) -> None:
    """The choices stand in the message as words, without escaped tabs."""
    assert "Choose from: bash, zsh, fish" in run("completion")[2]


def test_init_beside_a_folder_of_that_name(run: Run) -> None:
    """What init writes can be planned: a folder exolink/ beside exolink.yaml could not."""
    Path("exolink.yaml").unlink()
    Path("exolink").mkdir()
    code, _, err = run("init")
    assert code == 3 and "E-EXISTS" in err and [path.name for path in Path().iterdir()] == ["exolink"]


def test_explain_what_nobody_knows(run: Run) -> None:
    """A word that means nothing is a usage error with the nearest one."""
    code, _, err = run("explain", "E-STALLE")
    assert code == 3 and "E-STALE" in err
    assert run("explain", "\x1b[31m")[0] == 3


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run: Run, shell: str) -> None:
    """The script of each shell, for this command."""
    code, out, _ = run("completion", shell)
    assert code == 0 and f"{shell}_complete" in out and "exolink-reconcile" in out


def test_init(run: Run) -> None:
    """What is written is valid, and its first line points at the schema beside it."""
    Path("exolink.yaml").unlink()
    assert run("init", "--ci", "github")[0] == 0
    assert run("validate")[0] == 0
    schema = Path("exolink.yaml").read_text("utf-8").splitlines()[0].partition("$schema=")[2]
    assert Path(schema).read_text("utf-8") == run("schema", "config")[1]
    assert {path.name for path in Path(".github/workflows").iterdir()} == {
        "exolink-plan.yml", "exolink-apply.yml", "exolink-drift.yml",
    }  # fmt: skip


def test_init_leaves_nothing_to_fix_by_hand(run: Run) -> None:
    """Where the action is, and which commit was reviewed, is asked for; without an answer the text that waits for it is named."""
    Path("exolink.yaml").unlink()
    action = f"acme/exolink-reconcile@{'c0ffee00' * 5}"
    for wrong in (
        ("--action", action),
        ("--ci", "gitlab", "--action", action),
        ("--ci", "github", "--action", "acme/x@main"),
    ):
        assert run("init", *wrong)[0] == 3 and not Path("exolink.yaml").exists()
    code, out, _ = run("init", "--ci", "github", "--action", action)
    texts = [path.read_text("utf-8") for path in Path(".github/workflows").iterdir()]
    assert code == 0 and "OWNER" not in "".join([*texts, out]) and all(f"uses: {action}\n" in text for text in texts)
    assert "EXOLINK_READ_TOKEN" in out and "exolink-production" in out and "--allow-inferred" in out


def test_init_from_what_is_live(run: Run) -> None:
    """What is live is declared: planning it shows no changes."""
    assert run("apply", "-y", *API)[0] == 0
    Path("exolink.yaml").unlink()
    assert run("init", "--from-live", "acme", "--api-url", "emulator:exolink.db")[0] == 0
    assert "No changes." in run("plan", *API)[1]


@pytest.mark.parametrize(
    "there", ["exolink.yaml", "schemas/exolink-config.schema.json", ".gitlab-ci.yml", "exolink.gitlab-ci.yml"]
)
def test_init_over_a_file(run: Run, there: str) -> None:
    """A file that is there: 3, and nothing is written at all."""
    Path("exolink.yaml").unlink()
    Path(there).parent.mkdir(exist_ok=True)
    Path(there).write_text("mine\n", "utf-8")
    before = sorted(str(path) for path in Path().rglob("*"))
    code, _, err = run("init", "--ci", "gitlab")
    assert code == 3 and there in err and Path(there).read_text("utf-8") == "mine\n"
    assert sorted(str(path) for path in Path().rglob("*")) == before


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
    shown = str(child.before)
    child.close()
    assert child.exitstatus == 3
    assert "\x1b[1;31m^^^" in shown and "\x1b[1;31merror: E-UNKNOWN-KEY:" in shown and "intervall: 3" in shown
    assert "hunter2" not in shown and "abc123" not in shown
