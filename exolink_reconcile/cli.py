"""Options in, exit code out. The only module that prints; it imports what a command needs when the command runs."""

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.core import ParameterSource

from exolink_reconcile import __version__
from exolink_reconcile.console import Console, Progress

if TYPE_CHECKING:  # for the checker alone: these import pydantic or httpx, which --help must not
    from exolink_reconcile.api import Api
    from exolink_reconcile.applier import Stop
    from exolink_reconcile.contract import Contract
    from exolink_reconcile.journal import Journal
    from exolink_reconcile.model import DesiredState, LiveState, Plan, Result
    from exolink_reconcile.planner import Choices

DEFAULT_API_URL = "https://api.exolink.cloud"
_F = TypeVar("_F", bound=Callable[..., Any])
_console = Console()

# The options that shape a plan: they are recorded in a saved plan, and a different one refuses to apply it.
PLAN_OPTIONS = (
    "api_url",
    "contract",
    "target",
    "exclude",
    "prune",
    "allow_replace",
    "allow_deletes",
    "allow_shrunk",
    "allow_inferred",
)


# ------------------------------------------------------------------------------------------------------------- options


class _Lines(click.types.StringParamType):
    """Text; its environment variable holds one value a line."""

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        return [line.strip() for line in rv.splitlines() if line.strip()]


def _option(name: str, *attribute: str, **settings: Any) -> Callable[[_F], _F]:
    """A click option with its environment variable: EXOLINK_ and the option's name."""
    variable = "EXOLINK_" + name.lstrip("-").replace("-", "_").upper()
    if settings.get("multiple"):
        settings["type"] = _Lines()
    return click.option(name, *attribute, envvar=variable, show_envvar=False, **settings)


def _formats(*names: str) -> Callable[[_F], _F]:
    return _option("--format", type=click.Choice(names), default="text", show_default=True, help="How to show it.")


def _together(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    def decorate(function: _F) -> _F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_paths = click.argument("paths", nargs=-1, metavar="[PATH]...")

_shared = _together(
    _option("--api-url", default=DEFAULT_API_URL, show_default=True, help="The API, or emulator:FILE."),
    _option("--token-file", metavar="FILE", help="File with the bearer token; else EXOLINK_TOKEN."),
    _option("--ca-file", metavar="FILE", help="Certificates to trust instead of the usual ones."),
    _option("--contract", metavar="FILE", help="OpenAPI description that replaces the bundled one."),
    _option("--target", multiple=True, metavar="GLOB", help="Only these addresses (TENANT/KIND/NAME)."),
    _option("--exclude", multiple=True, metavar="GLOB", help="Not these addresses."),
    _option("--prune", is_flag=True, help="Delete what is not declared in what the policy claims as exclusive."),
    _option("--allow-replace", multiple=True, metavar="ADDRESS", help="This may be deleted and made again."),
    _option("--allow-deletes", type=click.IntRange(min=0), metavar="N", help="The number of all deletes of the plan."),
    _option("--allow-shrunk", multiple=True, metavar="TENANT/KIND", help="This list may have shrunk to nothing."),
    _option("--allow-inferred", is_flag=True, help="Writes that the contract only infers may be sent."),
    _option("--parallelism", type=click.IntRange(1, 256), default=8, show_default=True, help="Requests at a time."),
    _option("--state", metavar="DIR", help="State folder; by default the user's."),
    _option(
        "--lock-timeout",
        type=click.FloatRange(min=0),
        default=0.0,
        show_default=True,
        metavar="S",
        help="Seconds to wait for the lock.",
    ),
    _option(
        "--settle",
        type=click.FloatRange(min=0),
        default=90.0,
        show_default=True,
        metavar="S",
        help="Seconds a write may take to show up.",
    ),
    _option(
        "--timeout",
        type=click.FloatRange(min=0.1),
        default=60.0,
        show_default=True,
        metavar="S",
        help="Seconds for one request as a whole.",
    ),
)


@dataclass(frozen=True, slots=True)
class Options:
    """The options that plan and apply share, as given."""

    paths: tuple[str, ...]
    api_url: str
    token_file: str | None
    ca_file: str | None
    contract: str | None
    target: tuple[str, ...]
    exclude: tuple[str, ...]
    prune: bool
    allow_replace: tuple[str, ...]
    allow_deletes: int | None
    allow_shrunk: tuple[str, ...]
    allow_inferred: bool
    parallelism: int
    state: str | None
    lock_timeout: float
    settle: float
    timeout: float

    @property
    def recorded(self) -> dict[str, Any]:
        """What a saved plan keeps of them."""
        values = {name: getattr(self, name) for name in PLAN_OPTIONS}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def choices(self, *, reviewed: bool) -> "Choices":
        """The part of them that the planner wants."""
        from exolink_reconcile.planner import Choices

        return Choices(
            self.target, self.exclude, self.prune, self.allow_replace, self.allow_deletes, self.allow_shrunk, reviewed
        )


# ------------------------------------------------------------------------------------------------------------ commands


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="exolink-reconcile", message="%(prog)s %(version)s")
def main() -> None:
    """Declare Exolink tenants, CPMS backends and chargers in YAML; plan the difference, apply exactly that.

    Every option has an environment variable: EXOLINK_ and the option's name, such as EXOLINK_API_URL.
    """


