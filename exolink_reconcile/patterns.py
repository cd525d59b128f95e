"""Patterns of a contract against texts, in bounded time: the API judges what could take too long here.

The author of the contract chooses the pattern, and `^(a+)+$` takes for ever on 40 letters. A pattern is tried only if its
shape bounds its cost: no repetition of a choice or of another repetition, no look-around, no back reference. Each repetition
of such a pattern, each choice and each place to start multiply its steps; a budget bounds the sum.
"""

import functools
import math
import re
import warnings
from typing import Any

_MOST_STEPS = 300_000_000
_LONGEST_PATTERN = 1_000
# Private, because Python has no public parser of patterns. An engine that takes linear time, like pydantic's, does not help:
# it reads another syntax than `re`, so it would allow other texts. Without the parser the API judges every pattern.
_PARSER: Any = getattr(re, "_parser", None)


class Patterns:
    """The patterns of one check, and its remaining budget."""

    def __init__(self, steps: int = _MOST_STEPS) -> None:
        self._left = steps

    def allow(self, pattern: str, text: str) -> bool:
        """Whether this pattern allows a text to be sent; true also if only the API can judge that."""
        compiled = _compiled(pattern)
        if compiled is None:
            return True
        expression, spans, choices = compiled
        starts = len(text) + 1
        steps = starts * choices * math.prod(min(span, starts) for span in spans)
        if steps > self._left:
            return True
        self._left -= steps
        return expression.search(text) is not None


@functools.lru_cache(256)
def _compiled(pattern: str) -> tuple[re.Pattern[str], tuple[int, ...], int] | None:
    """The expression, the span of each repetition, the product of its choices.

    None for a pattern that may take long, or that Python does not know: ECMAScript's syntax is different.
    """
    if _PARSER is None or len(pattern) > _LONGEST_PATTERN:
        return None
    spans: list[int] = []
    choices: list[int] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _weigh(_PARSER.parse(pattern, re.ASCII), spans, choices, inside=False)
            return re.compile(pattern, re.ASCII), tuple(spans), math.prod(choices)
    except (re.error, RecursionError, OverflowError, _MayTakeLongError):
        return None


class _MayTakeLongError(Exception):
    pass


def _weigh(parsed: Any, spans: list[int], choices: list[int], *, inside: bool) -> None:
    """Collect what multiplies the steps of a parsed pattern. Raises for a shape without a known cost."""
    for operation, argument in parsed:
        name = str(operation)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, inner = argument
            if low != high:
                if inside:
                    raise _MayTakeLongError
                spans.append(int(high) - int(low) + 1)
            _weigh(inner, spans, choices, inside=inside or high > 1)
        elif name == "SUBPATTERN":
            _weigh(argument[-1], spans, choices, inside=inside)
        elif name == "BRANCH":
            if inside:
                raise _MayTakeLongError
            choices.append(len(argument[1]))
            for choice in argument[1]:
                _weigh(choice, spans, choices, inside=inside)
        elif name not in ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT"):
            raise _MayTakeLongError
