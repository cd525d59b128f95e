"""The unknowns command: the writes whose outcome is still unknown, listed or forgotten."""

import time

import click

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.options import option
from exolink_reconcile.codes import Exit


@click.command()
@option("--forget", metavar="ADDRESS", help="Drop what is open at this address.")
@option("--state", metavar="DIR", help="State folder; by default the user's.")
def unknowns(forget: str | None, state: str | None) -> Exit:
    """List writes whose outcome is still unknown."""
    from exolink_reconcile.cli import start
    from exolink_reconcile.errors import StorageFailed, problem
    from exolink_reconcile.report import result_text, text
    from exolink_reconcile.state.journal import Journal

    def when(seconds: float) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))

    folder = start.state_folder(state)
    if state is not None and not folder.is_dir():
        raise StorageFailed(
            "E-STORAGE", f"the state folder {state} {'is not a folder' if folder.exists() else 'is not there'}"
        )
    count = 0
    if (folder / "journal.db").exists():
        with Journal(folder, "") as journal:
            if forget is None:
                CONSOLE.out(result_text.unknowns(journal.open_operations(), when))
                return Exit.DONE
            count = journal.forget(forget)
    elif forget is None:
        CONSOLE.out(result_text.unknowns((), when))
        return Exit.DONE
    if not count:
        raise problem("E-TARGET", f"--forget {forget}: nothing is open there")
    CONSOLE.out(f"Forgot {count} at {text.value(forget)}.\n")
    return Exit.DONE
