"""A saved plan and the state to a sentence: how many of its steps earlier runs have left."""

import os

from exolink_reconcile.errors import ReconcileError
from exolink_reconcile.inert import inert
from exolink_reconcile.live import connection
from exolink_reconcile.saved_plan.reader import SavedPlan
from exolink_reconcile.state import homes
from exolink_reconcile.state.homes import FolderHome


def left(saved: SavedPlan, state: str | None) -> str:
    """How much of the plan is left, as far as the state knows; empty if it knows no run of the plan."""
    own = saved.document.exolink
    path = own.api_url.removeprefix(connection.EMULATOR)
    if path != own.api_url and not os.path.isfile(path):
        return ""
    try:
        home = homes.home(state, os.environ)
        if isinstance(home, FolderHome) and not os.path.lexists(home.folder):
            return ""
        reading = home.read(connection.origin(own.api_url))
        if reading is None:
            return ""
        with reading as store:
            done = set(map(str, store.done(saved.digest)))
    except ReconcileError as error:
        return f"Note: how much of this plan is left is not known: {inert(error.summary)}."
    if not done:
        return ""
    addresses = [change.address for change in own.changes if change.address not in done]
    first = ", ".join(map(inert, addresses[:3])) + (f" and {len(addresses) - 3} more" if len(addresses) > 3 else "")
    named = f": {first}" if first else ""
    return f"{len(addresses)} of {len(own.changes)} steps left, says {inert(home.where)}{named}."
