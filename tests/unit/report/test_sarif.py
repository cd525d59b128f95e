"""Findings as SARIF: every rule explained, no more results than GitHub takes, no path out of the repository."""

import json

from support_findings import BROKEN, found, run_of

from exolink_reconcile import codes
from exolink_reconcile.model import Diagnostic, Source


def test_sarif_rules() -> None:
    """Every result points at its rule, and every rule has a help."""
    run = run_of(found(BROKEN))
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(codes.READING)
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in rules)
    assert len({rule["name"] for rule in rules}) == len(rules)
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [
        result["ruleId"] for result in run["results"]
    ]


def test_sarif_takes_no_more_than_github() -> None:
    """A file with more results is refused as a whole; errors are kept, and what is left out is said."""
    warnings = tuple(Diagnostic("W-EMPTY", f"w{n}", Source("a", 1, 1), severity="warning") for n in range(25_000))
    run = run_of((*warnings, Diagnostic("E-TYPE", "e", Source("a", 1, 1))))
    assert len(run["results"]) == 25_000 and run["results"][0]["level"] == "error"
    assert "1 more" in json.dumps(run["invocations"])


def test_sarif_paths() -> None:
    """A path outside of the repository is an absolute URI; bytes that are not UTF-8 are percent-encoded as they are."""
    paths = ("/else where/a.yaml", "caf\udce9/a:b.yaml")
    run = run_of(tuple(Diagnostic("E-TYPE", "x", Source(path, 1, 1)) for path in paths))
    artifacts = [result["locations"][0]["physicalLocation"]["artifactLocation"] for result in run["results"]]
    assert artifacts == [
        {"uri": "file:///else%20where/a.yaml"},
        {"uri": "caf%E9/a%3Ab.yaml", "uriBaseId": "%SRCROOT%"},
    ]


def test_no_link_from_a_name() -> None:
    """A name makes no link in a message of SARIF."""
    run = run_of((Diagnostic("E-TYPE", "not `[x](http://evil)`", Source("a", 1, 1)),))
    assert "](" not in run["results"][0]["message"]["text"].replace("\\](", "")
