"""Findings as other programs read them: SARIF, Code Quality, annotations."""

import json
from typing import Any

from support_pipeline import read_yaml

from exolink_reconcile import codes
from exolink_reconcile.errors import ApiDenied, InputError, problem
from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.report import codequality, github, sarif

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


def test_fingerprints_do_not_move() -> None:
    """A finding keeps its fingerprint when lines are put before it, also where its sentence names another line."""
    moved = entries("# a comment\n\n" + BROKEN)
    assert [each["fingerprint"] for each in moved] == [each["fingerprint"] for each in entries(BROKEN)]
    assert [each["location"]["lines"]["begin"] for each in moved] == [5, 6, 7]


def test_fingerprints_differ() -> None:
    """Two findings never share one: GitLab would take them for one."""
    prints = [each["fingerprint"] for each in entries(BROKEN)]
    assert len(set(prints)) == len(prints) == 3
    results = run_of(found(BROKEN))["results"]
    assert [each["partialFingerprints"]["exolinkReconcile/v1"] for each in results] == prints


def test_fingerprints_tell_files_apart() -> None:
    """The same finding in another file is another finding."""
    one, other = (Diagnostic("E-TYPE", "x", Source(path, 1, 1)) for path in ("a.yaml", "b.yaml"))
    prints = {each["fingerprint"] for each in json.loads(codequality.diagnostics((one, other), same))}
    assert len(prints) == 2


def test_sarif_rules() -> None:
    """Every result points at its rule, and every rule has a help."""
    run = run_of(found(BROKEN))
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(codes.READING)
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in rules)
    assert len({rule["name"] for rule in rules}) == len(rules)
    assert [rules[each["ruleIndex"]]["id"] for each in run["results"]] == [each["ruleId"] for each in run["results"]]


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
    artifacts = [each["locations"][0]["physicalLocation"]["artifactLocation"] for each in run["results"]]
    assert artifacts == [
        {"uri": "file:///else%20where/a.yaml"},
        {"uri": "caf%E9/a%3Ab.yaml", "uriBaseId": "%SRCROOT%"},
    ]


def test_no_link_from_a_name() -> None:
    """A name makes no link in a message of SARIF."""
    run = run_of((Diagnostic("E-TYPE", "not `[x](http://evil)`", Source("a", 1, 1)),))
    assert "](" not in run["results"][0]["message"]["text"].replace("\\](", "")


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


def test_errors_come_first() -> None:
    """Errors are annotated before warnings, whatever their lines."""
    text = "tenant: acme\ncpms:\n  - {displayName: A, url: 'wss://u:p@h/'}\n  - {displayName: B, interval: x}\n"
    lines = github.diagnostics(found(text), same).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning"]


def test_what_stopped_a_run() -> None:
    """Any failure is an annotation; what the YAML did wrong is one on each line."""
    assert github.failure(ApiDenied("E-DENIED", "100% no\n::error::x"), same) == (
        "::error title=E-DENIED::100%25 no\\x0a\\x3a\\x3aerror\\x3a\\x3ax\n"
    )
    assert len(github.failure(InputError(found(BROKEN)), same).splitlines()) == 3


def test_a_long_message_is_cut() -> None:
    """GitHub takes 64 KiB a message; what is cut ends with a whole item, and says so."""
    for summary, end in (("name, " * 20_000, "name"), ("é" * 50_000, "é")):
        line = github.failure(ApiDenied("E-DENIED", summary), same)
        assert 50_000 < len(line.encode()) < 64 * 1024
        assert line.endswith(f"{end}%0A… the log of this step has all of it\n")