@main.command()
@_paths
@_formats("text", "json")
def validate(paths: tuple[str, ...], format: str) -> int:
    """Check the YAML, offline."""
    from exolink_reconcile import desired_state, files
    from exolink_reconcile.errors import InputError
    from exolink_reconcile.kinds import KINDS
    from exolink_reconcile.report import text, validation_json

    try:
        inputs = files.read(paths, None)
        desired = desired_state.build(inputs.documents, KINDS, problems=inputs.problems)
        found, code = desired.warnings, 0
    except InputError as error:
        found, code = error.diagnostics, error.exit_code
    if format == "json":
        _console.out(validation_json.diagnostics(found))
        return code
    _console.err(text.diagnostics(found))
    errors = sum(1 for each in found if each.severity == "error")
    if code:
        _console.err(f"{errors} error{'s' if errors != 1 else ''}.\n")
    else:
        _console.out("Success! The configuration is valid.\n")
    return code


@main.command()
@_paths
@_shared
@_option("--out", metavar="FILE", help="Save the plan, for apply --plan.")
@_option("--detailed-exitcode", is_flag=True, help="Exit 2 when the plan has differences.")
@_formats("text", "json")
@_option("--full", is_flag=True, help="Write out long runs of alike changes.")
@_option("--show-unmanaged", is_flag=True, help="List what is live and not declared.")
def plan(out: str | None, detailed_exitcode: bool, format: str, full: bool, show_unmanaged: bool, **shared: Any) -> int:
    """Show what apply would do."""
    from exolink_reconcile import connection, journal

    options = Options(**shared)
    wanted = _wanted(options, reviewed=False)
    with wanted.connect() as api:
        memory = journal.peek(_state_folder(options.state), connection.origin(options.api_url))
        run = wanted.plan(api, memory.seen or {})
        if memory.operations:
            _console.err(
                f"{len(memory.operations)} writes of an earlier run are not settled yet (see `unknowns`); apply settles them first.\n"
            )
        document = run.document() if out or format == "json" else ""
        if out:
            from exolink_reconcile import files

            files.write(out, document.encode())
        if format == "json":
            _console.out(document)
        else:
            _console.out(_plan_text(run.plan, run.digest, full=full, show_unmanaged=show_unmanaged))
        if out:
            _console.err(f"Saved to {out}. To apply exactly this: exolink-reconcile apply --plan {out}\n")
        return 2 if detailed_exitcode and run.plan.differs else 0


