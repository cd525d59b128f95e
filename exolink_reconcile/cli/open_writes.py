"""Writes that are still open: to list them, and to drop one."""

from exolink_reconcile.cli.console import Console
from exolink_reconcile.errors import problem
from exolink_reconcile.model import Intent
from exolink_reconcile.planning import choices
from exolink_reconcile.resource import Address
from exolink_reconcile.state.homes import Home


def read(home: Home, origin: str | None) -> tuple[list[Intent], set[int]]:
    """The open writes, of one API or of all; and the numbers of those that an apply is working on right now."""
    reading = home.read()
    if reading is None:
        return [], set()
    with reading as store:
        intents = [op for op in store.open_intents() if origin in (None, op.origin)]
        at_work = {(lease.origin, lease.tenant, lease.run) for lease in store.leases()}
    return intents, {op.number for op in intents if (op.origin, op.address.tenant, op.run) in at_work}


def forget(console: Console, home: Home, intents: list[Intent], address: str) -> int:
    """Drop the open writes at an address of one API, while no apply of its tenant works; returns how many there were."""
    parsed = Address.parse(address)
    origins = sorted({op.origin for op in intents if op.address == parsed})
    if parsed is None or not origins:
        hint = choices.nearest(address, (str(op.address) for op in intents))
        raise problem("E-TARGET", f"--forget {address}: nothing is open there", hint)
    if len(origins) > 1:
        names = ", ".join(origins)
        raise problem("E-USAGE", f"--forget {address}: it is open at several APIs ({names}). Name one with --api-url")
    with home.open(origins[0]) as store, store.hold([parsed.tenant], 0.0, console.err):
        forgotten = [op for op in store.open_intents([parsed.tenant]) if op.address == parsed]
        store.forget(forgotten)
    return len(forgotten)
