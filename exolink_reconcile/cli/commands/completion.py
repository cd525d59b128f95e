"""The completion command: the script that makes a shell complete this command."""

import click

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.codes import Exit

_PROGRAM = "exolink-reconcile"


@command("completion zsh > ~/.zfunc/_exolink-reconcile")
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> Exit:
    """Print the completion script of bash, zsh or fish."""
    from click.shell_completion import ShellComplete, get_completion_class

    from exolink_reconcile.cli import commands

    kind = get_completion_class(shell)
    assert kind is not None  # click has all three
    # Not click's own `source`: for bash it runs this machine's bash, and the script may be for another machine.
    CONSOLE.out(ShellComplete.source(kind(commands.main, {}, _PROGRAM, "_EXOLINK_RECONCILE_COMPLETE")) + "\n")
    return Exit.DONE
