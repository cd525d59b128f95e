"""KILL, ENOSPC and EIO at each write, fsync and rename of plan file, journal and audit record (Linux, strace)."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product

import pytest

from . import server as fs
from .bench import TWELVE, Bench, Ran, fleet, twelve

pytestmark = pytest.mark.long

KILLED = (-9, 137)
INJECTIONS = {"kill": "signal=KILL", "full": "error=ENOSPC", "eio": "error=EIO"}


def traced(bench: Bench, *args: str, calls: str, injection: str, when: int, path: str = "") -> Ran:
    """Run the command, and let one system call (on this file) go wrong."""
    strace = shutil.which("strace")
    assert strace, "strace is not installed: these tests cannot say anything (apt-get install strace)"
    only = ["-P", path] if path else []
    rule = f"inject={calls}:{INJECTIONS[injection]}:when={when}"
    bench.timeout = 10  # a traced process is slow
    return bench.start(
        *args, wrap=[strace, "-f", "-qq", "-o", "/dev/null", *only, "-e", f"trace={calls}", "-e", rule]
    ).finish()


def points() -> Iterator[object]:
    """File, calls, fault, which call."""
    often = (*range(1, 13), 15, 20, 30, 45)
    yield from product(["journal.db-wal"], ["pwrite64"], INJECTIONS, often)
    yield from product(["journal.db-wal"], ["fdatasync,fsync"], ("kill", "eio"), range(1, 10))
    yield from product(["journal.db"], ["pwrite64", "fdatasync,fsync"], ("kill", "eio"), range(1, 4))
    yield from product(["audit.jsonl"], ["write,pwrite64"], INJECTIONS, (1, 2, 3, 5, 9, 14))
    yield from product(["audit.jsonl"], ["fdatasync,fsync"], ("eio",), (1, 2, 3))


@pytest.mark.parametrize(("name", "calls", "injection", "when"), [*points()])
def test_row_55_the_journal_fails(planned: Bench, name: str, calls: str, injection: str, when: int) -> None:
    """No durable intent, no request; no unrecorded write; 11; afterwards nothing twice, and it converges."""
    ran = traced(
        planned, "apply", "--auto-approve", calls=calls, injection=injection, when=when, path=f"{planned.state}/{name}"
    )
    if injection == "kill":
        assert ran.code in (0, *KILLED), ran.report
    else:
        planned.check(ran, (0, 9, 11))
        assert ran.code != 0 or not re.search("E-STORAGE|disk I/O|No space", ran.text), (
            f"0, and not a word of it\n{ran.report}"
        )
    assert unrecorded(planned, ran) == [], ran.report
    planned.timeout = 1
    planned.converge()


def unrecorded(bench: Bench, ran: Ran) -> list[str]:
    """Writes that were sent and are not in the journal."""
    path = bench.state / "journal.db"
    recorded = ""
    if path.exists():
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            tables = [table for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = [row for table in tables for row in database.execute(f"SELECT * FROM {table}")]
            recorded = "\n".join("/".join(map(str, row)) for row in rows)
    sent = [exchange.json[fs.KEYS[exchange.path.split("/")[3]]] for exchange in ran.writes if exchange.method == "POST"]
    return [name for name in sent if f"/{name}/create" not in recorded]


@pytest.mark.parametrize(
    ("calls", "injection", "when"),
    [
        *product(["write"], INJECTIONS, range(1, 7)),
        *product(["fsync,fdatasync"], ("kill", "eio"), (1, 2)),
        *product(["rename,renameat,renameat2"], ("kill", "full", "eio"), (1,)),
        *product(["fchmod"], ("kill", "eio"), (1,)),
    ],
)
def test_row_54_saving_a_plan_fails(planned: Bench, calls: str, injection: str, when: int) -> None:
    """The file is the old plan or the new one, whole, whatever happens; a failure is 11."""
    planned.plan("--out", "saved.plan")
    old = (planned.folder / "saved.plan").read_bytes()
    planned.write("exolink.yaml", TWELVE.replace("Bay", "Post"))
    planned.plan("--out", "other.plan")
    new = (planned.folder / "other.plan").read_bytes()
    ran = traced(planned, "plan", "--out", "saved.plan", calls=calls, injection=injection, when=when)
    now = (planned.folder / "saved.plan").read_bytes()
    assert now in (old, new), "half a plan"
    if injection == "kill":
        assert ran.code in (0, *KILLED), ran.report
    else:
        planned.check(ran, (0, 11))
        assert (ran.code == 0) <= (now == new), ran.report
        leftovers = [path.name for path in planned.folder.glob(".saved.plan*")]
        assert leftovers == [], "the temporary file is still there"


def test_row_56_the_folder_cannot_be_synced(planned: Bench) -> None:
    """After the rename the new plan is whole: it is there, and nobody reads that it is not."""
    planned.plan("--out", "saved.plan")
    old = (planned.folder / "saved.plan").read_bytes()
    planned.write("exolink.yaml", TWELVE.replace("Bay", "Post"))
    ran = traced(planned, "plan", "--out", "saved.plan", calls="fsync", injection="eio", when=2)
    planned.check(ran, (0, 11))
    assert (planned.folder / "saved.plan").read_bytes() != old
    assert ran.code == 0 or "durab" in ran.text.lower(), ran.report
    planned.run("show", "saved.plan", code=0)


@pytest.mark.parametrize("when", range(1, 30))
def test_row_52_killed_at_each_request(planned: Bench, when: int) -> None:
    """SIGKILL as each request is about to leave: the next run converges, nothing twice."""
    ran = traced(planned, "apply", "--auto-approve", calls="sendto", injection="kill", when=when)
    assert ran.code in (0, *KILLED), ran.report
    planned.timeout = 1
    planned.converge()


def test_the_tracer_traces(bench: Bench) -> None:
    """An injected fault is seen: without this the tests above could pass for nothing."""
    bench.write("exolink.yaml", fleet(1))
    ran = traced(bench, "plan", "--out", "saved.plan", calls="rename,renameat,renameat2", injection="eio", when=1)
    assert ran.code == 11 and not (bench.folder / "saved.plan").exists()
    assert traced(twelve(bench), "apply", "--auto-approve", calls="sendto", injection="kill", when=1).code in KILLED
