"""The applier does what the plan says, in stages, and tells what really happened."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from support_chargers import CHARGER, chargers
from support_pipeline import as_json, document, pipeline
from world import Answer, World

from exolink_reconcile.applying import applier
from exolink_reconcile.applying.settings import Settings
from exolink_reconcile.applying.waiting import Stop
from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import PlanStale
from exolink_reconcile.model import Outcome, Plan, Result, Status
from exolink_reconcile.planning import differ, digest
from exolink_reconcile.report import result_text
from exolink_reconcile.saved_plan import reader, review

CPMS = {"url": "wss://h/", "interval": 30}


def world_of(count: int) -> World:
    world = World()
    for row in chargers(0, count - 1):
        world.add("acme", "charger", **row)
    return world


def removed(count: int) -> str:
    return document("acme", removed=[{"charger": row["identity"]} for row in chargers(0, count - 1)])


def summary(result: Result) -> list[tuple[str, str, str]]:
    return [(o.step.address.local, o.status.value, o.code) for o in result.outcomes]


def statuses(result: Result) -> dict[str, int]:
    values = [outcome.status.value for outcome in result.outcomes]
    return {status: values.count(status) for status in dict.fromkeys(values)}


class Clock:
    """A monotonic clock that only sleeping moves."""

    def __init__(self, settle: float, said: list[str] | None = None) -> None:
        self.now = 0.0
        waiting = said.append if said is not None else lambda sentence: None
        self.settings = Settings(settle=settle, sleep=self.sleep, waiting=waiting, clock=lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def refuse(method: str, part: str, status: int = 400) -> Callable[[str, str], Answer | None]:
    """An override that refuses the requests of a method whose path has `part`."""

    def override(found: str, path: str) -> Answer | None:
        return (status, {}, b"") if found == method and part in path else None

    return override


def stages(world: World, method: str) -> list[int]:
    """How many writes lay between the list reads: what went out without looking."""
    runs = [0]
    for request in world.log:
        if request.method == method:
            runs[-1] += 1
        elif request.method == "GET" and request.path.endswith("/charger"):
            runs.append(0)
    return [run for run in runs if run]


# -------------------------------------------------------------------------------------------------------- good days


def test_totals_and_outcomes() -> None:
    """One outcome a step, in the order of the plan, and totals from what happened."""
    world = world_of(3)
    world.add("acme", "cpms", displayName="R", **CPMS)
    yaml = document(
        "acme",
        policy={"allowReplace": ["cpms/R"]},
        cpms=[{"displayName": "R", **CPMS, "interval": 60}, {"displayName": "N", **CPMS}],
        chargers=[{**chargers(0, 2)[0], "profileId": 2}],
        removed=[{"charger": "CP-001"}],
    )
    with pipeline(world) as run:
        plan = run.plan(yaml)
        result = run.apply(yaml, plan)
    assert [outcome.step for outcome in result.outcomes] == list(plan.steps)
    assert (result.totals, statuses(result), result.exit_codes) == ((2, 1, 2), {"done": 4}, ())
    assert result_text.result(result, plan).endswith("Apply complete! Resources: 2 added, 1 changed, 2 destroyed.\n")


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [1]), (2, [1, 1]), (11, [1, 10]), (12, [1, 10, 1]), (40, [1, 10, 29])]
)
def test_the_first_goes_alone(count: int, expected: list[int]) -> None:
    """Creates go one, then ten, then the rest, each stage read back before the next."""
    world = World()
    with pipeline(world) as run:
        run.apply(document("acme", chargers=chargers(0, count - 1)))
    assert stages(world, "POST") == expected


def test_deletes_are_looked_at_between_stages() -> None:
    """Deletes go one, then ten, then the rest, each stage read back before the next."""
    world = world_of(40)
    with pipeline(world) as run:
        run.apply(removed(30))
    assert stages(world, "DELETE") == [1, 10, 19]


def test_tenants_are_staged_for_themselves() -> None:
    """Each tenant has its own first one."""
    world = World(tenants=("acme", "beta"))
    yaml = "---\n".join(document(tenant, chargers=chargers(0, 2)) for tenant in ("acme", "beta"))
    with pipeline(world) as run:
        run.apply(yaml)
    lists = [i for i, request in enumerate(world.log) if request.method == "GET" and request.path.endswith("charger")]
    early = [r.path for r in world.log[: lists[2]] if r.method == "POST"]
    assert sorted(early) == ["/tenant/acme/charger", "/tenant/beta/charger"]


def test_eight_at_a_time_and_no_more() -> None:
    """No more writes are under way than the parallelism allows, and more than one is."""
    world, lock = World(), threading.Lock()
    under_way, most = [0], [0]
    meet = threading.Barrier(3)

    def before(index: int, method: str, path: str) -> None:
        if method != "POST":
            return
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        try:
            meet.wait(0.5)
        except threading.BrokenBarrierError:
            meet.reset()
        with lock:
            under_way[0] -= 1

    world.before_request = before
    with pipeline(world, parallelism=3) as run:
        run.apply(document("acme", chargers=chargers(0, 20)))
    assert most[0] == 3


# --------------------------------------------------------------------------------------------------------- bad days


def test_independent_work_goes_on() -> None:
    """A failure of one kind stops nothing that does not depend on it."""
    world = World(tenants=("acme", "beta"))
    world.override = refuse("POST", "/tenant/acme/cpms")
    yaml = "---\n".join(
        document(tenant, cpms=[{"displayName": "A", **CPMS}], chargers=chargers(0, 1)) for tenant in ("acme", "beta")
    )
    with pipeline(world) as run:
        result = run.apply(yaml)
    assert statuses(result) == {"failed": 1, "done": 5} and result.exit_codes == (5,)
    assert [o.step.address.local for o in result.outcomes if o.status is Status.FAILED] == ["cpms/A"]


def test_nothing_is_deleted_after_a_failure() -> None:
    """Where something failed in a tenant nothing is deleted or replaced there; in another tenant it is."""
    world = World(tenants=("acme", "beta"))
    for tenant in ("acme", "beta"):
        world.add(tenant, "charger", identity="Old")
        world.add(tenant, "cpms", displayName="R", **CPMS)
    world.override = refuse("POST", "/tenant/acme/charger")
    yaml = "---\n".join(
        document(
            tenant,
            policy={"allowReplace": ["cpms/R"]},
            cpms=[{"displayName": "R", **CPMS, "interval": 9}],
            chargers=chargers(0, 0),
            removed=[{"charger": "Old"}],
        )
        for tenant in ("acme", "beta")
    )
    with pipeline(world) as run:
        result = run.apply(yaml)
    assert {(str(o.step.address), o.status.value, o.code) for o in result.outcomes} == {
        ("acme/charger/CP-000", "failed", "E-REJECTED"),
        ("acme/cpms/R", "skipped", "E-DEPENDS"),
        ("acme/charger/Old", "skipped", "E-DEPENDS"),
        ("beta/charger/CP-000", "done", ""),
        ("beta/cpms/R", "done", ""),
        ("beta/charger/Old", "done", ""),
    }


@pytest.mark.parametrize(
    ("method", "yaml", "rows"),
    [
        ("POST", document("acme", chargers=chargers(0, 39)), 0),
        ("PUT", document("acme", chargers=chargers(0, 39, profileId=2)), 40),
    ],
)
def test_ten_failures_in_a_row(method: str, yaml: str, rows: int) -> None:
    """After ten failures in a row the rest of the group is skipped."""
    world = world_of(rows)
    world.override = refuse(method, "/charger")
    with pipeline(world, parallelism=1) as run:
        result = run.apply(yaml)
    values = statuses(result)
    assert values["failed"] == 10 == len(world.writes)
    assert {o.code for o in result.outcomes if o.status is Status.SKIPPED} <= {"E-STOPPED", "E-DEPENDS"}


def test_ten_in_doubt_in_a_row() -> None:
    """An outage in the middle puts ten creates in doubt, not a thousand: no clear answer is not a success."""
    world, count = World(), [0]

    def override(method: str, path: str) -> Answer | None:
        count[0] += method == "POST"
        return (502, {}, b"") if method == "POST" and count[0] > 1 else None

    world.override = override
    with pipeline(world, parallelism=1) as run:
        result = run.apply(document("acme", chargers=chargers(0, 59)))
    assert statuses(result) == {"done": 1, "unknown": 10, "skipped": 49} and len(world.writes) == 11


def test_a_delete_that_fails() -> None:
    """Something failed in the tenant: a failed delete is followed by no other delete there."""
    world = world_of(40)
    world.override = refuse("DELETE", "/charger")
    with pipeline(world, parallelism=1) as run:
        result = run.apply(removed(30))
    assert (statuses(result), len(world.writes)) == ({"failed": 1, "skipped": 29}, 1)


def test_failures_that_are_not_in_a_row() -> None:
    """A success in between starts the count anew."""
    world = World()
    count = [0]

    def override(method: str, path: str) -> Answer | None:
        if method != "POST":
            return None
        count[0] += 1
        return (400, {}, b"") if count[0] % 10 else None

    world.override = override
    with pipeline(world, parallelism=1) as run:
        result = run.apply(document("acme", chargers=chargers(0, 39)))
    assert statuses(result) == {"failed": 36, "done": 4}


def test_each_end_is_reported_once() -> None:
    """Whatever a step ends with, progress and events hear of it once."""
    world = world_of(3)
    world.override = refuse("PUT", "/charger/2")
    ended: list[Outcome] = []
    with pipeline(world, parallelism=1) as run:
        desired = run.desired(document("acme", chargers=chargers(0, 4, displayName="New")))
        plan, before = run.plan(desired), run.live(desired)
        applier.apply(plan, desired, run.contract, run.api, Stop(), Settings(settle=0.0, ended=ended.append), before)
    assert sorted((o.step.address.name, o.status.value) for o in ended) == [
        ("CP-000", "failed"),
        ("CP-001", "done"),
        ("CP-002", "done"),
        ("CP-003", "done"),
        ("CP-004", "done"),
    ]


def test_a_create_that_does_not_show_up() -> None:
    """Answered and never listed: unknown, and no more creates of that kind."""
    world = World()
    world.override = lambda method, path: (201, {}, b"") if method == "POST" else None
    with pipeline(world) as run:
        result = run.apply(document("acme", chargers=chargers(0, 4)))
    assert summary(result)[0] == ("charger/CP-000", "unknown", "E-LIST-BLIND")
    assert {code for _, status, code in summary(result)[1:]} == {"E-LIST-BLIND"}
    assert len(world.writes) == 1 and 9 in result.exit_codes


def test_a_value_that_the_api_does_not_keep() -> None:
    """Stored otherwise than sent: failed after the first write, and no more of that action and kind in any tenant."""
    world = World(tenants=("acme", "beta"))

    def alter(method: str, path: str, answer: Answer) -> Answer:
        return (answer[0], answer[1], answer[2].replace(b'"profileId": 2', b'"profileId": 99'))

    world.alter = alter
    yaml = "---\n".join(document(tenant, chargers=chargers(0, 11, profileId=2)) for tenant in ("acme", "beta"))
    with pipeline(world) as run:
        result = run.apply(yaml)
    assert len(world.writes) == 2 and result.exit_codes == (5,)
    assert {o.code for o in result.outcomes if o.status is Status.FAILED} == {"E-NORMALISED"}


def test_an_update_that_clears_what_it_did_not_send() -> None:
    """A PUT that empties other fields is found after the first one, and no second one is sent."""
    world = World()
    for number in range(3):
        world.add("acme", "cpms", displayName=f"B{number}", **CPMS)

    def before(index: int, method: str, path: str) -> None:
        if method == "PUT":
            world.edit("acme", "cpms", int(path.rsplit("/", 1)[1]), interval=None)

    world.before_request = before
    entries = [{"displayName": f"B{number}", "url": "wss://new/"} for number in range(3)]
    with pipeline(world) as run:
        result = run.apply(document("acme", cpms=entries))
    assert len(world.writes) == 1
    assert [status for _, status, _ in summary(result)] == ["failed", "skipped", "skipped"]
    assert summary(result)[0][2] == "E-PUT-CLOBBERS"


def test_an_update_that_clears_a_field_we_do_not_know() -> None:
    """What a PUT does to fields that no kind knows is seen too, in the list that is read back anyhow."""
    world = World()
    for number in range(3):
        world.add("acme", "charger", identity=f"CP-{number}", **CHARGER, labId=7, note="keep", online=True, iccid="8")

    def before(index: int, method: str, path: str) -> None:
        if method == "PUT":
            world.edit("acme", "charger", int(path.rsplit("/", 1)[1]), labId=None, online=False, iccid=None)

    world.before_request = before
    entries = [{"identity": f"CP-{number}", "profileId": 2} for number in range(3)]
    with pipeline(world) as run:
        result = run.apply(document("acme", chargers=entries))
    assert len(world.writes) == 1 and result.exit_codes == (5,)
    assert (summary(result)[0][2], result.outcomes[0].detail) == (
        "E-PUT-CLOBBERS",
        "the update changed what it did not send: labId was 7, is nothing",
    )


def test_an_update_that_sets_another_value_than_it_sent() -> None:
    """A PUT that puts a default where nothing was sent changes what nobody planned."""
    world = World()
    for number in range(2):
        world.add("acme", "cpms", displayName=f"B{number}", **CPMS)

    def before(index: int, method: str, path: str) -> None:
        if method == "PUT":
            world.edit("acme", "cpms", int(path.rsplit("/", 1)[1]), interval=60)

    world.before_request = before
    entries = [{"displayName": f"B{number}", "url": "wss://new/"} for number in range(2)]
    with pipeline(world) as run:
        result = run.apply(document("acme", cpms=entries))
    assert [code for _, _, code in summary(result)] == ["E-PUT-CLOBBERS", "E-STOPPED"] and len(world.writes) == 1


def test_a_single_create_warns_the_other_tenants() -> None:
    """The first create of one tenant is looked at even where it is the only one: another tenant has more of them."""
    world = World(tenants=("acme", "beta"))

    def alter(method: str, path: str, answer: Answer) -> Answer:
        body = answer[2].replace(b'"profileId": 2', b'"profileId": 99') if "/acme/" in path else answer[2]
        return (answer[0], answer[1], body)

    world.alter = alter
    yaml = "---\n".join(
        document(name, chargers=chargers(0, n - 1, profileId=2)) for name, n in (("acme", 1), ("beta", 5))
    )
    with pipeline(world) as run:
        result = run.apply(yaml)
    assert statuses(result) == {"failed": 1, "done": 1, "skipped": 4}


def test_no_second_replace_after_one_that_was_not_kept() -> None:
    """Replaces go one at a time: what the first one shows stops the second one, in any tenant."""
    world = World(tenants=("acme", "beta"))
    for tenant in ("acme", "beta"):
        world.add(tenant, "cpms", displayName="R", **CPMS)

    def alter(method: str, path: str, answer: Answer) -> Answer:
        return (answer[0], answer[1], answer[2].replace(b'"interval": 9', b'"interval": 10'))

    world.alter = alter
    yaml = "---\n".join(
        document(name, policy={"allowReplace": ["cpms/R"]}, cpms=[{"displayName": "R", **CPMS, "interval": 9}])
        for name in ("acme", "beta")
    )
    with pipeline(world) as run:
        result = run.apply(yaml)
    assert [code for _, _, code in summary(result)] == ["E-NORMALISED", "E-STOPPED"] and len(world.writes) == 2


def lagging(world: World, reads: int) -> None:
    """Lists show what was there before the first write for so many reads more."""
    before, left = json.dumps(world.rows("acme", "cpms")).encode(), [reads]

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "GET" and path.endswith("/cpms") and world.writes and left[0]:
            left[0] -= 1
            return (answer[0], answer[1], before)
        return answer

    world.alter = alter


@pytest.mark.parametrize(("reads", "expected"), [(2, {"done": 2}), (99, {"failed": 1, "skipped": 1})])
def test_an_update_may_take_a_while_to_show(reads: int, expected: dict[str, int]) -> None:
    """A list that still shows the old values lags, until the settle window is over; then nothing was changed."""
    world = World()
    for number in range(2):
        world.add("acme", "cpms", displayName=f"B{number}", **CPMS)
    lagging(world, reads)
    notes: list[str] = []
    entries = [{"displayName": f"B{number}", "url": "wss://new/"} for number in range(2)]
    with pipeline(world) as run:
        desired = run.desired(document("acme", cpms=entries))
        plan = run.plan(desired)
        clock = Clock(settle=20.0, said=notes)
        result = applier.apply(plan, desired, run.contract, run.api, Stop(), clock.settings)
    assert statuses(result) == expected and notes[:1] == [
        "Waiting up to 20 s for the API to show what was written to cpms of tenant acme."
    ]
    assert result.totals[1] == (2 if reads == 2 else 0)


def test_a_replaced_object_may_take_a_while_to_go() -> None:
    """A list that shows the old object beside the new one lags; one that goes on showing it is not done."""
    for lasts, expected in ((2, ("done", "")), (99, ("unknown", "E-AMBIGUOUS"))):
        world, left = World(), [lasts]
        world.add("acme", "cpms", displayName="R", **CPMS)
        [old] = world.rows("acme", "cpms")

        def alter(method: str, path: str, answer: Answer, left: list[int] = left, old: Any = old) -> Answer:
            if method == "GET" and path.endswith("/cpms") and len(world.writes) == 2 and left[0]:
                left[0] -= 1
                rows = [row for row in json.loads(answer[2]) if row["id"] != old["id"]]
                return (answer[0], answer[1], json.dumps([old, *rows]).encode())
            return answer

        world.alter = alter
        policy = {"allowReplace": ["cpms/R"]}
        with pipeline(world) as run:
            desired = run.desired(document("acme", policy=policy, cpms=[{"displayName": "R", **CPMS, "interval": 9}]))
            plan = run.plan(desired)
            clock = Clock(settle=20.0)
            result = applier.apply(plan, desired, run.contract, run.api, Stop(), clock.settings)
        assert summary(result) == [("cpms/R", *expected)]


def test_a_name_that_the_api_changes() -> None:
    """What was made under a name that reads the same is not a blind list: the name is not kept as sent, and nothing waits."""
    world = World()
    world.add("acme", "charger", identity="OLD", **CHARGER)

    def alter(method: str, path: str, answer: Answer) -> Answer:
        return (answer[0], answer[1], answer[2].replace(b'"identity": "cp', b'"identity": "CP'))

    world.alter = alter
    with pipeline(world) as run:
        desired = run.desired(document("acme", chargers=[{"identity": f"cp-{n}", **CHARGER} for n in range(3)]))
        plan, before = run.plan(desired), run.live(desired)
        settings = Settings(settle=0.0, sleep=lambda seconds: None)
        result = applier.apply(plan, desired, run.contract, run.api, Stop(), settings, before)
    assert [code for _, _, code in summary(result)] == ["E-NORMALISED", "E-STOPPED", "E-STOPPED"]
    assert result.outcomes[0].detail.startswith("identity: sent cp-0, stored CP-0") and len(world.writes) == 1


def test_an_item_that_is_not_found_is_looked_for_in_the_list() -> None:
    """A GET of one object that answers 404 for what the list shows does not prove that it went."""
    world = world_of(3)
    world.override = lambda method, path: (404, {}, b"") if method == "GET" and "/charger/" in path else None
    with pipeline(world) as run:
        result = run.apply(document("acme", chargers=chargers(0, 2, profileId=2)))
    assert statuses(result) == {"done": 3} and result.totals == (0, 3, 0)
    lists = [request for request in world.log if request.method == "GET" and request.path.endswith("/charger")]
    assert len(lists) == 5  # the plan's, one for each stage, the canary's, the last


@pytest.mark.parametrize("known", [True, False])
def test_what_differed_before_is_no_news(known: bool) -> None:
    """A plan with a target leaves differences out: they are not told as new ones afterwards."""
    world = World()
    with pipeline(world) as run:
        desired = run.desired(document("acme", chargers=chargers(0, 4)))
        plan = run.plan(desired, targets=("acme/charger/CP-001",))
        before = run.live(desired)
        differing = differ.addresses(differ.diff(desired, before)) if known else []
        settings = Settings(settle=0.0, sleep=lambda seconds: None)
        result = applier.apply(
            plan, desired, run.contract, run.api, Stop(), settings, before if known else None, differing
        )
    assert [("acme/charger/CP-000 among them" in note) for note in result.notes] == ([] if known else [True])


def test_no_clear_answer_settles_by_reading() -> None:
    """A write without an answer is never sent again: the list tells whether it happened."""
    world = World()

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "POST":
            raise ConnectionError("gone after it was done")
        return answer

    world.alter = alter
    with pipeline(world) as run:
        result = run.apply(document("acme", chargers=chargers(0, 1)))
    assert statuses(result) == {"done": 2} and result.totals == (2, 0, 0)
    assert len(world.writes) == 2 and len(world.live("acme", "charger")) == 2


def test_no_clear_answer_and_nothing_there() -> None:
    """A create without an answer that is not listed stays unknown."""
    world = World()
    world.override = refuse("POST", "/charger", status=502)
    with pipeline(world) as run:
        result = run.apply(document("acme", chargers=chargers(0, 2)))
    assert summary(result)[0] == ("charger/CP-000", "unknown", "E-AMBIGUOUS")
    assert len(world.writes) == 1 and 9 in result.exit_codes


def test_denied() -> None:
    """401 or 403 on a write ends the run: nothing more is tried."""
    world = world_of(3)
    world.override = refuse("PUT", "/charger", status=403)
    with pipeline(world) as run:
        result = run.apply(document("acme", chargers=chargers(0, 2, profileId=2), cpms=[]))
    assert statuses(result) == {"failed": 1, "skipped": 2} and 10 in result.exit_codes
    assert len(world.writes) == 1


# -------------------------------------------------------------------------------------------------------- replaces


def half_done(status: int) -> tuple[World, Plan, Result]:
    """Two replaces and a create; the second half of the first replace gets `status`."""
    world = World()
    for name in ("R1", "R2"):
        world.add("acme", "cpms", displayName=name, **CPMS)
    yaml = document(
        "acme",
        policy={"allowReplace": ["cpms/R1", "cpms/R2"]},
        cpms=[{"displayName": name, **CPMS, "interval": 9} for name in ("R1", "R2")],
        removed=[{"charger": "x"}],
    )
    world.override = refuse("POST", "/cpms", status=status)
    with pipeline(world) as run:
        plan = run.plan(yaml)
        return world, plan, run.apply(yaml, plan)


def test_a_half_done_replace_is_named_first() -> None:
    """Deleted and not made again: that comes first in the summary, counted as destroyed; the next replace does not start."""
    world, plan, result = half_done(400)
    assert summary(result) == [("cpms/R1", "failed", "E-REJECTED"), ("cpms/R2", "skipped", "E-DEPENDS")]
    assert (result.totals, [row["displayName"] for row in world.live("acme", "cpms")]) == ((0, 0, 1), ["R2"])
    lines = result_text.result(result, plan).splitlines()
    assert lines[0].startswith("  failed replace acme/cpms/R1: deleted, but not created again")
    assert "Apply complete!" not in "\n".join(lines)


def test_half_done_comes_before_other_failures() -> None:
    """However many others failed, the half-done replace leads."""
    world, plan, result = half_done(400)
    replaced = result.outcomes[0]
    other = Outcome(replaced.step, Status.FAILED, "other", "E-REJECTED", Exit.INCOMPLETE)
    lines = result_text.result(Result((other, replaced), exit_codes=(Exit.INCOMPLETE,)), plan).splitlines()
    assert "deleted, but not created again" in lines[0]


def test_a_replace_without_an_answer() -> None:
    """A replace whose create got no answer is unknown, and what was deleted is counted."""
    _, _, result = half_done(503)
    assert summary(result)[0] == ("cpms/R1", "unknown", "E-AMBIGUOUS")
    assert result.totals == (0, 0, 1) and 9 in result.exit_codes


# ----------------------------------------------------------------------------------------------------------- stale


def after_the_plan(change: Callable[[World], Any], yaml: str) -> tuple[World, Result]:
    """Plan, then change the world, then apply."""
    world = world_of(2)
    with pipeline(world) as run:
        plan = run.plan(yaml)
        change(world)
        return world, run.apply(yaml, plan)


ONE_UPDATE = document("acme", chargers=[{**chargers(0, 0)[0], "profileId": 2}])


@pytest.mark.parametrize(
    ("yaml", "change"),
    [
        (ONE_UPDATE, lambda world: world.edit("acme", "charger", "CP-000", profileId=3)),
        (ONE_UPDATE, lambda world: world.edit("acme", "charger", "CP-000", displayName="New")),
        (ONE_UPDATE, lambda world: world.edit("acme", "charger", "CP-000", identity="Renamed")),
        (ONE_UPDATE, lambda world: world.soft_delete("acme", "charger", "CP-000")),
        (removed(1), lambda world: world.edit("acme", "charger", "CP-000", profileId=3)),
        (removed(1), lambda world: world.edit("acme", "charger", "CP-000", identity="Renamed")),
    ],
)
def test_what_moved_is_skipped(yaml: str, change: Callable[[World], Any]) -> None:
    """An object that moved since the plan is not written: skipped as stale, 6 as nothing was written."""
    world, result = after_the_plan(change, yaml)
    assert [(status, code) for _, status, code in summary(result)] == [("skipped", "E-STALE")]
    assert (world.writes, result.exit_codes) == ([], (6,))


def test_stale_beside_a_write() -> None:
    """Stale is 5, not 6, once anything was written."""
    yaml = document("acme", chargers=chargers(0, 1, profileId=2))
    world, result = after_the_plan(lambda w: w.edit("acme", "charger", "CP-000", profileId=3), yaml)
    assert statuses(result) == {"skipped": 1, "done": 1} and result.exit_codes == (5,)
    assert len(world.writes) == 1


@pytest.mark.parametrize(
    ("yaml", "change"),
    [
        (ONE_UPDATE, lambda world: world.edit("acme", "charger", "CP-000", profileId=2)),
        (removed(1), lambda world: world.soft_delete("acme", "charger", "CP-000")),
    ],
)
def test_what_is_done_already(yaml: str, change: Callable[[World], Any]) -> None:
    """What another hand did meanwhile is done, without a write and without being counted as ours."""
    world, result = after_the_plan(change, yaml)
    assert (statuses(result), result.totals, world.writes) == ({"done": 1}, (0, 0, 0), [])


def test_a_field_that_nobody_manages_may_move() -> None:
    """An update does not rest on fields that it does not send."""
    yaml = document("acme", chargers=[{"identity": "CP-000", "profileId": 2}])
    _, result = after_the_plan(lambda w: w.edit("acme", "charger", "CP-000", displayName="New"), yaml)
    assert statuses(result) == {"done": 1}


def test_a_new_difference_elsewhere_is_a_note() -> None:
    """Verify judges the addresses of the plan; what drifted elsewhere is a note."""
    yaml = document("acme", chargers=[{**chargers(0, 0)[0], "profileId": 2}, chargers(0, 1)[1]])
    _, result = after_the_plan(lambda w: w.edit("acme", "charger", "CP-001", profileId=7), yaml)
    assert (result.left, result.exit_codes, len(result.notes)) == ((), (), 1)


def test_stopped_before_it_starts() -> None:
    """After a signal no write starts, and each step says so."""
    world = World()
    with pipeline(world) as run:
        desired = run.desired(document("acme", chargers=chargers(0, 2)))
        stop = Stop()
        stop.ask(15)
        settings = Settings(settle=0.0, sleep=lambda seconds: None)
        result = applier.apply(run.plan(desired), desired, run.contract, run.api, stop, settings)
    assert world.writes == [] and {code for _, _, code in summary(result)} == {"E-INTERRUPTED"}


def test_a_slow_list_is_waited_for() -> None:
    """An object may take a while to show up: the list is read again within the settle time, and only then it is unknown."""
    world = World()
    waits: list[Any] = []
    hidden = [3]

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "GET" and path.endswith("/charger") and world.writes and hidden[0]:
            hidden[0] -= 1
            return 200, {"Content-Type": "application/json"}, b"[]"
        return answer

    world.alter = alter
    with pipeline(world) as run:
        desired = run.desired(document("acme", chargers=chargers(0, 0)))
        settings = Settings(settle=90.0, sleep=waits.append)
        result = applier.apply(run.plan(desired), desired, run.contract, run.api, Stop(), settings)
    assert statuses(result) == {"done": 1} and len(waits) == 3 and sum(waits) <= 90


@pytest.mark.parametrize("status", [404, 405])
def test_a_get_that_does_not_find_what_the_list_shows_is_said(status: int) -> None:
    """Where GET by id does not show a live object, the list is the recheck, and the end of the apply says so once."""
    world = world_of(3)
    world.override = lambda method, path: (status, {}, b"") if method == "GET" and "/charger/" in path else None
    with pipeline(world) as run:
        result = run.apply(document("acme", chargers=chargers(0, 2, profileId=2)))
    assert result.totals == (0, 3, 0) and len(result.notes) == 1
    assert "GET of a single charger does not show" in result.notes[0] and "(W-RECHECK)" in result.notes[0]


def test_row_C6_a_finished_update_beside_a_held_back_field_is_done(world: World) -> None:
    """A saved plan whose update is done is applied, whatever is held back beside it."""
    world.add("acme", "cpms", displayName="P", **CPMS)
    text = document("acme", cpms=[{"displayName": "P", "url": "wss://new/", "interval": 9}])
    with pipeline(world) as run:
        desired = run.desired(text)
        saved = reader.read(as_json(run.plan(desired)).encode())
        run.apply(desired)
        with pytest.raises(PlanStale) as caught:
            plan = run.plan(desired)
            review.check(saved, plan, digest.of_each(plan), desired, run.live(desired))
    assert caught.value.code == "E-APPLIED"
