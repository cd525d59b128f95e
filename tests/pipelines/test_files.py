"""The pipeline files themselves: what is pinned, what may be written, what gets into a script."""

import os
import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from exolink_reconcile.codes import Exit

from .conftest import ROOT, SCRIPT

WORKFLOWS = sorted((ROOT / "examples" / "pipelines" / "github").glob("*.yml"))
OWN = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTION = ROOT / "action.yml"
INSTALL = ROOT / "ci" / "install.sh"
OURS = "OWNER/exolink-reconcile@" + "0" * 40


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text("utf-8"))


def steps(path: Path) -> list[dict[str, Any]]:
    content = load(path)
    if path == ACTION:
        return list(content["runs"]["steps"])
    return [step for job in content["jobs"].values() for step in job["steps"]]


def test_there_are_workflows() -> None:
    assert {path.stem for path in WORKFLOWS} == {
        "exolink-plan",
        "exolink-apply",
        "exolink-apply-strict",
        "exolink-drift",
    }


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS, *OWN], ids=lambda path: path.name)
def test_actions_are_pinned(path: Path) -> None:
    """Every `uses:` names a commit, and the version it is, for people and for Dependabot."""
    lines = [line for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert lines and all(re.search(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line) for line in lines)


def test_one_commit_for_each_action() -> None:
    """The same action is the same commit in all files."""
    found: dict[str, set[str]] = {}
    for each in [ACTION, *WORKFLOWS, *OWN]:
        for step in steps(each):
            if "uses" in step:
                name, commit = step["uses"].split("@")
                found.setdefault("/".join(name.split("/")[:2]), set()).add(commit)
    assert all(len(commits) == 1 for commits in found.values()), found


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS, *OWN], ids=lambda path: path.name)
def test_nothing_is_pasted_into_scripts(path: Path) -> None:
    """What somebody else may have written comes by environment: there is no expression in any script."""
    assert all("${{" not in step.get("run", "") for step in steps(path))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_least_rights(path: Path) -> None:
    """Nothing at the top; a job asks for reading, and for the comment where there is one. No checkout leaves a token behind."""
    content = load(path)
    assert content["permissions"] == {}
    more = {"plan": {"pull-requests": "write"}, "drift": {"issues": "write"}}
    for name, job in content["jobs"].items():
        permitted = more.get(name, {}) if path.stem == f"exolink-{name}" else {}
        assert job["permissions"] == {"contents": "read", **permitted}
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts and all(step["with"]["persist-credentials"] is False for step in checkouts)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_cancels_a_run(path: Path) -> None:
    """Each workflow has one queue, and what runs in it is let run."""
    content = load(path)
    assert content["concurrency"]["group"] and content["concurrency"]["cancel-in-progress"] is False
    assert all(
        job.get("concurrency", {}).get("cancel-in-progress") in (None, False) for job in content["jobs"].values()
    )
    assert "pull_request_target" not in path.read_text("utf-8")


def test_only_a_protected_environment_gets_the_token_that_writes() -> None:
    """The jobs that apply wait for an approval; the ones that plan only have the token that reads."""
    queues = set()
    for path in WORKFLOWS:
        content = load(path)
        for job in content["jobs"].values():
            commands = {step["with"]["command"]: step["with"] for step in job["steps"] if step.get("uses") == OURS}
            if "apply" in commands:
                assert job["environment"] == "exolink-production" and job["if"]
                assert "EXOLINK_WRITE_TOKEN" in commands["apply"]["token"] and "EXOLINK_READ_TOKEN" not in str(job)
                assert "expect" in commands["apply"], "what was approved"
                queues.add(job.get("concurrency", content["concurrency"])["group"])
            else:
                assert "environment" not in job and "EXOLINK_WRITE_TOKEN" not in str(job)
    assert queues == {"exolink-production"}, "all that apply wait for each other"


