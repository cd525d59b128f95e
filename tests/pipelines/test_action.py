"""The GitHub action's script: what it shows, what it hands on, and what it never does."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from world import Answer, World

from .conftest import MARKER, QUICKSTART, SCRIPT, Runner

HOSTILE = """
tenant: acme
chargers:
  - {identity: "$(touch pwned)", displayName: "`touch pwned`", profileId: 1}
  - {identity: "; touch pwned #", displayName: "::error title=x::owned", profileId: 1}
  - {identity: "##[add-mask]e", displayName: "<!-- exolink-reconcile --> @everyone", profileId: 1}
  - {identity: "' && touch pwned && '", displayName: "exitcode=0 %0Adigest=x ${GH_TOKEN}x", profileId: 1}
""".replace("${GH_TOKEN}", "$${GH_TOKEN}")
TOKEN = "canary-93b1"


def test_plan_is_reviewed_and_applied(runner: Runner) -> None:
    """Plan: exit code 2 does not fail the step; counts, digest and file are outputs. Apply takes exactly that file."""
    planned = runner("plan")
    file, _ = planned.outputs.pop("plan-file"), planned.outputs.pop("html-file")
    saved = json.loads(Path(file).read_text())
    expected = {"exitcode": "2", "planned": "true", "add": "5", "change": "0", "destroy": "0"}
    assert planned.outputs == expected | {"digest": saved["exolink"]["digest"]}
    assert "CP-0001" in planned.summary and "Plan: 5 to add" in planned.log
    applied = runner("apply", plan_file=file, expect=saved["exolink"]["digest"])
    assert applied.outputs == {"exitcode": "0"} and "5 added" in applied.log and "5 added" in applied.summary
    again = runner("plan")
    assert again.outputs["exitcode"] == "0" and again.outputs["add"] == "0"


def test_apply_by_digest(runner: Runner) -> None:
    """The strict flow: the digest that the pull request showed, and no other."""
    digest = runner("plan").outputs["digest"]
    wrong = runner("apply", expect="0123456789abcdef" * 2, code=6)
    assert wrong.outputs == {"exitcode": "6"} and "stale" in wrong.summary
    assert runner("apply", expect=digest[:32]).outputs == {"exitcode": "0"}


def test_row_E1_a_plan_file_that_was_not_approved(runner: Runner) -> None:
    """An artifact put in the place of the approved plan is refused by the tool itself, before anything is sent."""
    runner("plan")
    file = runner.steps[-1].outputs["plan-file"]
    refused = runner("apply", plan_file=file, expect="f" * 64, code=6)
    assert refused.outputs == {"exitcode": "6"}
    assert "E-STALE: the plan file is not what was reviewed" in refused.log and "stale" in refused.summary
    assert runner("plan").outputs["add"] == "5"


@pytest.mark.parametrize(
    "inputs", [{"command": "apply"}, {"command": "destroy"}, {"command": ""}, {"command": "plan", "plan_file": "a\nb"}]
)
def test_what_is_refused(runner: Runner, inputs: dict[str, Any]) -> None:
    """Apply without anything that was reviewed, an unknown command, a file name that would be two outputs."""
    refused = runner(inputs.pop("command"), code=3, **inputs)
    assert refused.outputs == {"exitcode": "3"} and "::error" in refused.log


def test_one_comment_kept_up_to_date(runner: Runner) -> None:
    """The first plan creates the comment, the next ones change it: also a plan that failed, and in whatever place it is."""
    others = [
        {"id": n, "user": {"login": "a-person"}, "body": f"{MARKER} -->\nmine\n<!-- job: plan -->"} for n in range(3)
    ]
    runner.comments = others
    runner("plan")
    assert len(runner.comments) == 4 and runner.comments[:3] == others, "what a person wrote is left alone"
    first = runner.comments[3]
    assert str(first["body"]).startswith(MARKER) and "CP-0001" in str(first["body"]) and "a" * 40 in str(first["body"])
    runner.comments = [*runner.comments, *others]
    runner.write("tenant: acme\nchargers: [{identity: CP-7, profileId: 1, colour: red}]\n")
    failed = runner("plan", code=3)
    assert failed.outputs == {"planned": "false", "exitcode": "3"}
    assert len(runner.comments) == 7
    body = runner.comments[3]["body"]
    assert "CP-0001" not in body and "no plan" in body and "colour" in body, "an old plan would be approved"
    runner("plan", comment_name="other", code=3)
    assert len(runner.comments) == 8, "another plan on the same pull request has its own comment"


def test_no_comment(runner: Runner) -> None:
    """Not on a push, not when it is not wanted; and a comment that GitHub refuses does not fail the plan."""
    runner("plan", pr="")
    runner("plan", comment="false")
    assert runner.calls == []
    refused = runner("plan", GH_BREAKS="POST PATCH")
    assert refused.outputs["exitcode"] == "2" and any(line.startswith("::warning") for line in refused.commands)


def test_hostile_text_is_only_text(runner: Runner) -> None:
    """Names that are shell, workflow commands or markers are shown, and nothing of them happens."""
    runner.write(HOSTILE)
    runner.write(HOSTILE, "$(touch pwned).yaml")
    hostile = "$(touch pwned).yaml\n"
    planned = runner("plan", paths=hostile, args="--target=*\n--exclude=acme/charger/$(touch pwned)")
    assert planned.outputs["add"] == "3" and planned.commands == []
    assert planned.outputs.keys() == {
        "exitcode",
        "planned",
        "plan-file",
        "digest",
        "add",
        "change",
        "destroy",
        "html-file",
    }
    assert "touch pwned" in planned.log
    applied = runner("apply", plan_file=planned.outputs["plan-file"], expect=planned.outputs["digest"])
    assert applied.commands == [] and "3 added" in applied.log
    assert not list(runner.folder.rglob("pwned"))


@pytest.mark.parametrize("name", ["command", "paths", "args", "expect", "plan_file", "pr", "head_sha", "comment_name"])
def test_hostile_inputs(runner: Runner, name: str) -> None:
    """No input is ever run, and none ends up as an output of its own."""
    inputs = {
        "expect": "0123456789abcdef" * 2,
        name: "x$(touch pwned)`touch pwned`;touch pwned\nexitcode=99\n--auto-approve",
    }
    environment = runner.inputs(
        **{"command": "plan" if name in ("pr", "head_sha", "comment_name") else "apply", **inputs}
    )
    done = subprocess.run(["bash", str(SCRIPT)], cwd=runner.checkout, env=environment, capture_output=True, timeout=60)
    step = runner.finished(done.returncode, done.stdout.decode(), environment)
    assert step.outputs.get("exitcode") != "99" and not list(runner.folder.rglob("pwned"))
    assert all(not line.startswith("exitcode") for comment in runner.comments for line in comment["body"].splitlines())


def test_tokens_stay_where_they_belong(runner: Runner) -> None:
    """YAML that asks for a token gets none; the comment's client does not have the API's."""
    for variable in ("EXOLINK_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"):
        runner.write(
            f'tenant: acme\nchargers: [{{identity: CP-1, displayName: "${{env:{variable}}}", profileId: 1}}]\n'
        )
        refused = runner("plan", code=3, EXOLINK_TOKEN=TOKEN, GITHUB_TOKEN=TOKEN)
        assert variable in refused.log
    assert all("EXOLINK_TOKEN" not in call["names"] for call in runner.calls)
    everything = [path.read_bytes() for path in runner.folder.rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in output or b"gh-canary\n" in output for output in everything)
    assert TOKEN not in "".join(step.log + step.summary for step in runner.steps)


def test_a_fork_is_only_validated(runner: Runner) -> None:
    """A pull request from a fork has no token: the YAML is validated, and the summary says that nothing was planned."""
    fork: dict[str, Any] = {"fork": "true", "api_url": "https://127.0.0.1:9", "args": "--prune"}
    fine = runner("plan", **fork)
    assert fine.outputs == {"planned": "false", "exitcode": "0"} and "nothing was planned" in fine.summary
    assert runner.calls == []
    runner.write("tenant: acme\ncolour: red\n")
    broken = runner("plan", code=3, **fork)
    assert "colour" in broken.log and broken.outputs == {"planned": "false", "exitcode": "3"}


def test_a_missing_token_elsewhere_is_an_error(runner: Runner) -> None:
    """A secret that was forgotten does not make a plan green."""
    assert runner("plan", api_url="https://127.0.0.1:9", code=10).outputs["planned"] == "false"


def test_the_token_reaches_the_api(runner: Runner) -> None:
    """As a file: the plan is made with it, against a server that wants it."""
    world = World(["acme"], TOKEN)
    with world.serve() as url:
        assert runner("plan", api_url=url, EXOLINK_TOKEN=TOKEN).outputs["exitcode"] == "2"
        assert runner("plan", api_url=url, EXOLINK_TOKEN="other", code=10).outputs["exitcode"] == "10"
    assert world.writes == []


def test_state_is_there_after_a_failure(runner: Runner) -> None:
    """An apply that failed leaves its state folder for the step that saves it, and says what to do."""

    def refuse(method: str, path: str) -> Answer | None:
        return (422, {"Content-Type": "application/json"}, b'{"error": "no"}') if method == "POST" else None

    world = World(["acme"], TOKEN)
    world.override = refuse
    with world.serve() as url:
        digest = runner("plan", api_url=url, EXOLINK_TOKEN=TOKEN).outputs["digest"]
        failed = runner("apply", api_url=url, EXOLINK_TOKEN=TOKEN, expect=digest, code=5)
    assert failed.outputs == {"exitcode": "5"} and "have what is left approved" in failed.summary
    assert (Path(runner.environment["ACTION_STATE"]) / "journal.db").is_file()


def test_a_cancelled_job_reaches_the_tool(runner: Runner) -> None:
    """The runner signals the script; the tool ends cleanly, and state, outputs and summary are there."""

    def slow(method: str, path: str) -> Answer | None:
        time.sleep(0.3 if method == "POST" else 0)
        return None

    world = World(["acme"], TOKEN)
    world.override = slow
    with world.serve() as url:
        digest = runner("plan", api_url=url, EXOLINK_TOKEN=TOKEN).outputs["digest"]
        environment = runner.inputs(command="apply", api_url=url, EXOLINK_TOKEN=TOKEN, expect=digest)
        child = subprocess.Popen(["bash", str(SCRIPT)], cwd=runner.checkout, env=environment, stdout=subprocess.PIPE)
        for _ in range(200):
            if world.writes:
                break
            time.sleep(0.05)
        os.kill(child.pid, signal.SIGINT)
        log, _ = child.communicate(timeout=60)
    step = runner.finished(child.returncode, log.decode(), environment)
    assert (step.code, step.outputs) == (143, {"exitcode": "143"}) and 0 < len(world.writes) < 5
    assert (Path(runner.environment["ACTION_STATE"]) / "journal.db").is_file() and "Interrupted" in step.summary


@pytest.mark.parametrize("file", [True, False])
def test_row_E3_a_short_digest_is_refused(runner: Runner, file: bool) -> None:
    """Two plans with the same 12 digits can be made in minutes, so at least 32 digits say which one was approved."""
    planned = runner("plan")
    plan_file = planned.outputs["plan-file"] if file else ""
    short = runner("apply", plan_file=plan_file, expect=planned.outputs["digest"][:31], code=3)
    assert "32" in short.log and runner("plan").outputs["add"] == "5", "nothing was applied"


SECRETS: dict[str, Any] = {
    "AWS_SECRET_ACCESS_KEY": TOKEN,
    "CI_JOB_TOKEN": TOKEN,
    "BENCH_PASSWORD": TOKEN,
    "PGPASSWORD": TOKEN,
}


def _names(variable: str) -> str:
    return f'tenant: acme\nchargers: [{{identity: CP-1, displayName: "${{env:{variable}}}", profileId: 1}}]\n'


@pytest.mark.parametrize("variable", SECRETS)
def test_row_E4_no_secret_of_the_job_reaches_the_plan(runner: Runner, variable: str) -> None:
    """Whoever may open a pull request could otherwise read every secret of the job in its comment."""
    runner.write(_names(variable))
    refused = runner("plan", code=3, **SECRETS)
    assert variable in refused.log and TOKEN not in refused.log + refused.summary + str(runner.comments)


def test_row_E4_what_is_allowed_by_name(runner: Runner) -> None:
    """`env-allow` opens the variables that it names and no other ones; the runner's own stay closed whatever it says."""
    runner.write(_names("BENCH_PASSWORD"))
    assert runner("plan", env_allow="BENCH_*", **SECRETS).outputs["add"] == "1"
    for variable, globs in (("CI_JOB_TOKEN", "BENCH_*\nCI_JOB"), ("GH_TOKEN", "*"), ("GITHUB_TOKEN", "GITHUB_*")):
        runner.write(_names(variable))
        refused = runner("plan", env_allow=globs, code=3, GITHUB_TOKEN=TOKEN, **SECRETS)
        assert variable in refused.log and TOKEN not in refused.log
    assert "env-allow" in runner("plan", env_allow="[A-Z]*", code=3).log


