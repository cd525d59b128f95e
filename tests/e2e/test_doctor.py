"""doctor: one line a check, and the exit code of the worst."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.doctor import Doctor
from exolink_reconcile.cli.options import ApiOptions

from .conftest import Cli
from .support import SETTLED

NAMES = ["YAML", "API name", "TLS", "token", "tenant acme", "fields", "state", "clock"]


def checks(cli: Cli, *args: str, code: int = 0, **options: Any) -> dict[str, tuple[str, str, int]]:
    document = cli("doctor", "--format", "json", *args, code=code, **options).json
    assert document["format_version"] == "1.0"
    return {check["name"]: (check["status"], check["detail"], check["exit_code"]) for check in document["checks"]}


def test_all_is_well(settled: Cli) -> None:
    """Each check is a line that begins with `ok`; nothing is written, here or there."""
    before = len(settled.world.writes)
    ran = settled("doctor")
    assert [line.split()[0] for line in ran.lines] == ["ok"] * len(NAMES), ran.report
    assert list(checks(settled)) == NAMES and len(settled.world.writes) == before
    assert "2 cpms, 2 chargers" in checks(settled)["tenant acme"][1]


def test_each_failure_has_its_line(settled: Cli, tmp_path: Path) -> None:
    """What fails is said where it fails, with its exit code; what needs it is not guessed at."""
    lines = checks(settled, "--token-file", str(tmp_path / "gone"), code=10)
    assert lines["token"][0] == "failed" and lines["token"][2] == 10 and lines["tenants"][0] == "warning"
    lines = checks(settled, "--ca-file", str(tmp_path / "gone"), "--api-url", "https://127.0.0.1:1", code=3)
    assert "--ca-file" in lines["TLS"][1] and lines["TLS"][2] == 3 and lines["tenant acme"][2] == 3
    (tmp_path / "file").write_text("x")
    assert checks(settled, "--state", str(tmp_path / "file"), code=11)["state"][2] == 11
    settled.write("exolink.yaml", SETTLED + "colour: red\n")
    lines = checks(settled, code=3)
    assert lines["YAML"][0] == "failed" and "exolink.yaml:" in lines["YAML"][1] and "E-UNKNOWN" in lines["YAML"][1]


def test_a_tenant_that_cannot_be_read(settled: Cli) -> None:
    """Each tenant has a line of its own: one that is forbidden does not hide the others."""
    settled.write("other.yaml", "tenant: other\nname: Other\n")
    lines = checks(settled, "exolink.yaml", "other.yaml", code=4)
    assert lines["tenant acme"][0] == "ok" and lines["tenant other"][0] == "failed"
    settled.world.override = lambda method, path: (403, {}, b"")
    assert checks(settled, code=10)["tenant acme"][2] == 10


def test_what_the_contract_does_not_know(settled: Cli) -> None:
    """A field that the API answers and the contract does not describe is a warning."""
    settled.world.add("acme", "cpms", displayName="New", region="eu")
    status, detail, code = checks(settled)["fields"]
    assert (status, code) == ("warning", 0) and "cpms.region" in detail


@pytest.mark.parametrize(
    ("seconds", "status", "word"),
    [(-3_600, "warning", "ahead of"), (3_600, "warning", "behind"), (0, "ok", ""), (None, "ok", "not compared")],
)
def test_a_clock_that_is_off(seconds: float | None, status: str, word: str) -> None:
    """More than a minute off the API's own Date is a warning."""
    api: Any = SimpleNamespace(now=lambda: None if seconds is None else time.time() + seconds)
    check = Doctor(ApiOptions("emulator:x", None, None, None, 1, 1.0, None, False), (), None, None, CONSOLE)._clock(api)
    assert check.status == status and word in check.detail
