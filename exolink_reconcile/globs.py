"""Globs of policies, targets and excludes: `*` any run (slashes too), `?` one character, nothing else is special."""

import functools
import re


def matches(glob: str, text: str) -> bool:
    """Whether the whole of `text` matches. Case counts."""
    return _regex(glob).fullmatch(text) is not None


def may_match_below(glob: str, prefix: str) -> bool:
    """Whether some text that starts with `prefix` matches: so that what cannot match need not be read."""
    reached = {0}
    for character in prefix:
        reached = {after for state in _closure(glob, reached) for after in _step(glob, state, character)}
    return bool(reached)


@functools.cache
def _regex(glob: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(character) or re.escape(character) for character in glob), re.DOTALL)


def _closure(glob: str, states: set[int]) -> set[int]:
    closed = set(states)
    for state in states:
        while state < len(glob) and glob[state] == "*":
            state += 1
            closed.add(state)
    return closed


def _step(glob: str, state: int, character: str) -> tuple[int, ...]:
    if state >= len(glob):
        return ()
    if glob[state] == "*":
        return (state,)
    return (state + 1,) if glob[state] in ("?", character) else ()