@main.command()
@_paths
@_shared
@_option("--auto-approve", is_flag=True, help="Do not ask.")
@_option(
    "--expect", metavar="DIGEST", help="Apply only the plan with this digest (12 or more hex digits), without asking."
)
@_option("--plan", "plan_path", metavar="FILE", help="Apply exactly this saved plan, without asking.")
@_formats("text", "json")
@click.pass_context
def apply(
    ctx: click.Context, /, auto_approve: bool, expect: str | None, plan_path: str | None, format: str, **shared: Any
) -> int:
    """Plan, ask, apply and verify."""
    command = _Apply(auto_approve, expect, plan_path, format)
    return command.run(ctx, Options(**shared))


@main.command()
@click.argument("planfile", metavar="PLANFILE")
@_formats("text", "json")
@_option("--full", is_flag=True, help="Write out long runs of alike changes.")
def show(planfile: str, format: str, full: bool) -> int:
    """Render a saved plan."""
    from exolink_reconcile import files, plan_file
    from exolink_reconcile.kinds import KINDS

    data = files.read_text(planfile, "the plan file")
    saved = plan_file.read(data)
    if format == "json":
        _console.out(data.decode())
    else:
        _console.out(_plan_text(plan_file.plan(saved, KINDS), saved.digest, full=full))
    return 0


@main.command()
@click.argument("tenants", nargs=-1, required=True, metavar="TENANT...")
@_option("--api-url", default=DEFAULT_API_URL, show_default=True, help="The API, or emulator:FILE.")
@_option("--token-file", metavar="FILE", help="File with the bearer token; else EXOLINK_TOKEN.")
@_option("--ca-file", metavar="FILE", help="Certificates to trust instead of the usual ones.")
@_option("--contract", metavar="FILE", help="OpenAPI description that replaces the bundled one.")
@_option("--parallelism", type=click.IntRange(1, 256), default=8, show_default=True, help="Requests at a time.")
@_option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    metavar="S",
    help="Seconds for one request as a whole.",
)
@_option("--out", metavar="FOLDER", help="Write one file a tenant there instead of to stdout.")
def export(
    tenants: tuple[str, ...],
    api_url: str,
    token_file: str | None,
    ca_file: str | None,
    contract: str | None,
    parallelism: int,
    timeout: float,
    out: str | None,
) -> int:
    """Write YAML for what is live."""
    from exolink_reconcile import connection, files, live_state
    from exolink_reconcile import export as exporter
    from exolink_reconcile.desired_state import is_tenant_name
    from exolink_reconcile.errors import StorageFailed, problem
    from exolink_reconcile.kinds import KINDS

    for tenant in tenants:
        if not is_tenant_name(tenant):
            raise problem("E-NAME", f"`{tenant}` is no tenant's domain prefix")
    contract_text, offers = _contract(contract)
    with connection.connect(
        api_url,
        token_file=token_file,
        ca_file=ca_file,
        timeout=timeout,
        parallelism=parallelism,
        contract=contract_text,
        environment=os.environ,
    ) as api:
        tenant_kind = next(kind for kind in KINDS if kind.entries is None)
        listed = [kind for kind in KINDS if offers.offer(kind).list is not None]
        live = live_state.read(api, dict.fromkeys(dict.fromkeys(tenants), listed), tenant_kind)
    written = []
    for tenant, found in live.tenants.items():
        text, warnings = exporter.tenant(tenant, {kind: found.rows.get(kind, ()) for kind in KINDS}, offers)
        written.append((tenant, text))
        for warning in warnings:
            _console.err(f"warning: {warning}\n")
    if out is None:
        _console.out("---\n".join(text for _, text in written))
        return 0
    try:
        os.makedirs(out, exist_ok=True)
    except OSError as error:
        raise StorageFailed("E-STORAGE", f"the folder {out} cannot be made: {error.strerror}") from None
    for tenant, text in written:
        files.write(os.path.join(out, f"{tenant}.yaml"), text.encode(), mode=0o644)
        _console.err(f"Wrote {os.path.join(out, tenant)}.yaml\n")
    return 0


