"""A plan rests on lists that were whole: what shows that one was not, and what stops then."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from support_apply import Lenient, Runs, lists, relist, with_rows, yaml
from support_chargers import CHARGER, charger
from support_pipeline import document, pipeline
from world import Answer, World

from exolink_reconcile.applying import premises
from exolink_reconcile.applying.knowledge import End, Listing, Verb, of_step
from exolink_reconcile.applying.task import Task
from exolink_reconcile.codes import Exit
from exolink_reconcile.kinds.charger import Charger
from exolink_reconcile.resource import row_model


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
    end = runs.apply(document("acme", chargers=list(map(charger, everyone)), removed=[{"charger": "OLD"}]))
    assert len(world.writes) == 1 and len(world.live("acme", "charger")) == 32
    assert end is Exit.INCOMPLETE and "E-CONTRADICTED" in runs.printed and "more than once" in runs.printed


def test_row_F6_rows_that_went_by_themselves(runs: Runs, world: World) -> None:
    """A list that lacks what nobody deleted proves nothing, and stops further writes of the tenant."""
    for number in range(20):
        world.add("acme", "charger", identity=f"OLD-{number}", **CHARGER)
    relist(world, lambda rows: [row for row in rows if not world.writes or not row["identity"].startswith("OLD")])
    end = runs.apply(yaml("CP-1", "CP-2", "CP-3"))
    assert len(world.writes) == 1 and end in (Exit.INCOMPLETE, Exit.UNKNOWN)
    assert "lacks 20 objects that the plan saw" in runs.printed


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
        document("acme", chargers=list(map(charger, everyone))),
        document("beta", chargers=list(map(charger, ("B-1", "B-2", "B-3")))),
    )
    end = runs.apply("---\n".join(declared))
    assert end is Exit.INCOMPLETE and "E-CONTRADICTED" in runs.printed
    assert len(world.live("acme", "charger")) == 7 and len(world.live("beta", "charger")) == 3


def listing(*rows: tuple[int, str], before: frozenset[int] | None = frozenset({1})) -> Listing:
    of_row = TypeAdapter(row_model(Charger)).validate_python
    return Listing(Charger, [of_row({"id": number, "identity": name}) for number, name in rows], 1.0, ids_before=before)


def create_of(name: str, end: End | None) -> Task:
    """A create, not sent or with its end."""
    with pipeline(World()) as run:
        [step] = run.plan(yaml(name)).steps
    knowledge = of_step(step, has_get=True)
    return Task(step, knowledge if end is None else knowledge.sending(Verb.CREATE, 0).ended(end))


@pytest.mark.parametrize(
    ("end", "rows", "before", "sentence"),
    [
        (None, [(1, "CP-1")], frozenset({1}), ""),  # the plan saw it
        (None, [(2, "CP-1")], frozenset({1}), "which the plan did not see"),
        (None, [(2, "CP-2")], frozenset({1}), ""),
        (End.REFUSED, [(2, "CP-1")], frozenset({1}), "which the plan did not see"),  # not ours: ours was refused
        (End.ANSWERED, [(2, "CP-1")], frozenset({1}), ""),
        (End.UNCLEAR, [(2, "CP-1")], frozenset({1}), ""),
        (End.ANSWERED, [(2, "CP-1"), (3, "CP-1")], frozenset({1}), "more than once after one create"),
        (End.ANSWERED, [(2, "CP-1"), (1, "CP-1")], frozenset({1}), ""),
        (End.ANSWERED, [(2, "CP-1"), (3, "CP-1")], None, ""),  # nobody knows what the plan saw
    ],
)
def test_what_contradicts_the_list_of_the_plan(
    end: End | None, rows: list[tuple[int, str]], before: frozenset[int] | None, sentence: str
) -> None:
    """A name that is there although nothing of ours made it, or that is there twice: the plan's list was short."""
    reason = premises.contradicted(Charger, "acme", listing(*rows, before=before), [create_of("CP-1", end)])
    assert (sentence in reason) if sentence else reason == ""


def test_what_went_by_itself_is_what_nobody_of_us_deleted() -> None:
    """Our own deletes explain what a list lacks, also where their answer did not come; a refused one does not."""
    world = World()
    ids = [world.add("acme", "charger", identity=f"CP-{n}", **CHARGER) for n in range(3)]
    with pipeline(world) as run:
        steps = run.plan(document("acme", removed=[{"charger": f"CP-{n}"} for n in range(3)])).steps
    tasks = [
        Task(step, of_step(step, has_get=True).sending(Verb.DELETE, 0).ended(end))
        for step, end in zip(steps, (End.ANSWERED, End.UNCLEAR, End.REFUSED), strict=True)
    ]
    assert premises.missing([], frozenset(ids), tasks) == {ids[2]}
    assert premises.missing(ids, frozenset(ids), []) == frozenset()
    assert "lacks 1 object that the plan saw" in premises.lost(Charger, "acme", [7])
    assert premises.lost(Charger, "acme", range(9)).endswith("(id 0, 1, 2, …)")
