"""Diagnostics to a GitLab Code Quality report.

GitLab stops reading at the first entry that is not as it should be, and takes two entries with one fingerprint for one.
"""

import json
from collections.abc import Callable, Sequence

from exolink_reconcile.inert import inert
from exolink_reconcile.model import Diagnostic
from exolink_reconcile.report.fingerprints import fingerprints

_SEVERITY = {"error": "critical", "warning": "minor"}
NO_PLACE = "exolink.yaml"  # every entry needs a file: where a problem has none, the one that is read by default


def diagnostics(found: Sequence[Diagnostic], path_from_root: Callable[[str], str]) -> str:
    """One JSON array, an entry for each diagnostic."""
    entries = [
        {
            "description": inert(f"{each.summary}. {each.detail}" if each.detail else each.summary),
            "check_name": each.code,
            "fingerprint": fingerprint,
            "severity": _SEVERITY[each.severity],
            "location": {
                "path": inert(path_from_root(each.source.path)).lstrip("/") if each.source else NO_PLACE,
                "lines": {"begin": each.source.line if each.source else 1},
            },
        }
        for each, fingerprint in zip(found, fingerprints(found, path_from_root), strict=True)
    ]
    return json.dumps(entries, indent=2, ensure_ascii=True) + "\n"
