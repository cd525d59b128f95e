"""Unknown environment variables that start with EXOLINK_ to warnings with the nearest name."""

import os
from collections.abc import Callable

from exolink_reconcile.cli.console import CONSOLE

# Variables without an option: the token, and those that the pipelines of this project use.
_OTHERS = {
    "EXOLINK_TOKEN", "EXOLINK_READ_TOKEN", "EXOLINK_WRITE_TOKEN", "EXOLINK_IMAGE", "EXOLINK_PATH", "EXOLINK_DIGEST",
    "EXOLINK_STAGE", "EXOLINK_ADDRESSES",
}  # fmt: skip


def warn(known_names: Callable[[], set[str]]) -> None:
    """Warn about each variable without an option: a mistyped guardrail protects nothing. Calls `known_names` only if needed."""
    names = sorted(name for name, value in os.environ.items() if name.startswith("EXOLINK_") and value)
    strange = [name for name in names if name not in _OTHERS]
    options = known_names() if strange else set()
    for name in strange:
        if name not in options:
            from difflib import get_close_matches

            from exolink_reconcile.inert import inert

            nearest = get_close_matches(name, sorted(options | {"EXOLINK_TOKEN"}), 1)
            hint = f"; did you mean {nearest[0]}?" if nearest else "."
            CONSOLE.err(f"warning: W-VARIABLE: {inert(name)} is not the variable of any option{hint}\n")
