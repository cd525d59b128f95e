"""The plan command: what apply would do, shown and saved; nothing is written to the API."""

import os
import shlex
from collections.abc import Sequence
from typing import Any

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import PLAN_FORMATS, Options, formats, max_size, option, paths, shared
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
@option("--show-unmanaged", is_flag=True, help="List what is live and not declared.")
def plan(
    out: str | None, detailed_exitcode: bool, format: str, full: bool, max_size: int | None, show_unmanaged: bool,
    **shared: Any,
) -> Exit:  # fmt: skip
    """Show what apply would do."""
    from exolink_reconcile import files, pipeline
    from exolink_reconcile.cli import checkout, outputs, progress, start
    from exolink_reconcile.cli.metrics import METRICS
    from exolink_reconcile.inert import inert
    from exolink_reconcile.model import Plan
    from exolink_reconcile.report.view import PlanView, render
    from exolink_reconcile.saved_plan import writer

    CONSOLE.annotating = format == "github"
    options = Options(**shared)
    wanted = start.wanted(options, CONSOLE, reviewed=False, keep_documents=format == "github")
    if out:
        outputs.refuse_input(out, options, wanted.files)
    with start.connected(options, wanted.contract_text, CONSOLE) as api:
        memory = start.memory(options, wanted.tenants)
        with progress.reading(CONSOLE, wanted):
            run = pipeline.plan(wanted, api, memory.seen or {}, memory.bases)
    METRICS.planned(run.plan, run.lists, len(memory.operations))
    if memory.note:
        CONSOLE.err(f"Note: what earlier runs left is not known: {inert(memory.note)}.\n")
    if memory.operations:
        count = len(memory.operations)
        writes = "1 write of an earlier run is" if count == 1 else f"{count} writes of an earlier run are"
        CONSOLE.note(f"Note: {writes} not settled (see `unknowns`); apply settles them first.\n")

    def document(plan: Plan) -> Sequence[bytes]:
        return writer.plan(
            plan,
            run.digests,
            config_digest=run.desired.config_digest,
            paths=options.paths,
            options=options.recorded,
        )

    if out:
        files.write(out, document(run.plan))
    shown = start.probed(run, options).plan  # a saved plan has no probes: they are true at one moment, from one place
    view = PlanView(
        shown, run.digest, options.paths, options.recorded, lambda: document(shown), wanted.documents,
        checkout.from_root(os.environ), full, show_unmanaged, max_size,
        CONSOLE.width, CONSOLE.terminal, CONSOLE.colours,
    )  # fmt: skip
    CONSOLE.result(render(format, view))
    if out:
        CONSOLE.note(f"Saved to {out}. To apply exactly this: exolink-reconcile apply --plan {shlex.quote(out)}\n")
    return Exit.DIFFERS if detailed_exitcode and run.plan.differs else Exit.DONE
