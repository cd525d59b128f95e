"""A step in the hands of the applier: what of it may be in flight, and how the run ends where it was skipped."""

import pytest
from support_pipeline import document, pipeline
from world import World

from exolink_reconcile.applying.knowledge import End, Verb, of_step
from exolink_reconcile.applying.task import Task, skipped
from exolink_reconcile.codes import Exit
from exolink_reconcile.model import Status


def task_of(verb: Verb | None = None, end: End = End.OPEN) -> Task:
    """A replace of which one request was sent, or none."""
    world = World()
    world.add("acme", "cpms", displayName="R", url="wss://h/", interval=30)
    entry = {"displayName": "R", "url": "wss://h/", "interval": 9}
    with pipeline(world) as run:
        [step] = run.plan(document("acme", policy={"allowReplace": ["cpms/R"]}, cpms=[entry])).steps
    task = Task(step, of_step(step, has_get=True))
    if verb is not None:
        task.learn(lambda knowledge: knowledge.sending(verb, 1).ended(end))
    return task


@pytest.mark.parametrize(
    ("verb", "end", "touched", "in_flight", "created", "deleted"),
    [
        (None, End.OPEN, False, False, False, False),
        (Verb.DELETE, End.OPEN, True, True, False, True),
        (Verb.DELETE, End.UNCLEAR, True, True, False, True),
        (Verb.DELETE, End.ANSWERED, True, True, False, True),
        (Verb.DELETE, End.GONE, True, False, False, True),  # it was gone already: ours had no effect
        (Verb.DELETE, End.REFUSED, False, False, False, False),
        (Verb.CREATE, End.UNCLEAR, True, True, True, False),
        (Verb.CREATE, End.REFUSED, False, False, False, False),
    ],
)
def test_what_one_request_may_have_done(
    verb: Verb | None, end: End, touched: bool, in_flight: bool, created: bool, deleted: bool
) -> None:
    """A refused one did nothing; one without a clear answer may have."""
    task = task_of(verb, end)
    assert (task.touched, task.may_be_in_flight) == (touched, in_flight)
    assert (task.may_have_created, task.may_have_deleted) == (created, deleted)


def test_what_needed_no_request_is_read_back_too() -> None:
    """A step that was found done already has a claim that a list can contradict."""
    task = task_of()
    task.already = "already as declared"
    assert task.touched and not task.may_be_in_flight


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("E-STALE", Exit.STALE),
        ("E-LOCK-LOST", Exit.LOCKED),
        ("E-STORAGE", Exit.STORAGE),
        ("E-DENIED", Exit.DENIED),
        ("E-LIST-BLIND", Exit.UNKNOWN),
        ("E-GATE", Exit.INCOMPLETE),
        ("E-DEPENDS", Exit.INCOMPLETE),
    ],
)
def test_a_skipped_step_ends_the_run_as_its_reason_does(code: str, exit_code: Exit) -> None:
    """Who reads the exit code learns what to do: plan again, wait for the lock, repair the disk."""
    outcome = skipped(task_of(), code, "because")
    assert (outcome.status, outcome.code, outcome.exit_code) == (Status.SKIPPED, code, exit_code)
