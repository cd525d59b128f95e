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
    head, *rest = ("".join("." if c == "?" else re.escape(c) for c in part) for part in glob.split("*"))
    # The first place where a part fits is as good as any later one, so each is tried once: no glob can take long.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    return re.compile(head + (f"{middle}.*{rest[-1]}" if rest else ""), re.DOTALL)


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
