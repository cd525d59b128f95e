"""The goals to a table: measured in turn on this machine, printed, and written to docs/performance.md.

    python -m benchmarks [ROW ...] [--quick]

Without a ROW every row and the plot, written to docs/. With rows, or `--quick` (small fleets, few rounds: to try things
out, its verdicts mean little), the table is printed only. `make bench` runs it.
"""

import argparse
import datetime
import os
import platform
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from benchmarks import fleet, peers, plot, rows, rows_of_a_fleet, shared_state
from benchmarks.measuring import WrongAnswer, compile_all
from benchmarks.rows import FULL, QUICK, Result, Size

ROWS = {**rows.ROWS, **rows_of_a_fleet.ROWS, **shared_state.ROWS}
_PAGE = Path("docs/performance.md")
_BY_HAND = "<!-- by hand: `make bench` keeps what stands up to the other mark -->"
_UP_TO_HERE = "<!-- up to here by hand -->"
_LIBRARIES = ("exolink-reconcile", "click", "httpx", "pydantic", "ruamel.yaml", "ruamel.yaml.clib")


def main(arguments: Sequence[str]) -> int:
    """Measure what was asked for; 0 unless a row could not be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the goals of docs/performance.md."
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"one of {', '.join([*ROWS, 'plot'])}; all by default")
    parser.add_argument("--quick", action="store_true", help="small fleets and few rounds, to try things out")
    options = parser.parse_args(arguments)
    if unknown := set(options.rows) - {*ROWS, "plot"}:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join([*ROWS, 'plot'])}")
    size = QUICK if options.quick else FULL
    whole = not options.rows and not options.quick
    section = by_hand(_PAGE.read_text()) if whole and _PAGE.exists() else ""
    fleet.CACHE.mkdir(parents=True, exist_ok=True)
    for name in peers.missing():
        print(f"{name} is not installed: its rows are left out.")
    compile_all(*map(Path, ("exolink_reconcile", "benchmarks", ".venv/lib", ".cache/bench-venv/lib")))
    began = time.time()
    results, failed = _measure(options.rows or ROWS, size)
    picture = _picture(size) if "plot" in options.rows or not options.rows else ""
    table = _table(results)
    print(f"\n{table}\n{time.time() - began:.0f} s, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if whole:
        Path("docs/performance.svg").write_text(picture)
        _PAGE.write_text(page(table, size, section))
        print("Written to docs/performance.md and docs/performance.svg.")
    elif picture:
        path = fleet.CACHE / "performance.svg"
        path.write_text(picture)
        print(f"Plot: {path}")
    return 1 if failed else 0


def _measure(names: Sequence[str] | object, size: Size) -> tuple[list[Result], bool]:
    results: list[Result] = []
    failed = False
    for name, measure in ROWS.items():
        if name not in names:  # type: ignore[operator]  # the parser made it a list
            continue
        print(f"{name} ...", flush=True)
        try:
            found = list(measure(size))
        except WrongAnswer as error:
            found, failed = [Result(name, "", f"failed: {str(error).splitlines()[0]}", None)], True
            print(error)
        results += found
        for each in found:
            print(f"  {each.verdict:8} {each.shown:>9} {each.goal:20} {each.work}: {each.figures}", flush=True)
    return results, failed


def _picture(size: Size) -> str:
    print("plot ...", flush=True)
    return plot.picture(rows.curves(size))


def _table(results: Sequence[Result]) -> str:
    head = "| work | goal | measured | verdict | medians |\n| --- | --- | --- | --- | --- |\n"
    return head + "".join(f"| {r.work} | {r.goal} | {r.shown} | {r.verdict} | {r.figures} |\n" for r in results)


def by_hand(text: str) -> str:
    """The section of the page that somebody wrote, between its marks.

    Raises:
        SystemExit: the page has no such marks: a new one would lose the section.

    """
    _, begin, rest = text.partition(_BY_HAND)
    section, end, _ = rest.partition(_UP_TO_HERE)
    if not begin or not end:
        sys.exit(
            f"{_PAGE} lacks the marks around what was written by hand, which would be lost: {_BY_HAND} {_UP_TO_HERE}"
        )
    return section.strip("\n")


def page(table: str, size: Size, by_hand: str) -> str:
    """The page: the table, how it was measured, and the section that was written by hand."""
    libraries = [f"{name} {metadata.version(name)}" for name in _LIBRARIES]
    others = [f"{name} {version}" for name, version in peers.versions().items()]
    left_out = "".join(f" {name} was not installed, so it is left out." for name in peers.missing())
    return f"""# Performance

Written by `make bench` on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}. Look at the ratios: they hold on another machine, seconds do not.

{table}
![Time and memory of a plan without changes, by number of resources](performance.svg)

**How.** Every command is a fresh process. What is compared runs in turn (A, B, A, B ...), medians of at least {size.rounds} after a round
that is thrown away; what it printed is checked, so that nothing fast and wrong is counted. Peak memory is the kernel's own figure
for the process. The API is a stand-in in a process of its own, without TLS, that answers prepared bytes. In the fleets a charger has
an identity, a name and a profile; a row of the API has all the fields of its description (about 500 bytes).

**Floor.** `benchmarks/floor.py` does only what a plan cannot avoid, with the libraries the tool is built on: start, parse the
YAML into plain values, validate, receive and validate the list, compare, digest, print. It finds no mistake and keeps no place.
The tool comes this near to it because it reads long plain lists without the YAML parser (decision 5), which the floor does not.

**Peers.** Equal counts, no change, no network. Terraform: separate `terraform_data` blocks (its quickest form here), the state
written as an apply would leave it. octoDNS: one A record each, from YAML to YAML. Terraform was not run at 100,000: it would need
more than 10 GiB.{left_out} The plot at 100,000 is one run each; below, medians of 3.

**Apply.** N creates into an empty list, journal, canary and read-back on, against N * latency / workers. The latency is the server's sleep;
"bare sockets" is the same number of POSTs without a client library, the least this machine and server can do.

**One after the other.** The download of a list does not begin while the YAML is read: nothing is sent before the YAML is known to be
right. The lists of several tenants and kinds are read at the same time, and one is validated while the next one comes in.

{_BY_HAND}

{by_hand}

{_UP_TO_HERE}

**Machine.** {_processor()}, {os.cpu_count()} cores, {_memory():.0f} GiB, {platform.system()} {platform.release()}, Python {platform.python_version()};
load when it was written {os.getloadavg()[0]:.1f}. {", ".join([*libraries, *others])}.
"""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
