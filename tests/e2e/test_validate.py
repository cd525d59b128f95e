"""`validate`: offline, all problems in one go, and in Terraform's shape as JSON."""

import re

from .conftest import Cli
from .support import SETTLED

BROKEN = """
tenant: acme
cpms:
  - {displayName: A, url: "wss://a.example.com/", interval: 30, colour: red}
  - {displayName: A, url: "wss://b.example.com/", interval: 30}
chargers:
  - {identity: CP-1, displayName: ~, profile: nigth}
"""


def test_what_is_right(cli: Cli) -> None:
    """It needs no token, no API, and no variable set."""
    cli.write("exolink.yaml", SETTLED.replace("bench.example", "u:${env:BENCH}@bench.example"))
    cli("validate", token=None)
    assert cli("validate", "--format", "json", token=None).json["valid"] is True
    assert cli.world.log == []
    assert "BENCH" in cli("plan", code=3).text, "plan needs the variable"


def test_what_is_wrong(cli: Cli) -> None:
    """All problems at once, FILE:LINE:COLUMN, exit 3."""
    cli.write("exolink.yaml", BROKEN)
    refused = cli("validate", code=3)
    assert "exolink.yaml:3:6" in refused.text and "exolink.yaml:4:6" in refused.text, "a duplicate has two places"
    assert len(set(re.findall(r"exolink\.yaml:3:\d+", refused.text))) == 2, "an unknown key has a place of its own"
    assert "exolink.yaml:6:" in refused.text and "colour" in refused.text and "nigth" in refused.text


def test_what_is_wrong_as_json(cli: Cli) -> None:
    """`validate --format json` is Terraform's shape."""
    cli.write("sub/exolink.yaml", BROKEN)
    report = cli("validate", "sub", "--format", "json", code=3).json
    assert report.keys() >= {"format_version", "valid", "error_count", "warning_count", "diagnostics"}
    assert report["valid"] is False and report["error_count"] == len(report["diagnostics"]) >= 4
    for diagnostic in report["diagnostics"]:
        assert diagnostic["severity"] == "error" and diagnostic["code"] and diagnostic["summary"]
        assert diagnostic["range"]["filename"] == "sub/exolink.yaml"
        assert diagnostic["range"]["start"].keys() >= {"line", "column"}
    assert {diagnostic["range"]["start"]["line"] for diagnostic in report["diagnostics"]} <= {3, 4, 6}
