"""Findings for GitLab: a fingerprint that stays with its finding, and paths that GitLab takes."""

import json

from support_findings import BROKEN, entries, found, run_of, same

from exolink_reconcile.errors import problem
from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.report import codequality, github


def test_fingerprints_do_not_move() -> None:
    """A finding keeps its fingerprint when lines are put before it, also where its sentence names another line."""
    moved = entries("# a comment\n\n" + BROKEN)
    assert [entry["fingerprint"] for entry in moved] == [entry["fingerprint"] for entry in entries(BROKEN)]
    assert [entry["location"]["lines"]["begin"] for entry in moved] == [5, 6, 7]


def test_fingerprints_differ() -> None:
    """Two findings never share one: GitLab would take them for one."""
    prints = [entry["fingerprint"] for entry in entries(BROKEN)]
    assert len(set(prints)) == len(prints) == 3
    results = run_of(found(BROKEN))["results"]
    assert [result["partialFingerprints"]["exolinkReconcile/v1"] for result in results] == prints


def test_fingerprints_tell_files_apart() -> None:
    """The same finding in another file is another finding."""
    one, other = (Diagnostic("E-TYPE", "x", Source(path, 1, 1)) for path in ("a.yaml", "b.yaml"))
    prints = {entry["fingerprint"] for entry in json.loads(codequality.diagnostics((one, other), same))}
    assert len(prints) == 2


def test_a_finding_without_a_place() -> None:
    """GitHub and GitLab want a file for each; an annotation does without."""
    nowhere = problem("E-NO-PATH", "no PATH").diagnostics
    assert json.loads(codequality.diagnostics(nowhere, same))[0]["location"] == {
        "path": "exolink.yaml",
        "lines": {"begin": 1},
    }
    place = run_of(nowhere)["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "exolink.yaml" and place["region"]["startLine"] == 1
    assert github.diagnostics(nowhere, same) == "::error title=E-NO-PATH::no PATH\n"


def test_code_quality_paths_are_relative() -> None:
    """GitLab stops reading at an absolute path."""
    outside = (Diagnostic("E-READ", "x", Source("/etc/a.yaml", 1, 1)),)
    assert json.loads(codequality.diagnostics(outside, same))[0]["location"]["path"] == "etc/a.yaml"
