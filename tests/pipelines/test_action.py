"""The GitHub action's script: what it shows, what it hands on, and what it never does."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from world import Answer, World

from .conftest import MARKER, SCRIPT, Runner

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
    file = planned.outputs.pop("plan-file")
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
    wrong = runner("apply", expect="0123456789ab", code=6)
    assert wrong.outputs == {"exitcode": "6"} and "stale" in wrong.summary
    assert runner("apply", expect=digest[:12]).outputs == {"exitcode": "0"}


def test_a_plan_file_that_was_not_approved(runner: Runner) -> None:
    """An artifact put in the place of the approved plan is refused before anything is sent."""
    runner("plan")
    file = runner.steps[-1].outputs["plan-file"]
    refused = runner("apply", plan_file=file, expect="f" * 64, code=6)
    assert refused.outputs == {"exitcode": "6"}
    assert runner("plan").outputs["add"] == "5"


@pytest.mark.parametrize(
    "inputs", [{"command": "apply"}, {"command": "destroy"}, {"command": ""}, {"command": "plan", "plan_file": "a\nb"}]
)
def test_what_is_refused(runner: Runner, inputs: dict[str, str]) -> None:
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
    assert first["body"].startswith(MARKER) and "CP-0001" in first["body"] and "a" * 40 in first["body"]
    runner.comments = [*runner.comments, *others]
    runner.write("tenant: acme\nchargers: [{identity: CP-7, profileId: 1, colour: red}]\n")
    failed = runner("plan", code=3)
    assert failed.outputs == {"planned": "false", "exitcode": "3"}
    assert len(runner.comments) == 7
    body = runner.comments[3]["body"]
    assert "CP-0001" not in body and "no plan" in body and "colour" in body, "a plan that is no more would be approved"
    runner("plan", comment_name="other", code=3)
    assert len(runner.comments) == 8, "another plan on the same pull request has its own comment"


def test_no_comment(runner: Runner) -> None:
    """Not on a push, not when it is not wanted; and a comment that GitHub refuses does not fail the plan."""
    runner("plan", pr="")
    runner("plan", comment="false")
    assert runner.calls == []
    refused = runner("plan", GH_BREAKS="1")
    assert refused.outputs["exitcode"] == "2" and any(line.startswith("::warning") for line in refused.commands)


def test_hostile_text_is_only_text(runner: Runner) -> None:
    """Names that are shell, workflow commands or markers are shown, and nothing of them happens."""
    runner.write(HOSTILE)
    runner.write(HOSTILE, "$(touch pwned).yaml")
    hostile = "$(touch pwned).yaml\n"
    planned = runner("plan", paths=hostile, args="--target=*\n--exclude=$(touch pwned)`touch pwned`")
    assert planned.outputs["add"] == "4" and planned.commands == []
    assert planned.outputs.keys() == {"exitcode", "planned", "plan-file", "digest", "add", "change", "destroy"}
    assert "touch pwned" in planned.log
    applied = runner("apply", plan_file=planned.outputs["plan-file"], expect=planned.outputs["digest"])
    assert applied.commands == [] and "4 added" in applied.log
    assert not list(runner.folder.rglob("pwned"))


@pytest.mark.parametrize("name", ["command", "paths", "args", "expect", "plan_file", "pr", "head_sha", "comment_name"])
def test_hostile_inputs(runner: Runner, name: str) -> None:
    """No input is ever run, and none ends up as an output of its own."""
    inputs = {"expect": "0123456789ab", name: "x$(touch pwned)`touch pwned`;touch pwned\nexitcode=99\n--auto-approve"}
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
    assert not any(TOKEN.encode() in each or b"gh-canary\n" in each for each in everything)
    assert TOKEN not in "".join(step.log + step.summary for step in runner.steps)


def test_a_fork_is_only_validated(runner: Runner) -> None:
    """A pull request from a fork has no token: the YAML is validated, and the summary says that nothing was planned."""
    fork = {"fork": "true", "api_url": "https://127.0.0.1:9", "args": "--prune"}
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
