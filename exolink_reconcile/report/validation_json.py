"""Diagnostics to JSON in the shape of `terraform validate -json`."""

import json
from collections.abc import Sequence
from typing import Any

from exolink_reconcile.inert import json_without_commands
from exolink_reconcile.model import Diagnostic


def diagnostics(findings: Sequence[Diagnostic]) -> str:
    """One JSON document: `format_version`, `valid`, the counts, the diagnostics."""
    errors = sum(1 for finding in findings if finding.severity == "error")
    document = {
        "format_version": "1.0",
        "valid": errors == 0,
        "error_count": errors,
        "warning_count": len(findings) - errors,
        "diagnostics": [diagnostic(finding) for finding in findings],
    }
    return json_without_commands(json.dumps(document, indent=2, ensure_ascii=True)) + "\n"


def diagnostic(finding: Diagnostic) -> dict[str, Any]:
    """One diagnostic. `range` is left out if it has no place."""
    document: dict[str, Any] = {
        "severity": finding.severity,
        "code": finding.code,
        "summary": finding.summary,
        "detail": finding.detail,
    }
    if finding.source is not None:
        start = {"line": finding.source.line, "column": finding.source.column}
        document["range"] = {"filename": finding.source.path, "start": start, "end": start}
    return document
