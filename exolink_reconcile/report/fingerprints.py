"""Diagnostics to fingerprints, by which a code host recognizes a finding whose line has moved."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence

from exolink_reconcile.model import Diagnostic

_PLACE = re.compile(r":\d+:\d+")


def fingerprints(findings: Sequence[Diagnostic], path_from_root: Callable[[str], str]) -> list[str]:
    """A fingerprint for each diagnostic, all different: made of its code, its file and its sentence, never of a line.

    Diagnostics that agree in all three get a number, by their order in the file.
    """
    counts: Counter[str] = Counter()
    hashes = []
    for finding in findings:
        path = path_from_root(finding.source.path) if finding.source else ""
        text = "\0".join((finding.code, path, _PLACE.sub("", finding.summary)))
        hashes.append(hashlib.sha256(f"{text}\0{counts[text]}".encode("utf-8", "surrogateescape")).hexdigest())
        counts[text] += 1
    return hashes
