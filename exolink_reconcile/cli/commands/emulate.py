"""The emulate command: the API served on this machine, to try things out."""

import shlex
from pathlib import Path

import click
from click.core import ParameterSource

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import option
from exolink_reconcile.cli.signals import Interrupted
from exolink_reconcile.codes import Exit

_DEFAULT_TOKEN = "dev"


@command("emulate --tenant acme --token dev")
@option("--listen", default="127.0.0.1:8480", show_default=True, metavar="HOST:PORT", help="Where to listen.")
@option("--database", default="exolink-emulator.db", show_default=True, metavar="FILE", help="Where to keep the data.")
@option("--tenant", multiple=True, metavar="PREFIX", help="A tenant that exists; may be given again.  [default: acme]")
@option("--token", default=_DEFAULT_TOKEN, show_default=True, help="The development token that requests must carry.")
@option("--contract", metavar="FILE", help="OpenAPI description that replaces the bundled one.")
def emulate(listen: str, database: str, tenant: tuple[str, ...], token: str, contract: str | None) -> Exit:
    """Serve the API locally (SQLite), to try things out."""
    from exolink_reconcile import emulator, pipeline
    from exolink_reconcile.desired import desired_state
    from exolink_reconcile.errors import problem
    from exolink_reconcile.inert import inert
    from exolink_reconcile.live.urls import is_loopback

    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not host or not (port.isascii() and port.isdigit()) or int(port[:6]) > 65535:
        raise problem("E-LISTEN", f"--listen {listen} is not HOST:PORT")
    if token == _DEFAULT_TOKEN and not is_loopback(host):
        raise problem(
            "E-LISTEN",
            f"{host} can be reached from other machines, and everybody knows the token `{token}`: give --token",
        )
    tenants = tenant or ("acme",)
    for name in tenants:
        if not desired_state.is_tenant_name(name):
            raise problem(
                "E-USAGE",
                f"--tenant {name} is not a domain prefix: it has letters, digits, `-`, `_` and `.`, and starts with a letter"
                " or digit",
            )

    def ready(real_host: str, real_port: int) -> None:
        url = _url(real_host, real_port)
        CONSOLE.err(inert(f"The emulator listens on {url}, database {database}, tenants {', '.join(tenants)}.") + "\n")
        reachable = _url({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(real_host, real_host), real_port)
        if is_loopback(reachable.removeprefix("http://").rpartition(":")[0].strip("[]")):
            CONSOLE.err(inert(f"Try: {_token_variable(token)}exolink-reconcile plan --api-url {reachable}") + "\n")
        else:
            CONSOLE.err("plan and apply take http:// for this machine only: elsewhere, put TLS in front of it.\n")

    try:
        app = emulator.application(Path(database), pipeline.contract_text(contract), tenants=tenants, token=token)
        emulator.serve(app, host, int(port), ready=ready)
    except emulator.EmulatorError as error:
        raise problem("E-EMULATOR", str(error)) from None
    except Interrupted:
        pass
    return Exit.DONE


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _token_variable(token: str) -> str:
    """The prefix for a command that needs the token; empty if the token is from the environment: it may be a real one."""
    source = click.get_current_context().get_parameter_source("token")
    return "" if source is ParameterSource.ENVIRONMENT else f"EXOLINK_TOKEN={shlex.quote(token)} "
