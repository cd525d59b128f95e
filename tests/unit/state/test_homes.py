"""The option --state to the home of the state."""

import pytest

from exolink_reconcile.state import homes

SHARED = "postgresql://u:secret@localhost/x"


@pytest.mark.parametrize(
    ("state", "environment", "expected"),
    [(None, {}, ""), ("my state", {}, " --state 'my state'"), (SHARED, {"EXOLINK_STATE": SHARED}, "")],
)
def test_a_command_to_paste_finds_the_same_state(state: str | None, environment: dict[str, str], expected: str) -> None:
    """What the command line named is named again; what the environment names, maybe with a password, is there anyway."""
    assert homes.option(state, environment) == expected
