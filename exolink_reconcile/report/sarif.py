"""Diagnostics to SARIF 2.1.0: one run, its rules, its results."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from exolink_reconcile.codes import READING, Code
from exolink_reconcile.inert import inert, json_without_commands
from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.report.fingerprints import fingerprints

MAX_RESULTS = 25_000  # GitHub refuses a file with more
_HOME = "https://pypi.org/project/exolink-reconcile/"  # validators require the tool's web address
_ROOT = "%SRCROOT%"
_RULES: dict[str, int] = {code: index for index, code in enumerate(READING)}
_LEVELS = {"E": "error", "W": "warning"}
_NO_PLACE = Source("exolink.yaml", 1, 1)  # GitHub requires a place: a problem without one gets the default file


def diagnostics(findings: Sequence[Diagnostic], path_from_root: Callable[[str], str], *, version: str) -> str:
    """One SARIF log. Places are from the root of the repository; columns count characters."""
    results = [
        _result(finding, fingerprint, path_from_root)
        for finding, fingerprint in zip(findings, fingerprints(findings, path_from_root), strict=True)
    ]
    results.sort(key=lambda result: result["level"] != "error")
    driver = {
        "name": "exolink-reconcile",
        "semanticVersion": version,
        "informationUri": _HOME,
        "rules": [_rule(code) for code in READING],
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "invocations": [_invocation(len(results) - MAX_RESULTS)],
        "results": results[:MAX_RESULTS],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json_without_commands(json.dumps(log, indent=2, ensure_ascii=True)) + "\n"


def _rule(code: Code) -> dict[str, Any]:
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in (_LEVELS[code[0]], *code.split("-")[1:])),
        "shortDescription": {"text": code.means},
        "fullDescription": {"text": f"{code.means} {code.help}"},
        "help": {"text": code.help, "markdown": code.help},
        "defaultConfiguration": {"level": _LEVELS[code[0]]},
        "properties": {"tags": ["exolink", "configuration"]},
    }


def _invocation(left_out: int) -> dict[str, Any]:
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if left_out > 0:
        message = f"{left_out} more results were left out: GitHub takes {MAX_RESULTS}."
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": message}}]
    return invocation


def _result(finding: Diagnostic, fingerprint: str, path_from_root: Callable[[str], str]) -> dict[str, Any]:
    source = finding.source or _NO_PLACE
    rule = {"ruleIndex": _RULES[finding.code]} if finding.code in _RULES else {}
    return {
        "ruleId": finding.code,
        **rule,
        "level": finding.severity,
        "message": {"text": _message(finding)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": _artifact(path_from_root(source.path)),
                    "region": {"startLine": source.line, "startColumn": source.column},
                }
            }
        ],
        "partialFingerprints": {"exolinkReconcile/v1": fingerprint},
    }


def _message(finding: Diagnostic) -> str:
    """Sentences, each with its full stop; `](` is broken up, because it would turn a name into a link."""
    message = f"{finding.summary.rstrip('.')}. {finding.detail}".rstrip()
    return inert(message).replace("](", "\\](")


def _artifact(path: str) -> dict[str, str]:
    """The path as a URI: from the repository's root, or absolute if it is outside."""
    uri = quote(path.encode("utf-8", "surrogateescape"), safe="/")
    return {"uri": f"file://{uri}"} if path.startswith("/") else {"uri": uri, "uriBaseId": _ROOT}
