"""The GitLab, Atlantis and pre-commit recipes: their own lines are run, in their order, on the emulator."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
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
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder),
        "EXOLINK_SETTLE": "0",
        "EXOLINK_API_URL": f"emulator:{folder}/live.db",
        "EXOLINK_STATE": str(folder / "state"),
        **variables,
    }
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", "\n".join(script)],
        cwd=folder / "checkout" / under,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@dataclass
class GitLab:
    """A project whose pipeline runs the jobs of the template; the cache of the apply is kept between its runs."""

    folder: Path
    jobs: dict[str, Any] = field(default_factory=lambda: load(PIPELINES / "gitlab" / "exolink.gitlab-ci.yml"))
    added: str = "exolink"

    def __post_init__(self) -> None:
        git(self.checkout, "init", "-q")
        git(self.checkout, "add", self.added)

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    def __call__(self, job: str, *, code: int = 0, **variables: str) -> str:
        script = [*self.jobs[".exolink"]["before_script"], *self.jobs[f"exolink:{job}"]["script"]]
        defaults = {"EXOLINK_PATH": self.jobs["variables"]["EXOLINK_PATH"], "CI_PROJECT_DIR": str(self.checkout)}
        if (report := self.checkout / "digest.env").exists():
            defaults |= dict(line.split("=", 1) for line in report.read_text().splitlines())
        return run(self.folder, script, code=code, **(defaults | variables))


def git(checkout: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=checkout, check=True, timeout=60)


def test_gitlab(folder: Path) -> None:
    """Validate, plan with the counts of the widget, and no shell in a path."""
    project = GitLab(folder)
    project("validate")
    assert json.loads((project.checkout / "gl-code-quality.json").read_text()) == []
    assert "Plan: 5 to add" in project("plan")
    counts = json.loads((project.checkout / "plan-counts.json").read_text())
    assert counts == {"create": 5, "update": 0, "delete": 0}
    assert "5 added" in project("apply")
    project("apply", code=6)
    for job in ("validate", "plan"):
        project(job, code=3, EXOLINK_PATH="$(touch pwned)`touch pwned`; touch pwned")
    assert not list(folder.rglob("pwned"))


def test_row_E1_gitlab_a_plan_file_that_was_not_approved(folder: Path) -> None:
    """The digest goes beside the file, as a report of its own: who changes the artifact gains nothing. What somebody types wins."""
    project = GitLab(folder)
    plan = project.jobs["exolink:plan"]
    assert plan["artifacts"]["reports"]["dotenv"] == "digest.env" and "digest.env" not in plan["artifacts"]["paths"]
    project("plan")
    yaml = project.checkout / "exolink" / "exolink.yaml"
    yaml.write_text(QUICKSTART.replace("Lobby", "Cellar"))
    run(project.folder, ["exolink-reconcile plan exolink --out plan.json"])  # somebody else's plan, whole in itself
    project("apply", code=6)
    yaml.write_text(QUICKSTART)
    project("plan")
    project("apply", code=6, EXOLINK_DIGEST="0" * 64)
    assert "5 added" in project("apply")


CANARY = "canary-7c1d"
SECRET = 'tenant: acme\nchargers: [{identity: CP-1, displayName: "${env:SECRET}", profileId: 1}]\n'


def test_row_E4_gitlab_gives_the_tool_no_secret_of_the_job(folder: Path) -> None:
    """Whoever may open a merge request could otherwise read every variable of the job in the plan."""
    project = GitLab(folder)
    (project.checkout / "exolink" / "exolink.yaml").write_text(SECRET)
    assert CANARY not in project("plan", code=3, SECRET=CANARY)


def test_row_E12_gitlab_keeps_the_state_outside_the_checkout(folder: Path) -> None:
    """Git can bring no journal: one that it tracks stops the apply. The cache gets the journal alone, also after a failure."""
    project = GitLab(folder)
    template = project.jobs["variables"]["EXOLINK_STATE"]
    assert template.startswith("/") and "CI_PROJECT_DIR" not in template
    cached = project.checkout / ".exolink-journal"
    project("plan")
    project("apply")
    assert [path.name for path in cached.iterdir()] == ["journal.db"]
    project("apply", code=6, EXOLINK_STATE=str(folder / "another-runner"))
    assert (folder / "another-runner" / "journal.db").is_file(), "what the cache brought is used"
    git(project.checkout, "add", "-f", ".exolink-journal")
    refused = project("apply", code=11, EXOLINK_STATE=str(folder / "third"))
    assert "version control" in refused and not (folder / "third").exists()


def test_gitlab_keeps_the_state_and_waits() -> None:
    """Applies go one by one and by hand, on the default branch; the state is kept also when one failed; nothing is cut off."""
    jobs = load(PIPELINES / "gitlab" / "exolink.gitlab-ci.yml")
    apply = jobs["exolink:apply"]
    assert apply["resource_group"] and apply["cache"]["when"] == "always" and apply["cache"]["policy"] == "pull-push"
    assert [rule["when"] for rule in apply["rules"]] == ["manual"] and "$CI_DEFAULT_BRANCH" in apply["rules"][0]["if"]
    assert jobs[".exolink"]["interruptible"] is False
    scopes = {
        name: job["environment"]["name"]
        for name, job in jobs.items()
        if name[:8] == "exolink:" and "environment" in job
    }
    assert [name for name, scope in scopes.items() if scope == "exolink/production"] == [
        "exolink:apply",
        "exolink:repair",
    ]


def atlantis_steps(folder: Path, stage: str, **options: Any) -> str:
    """What the steps of a stage print, run as Atlantis does."""
    config = load(PIPELINES / "atlantis" / "atlantis.yaml")
    project = config["projects"][0]
    lines = [step["run"] for step in config["workflows"][project["workflow"]][stage]["steps"]]
    commands = [line if isinstance(line, str) else line["command"] for line in lines]
    files: dict[str, Any] = {
        "PLANFILE": str(folder / "my plan"),
        "SHOWFILE": str(folder / "show.json"),
        "EXOLINK_TOKEN_FILE": "",
    }
    return run(folder, commands, under=project["dir"], **files, **options)


def test_row_E4_atlantis_gives_the_tool_no_secret_of_the_server(folder: Path) -> None:
    """Whoever may open a pull request could otherwise have the server's own token shown in the plan."""
    (folder / "checkout" / "exolink" / "exolink.yaml").write_text(SECRET)
    assert CANARY not in atlantis_steps(folder, "plan", code=3, SECRET=CANARY)


