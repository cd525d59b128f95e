"""Variables that mean nothing are named; every option has one."""

import pytest
from support_cli import Run

from exolink_reconcile.cli import commands


def test_row_D7_a_variable_that_names_no_option(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped variable is named with the nearest one, whatever command runs; one that is empty counts as unset."""
    monkeypatch.setenv("EXOLINK_ALOW_DELETES", "3")
    monkeypatch.setenv("EXOLINK_EXPECT", "")
    monkeypatch.setenv("EXOLINK_NONSENSE", "")
    monkeypatch.setenv("EXOLINK_TOKEN", "t")
    code, _, err = run("validate")
    assert code == 0 and err.count("W-VARIABLE") == 1
    assert "EXOLINK_ALOW_DELETES" in err and "EXOLINK_ALLOW_DELETES" in err


def test_every_option_has_a_variable() -> None:
    """Of its own name, the same for all commands; but the number of a lease, because EXOLINK_TOKEN is the secret one."""
    options = [option for _, command in commands.leaves() for option in command.params if hasattr(option, "is_flag")]
    assert [option.name for option in options if not option.envvar] == ["token"]
    for option in (option for option in options if option.envvar):
        long = next(name for name in option.opts if name.startswith("--"))
        assert option.envvar == "EXOLINK_" + long[2:].replace("-", "_").upper()
