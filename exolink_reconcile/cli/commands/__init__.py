"""The commands by name, one module each, imported when somebody asks for it.

A command's module declares its options, and imports what it needs inside its function: `--help` must not wait for pydantic.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import NoReturn

import click

from exolink_reconcile.cli import ending, environment, help
from exolink_reconcile.codes import Exit

# Each command is a function in the module of the same name; its help here is the first line of the function's docstring.
COMMANDS = {
    "validate": "Check the YAML, offline.",
    "plan": "Show what apply would do.",
    "apply": "Plan, ask, apply and verify.",
    "show": "Render a saved plan.",
    "export": "Write YAML for what is live.",
    "init": "Write a first configuration: exolink.yaml, its schema, and pipelines.",
    "unknowns": "List writes whose outcome is still unknown.",
    "history": "Show the writes of earlier runs, newest first.",
    "locks": "Show who holds which tenant.",
    "store": "Make, look at, prune and fill the state.",
    "doctor": "Check what a plan needs: YAML, network, token, state, clock.",
    "capabilities": "Show what the contract lets us create, update and delete.",
    "explain": "Say what an error code, an exit code, a kind or a field means.",
    "completion": "Print the completion script of bash, zsh or fish.",
    "schema": "Print the JSON Schema of the YAML, of the plan JSON or of apply's events.",
    "emulate": "Serve the API locally (SQLite), to try things out.",
    "demo": "The whole story on the embedded emulator: plan, apply, plan again, drift, repair.",
}


# Commands of other tools that users may try, and what to use instead.
_ELSEWHERE = {
    "destroy": "List under `removed` what must go, then plan and apply.",
    "delete": "List under `removed` what must go, then plan and apply.",
    "diff": "`plan` shows what differs.",
    "refresh": "`plan` reads what is live each time.",
    "import": "`export TENANT` writes YAML for what is live; `init --from-live TENANT` starts with it.",
    "sync": "`apply` does it.",
    "fmt": "The YAML stays as you write it.",
    "help": "`--help` shows the commands; each of them has it too.",
    "version": "`--version` shows it.",
    "state": "`history`, `locks`, `unknowns` and `store` show what the state remembers.",
}


class _Lazy(help.Group):
    """A group that imports a command when somebody asks for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; None if there is none."""
        return command(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click; a name that is not a command gets a suggestion."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            if error.command_name in _ELSEWHERE:
                raise click.UsageError(
                    f"No such command '{error.command_name}'. {_ELSEWHERE[error.command_name]}", ctx
                ) from None
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=list(COMMANDS), ctx=ctx) from None


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=help.show_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Declare Exolink tenants, CPMS backends and chargers in YAML; plan the difference, apply exactly that.

    Every option has an environment variable: EXOLINK_ and the option's name, such as EXOLINK_API_URL.
    """


def command(name: str) -> click.Command:
    """The command of a name of `COMMANDS`."""
    loaded: click.Command = getattr(import_module(f"exolink_reconcile.cli.commands.{name}"), name)
    return loaded


def _variables() -> set[str]:
    """The environment variables of all options of all commands."""
    options = (parameter for _, leaf in leaves() for parameter in leaf.params)
    return {str(option.envvar) for option in options if option.envvar}


def leaves() -> Iterator[tuple[str, click.Command]]:
    """Every command that can run, with the words that call it."""
    for name in COMMANDS:
        called = command(name)
        if isinstance(called, click.Group):
            yield from ((f"{name} {inner}", leaf) for inner, leaf in called.commands.items())
        else:
            yield name, called


def run(arguments: Sequence[str]) -> NoReturn:
    """Run a command and end the process."""
    ending.run(lambda: _invoke(arguments))


def exit_code(arguments: Sequence[str]) -> Exit:
    """Run a command; returns its exit code. A failure has a message on stderr."""
    return ending.exit_code(lambda: _invoke(arguments))


def _invoke(arguments: Sequence[str]) -> Exit | None:
    environment.warn(_variables)
    code: Exit | None = main.main(list(arguments), prog_name="exolink-reconcile", standalone_mode=False)
    return code
