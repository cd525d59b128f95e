"""The apply command: how a plan is approved, and what becomes of it."""

from typing import Any

import click
from click.core import ParameterSource

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import APPLY_FORMATS, Options, formats, option, paths, seconds, shared
from exolink_reconcile.cli.stages import Stages
from exolink_reconcile.codes import Exit


@command("apply", "apply --plan plan.json", "apply --auto-approve --metrics-file exolink.prom")
@paths
@shared
@option("--auto-approve", "-y", is_flag=True, help="Do not ask.")
@option(
    "--expect", metavar="DIGEST", help="Apply only the plan with this digest (32 or more hex digits), without asking."
)
@option("--plan", "plan_path", metavar="FILE", help="Apply exactly this saved plan, without asking.")
@option("--wave", multiple=True, metavar="GLOB", help="Do only the steps of the saved plan at these addresses.")
@option(
    "--stages",
    type=Stages(),
    default="1,10",
    show_default=True,
    metavar="N,…",
    help="How many steps of a tenant, kind and action go before the next look back; then the rest. The first is 1.",
)
@option("--gate", metavar="COMMAND", help="Run this by `sh -c` after each stage; nothing more starts if it fails.")
@seconds("--gate-timeout", 600.0, 1.0, "Seconds that the gate may take.")
@formats(APPLY_FORMATS)
@click.pass_context
def apply(
    ctx: click.Context,
    /,
    auto_approve: bool,
    expect: str | None,
    plan_path: str | None,
    wave: tuple[str, ...],
    stages: tuple[int, ...],
    gate: str | None,
    gate_timeout: float,
    format: str,
    **shared: Any,
) -> Exit:
    """Plan, ask, apply and verify."""
    from exolink_reconcile.cli.apply import Apply

    ways = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    names_given = {name for name in shared if shared[name] != () and ctx.get_parameter_source(name) in ways}
    apply = Apply(CONSOLE, auto_approve, expect, plan_path, format, stages, gate, gate_timeout, wave)
    return apply.run(Options(**shared), names_given)
