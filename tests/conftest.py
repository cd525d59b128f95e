"""After a run with the long tests: the figures that docs/reliability.md quotes."""

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

FAMILIES = {
    "tests/faults/test_matrix.py::test_a_fault": "a fault at a request of the 12-step plan",
    "tests/faults/test_strace.py": "a write, sync or rename killed or failed by strace",
    "tests/faults/test_rows_": "tests of rows of the failure catalogue",
}
# A shell starts what it runs in the background with SIGINT ignored, and every process that a test starts would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# `nohup` ignores SIGHUP; with a handler of ours pytest stays as deaf, and its processes start with the default.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)

# Each test sets what the command reads of its environment, never the machine that runs the tests. The workers inherit it.
OF_THE_COMMAND = re.compile(
    r"EXOLINK_|GITHUB_|CI_|PG|GITLAB_|NO_COLOR$|FORCE_COLOR$|(HTTPS?|ALL|NO)_PROXY$", re.IGNORECASE
)
OF_THE_TESTS = {"EXOLINK_TEST_BUG", "EXOLINK_SCREENSHOTS", "EXOLINK_LANGUAGE_SERVER", "PG_BIN"}
if os.environ.pop("CI", None):
    os.environ["TESTS_NEED_POSTGRES"] = "yes"
for variable in filter(OF_THE_COMMAND.match, set(os.environ) - OF_THE_TESTS):
    del os.environ[variable]

ROW = re.compile(r"test_row_(\d+)_")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.markexpr == "not long":
        return
    reports = [report for name in ("passed", "failed") for report in terminalreporter.getreports(name)]
    if found := dict(figures(reports)):
        terminalreporter.section("figures")
        for title, figure in found.items():
            terminalreporter.line(f"{figure:>9,}  {title}")


def figures(reports: list[pytest.TestReport]) -> Iterator[tuple[str, int]]:
    reports = [report for report in reports if report.when == "call"]
    for start, family in FAMILIES.items():
        of_family = [report for report in reports if report.nodeid.startswith(start)]
        if of_family:
            yield family, len(of_family)
            yield f"  of which failed ({family.split(' of ')[0]})", sum(each.failed for each in of_family)
    if rows := {match[1] for report in reports if (match := ROW.search(report.nodeid))}:
        yield "rows of the failure catalogue with a test", len(rows)
    counted: Counter[str] = Counter()
    for report in reports:
        for name, value in report.user_properties:
            if name.startswith("figure: "):
                counted[name.removeprefix("figure: ")] += int(str(value))
    yield from counted.items()
