"""The metrics of a run, in a file for a collector."""

from pathlib import Path

import pytest
from support_cli import API, Run


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
