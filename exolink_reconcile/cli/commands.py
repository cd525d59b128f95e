"""Options in, exit code out. Imports what a command needs when the command runs: `--help` must not wait for pydantic."""

import gc
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from exolink_reconcile import __version__
from exolink_reconcile.cli.console import Console, leave
from exolink_reconcile.cli.options import formats, max_size, names_of, option, paths, reach, shared
from exolink_reconcile.codes import Exit

_console = Console()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="exolink-reconcile", message="%(prog)s %(version)s")
def main() -> None:
    """Declare Exolink tenants, CPMS backends and chargers in YAML; plan the difference, apply exactly that.

    Every option has an environment variable: EXOLINK_ and the option's name, such as EXOLINK_API_URL.
    """


@main.command()
@paths
@formats("text", "json", "github", "sarif", "codequality")
@click.pass_context
def validate(ctx: click.Context, /, paths: tuple[str, ...], format: str) -> Exit:
    """Check the YAML, offline.

    In GitHub Actions the problems are shown on their lines too, unless --format says otherwise.
    """
    from exolink_reconcile.cli import checkout
    from exolink_reconcile.desired import desired_state, files
    from exolink_reconcile.errors import InputError
    from exolink_reconcile.kinds import KINDS
    from exolink_reconcile.report import codequality, diagnostics_text, github, sarif, validation_json

    path_from_root = checkout.from_root(os.environ)
    try:
        inputs = files.read(paths, None)
        found, code = desired_state.build(inputs.documents, KINDS, problems=inputs.problems).warnings, Exit.DONE
    except InputError as error:
        found, code = error.diagnostics, error.exit_code
    match format:
        case "json":
            _console.out(validation_json.diagnostics(found))
            return code
        case "sarif":
            _console.out(sarif.diagnostics(found, path_from_root, version=__version__))
            return code
        case "codequality":
            _console.out(codequality.diagnostics(found, path_from_root))
            return code
    by_itself = ctx.get_parameter_source("format") is ParameterSource.DEFAULT and _in_github_actions()
    if format == "github" or by_itself:
        _console.out(github.diagnostics(found, path_from_root))
    _console.err(diagnostics_text.diagnostics(found))
    if code:
        errors = sum(1 for each in found if each.severity == "error")
        _console.err(f"{errors} error{'s' if errors != 1 else ''}.\n")
    else:
        _console.out("Success! The configuration is valid.\n")
    return code


@main.command()
@paths
@shared
@option("--out", metavar="FILE", help="Save the plan, for apply --plan.")
@option("--detailed-exitcode", is_flag=True, help="Exit 2 when the plan has differences.")
@formats("text", "json", "markdown", "github", "html")
@option("--full", is_flag=True, help="Write out long runs of alike changes.")
@max_size
@option("--show-unmanaged", is_flag=True, help="List what is live and not declared.")
def plan(
    out: str | None, detailed_exitcode: bool, format: str, full: bool, max_size: int | None, show_unmanaged: bool,
    **shared: Any,
) -> Exit:  # fmt: skip
    """Show what apply would do."""
    from exolink_reconcile import files, session

    _console.annotating = format == "github"
    options = session.Options(**shared)
    wanted = session.wanted(options, _console, reviewed=False, keep_documents=format == "github")
    with session.connected(options, wanted.contract_text, _console) as api:
        memory = session.memory(options)
        run = wanted.plan(api, memory.seen or {})
    if memory.operations:
        count = len(memory.operations)
        writes = "1 write of an earlier run is" if count == 1 else f"{count} writes of an earlier run are"
        _console.err(f"Note: {writes} not settled (see `unknowns`); apply settles them first.\n")
    document = run.document() if out or format == "json" else ()
    if out:
        files.write(out, document)
    if format == "github":
        _console.out(session.plan_annotations(run.plan, wanted.documents))
    if format == "json":
        _console.out_all(document)
    else:
        shown = session.Shown(format, full, show_unmanaged, max_size)
        _console.out(session.rendered(shown, run.plan, run.digest, options.paths, options.recorded, _console))
    if out:
        _console.err(f"Saved to {out}. To apply exactly this: exolink-reconcile apply --plan {shlex.quote(out)}\n")
    return Exit.DIFFERS if detailed_exitcode and run.plan.differs else Exit.DONE


@main.command()
@paths
@shared
@option("--auto-approve", is_flag=True, help="Do not ask.")
@option(
    "--expect", metavar="DIGEST", help="Apply only the plan with this digest (12 or more hex digits), without asking."
)
@option("--plan", "plan_path", metavar="FILE", help="Apply exactly this saved plan, without asking.")
@formats("text", "json")
@click.pass_context
def apply(
    ctx: click.Context, /, auto_approve: bool, expect: str | None, plan_path: str | None, format: str, **shared: Any
) -> Exit:
    """Plan, ask, apply and verify."""
    from exolink_reconcile import session
    from exolink_reconcile.cli import apply

    ways = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    given = {name for name in shared if shared[name] != () and ctx.get_parameter_source(name) in ways}
    command = apply.Apply(_console, auto_approve, expect, plan_path, format)
    return command.run(session.Options(**shared), given)


