"""Plan to the three counts that GitLab shows in a merge request (`artifacts:reports:terraform`)."""

import json

from exolink_reconcile.model import Plan
from exolink_reconcile.report.view import PlanView

_MOST = 999_999  # GitLab reads no more than six digits


def plan(plan: Plan) -> str:
    """`create`, `update`, `delete`, as in the `Plan:` sentence: a replace counts as a create and a delete.

    If a base tells whose change a step is, only this change's steps count.
    """
    counts = zip(("create", "update", "delete"), plan.without_drift.counts, strict=True)
    return json.dumps({word: min(count, _MOST) for word, count in counts}) + "\n"


def render(view: PlanView) -> tuple[str]:
    """The counts for the widget of a merge request."""
    return (plan(view.plan),)
