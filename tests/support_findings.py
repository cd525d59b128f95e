"""Findings of a broken document, and what a reader of a report sees of them."""

import json
from typing import Any

from support_pipeline import read_yaml

from exolink_reconcile.errors import InputError
from exolink_reconcile.model import Diagnostic
from exolink_reconcile.report import codequality, sarif

BROKEN = "tenant: acme\nchargers:\n  - {identity: A, colour: red}\n  - {identity: B, colour: red}\n  - {identity: A}\n"


def same(path: str) -> str:
    return path


def found(text: str) -> tuple[Diagnostic, ...]:
    try:
        return read_yaml(text).warnings
    except InputError as error:
        return error.diagnostics


def entries(text: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads(codequality.diagnostics(found(text), same))
    return loaded


def run_of(diagnostics: tuple[Diagnostic, ...]) -> Any:
    return json.loads(sarif.diagnostics(diagnostics, same, version="1"))["runs"][0]
