"""The explain command: what an error code, an exit code, a kind or a field means."""

import click
from click.shell_completion import CompletionItem

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.codes import Code, Exit


def _codes(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(code) for code in Code if code.startswith(incomplete.upper())]


@command("explain E-STALE", "explain 9", "explain charger.profileId")
@click.argument("word", metavar="WORD", shell_complete=_codes)
def explain(word: str) -> Exit:
    """Say what an error code, an exit code, a kind or a field means."""
    from difflib import get_close_matches

    from exolink_reconcile import pipeline
    from exolink_reconcile.cli import explanations
    from exolink_reconcile.errors import problem
    from exolink_reconcile.kinds import KINDS

    text = explanations.explain(word, KINDS, pipeline.read_contract(None)[1])
    if text is None:
        nearest = get_close_matches(word, explanations.words(KINDS), 1, 0.5)
        hint = (
            f"Did you mean {nearest[0]}?" if nearest else "It explains an error code, an exit code, a kind or a field."
        )
        raise problem("E-USAGE", f"no such word: {word}", hint)
    CONSOLE.prose(text)
    return Exit.DONE
