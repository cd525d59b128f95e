"""Values that YAML took from the environment, kept out of every error text: it shows `${env:NAME}` instead."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from exolink_reconcile.cli.run import RUN
from exolink_reconcile.errors import InputError, ReconcileError
from exolink_reconcile.inert import inert
from exolink_reconcile.model import Diagnostic

_SHORT = 4  # characters; a shorter value is part of too many words, so it is hidden only as a complete name


def watched(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment; values that are read from it are hidden from the error texts of this run."""
    return _Watched(environment)


def hide(text: str) -> str:
    """An error text without the values, whether a check, a guardrail or the API quotes them."""
    names = {form: name for name, value in RUN.variables.items() for form in (inert(value), value)}
    if not names:
        return text
    forms = sorted(names, key=len, reverse=True)
    return re.sub("|".join(map(_pattern, forms)), lambda found: f"${{env:{names[found[0]]}}}", text)


def without_values(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Errors and warnings of the YAML, without the values."""
    if not RUN.variables:
        return tuple(diagnostics)
    return tuple(replace(each, summary=hide(each.summary), detail=hide(each.detail)) for each in diagnostics)


def clean(failure: BaseException) -> None:
    """Take the values out of the error that ends a run."""
    if isinstance(failure, ReconcileError):
        failure.summary = hide(failure.summary)
    if isinstance(failure, InputError):
        failure.diagnostics = without_values(failure.diagnostics)


def _pattern(form: str) -> str:
    if len(form) >= _SHORT:
        return re.escape(form)
    return rf"(?<=[/`'\"]){re.escape(form)}(?=[`'\"\s,.;:)]|$)"


class _Watched(Mapping[str, str]):
    """An environment that remembers in RUN which of its variables were read."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __getitem__(self, name: str) -> str:
        value = self._environment[name]
        if value:
            RUN.variables[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)
