"""What is live of some tenants to text: YAML, or the chargers of one as CSV. It shows the warnings."""

from collections.abc import Iterable, Sequence

from exolink_reconcile import export as exporter
from exolink_reconcile import pipeline
from exolink_reconcile.cli import start
from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.options import ApiOptions
from exolink_reconcile.desired import desired_state
from exolink_reconcile.errors import problem
from exolink_reconcile.inert import inert
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import live_state


def check_names(tenants: Iterable[str]) -> None:
    """Refuse what cannot be the name of a tenant. Raises InputError."""
    for tenant in tenants:
        if not desired_state.is_tenant_name(tenant):
            raise problem("E-NAME", f"`{tenant}` is not a tenant's domain prefix")


def read(tenants: Sequence[str], format: str, options: ApiOptions) -> dict[str, str]:
    """The text of each tenant. Raises InputError, ApiError."""
    contract_text, contract = pipeline.read_contract(options.contract)
    charger = next(kind for kind in KINDS if kind.entries == "chargers")
    kinds = (pipeline.TENANT, charger) if format == "csv" else KINDS
    listed = [kind for kind in kinds if contract.offer(kind).list is not None]
    with start.connected(options, contract_text, CONSOLE) as api:
        live = live_state.read(api, dict.fromkeys(tenants, listed), pipeline.TENANT)
    if format == "csv":
        [tenant] = tenants
        text, warnings = exporter.table(tenant, charger, live.tenants[tenant].rows.get(charger, ()), contract)
        texts = {tenant: text}
    else:
        texts, warnings = exporter.tenants({name: tenant.rows for name, tenant in live.tenants.items()}, contract)
    for warning in warnings:
        CONSOLE.err(f"warning: {inert(warning)}\n")
    return texts