def test_row_E19_no_module_of_the_checkout_runs(runner: Runner) -> None:
    """A pull request that brings a `click.py` runs nothing, also where the workflow sets PYTHONPATH."""
    for module in ("click", "json", "exolink_reconcile", "sitecustomize"):
        runner.write("open('pwned', 'w')\n", f"{module}.py")
    planned = runner("plan", PYTHONPATH=str(runner.checkout), PYTHONSTARTUP="click.py", PYTHONHOME="")
    assert planned.outputs["add"] == "5" and not list(runner.folder.rglob("pwned"))


def _removals(runner: Runner, world: World, count: int) -> None:
    names = [f"DEPOT-HAMBURG-NORD-{number:05}" for number in range(count)]
    for name in names:
        world.add("acme", "charger", identity=name)
    entries = [f"  - {{charger: {name}, reason: closed}}" for name in names]
    runner.write("\n".join(["tenant: acme", "removed:", *entries]))


def test_row_D11_each_output_has_its_own_limit(runner: Runner) -> None:
    """1,700 removals fit in the summary and not in a comment: they are planned, with a comment or without."""
    world = World(["acme"], TOKEN)
    _removals(runner, world, 1700)
    with world.serve() as url:
        quiet = runner("plan", api_url=url, EXOLINK_TOKEN=TOKEN, comment="false")
        noted = runner("plan", api_url=url, EXOLINK_TOKEN=TOKEN)
    for planned in (quiet, noted):
        assert planned.outputs["destroy"] == "1700" and planned.outputs["exitcode"] == "2"
        assert planned.summary.count("DEPOT-HAMBURG-NORD-") >= 1700
    [comment] = runner.comments
    assert (
        "too long" in comment["body"]
        and "destroy=1700" in comment["body"]
        and noted.outputs["digest"] in comment["body"]
    )


