"""The options of the commands: names, types, defaults, environment variables, and the values that they fill."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.report import FORMATS
from exolink_reconcile.report.lines import KEPT

DEFAULT_API_URL = "https://api.exolink.cloud"
_DAY = 86_400.0
_F = TypeVar("_F", bound=Callable[..., Any])

# The options that shape a plan: a saved plan records them, and `apply --plan` refuses other values.
PLAN_OPTIONS = (
    "api_url", "contract", "target", "exclude", "prune", "allow_replace", "allow_deletes", "allow_shrunk", "allow_inferred",
    "base", "only",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """How to reach the API. Times are in seconds."""

    api_url: str
    token_file: str | None
    ca_file: str | None
    contract: str | None
    parallelism: int
    timeout: float
    log: str | None
    verbose: bool


@dataclass(frozen=True, slots=True)
class Options(ApiOptions):
    """The options that plan and apply share, as given."""

    paths: tuple[str, ...]
    target: tuple[str, ...]
    exclude: tuple[str, ...]
    prune: bool
    allow_replace: tuple[str, ...]
    allow_deletes: int | None
    allow_shrunk: tuple[str, ...]
    allow_inferred: bool
    probe: bool
    allow_unreachable: tuple[str, ...]
    base: str | None
    only: Literal["edits", "drift"] | None
    state: str | None
    lock_timeout: float
    settle: float
    env_allow: tuple[str, ...] = ()

    @property
    def recorded(self) -> dict[str, Any]:
        """The options that a saved plan keeps."""
        values = {name: getattr(self, name) for name in PLAN_OPTIONS}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


# Those that a command to paste needs on this machine and that no plan records: where a file or a memory is, what YAML may name.
_OF_THIS_MACHINE = ("token_file", "ca_file", "env_allow", "state")


def of_this_machine() -> tuple[str, ...]:
    """The options of the current command that a command to paste here needs too, as the user typed them.

    Not those of the environment: it will be the same, and its state may hold a password.
    """
    from exolink_reconcile.report import again

    ctx = click.get_current_context()
    typed = [name for name in _OF_THIS_MACHINE if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    return tuple(again.arguments((), {name: ctx.params[name] for name in typed}))


class _Lines(click.types.StringParamType):
    """Text; its environment variable holds one value on each line."""

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        return [line.strip() for line in rv.splitlines() if line.strip()]


# What a shell completes for an option, by the word for its value in the help.
_PLACES: dict[str, Literal["file", "dir"]] = {"FILE": "file", "DIR": "dir", "FOLDER": "dir"}


def names_of(
    file_type: Literal["file", "dir"],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """For `shell_complete`: lets the shell offer names of files (and folders on the way), or of folders."""
    return lambda context, parameter, incomplete: [CompletionItem(incomplete, type=file_type)]


class _Option(click.Option):
    """An option that refuses an empty text on the command line: most likely a variable in a script had no value."""

    def consume_value(self, ctx: click.Context, opts: Mapping[str, click.Parameter]) -> tuple[Any, ParameterSource]:
        """The value and where it comes from. An empty environment variable counts as unset."""
        value, source = super().consume_value(ctx, opts)
        if source is ParameterSource.COMMANDLINE and (
            value == "" or (isinstance(value, (list, tuple)) and "" in value)
        ):
            raise click.BadParameter("it is empty.", ctx, self)
        return value, source

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option and its help, with its variable and its default, each in one piece."""
        if self.hidden:
            return None
        extra = self.get_help_extra(ctx)
        pieces = [f"env var: {self.envvar}"] if self.envvar else []
        pieces += [f"default: {extra['default'].strip('()')}"] if "default" in extra else []
        notes = "; ".join(piece.replace(" ", KEPT) for piece in pieces)
        return self.get_help_spec(ctx), f"{self.help or ''}  [{notes}]" if notes else self.help or ""


def variable(name: str) -> str:
    """The environment variable of an option: EXOLINK_ and its name."""
    return "EXOLINK_" + name.lstrip("-").replace("-", "_").upper()