def test_inputs_and_outputs_of_the_action() -> None:
    """The workflows give inputs that exist and use outputs that exist; the action hands every input on."""
    action = load(ACTION)
    text = ACTION.read_text("utf-8")
    assert all(f"inputs.{name}" in text for name in action["inputs"])
    for path in WORKFLOWS:
        passed = {name for step in steps(path) if step.get("uses") == OURS for name in step["with"]}
        assert passed <= action["inputs"].keys()
        used = set(re.findall(r"steps\.plan\.outputs\.([\w-]+)", path.read_text("utf-8")))
        assert used <= action["outputs"].keys()
    script = (ROOT / "ci" / "action.sh").read_text("utf-8") + (ROOT / "ci" / "install.sh").read_text("utf-8")
    handed = [name for step in action["runs"]["steps"] for name in step.get("env", {}) if name != "GH_TOKEN"]
    script += (ROOT / "ci" / "action_helper.py").read_text("utf-8")
    assert handed and all(name in script for name in handed)


def test_row_E10_the_cache_holds_the_journal_only() -> None:
    """Every workflow of the repository can read a cache, those of pull requests too: the audit record stays out of it."""
    paths = [step["with"]["path"] for step in steps(ACTION) if "cache" in step.get("uses", "")]
    assert len(paths) == 2 and all(path.endswith("/exolink-state/journal.db*") for path in paths)


def test_row_E11_no_key_of_a_state_is_the_beginning_of_another() -> None:
    """`restore-keys` is a prefix, so it ends with a character that no key may hold."""
    [restore] = [step["with"] for step in steps(ACTION) if "restore-keys" in step.get("with", {})]
    assert restore["restore-keys"] == "exolink-journal-${{ inputs.state-key }}-"
    assert restore["key"].startswith(restore["restore-keys"])


