"""The schema command: the JSON Schemas of what the tool reads and writes."""

import click

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.codes import Exit


@command("schema config > exolink-config.schema.json", "schema apply")
@click.argument("which", type=click.Choice(["config", "plan", "apply"]))
def schema(which: str) -> Exit:
    """Print the JSON Schema of the YAML, of the plan JSON or of apply's events."""
    from exolink_reconcile import files
    from exolink_reconcile import schema as schemas
    from exolink_reconcile.kinds import KINDS

    match which:
        case "config":
            CONSOLE.out(schemas.text(schemas.config(KINDS)))
        case "plan":
            CONSOLE.out(schemas.text(schemas.plan()))
        case _:
            CONSOLE.out(files.bundled("exolink-apply.schema.json"))
    return Exit.DONE
