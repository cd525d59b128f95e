"""A run to a file of metrics in Prometheus' text format, for a node exporter's textfile collector.

It is written by hand: a dozen gauges need no library, and every name stands here.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from exolink_reconcile import files
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.codes import Exit
from exolink_reconcile.model import Action, Plan, Result, Status
from exolink_reconcile.resource import Address, ListKey

_SUCCESS = "exolink_last_success_timestamp_seconds"
_LOOKED_AT = 10_000  # characters that are read of a file before it is overwritten
_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*(\{.*\})? [-+0-9.eEinfaNI]+( -?[0-9]+)?$")
_CAUSES = ("edit", "drift", "both", "none")  # none: no base says whose change it is
_Labels = Mapping[str, str]


class Metrics:
    """What a run reports about itself at its end."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget an earlier run of this process."""
        self._held_back = self._unknown = 0
        self._steps: Counter[tuple[str, str]] = Counter()
        self._differences: dict[Address, str] = {}
        self._lists: set[ListKey] = set()

    def planned(self, plan: Plan, lists: Iterable[ListKey], unknown: int = 0) -> None:
        """Note a plan: differences by list (`lists` are all that were read), held back, writes still open."""
        self.begin()
        self._held_back, self._unknown = len(plan.held_back), unknown
        self._lists = set(lists)
        self._differences = dict(_causes(plan))

    def applied(self, result: Result) -> None:
        """Note the outcomes of the steps; what is done does not differ any more."""
        done = {outcome.step.address for outcome in result.outcomes if not outcome.exit_code}
        self._differences = {a: cause for a, cause in self._differences.items() if a not in done}
        self._steps = Counter((outcome.step.action.word, outcome.status.value) for outcome in result.outcomes)
        self._unknown += sum(outcome.status is Status.UNKNOWN for outcome in result.outcomes)

    def text(self, code: Exit, now: float, before: str) -> str:
        """The content of the file. `before` is its old content: the last success is kept from there."""
        success = now if code in (Exit.DONE, Exit.DIFFERS) else _earlier(before)
        steps = [(action.word, status.value) for action in Action for status in Status]
        counts = Counter((address.tenant, address.kind, cause) for address, cause in self._differences.items())
        places = self._lists | {(tenant, kind) for tenant, kind, _ in counts}
        differences = [(*place, cause) for place in sorted(places) for cause in _CAUSES]
        metrics: dict[tuple[str, str], list[tuple[_Labels, float]]] = {
            ("exolink_last_run_timestamp_seconds", "When the last run ended."): [({}, now)],
            (_SUCCESS, "When a run last ended with exit code 0 or 2; 0 for never."): [({}, success)],
            ("exolink_exit_code", "The exit code of the last run."): [({}, code)],
            ("exolink_run_seconds", "How long the last run took."): [({}, RUN.seconds)],
            ("exolink_steps", "What became of the steps of the last run."): [
                ({"action": action, "outcome": outcome}, self._steps[action, outcome]) for action, outcome in steps
            ],
            ("exolink_held_back", "Differences that apply will not settle."): [({}, self._held_back)],
            ("exolink_differences", "Differences between YAML and live, held back included."): [
                ({"tenant": tenant, "kind": kind, "cause": cause}, counts[tenant, kind, cause])
                for tenant, kind, cause in differences
            ],
            ("exolink_unknown_writes", "Writes whose outcome is not known."): [({}, self._unknown)],
        }
        return "".join(line for (name, help), values in metrics.items() for line in _lines(name, help, values))

    def write(self, path: str, code: Exit) -> None:
        """Write the file, completely or not at all. Raises StorageFailed."""
        before = ""
        if os.path.isfile(path):
            with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
                before = file.read(1_000_000)
        files.write(path, (self.text(code, time.time(), before).encode(),), mode=0o644)


def _causes(plan: Plan) -> Iterator[tuple[Address, str]]:
    """Each difference and whose change it is (none: no base says it); everything held back at an address is one."""
    for held in plan.held_back:
        yield held.address, "none"
    for step in plan.steps:  # a step has the last word on its address
        yield step.address, step.cause or "none"


def _earlier(text: str) -> float:
    """The last success in a file of metrics; 0 if it has none."""
    match = re.search(rf"(?m)^{_SUCCESS} (\d{{1,15}}(?:\.\d{{1,9}})?)$", text)
    return float(match[1]) if match else 0.0


def _lines(name: str, help: str, values: Iterable[tuple[_Labels, float]]) -> Iterator[str]:
    yield f"# HELP {name} {help}\n# TYPE {name} gauge\n"
    for labels, value in values:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{inside}}} {_number(value)}\n" if inside else f"{name} {_number(value)}\n"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def is_something_else(path: str) -> bool:
    """Whether a file exists and holds anything but Prometheus text, such as YAML that somebody wrote."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_LOOKED_AT)
    except (OSError, ValueError):
        return False
    lines = [line for line in text.splitlines() if line.strip()]
    if len(text) == _LOOKED_AT:
        lines.pop()  # cut in the middle
    comments_only = bool(lines) and all(line[0] == "#" for line in lines) and not text.startswith("# HELP ")
    return comments_only or any(line[0] != "#" and not _METRIC.match(line) for line in lines)


# The metrics of this process.
METRICS = Metrics()
