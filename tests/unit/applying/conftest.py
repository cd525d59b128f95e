"""A world that lets two chargers have one identity, and runs of apply over it."""

from pathlib import Path

import pytest
from support_apply import Lenient, Runs
from world import World


@pytest.fixture
def world() -> World:
    return Lenient()


@pytest.fixture
def runs(tmp_path: Path, world: World) -> Runs:
    return Runs(tmp_path / "state", world)
