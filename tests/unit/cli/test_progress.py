"""Progress of an apply: it ends with the apply, however that ends."""

import threading
from pathlib import Path

from support_apply import Runs
from support_pipeline import document
from world import World


def test_no_progress_after_the_end(tmp_path: Path) -> None:
    """Where an apply breaks off, nothing goes on to draw over the error."""
    runs = Runs(tmp_path / "state", World())
    runs.world.before_request = lambda index, method, path: runs.kill() if method == "POST" else None
    assert runs.apply(document("acme", chargers=[{"identity": "CP-1", "displayName": "L", "profileId": 1}])) is None
    assert [thread.name for thread in threading.enumerate() if thread.name == "progress"] == []