@main.command()
@click.argument("planfile", metavar="PLANFILE", shell_complete=names_of("file"))
@formats("text", "json", "markdown", "github", "html", "gitlab")
@option("--full", is_flag=True, help="Write out long runs of alike changes.")
@max_size
def show(planfile: str, format: str, full: bool, max_size: int | None) -> Exit:
    """Render a saved plan."""
    from exolink_reconcile import files, session
    from exolink_reconcile.kinds import KINDS
    from exolink_reconcile.saved_plan import reader

    _console.annotating = format == "github"
    data = files.read_text(planfile, "the plan file")
    saved = reader.read(data)
    if format == "github":
        _console.out(session.plan_annotations(reader.plan(saved, KINDS)))
    if format == "json":
        _console.out(data.decode())
    else:
        shown, plan = session.Shown(format, full, max_size=max_size), reader.plan(saved, KINDS)
        paths = saved.document.exolink.paths
        _console.out(session.rendered(shown, plan, saved.digest, paths, saved.options, _console))
    return Exit.DONE


@main.command()
@click.argument("tenants", nargs=-1, required=True, metavar="TENANT...")
@reach
@option("--out", metavar="FOLDER", help="Write one file a tenant there instead of to stdout.")
def export(tenants: tuple[str, ...], out: str | None, **reach: Any) -> Exit:
    """Write YAML for what is live."""
    from exolink_reconcile import export as exporter
    from exolink_reconcile import files, session
    from exolink_reconcile.desired import desired_state
    from exolink_reconcile.errors import problem
    from exolink_reconcile.kinds import KINDS
    from exolink_reconcile.live import live_state

    for tenant in tenants:
        if not desired_state.is_tenant_name(tenant):
            raise problem("E-NAME", f"`{tenant}` is no tenant's domain prefix")
    contract_text, contract = session.read_contract(reach["contract"])
    listed = [kind for kind in KINDS if contract.offer(kind).list is not None]
    with session.connected(session.Reach(**reach), contract_text, _console) as api:
        live = live_state.read(api, dict.fromkeys(dict.fromkeys(tenants), listed), session.TENANT)
    written, warnings = exporter.tenants({tenant: found.rows for tenant, found in live.tenants.items()}, contract)
    for warning in warnings:
        _console.err(f"warning: {warning}\n")
    if out is None:
        _console.out("---\n".join(written.values()))
        return Exit.DONE
    files.make_folder(out)
    for tenant, text in written.items():
        path = os.path.join(out, f"{tenant}.yaml")
        files.write(path, (text.encode(),), mode=0o644)
        _console.err(f"Wrote {path}\n")
    return Exit.DONE


@main.command()
@option("--forget", metavar="ADDRESS", help="Drop what is open at this address.")
@option("--state", metavar="DIR", help="State folder; by default the user's.")
def unknowns(forget: str | None, state: str | None) -> Exit:
    """List writes whose outcome is still unknown."""
    from exolink_reconcile import session
    from exolink_reconcile.errors import StorageFailed, problem
    from exolink_reconcile.report import result_text, text
    from exolink_reconcile.state.journal import Journal

    def when(seconds: float) -> str:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))

    folder = session.state_folder(state)
    if state is not None and not folder.is_dir():
        raise StorageFailed(
            "E-STORAGE", f"the state folder {state} {'is no folder' if folder.exists() else 'is not there'}"
        )
    count = 0
    if (folder / "journal.db").exists():
        with Journal(folder, "") as journal:
            if forget is None:
                _console.out(result_text.unknowns(journal.open_operations(), when))
                return Exit.DONE
            count = journal.forget(forget)
    elif forget is None:
        _console.out(result_text.unknowns((), when))
        return Exit.DONE
    if not count:
        raise problem("E-TARGET", f"--forget {forget}: nothing is open there")
    _console.out(f"Forgot {count} at {text.value(forget)}.\n")
    return Exit.DONE


@main.command()
@option("--contract", metavar="FILE", help="OpenAPI description that replaces the bundled one.")
def capabilities(contract: str | None) -> Exit:
    """Show what the contract lets us create, update and delete."""
    from exolink_reconcile import session
    from exolink_reconcile.report import capabilities as report

    _console.out(report.capabilities(session.read_contract(contract)[1]))
    return Exit.DONE


