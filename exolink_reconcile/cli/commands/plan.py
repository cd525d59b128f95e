"""The plan command: what apply would do, shown and saved; nothing is written to the API."""

import os
import shlex
from typing import Any

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import (
    PLAN_FORMATS,
    Options,
    formats,
    max_size,
    of_this_machine,
    option,
    paths,
    reading,
    shared,
)
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.codes import Exit


@command(
    "plan",
    "plan exolink/ --out plan.json",
    'plan --target "acme/charger/DEPOT-*"',
    "plan --format markdown --max-size 65536",
)
@paths
@shared
@option("--out", "-o", metavar="FILE", help="Save the plan, for apply --plan.")
@option("--detailed-exitcode", is_flag=True, help="Exit 2 when the plan has differences.")
@formats(PLAN_FORMATS)
@option("--full", is_flag=True, help="Write out long runs of alike changes.")
@max_size
@reading
@option("--show-unmanaged", is_flag=True, help="List what is live and not declared.")
def plan(
    out: str | None,
    detailed_exitcode: bool,
    format: str,
    full: bool,
    max_size: int | None,
    link_base: str | None,
    provenance: tuple[str, ...],
    show_unmanaged: bool,
    **shared: Any,
) -> Exit:
    """Show what apply would do."""
    from exolink_reconcile import files, pipeline
    from exolink_reconcile.cli import checkout, outputs, progress, start
    from exolink_reconcile.cli.metrics import METRICS
    from exolink_reconcile.cli.provenance import facts
    from exolink_reconcile.report.links import Links
    from exolink_reconcile.report.view import PlanView, render

    RUN.annotates = format == "github"
    origins = facts(provenance, os.environ)
    options = Options(**shared)
    wanted = start.wanted(options, CONSOLE, reviewed=False, keep_documents=format == "github")
    if out:
        outputs.refuse_input(out, options, wanted.files)
    with start.connected(options, wanted.contract_text, CONSOLE) as api:
        memory = start.memory(options, wanted.tenants)
        with progress.reading(CONSOLE, wanted):
            run = pipeline.plan(wanted, api, memory.seen or {}, memory.bases)
    METRICS.planned(run.plan, run.lists, len(memory.intents))
    _tell(memory.note, len(memory.intents))

    if out:
        RUN.wrote = True
        files.write(out, start.document(run, options))
    run = start.probed(run, options)  # not before it is saved: probes are only true now, and from here
    start.tell_unprobed(run, options, CONSOLE)
    from_root = checkout.from_root(os.environ)
    view = PlanView(
        run.plan, run.digest, options.paths, options.recorded, lambda: start.document(run, options), wanted.documents,
        from_root, full, show_unmanaged, max_size,
        CONSOLE.width, CONSOLE.terminal, CONSOLE.colours, Links(link_base, from_root), origins,
    )  # fmt: skip
    CONSOLE.result(render(format, view))
    if out:
        _tell_saved(out, does_something=bool(run.plan.waves))
    return Exit.DIFFERS if detailed_exitcode and run.plan.differs else Exit.DONE


def _tell(unknown: str, open_writes: int) -> None:
    """Say why nothing is known about earlier runs, or what they left open."""
    from exolink_reconcile.inert import inert

    if unknown:
        CONSOLE.err(f"Note: what earlier runs left is not known: {inert(unknown)}.\n")
    if open_writes:
        writes = "1 write of an earlier run is" if open_writes == 1 else f"{open_writes} writes of an earlier run are"
        CONSOLE.note(f"Note: {writes} not settled (see `unknowns`); apply settles them first.\n")


def _tell_saved(out: str, *, does_something: bool) -> None:
    """Say where the plan is, and the command that applies it."""
    from exolink_reconcile.inert import inert

    if not does_something:
        CONSOLE.note(f"Saved to {inert(out)}. There is nothing to apply.\n")
        return
    command_line = shlex.join(("exolink-reconcile", "apply", "--plan", out, *of_this_machine()))
    CONSOLE.note(f"Saved to {inert(out)}. To apply exactly this:\n  {inert(command_line)}\n")
