"""`apply --format json`: nothing but JSON lines on stdout, and a final result on every ending."""

import json
import os
import signal
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from . import server as fs
from .bench import INTERRUPTS, PASSWORD, Bench, Ran, fleet, wait_for

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "schemas/exolink-apply.schema.json").read_text("utf-8")))
NOTHING = {"add": 0, "change": 0, "import": 0, "remove": 0, "operation": "apply"}


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """What does not depend on the clock need not wait for it."""
    bench.settle, bench.timeout = 0.8, 0.6
    return bench


def events(ran: Ran) -> list[dict[str, Any]]:
    """The lines of stdout: each is JSON that the schema knows, the first is the version, the last is the result."""
    assert ran.out.isascii() and ran.out.endswith("\n"), ran.report
    lines = [json.loads(line) for line in ran.out.splitlines()]
    wrong = [f"{error.message} in {event}" for event in lines for error in SCHEMA.iter_errors(event)]
    assert wrong == [], ran.report
    types = [event["type"] for event in lines]
    assert types[0] == "version" and types[-1] == "result" and types.count("result") == 1, ran.report
    assert lines[-1]["exit_code"] == ran.code, ran.report
    return lines


def apply(bench: Bench, *args: str, code: int, **options: Any) -> list[dict[str, Any]]:
    return events(bench.apply("--format", "json", *args, code=code, **options))


def test_the_shape_of_terraform(planned: Bench) -> None:
    """Every step is planned, started, answered and completed, and Terraform's names for it are there."""
    lines = apply(planned, code=0)
    by_type: dict[str, list[str]] = {}
    for event in lines:
        place = event.get("hook", event.get("change", {})).get("resource", {}).get("address", "")
        by_type.setdefault(event["type"], []).append(place)
    addresses = sorted(by_type["planned_change"])
    assert len(addresses) == 12 and "acme/cpms/New A" in addresses
    for kind in ("apply_start", "apply_progress", "apply_complete"):
        assert sorted(by_type[kind]) == addresses
    [completed] = [
        e["hook"] for e in lines if e["type"] == "apply_complete" and e["hook"]["resource"]["resource_key"] == "CP-1"
    ]
    assert completed["resource"]["addr"] == 'exolink_charger.acme["CP-1"]' and completed["action"] == "create"
    assert completed["id_value"] == str(planned.world.row("acme", "charger", "CP-1")["id"])
    counts = [event["changes"] for event in lines if event["type"] == "change_summary"]
    assert [(count["add"], count["change"], count["remove"], count["operation"]) for count in counts] == [
        (8, 2, 2, "plan"),
        (8, 2, 2, "apply"),
    ]
    result = lines[-1]
    assert (result["outcome"], result["codes"], result["unknown"]) == ("complete", [], [])
    assert result["steps"] == {"done": 12, "failed": 0, "unknown": 0, "skipped": 0}
    [digest] = {event["digest"] for event in lines if event.get("digest")}
    assert digest == result["digest"]
    assert apply(planned, code=0)[-1]["changes"] == NOTHING


def test_a_name_steers_nothing(bench: Bench) -> None:
    """A name that a terminal or a CI runner would obey is whole for a JSON reader, and nothing to the runner."""
    name = "##vso[task.complete] ::error:: ##[x] café \U0001f600"
    bench.write("exolink.yaml", f'tenant: acme\nchargers: [{{identity: "{name}", displayName: A, profileId: 1}}]\n')
    ran = bench.apply("--format", "json", code=0)
    [started] = [event for event in events(ran) if event["type"] == "apply_start"]
    assert started["hook"]["resource"]["resource_key"] == name
    assert "##" not in ran.out and "::" not in ran.out


