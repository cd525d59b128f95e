"""The export command: what is live to YAML."""

import os
from typing import Any

import click

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.options import ApiOptions, option, reach
from exolink_reconcile.codes import Exit


@click.command()
@click.argument("tenants", nargs=-1, required=True, metavar="TENANT...")
@reach
@option("--out", metavar="FOLDER", help="Write one file a tenant there instead of to stdout.")
def export(tenants: tuple[str, ...], out: str | None, **reach: Any) -> Exit:
    """Write YAML for what is live."""
    from exolink_reconcile import export as exporter
    from exolink_reconcile import files, pipeline
    from exolink_reconcile.cli import start
    from exolink_reconcile.desired import desired_state
    from exolink_reconcile.errors import problem
    from exolink_reconcile.kinds import KINDS
    from exolink_reconcile.live import live_state

    for tenant in tenants:
        if not desired_state.is_tenant_name(tenant):
            raise problem("E-NAME", f"`{tenant}` is not a tenant's domain prefix")
    options = ApiOptions(**reach)
    contract_text, contract = pipeline.read_contract(options.contract)
    listed = [kind for kind in KINDS if contract.offer(kind).list is not None]
    with start.connected(options, contract_text, CONSOLE) as api:
        live = live_state.read(api, dict.fromkeys(dict.fromkeys(tenants), listed), pipeline.TENANT)
    texts, warnings = exporter.tenants({name: tenant.rows for name, tenant in live.tenants.items()}, contract)
    for warning in warnings:
        CONSOLE.err(f"warning: {warning}\n")
    if out is None:
        CONSOLE.out("---\n".join(texts.values()))
        return Exit.DONE
    files.make_folder(out)
    for tenant, text in texts.items():
        path = os.path.join(out, f"{tenant}.yaml")
        files.write(path, (text.encode(),), mode=0o644)
        CONSOLE.err(f"Wrote {path}\n")
    return Exit.DONE
