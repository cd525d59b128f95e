"""Options, else CI's variables, to where a plan comes from: commit, who, when, run."""

from collections.abc import Mapping, Sequence

from exolink_reconcile.errors import problem

FACTS = ("commit", "who", "when", "run")
# GitHub Actions (and Gitea, Forgejo), GitLab, Azure Pipelines, Jenkins.
_VARIABLES: Mapping[str, Sequence[str]] = {
    "commit": ("GITHUB_SHA", "CI_COMMIT_SHA", "BUILD_SOURCEVERSION", "GIT_COMMIT"),
    "who": ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_REQUESTEDFOR"),
    "when": ("CI_PIPELINE_CREATED_AT",),
    "run": ("CI_JOB_URL", "BUILD_URL"),
}
_GITHUB_RUN = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")


def facts(stated: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The known facts, by name. `stated` are `NAME=TEXT`, from --provenance; an empty text hides a fact.

    Raises:
        InputError: one is not of this form.

    """
    known = _from_ci(environment)
    for text in stated:
        name, separator, value = text.partition("=")
        if not separator or name not in FACTS:
            raise problem("E-USAGE", f"--provenance {text}: it is NAME=TEXT, where NAME is one of {', '.join(FACTS)}")
        known[name] = value
    return {name: known[name] for name in FACTS if known.get(name)}


def _from_ci(environment: Mapping[str, str]) -> dict[str, str]:
    known = {
        name: next((environment[v] for v in variables if environment.get(v)), "")
        for name, variables in _VARIABLES.items()
    }
    if all(environment.get(name) for name in _GITHUB_RUN):
        server, repository, run = (environment[name] for name in _GITHUB_RUN)
        known["run"] = f"{server}/{repository}/actions/runs/{run}"
    return known
