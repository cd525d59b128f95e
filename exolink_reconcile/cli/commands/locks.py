"""The locks command: who holds which tenant, and how to take a lease away."""

import os

import click

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import formats, one_spelling, option, state
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.codes import Exit


@command("locks")
@option("--break", "broken", metavar="TENANT", help="Take the lease of this tenant away from its holder.")
@click.option(  # without a variable: EXOLINK_TOKEN is the API's
    "--token", type=click.IntRange(min=0), metavar="N", help="With --break: the token that `locks` shows."
)
@option("--reason", metavar="TEXT", help="With --break: why, for the audit record.")
@option("--api-url", callback=one_spelling, help="Only what is held at this API.")
@state
@formats(("text", "json"))
def locks(
    broken: str | None, token: int | None, reason: str | None, api_url: str | None, state: str | None, format: str
) -> Exit:
    """Show who holds which tenant."""
    from exolink_reconcile.cli import state_work
    from exolink_reconcile.errors import problem
    from exolink_reconcile.live import connection
    from exolink_reconcile.report import listings
    from exolink_reconcile.state import homes

    home = homes.home(state, os.environ)
    origin = connection.origin(api_url) if api_url else None
    if broken is None:
        if token is not None or reason is not None:
            raise problem("E-USAGE", "--token and --reason belong to --break TENANT")
        CONSOLE.shown(listings.locks(format, state_work.leases(home, origin)), format)
        return Exit.DONE
    if token is None or not reason:
        raise problem("E-USAGE", "--break TENANT needs --token N, as `locks` shows it, and --reason TEXT")
    RUN.wrote = True
    lease = state_work.break_lease(home, broken, token, reason, origin)
    if format == "json":
        CONSOLE.err(listings.broken(lease))
        CONSOLE.out(listings.locks(format, state_work.leases(home, origin)))
    else:
        CONSOLE.prose(listings.broken(lease))
    return Exit.DONE