def test_the_gitlab_component_is_the_template_with_inputs() -> None:
    """Two ways to include one file: with the defaults of its inputs the component is the template, byte for byte."""
    header, body = (ROOT / "templates" / "exolink.yml").read_text("utf-8").split("\n---\n")
    inputs = YAML(typ="safe").load(header)["spec"]["inputs"]
    for name, settings in inputs.items():
        assert f"$[[ inputs.{name} ]]" in body and settings["description"]
        body = body.replace(f"$[[ inputs.{name} ]]", settings["default"])
    template = (PIPELINES / "gitlab" / "exolink.gitlab-ci.yml").read_text("utf-8")
    assert template.endswith(f"\n{body}")


@pytest.mark.parametrize("where", ["history", "gone"])
def test_gitlab_compares_with_what_the_merge_request_started_from(folder: Path, where: str) -> None:
    """From the checkout's own history, without a token; where that is not there, the plan is made all the same."""
    project = GitLab(folder)
    git(project.checkout, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "base")
    start = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=project.checkout, text=True).strip()
    plan = project.jobs["exolink:plan"]["script"]
    project.jobs["exolink:plan"]["script"] = [line.replace("/tmp/exolink-base", f"{folder}/base") for line in plan]
    planned = project("plan", CI_MERGE_REQUEST_DIFF_BASE_SHA=start if where == "history" else "f" * 40)
    assert ("Not compared" in planned) == (where == "gone") and "Plan: 5 to add" in planned
    assert (folder / "base" / "exolink" / "exolink.yaml").is_file() == (where == "history")
    assert "<title>" in (project.checkout / "plan.html").read_text()


def test_atlantis(folder: Path) -> None:
    """The steps plan to $PLANFILE, show JSON for policies in $SHOWFILE, and apply what was planned; twice is refused."""
    assert "\nPlan: 5 to add, 0 to change, 0 to destroy.\n" in atlantis_steps(folder, "plan")
    assert len(json.loads((folder / "show.json").read_text())["resource_changes"]) == 5
    atlantis_steps(folder, "apply", code=6, COMMENT_ARGS=_escaped("0" * 64))
    atlantis_steps(folder, "apply", code=3, COMMENT_ARGS=_escaped("--target=acme/*"))
    digest = json.loads((folder / "show.json").read_text())["exolink"]["digest"]
    assert "Apply complete! Resources: 5 added" in atlantis_steps(folder, "apply", COMMENT_ARGS=_escaped(digest))
    assert "No changes." in atlantis_steps(folder, "plan")


def _escaped(argument: str) -> str:
    """What follows `--` in the comment, as Atlantis hands it on."""
    return "".join(f"\\{character}" for character in argument)


def test_pre_commit_checks_all_files_together(folder: Path) -> None:
    """A profile named in one file and used in another: right only when both are read; the hook passes no file names."""
    hook = load(ROOT / ".pre-commit-hooks.yaml")[0]
    assert hook["pass_filenames"] is False and hook["always_run"] is True and hook["require_serial"] is True
    exolink = folder / "checkout" / "exolink"
    (exolink / "exolink.yaml").write_text("tenant: acme\nprofiles: {night: 2}\n")
    (exolink / "chargers.yaml").write_text("tenant: acme\nchargers: [{identity: CP-1, profile: night}]\n")
    unreachable: dict[str, Any] = {"EXOLINK_API_URL": "https://127.0.0.1:9"}
    run(folder, [hook["entry"]], **unreachable)
    run(folder, [f"{hook['entry']} exolink/chargers.yaml"], code=3, **unreachable)
    (exolink / "exolink.yaml").unlink()
    run(folder, [hook["entry"]], code=3, **unreachable)