@main.command()
@_option("--forget", metavar="ADDRESS", help="Drop what is open at this address.")
@_option("--state", metavar="DIR", help="State folder; by default the user's.")
def unknowns(forget: str | None, state: str | None) -> int:
    """List writes whose outcome is still unknown."""
    from exolink_reconcile.errors import problem
    from exolink_reconcile.journal import Journal
    from exolink_reconcile.report import text

    folder = _state_folder(state)
    if not (folder / "journal.db").exists():
        if forget is not None:
            raise problem("E-TARGET", f"--forget {forget}: nothing is open there")
        _console.out(text.unknowns((), _local_time))
        return 0
    with Journal(folder, "") as journal:
        if forget is None:
            _console.out(text.unknowns(journal.open_operations(), _local_time))
        elif count := journal.forget(forget):
            _console.out(f"Forgot {count} at {text.value(forget)}.\n")
        else:
            raise problem("E-TARGET", f"--forget {forget}: nothing is open there")
    return 0


@main.command()
@_option("--contract", metavar="FILE", help="OpenAPI description that replaces the bundled one.")
def capabilities(contract: str | None) -> int:
    """Show what the contract lets us create, update and delete."""
    from exolink_reconcile.report import capabilities as report

    _console.out(report.capabilities(_contract(contract)[1]))
    return 0


@main.command()
@click.argument("which", type=click.Choice(["config", "plan"]))
def schema(which: str) -> int:
    """Print the JSON Schema of the YAML or of the plan JSON."""
    from exolink_reconcile import schema as schemas
    from exolink_reconcile.kinds import KINDS

    _console.out(schemas.text(schemas.config(KINDS) if which == "config" else schemas.plan()))
    return 0


@main.command()
@_option("--listen", default="127.0.0.1:8480", show_default=True, metavar="HOST:PORT", help="Where to listen.")
@_option("--database", default="exolink-emulator.db", show_default=True, metavar="FILE", help="Where to keep the data.")
@_option("--tenant", multiple=True, metavar="PREFIX", help="A tenant that exists; may be given again.  [default: acme]")
@_option("--token", default="dev", show_default=True, help="The development token that requests must carry.")
@_option("--contract", metavar="FILE", help="OpenAPI description that replaces the bundled one.")
def emulate(listen: str, database: str, tenant: tuple[str, ...], token: str, contract: str | None) -> int:
    """Serve the API locally (SQLite), to try things out."""
    from exolink_reconcile import emulator
    from exolink_reconcile.errors import problem

    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise problem("E-LISTEN", f"--listen {listen} is not HOST:PORT")
    tenants = tenant or ("acme",)

    def ready(real_host: str, real_port: int) -> None:
        _console.err(
            f"The emulator listens on http://{real_host}:{real_port}, database {database}, tenants {', '.join(tenants)}.\n"
            f"Try: EXOLINK_TOKEN={token} exolink-reconcile plan --api-url http://{real_host}:{real_port}\n"
        )

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app = emulator.application(Path(database), _contract_text(contract), tenants=tenants, token=token)
        emulator.serve(app, host.strip("[]"), int(port), ready=ready)
    except emulator.EmulatorError as error:
        raise problem("E-EMULATOR", str(error)) from None
    except (KeyboardInterrupt, _Terminated):
        pass
    return 0


@main.command()
def demo() -> int:
    """The whole story on the embedded emulator: plan, apply, plan again, drift, repair."""
    from exolink_reconcile import demonstration

    return demonstration.run(_console, _exit_code)


