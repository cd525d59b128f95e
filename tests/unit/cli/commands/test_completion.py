"""The completion scripts."""

import pytest
from support_cli import Run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run: Run, shell: str) -> None:
    """The script of each shell, for this command."""
    code, out, _ = run("completion", shell)
    assert code == 0 and f"{shell}_complete" in out and "exolink-reconcile" in out


def test_a_missing_argument_says_what_there_is(run: Run) -> None:
    """The choices stand in the message as words, without escaped tabs."""
    assert "Choose from: bash, zsh, fish" in run("completion")[2]
