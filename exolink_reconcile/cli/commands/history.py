"""The history command: the writes of earlier runs, newest first, and what would put a run back."""

import os

import click

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import formats, option, state
from exolink_reconcile.codes import Exit


@command("history", 'history "acme/charger/*" --limit 20')
@click.argument("globs", nargs=-1, metavar="[GLOB]...")
@option("--run", "run", metavar="RUN", help="Only the writes of this run.")
@option("--limit", type=click.IntRange(min=1), metavar="N", help="At most so many.")
@state
@formats(("text", "json", "yaml"))
def history(globs: tuple[str, ...], run: str | None, limit: int | None, state: str | None, format: str) -> Exit:
    """Show the writes of earlier runs, newest first.

    GLOB is matched on addresses. With --run, --format yaml writes a document that puts back what that run changed.
    """
    from exolink_reconcile import pipeline, restore
    from exolink_reconcile.cli import state_work
    from exolink_reconcile.errors import problem
    from exolink_reconcile.kinds import KINDS
    from exolink_reconcile.report import listings
    from exolink_reconcile.state import homes

    if format == "yaml" and run is None:
        raise problem("E-USAGE", "--format yaml puts back what one run changed: name it with --run")
    writes = state_work.history(homes.home(state, os.environ), globs, run, limit)
    if format == "yaml":
        CONSOLE.out(restore.text(run or "", writes, KINDS, pipeline.read_contract(None)[1]))
    else:
        CONSOLE.shown(listings.history(format, writes, globs), format)
    return Exit.DONE