# --------------------------------------------------------------------------------------------------------- preparation


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Everything up to the plan: read, compared, decided; nothing written."""

    options: Options
    desired: "DesiredState"
    contract: "Contract"
    live: "LiveState"
    api: "Api"
    plan: "Plan"
    digest: str

    def document(self) -> str:
        """The plan as JSON, as it is shown and saved."""
        from exolink_reconcile.report import plan_json

        return plan_json.plan(
            self.plan,
            config_digest=self.desired.config_digest,
            paths=self.options.paths,
            options=self.options.recorded,
        )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the files and options want, before anything was sent."""

    options: Options
    desired: "DesiredState"
    contract: "Contract"
    contract_text: str
    choices: "Choices"

    @contextmanager
    def connect(self) -> "Iterator[Api]":
        """The API of the options."""
        from exolink_reconcile import connection

        options = self.options
        with connection.connect(
            options.api_url, token_file=options.token_file, ca_file=options.ca_file, timeout=options.timeout,
            parallelism=options.parallelism, contract=self.contract_text, environment=os.environ,
        ) as api:  # fmt: skip
            if api.proxy:
                _console.err(f"Going through the proxy {api.proxy_host}.\n")
            yield api

    def plan(self, api: "Api", seen: Mapping[tuple[str, str], int]) -> _Prepared:
        """Read the live state, compare, decide."""
        from exolink_reconcile import differ, digest, live_state, planner
        from exolink_reconcile.kinds import KINDS

        tenant_kind = next(kind for kind in KINDS if kind.entries is None)
        can_create = self.contract.offer(tenant_kind).create is not None
        lists = planner.wanted(self.desired, self.choices)
        live = live_state.read(api, lists, tenant_kind, absent_ok=can_create)
        changes = differ.diff(self.desired, live)
        plan = planner.plan(changes, self.desired, self.contract, self.choices, self.options.api_url, seen)
        return _Prepared(self.options, self.desired, self.contract, live, api, plan, digest.of_plan(plan))


def _wanted(options: Options, *, reviewed: bool) -> _Wanted:
    from exolink_reconcile import contract as contracts
    from exolink_reconcile import desired_state, files, planner
    from exolink_reconcile.kinds import KINDS
    from exolink_reconcile.report import text

    inputs = files.read(options.paths, os.environ)
    desired = desired_state.build(inputs.documents, KINDS, config_digest=inputs.digest, problems=inputs.problems)
    _console.err(text.diagnostics(desired.warnings))
    contract_text, contract = _contract(options.contract)
    contracts.check(contract, desired)
    choices = options.choices(reviewed=reviewed)
    planner.check_choices(desired, choices)
    return _Wanted(options, desired, contract, contract_text, choices)


def _state_folder(state: str | None) -> "Path":
    from exolink_reconcile import journal

    return Path(state) if state else journal.default_folder(os.environ)


def _contract(path: str | None) -> "tuple[str, Contract]":
    from exolink_reconcile import contract as contracts
    from exolink_reconcile.kinds import KINDS

    text = _contract_text(path)
    return text, contracts.parse(text, KINDS, name=path or "the bundled contract")


def _contract_text(path: str | None) -> str:
    from exolink_reconcile import files
    from exolink_reconcile.errors import problem

    if path is None:
        return files.bundled("exolink-api.openapi.yaml")
    try:
        return files.read_text(path, "the contract").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise problem("E-CONTRACT", f"{path} is not UTF-8") from None


def _plan_text(plan: "Plan", digest: str, *, full: bool = False, show_unmanaged: bool = False) -> str:
    from exolink_reconcile.report import text

    shown = text.plan(plan, digest, full=full, width=_console.width, show_unmanaged=show_unmanaged)
    return text.colour(shown) if _console.colours else shown


# --------------------------------------------------------------------------------------------------------------- apply


