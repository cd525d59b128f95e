"""A saved plan and the options of this run to the options to apply it with: none may differ, and none may move the token."""

import os
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from exolink_reconcile.cli.options import PLAN_OPTIONS, Options
from exolink_reconcile.errors import PlanStale, problem
from exolink_reconcile.live import connection
from exolink_reconcile.saved_plan.reader import SavedPlan


def recorded(saved: SavedPlan, options: Options, names_given: Collection[str]) -> Options:
    """The options that a saved plan was made with, and those of this run that do not shape a plan.

    Raises:
        InputError: its paths are not here.
        PlanStale: an option was given now with another value; the message names it.

    """
    planned: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in saved.options.items()
        if name in PLAN_OPTIONS
    }
    planned["paths"] = tuple(saved.document.exolink.paths)
    _check_origin(planned["api_url"], options, names_given)
    for name, value in planned.items():
        if name in names_given and getattr(options, name) != value:
            option = "PATH" if name == "paths" else "--" + name.replace("_", "-")
            raise PlanStale(
                "E-STALE", f"the plan was made with another {option}; leave it out, or make a new plan with it"
            )
    options = replace(options, **planned)
    _check_folder(options)
    return options


def _check_origin(planned: str, options: Options, names_given: Collection[str]) -> None:
    """Refuse a plan for another API than the operator's own: a plan file must not move the token.

    Raises:
        PlanStale: raised before the token is read.

    """
    if planned == options.api_url or ("api_url" not in names_given and connection.is_safe_ground(planned)):
        return
    raise PlanStale(
        "E-PLAN-ORIGIN",
        f"the plan is for {planned}, and this run is for {options.api_url}; if the plan's API is meant, give --api-url",
    )


def _check_folder(options: Options) -> None:
    """Refuse a plan whose paths are not here: they count from the folder where it was made. Raises InputError."""
    paths = (*options.paths, *filter(None, [options.base]))
    missing = [path for path in paths if path != "-" and not os.path.exists(path)]
    if missing:
        raise problem(
            "E-READ",
            f"the plan names {missing[0]}, which is not here",
            "Its paths count from the folder where it was made: run `apply --plan` there.",
        )
