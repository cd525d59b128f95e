"""Findings in the shape of `terraform validate -json`."""

import json

from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.report import validation_json

ERROR = Diagnostic("E-TYPE", "must be text", Source("a.yaml", 3, 5), "Write it in quotes.")
WARNING = Diagnostic("W-EMPTY", "declares nothing", severity="warning")


def test_the_counts_say_whether_it_is_valid() -> None:
    """Only an error makes it invalid."""
    heads = [
        {name: document[name] for name in ("format_version", "valid", "error_count", "warning_count")}
        for document in (
            json.loads(validation_json.diagnostics(diagnostics)) for diagnostics in ((), (WARNING,), (ERROR, WARNING))
        )
    ]
    assert heads == [
        {"format_version": "1.0", "valid": True, "error_count": 0, "warning_count": 0},
        {"format_version": "1.0", "valid": True, "error_count": 0, "warning_count": 1},
        {"format_version": "1.0", "valid": False, "error_count": 1, "warning_count": 1},
    ]


def test_a_finding_has_its_place_where_it_has_one() -> None:
    """1-based, and no range for what stands nowhere: an editor would jump to a line that is not at fault."""
    placed, nowhere = json.loads(validation_json.diagnostics((ERROR, WARNING)))["diagnostics"]
    start = {"line": 3, "column": 5}
    assert placed == {
        "severity": "error",
        "code": "E-TYPE",
        "summary": "must be text",
        "detail": "Write it in quotes.",
        "range": {"filename": "a.yaml", "start": start, "end": start},
    }
    assert "range" not in nowhere and nowhere["severity"] == "warning"


def test_no_name_is_a_command() -> None:
    """A runner that reads the log finds none, and a JSON reader has the name as it is."""
    text = validation_json.diagnostics([Diagnostic("E-TYPE", "##vso[x] \n::error::\u202e")])
    assert "##" not in text and "::error" not in text and text.isascii()
    assert json.loads(text)["diagnostics"][0]["summary"] == "##vso[x] \n::error::\u202e"
