"""Where a plan comes from: what CI says of itself, and what the user says instead."""

from collections.abc import Mapping

import pytest

from exolink_reconcile.cli import provenance
from exolink_reconcile.errors import InputError

GITHUB = {
    "GITHUB_SHA": "c0ffee",
    "GITHUB_ACTOR": "kim",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_RUN_ID": "5",
}


@pytest.mark.parametrize(
    ("environment", "facts"),
    [
        ({}, {}),
        (GITHUB, {"commit": "c0ffee", "who": "kim", "run": "https://github.com/o/r/actions/runs/5"}),
        ({**GITHUB, "GITHUB_RUN_ID": ""}, {"commit": "c0ffee", "who": "kim"}),
        (
            {
                "CI_COMMIT_SHA": "c0ffee",
                "GITLAB_USER_LOGIN": "kim",
                "CI_PIPELINE_CREATED_AT": "now",
                "CI_JOB_URL": "https://g/1",
            },
            {"commit": "c0ffee", "who": "kim", "when": "now", "run": "https://g/1"},
        ),
        ({"GIT_COMMIT": "c0ffee", "BUILD_URL": "https://j/1"}, {"commit": "c0ffee", "run": "https://j/1"}),
    ],
    ids=["none", "GitHub", "half of GitHub", "GitLab", "Jenkins"],
)
def test_what_ci_says_of_itself(environment: Mapping[str, str], facts: Mapping[str, str]) -> None:
    """Only what is known; half an address of a run is none."""
    assert provenance.facts([], environment) == facts


def test_what_the_user_says_wins() -> None:
    """An empty text hides a fact; the order is always the same."""
    assert list(provenance.facts(["run=mine", "who=", "when=a=b"], GITHUB).items()) == [
        ("commit", "c0ffee"),
        ("when", "a=b"),
        ("run", "mine"),
    ]


@pytest.mark.parametrize("text", ["commit", "author=kim", "=x", ""])
def test_what_is_not_a_fact_is_a_usage_error(text: str) -> None:
    """It names the ones there are."""
    with pytest.raises(InputError, match="commit, who, when, run"):
        provenance.facts([text], {})
