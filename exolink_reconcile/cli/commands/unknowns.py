"""The unknowns command: the writes whose outcome is still unknown, listed or forgotten."""

import os
import shlex

import click
from click.core import ParameterSource

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import formats, one_spelling, option, state
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.codes import Exit


@command("unknowns", "unknowns --forget acme/charger/CP-0001")
@option("--forget", metavar="ADDRESS", help="Drop what is open at this address.")
@option("--api-url", callback=one_spelling, help="Only what is open at this API.")
@state
@formats(("text", "json"))
def unknowns(forget: str | None, api_url: str | None, state: str | None, format: str) -> Exit:
    """List writes whose outcome is still unknown."""
    from exolink_reconcile.cli import open_writes
    from exolink_reconcile.live import connection
    from exolink_reconcile.report import listings, text
    from exolink_reconcile.state import homes

    home = homes.home(state, os.environ)
    origin = connection.origin(api_url) if api_url else None
    intents, in_flight = open_writes.read(home, origin)
    if forget is None:
        typed = click.get_current_context().get_parameter_source("api_url") is ParameterSource.COMMANDLINE
        api = f" --api-url {shlex.quote(api_url)}" if api_url and typed else ""
        CONSOLE.shown(listings.unknowns(format, intents, in_flight, homes.option(state, os.environ) + api), format)
        return Exit.DONE
    RUN.wrote = True
    count = open_writes.forget(CONSOLE, home, intents, forget)
    sentence = f"Forgot {count} at {text.value(forget)}.\n"
    if format == "json":
        CONSOLE.err(sentence)
        CONSOLE.out(listings.unknowns(format, open_writes.read(home, origin)[0]))
    else:
        CONSOLE.out(sentence)
    return Exit.DONE