@dataclass(frozen=True, slots=True)
class _Apply:
    """The apply command: how it was approved, and how it shows itself."""

    auto_approve: bool
    expect: str | None
    plan_path: str | None
    format: str

    @property
    def reviewed(self) -> bool:
        """Whether somebody approved a certain plan beforehand."""
        return self.expect is not None or self.plan_path is not None

    def run(self, ctx: click.Context, options: Options) -> int:
        """The whole command, with its last JSON line on every ending."""
        from exolink_reconcile.errors import ReconcileError

        if self.format != "json":
            return self._run(ctx, options)
        from exolink_reconcile.report import apply_json

        _console.out(apply_json.version(__version__))
        try:
            return self._run(ctx, options)
        except ReconcileError as error:
            _console.out(apply_json.failure(error))
            _console.out(apply_json.ending((0, 0, 0), error.exit_code, {}))
            raise

    def _run(self, ctx: click.Context, options: Options) -> int:
        from exolink_reconcile import plan_file
        from exolink_reconcile.errors import problem

        self._check_approval()
        saved = None
        if self.plan_path is not None:
            from exolink_reconcile import files

            saved = plan_file.read(files.read_text(self.plan_path, "the plan file"))
            options = _recorded_options(ctx, options, saved)
        if self.expect is not None and not _is_digest(self.expect):
            raise problem("E-USAGE", "--expect takes a digest or its first 12 or more hex digits")
        wanted = _wanted(options, reviewed=self.reviewed)
        with wanted.connect() as api, _locked(wanted) as journal:
            run, blind = _settled_plan(wanted, api, journal)
            if saved is not None:
                plan_file.check(saved, run.plan, run.desired, run.live)
            if self.expect is not None:
                plan_file.check_digest(run.plan, self.expect.lower())
            self._show(run)
            self._check_rails(run)
            journal.saw(_counts(run.live))
            if not run.plan.waves:
                return self._nothing_to_do(run, blind)
            self._approve(run)
            return self._apply(run, journal, blind)

    def _check_approval(self) -> None:
        from exolink_reconcile.errors import problem

        if self.expect is not None and self.plan_path is not None:
            raise problem("E-USAGE", "--expect and --plan are two ways to say the same; give one")
        if not (self.auto_approve or self.reviewed or _console.can_ask):
            raise problem("E-NO-APPROVAL", "there is no terminal to ask, and no --auto-approve, --plan or --expect")
        if self.format == "json" and not (self.auto_approve or self.reviewed):
            raise problem("E-NO-APPROVAL", "--format json asks nobody: give --auto-approve, --plan or --expect")

    def _show(self, run: _Prepared) -> None:
        if self.format == "json":
            from exolink_reconcile.report import apply_json

            _console.out(apply_json.plan(run.plan, run.digest))
        else:
            _console.out(_plan_text(run.plan, run.digest))

    def _check_rails(self, run: _Prepared) -> None:
        from exolink_reconcile import connection
        from exolink_reconcile.errors import PlanRefused

        if run.plan.refusals:
            first = run.plan.refusals[0]
            raise PlanRefused(first.code, f"{first.summary}. Nothing was written")
        inferred = next((step for step in run.plan.steps if step.inferred), None)
        if (
            inferred is not None
            and not run.options.allow_inferred
            and not connection.is_safe_ground(run.options.api_url)
        ):
            raise PlanRefused(
                "E-INFERRED",
                f"{inferred.action.word} of a {inferred.kind.kind} ({inferred.address}) is inferred, not documented: give --allow-inferred, or a --contract in which it is documented. Nothing was written",
            )

    def _nothing_to_do(self, run: _Prepared, blind: Mapping[tuple[str, str], str]) -> int:
        code = 9 if blind else 5 if run.plan.held_back else 0
        if self.format == "json":
            from exolink_reconcile.report import apply_json

            _console.out(apply_json.ending((0, 0, 0), code, {"held back": len(run.plan.held_back)}))
        elif code:
            _console.err("Nothing was written: what differs is held back. See the ways out above.\n")
        return code

    def _approve(self, run: _Prepared) -> None:
        from exolink_reconcile.errors import PlanRefused

        if self.auto_approve or self.reviewed:
            return
        question = f"Do you want to do this at {run.options.api_url}?\n  Only `yes` will be accepted: "
        if _console.ask(question) != "yes":
            raise PlanRefused("E-NOT-APPROVED", "not approved. Nothing was written")

    def _apply(self, run: _Prepared, journal: "Journal", blind: Mapping[tuple[str, str], str]) -> int:
        from exolink_reconcile import applier
        from exolink_reconcile.report import apply_json, text

        stop = applier.Stop()
        progress = Progress(_console, sum(1 for _ in run.plan.steps))

        def sent(step: Any) -> None:
            if self.format == "json":
                _console.out(apply_json.started(step))
            progress.step(f"{step.action.word} {text.value(str(step.address))}")

        settings = applier.Settings(settle=run.options.settle, record=journal, blind=blind, sent=sent)
        journal.digest = run.digest
        journal.started(progress.total)
        with _signals(stop):
            result = applier.apply(run.plan, run.desired, run.contract, run.api, stop, settings)
        progress.end()
        code = _remember(journal, result, _code_of(result, run.plan, stop))
        if self.format == "json":
            counts = {
                status: sum(1 for o in result.outcomes if o.status.value == status)
                for status in ("done", "failed", "unknown", "skipped")
            }
            _console.out(apply_json.result(result))
            _console.out(apply_json.ending(result.totals, code, {**counts, "held back": len(run.plan.held_back)}))
        else:
            _console.out(text.result(result, run.plan))
        if stop.signal:
            _leave(code)  # a thread may still wait for an answer: nobody waits for it
        return code