def option(name: str, *short_forms: str, **settings: Any) -> Callable[[_F], _F]:
    """A click option with its environment variable. `short_forms` may give the parameter another name too."""
    if settings.get("multiple"):
        settings["type"] = _Lines()
    if settings.get("metavar") in _PLACES:
        settings["shell_complete"] = names_of(_PLACES[settings["metavar"]])
    return click.option(name, *short_forms, cls=_Option, envvar=variable(name), show_envvar=True, **settings)


PLAN_FORMATS = tuple(name for name in FORMATS if name != "gitlab")  # its counts are for a saved plan
APPLY_FORMATS = ("text", "json")
FINDINGS_FORMATS = ("text", "json", "github", "sarif", "codequality")
EXPORT_FORMATS = ("yaml", "csv")


class _Format(click.Choice[str]):
    """One of the formats of a command. EXOLINK_FORMAT is for all commands: a format of another command is not an error."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        source = ctx.get_parameter_source(param.name or "") if ctx is not None and param is not None else None
        if (
            source is ParameterSource.ENVIRONMENT
            and value in {*FORMATS, *FINDINGS_FORMATS, *EXPORT_FORMATS}
            and value not in self.choices
        ):
            return self.choices[0]
        return super().convert(value, param, ctx)


def formats(names: Iterable[str]) -> Callable[[_F], _F]:
    """The option that says how to show the result; the default is the first of these formats."""
    choices = tuple(names)
    return option("--format", type=_Format(choices), default=choices[0], show_default=True, help="How to show it.")


max_size = option(
    "--max-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Markdown: at most N bytes. A GitHub comment takes 65536, a step summary 1048576. Creates and updates give way, "
    "counted; never what is held back, deleted or replaced: exit 3 if that does not fit.",
)


def _link_base(ctx: click.Context, parameter: click.Parameter, url: str | None) -> str | None:
    if url is not None:
        from exolink_reconcile.report.links import is_base

        if not is_base(url):
            raise click.BadParameter(
                "it is an http or https URL that a path can follow, without user, query or fragment, like"
                " https://github.com/OWNER/REPOSITORY/blob/COMMIT/."
            )
    return url


class Seconds(click.ParamType[float]):
    """A number of seconds, a day at most: `90`, `90s` or `2m`."""

    name = "seconds"

    def __init__(self, least: float) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(s|m)?", str(value))
        if match is None:
            self.fail(f"{value} is not a number of seconds: write 90, 90s or 2m.", param, ctx)
        seconds = float(match[1]) * (60 if match[2] == "m" else 1)
        if not self._least <= seconds <= _DAY:
            self.fail(f"{value} is not between {self._least:g} and {_DAY:g} seconds.", param, ctx)
        return seconds


def seconds(name: str, default: float, least: float, help: str) -> Callable[[_F], _F]:
    """An option that takes seconds."""
    return option(name, type=Seconds(least), default=f"{default:g}", show_default=True, metavar="S", help=help)


def one_spelling(ctx: click.Context, parameter: click.Parameter, url: str | None) -> str | None:
    """The URL as it is compared, locked and remembered: scheme and host in lower case, no default port, no slash
    at the end. A text that is not a URL stays as it is, and is refused where it is used.
    """
    from urllib.parse import urlsplit

    if url is None:
        return None
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        return url
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.query or parts.fragment:
        return url
    host = f"[{host}]" if ":" in host else host
    port_text = "" if port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{port_text}{parts.path.rstrip('/')}"


def _together(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    def decorate(function: _F) -> _F:
        for option_decorator in reversed(options):
            function = option_decorator(function)
        return function

    return decorate


reading = _together(
    option(
        "--link-base",
        metavar="URL",
        callback=_link_base,
        help="HTML and Markdown: places are links, URL/FILE#Lline; such as https://HOST/REPO/blob/COMMIT/.",
    ),
    option(
        "--provenance",
        multiple=True,
        metavar="NAME=TEXT",
        help="HTML and Markdown: where the plan comes from; NAME is commit, who, when or run. By default what CI says. The "
        "digest does not cover it.",
    ),
)


def _be_quiet(ctx: click.Context, parameter: click.Parameter, asked: bool) -> None:
    CONSOLE.quiet = asked


quiet = option(
    "--quiet",
    "-q",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_be_quiet,
    help="Neither progress nor notes, only results, warnings and errors.",
)


def _measure(ctx: click.Context, parameter: click.Parameter, path: str | None) -> None:
    if path is not None:
        from exolink_reconcile.cli import metrics

        if metrics.is_something_else(path):
            raise click.BadParameter(f"{path} is a file that is not metrics: it is left as it is.", ctx, parameter)
    RUN.metrics_file = path


metrics_file = option(
    "--metrics-file",
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=_measure,
    help="Write what this run did as Prometheus text.",
)

paths = click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=names_of("file"))

reach = _together(
    option(
        "--api-url",
        metavar="URL",
        default=DEFAULT_API_URL,
        show_default=True,
        callback=one_spelling,
        help="The API, or emulator:FILE.",
    ),
    option("--token-file", metavar="FILE", help="File with the bearer token; else EXOLINK_TOKEN."),
    option("--ca-file", metavar="FILE", help="Certificates to trust instead of the usual ones."),
    option("--contract", metavar="FILE", help="OpenAPI description that replaces the bundled one."),
    option(
        "--parallelism",
        type=click.IntRange(1, 256),
        default=8,
        show_default=True,
        metavar="N",
        help="Requests at a time, 1 to 256.",
    ),
    seconds("--timeout", 60.0, 0.1, "Seconds for one request as a whole."),
    option("--log", metavar="FILE", help="Append a line of JSON for each request: method, path, status, ms, try."),
    option("--verbose", "-v", is_flag=True, help="Print each request on stderr."),
)


def _no_password(ctx: click.Context, parameter: click.Parameter, state: str | None) -> str | None:
    """Refuse a state URL with a password, unless it comes from the environment: other users see the command line."""
    source = ctx.get_parameter_source(parameter.name or "")
    if state is not None and source is ParameterSource.COMMANDLINE:
        from exolink_reconcile.state import database_url

        if database_url.is_database(state) and database_url.has_password(state):
            raise click.BadParameter(
                "every user of this machine can read a password on the command line. Keep the URL in EXOLINK_STATE, or"
                " the password in PGPASSFILE, PGSERVICE or PGPASSWORD."
            )
    return state


state = option(
    "--state",
    metavar="DIR|URL",
    callback=_no_password,
    shell_complete=names_of("dir"),
    help="State folder, by default the user's; or postgresql://HOST/DATABASE, for many machines.",
)

env_allow = option(
    "--env-allow",
    multiple=True,
    metavar="GLOB",
    help="YAML may name these environment variables. Without it: all where CI is not set, else none.",
)

shared = _together(
    reach,
    quiet,
    metrics_file,
    option("--target", multiple=True, metavar="GLOB", help="Only these addresses (TENANT/KIND/NAME)."),
    option("--exclude", multiple=True, metavar="GLOB", help="Not these addresses."),
    option("--prune", is_flag=True, help="Delete what is not declared in what the policy claims as exclusive."),
    option("--allow-replace", multiple=True, metavar="ADDRESS", help="This object may be deleted and made again."),
    option(
        "--allow-deletes",
        type=click.IntRange(min=0),
        metavar="N",
        help="Allow the deletes of this plan: N is their exact number.",
    ),
    option("--allow-shrunk", multiple=True, metavar="TENANT/KIND", help="Accept that this list shrank to nothing."),
    option("--probe", is_flag=True, help="Try each new CPMS url from here: one WebSocket handshake."),
    option(
        "--allow-unreachable",
        multiple=True,
        metavar="ADDRESS",
        help="With --probe: this CPMS may be out of reach from here.",
    ),
    option(
        "--base",
        metavar="PATH",
        shell_complete=names_of("file"),
        help="Another checkout, such as the target branch: tells whose change each difference is.",
    ),
    option(
        "--only",
        type=click.Choice(("edits", "drift")),
        help="Only what this change does, or only what another hand changed (never a delete). Needs a base.",
    ),
    option("--allow-inferred", is_flag=True, help="Send writes that the vendor does not document (chargers)."),
    env_allow,
    state,
    seconds("--lock-timeout", 0.0, 0.0, "Seconds to wait for the lock."),
    seconds("--settle", 90.0, 0.0, "Seconds a write may take to show up."),
)
