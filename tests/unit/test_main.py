"""The front door: where the tool cannot run, one sentence says so instead of a traceback."""

import subprocess
import sys

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
