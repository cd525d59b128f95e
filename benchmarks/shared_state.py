"""A shared state beside the folder: what an apply, the start of a plan and an idle apply cost with either."""

import contextlib
import importlib.util
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import fleet, measuring
from benchmarks.measuring import TOOL, Command, Measured
from benchmarks.rows import LATENCY_MS, STATE, WORKERS, Result, Size, figures, sentence

CHARGERS = 100
CLOSED = 400_000
FAR_MS = 2.0


class Home(NamedTuple):
    """A name, what --state says, and how to make it empty."""

    name: str
    state: str
    empty: Callable[[], object]


def applies(size: Size) -> list[Result]:
    """N creates with the folder, with a shared state on loopback, and with one that is 2 ms away."""
    count = size.creates[0]
    folder = fleet.ensure(count)
    with _homes() as (local, shared, far):
        measured = [Measured(home.name) for home in (local, shared, far)]
        for _ in range(size.rounds):
            for home, runs in zip((local, shared, far), measured, strict=True):
                with measuring.api(LATENCY_MS) as api:
                    measuring.once(_apply(home, api.url, folder, f"{count} added", home.empty), runs)
    base, *others = measured
    work = f"apply, {count:,} creates at {LATENCY_MS} ms, {WORKERS} workers, whole command"
    return [
        Result(f"{work}, {runs.name} against the folder", f"<= {limit} x", figures(runs, base), runs.seconds / base.seconds, limit)
        for runs, limit in zip(others, (1.1, 1.25), strict=True)
    ]  # fmt: skip


def plans(size: Size) -> list[Result]:
    """The start of a plan: few chargers, nothing to do."""
    folder = fleet.ensure(CHARGERS)
    with measuring.api(charger=folder / "same.json") as api, _homes() as (local, shared, _):
        for home in (local, shared):
            measuring.once(_apply(home, api.url, folder, "No changes.", home.empty), Measured(home.name))
        base, runs = measuring.in_turn([_plan(home, api.url, folder) for home in (local, shared)], max(9, size.rounds))
    work = f"plan, {CHARGERS} chargers, no change, {runs.name} against the folder"
    return [Result(work, "<= 1.5 x", figures(runs, base), runs.seconds / base.seconds, 1.5)]


def idle(size: Size) -> list[Result]:
    """An apply with nothing to do, with many closed writes on record and with none."""
    folder = fleet.ensure(CHARGERS)
    closed = CLOSED // 100 if size.quick else CLOSED
    results = []
    with measuring.api(charger=folder / "same.json") as api, _homes() as (local, shared, _), _homes("full") as full:
        for empty, filled in zip((local, shared), full, strict=False):
            for home in (empty, filled):
                measuring.once(_apply(home, api.url, folder, "No changes.", home.empty), Measured(home.name))
            _fill(filled, api.url, closed)
            runs, base = measuring.in_turn(
                [
                    _apply(home._replace(name=name), api.url, folder, "No changes.")
                    for home, name in ((filled, f"{closed:,} closed"), (empty, "empty"))
                ],
                max(9, size.rounds),
            )
            work = (
                f"apply, {CHARGERS} chargers, no change, {closed:,} closed writes on record against none, {empty.name}"
            )
            results.append(Result(work, "<= 1.3 x", figures(runs, base), runs.seconds / base.seconds, 1.3))
    return results


ROWS = {"shared-apply": applies, "shared-plan": plans, "idle-apply": idle}


def _apply(home: Home, url: str, folder: Path, words: str, before: Callable[[], object] = lambda: None) -> Command:
    arguments = [
        TOOL, "apply", str(folder / "exolink.yaml"), "--api-url", url, "--state", home.state, "--auto-approve",
        "--parallelism", str(WORKERS),
    ]  # fmt: skip
    return Command(home.name, arguments, lambda code, out, err: code == 0 and words in out, before=before)


def _plan(home: Home, url: str, folder: Path) -> Command:
    arguments = [TOOL, "plan", str(folder / "exolink.yaml"), "--api-url", url, "--state", home.state]
    return Command(home.name, arguments, lambda code, out, err: code == 0 and sentence(0) in out and "Note" not in err)


@contextlib.contextmanager
def _homes(suffix: str = "empty") -> Iterator[tuple[Home, Home, Home]]:
    """The folder, a database of a server on this machine that syncs, and the same one behind a line of 2 ms."""
    folder = STATE / f"shared-{suffix}"
    server = _postgres_server().Server(_postgres_server().binaries(), synced=True)
    try:
        name = server.new_database()
        with _far_away(server.port) as port:

            def empty() -> None:
                server.sql("TRUNCATE exolink.lease, exolink.op, exolink.seen, exolink.base, exolink.audit", name)

            yield (
                Home("folder", str(folder), lambda: shutil.rmtree(folder, ignore_errors=True)),
                Home("shared state", server.url(name), empty),
                Home(
                    f"shared state {FAR_MS:.0f} ms away", server.url(name).replace(str(server.port), str(port)), empty
                ),
            )
    finally:
        server.remove()


def _postgres_server() -> Any:
    """The server of the tests."""
    if "postgres_server" not in sys.modules:
        spec = importlib.util.spec_from_file_location("postgres_server", "tests/postgres_server.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["postgres_server"] = module
        spec.loader.exec_module(module)
    return sys.modules["postgres_server"]


def _fill(home: Home, origin: str, closed: int) -> None:
    """Put closed writes of long ago on record: creates of chargers that are there."""
    if home.state.startswith("postgresql"):
        import psycopg

        with psycopg.connect(home.state, autocommit=True) as database:
            database.execute(_FILL_DATABASE.encode(), {"origin": origin, "tenant": fleet.TENANT, "closed": closed})
            database.execute(b"VACUUM ANALYZE exolink.op")
        return
    with contextlib.closing(sqlite3.connect(Path(home.state) / "journal.db")) as folder:
        folder.execute(_FILL_FOLDER, {"origin": origin, "tenant": fleet.TENANT, "closed": closed, "now": time.time()})
        folder.commit()


_FILL_FOLDER = """
INSERT INTO op (run, digest, origin, tenant, kind, name, action, before, after, intended_at, boot, ticks, answered, made, outcome)
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :closed)
SELECT 'r' || i / 1000, 'd', :origin, :tenant, 'charger', 'CP-' || i % 100000, 'create', '{}', '{"identity": "x"}',
    :now - 1000000 + i, '', 0, 1, i, 'done'
FROM n
"""
_FILL_DATABASE = """
INSERT INTO exolink.op (intent, token, run, digest, who, origin, tenant, kind, name, action, before, after, intended_at,
    answered, made, outcome)
SELECT gen_random_uuid(), 1, 'r' || i / 1000, 'd', 'w', %(origin)s, %(tenant)s, 'charger', 'CP-' || i %% 100000, 'create', '{}',
    '{"identity": "x"}', clock_timestamp() - interval '30 days' + i * interval '1 second', true, i, 'done'
FROM generate_series(1, %(closed)s::integer) AS i
"""


@contextlib.contextmanager
def _far_away(port: int) -> Iterator[int]:
    """A port that leads to another one, with half of FAR_MS more each way."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near, _ = listening.accept()
                    far = socket.create_connection(("127.0.0.1", port))
                    for source, target in ((near, far), (far, near)):
                        source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        threading.Thread(target=_carry, args=(source, target), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            time.sleep(FAR_MS / 2000)
            target.sendall(content)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
