"""A JSON Schema of the contract to a judge of values that ends in bounded time, whatever the schema says.

Whoever writes the contract can ask for an answer that takes for ever: `^(a+)+$`, or a choice of two that are each a choice
of two, thirty times. So each keyword costs steps, of which one value has so many; and a pattern is tried only if its cost can
be known from its shape. What is not tried is left to the real API to judge.
"""

import contextvars
import functools
import math
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
from jsonschema.protocols import Validator

from exolink_reconcile.emulator.errors import Refused
from exolink_reconcile.emulator.facts import Json

_MOST_STEPS = 100_000
_DEEPEST = 60
_MOST_TRIES = 10_000_000  # of one pattern on one text
_LONGEST_PATTERN = 1_000
# Private, because Python has no public parser of patterns, and an engine that takes linear time reads another syntax than
# `re`. Without the parser no pattern is tried.
_PARSER: Any = getattr(re, "_parser", None)


class _Left:
    """What is left of the steps for one value, and how deep in its schema we are."""

    def __init__(self) -> None:
        self.steps = _MOST_STEPS
        self.depth = 0


_LEFT: contextvars.ContextVar[_Left] = contextvars.ContextVar("left")


def errors(schema: Validator, value: Json) -> list[jsonschema.ValidationError]:
    """What is wrong with a value, in the order of its fields.

    Raises:
        Refused: 400, to judge it takes too long, or the contract has a keyword that means nothing.

    """
    token = _LEFT.set(_Left())
    try:
        return sorted(schema.iter_errors(value), key=lambda error: [str(step) for step in error.path])
    finally:
        _LEFT.reset(token)


def judge(document: dict[str, Any], schema: Any) -> Validator:
    """The judge of a schema whose references lead into the document."""
    # The document around the schema gives its local references something to point into; no keyword of an OpenAPI
    # root means anything to JSON Schema.
    return _Judge({**document, "allOf": [schema]}, format_checker=_FORMATS)  # type: ignore[no-any-return]  # jsonschema has no types here


_Keyword = Callable[[Any, Any, Any, Any], "Iterator[jsonschema.ValidationError] | None"]


def _counted(name: str, keyword: _Keyword) -> _Keyword:
    """The keyword, which costs a step, and one for each thing that its value lists."""

    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
        left = _LEFT.get()
        left.steps -= 1 + (len(value) if isinstance(value, (list, dict)) else 0)
        if left.steps < 0 or left.depth > _DEEPEST:
            raise Refused(400, "the contract's schema for this is too large to judge it by")
        left.depth += 1
        try:
            yield from keyword(validator, value, instance, schema) or ()
        except (Refused, RecursionError):
            raise
        except Exception:  # a keyword whose value is none: jsonschema expects a schema that was checked
            raise Refused(400, f"the contract's `{name}` cannot be judged") from None
        finally:
            left.depth -= 1

    return counted


def _pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
    if not isinstance(instance, str) or not isinstance(pattern, str):
        return
    compiled = _compiled(pattern)
    if compiled is None:
        return
    expression, repetitions, factor = compiled
    if (len(instance) + 1) ** (repetitions + 1) * factor > _MOST_TRIES:
        return
    if expression.search(instance) is None:
        yield jsonschema.ValidationError("does not match the pattern")


@functools.lru_cache(256)
def _compiled(pattern: str) -> tuple[re.Pattern[str], int, int] | None:
    """The expression, how many of its repetitions have no fixed number, and what else multiplies its tries.

    None for one whose cost is not known: a choice or such a repetition inside of another one, a look around or back; and
    for one that Python does not have.
    """
    if _PARSER is None or len(pattern) > _LONGEST_PATTERN:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            repetitions, factors = _weights(_PARSER.parse(pattern), repeated=False)
            return re.compile(pattern), repetitions, math.prod(factors)
    except (re.error, ValueError, RecursionError, OverflowError):
        return None


def _weights(parsed: Any, *, repeated: bool) -> tuple[int, list[int]]:
    repetitions, factors = 0, []
    for operation, argument in parsed:
        match str(operation):
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN" | "AT":
                continue
            case "SUBPATTERN":
                parts, inside = [argument[-1]], repeated
            case "BRANCH" if not repeated:
                parts, inside = list(argument[1]), False
                factors.append(len(parts))
            case "MAX_REPEAT" | "MIN_REPEAT" if not (repeated and argument[0] != argument[1]):
                least, most, part = argument
                parts, inside = [part], most > 1
                repetitions += least != most
                factors.append(max(int(least), 1))
            case _:
                raise ValueError(str(operation))
        for part in parts:
            more, others = _weights(part, repeated=inside)
            repetitions, factors = repetitions + more, factors + others
    return repetitions, factors


_FORMATS = jsonschema.FormatChecker(formats=())


@_FORMATS.checks("uri")
def _is_uri(value: object) -> bool:
    """Anything with a scheme and without blanks: the API's own idea of a URL is not documented."""
    return not isinstance(value, str) or re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x20\x7f]*", value) is not None


_Judge = jsonschema.validators.extend(  # type: ignore[no-untyped-call]  # jsonschema has no types here
    jsonschema.Draft202012Validator,
    {
        name: _counted(name, keyword)
        for name, keyword in {**jsonschema.Draft202012Validator.VALIDATORS, "pattern": _pattern}.items()
    },
)
