"""A plan rests on lists that were whole: what shows that one was not, and what stops then."""

from pathlib import Path
from typing import Any

from support_apply import CHARGER, Lenient, Runs, chargers, lists, relist, with_rows, yaml
from support_pipeline import document
from world import Answer, World

from exolink_reconcile.codes import Exit


def test_row_F6_a_short_first_list(runs: Runs, world: World) -> None:
    """A list that turns out to have been short: after one create nothing more is written in that tenant."""
    everyone = [f"CP-{number:02}" for number in range(30)]
    for name in everyone:
        world.add("acme", "charger", identity=name, **CHARGER)
    gone = world.add("acme", "charger", identity="OLD", **CHARGER)
    reads = [0]

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        reads[0] += 1
        return [row for row in rows if row["id"] == gone] if reads[0] == 1 else rows

    relist(world, change)
    end = runs.apply(document("acme", chargers=chargers(*everyone), removed=[{"charger": "OLD"}]))
    assert len(world.writes) == 1 and len(world.live("acme", "charger")) == 32
    assert end is Exit.INCOMPLETE and "E-CONTRADICTED" in runs.said and "more than once" in runs.said


def test_row_F6_rows_that_went_by_themselves(runs: Runs, world: World) -> None:
    """A list that lacks what nobody deleted proves nothing, and stops further writes of the tenant."""
    for number in range(20):
        world.add("acme", "charger", identity=f"OLD-{number}", **CHARGER)
    relist(world, lambda rows: [row for row in rows if not world.writes or not row["identity"].startswith("OLD")])
    end = runs.apply(yaml("CP-1", "CP-2", "CP-3"))
    assert len(world.writes) == 1 and end in (Exit.INCOMPLETE, Exit.UNKNOWN)
    assert "lacks 20 objects that the plan saw" in runs.said


def test_a_contradiction_in_one_tenant_leaves_the_other(tmp_path: Path) -> None:
    """A list that was short stops its own tenant after one create; the other tenant is finished."""
    world = Lenient(tenants=("acme", "beta"))
    runs, reads = Runs(tmp_path / "state", world), [0]
    everyone = [f"A-{number}" for number in range(6)]
    for name in everyone:
        world.add("acme", "charger", identity=name, **CHARGER)

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if lists(method, path) and "/acme/" in path:
            reads[0] += 1
            return with_rows(answer, []) if reads[0] == 1 else answer
        return answer

    world.alter = alter
    declared = (
        document("acme", chargers=chargers(*everyone)),
        document("beta", chargers=chargers("B-1", "B-2", "B-3")),
    )
    end = runs.apply("---\n".join(declared))
    assert end is Exit.INCOMPLETE and "E-CONTRADICTED" in runs.said
    assert len(world.live("acme", "charger")) == 7 and len(world.live("beta", "charger")) == 3
