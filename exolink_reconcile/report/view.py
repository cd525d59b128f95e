"""A plan and the way it is to be shown, to its text in any format."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from exolink_reconcile.desired.documents import Document
from exolink_reconcile.model import Plan
from exolink_reconcile.report import FORMATS
from exolink_reconcile.report.links import NO_LINKS, Links


@dataclass(frozen=True, slots=True)
class PlanView:
    """What the renderers of `FORMATS` get; each uses what it needs.

    `paths` and `options` are those that the plan was made with, `document` makes its JSON. `documents` is the YAML that
    it was made from; a saved plan has none, only the places that it recorded. `is_saved`: it comes from a file; `left` says
    how much of it earlier runs have left. `provenance` says where the plan comes from: facts by name, as given.
    """

    plan: Plan
    digest: str
    paths: Sequence[str]
    options: Mapping[str, Any]
    document: Callable[[], Sequence[bytes]]
    documents: Sequence[Document] = ()
    path_from_root: Callable[[str], str] = str
    full: bool = False
    show_unmanaged: bool = False
    max_size: int | None = None
    width: int = 100
    terminal: bool = False
    colours: bool = False
    links: Links = NO_LINKS
    provenance: Mapping[str, str] = field(default_factory=dict)
    is_saved: bool = False
    left: str = ""


def render(format: str, view: PlanView) -> Iterable[str] | Sequence[bytes]:
    """A plan in a format of `FORMATS`: texts, or the pieces of a long one in ASCII. Raises InputError."""
    rendered: Iterable[str] | Sequence[bytes] = import_module(f"exolink_reconcile.report.{FORMATS[format]}").render(
        view
    )
    return rendered
