"""The doctor command: what a plan needs, checked one thing at a time."""

from functools import partial
from typing import Any

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import ApiOptions, env_allow, formats, paths, reach, state
from exolink_reconcile.codes import Exit


@command("doctor")
@paths
@reach
@env_allow
@state
@formats(("text", "json"))
def doctor(paths: tuple[str, ...], env_allow: tuple[str, ...], state: str | None, format: str, **reach: Any) -> Exit:
    """Check what a plan needs: YAML, network, token, state, clock."""
    from exolink_reconcile.cli import start
    from exolink_reconcile.cli.doctor import Doctor
    from exolink_reconcile.report import listings

    examination = Doctor(ApiOptions(**reach), paths, state, start.allowed_variables(env_allow), CONSOLE)
    checks = []
    for check in examination.checks():
        checks.append(check)
        if format == "text":
            CONSOLE.prose(listings.check(check), partial(listings.painted, check.status))
    if format == "json":
        CONSOLE.out(listings.checks(checks))
    return Exit.worst(check.exit_code for check in checks)
