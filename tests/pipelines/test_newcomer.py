"""The first half hour: an empty repository, `init`, a plan; then the pipelines that it wrote, as they stand, on the emulator."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .conftest import Runner
from .test_recipes import GitLab, git, load

ACTION = f"acme/exolink-reconcile@{'c0ffee00' * 5}"
PLACES_FOR_NAMES = re.compile(r"OWNER|\bTODO\b|<[A-Z_]+>|0{40}")


def typed(folder: Path, *arguments: str) -> str:
    """What the command prints, typed in the folder."""
    done = subprocess.run(
        [sys.executable, "-m", "exolink_reconcile", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_github(runner: Runner) -> None:
    """Two commands to a plan; the workflows plan, apply and look for drift without a hand on them."""
    (runner.checkout / "exolink.yaml").unlink()
    git(runner.checkout, "init", "-q")
    typed(runner.checkout, "init", "--ci", "github", "--action", ACTION)
    assert "Plan: 2 to add" in typed(runner.checkout, "plan", "--api-url", "emulator:try.db")
    workflows = {path.stem: path for path in (runner.checkout / ".github/workflows").iterdir()}
    assert not any(PLACES_FOR_NAMES.search(path.read_text("utf-8")) for path in workflows.values())
    of_pull_request = Workflow(runner, workflows["exolink-plan"])
    assert of_pull_request("plan") == {"validate": "0", "plan": "2"} and "Plan: 2 to add" in runner.comments[0]["body"]
    after_merge = Workflow(runner, workflows["exolink-apply"])
    assert after_merge("plan") == {"plan": "2"}
    assert after_merge("apply") == {"apply": "0"} and "2 added" in runner.steps[-1].summary
    assert Workflow(runner, workflows["exolink-drift"])("drift") == {"plan": "0"}


class Workflow:
    """A workflow file, whose steps with our action are run as they are written."""

    def __init__(self, runner: Runner, path: Path) -> None:
        self.runner = runner
        self.jobs: dict[str, Any] = load(path)["jobs"]
        self.outputs: dict[str, str] = {}

    def __call__(self, job: str) -> dict[str, str]:
        """Run a job; returns the exit code of each command."""
        codes: dict[str, str] = {}
        environment: dict[str, Any] = self.jobs[job].get("env", {})
        for step in self.jobs[job]["steps"]:
            if step["uses" if "uses" in step else "run"] == ACTION:
                inputs: dict[str, Any] = {
                    name.replace("-", "_"): self._value(text) for name, text in step["with"].items()
                }
                command = inputs.pop("command")
                outputs = self.runner(command, code=0, **inputs, **environment).outputs
                codes[command] = outputs["exitcode"]
                self.outputs |= {f"steps.{step.get('id')}.outputs.{name}": text for name, text in outputs.items()}
            elif "upload-artifact" in step.get("uses", ""):
                self._keep(step["with"])
        self.outputs |= {
            f"needs.{job}.outputs.{name}": self._value(text) for name, text in self.jobs[job].get("outputs", {}).items()
        }
        return codes

    def _keep(self, artifact: dict[str, Any]) -> None:
        """Where the job that downloads the artifact finds it."""
        path = self._value(artifact["path"])
        for job in self.jobs.values():
            for step in job["steps"]:
                if "download-artifact" in step.get("uses", "") and step["with"]["name"] == artifact["name"]:
                    folder = Path(self._value(step["with"]["path"]))
                    folder.mkdir(exist_ok=True)
                    shutil.copy(path, folder)

    def _value(self, text: str) -> str:
        known = {"runner.temp": self.runner.environment["RUNNER_TEMP"], **self.outputs}
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda expression: known.get(expression[1], ""), str(text))


def test_gitlab(tmp_path: Path) -> None:
    """The same on GitLab: what is included is there, and its jobs find the YAML that init wrote."""
    (tmp_path / "checkout").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/exolink-reconcile").write_text(f'#!/bin/sh\nexec {sys.executable} -m exolink_reconcile "$@"\n')
    (tmp_path / "bin/exolink-reconcile").chmod(0o755)
    typed(tmp_path / "checkout", "init", "--ci", "gitlab")
    [include] = load(tmp_path / "checkout/.gitlab-ci.yml")["include"]
    pipeline = tmp_path / "checkout" / include["local"]
    assert not PLACES_FOR_NAMES.search(pipeline.read_text("utf-8"))
    project = GitLab(tmp_path, load(pipeline), added="exolink.yaml")
    project("validate")
    assert "Plan: 2 to add" in project("plan")
    assert "2 added" in project("apply")
