"""The demo command: the whole story in a scratch folder."""

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.codes import Exit


@command("demo")
def demo() -> Exit:
    """The whole story on the embedded emulator: plan, apply, plan again, drift, repair."""
    from exolink_reconcile.cli import commands, demo

    return demo.run(CONSOLE, commands.exit_code)
