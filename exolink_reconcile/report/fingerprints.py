"""Diagnostics to fingerprints: what a host of code knows a finding by when its line has moved."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence

from exolink_reconcile.model import Diagnostic

_PLACE = re.compile(r":\d+:\d+")


def fingerprints(found: Sequence[Diagnostic], path_from_root: Callable[[str], str]) -> list[str]:
    """One for each diagnostic, all different: of its word, its file and its sentence, never of a line.

    What is the same in all three is told apart by its order in the file.
    """
    seen: Counter[str] = Counter()
    made = []
    for each in found:
        path = path_from_root(each.source.path) if each.source else ""
        text = "\0".join((each.code, path, _PLACE.sub("", each.summary)))
        made.append(hashlib.sha256(f"{text}\0{seen[text]}".encode("utf-8", "surrogateescape")).hexdigest())
        seen[text] += 1
    return made
