"""The emulate command: the API served on this machine, to try things out."""

from pathlib import Path

import click

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.ending import Terminated
from exolink_reconcile.cli.options import option
from exolink_reconcile.codes import Exit


@click.command()
@option("--listen", default="127.0.0.1:8480", show_default=True, metavar="HOST:PORT", help="Where to listen.")
@option("--database", default="exolink-emulator.db", show_default=True, metavar="FILE", help="Where to keep the data.")
@option("--tenant", multiple=True, metavar="PREFIX", help="A tenant that exists; may be given again.  [default: acme]")
@option("--token", default="dev", show_default=True, help="The development token that requests must carry.")
@option("--contract", metavar="FILE", help="OpenAPI description that replaces the bundled one.")
def emulate(listen: str, database: str, tenant: tuple[str, ...], token: str, contract: str | None) -> Exit:
    """Serve the API locally (SQLite), to try things out."""
    from exolink_reconcile import emulator, pipeline
    from exolink_reconcile.errors import problem

    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise problem("E-LISTEN", f"--listen {listen} is not HOST:PORT")
    tenants = tenant or ("acme",)

    def ready(real_host: str, real_port: int) -> None:
        url = f"http://{real_host}:{real_port}"
        CONSOLE.err(f"The emulator listens on {url}, database {database}, tenants {', '.join(tenants)}.\n")
        shown = token if token == "dev" else "..."  # it may come from EXOLINK_TOKEN, and be a real one
        CONSOLE.err(f"Try: EXOLINK_TOKEN={shown} exolink-reconcile plan --api-url {url}\n")

    try:
        app = emulator.application(Path(database), pipeline.contract_text(contract), tenants=tenants, token=token)
        emulator.serve(app, host.strip("[]"), int(port), ready=ready)
    except emulator.EmulatorError as error:
        raise problem("E-EMULATOR", str(error)) from None
    except (KeyboardInterrupt, Terminated):
        pass
    return Exit.DONE
