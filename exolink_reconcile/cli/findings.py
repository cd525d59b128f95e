"""Errors and warnings to stderr; on a terminal in colour, with the line that they are about."""

import os
import shutil
import stat
import sys
from collections.abc import Iterable

from exolink_reconcile.cli import variables
from exolink_reconcile.cli.console import CONSOLE, Console
from exolink_reconcile.errors import ApiError, ReconcileError
from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.report.diagnostics_text import Look, diagnostics

_MOST_BYTES = 64 * 1024 * 1024


def tell(findings: Iterable[Diagnostic], console: Console = CONSOLE) -> None:
    """Show diagnostics, in their order."""
    findings = variables.without_values(findings)
    if not sys.stderr.isatty():
        console.err(diagnostics(findings, Look(colours=console.error_colours)))
        return
    width = max(60, shutil.get_terminal_size((100, 24)).columns)
    console.err(diagnostics(findings, Look(width, console.error_colours, _Lines().at)))


def failure(error: ReconcileError, console: Console = CONSOLE) -> None:
    """Show the error that ended a command. If an API error does not say what to do, the help of its code does."""
    end = "" if error.summary.endswith("?") else "."
    detail = error.code.help if isinstance(error, ApiError) and not error.says_what_now else ""
    tell([Diagnostic(error.code, f"{error.summary.rstrip('.')}{end}", error.source, detail=detail)], console)


class _Lines:
    """The lines of files, each file read once; none if a file cannot be read any more."""

    def __init__(self) -> None:
        self._files: dict[str, list[str]] = {}

    def at(self, source: Source) -> str | None:
        """The line of a place."""
        if source.path not in self._files:
            self._files[source.path] = _read(source.path)
        lines = self._files[source.path]
        return lines[source.line - 1] if 0 < source.line <= len(lines) else None


def _read(path: str) -> list[str]:
    try:
        state = os.stat(path)
        if not stat.S_ISREG(state.st_mode) or state.st_size > _MOST_BYTES:
            return []
        with open(path, encoding="utf-8-sig", newline=None) as file:
            return file.read().split("\n")
    except (OSError, ValueError):
        return []
