"""Many processes that share a state: kills, a database that restarts."""

import contextlib
import random
import threading
from collections.abc import Callable

import postgres_server
import pytest

from .bench import Bench, Ran, fleet
from .server import duplicates


def soak(start_bench: Callable[..., Bench], seed: int, applies: int, *, processes: int = 8) -> None:
    """So many applies on two tenants by so many processes at a time, a third of them killed, the database restarted."""
    choice, counting = random.Random(seed), threading.Lock()
    bench = start_bench(tenants=("acme", "beta"))
    with postgres_server.own_server() as server:
        bench.state_url = server.url(server.new_database())
        for tenant in ("acme", "beta"):
            for version in range(3):
                bench.write(f"{tenant}{version}.yaml", fleet(4 + 3 * version, tenant=tenant))
        left, ran = [applies], list[Ran]()

        def work() -> None:
            while True:
                with counting:
                    if not left[0]:
                        return
                    left[0] -= 1
                    file = f"{choice.choice(('acme', 'beta'))}{choice.randrange(3)}.yaml"
                    killed = choice.choice((None, None, choice.uniform(0.5, 3.0)))
                    restart = left[0] % 40 == 20
                    running = bench.start("apply", "--auto-approve", "--lock-timeout", "60", file)
                if restart:
                    server.stop()
                    server.start()
                if killed is not None:
                    with contextlib.suppress(Exception):
                        running.process.wait(killed)
                    running.process.kill()
                ran.append(running.finish(300))

        threads = [threading.Thread(target=work) for _ in range(processes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ran) == applies
        for finished in ran:
            assert "Traceback" not in finished.text and finished.code in (-9, 0, 4, 5, 6, 8, 9, 11), finished.report
        assert duplicates(bench.world) == []
        for tenant in ("acme", "beta"):
            last = bench.apply("--lock-timeout", "60", f"{tenant}2.yaml", code=None)
            assert last.code in (0, 9), last.report
            assert bench.apply("--lock-timeout", "60", f"{tenant}2.yaml", code=None).code == 0
            assert len(bench.world.live(tenant, "charger")) == 10
        assert bench.start("locks", "--format", "json").finish().json["locks"] == []


def test_a_short_soak(start_bench: Callable[..., Bench]) -> None:
    """Nothing is doubled and nothing stays locked, whatever is killed."""
    soak(start_bench, 7, 12, processes=4)


@pytest.mark.long
def test_a_soak(start_bench: Callable[..., Bench]) -> None:
    """A thousand applies by eight processes."""
    soak(start_bench, 1, 1_000)