@contextmanager
def _locked(wanted: _Wanted) -> "Iterator[Journal]":
    """The journal, with the tenants of the run locked: before anything is read."""
    from exolink_reconcile import connection, lock, planner
    from exolink_reconcile.journal import Journal

    options = wanted.options
    folder = _state_folder(options.state)
    origin = connection.origin(options.api_url)
    with Journal(folder, origin) as journal:
        if journal.is_new and os.environ.get("CI"):
            _console.err(
                f"The state folder {folder} is new: writes of an earlier run that got no answer are not remembered."
                " Keep it between runs (docs/state.md).\n"
            )
        tenants = planner.wanted(wanted.desired, wanted.choices)
        with lock.hold(folder, origin, tenants, options.lock_timeout):
            yield journal


def _settled_plan(wanted: _Wanted, api: "Api", journal: "Journal") -> tuple[_Prepared, dict[tuple[str, str], str]]:
    """The plan, after what earlier runs left open is settled; and the creates that a blind list keeps open."""
    from exolink_reconcile import planner, recovery
    from exolink_reconcile.kinds import KINDS

    operations = journal.open_operations(planner.wanted(wanted.desired, wanted.choices))
    if operations:
        recovery.wait(api, operations, KINDS, wanted.options.settle, lambda text: _console.err(f"{text}\n"))
    seen = journal.seen()
    for op in operations:
        place = (op.address.tenant, op.address.kind)
        if op.action in ("delete", "replace") and place in seen:
            seen[place] -= 1  # our own delete, of a run that could not tell any more: no list has shrunk by itself
    run = wanted.plan(api, seen)
    settled = recovery.judge(operations, run.live, KINDS)
    if settled.outcomes:
        journal.settle_earlier(settled.outcomes)
        _console.err(f"{settled.sentence}\n")
    return run, {(op.address.tenant, op.address.kind): str(op.address) for op in settled.blind}


def _counts(live: "LiveState") -> dict[tuple[str, str], int]:
    return {
        (name, kind.kind): len(rows)
        for name, tenant in live.tenants.items()
        for kind, rows in tenant.rows.items()
        if tenant.exists
    }


def _remember(journal: "Journal", result: "Result", code: int) -> int:
    """Put the end of the run on record; a record that fails now is the exit code, the writes are done."""
    from exolink_reconcile.errors import MOST_CARE_FIRST, StorageFailed

    try:
        journal.saw(result.live_counts)
        journal.ended(code, result.totals)
    except StorageFailed as error:
        _console.err(f"error: {error.code}: {error.summary}.\n")
        return min((code, error.exit_code), key=(*MOST_CARE_FIRST, 143, 130, 0).index)
    return code


