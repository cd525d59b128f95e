"""The help of a command: its options in groups, with their environment variables, then examples."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.report.lines import broken

# The groups of options that several commands share. Options that are in no group come first, under Options.
_GROUPS = {
    "Which part": ("target", "exclude", "only", "base", "wave", "prune", "env_allow"),
    "Guardrails": (
        "allow_replace", "allow_deletes", "allow_shrunk", "allow_inferred", "allow_unreachable", "probe", "stages", "gate",
        "gate_timeout",
    ),
    "The API": ("api_url", "token_file", "ca_file", "contract", "parallelism", "timeout"),
    "State and waiting": ("state", "lock_timeout", "settle"),
    "Output": (
        "format", "full", "max_size", "show_unmanaged", "link_base", "provenance", "quiet", "verbose", "log", "metrics_file",
    ),
}  # fmt: skip
_EXIT_CODES = (
    "Exit codes: `exolink-reconcile explain 5` says what one means; all of them: docs/reference/exit-codes.md."
)
_NARROW = 70  # columns: on a narrower terminal the options get fewer of them


class _Formatter(click.HelpFormatter):
    """Breaks lines at spaces only: not in a path, a URL, an option, or text in backticks."""

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """The rows in two columns; on a narrow terminal the second column keeps the larger part."""
        rows = list(rows)
        room = col_max if self.width >= _NARROW else self.width // 3
        column = max((len(first) for first, _ in rows if len(first) <= room), default=room) + col_spacing
        for first, second in rows:
            lines = broken(second, max(self.width - self.current_indent - column, 10)) or [""]
            head, rest = (first, lines) if len(first) > room else (f"{first:<{column}}{lines[0]}", lines[1:])
            self.write_lines([head, *(f"{'':<{column}}{line}" for line in rest)])

    def write_text(self, text: str) -> None:
        """Paragraphs."""
        for number, paragraph in enumerate(re.split(r"\n\s*\n", text)):
            if number:
                self.write_paragraph()
            self.write_lines(broken(" ".join(paragraph.split()), max(self.width - self.current_indent, 11)))

    def write_lines(self, lines: Iterable[str]) -> None:
        """Lines at the current indent."""
        for line in lines:
            self.write(f"{'':<{self.current_indent}}{line}".rstrip() + "\n")


class _Context(click.Context):
    formatter_class = _Formatter


class Command(click.Command):
    """A command with `examples`. Its help goes through the console: a full disk is exit code 11, not a traceback."""

    context_class = _Context

    def __init__(self, *args: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = tuple(examples)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The option that shows the help."""
        return _through_the_console(super().get_help_option(ctx))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, in groups."""
        sections = {name: section for section, names in _GROUPS.items() for name in names}
        rows: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and not isinstance(parameter, click.Argument):
                rows[sections.get(parameter.name or "", "Options")].append(record)
        for section in ("Options", *_GROUPS):
            if rows[section]:
                with formatter.section(section):
                    formatter.write_dl(rows[section])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}exolink-reconcile {example}\n")
        formatter.write_paragraph()
        formatter.write_text(_EXIT_CODES)


def command(*examples: str) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command; `examples` are what a user may type after the program's name."""
    return click.command(cls=Command, examples=examples)


def _through_the_console(option: click.Option | None) -> click.Option | None:
    def show(ctx: click.Context, parameter: click.Parameter, asked: bool) -> None:
        if asked and not ctx.resilient_parsing:
            CONSOLE.out(f"{ctx.get_help()}\n")
            ctx.exit()

    if option is not None:
        option.callback = show
    return option


class Group(click.Group):
    """A group whose help goes through the console, like that of its commands."""

    command_class = Command
    context_class = _Context

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The option that shows the help."""
        return _through_the_console(super().get_help_option(ctx))


def show_version(ctx: click.Context, parameter: click.Parameter, asked: bool) -> None:
    """The callback of `--version`."""
    from exolink_reconcile import __version__

    if asked and not ctx.resilient_parsing:
        CONSOLE.out(f"exolink-reconcile {__version__}\n")
        ctx.exit()
