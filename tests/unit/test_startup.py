"""The command starts fast: help and version import nothing heavy."""

import subprocess
import sys

import pytest

HEAVY = ("httpx", "pydantic", "ruamel.yaml", "deepdiff", "httpcore", "cheroot", "jsonschema", "sqlite3")
SCRIPT = """
import runpy, sys
sys.argv = ["exolink-reconcile", *sys.argv[1:]]
code = 0
try:
    runpy.run_module("exolink_reconcile", run_name="__main__")
except SystemExit as end:
    code = end.code
print("modules:", code or 0, *sys.modules)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        ["-h"],
        ["plan", "--help"],
        ["apply", "--help"],
        ["emulate", "--help"],
        ["export", "--help"],
    ],
    ids=" ".join,
)
def test_nothing_heavy(arguments: list[str]) -> None:
    """Help and version of every command end well without httpx, pydantic, ruamel.yaml or deepdiff."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=30)
    _, code, *modules = done.stdout.splitlines()[-1].split() if done.stdout else ("", "?", "")
    assert code == "0", done.stderr
    assert [name for name in HEAVY if name in modules] == []
    assert "exolink-reconcile" in done.stdout
