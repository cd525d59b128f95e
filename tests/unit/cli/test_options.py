"""The options of the command line, as values."""

from typing import Any

import pytest

from exolink_reconcile.cli.options import PLAN_OPTIONS, Options, one_spelling
from exolink_reconcile.saved_plan.format import PlanOptions


def test_a_saved_plan_keeps_each_option_that_shapes_a_plan() -> None:
    """What is recorded is what the format of a saved plan has, name for name: neither list goes its own way."""
    assert set(PLAN_OPTIONS) == set(PlanOptions.model_fields)
    assert set(PLAN_OPTIONS) <= {name for part in Options.__mro__ for name in getattr(part, "__annotations__", {})}


@pytest.mark.parametrize(
    ("url", "spelling"),
    [
        ("https://API.example.com:443/", "https://api.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("https://api.example.com:8443/v1/", "https://api.example.com:8443/v1"),
    ],
)
def test_one_api_has_one_spelling(url: str, spelling: str) -> None:
    """Case, a default port and a last slash make no other API: its lock and memory are the same."""
    unused: Any = None
    assert one_spelling(unused, unused, url) == spelling
