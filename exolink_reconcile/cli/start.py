"""Options to the start of a run: the files read, the API open, the memory of earlier runs. It shows warnings."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from exolink_reconcile import pipeline
from exolink_reconcile.cli import findings, request_log, variables
from exolink_reconcile.cli.console import Console
from exolink_reconcile.cli.options import ApiOptions, Options
from exolink_reconcile.inert import inert
from exolink_reconcile.live import connection
from exolink_reconcile.live.api import Api
from exolink_reconcile.pipeline import PlannedRun, Wanted
from exolink_reconcile.planning.choices import Choices, ReviewedPlan
from exolink_reconcile.report import again
from exolink_reconcile.state import homes
from exolink_reconcile.state.store import Memory


def wanted(
    options: Options,
    console: Console,
    *,
    reviewed: bool,
    saved: ReviewedPlan | None = None,
    keep_documents: bool = False,
) -> Wanted:
    """What the files and options ask for. Raises InputError with every problem."""
    wanted = pipeline.wanted(
        options.paths,
        variables.watched(os.environ),
        api_url=options.api_url,
        contract_path=options.contract,
        choices=choices(options, reviewed=reviewed, saved=saved),
        env_allow=allowed_variables(options.env_allow),
        keep_documents=keep_documents,
        base_path=options.base,
    )
    findings.tell(wanted.desired.warnings, console)
    return wanted


def allowed_variables(env_allow: Sequence[str]) -> Sequence[str] | None:
    """Globs on the environment variables that YAML may name; None for all but our own.

    Without --env-allow, CI allows none: a pull request could otherwise read every secret of the job.
    """
    return env_allow if env_allow or os.environ.get("CI") else None


def choices(options: Options, *, reviewed: bool, saved: ReviewedPlan | None = None) -> Choices:
    """The part of the options that the planner needs."""
    return Choices(
        options.target, options.exclude, options.prune, options.allow_replace, options.allow_deletes,
        options.allow_shrunk, reviewed, saved, options.allow_inferred or connection.is_safe_ground(options.api_url),
        tuple(again.arguments(options.paths, {**options.recorded, "allow_deletes": None})),
        options.only, options.allow_unreachable,
    )  # fmt: skip


@contextmanager
def connected(options: ApiOptions, contract_text: str, console: Console) -> Iterator[Api]:
    """The API of the options, open. Raises InputError, ApiDenied."""
    with (
        request_log.trace(options.log, options.verbose, console) as trace,
        connection.connect(
            options.api_url, token_file=options.token_file, ca_file=options.ca_file, timeout=options.timeout,
            parallelism=options.parallelism, contract=contract_text, environment=os.environ, trace=trace,
        ) as api,
    ):  # fmt: skip
        if api.proxy:
            console.note(f"Going through the proxy {inert(api.proxy.host)}.\n")
        yield api


def probed(run: PlannedRun, options: Options) -> PlannedRun:
    """The run with the results of --probe for the URLs of its plan; unchanged without --probe. Raises InputError."""
    if not options.probe:
        return run
    from exolink_reconcile.live import probe

    probes = probe.plan(run.plan, timeout=options.timeout, ca_file=options.ca_file, environment=os.environ)
    return replace(run, plan=replace(run.plan, probes=probes))


def document(run: PlannedRun, options: Options) -> Sequence[bytes]:
    """The plan JSON of a run, in pieces."""
    from exolink_reconcile.saved_plan import writer

    return writer.plan(
        run.plan,
        run.digests,
        config_digest=run.desired.config_digest,
        paths=options.paths,
        options=options.recorded,
    )


def tell_unprobed(run: PlannedRun, options: Options, console: Console) -> None:
    """Say which --allow-unreachable has no effect, because nothing was probed there."""
    probed = {str(probe.address) for probe in run.plan.probes or ()}
    for address in options.allow_unreachable:
        if address not in probed:
            why = "nothing is probed there" if options.probe else "that is only for --probe"
            console.note(f"Note: --allow-unreachable {inert(address)} allows nothing: {why}.\n")


def memory(options: Options, tenants: Sequence[str] = ()) -> Memory:
    """What earlier runs left, for a command that must not write; `tenants` are the tenants whose base is wanted."""
    return homes.home(options.state, os.environ).memory(connection.origin(options.api_url), tenants)
