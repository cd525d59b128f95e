"""Diagnostics to a GitLab Code Quality report.

GitLab stops reading at the first malformed entry, and takes two entries with the same fingerprint for one.
"""

import json
from collections.abc import Callable, Sequence

from exolink_reconcile.inert import inert, json_without_commands
from exolink_reconcile.model import Diagnostic
from exolink_reconcile.report.fingerprints import fingerprints

_SEVERITY = {"error": "critical", "warning": "minor"}
NO_PLACE = "exolink.yaml"  # every entry needs a file: a problem without one gets the file that is read by default


def diagnostics(findings: Sequence[Diagnostic], path_from_root: Callable[[str], str]) -> str:
    """One JSON array, an entry for each diagnostic."""
    entries = [
        {
            "description": inert(f"{finding.summary}. {finding.detail}" if finding.detail else finding.summary),
            "check_name": finding.code,
            "fingerprint": fingerprint,
            "severity": _SEVERITY[finding.severity],
            "location": {
                "path": inert(path_from_root(finding.source.path)).lstrip("/") if finding.source else NO_PLACE,
                "lines": {"begin": finding.source.line if finding.source else 1},
            },
        }
        for finding, fingerprint in zip(findings, fingerprints(findings, path_from_root), strict=True)
    ]
    return json_without_commands(json.dumps(entries, indent=2, ensure_ascii=True)) + "\n"
