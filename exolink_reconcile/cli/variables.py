"""Values that YAML took from the environment, kept out of every error text: it shows `${env:NAME}` instead."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from exolink_reconcile.cli.run import RUN
from exolink_reconcile.errors import InputError, ReconcileError
from exolink_reconcile.inert import inert
from exolink_reconcile.model import Diagnostic
from exolink_reconcile.references import Watched

_SHORT = 4  # characters; a shorter value is part of too many words, so it is hidden only as a complete name


def watched(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment; values that are read from it are hidden from the error texts of this run."""
    return Watched(environment, RUN.variables)


def hide(text: str) -> str:
    """An error text without the values, whether a check, a guardrail or the API quotes them."""
    names = {form: name for name, value in RUN.variables.items() if value for form in (inert(value), value)}
    if not names:
        return text
    forms = sorted(names, key=len, reverse=True)
    return re.sub("|".join(map(_pattern, forms)), lambda match: f"${{env:{names[match[0]]}}}", text)


def without_values(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Errors and warnings of the YAML, without the values."""
    if not RUN.variables:
        return tuple(diagnostics)
    return tuple(
        replace(diagnostic, summary=hide(diagnostic.summary), detail=hide(diagnostic.detail))
        for diagnostic in diagnostics
    )


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
