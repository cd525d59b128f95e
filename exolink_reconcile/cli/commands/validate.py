"""The validate command: YAML to its problems, offline."""

import os

import click
from click.core import ParameterSource

from exolink_reconcile import __version__
from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import FINDINGS_FORMATS, formats, option, paths
from exolink_reconcile.codes import Exit


@command("validate", "validate exolink/ --format sarif")
@paths
@formats(FINDINGS_FORMATS)
@option(
    "--env-allow",
    multiple=True,
    metavar="GLOB",
    help="Refuse YAML that names other environment variables than these. Without it only our own are refused.",
)
@click.pass_context
def validate(ctx: click.Context, /, paths: tuple[str, ...], format: str, env_allow: tuple[str, ...]) -> Exit:
    """Check the YAML, offline.

    No environment variable has to be set. In GitHub Actions the problems are shown on their lines too, unless --format says otherwise.
    """
    from exolink_reconcile.cli import checkout, findings
    from exolink_reconcile.desired import desired_state, files
    from exolink_reconcile.errors import InputError
    from exolink_reconcile.kinds import KINDS
    from exolink_reconcile.report import codequality, github, sarif, validation_json
    from exolink_reconcile.report.sentences import counted

    path_from_root = checkout.from_root(os.environ)
    try:
        inputs = files.read(paths, None, env_allow or None)
        diagnostics = desired_state.build(inputs.documents, KINDS, problems=inputs.problems, thorough=True).warnings
        code = Exit.DONE
    except InputError as error:
        diagnostics, code = error.diagnostics, error.exit_code
    match format:
        case "json":
            CONSOLE.out(validation_json.diagnostics(diagnostics))
            return code
        case "sarif":
            CONSOLE.out(sarif.diagnostics(diagnostics, path_from_root, version=__version__))
            return code
        case "codequality":
            CONSOLE.out(codequality.diagnostics(diagnostics, path_from_root))
            return code
    by_itself = ctx.get_parameter_source("format") is ParameterSource.DEFAULT and _in_github_actions()
    if format == "github" or by_itself:
        CONSOLE.out(github.diagnostics(diagnostics, path_from_root))
    findings.tell(diagnostics)
    if code:
        errors = sum(1 for diagnostic in diagnostics if diagnostic.severity == "error")
        CONSOLE.err(f"{counted(errors, 'error')}.\n")
    else:
        CONSOLE.out("Success! The configuration is valid.\n")
    return code


def _in_github_actions() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"
