"""The README's example prints what the README says it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")


def test_the_example_and_its_output(tmp_path: Path) -> None:
    """A reader who types the example sees the output beside it, to the letter."""
    yaml = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    console = re.search(r"```console\n\$ exolink-reconcile (.*?)\n(.*?)```", README, re.DOTALL)
    assert yaml and console
    (tmp_path / "exolink.yaml").write_text(yaml[1], "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "exolink_reconcile", *console[1].split()],
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == console[2]
