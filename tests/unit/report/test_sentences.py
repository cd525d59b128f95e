"""What a plan says beside its changes: what was compared, the totals, and that a part is a part."""

from typing import Any

import pytest
from support_chargers import chargers
from support_pipeline import document
from support_text import lines, plan_of


def test_nothing() -> None:
    """Terraform's own sentence, because tools read it, and what is unmanaged."""
    planned = plan_of(document("acme", chargers=chargers(1, 1)), live=chargers(1, 3))
    assert lines(planned) == [
        f"Compared 1 tenant and 3 chargers with {planned.origin}.",
        "No changes. Your infrastructure matches the configuration.",
        "2 unmanaged.",
    ]


@pytest.mark.parametrize("choices", [{"targets": ("acme/charger/*",)}, {"excludes": ("acme/cpms/*",)}])
def test_row_D1_a_part_is_called_a_part(choices: dict[str, Any]) -> None:
    """A plan of a part says so, and never that everything matches."""
    yaml = document("acme", chargers=chargers(1, 1), cpms=[{"displayName": "A", "interval": 60}])
    world = plan_of(yaml, live=chargers(1, 1), cpms=[{"displayName": "A"}], **choices)
    option = "--target" if "targets" in choices else "--exclude"
    assert lines(world)[1:] == [
        f"This plan is partial: it holds only what {option} leaves.",
        "No changes in the part that --target, --exclude and --only leave.",
    ]
