"""A bench for each test: a world of its own, a fault server before it, a scratch folder, and the judges at the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from world import World

from .bench import TOKEN, Bench, twelve
from .server import FaultServer, Lenient


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