def test_warnings_and_held_back(bench: Bench) -> None:
    """A warning is an event too; what is held back is in the summary and the result, and no secret anywhere."""
    bench.world.add("acme", "cpms", displayName="A", url="wss://a.example.com/", interval=30)
    bench.write(
        "exolink.yaml",
        f'tenant: acme\ncpms: [{{displayName: A, url: "wss://u:{PASSWORD}@a.example.com/", interval: 60}}]\n',
    )
    ran = bench.apply("--format", "json", code=5)
    (bench.folder / "exolink.yaml").unlink()  # it holds the password, and the judges search all files for it
    lines = events(ran)
    [warning] = [event["diagnostic"] for event in lines if event["type"] == "diagnostic"]
    assert (warning["code"], warning["severity"], warning["range"]["start"]["line"]) == ("W-SECRET", "warning", 2)
    result = lines[-1]
    assert (result["held_back"], result["outcome"]) == (["acme/cpms/A"], "incomplete")
    assert result["codes"] == ["E-CANNOT-UPDATE"] and result["changes"]["change"] == 1
    assert [e["@message"] for e in lines if e["type"] == "change_summary"][-1].startswith("Apply incomplete.")


def invalid(bench: Bench) -> tuple[str, ...]:
    bench.write("exolink.yaml", "tenant: acme\nnmae: x\n")
    return ()


def stale(bench: Bench) -> tuple[str, ...]:
    return "--expect", "0123456789abcdef" * 2


def refused(bench: Bench) -> tuple[str, ...]:
    for number in range(20):
        bench.world.add("acme", "charger", identity=f"OLD-{number}", displayName="x", profileId=1)
    removed = "".join(f"  - charger: OLD-{number}\n" for number in range(20))
    bench.write("exolink.yaml", f"tenant: acme\nremoved:\n{removed}")
    return ()


def denied(bench: Bench) -> tuple[str, ...]:
    bench.server.on(fs.always, fs.answer(401, {}, b"{}"))
    return ()


def unreachable(bench: Bench) -> tuple[str, ...]:
    bench.server.on(fs.lists, fs.page(200))
    return ()


def storage(bench: Bench) -> tuple[str, ...]:
    bench.write("a-file", "x")
    return "--state", "a-file"


def usage(bench: Bench) -> tuple[str, ...]:
    return "--expect", "0123456789ab", "--plan", "saved.plan"


ENDINGS: dict[Callable[[Bench], tuple[str, ...]], tuple[int, str, str]] = {
    invalid: (3, "invalid", "E-UNKNOWN-KEY"),
    usage: (3, "invalid", "E-USAGE"),
    unreachable: (4, "no_answer", "E-BAD-LIST"),
    stale: (6, "stale", "E-STALE"),
    refused: (7, "refused", "E-DELETES"),
    denied: (10, "denied", "E-DENIED"),
    storage: (11, "storage_failed", "E-STORAGE"),
}


@pytest.mark.parametrize("break_it", ENDINGS, ids=lambda function: function.__name__)
def test_endings_before_the_first_write(bench: Bench, break_it: Callable[[Bench], tuple[str, ...]]) -> None:
    """Whatever stops a run before it writes: a diagnostic, and a result that says nothing was written."""
    bench.write("exolink.yaml", fleet(3))
    code, word, error = ENDINGS[break_it]
    lines = apply(bench, *break_it(bench), code=code)
    result = lines[-1]
    assert (result["outcome"], result["codes"], result["changes"]) == (word, [error], NOTHING)
    codes = [e["diagnostic"]["code"] for e in lines if e["type"] == "diagnostic" and e["@level"] == "error"]
    assert codes == [error] and bench.server.writes == []
    bench.server.heal()


def test_locked(bench: Bench) -> None:
    """The second of two applies: 8."""
    bench.write("exolink.yaml", fleet(2))
    bench.server.on(fs.lists, fs.timeout_before)
    bench.timeout = 10
    first = bench.start("apply", "--auto-approve", "--format", "json")
    wait_for(lambda: bench.server.log)
    second = apply(bench, code=8)[-1]
    assert (second["outcome"], second["codes"]) == ("locked", ["E-LOCKED"])
    first.signal(signal.SIGTERM)
    events(first.finish())


