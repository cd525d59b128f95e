"""The examples that users copy: each is planned, applied and planned again, and survives an export."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run the command in `folder`; its stdout."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "BENCH_PASSWORD": "pa55"}
    environment |= {"ACME_TEST_BENCH_PASSWORD": "pa55", "EXOLINK_API_URL": "emulator:e.db", "EXOLINK_STATE": "state"}
    done = subprocess.run(
        [sys.executable, "-m", "exolink_reconcile", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("example", "tenants"), [("quickstart", ["acme"]), ("fleet", ["acme", "nordwind"])])
def test_example_is_applied_and_planned_again(example: str, tenants: list[str], tmp_path: Path) -> None:
    """An example applies to an empty API, a second plan is empty, and so is the plan of its export."""
    path = str(EXAMPLES / example)
    assert "to add" in run(tmp_path, "plan", path, "--detailed-exitcode", code=2)
    assert "Apply complete!" in run(tmp_path, "apply", path, "--auto-approve")
    assert "No changes." in run(tmp_path, "plan", path, "--detailed-exitcode")
    run(tmp_path, "export", *tenants, "--out", "exported")
    assert "No changes." in run(tmp_path, "plan", "exported", "--detailed-exitcode")


def test_the_migration_is_as_its_page_says(tmp_path: Path) -> None:
    """Every command of the page runs: waves of one plan, a gate that stops one, the way back, and then the rest."""
    folder = tmp_path / "migration"
    shutil.copytree(EXAMPLES / "fleet-migration", folder)
    page = (folder / "README.md").read_text("utf-8")
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE))
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "exolink-reconcile").write_text(f'#!/bin/sh\nexec {sys.executable} -m exolink_reconcile "$@"\n')
    (bin_ / "exolink-reconcile").chmod(0o755)
    environment = {"PATH": f"{bin_}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Plan: 0 to add, 500 to change, 0 to destroy." in done.stdout
    waves = re.findall(r"Resources: 0 added, (\d+) changed, 0 destroyed\.", done.stdout)
    assert waves == ["10", "1", "1", "50", "440"]  # pilots; a depot, and back; all depots; the others
    assert re.findall(r"(\d+ of 500 steps left)(?:\.|, says)", done.stdout) == [
        "490 of 500 steps left",
        "490 of 500 steps left",
        "489 of 500 steps left",
        "440 of 500 steps left",
    ]
    assert "(E-GATE)" in done.stdout and "exolink-reconcile history --run" in done.stderr
    assert "No changes." in done.stdout.rstrip().splitlines()[-2] + done.stdout.rstrip().splitlines()[-1]
