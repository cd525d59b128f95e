r"""Globs of policies, targets and excludes: `*` any run (slashes too), `?` one character, `\*` `\?` `\\` themselves."""

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence


def matches(glob: str, text: str) -> bool:
    """Whether the whole of `text` matches. Case counts."""
    return _regex(glob).fullmatch(text) is not None


class Globs:
    """Many globs at once. To find those that match a text costs about the same, however many there are.

    Each glob is indexed by the plain text that it begins or ends with, whichever is longer: few texts have it.
    """

    def __init__(self, globs: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._heads: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        self._tails: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for glob in dict.fromkeys(globs):
            head, tail = literal_head(glob), re.split(r"[*?\\]", glob)[-1]
            if head == glob:
                self._exact.add(glob)
            elif len(head) >= len(tail):
                self._heads[len(head)][head].append(glob)
            else:
                self._tails[len(tail)][tail].append(glob)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._exact or self._heads or self._tails)

    def matching(self, text: str) -> Iterator[str]:
        """The globs that match `text`, in no order."""
        if text in self._exact:
            yield text
        for length, by_head in self._heads.items():
            yield from (glob for glob in by_head.get(text[:length], ()) if matches(glob, text))
        for length, by_tail in self._tails.items():
            yield from (glob for glob in by_tail.get(text[-length:], ()) if matches(glob, text))

    def match(self, text: str) -> bool:
        """Whether any of them matches."""
        return next(self.matching(text), None) is not None


def literal_head(glob: str) -> str:
    """The plain text that all texts of a glob begin with."""
    return re.split(r"[*?\\]", glob, maxsplit=1)[0]


def may_match_below(glob: str, prefix: str) -> bool:
    """Whether any text that starts with `prefix` can match; if not, it need not be read."""
    if not _agree(literal_head(glob), prefix):
        return False
    reached, tokens = {0}, _tokens(glob)
    for character in prefix:
        reached = {after for state in _closure(tokens, reached) for after in _step(tokens, state, character)}
    return bool(reached)


def _agree(head: str, prefix: str) -> bool:
    return head.startswith(prefix) or prefix.startswith(head)


@functools.cache
def _regex(glob: str) -> re.Pattern[str]:
    parts = [""]
    for token in _tokens(glob):
        if token == "*":
            parts.append("")
        else:
            parts[-1] += "." if token == "?" else re.escape(token[-1])
    head, *rest = parts
    # The first place where a part fits is as good as any later place, so each is tried once: no glob can take long.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    return re.compile(head + (f"{middle}.*{rest[-1]}" if rest else ""), re.DOTALL)


@functools.cache
def _tokens(glob: str) -> tuple[str, ...]:
    """`*`, `?`, and characters that stand for themselves; an escaped one keeps its backslash."""
    return tuple(re.findall(r"\\[*?\\]|.", glob, re.DOTALL))


def _closure(tokens: Sequence[str], states: set[int]) -> set[int]:
    closed = set(states)
    for state in states:
        while state < len(tokens) and tokens[state] == "*":
            state += 1
            closed.add(state)
    return closed


def _step(tokens: Sequence[str], state: int, character: str) -> tuple[int, ...]:
    if state >= len(tokens):
        return ()
    token = tokens[state]
    if token == "*":
        return (state,)
    return (state + 1,) if token == "?" or token[-1] == character else ()