@pytest.mark.parametrize("key", ["prod-eu", "Prod", "", "a" * 41, "a/b", "prod\n", "prod eu", "prod*"])
def test_row_E11_a_key_that_is_refused(tmp_path: Path, key: str) -> None:
    """Before anything is restored or installed."""
    environment = {"PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path), "ACTION_STATE_KEY": key}
    done = subprocess.run(["bash", str(INSTALL)], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and "state-key" in done.stdout and not list(tmp_path.iterdir())


def test_row_E27_everything_is_installed_by_hash() -> None:
    """No input installs a package whose bytes nobody approved."""
    assert "version" not in load(ACTION)["inputs"]


STUB = """#!/bin/bash
# Stands for Python and uv: writes down what it is asked for, and makes what an installation would make.
call="$(basename "$0") $*"
echo "$call" >>"$CALLS"
case "$call" in
  *"-m pip"*"--target "*) [[ -z $NO_UV ]] || exit 1; target=${call#*--target }; target=${target%% *}/bin; name=uv ;;
  *"-m venv "* | "uv venv "*) target="${*: -1}/bin"; name=python ;;
  "uv pip "*) [[ -z $UV_FAILS ]] || { echo "no such index" >&2; exit 1; } ;;
esac
[[ -z ${name-} ]] || { mkdir -p "$target"; cp "$0" "$target/$name"; }
"""


@pytest.mark.parametrize(
    ("broken", "installers"),
    [("", ["python", "uv", "uv"]), ("NO_UV", ["python"] * 3), ("UV_FAILS", ["python", "uv", "python", "python"])],
)
def test_row_E27_uv_installs_by_hash_and_pip_where_uv_cannot(
    tmp_path: Path, broken: str, installers: list[str]
) -> None:
    """A runner without uv gets the locked one; an index that only pip knows, or no uv at all, fails no job."""
    stub, calls = tmp_path / "python", tmp_path / "calls"
    stub.write_text(STUB)
    stub.chmod(0o755)
    environment = {
        "PATH": "/usr/bin:/bin",
        "RUNNER_TEMP": str(tmp_path),
        "ACTION_PYTHON": str(stub),
        "CALLS": str(calls),
        "NO_UV": "",
        "UV_FAILS": "",
        broken or "_": "1",
    }
    done = subprocess.run(["bash", str(INSTALL)], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and ("so pip does" in done.stdout) == bool(broken), done.stdout + done.stderr
    installs = [call for call in calls.read_text().splitlines() if " install " in call]
    assert [call.split()[0] for call in installs] == installers
    from_source = [call for call in installs if "--require-hashes --only-binary=:all: -r " not in call]
    assert all("--no-deps --no-build-isolation" in call for call in from_source) and 1 <= len(from_source) <= 2


def test_row_E6_only_wheels_are_installed_by_hash() -> None:
    """A locked source distribution would run a build backend that nobody locked."""
    for path in (INSTALL, ROOT / "Dockerfile"):
        for line in path.read_text("utf-8").splitlines():
            assert ("--require-hashes" in line) == ("--only-binary=:all:" in line), line


def test_state_is_saved_whatever_happened() -> None:
    """Restored before, saved after: also when the apply failed or the job was cancelled; the same folder in all three."""
    names = [step["name"] for step in steps(ACTION)]
    restore, run, save = (step for step in steps(ACTION) if "cache" in step.get("uses", "") or step.get("id") == "run")
    assert names.index(restore["name"]) < names.index(run["name"]) < names.index(save["name"])
    assert save["if"].startswith("always() && ") and save["if"].endswith("inputs.state == ''")
    assert save["with"]["path"] == restore["with"]["path"] == "${{ runner.temp }}/exolink-state/journal.db*"
    assert "'{0}/exolink-state', runner.temp" in run["env"]["ACTION_STATE"]
    assert save["with"]["key"].startswith(restore["with"]["restore-keys"]) and "run_id" in save["with"]["key"]


def test_locks_hold_what_the_package_needs() -> None:
    """ci/ has every dependency, with hashes, in a version that pyproject.toml allows (`make locks`)."""
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed, groups = project["project"]["dependencies"], project["dependency-groups"]
    for lock, wanted in (
        ("requirements.txt", needed),
        ("build-requirements.txt", project["build-system"]["requires"]),
        ("release-requirements.txt", groups["release"]),
        ("requirements-dev.txt", [*needed, *groups["dev"], *groups["docs"]]),
    ):
        text = (ROOT / "ci" / lock).read_text("utf-8")
        pinned = dict(
            re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)(?: ; .*)? \\\n +--hash=sha256:", text, re.MULTILINE)
        )
        pinned = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pinned.items()}
        for each in map(Requirement, wanted):
            assert pinned[re.sub(r"[-_.]+", "-", each.name).lower()] in each.specifier, f"{each}: make locks"
    unhashed = [line for line in text.splitlines() if "==" in line and not line.endswith("\\")]
    assert not unhashed


def test_our_own_workflows_ask_for_little() -> None:
    """Nothing at the top; only the job that publishes has an identity, behind an environment."""
    for path in OWN:
        content = load(path)
        assert content["permissions"] == {} and "pull_request_target" not in content
        for name, job in content["jobs"].items():
            more = {"id-token": "write"} if (path.stem, name) == ("release", "publish") else {}
            assert job["permissions"] == {"contents": "read", **more} and ("environment" in job) == bool(more)
    [check] = [load(path)["jobs"]["check"] for path in OWN if path.stem == "ci"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pythons = re.findall(r"Python :: (3\.\d+)", str(project["classifiers"]))
    assert check["strategy"]["matrix"]["python"] == pythons, "what is promised is what is tried"


def test_dockerfile() -> None:
    """The base by digest, dependencies by hash, and no root; every file it copies is there and not ignored."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(set(bases)) == 1 and re.fullmatch(r"python:[\d.]+-slim-\w+@sha256:[0-9a-f]{64}", bases[0])
    installs = [line for line in text.splitlines() if "pip install" in line]
    assert installs and all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE) and text.rindex("USER") < text.index("ENTRYPOINT")
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists() and any(fnmatch(name, glob.removesuffix("/**")) for glob in allowed), name


def test_the_advice_after_a_9_is_one_everywhere() -> None:
    """Who reads the job's summary, the alert or the tool's own words does the same: nothing else first, and the same state."""
    advice = "with the same state, before anything else"
    said = {
        "tool": (ROOT / "exolink_reconcile/report/result_text.py").read_text("utf-8"),
        "explain": Exit.UNKNOWN.help,
        "action": next(line for line in SCRIPT.read_text("utf-8").splitlines() if line.strip().startswith("9) ")),
        "alert": (ROOT / "examples/monitoring/alerts.yml").read_text("utf-8"),
        "pipelines": (ROOT / "docs/pipelines.md").read_text("utf-8"),
        "troubleshooting": (ROOT / "docs/troubleshooting.md").read_text("utf-8"),
    }
    assert [name for name, text in said.items() if advice not in text] == []