def test_row_D11_what_fits_nowhere_is_in_the_log(runner: Runner, tmp_path: Path) -> None:
    """A plan that no summary takes is still a plan: the summary names its counts and where all of it is."""
    world = World(["acme"], TOKEN)
    _removals(runner, world, 60)
    action = SCRIPT.read_text("utf-8").replace("summary_limit=900000", "summary_limit=2000")
    (tmp_path / "action.sh").write_text(action)
    (tmp_path / "action_helper.py").symlink_to(SCRIPT.with_name("action_helper.py"))
    with world.serve() as url:
        planned = runner("plan", script=tmp_path / "action.sh", api_url=url, EXOLINK_TOKEN=TOKEN, comment="false")
    assert planned.outputs["destroy"] == "60" and "destroy=60" in planned.summary and "log" in planned.summary
    assert planned.log.count("DEPOT-HAMBURG-NORD-") >= 60


@pytest.mark.parametrize("methods", ["PATCH", "GET"])
def test_an_old_comment_that_stays_fails_the_job(runner: Runner, methods: str) -> None:
    """A comment that cannot be replaced shows a plan that is no longer the plan, and a reviewer would approve it."""
    runner("plan")
    runner.write(QUICKSTART.replace("Lobby", "Hall"))
    stale = runner("plan", GH_BREAKS=methods, code=11)
    assert stale.outputs["planned"] == "true" and "earlier plan" in stale.log and "Hall" in stale.summary
    assert "Hall" in runner("plan").summary and "Hall" in runner.comments[0]["body"], "once GitHub answers again"