def _code_of(result: "Result", plan: "Plan", stop: "Stop") -> int:
    """The exit code that asks for the most care."""
    from exolink_reconcile.errors import MOST_CARE_FIRST

    codes = {*result.exit_codes, *((5,) if plan.held_back or result.left else ())}
    if stop.signal and 9 not in codes:
        return 128 + stop.signal
    return min(codes, key=MOST_CARE_FIRST.index, default=0)


def _local_time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _is_digest(text: str) -> bool:
    return 12 <= len(text) <= 64 and all(character in "0123456789abcdefABCDEF" for character in text)


def _recorded_options(ctx: click.Context, given: Options, saved: Any) -> Options:
    """The options of a saved plan; one that was given now and is different refuses.

    Raises:
        PlanStale: naming the option.

    """
    from dataclasses import replace

    from exolink_reconcile.errors import PlanStale

    recorded: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in saved.options.items()}
    recorded = {name: value for name, value in recorded.items() if name in PLAN_OPTIONS}
    recorded["paths"] = tuple(saved.document.exolink.paths)
    for name, value in recorded.items():
        was_given = ctx.get_parameter_source(name) in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
        if was_given and getattr(given, name) != value and (name != "paths" or given.paths):
            option = "PATH" if name == "paths" else "--" + name.replace("_", "-")
            raise PlanStale(
                "E-STALE", f"the plan was made with another {option}; leave it out, or make a new plan with it"
            )
    return replace(given, **recorded)


# ------------------------------------------------------------------------------------------------------- the way it ends


def run(arguments: Sequence[str]) -> NoReturn:
    """Run a command and end the process."""
    # Bulk loading makes millions of objects that live to the end: looking for cycles among them only costs time.
    gc.disable()
    code = _exit_code(arguments)
    if code >= 128:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """End now: threads that wait for an answer are not waited for."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _exit_code(arguments: Sequence[str]) -> int:
    """The exit code of a command. Every failure on purpose becomes a message; anything else is a bug and says so."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(main.main(list(arguments), prog_name="exolink-reconcile", standalone_mode=False) or 0)
    except click.UsageError as error:
        _console.err(f"{error.ctx.get_usage()}\n" if error.ctx else "")
        _console.err(f"error: E-USAGE: {error.format_message()}\n")
        return 3
    except click.ClickException as error:
        _console.err(f"error: E-USAGE: {error.format_message()}\n")
        return 3
    except _Terminated:
        _console.err("\nTerminated. Nothing was written.\n")
        return 143
    except (KeyboardInterrupt, click.Abort):
        _console.err("\nInterrupted. Nothing was written.\n")
        return 130
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> int:
    from exolink_reconcile.errors import InputError, ReconcileError
    from exolink_reconcile.inert import inert
    from exolink_reconcile.report import text

    if isinstance(error, InputError):
        _console.err(text.diagnostics(error.diagnostics))
        return error.exit_code
    if isinstance(error, ReconcileError):
        _console.err(f"error: {error.code}: {inert(error.summary)}.\n")
        return error.exit_code
    # Where, but no values: a local may hold a token.
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else "?"
    _console.err(
        f"error: E-BUG: this is a bug in exolink-reconcile {__version__}: {type(error).__name__} at {where}.\n"
    )
    _console.err("Run plan to see what is live, and please report it with the command you ran.\n")
    return 1


class _Terminated(BaseException):
    """SIGTERM outside of an apply."""


def _interrupt(number: int, frame: object) -> NoReturn:
    raise _Terminated


@contextmanager
def _signals(stop: "Stop") -> Iterator[None]:
    """During an apply SIGINT and SIGTERM only ask: no new write, what is in flight may end."""

    def ask(number: int, frame: object) -> None:
        stop.ask(number)
        _console.err("\nStopping: no new write starts; waiting up to 5 s for what is in flight.\n")

    before: Mapping[int, Any] = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
