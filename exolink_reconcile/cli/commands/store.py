"""The store command: make, inspect, prune and fill the state."""

import os

import click

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import Group
from exolink_reconcile.cli.options import names_of, option, state
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.codes import Exit


@click.group(cls=Group)
def store() -> None:
    """Make, look at, prune and fill the state."""


@store.command()
@option("--sql", is_flag=True, help="Print the SQL, roles and grants included, instead of running it.")
@state
def init(sql: bool, state: str | None) -> Exit:
    """Make or migrate the tables of a shared state."""
    from exolink_reconcile.cli import state_work
    from exolink_reconcile.state import homes, migrations

    if sql:
        CONSOLE.out(migrations.script())
        return Exit.DONE
    RUN.wrote = True
    CONSOLE.prose(state_work.init(homes.home(state, os.environ)))
    return Exit.DONE


@store.command()
@state
def status(state: str | None) -> Exit:
    """Show how the state is: what is open and held, and whether the server syncs."""
    from exolink_reconcile.cli import state_work
    from exolink_reconcile.inert import inert
    from exolink_reconcile.state import homes

    text, warnings = state_work.status(homes.home(state, os.environ))
    CONSOLE.prose(text)
    for warning in warnings:
        CONSOLE.err(f"warning: {inert(warning)}.\n")
    return Exit.DONE


@store.command()
@option("--older-than", type=click.IntRange(min=0), required=True, metavar="DAYS", help="Whole days.")
@state
def prune(older_than: int, state: str | None) -> Exit:
    """Throw away closed writes and audit lines; never what is open, the base or the counts."""
    from exolink_reconcile.cli import state_work
    from exolink_reconcile.state import homes

    RUN.wrote = True
    CONSOLE.prose(state_work.prune(homes.home(state, os.environ), older_than))
    return Exit.DONE


@store.command("import")
@click.argument("folder", metavar="FOLDER", shell_complete=names_of("dir"))
@state
def import_(folder: str, state: str | None) -> Exit:
    """Take the writes, bases and counts of a state folder into a shared state."""
    from exolink_reconcile.cli import state_work
    from exolink_reconcile.state import homes

    RUN.wrote = True
    CONSOLE.prose(state_work.import_folder(homes.home(state, os.environ), folder))
    return Exit.DONE