def _issues(runner: Runner) -> list[tuple[int, str, str]]:
    store = runner.folder / "issues.json"
    kept = json.loads(store.read_text()) if store.exists() else []
    return [(issue["number"], issue["title"], issue["state"]) for issue in kept]


def test_one_issue_for_what_differs(runner: Runner) -> None:
    """Opened with the first difference, brought up to date by each run, closed when nothing differs; then a new one."""
    alarm: dict[str, Any] = {"issue": "Exolink differs from main", "pr": ""}
    planned = runner("plan", **alarm)
    assert _issues(runner) == [(1, alarm["issue"], "open")] and runner.comments == []
    runner.write("tenant: acme\ncolour: red\n")
    runner("plan", code=3, **alarm)
    assert "no plan" in (runner.folder / "issues.json").read_text(), "an alarm that cannot look says so"
    runner.write(QUICKSTART)
    runner("apply", plan_file=runner("plan", **alarm).outputs["plan-file"], expect=planned.outputs["digest"])
    runner("plan", **alarm)
    assert _issues(runner) == [(1, alarm["issue"], "closed")]
    runner("plan", **alarm)
    assert len(_issues(runner)) == 1, "nothing differs, nothing is opened"
    runner.write(QUICKSTART.replace("Lobby left", "Hall left"))
    runner("plan", **alarm)
    assert _issues(runner)[1:] == [(2, alarm["issue"], "open")]


