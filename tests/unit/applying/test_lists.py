"""Lists that are read while applying: what they tell, and when they prove nothing."""

from typing import Any

import pytest
from support_apply import Runs, relist, yaml
from support_chargers import CHARGER, charger
from support_pipeline import document
from world import Answer, World

from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import ReconcileError


def test_row_F5_a_list_that_was_empty_once_disarms_nothing(runs: Runs, world: World) -> None:
    """A read-back that shows nothing is not remembered: the next empty list is refused."""
    for number in range(12):
        world.add("acme", "charger", identity=f"CP-{number}", **CHARGER)
    text = yaml(*(f"CP-{number}" for number in range(12)), profileId=2)
    empty = [False]
    relist(world, lambda rows: [] if empty[0] else rows)
    world.before_request = lambda index, method, path: empty.__setitem__(0, empty[0] or method == "PUT")
    runs.apply(text, settle=5.0)
    end = runs.apply(text, settle=5.0)
    assert isinstance(end, ReconcileError) and end.code == "E-LIST-SHRANK"
    assert len(world.live("acme", "charger")) == 12


def test_row_F8_a_delete_that_never_happened(runs: Runs, world: World) -> None:
    """Without a clear answer one empty list proves nothing: the object is asked for by its id."""
    for name in ("CP-1", "CP-2"):
        world.add("acme", "charger", identity=name, **CHARGER)
    world.override = lambda method, path: (503, {}, b"") if method == "DELETE" else None
    relist(world, lambda rows: [] if world.writes else rows)
    end = runs.apply(document("acme", removed=[{"charger": "CP-1"}]))
    assert end is Exit.UNKNOWN and runs.result is not None and runs.result.totals == (0, 0, 0)


@pytest.mark.parametrize(
    ("updated", "code"), [("2026-11-02T10:00:30Z", "E-STALE"), ("2026-11-02T10:00:00Z", "E-NORMALISED")]
)
def test_row_C11_another_writer_is_not_the_server(runs: Runs, world: World, updated: str, code: str) -> None:
    """`updatedAt` separates what another writer changed after our write from what the server does not keep."""
    for name in ("CP-1", "CP-2"):
        world.add("acme", "charger", identity=name, **CHARGER)

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "PUT":
            world.edit("acme", "charger", "CP-1", profileId=77, updatedAt=updated)
        return answer[0], {**answer[1], "Date": "Mon, 02 Nov 2026 10:00:00 GMT"}, answer[2]

    world.alter = alter
    edit = world.edit

    def edited(*place: Any, **fields: Any) -> None:
        edit(*place, **{name: value for name, value in fields.items() if name != "updatedAt"})
        world._find("acme", "charger", "CP-1")["updatedAt"] = fields["updatedAt"]

    world.edit = edited  # type: ignore[method-assign]  # a stand-in for this test
    end = runs.apply(document("acme", chargers=[charger("CP-1", profileId=2)]))
    assert end is Exit.INCOMPLETE and runs.result is not None and runs.result.outcomes[0].code == code
    assert "another writer changed it since" in runs.printed
