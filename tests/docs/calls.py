"""The calls of the tool in a shell script, and what click says of them."""

import shlex
from collections.abc import Iterator

import click

from exolink_reconcile.cli import commands

TOOL = "exolink-reconcile"
_ENDS = {"|", "||", "&", "&&", ";", ">", ">>", "<", ")"}


def of(script: str) -> Iterator[list[str]]:
    """The arguments of each call. An image of that name counts too, once it is run."""
    for line in script.replace("\\\n", " ").splitlines():
        words = _split(line.removeprefix("$ "))
        for place, word in enumerate(words):
            if word == TOOL and words[:2] != ["docker", "build"] and words[place - 1 : place] != ["install"]:
                rest = words[place + 1 :]
                yield rest[: next((at for at, each in enumerate(rest) if each in _ENDS), len(rest))]


def parse(arguments: list[str]) -> None:
    """Read a call as the tool does, and do nothing.

    Raises:
        click.UsageError: A command, an option or a value that there is not.
    """
    command: click.Command = commands.main
    context = command.make_context(TOOL, list(arguments))
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, _left(context))
        assert name is not None and found is not None
        command, context = found, found.make_context(name, rest, parent=context)


def _left(context: click.Context) -> list[str]:
    """What a group leaves for its command."""
    return [*context._protected_args, *context.args]


def _split(line: str) -> list[str]:
    """The words of a line as a shell splits them, without its comment."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    lexer.commenters = ""
    words = list(lexer)
    return words[: next((at for at, word in enumerate(words) if word.startswith("#")), len(words))]
