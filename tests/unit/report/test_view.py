"""A plan in any format: what it takes to add one."""

import subprocess
import sys
from pathlib import Path

# What a new format takes: its module, and its line in FORMATS.
TOY = """
import sys, types
from exolink_reconcile import report
toy = types.ModuleType("exolink_reconcile.report.toy")
toy.render = lambda view: (f"{len(list(view.plan.steps))} steps, digest {len(view.digest)} digits\\n",)
sys.modules[toy.__name__] = toy
report.FORMATS["toy"] = "toy"
from exolink_reconcile.__main__ import main
sys.exit(main())
"""


def test_a_new_format_is_a_module_and_a_line(tmp_path: Path) -> None:
    """The commands take their choices from FORMATS: plan and show know the new one, and nothing else is touched."""
    (tmp_path / "exolink.yaml").write_text(
        "tenant: acme\ndefaults: {chargers: {displayName: Lobby, profileId: 1}}\nchargers: [{identity: CP-1}, {identity: CP-2}]\n"
    )
    common = ("--api-url", "emulator:live.db", "--state", "state")

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", TOY, *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)

    planned = run("plan", *common, "--out", "p.json", "--format", "toy")
    assert (planned.returncode, planned.stdout) == (0, "2 steps, digest 64 digits\n"), planned.stderr
    assert run("show", "p.json", "--format", "toy").stdout == planned.stdout
    assert "toy" in run("plan", "--help").stdout
