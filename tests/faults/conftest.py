"""A bench for each test: a world of its own, a fault server before it, a scratch folder, and the judges at the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from world import World

from .bench import TOKEN, Bench, twelve
from .server import FaultServer, Lenient

# The key fault runs, which `make test` includes; every other row test belongs to `make test-long`.
KEY_ROWS = (
    "test_row_01_a_create_that_timed_out[0]", "test_row_03_", "test_row_07_", "test_row_08_throttled[1]", "test_row_12_",
    "test_row_13_", "test_row_14_", "test_row_16_", "test_row_19_", "test_row_20_", "test_row_22_", "test_row_23_",
    "test_row_24_", "test_row_27_", "test_row_33_redirect[307]", "test_row_35_", "test_row_42_",
    "test_row_47_two_applies", "test_row_48_", "test_row_49_", "test_row_50_interrupted_in_flight[2]", "test_row_54_", "test_row_55_", "test_row_57_a_torn",
    "test_row_60_", "test_row_64_", "test_row_A8_", "test_row_C1_", "test_row_C5_", "test_row_A9_", "test_row_A13_", "test_row_66_", "test_row_67_", "test_row_83_", "test_row_91_",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the rows that are not key to the long run."""
    for item in items:
        if item.name.startswith("test_row_") and "faults" in item.path.parts and not item.name.startswith(KEY_ROWS):
            item.add_marker(pytest.mark.long)


@pytest.fixture
def start_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Start benches with worlds of their own: `start_bench(tenants=("acme", "beta"), world=World)`."""
    benches: list[Bench] = []
    with ExitStack() as stack:

        def start(tenants: tuple[str, ...] = ("acme",), *, world: type[World] = Lenient, **options: Any) -> Bench:
            folder = tmp_path / f"bench{len(benches)}"
            (folder / "home").mkdir(parents=True)
            server = stack.enter_context(FaultServer(world(tenants, TOKEN), **options))
            benches.append(Bench(folder, server))
            return benches[-1]

        yield start
        for bench in benches:
            bench.judge()


@pytest.fixture
def bench(start_bench: Callable[..., Bench]) -> Bench:
    """The command, and an empty tenant acme."""
    return start_bench()


@pytest.fixture
def planned(bench: Bench) -> Bench:
    """The command, a world, and a file with 12 steps between them."""
    return twelve(bench)
