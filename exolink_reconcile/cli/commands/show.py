"""The show command: a saved plan to any format."""

import os

import click

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import formats, max_size, names_of, option, reading, state
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.codes import Exit
from exolink_reconcile.report import FORMATS


@command("show plan.json", "show plan.json --format html > plan.html")
@click.argument("planfile", metavar="PLANFILE", shell_complete=names_of("file"))
@formats(FORMATS)
@option("--full", is_flag=True, help="Write out long runs of alike changes.")
@max_size
@reading
@option("--since", metavar="PLANFILE", help="Show only what differs from this earlier plan, as text or JSON.")
@state
def show(
    planfile: str,
    format: str,
    full: bool,
    max_size: int | None,
    link_base: str | None,
    provenance: tuple[str, ...],
    since: str | None,
    state: str | None,
) -> Exit:
    """Render a saved plan.

    Where the state has runs of it, the head says how many of its steps are left.
    """
    from exolink_reconcile import files
    from exolink_reconcile.cli import checkout, progress_of_plan
    from exolink_reconcile.cli.provenance import facts
    from exolink_reconcile.errors import problem
    from exolink_reconcile.kinds import KINDS
    from exolink_reconcile.report.links import Links
    from exolink_reconcile.report.view import PlanView, render
    from exolink_reconcile.saved_plan import reader

    RUN.annotates = format == "github"
    data = files.read(planfile, "the plan file", files.LARGEST_PLAN)
    saved = reader.read(data)
    if since is not None:
        if format not in ("text", "json"):
            raise problem("E-USAGE", f"--since shows text or json, not {format}")
        from exolink_reconcile.report import since as differences

        earlier = reader.read(files.read(since, "the plan file of --since", files.LARGEST_PLAN))
        compare = differences.as_json if format == "json" else differences.since
        CONSOLE.result(compare(earlier.document, saved.document))
        return Exit.DONE
    from_root = checkout.from_root(os.environ)
    left = progress_of_plan.left(saved, state)
    view = PlanView(
        reader.plan(saved, KINDS), saved.digest, saved.document.exolink.paths, saved.options, lambda: (data,),
        path_from_root=from_root, full=full, max_size=max_size,
        width=CONSOLE.width, terminal=CONSOLE.terminal, colours=CONSOLE.colours,
        links=Links(link_base, from_root), provenance=facts(provenance, os.environ),
        is_saved=True, left=left,
    )  # fmt: skip
    CONSOLE.result(render(format, view))
    if left and format != "text":
        CONSOLE.note(f"{left}\n")
    return Exit.DONE
