"""Names to one line, in which runs of numbered names fold."""

import re
from collections.abc import Sequence

from exolink_reconcile.inert import inert

_SHOWN_RUNS = 3
_NUMBERED = re.compile("(.*?)([0-9]+)", re.DOTALL)


def names(names: Sequence[str]) -> str:
    """Names on one line: `A-01 … A-40` only if every number between is among them, else the first names and a count."""
    runs: list[list[str]] = []
    for name in sorted(names, key=_by_number):
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    pieces = [piece for run in runs for piece in ([run] if len(run) > 2 else [[name] for name in run])]
    listed = pieces[:_SHOWN_RUNS]
    line = ", ".join(inert(run[0]) if len(run) == 1 else f"{inert(run[0])} … {inert(run[-1])}" for run in listed)
    not_listed = len(names) - sum(map(len, listed))
    return f"{line} and {not_listed} more" if not_listed else line


def _by_number(name: str) -> tuple[str, int, str]:
    numbered = _NUMBERED.fullmatch(name)
    return (numbered[1], len(name), name) if numbered else (name, 0, name)


def _follows(before: str, name: str) -> bool:
    first, second = _NUMBERED.fullmatch(before), _NUMBERED.fullmatch(name)
    if first is None or second is None or len(before) != len(name) or len(name) > 1000:
        return False
    return first[1] == second[1] and int(first[2]) + 1 == int(second[2])
