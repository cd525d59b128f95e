"""What a plan says of itself: counted from its steps, and the same to whoever reads it."""

from dataclasses import replace

from support_pipeline import pipeline
from world import World

from exolink_reconcile.model import Action, Cause, Plan, Source

YAML = """\
tenant: acme
cpms:
  - {displayName: New, url: "wss://h/", interval: 30}
  - {displayName: Changed, url: "wss://new/", interval: 30}
removed: [{cpms: Gone}]
policy: {allowReplace: [cpms/Replaced]}
"""


def plan(text: str = YAML, *, allow_replace: tuple[str, ...] = ()) -> Plan:
    world = World()
    for name in ("Changed", "Gone", "Replaced"):
        world.add("acme", "cpms", displayName=name, url="wss://h/", interval=30)
    with pipeline(world) as run:
        return run.plan(text, allow_replace=allow_replace)


def by_cause(plan: Plan, causes: dict[str, Cause]) -> Plan:
    """The plan with a cause for each step, by the name of its address."""
    waves = tuple(tuple(step._replace(cause=causes.get(step.address.name)) for step in wave) for wave in plan.waves)
    return replace(plan, waves=waves)


def test_a_place_reads_as_editors_take_it() -> None:
    """PATH:LINE:COLUMN opens at its place in a terminal and an editor."""
    assert str(Source("exolink.yaml", 3, 5)) == "exolink.yaml:3:5"


def test_counts_are_those_of_the_steps() -> None:
    """One create, one update, one delete, as Terraform's sentence counts them."""
    counted = plan()
    assert counted.counts == (1, 1, 1) and counted.differs and counted.complete
    assert [counted.count(action) for action in Action] == [1, 1, 0, 1]


def test_a_replace_is_one_to_add_and_one_to_destroy() -> None:
    """Whoever reads the totals sees that a live object goes."""
    text = "tenant: acme\ncpms: [{displayName: Replaced, url: wss://h/, interval: 60}]\n"
    counted = plan(text, allow_replace=("acme/cpms/Replaced",))
    assert counted.counts == (1, 0, 1) and counted.count(Action.REPLACE) == 1


def test_what_goes_with_a_delete_is_said() -> None:
    """A delete takes every other field of the object, and a replace says which it puts back."""
    [gone] = [step for step in plan().steps if step.action is Action.DELETE]
    assert {change.name: (change.before, change.after) for change in gone.goes_with}["interval"] == (30, None)
    assert gone.deletes and not gone.creates


def test_a_part_left_out_or_held_back_is_not_complete() -> None:
    """Exit 0 after an apply means everything, so a plan of a part is not complete."""
    assert not replace(plan(), partial=("--target",)).complete
    held = plan("tenant: acme\ncpms: [{displayName: Replaced, interval: 60}]\n")
    assert held.held_back and held.differs and not held.complete and held.counts == (0, 0, 0)


def test_steps_are_counted_by_whose_change_they_are() -> None:
    """`both` counts for this change; a plan without the drift keeps all that this change does."""
    base = by_cause(plan(), {"New": "edit", "Changed": "both", "Gone": "drift"})
    assert (base.by_this_change, base.drift, base.not_attributed) == (2, 1, 0)
    assert sorted(step.address.name for step in base.without_drift.steps) == ["Changed", "New"]
