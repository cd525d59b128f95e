"""The failure catalogue, rows 41 to 63: between plan and apply, and around the process. One test for each row."""

import contextlib
import itertools
import json
import os
import re
import resource
import shlex
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pexpect
import pytest
from command import COMMAND

from . import server as fs
from .bench import (
    INTERRUPTS,
    LATE,
    PASSWORD,
    TOKEN,
    TWELVE,
    Bench,
    Ran,
    bystanders,
    fleet,
    live_chargers,
    seldom,
    wait_for,
)
from .server import Hit


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """What does not depend on the clock need not wait for it."""
    bench.settle, bench.timeout = 0.8, 0.6
    return bench


def names(count: int) -> list[str]:
    return [f"CP-{number:03}" for number in range(1, count + 1)]


def slowly(seconds: float) -> fs.Fault:
    """It takes its time over every write."""

    def fault(hit: Hit) -> None:
        time.sleep(seconds)

    return fault


def answers_late(seconds: float) -> fs.Fault:
    """It does what it is asked at once, and keeps the answer to itself for a while."""

    def fault(hit: Hit) -> None:
        reply = hit.commit()
        time.sleep(seconds)
        hit.send(*reply)

    return fault


def some_writes(bench: Bench, count: int = 1) -> Callable[[], bool]:
    return lambda: len(bench.server.writes) >= count


# ------------------------------------------------------------------------------------------------ between plan and apply


def test_row_41_somebody_edits_between_plan_and_apply(planned: Bench) -> None:
    """What would be done is not what was reviewed: 6, nothing written, both said."""
    planned.plan("--out", "reviewed.plan")
    digest = planned.plan("--format", "json").json["exolink"]["digest"]
    planned.world.edit("acme", "charger", "MOVED-1", profileId=5)
    for approval in (("--plan", "reviewed.plan"), ("--expect", digest)):
        ran = planned.apply(*approval, code=6) if "--expect" in approval else planned.run("apply", *approval, code=6)
        assert "E-STALE" in ran.text, ran.report
        assert ("acme/charger/MOVED-1" if "--plan" in approval else digest[:12]) in ran.text, ran.report
    assert planned.server.writes == []


@pytest.mark.parametrize("number", [0, 3, *seldom(1, 2)])
def test_row_42_somebody_edits_during_apply(planned: Bench, number: int) -> None:
    """Each object is looked at right before its update or delete: one that moved is skipped, the others go on."""
    items: list[int] = []

    def moves(hit: Hit) -> None:
        _, _, tenant, kind, row_id = hit.path.split("/")
        change = {"url": "wss://theirs.example.com/"} if kind == "cpms" else {"displayName": "Theirs", "profileId": 7}
        planned.world.edit(tenant, kind, int(row_id), **change)

    def is_item(hit: Hit) -> bool:
        if hit.method == "GET" and hit.path.count("/") == 4:
            items.append(hit.index)
        return hit.index in items and items.index(hit.index) == number

    planned.server.on(is_item, moves, times=1)
    ran = planned.apply(code=5)
    assert "E-STALE" in ran.text
    [theirs] = [
        row
        for kind in ("cpms", "charger")
        for row in planned.world.live("acme", kind)
        if row.get("displayName") == "Theirs" or row.get("url") == "wss://theirs.example.com/"
    ]
    assert not any(e.path.endswith(f"/{theirs['id']}") for e in ran.writes), "written all the same"
    if number < 2:
        assert fs.deletes(ran.log) == set(), "no deletes where something before them failed"
    planned.converge()


def test_row_43_the_same_plan_twice(planned: Bench) -> None:
    """A plan that is done is done: 6, already applied; a plan that is half done is finished."""
    planned.plan("--out", "reviewed.plan")
    planned.server.on(fs.nth("POST", 5), fs.answer(422), times=1)
    planned.run("apply", "--plan", "reviewed.plan", code=5)
    planned.run("apply", "--plan", "reviewed.plan", code=0)
    before = len(planned.server.writes)
    ran = planned.run("apply", "--plan", "reviewed.plan", code=6)
    assert "already applied" in ran.text and len(planned.server.writes) == before
    planned.empty()


