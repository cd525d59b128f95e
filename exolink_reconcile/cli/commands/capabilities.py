"""The capabilities command: what the contract lets us create, update and delete."""

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import option
from exolink_reconcile.codes import Exit


@command("capabilities", "capabilities --contract openapi.yaml")
@option("--contract", metavar="FILE", help="OpenAPI description that replaces the bundled one.")
def capabilities(contract: str | None) -> Exit:
    """Show what the contract lets us create, update and delete."""
    from exolink_reconcile import pipeline
    from exolink_reconcile.report import capabilities as report

    CONSOLE.out(report.capabilities(pipeline.read_contract(contract)[1]))
    return Exit.DONE
