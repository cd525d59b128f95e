"""The apply command: how a plan is approved, and what becomes of it."""

from typing import Any

import click
from click.core import ParameterSource

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import APPLY_FORMATS, Options, formats, option, paths, shared
from exolink_reconcile.codes import Exit


@command("apply", "apply --plan plan.json", "apply --auto-approve --metrics-file exolink.prom")
@paths
@shared
@option("--auto-approve", "-y", is_flag=True, help="Do not ask.")
@option(
    "--expect", metavar="DIGEST", help="Apply only the plan with this digest (12 or more hex digits), without asking."
)
@option("--plan", "plan_path", metavar="FILE", help="Apply exactly this saved plan, without asking.")
@formats(APPLY_FORMATS)
@click.pass_context
def apply(
    ctx: click.Context, /, auto_approve: bool, expect: str | None, plan_path: str | None, format: str, **shared: Any
) -> Exit:
    """Plan, ask, apply and verify."""
    from exolink_reconcile.cli.apply import Apply

    ways = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    given = {name for name in shared if shared[name] != () and ctx.get_parameter_source(name) in ways}
    return Apply(CONSOLE, auto_approve, expect, plan_path, format).run(Options(**shared), given)