def test_row_44_a_plan_that_was_edited(planned: Bench) -> None:
    """A saved plan is a claim, not a script: an edited one is 6, one that cannot be read 3, and nothing is written."""
    planned.plan("--out", "reviewed.plan")
    original = (planned.folder / "reviewed.plan").read_bytes()
    edited = [
        original.replace(b"CP-99", b"CP-98"),
        original.replace(b"Old backend", b"Bystander"),
        original.replace(b"moved.example.com", b"evil.example.com"),
        original.replace(b'"delete"', b'"create"', 1),
        re.sub(rb'"digest":\s*"....', b'"digest":"0000', original),
    ]
    broken = [original[: len(original) // 2], b"", b"{}", original + b"x", b"\xff" + original, b"[" * 100_000]
    for codes, variants in ((6, edited), (3, broken)):
        for variant in variants:
            assert variant != original
            planned.write("edited.plan", variant)
            planned.run("apply", "--plan", "edited.plan", code=codes)
    assert planned.server.writes == []


@pytest.mark.long
def test_row_44_every_byte_of_a_plan(planned: Bench) -> None:
    """Whatever byte is changed: it is refused, or what is done is exactly what was reviewed."""
    planned.plan("--out", "reviewed.plan")
    original = (planned.folder / "reviewed.plan").read_bytes()
    planned.server.on(fs.writes, fs.answer(422))
    for place in range(0, len(original), max(1, len(original) // 150)):
        planned.write("edited.plan", original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :])
        ran = planned.run("apply", "--plan", "edited.plan", code=None)
        assert ran.code in (3, 6), f"byte {place}: {original[place - 20 : place + 20]!r}\n{ran.report}"
    assert planned.server.writes == []


def test_row_45_a_plan_for_something_else(start_bench: Callable[..., Bench]) -> None:
    """Another API, other options, another file: 6, and it says which."""
    bench, other = start_bench(), start_bench()
    bench.write("exolink.yaml", fleet(2))
    bench.plan("--out", "reviewed.plan")
    ran = bench.run("apply", "--plan", "reviewed.plan", "--api-url", other.server.url, code=6)
    assert "api-url" in ran.text or other.server.url in ran.text
    bench.run("apply", "--plan", "reviewed.plan", "--target", "acme/charger/CP-001", code=6)
    bench.write("exolink.yaml", fleet(3))
    bench.run("apply", "--plan", "reviewed.plan", code=6)
    assert bench.server.writes == other.server.writes == []
    bench.write("exolink.yaml", fleet(2))
    bench.run("apply", "--plan", "reviewed.plan", code=0)


# ------------------------------------------------------------------------------------------------------------ two at once


def test_row_47_two_applies_on_one_machine(bench: Bench) -> None:
    """The second exits 8 at once and names the holder; another tenant is free; plan takes no lock; kill -9 frees it."""
    bench.world.add("beta", "tenant")
    bench.write("exolink.yaml", fleet(4))
    bench.write("beta.yaml", fleet(1, tenant="beta"))
    bench.timeout = 30
    bench.server.on(lambda hit: hit.method == "POST" and "acme" in hit.path, answers_late(25))
    first = bench.start("apply", "--auto-approve")
    wait_for(some_writes(bench))
    second = bench.apply(code=8)
    who = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    assert f"pid {first.process.pid}" in second.text and who in second.text and "since" in second.text
    assert re.search(r"\d\d:\d\d", second.text)
    bench.plan(code=0)
    bench.apply("beta.yaml", code=0)
    first.process.kill()
    first.finish()
    bench.server.heal()
    bench.converge()


def test_row_47_waiting_for_the_lock(bench: Bench) -> None:
    """--lock-timeout waits; what the other did is seen, so nothing is done twice."""
    bench.write("exolink.yaml", fleet(3))
    bench.timeout = 30
    bench.server.on(fs.nth("POST", 0), slowly(1.5))
    first = bench.start("apply", "--auto-approve")
    wait_for(some_writes(bench))
    second = bench.start("apply", "--auto-approve", "--lock-timeout", "20")
    ran = [first.finish(), second.finish()]
    assert [run.code for run in ran] == [0, 0], "\n".join(run.report for run in ran)
    assert len(bench.server.writes) == 3


def test_row_47_tenants_in_any_order(bench: Bench) -> None:
    """Locks are taken in sorted order: two applies of two tenants never wait for each other for ever."""
    bench.world.add("beta", "tenant")
    for one, other, name in (("acme", "beta", "ab"), ("beta", "acme", "ba")):
        bench.write(f"{name}.yaml", fleet(2, tenant=one) + "---\n" + fleet(2, tenant=other))
    started = [bench.start("apply", "--auto-approve", f"{name}.yaml", "--lock-timeout", "20") for name in ("ab", "ba")]
    assert [process.finish().code for process in started] == [0, 0]
    assert len(bench.server.writes) == 4


# ------------------------------------------------------------------------------------------------------- signals and ends


def interrupted(bench: Bench, number: int, *, took: float = 0.3) -> Ran:
    """Apply 40 chargers to a slow server, and send a signal in the middle."""
    bench.timeout = 30
    bench.write("exolink.yaml", fleet(40))
    bench.server.on(fs.writes, slowly(took))
    running = bench.start("apply", "--auto-approve")
    wait_for(some_writes(bench, 6))
    result = running.signal(number)
    ran = running.finish()
    late = [exchange.line for exchange in ran.writes if exchange.at > result + took]
    assert len(late) <= 8, f"writes that were not in flight when the signal came\n{ran.report}"
    assert "Traceback" not in ran.text
    with contextlib.closing(sqlite3.connect(bench.state / "journal.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return ran


@pytest.mark.parametrize("number", INTERRUPTS)
def test_row_50_interrupted_in_flight(bench: Bench, number: signal.Signals) -> None:
    """Once: no new writes, what is in flight ends and is known, an honest summary, 130 or 143; a re-run converges."""
    ran = interrupted(bench, number)
    assert ran.code == INTERRUPTS[number], ran.report
    created = len(live_chargers(bench.world))
    assert 0 < created < 40 and f"{created} added" in ran.text, ran.report
    assert bench.open_unknowns().count("acme/charger/") == 0
    bench.server.heal()
    [again] = bench.converge(applies=1)
    assert len(again.writes) == 40 - created


def test_row_50_interrupted_while_nobody_answers(bench: Bench) -> None:
    """What is in flight gets 5 s; the rest is unknown: 9, and the next run settles it."""
    bench.write("exolink.yaml", fleet(12))
    bench.server.on(lambda hit: hit.method == "POST" and hit.nth >= 1, fs.timeout_after)
    bench.timeout = 120
    running = bench.start("apply", "--auto-approve")
    wait_for(some_writes(bench, 3))
    running.signal(signal.SIGINT)
    ran = running.finish(bench.timeout / 2)  # it ends without waiting for the answers
    bench.check(ran, (9, 130))
    sent = {exchange.json["identity"] for exchange in ran.writes}
    if ran.code == 9:
        assert any(f"acme/charger/{identity}" in bench.open_unknowns() for identity in sent), ran.report
    else:
        assert bench.open_unknowns().count("acme/charger/") == 0, "130 promises that no write is unknown"
    bench.timeout = 0.6
    bench.converge()
    assert len(bench.server.writes) == 12


def test_row_50_interrupted_twice_on_a_terminal(bench: Bench) -> None:
    """Ctrl-C twice ends it at once; what was in flight is unknown, the journal whole, and nothing is made twice."""
    bench.write("exolink.yaml", fleet(12))
    bench.server.on(lambda hit: hit.method == "POST" and hit.nth >= 1, fs.timeout_after)
    bench.timeout = 120
    child = terminal(bench, "apply")
    child.expect("yes")
    child.sendline("yes")
    wait_for(some_writes(bench, 3))
    child.sendintr()
    time.sleep(0.5)
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus in (9, 130), (child.exitstatus, child.signalstatus, child.before)
    assert "Traceback" not in (child.before or "")
    bench.timeout = 0.6
    bench.converge()
    assert len(bench.server.writes) == 12


def test_row_50_interrupted_before_it_began(bench: Bench) -> None:
    """Ctrl-C at the question: 130, and nothing was written."""
    bench.write("exolink.yaml", fleet(2))
    child = terminal(bench, "apply")
    child.expect("yes")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130 and bench.server.writes == []
    bench.write("exolink.yaml", fleet(2))
    bench.server.on(fs.lists, fs.timeout_before)
    bench.timeout = 120
    for number, code in INTERRUPTS.items():
        running = bench.start("apply", "--auto-approve")
        wait_for(lambda: any(exchange.run == running.run for exchange in bench.server.log))
        time.sleep(0.2)
        running.signal(number)
        bench.check(running.finish(bench.timeout / 2), code)


def terminal(bench: Bench, *args: str) -> "pexpect.spawn[str]":
    arguments = [*COMMAND[1:], *bench.arguments(args)]
    environment = bench.environment({"TERM": "xterm"})
    return pexpect.spawn(COMMAND[0], arguments, cwd=str(bench.folder), env=environment, encoding="utf-8", timeout=30)


def test_row_51_int_then_term_as_ci_systems_do(bench: Bench) -> None:
    """SIGINT and, while it drains, SIGTERM: it has ended before a CI system would kill it, and says what happened."""
    bench.timeout = 30
    bench.write("exolink.yaml", fleet(40))
    bench.server.on(fs.writes, answers_late(1.5))
    running = bench.start("apply", "--auto-approve")
    wait_for(some_writes(bench, 4))
    running.signal(signal.SIGINT)
    time.sleep(1)
    with contextlib.suppress(ProcessLookupError):
        running.signal(signal.SIGTERM)
    ran = running.finish()
    bench.check(ran, (9, 130, 143))
    bench.server.heal()
    bench.converge()


@pytest.mark.parametrize("number", [1, *seldom(0, 4)])
def test_row_52_killed(planned: Bench, number: int) -> None:
    """SIGKILL at a request boundary, and at any moment between: the next run converges, nothing twice."""
    before = bystanders(planned.world)
    planned.server.on(fs.nth("POST", number), fs.kill_after)
    planned.apply(code=-9)
    planned.server.heal()
    running = planned.start("apply", "--auto-approve")
    wait_for(
        lambda: (
            running.process.poll() is not None or any(e.run == running.run and e.is_write for e in planned.server.log)
        )
    )
    time.sleep(0.02)
    running.process.kill()
    running.finish()
    planned.converge()
    assert bystanders(planned.world) == before


@pytest.mark.long
@pytest.mark.parametrize("milliseconds", range(200, 900, 20))
def test_row_52_killed_at_any_moment(planned: Bench, milliseconds: int) -> None:
    """The same, by the clock: wherever it was, the journal is whole and the next run converges."""
    running = planned.start("apply", "--auto-approve")
    time.sleep(milliseconds / 1000)
    running.process.kill()
    running.finish()
    planned.converge()


@pytest.mark.parametrize("closed", ["stdout", "stderr", "both", "head", "full"])
def test_row_53_nobody_listens(bench: Bench, closed: str) -> None:
    """Output that cannot be written stops no write that is under way, loses no journal and makes no traceback."""
    bench.write("exolink.yaml", fleet(20))
    if closed == "head":
        command = f"{{ {shell(bench)}; echo code $? >&2; }} | head -1"
    else:
        command = (
            shell(bench) + {"stdout": " >&-", "stderr": " 2>&-", "both": " >&- 2>&-", "full": " >/dev/full"}[closed]
        )
    done = subprocess.run(
        ["bash", "-c", command], cwd=bench.folder, env=bench.environment(), capture_output=True, timeout=60
    )
    output = (done.stdout + done.stderr).decode()
    assert "Traceback" not in output and "Exception ignored" not in output, output
    assert done.returncode != 1 and "code 1\n" not in output, f"exit code 1: a bug\n{output}"
    bench.server.run += 1
    bench.converge()
    assert len(bench.server.writes) == 20


def shell(bench: Bench) -> str:
    return " ".join(f"'{word}'" for word in (*COMMAND, *bench.arguments(("apply", "--auto-approve"))))


def test_row_53_the_terminal_hangs_up(bench: Bench) -> None:
    """SIGHUP is an interrupt like any other: no new writes, an end in time, and the next run finishes."""
    ran = interrupted(bench, signal.SIGHUP)
    assert ran.code in (9, 129, 130, 143), ran.report
    bench.converge()


# ------------------------------------------------------------------------------------------------------------------ disks


def limited(size: int) -> Callable[[], None]:
    """No file may grow beyond so many bytes: what a full disk looks like to a process."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_row_54_disk_full_while_saving_a_plan(planned: Bench) -> None:
    """The old plan stays whole, nothing else is left behind, 11."""
    planned.plan("--out", "reviewed.plan")
    old = (planned.folder / "reviewed.plan").read_bytes()
    planned.write("exolink.yaml", TWELVE.replace("Bay", "Post"))
    files = {path.name for path in planned.folder.iterdir()}
    ran = planned.plan("--out", "reviewed.plan", preexec=limited(1000), code=None)
    # the limit holds for the files that stdout and stderr are as well: what was printed says little
    assert ran.code == 11, ran.report
    assert (planned.folder / "reviewed.plan").read_bytes() == old
    assert {path.name for path in planned.folder.iterdir() if not path.name.startswith("said-")} <= files
    planned.plan("--out", "there/is/no/folder.plan", code=11)
    planned.run("apply", "--plan", "reviewed.plan", code=6)


@pytest.mark.parametrize("size", [4096, *seldom(0, 8192)])
def test_row_55_disk_full_in_the_journal(planned: Bench, size: int) -> None:
    """No durable intent, no request: 11, and every write that was sent is in the journal."""
    ran = planned.start(
        "apply", "--auto-approve", preexec=limited(size), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ).finish()
    assert ran.code == 11, ran.report
    recorded = journal(planned.state)
    assert all(address(exchange) in recorded for exchange in ran.writes if exchange.method == "POST"), ran.report
    planned.converge()


@pytest.mark.parametrize("size", [60_000, *seldom(20_000)])
def test_row_55_disk_full_halfway(bench: Bench, size: int) -> None:
    """The disk fills up in the middle: what is in flight ends, no unrecorded write, 11; afterwards it converges."""
    bench.write("exolink.yaml", fleet(150))
    ran = bench.start(
        "apply", "--auto-approve", preexec=limited(size), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ).finish()
    assert ran.code == 11, ran.report
    recorded = journal(bench.state)
    assert all(address(exchange) in recorded for exchange in ran.writes), ran.report
    bench.converge()


def address(exchange: fs.Exchange) -> str:
    _, _, tenant, kind, *_ = exchange.path.split("/")
    return f"{tenant}/{kind}/{exchange.json[fs.KEYS[kind]]}"


def journal(state: Path) -> str:
    """Every text the journal holds, an address as one: it is read as a database, not as ours."""
    if not (state / "journal.db").exists():
        return ""
    with contextlib.closing(sqlite3.connect(state / "journal.db")) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for name in tables for row in database.execute(f"SELECT * FROM {name}")]
    return "\n".join("/".join(str(value) for value in row) for row in rows)


def test_row_57_a_torn_tail(bench: Bench) -> None:
    """A write-ahead log that was cut loses its tail and nothing else."""
    bench.settle, bench.timeout = 1.5, 1.0
    bench.write("exolink.yaml", fleet(3))
    bench.server.on(fs.nth("POST", 1), fs.kill_late(LATE))
    bench.apply(code=-9)
    log = bench.state / "journal.db-wal"
    if log.exists():
        log.write_bytes(log.read_bytes() + b"\x00torn" * 700)
    bench.converge()
    assert len(bench.server.writes) == 3


@pytest.mark.parametrize("damage", ["newer", "garbage", *seldom("foreign", "cut")])
def test_row_57_a_journal_that_cannot_be_read(bench: Bench, damage: str) -> None:
    """Newer, damaged or somebody else's: 11, nothing guessed, nothing written, the file left as it is; plan goes on."""
    bench.write("exolink.yaml", fleet(2))
    bench.apply(code=0)
    path = bench.state / "journal.db"
    for extra in ("-wal", "-shm"):
        Path(f"{path}{extra}").unlink(missing_ok=True)
    if damage == "newer":
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 9999")
            database.commit()
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    elif damage == "garbage":
        path.write_bytes(b"not a journal at all\n" * 400)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        path.unlink()
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE bookmarks (url TEXT)")
            database.commit()
    before = path.read_bytes()
    bench.write("exolink.yaml", fleet(3))
    ran = bench.apply(code=11)
    assert str(path) in ran.text or "journal" in ran.text
    assert path.read_bytes() == before and ran.writes == []
    bench.plan(code=0)


def test_row_57_a_journal_of_another_api(start_bench: Callable[..., Bench]) -> None:
    """What is unknown at one API says nothing about another one, also in the same state folder."""
    one, other = start_bench(), start_bench()
    for bench in (one, other):
        bench.settle, bench.timeout = 0.8, 0.6
        bench.write("exolink.yaml", fleet(3))
    one.server.on(fs.nth("POST", 1), fs.timeout_before)
    one.apply(code=9)
    ran = other.apply("--state", str(one.state), code=0)
    assert len(ran.writes) == 3 and live_chargers(other.world) == names(3)
    one.converge()


def test_row_58_no_place_for_the_state(bench: Bench) -> None:
    """No silent fall back: apply is 11 with no request written; plan and validate work without."""
    bench.write("exolink.yaml", fleet(1))
    bench.write("a-file", "x")
    for place in ("a-file", "a-file/below", "/proc/state", "/dev/null/state"):
        ran = bench.apply("--state", place, code=11)
        assert ran.writes == []
        bench.plan("--state", place, code=0)
    assert (bench.folder / "a-file").read_text() == "x"
    bench.plan(code=0)
    assert not bench.state.exists(), "plan writes only --out"


def test_row_58_two_homes(bench: Bench) -> None:
    """Without --state it is the user's state folder: the same for all runs of a HOME, and said when new in CI."""
    bench.write("exolink.yaml", fleet(1))
    arguments = ("apply", "--auto-approve", "--api-url", bench.server.url, "--settle", "0.1")
    first = bench.run(*arguments, bare=True, code=0, env={"CI": "true"})
    assert "state" in first.err
    again = bench.run(*arguments, bare=True, code=0, env={"CI": "true"})
    assert "state" not in again.err
    journals = [*(bench.folder / "home").rglob("journal.db")]
    assert len(journals) == 1
    elsewhere = bench.folder / "xdg"
    bench.run(*arguments, bare=True, code=0, env={"XDG_STATE_HOME": str(elsewhere)})
    assert len([*elsewhere.rglob("journal.db")]) == 1


def test_row_59_links(bench: Bench) -> None:
    """A link in the place of an output is not written through; in the state folder neither."""
    bench.write("exolink.yaml", fleet(1))
    precious = bench.write("precious", "precious")
    (bench.folder / "link.plan").symlink_to(precious)
    bench.plan("--out", "link.plan", code=11)
    os.mkfifo(bench.folder / "fifo.plan")
    bench.plan("--out", "fifo.plan", code=11)
    bench.plan("--out", ".", code=11)
    for name in ("journal.db", "audit.jsonl"):
        shutil.rmtree(bench.state, ignore_errors=True)
        bench.state.mkdir(mode=0o700)
        (bench.state / name).symlink_to(precious)
        assert bench.apply(code=11).writes == [], name
    assert precious.read_text() == "precious"


def test_row_60_modes(planned: Bench) -> None:
    """0700 and 0600, also under umask 0, and also where a file was wider before."""
    planned.write("reviewed.plan", "x").chmod(0o666)
    planned.plan("--out", "reviewed.plan", preexec=lambda: os.umask(0) and None)
    planned.run("apply", "--plan", "reviewed.plan", preexec=lambda: os.umask(0) and None, code=0)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (planned.state, *planned.state.rglob("*"))}
    wrong = {path.name: oct(mode) for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)}
    assert wrong == {} and {"journal.db", "audit.jsonl"} <= {path.name for path in modes}
    assert stat.S_IMODE((planned.folder / "reviewed.plan").stat().st_mode) == 0o600


COUNTED = """
import os, sys
def _hook(event, args):
    if event == "open" and str(args[0]).endswith("exolink.yaml"):
        os.write(2, b"OPENED\\n")
sys.addaudithook(_hook)
"""


def test_row_61_a_file_that_changes_while_it_is_read(bench: Bench) -> None:
    """A file is read once, into memory: what is planned, digested and applied is one and the same."""
    bench.write("exolink.yaml", fleet(2))
    ran = bench.apply(code=0, env=bench.patch(COUNTED))
    assert ran.err.count("OPENED") == 1
    bench.write("exolink.yaml", fleet(4))
    bench.server.on(fs.nth_to("GET", "/tenant/acme", 1), lambda hit: bench.write("exolink.yaml", fleet(9)) and None)
    bench.apply(code=0)
    assert live_chargers(bench.world) == names(4)


@pytest.mark.parametrize("files", [32, *seldom(24, 64)])
def test_row_62_too_many_open_files(bench: Bench, files: int) -> None:
    """No socket, no request: never a bug, never a create in doubt that was not sent."""
    bench.write("exolink.yaml", fleet(60))
    ran = bench.apply(
        "--parallelism", "64", code=None, preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    )
    assert ran.code in (0, 4, 5, 11), ran.report
    bench.converge()
    assert len(bench.server.writes) == 60


BUG = """
import socket
_real = socket.socket.send
_sent = []
def _broken(self, octets, *args):
    if bytes(octets[:5]) == b"POST ":
        _sent.append(octets)
        if len(_sent) == 3:
            secret = octets
            raise RuntimeError("an injected bug")
    return _real(self, octets, *args)
socket.socket.send = socket.socket.sendall = _broken
"""


def test_row_63_a_bug_of_our_own(bench: Bench) -> None:
    """A crash in the middle is 1 and says so, shows neither token nor password, and leaves a whole journal."""
    bench.write(
        "exolink.yaml", fleet(5) + 'cpms: [{displayName: A, url: "wss://u:${env:BENCH_PASSWORD}@a/", interval: 1}]\n'
    )
    ran = bench.start("apply", "--auto-approve", env=bench.patch(BUG)).finish()
    assert ran.code == 1, ran.report
    assert TOKEN not in ran.text and PASSWORD not in ran.text
    assert "bug" in ran.text.lower(), ran.report
    bench.converge()
    assert len(bench.server.writes) == 6


# ---------------------------------------------------------------------------------------------------------------- audit


def test_row_52_what_happened_is_on_record(planned: Bench) -> None:
    """Every run and write is a JSON line: who, when, digest, address, before and after, outcome; deleted rows whole."""
    digest = planned.plan("--format", "json").json["exolink"]["digest"]
    planned.apply(code=0)
    lines = (planned.state / "audit.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert all(isinstance(record, dict) for record in records) and digest in lines[0] + lines[-1] + lines[1]
    text = "\n".join(lines)
    assert all(f"acme/charger/CP-{number}" in text for number in range(1, 7))
    [gone] = [line for line in lines if "CP-99" in line and "Broken" in line][:1]
    assert '"profileId": 1' in gone or '"profileId":1' in gone
    assert subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip() in text


@pytest.mark.parametrize(
    ("how", "number"),
    [("after", 1), ("before", 2), *seldom(("answered", 0), ("after", 3), ("after", 4), ("before", 5))],
)
def test_killed_in_and_between_waves(bench: Bench, how: str, number: int) -> None:
    """SIGKILL at a write of a wave: the same wave again settles it, later waves do the rest, nothing is made twice."""
    kill = {"after": fs.kill_after, "before": fs.kill_before, "answered": fs.kill_answered}[how]
    bench.write("exolink.yaml", fleet(6))
    bench.plan("--out", "p.json")
    changes = bench.run("show", "p.json", "--format", "json", code=0).json["exolink"]["changes"]
    names = sorted(change["address"] for change in changes)
    waves = [names[:4], names[4:]]
    bench.server.on(fs.nth_write(number), kill, times=1)
    killed = False
    for wave in waves:
        options = [word for name in wave for word in ("--wave", name)]
        ran = bench.run("apply", "--plan", "p.json", *options, code=None)
        if ran.code == -9:
            killed = True
            bench.server.heal()
            ran = bench.run("apply", "--plan", "p.json", *options, code=(0, 5))
        bench.check(ran, (0, 5, 6))
    assert killed and len(live_chargers(bench.world)) == 6
    bench.converge(applies=1)


def test_the_order_of_waves_stages_and_gates(bench: Bench) -> None:
    """In the server's log: of each wave one write, a list, the gate; three writes, a list, the gate; and so on. No write beside a gate."""
    bench.settle, bench.timeout = 60, 60
    bench.write("exolink.yaml", fleet(12))
    bench.plan("--out", "p.json")
    ask = f'import http.client as h; c = h.HTTPConnection("{urlsplit(bench.server.url).netloc}"); c.request("GET", "/gate"); c.getresponse()'
    gate = shlex.join([sys.executable, "-c", ask])
    names_in_log = {
        ("POST", "/tenant/acme/charger"): "write",
        ("GET", "/tenant/acme/charger"): "list",
        ("GET", "/gate"): "gate",
    }
    for glob, code, stages in (("CP-00?", 5, (1, 3, 5)), ("*", 0, (1, 2))):
        ran = bench.run(
            "apply", "--plan", "p.json", "--wave", f"acme/charger/{glob}", "--stages", "1,3", "--gate", gate, code=code
        )
        log = [names_in_log.get((exchange.method, exchange.path)) for exchange in ran.log]
        order = [(word, len(list(alike))) for word, alike in itertools.groupby(filter(None, log))]
        expected: list[tuple[str, int]] = [("list", 1)]
        for count in stages:
            expected += [("write", count), ("list", 1), ("gate", 1)]
        assert order == expected
