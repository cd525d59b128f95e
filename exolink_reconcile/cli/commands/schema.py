"""The schema command: the JSON Schemas of what the tool reads and writes."""

import click

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.codes import Exit


@click.command()
@click.argument("which", type=click.Choice(["config", "plan"]))
def schema(which: str) -> Exit:
    """Print the JSON Schema of the YAML or of the plan JSON."""
    from exolink_reconcile import schema as schemas
    from exolink_reconcile.kinds import KINDS

    CONSOLE.out(schemas.text(schemas.config(KINDS) if which == "config" else schemas.plan()))
    return Exit.DONE
