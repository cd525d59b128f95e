"""YAML to the base of an API in a state folder, as an apply with nothing to do would leave it.

python -m benchmarks.base URL STATE FILE
"""

import os
import sys
from pathlib import Path

from exolink_reconcile.applying import verified
from exolink_reconcile.desired import desired_state, files
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.state.journal import Journal
from exolink_reconcile.state.store import NewBase


def main(url: str, state: str, path: str) -> None:
    """Keep what the file declares."""
    inputs = files.read([path], os.environ)
    desired = desired_state.build(inputs.documents, KINDS)
    journal = Journal(Path(state), url)
    for tenant in desired.tenants:
        with journal.hold([tenant.name], 0.0, print):
            journal.keep_base(tenant.name, NewBase(verified.declared(tenant)))
    journal.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
