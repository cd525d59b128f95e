"""The init command: a first configuration, the schema beside it, and pipelines."""

import os
import re
from typing import Any

import click

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import ApiOptions, option, reach
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.codes import Exit

_CONFIGURATION = "exolink.yaml"
_FOLDER = "exolink"  # read without PATH, as exolink.yaml is; both together are an error
_SCHEMA = "schemas/exolink-config.schema.json"
_FIRST = """\
# yaml-language-server: $schema=./schemas/exolink-config.schema.json
# What this file says is what `exolink-reconcile apply` makes of the tenant. `plan` shows the difference and changes nothing.

tenant: acme # the tenant's domain prefix; the tenant itself must exist already

profiles: # names for the ids of your charger profiles
  standard: 1

defaults: # filled in where an entry below says nothing
  chargers: {profile: standard}

cpms:
  - displayName: Primary backend # the name is the key: change it, and you declare another CPMS
    url: wss://cpms.example.com/ocpp
    interval: 60

chargers:
  - {identity: CP-0001, displayName: Lobby left}

# What you take out of the lists above is left alone. To delete it, say so:
#
# removed:
#   - {charger: CP-0001, reason: "sold, OPS-7"}
"""
# The files of a pipeline: where each goes, and its template.
_PIPELINES = {
    "github": {
        ".github/workflows/exolink-plan.yml": "github/exolink-plan.yml",
        ".github/workflows/exolink-apply.yml": "github/exolink-apply.yml",
        ".github/workflows/exolink-drift.yml": "github/exolink-drift.yml",
    },
    "gitlab": {"exolink.gitlab-ci.yml": "gitlab/exolink.gitlab-ci.yml"},
}
_INFERRED = (
    "Charger writes are inferred, not documented. Once you have tried one by hand, give the plan of the pipeline"
    " --allow-inferred: {place}.\n"
)
# Settings that only the user can make, at the code host.
_SETTINGS = {
    "github": [
        "On GitHub: the secret EXOLINK_READ_TOKEN; and the environment exolink-production, with required reviewers, only the"
        " branch main, and its secret EXOLINK_WRITE_TOKEN.\n",
        _INFERRED.format(place="a line in each workflow waits for it"),
    ],
    "gitlab": [
        "On GitLab: the variables EXOLINK_IMAGE (made from the Dockerfile of this tool), and EXOLINK_TOKEN_FILE as a file, once"
        " for the environment exolink/plan (it may only read) and once, protected, for exolink/production (it may write).\n",
        "Protect the environment exolink/production: who may deploy there approves the apply.\n",
        _INFERRED.format(place="a comment in exolink.gitlab-ci.yml says where"),
    ],
}
_PLACEHOLDER = "OWNER/exolink-reconcile@0000"  # where the action lives, as the templates have it
_ACTION = re.compile(rf"{_PLACEHOLDER}0{{36}} # v[0-9.]+: put the commit that you reviewed")
_WAY_OUT = "Move what is there away first, or run init in an empty folder and take from it what you need."
_INCLUDE = "include:\n  - {local: exolink.gitlab-ci.yml}\n"


@command("init", "init --from-live acme", "init --ci github --action acme/exolink-reconcile@COMMIT")
@option("--from-live", metavar="TENANT", help="Declare what is live of this tenant.")
@option("--ci", type=click.Choice(sorted(_PIPELINES)), help="Write pipelines for it too.")
@option(
    "--action",
    metavar="REPOSITORY@COMMIT",
    help="With --ci github: where the action is, such as acme/exolink-reconcile, and the commit of it that you reviewed.",
)
@reach
def init(from_live: str | None, ci: str | None, action: str | None, **reach: Any) -> Exit:
    """Write a first configuration: exolink.yaml, its schema, and pipelines."""
    from exolink_reconcile import files
    from exolink_reconcile.cli import outputs

    _check_action(action, ci)
    if os.path.lexists(_FOLDER):
        _refuse_folder()
    texts = {_CONFIGURATION: "", _SCHEMA: files.bundled("exolink-config.schema.json"), **_pipelines(ci, action)}
    outputs.refuse_existing(texts, _WAY_OUT)
    texts[_CONFIGURATION] = _FIRST if from_live is None else _live(from_live, ApiOptions(**reach))
    outputs.refuse_existing(texts, _WAY_OUT)  # reading what is live may have taken a while
    RUN.wrote = True
    for path, text in texts.items():
        if folder := os.path.dirname(path):
            files.make_folder(folder)
        files.write(path, (text.encode(),), mode=0o644)
        CONSOLE.note(f"Wrote {path}\n")
    CONSOLE.prose(_next(from_live, ci, action))
    return Exit.DONE


def _check_action(action: str | None, ci: str | None) -> None:
    """Raises UsageError for an --action that no workflow could use."""
    if action is not None and ci != "github":
        raise click.UsageError("--action goes with --ci github.")
    if action is not None and not re.fullmatch(r"[A-Za-z0-9._-]+/[A-Za-z0-9._/-]+@[0-9a-f]{40}", action):
        raise click.UsageError("--action takes OWNER/REPOSITORY@COMMIT, with all 40 hex digits of the commit.")


def _pipelines(ci: str | None, action: str | None) -> dict[str, str]:
    """The files of a pipeline that plans the new configuration."""
    from exolink_reconcile import files

    texts = {path: files.template(name) for path, name in _PIPELINES.get(ci or "", {}).items()}
    if action is not None:
        texts = {path: _ACTION.sub(action, text) for path, text in texts.items()}
    if ci == "gitlab":
        texts = {
            path: text.replace("EXOLINK_PATH: exolink\n", f"EXOLINK_PATH: {_CONFIGURATION}\n")
            for path, text in texts.items()
        }
        texts[".gitlab-ci.yml"] = _INCLUDE
    return texts


def _refuse_folder() -> None:
    from exolink_reconcile.errors import problem

    raise problem(
        "E-EXISTS",
        f"the folder {_FOLDER}/ is there already, and without PATH a plan reads it or {_CONFIGURATION}, not both;"
        " nothing was written",
        "`export TENANT --out exolink` adds what is live to it; or run init in another folder.",
    )


def _live(tenant: str, options: ApiOptions) -> str:
    """The YAML that declares what is live of a tenant."""
    from exolink_reconcile.cli import live_text

    live_text.check_names([tenant])
    return live_text.read([tenant], "yaml", options)[tenant]


def _next(from_live: str | None, ci: str | None, action: str | None) -> str:
    """What to do now, as commands to paste."""
    steps = [] if from_live else [f"Edit {_CONFIGURATION}: your tenant's domain prefix, its backends and chargers.\n"]
    steps.append(
        "Look at the plan: on an emulator in the process, without a token; then at the API.\n"
        "     exolink-reconcile plan --api-url emulator:try.db\n"
        "     EXOLINK_TOKEN=... exolink-reconcile plan\n"
    )
    if ci == "github" and action is None:
        steps.append(
            "Put where the action lives, and the commit of it that you reviewed, into the workflows (next time: --action):\n"
            f"     sed -i.bak 's|{_PLACEHOLDER}.*|OWNER/REPOSITORY@COMMIT|' .github/workflows/exolink-*.yml\n"
            "     rm .github/workflows/*.bak\n"
        )
    steps += _SETTINGS.get(ci or "", [])
    return "Next:\n" + "".join(f"  {number}. {step}" for number, step in enumerate(steps, 1))
