"""The capabilities command: what the contract lets us create, update and delete."""

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import formats, option
from exolink_reconcile.codes import Exit


@command("capabilities", "capabilities --contract openapi.yaml", "capabilities --since old.yaml --contract new.yaml")
@option("--contract", metavar="FILE", help="OpenAPI description that replaces the bundled one.")
@option("--since", metavar="FILE", help="Show what differs from this other description.")
@formats(("text", "json"))
def capabilities(contract: str | None, since: str | None, format: str) -> Exit:
    """Show what the contract lets us create, update and delete."""
    from exolink_reconcile import pipeline
    from exolink_reconcile.report import capabilities as report

    offered = pipeline.read_contract(contract)[1]
    before = pipeline.read_contract(since)[1] if since is not None else None
    if format == "json":
        CONSOLE.out(report.as_json(offered, before))
    elif before is not None:
        CONSOLE.prose(report.since(before, offered))
    else:
        CONSOLE.prose(report.capabilities(offered))
    return Exit.DONE