def test_the_plan_is_a_page_too(runner: Runner) -> None:
    """For an artifact: one HTML file, made from the saved plan."""
    planned = runner("plan")
    assert "CP-0001" in Path(planned.outputs["html-file"]).read_text("utf-8")


def test_the_summary_of_an_apply_begins_with_its_result(runner: Runner) -> None:
    """A reader sees the counts first, then what to do next; the log, progress and all, is folded below."""
    applied = runner("apply", plan_file=runner("plan").outputs["plan-file"])
    lines = [line for line in applied.summary.splitlines() if line]
    assert lines[0] == "### exolink-reconcile: apply, exit code 0" and lines[1] == "Done and verified."
    assert lines[2] == "**Apply complete! Resources: 5 added, 0 changed, 0 destroyed.**"
    assert applied.summary.index("<details>") > applied.summary.index("5 added") and "CP-0001" in applied.summary


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SPY = """#!/bin/sh
[ -z "$EXOLINK_BASE" ] || cat "$EXOLINK_BASE" > {folder}/base
exec {python} "$@"
"""


def _pull_request(runner: Runner) -> str:
    """A checkout as GitHub makes it: the merge of the branch into the target; the target's commit."""
    _git(runner.checkout, "init", "-q")
    _git(runner.checkout, "add", "-A")
    _git(runner.checkout, "commit", "-qm", "target")
    target = _git(runner.checkout, "rev-parse", "HEAD")
    _git(runner.checkout, "checkout", "-qb", "branch")
    runner.write(QUICKSTART.replace("Lobby left", "Hall left"))
    _git(runner.checkout, "add", "-A")
    _git(runner.checkout, "commit", "-qm", "edit")
    _git(runner.checkout, "checkout", "-q", "main")
    _git(runner.checkout, "merge", "-q", "--no-ff", "-m", "merge", "branch")
    python = runner.folder / "bin" / "python"
    python.write_text(SPY.format(python=sys.executable, folder=runner.folder))
    return target


@pytest.mark.parametrize("head", ["merge", "branch"])
def test_the_base_of_a_pull_request(runner: Runner, head: str) -> None:
    """What the pull request started from comes out of the checkout: no token, no request. The plan gets its YAML."""
    target = _pull_request(runner)
    _git(runner.checkout, "checkout", "-q", "main" if head == "merge" else "branch")
    planned = runner("plan", ACTION_BASE_SHA="" if head == "merge" else target)
    assert (runner.folder / "base").read_text() == QUICKSTART and "not compared" not in planned.log


@pytest.mark.parametrize("why", ["shallow", "invalid", "new", "many"])
def test_a_pull_request_without_a_base_is_planned_all_the_same(runner: Runner, why: str) -> None:
    """The target is not in the checkout, its YAML is broken or not there yet, several paths: the log says so."""
    if why == "invalid":
        runner.write("tenant: acme\ncolour: red\n")
    if why == "new":
        (runner.checkout / "exolink.yaml").unlink()
        runner.write("readme", "README")
    if why == "many":
        runner.write("tenant: nordwind\nname: Nordwind\n", "more.yaml")
    _pull_request(runner)
    if why == "shallow":
        _git(runner.checkout, "checkout", "-q", "branch")
    paths = "exolink.yaml\nmore.yaml" if why == "many" else ""
    planned = runner("plan", paths=paths, ACTION_BASE_SHA="f" * 40)
    assert (
        planned.outputs["exitcode"] == "2" and "not compared" in planned.log and not (runner.folder / "base").exists()
    )
