"""A plan to its JSON: the document that is saved is the one that is shown."""

from collections.abc import Sequence

from exolink_reconcile.report.view import PlanView


def render(view: PlanView) -> Sequence[bytes]:
    """The plan's JSON, in pieces."""
    return view.document()
