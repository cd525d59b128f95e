"""Diagnostics to JSON in the shape of `terraform validate -json`."""

import json
from collections.abc import Sequence
from typing import Any

from exolink_reconcile.model import Diagnostic


def diagnostics(found: Sequence[Diagnostic]) -> str:
    """One JSON document: `format_version`, `valid`, the counts, the diagnostics."""
    errors = sum(1 for each in found if each.severity == "error")
    document = {
        "format_version": "1.0",
        "valid": errors == 0,
        "error_count": errors,
        "warning_count": len(found) - errors,
        "diagnostics": [diagnostic(each) for each in found],
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def diagnostic(each: Diagnostic) -> dict[str, Any]:
    """One diagnostic. `range` is left out where it has no place."""
    shown: dict[str, Any] = {
        "severity": each.severity,
        "code": each.code,
        "summary": each.summary,
        "detail": each.detail,
    }
    if each.source is not None:
        here = {"line": each.source.line, "column": each.source.column}
        shown["range"] = {"filename": each.source.path, "start": here, "end": here}
    return shown
