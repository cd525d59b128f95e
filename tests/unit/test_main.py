"""The front door: where the tool cannot run, one sentence says so instead of a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exolink_reconcile import __main__, __version__


def test_windows_is_answered_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Signals, locks and file modes are others there, so nothing is started; the version is still told."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "argv", ["exolink-reconcile", "plan"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 3 and "WSL" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["exolink-reconcile", "--version"])
    __main__.main()
    assert capsys.readouterr().out == f"exolink-reconcile {__version__}\n"


def test_a_python_without_the_c_parser_of_yaml() -> None:
    """ruamel.yaml installs without it where no wheel fits; the sentence names what to install."""
    hide = "import sys; sys.modules['_ruamel_yaml'] = None; from exolink_reconcile import __main__; __main__.main()"
    done = subprocess.run(
        [sys.executable, "-c", hide, "validate", "-"], input="", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3 and "ruamel.yaml.clib" in done.stderr and "E-BUG" not in done.stderr


def test_no_code_of_other_packages_runs(tmp_path: Path) -> None:
    """A plugin for pydantic that happens to be installed beside us cannot change what is checked, and costs no start-up."""
    (tmp_path / "plugin_1.dist-info").mkdir()
    (tmp_path / "plugin_1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-1\nVersion: 1\n")
    (tmp_path / "plugin_1.dist-info" / "entry_points.txt").write_text("[pydantic]\nplugin = plugin_1:plugin\n")
    (tmp_path / "plugin_1.py").write_text("raise SystemExit('the plugin ran')\n")
    done = subprocess.run(
        [sys.executable, "-m", "exolink_reconcile", "validate", "-"], input="tenant: acme\n", capture_output=True,
        text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0 and "the plugin ran" not in done.stderr