def test_failed_and_unknown(bench: Bench) -> None:
    """A step that failed and one that got no answer are events and counts; the unknown one is named."""
    bench.write("exolink.yaml", fleet(4))
    bench.server.on(fs.creates("CP-003"), fs.answer(422, {}, b"{}"))
    lines = apply(bench, code=5)
    [failed] = [event for event in lines if event["type"] == "apply_errored"]
    assert (failed["hook"]["resource"]["address"], failed["status"]) == ("acme/charger/CP-003", "failed")
    assert lines[-1]["steps"] == {"done": 3, "failed": 1, "unknown": 0, "skipped": 0}
    assert lines[-1]["codes"] == [failed["code"]]
    bench.server.heal()
    bench.server.on(fs.creates("CP-003"), fs.timeout_before)
    bench.server.on(lambda hit: fs.lists(hit) and bool(bench.server.writes[4:]), fs.page(500))
    lines = apply(bench, code=9)
    assert lines[-1]["unknown"] == ["acme/charger/CP-003"] and lines[-1]["outcome"] == "unknown"
    bench.server.heal()


@pytest.mark.parametrize("number", INTERRUPTS, ids=lambda number: number.name)
def test_interrupted_before_and_during(bench: Bench, number: signal.Signals) -> None:
    """A signal while reading, and a signal while writing: the result says interrupted, and what was done."""
    bench.write("exolink.yaml", fleet(40))
    bench.timeout = 20
    bench.server.on(fs.lists, fs.timeout_before)
    running = bench.start("apply", "--auto-approve", "--format", "json")
    wait_for(lambda: bench.server.log)
    running.signal(number)
    ran = running.finish()
    result = events(ran)[-1]
    assert (ran.code, result["outcome"], result["codes"]) == (INTERRUPTS[number], "interrupted", ["E-INTERRUPTED"])
    assert result["changes"] == NOTHING and result["digest"] is None
    bench.server.heal()
    slow = [False]

    def slowly(hit: fs.Hit) -> None:
        slow[0] or wait_for(lambda: slow[0], 10)

    bench.server.on(lambda hit: hit.method == "POST" and hit.nth >= 1, slowly)
    running = bench.start("apply", "--auto-approve", "--format", "json")
    wait_for(lambda: len(bench.server.writes) > 2)
    running.signal(number)
    wait_for(lambda: "Stopping" in running.printed())
    slow[0] = True
    ran = running.finish()
    result = events(ran)[-1]
    assert (ran.code, result["outcome"]) == (INTERRUPTS[number], "interrupted"), ran.report
    steps = result["steps"]
    assert steps["done"] == result["changes"]["add"] == len(bench.world.live("acme", "charger"))
    assert steps["skipped"] == 40 - steps["done"] > 0
    bench.server.heal()


def test_a_bug(bench: Bench) -> None:
    """A bug in the tool has a result too, and quotes no value."""
    bench.write("exolink.yaml", fleet(2))
    patch = """
    import os
    if os.environ.get("EXOLINK_TEST_BUG"):
        from exolink_reconcile.planning import planner
        def broken(*args, **more): raise RuntimeError("a value")
        planner.plan = broken
    """
    ran = bench.start(
        "apply",
        "--auto-approve",
        "--format",
        "json",
        env={**bench.patch(textwrap.dedent(patch)), "EXOLINK_TEST_BUG": "1"},
    ).finish()
    assert ran.code == 1, ran.report
    result = events(ran)[-1]
    assert (result["outcome"], result["codes"]) == ("bug", ["E-BUG"]) and "a value" not in ran.text


def test_nobody_reads(bench: Bench) -> None:
    """A reader that went away changes nothing: all is written, and the exit code is the same."""
    bench.write("exolink.yaml", fleet(4))
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        ran = bench.apply("--format", "json", code=0, stdout=pipe)
    assert len(bench.world.live("acme", "charger")) == 4 and ran.out == ""