@main.command()
@click.argument("which", type=click.Choice(["config", "plan"]))
def schema(which: str) -> Exit:
    """Print the JSON Schema of the YAML or of the plan JSON."""
    from exolink_reconcile import schema as schemas
    from exolink_reconcile.kinds import KINDS

    _console.out(schemas.text(schemas.config(KINDS) if which == "config" else schemas.plan()))
    return Exit.DONE


@main.command()
@option("--listen", default="127.0.0.1:8480", show_default=True, metavar="HOST:PORT", help="Where to listen.")
@option("--database", default="exolink-emulator.db", show_default=True, metavar="FILE", help="Where to keep the data.")
@option("--tenant", multiple=True, metavar="PREFIX", help="A tenant that exists; may be given again.  [default: acme]")
@option("--token", default="dev", show_default=True, help="The development token that requests must carry.")
@option("--contract", metavar="FILE", help="OpenAPI description that replaces the bundled one.")
def emulate(listen: str, database: str, tenant: tuple[str, ...], token: str, contract: str | None) -> Exit:
    """Serve the API locally (SQLite), to try things out."""
    from exolink_reconcile import emulator, session
    from exolink_reconcile.errors import problem

    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise problem("E-LISTEN", f"--listen {listen} is not HOST:PORT")
    tenants = tenant or ("acme",)

    def ready(real_host: str, real_port: int) -> None:
        url = f"http://{real_host}:{real_port}"
        _console.err(f"The emulator listens on {url}, database {database}, tenants {', '.join(tenants)}.\n")
        shown = token if token == "dev" else "..."  # it may come from EXOLINK_TOKEN, and be a real one
        _console.err(f"Try: EXOLINK_TOKEN={shown} exolink-reconcile plan --api-url {url}\n")

    try:
        app = emulator.application(Path(database), session.contract_text(contract), tenants=tenants, token=token)
        emulator.serve(app, host.strip("[]"), int(port), ready=ready)
    except emulator.EmulatorError as error:
        raise problem("E-EMULATOR", str(error)) from None
    except (KeyboardInterrupt, _Terminated):
        pass
    return Exit.DONE


@main.command()
def demo() -> Exit:
    """The whole story on the embedded emulator: plan, apply, plan again, drift, repair."""
    from exolink_reconcile.cli import demo

    return demo.run(_console, exit_code)


def _in_github_actions() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


# ------------------------------------------------------------------------------------------------------- the way it ends


def run(arguments: Sequence[str]) -> NoReturn:
    """Run a command and end the process."""
    # Bulk loading makes millions of objects that live to the end: looking for cycles among them only costs time.
    gc.disable()
    # A thread whose answer has come waits this long for one that is busy with another's: 5 ms would be a quarter of a request.
    sys.setswitchinterval(0.0005)
    code = exit_code(arguments)
    if _console.lost and code in (Exit.DONE, Exit.DIFFERS):
        _console.err(f"error: E-STORAGE: the result could not be written: {_console.lost}.\n")
        code = Exit.STORAGE  # what was asked for could not be shown
    leave(code)


def exit_code(arguments: Sequence[str]) -> Exit:
    """The exit code of a command. Every failure on purpose becomes a message; anything else is a bug and says so."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGHUP, _terminate)
    _console.annotating = False
    try:
        return Exit(main.main(list(arguments), prog_name="exolink-reconcile", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        _console.err(f"{error.format_message()}\n")
        return Exit.INVALID
    except click.UsageError as error:
        _console.err(f"{error.ctx.get_usage()}\n" if error.ctx else "")
        _console.err(f"error: E-USAGE: {error.format_message()}\n")
        return Exit.INVALID
    except _Terminated as error:
        _console.err("\nTerminated. Nothing was written.\n")
        return Exit.of_signal(error.signal)
    except (KeyboardInterrupt, click.Abort):
        _console.err("\nInterrupted. Nothing was written.\n")
        return Exit.INTERRUPTED
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> Exit:
    from exolink_reconcile.errors import InputError, ReconcileError
    from exolink_reconcile.inert import inert
    from exolink_reconcile.report import diagnostics_text

    if _console.annotating and isinstance(error, ReconcileError):
        from exolink_reconcile.cli import checkout
        from exolink_reconcile.report import github

        _console.out(github.failure(error, checkout.from_root(os.environ)))
    if isinstance(error, InputError):
        _console.err(diagnostics_text.diagnostics(error.diagnostics))
        return error.exit_code
    if isinstance(error, ReconcileError):
        _console.err(f"error: {error.code}: {inert(error.summary).rstrip('.?')}.\n")
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
    return Exit.BUG


class _Terminated(BaseException):
    """SIGTERM or SIGHUP outside of an apply."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


def _terminate(number: int, frame: object) -> NoReturn:
    raise _Terminated(number)
