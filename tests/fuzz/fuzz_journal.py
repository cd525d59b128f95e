"""Any bytes where the journal stands end in StorageFailed, or in a journal that works; never in anything else.

A journal that opened must do what an apply asks of it, or say StorageFailed; `peek`, which may not write, never fails.
"""

import shutil
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["exolink_reconcile"]):
    from exolink_reconcile.errors import StorageFailed
    from exolink_reconcile.resource import ListKey
    from exolink_reconcile.state import journal

from support import fuzz

ORIGIN = "http://127.0.0.1"
SHM = Path("/dev/shm")
FOLDER = Path(tempfile.mkdtemp(dir=SHM if SHM.is_dir() else None))


def judge(data: bytes) -> None:
    """The rule above, on one input."""
    for path in FOLDER.iterdir():
        path.unlink()
    (FOLDER / "journal.db").write_bytes(data)
    journal.peek(FOLDER, ORIGIN)
    try:
        with journal.Journal(FOLDER, ORIGIN) as opened:
            found = opened.open_intents()
            opened.open_intents(["acme"])
            opened.made_lately(["acme"], 90.0)
            opened.seen()
            opened.saw({ListKey("acme", "cpms"): 1})
            opened.settle_earlier({op.number: "applied" for op in found})
            assert opened.open_intents() == []
            assert opened.seen()[ListKey("acme", "cpms")] == 1
    except StorageFailed as error:
        assert error.summary


try:
    fuzz(judge)
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
