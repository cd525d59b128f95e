"""The GitLab, Atlantis and pre-commit recipes: their own lines are run, in their order, on the emulator."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from .conftest import QUICKSTART, ROOT, TOOL

PIPELINES = ROOT / "examples" / "pipelines"


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text("utf-8"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout with the folder exolink/, and the tool on the path."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "exolink-reconcile").write_text(TOOL.format(python=sys.executable))
    (tmp_path / "bin" / "exolink-reconcile").chmod(0o755)
    (tmp_path / "checkout" / "exolink").mkdir(parents=True)
    (tmp_path / "checkout" / "exolink" / "exolink.yaml").write_text(QUICKSTART)
    return tmp_path


def run(folder: Path, script: list[str], *, code: int = 0, under: str = "", **variables: str) -> str:
    """Run lines as a runner does: one after the other in one shell, until one fails."""
    environment = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder),
        "EXOLINK_API_URL": f"emulator:{folder}/live.db", "EXOLINK_STATE": str(folder / "state"), **variables,
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", "\n".join(script)],
        cwd=folder / "checkout" / under, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_gitlab(folder: Path) -> None:
    """Validate, plan with the counts of the widget, no drift after the apply, drift after a change; no shell in a path."""
    jobs = load(PIPELINES / "gitlab" / "exolink.gitlab-ci.yml")
    paths = {"EXOLINK_PATH": jobs["variables"]["EXOLINK_PATH"]}
    run(folder, jobs["exolink:validate"]["script"], **paths)
    assert json.loads((folder / "checkout" / "gl-code-quality.json").read_text()) == []
    assert "Plan: 5 to add" in run(folder, jobs["exolink:plan"]["script"], **paths)
    counts = json.loads((folder / "checkout" / "plan-counts.json").read_text())
    assert counts == {"create": 5, "update": 0, "delete": 0}
    run(folder, jobs["exolink:drift"]["script"], code=2, **paths)
    assert "5 added" in run(folder, jobs["exolink:apply"]["script"])
    run(folder, jobs["exolink:drift"]["script"], **paths)
    run(folder, jobs["exolink:apply"]["script"], code=6)
    for job in ("exolink:validate", "exolink:plan", "exolink:drift"):
        run(folder, jobs[job]["script"], code=3, EXOLINK_PATH="$(touch pwned)`touch pwned`; touch pwned")
    assert not list(folder.rglob("pwned"))


def test_gitlab_keeps_the_state_and_waits() -> None:
    """Applies go one by one and by hand, on the default branch; the state is kept also when one failed; nothing is cut off."""
    jobs = load(PIPELINES / "gitlab" / "exolink.gitlab-ci.yml")
    apply = jobs["exolink:apply"]
    assert apply["resource_group"] and apply["cache"]["when"] == "always" and apply["cache"]["policy"] == "pull-push"
    assert jobs["variables"]["EXOLINK_STATE"] == "$CI_PROJECT_DIR/" + apply["cache"]["paths"][0].rstrip("/")
    assert [rule["when"] for rule in apply["rules"]] == ["manual"] and "$CI_DEFAULT_BRANCH" in apply["rules"][0]["if"]
    assert jobs[".exolink"]["interruptible"] is False
    scopes = {
        name: job["environment"]["name"]
        for name, job in jobs.items()
        if name[:8] == "exolink:" and "environment" in job
    }
    assert [name for name, scope in scopes.items() if scope == "exolink/production"] == ["exolink:apply"]


def test_atlantis(folder: Path) -> None:
    """The steps plan to $PLANFILE, show JSON for policies in $SHOWFILE, and apply what was planned; twice is refused."""
    config = load(PIPELINES / "atlantis" / "atlantis.yaml")
    project = config["projects"][0]
    flow = config["workflows"][project["workflow"]]
    files = {"PLANFILE": str(folder / "my plan"), "SHOWFILE": str(folder / "show.json")}

    def steps(stage: str) -> str:
        lines = [step["run"] for step in flow[stage]["steps"]]
        commands = [line if isinstance(line, str) else line["command"] for line in lines]
        return run(folder, commands, under=project["dir"], **files)

    assert "\nPlan: 5 to add, 0 to change, 0 to destroy.\n" in steps("plan")
    assert len(json.loads((folder / "show.json").read_text())["resource_changes"]) == 5
    assert "Apply complete! Resources: 5 added" in steps("apply")
    assert "No changes." in steps("plan")


def test_pre_commit_checks_all_files_together(folder: Path) -> None:
    """A profile named in one file and used in another: right only when both are read; the hook passes no file names."""
    hook = load(ROOT / ".pre-commit-hooks.yaml")[0]
    assert hook["pass_filenames"] is False and hook["always_run"] is True and hook["require_serial"] is True
    exolink = folder / "checkout" / "exolink"
    (exolink / "exolink.yaml").write_text("tenant: acme\nprofiles: {night: 2}\n")
    (exolink / "chargers.yaml").write_text("tenant: acme\nchargers: [{identity: CP-1, profile: night}]\n")
    unreachable = {"EXOLINK_API_URL": "https://127.0.0.1:9"}
    run(folder, [hook["entry"]], **unreachable)
    run(folder, [f"{hook['entry']} exolink/chargers.yaml"], code=3, **unreachable)
    (exolink / "exolink.yaml").unlink()
    run(folder, [hook["entry"]], code=3, **unreachable)
