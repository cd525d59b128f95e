"""What really happened to each write: the faults that one wrong read, one lost answer or one kill used to cause."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from support_apply import WINDOW, Runs
from support_pipeline import CONTRACT_TEXT, as_json, document, pipeline
from world import Answer, Refusal, World

from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import PlanStale, ReconcileError
from exolink_reconcile.saved_plan import reader

CHARGER = {"displayName": "Lobby", "profileId": 1}
CPMS = {"url": "wss://h/", "interval": 30}


class Lenient(World):
    """A world that lets two chargers have one identity: a duplicate must be seen, not be refused."""

    def _create(self, tenant: str, kind: str, body: Any) -> Answer:
        try:
            return super()._create(tenant, kind, body)
        except Refusal as refusal:
            if refusal.status != 409:
                raise
        self._new_row(tenant, kind).update(body)
        return 201, {}, b""


@pytest.fixture
def world() -> World:
    return Lenient()


@pytest.fixture
def runs(tmp_path: Path, world: World) -> Runs:
    return Runs(tmp_path / "state", world)


def chargers(*names: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"identity": name, **CHARGER, **fields} for name in names]


def yaml(*names: str, **fields: Any) -> str:
    return document("acme", chargers=chargers(*names, **fields))


def names(world: World, kind: str = "charger") -> list[str]:
    return sorted(row["identity" if kind == "charger" else "displayName"] for row in world.live("acme", kind))


def lists(method: str, path: str, kind: str = "charger") -> bool:
    return method == "GET" and path.endswith(f"/{kind}")


def answers(world: World, method: str, *endings: Answer | str, kind: str = "/charger") -> list[int]:
    """Writes of a method end so, one after the other: "lost" and "lost, never came", or an answer instead. Then as usual."""
    left, count = list(endings), [0]

    def override(found: str, path: str) -> Answer | None:
        if found != method or kind not in path:
            return None
        count[0] += 1
        if left and left[0] == "lost, never came":
            left.pop(0)
            raise ConnectionError("reset")
        if left and not isinstance(left[0], str):
            return left.pop(0)  # type: ignore[return-value]
        return None

    def alter(found: str, path: str, answer: Answer) -> Answer:
        if found == method and kind in path and left and left[0] == "lost":
            left.pop(0)
            raise ConnectionError("reset")
        return answer

    world.override, world.alter = override, alter
    return count


def rows_of(answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(answer[2])
    return found


def with_rows(answer: Answer, rows: list[dict[str, Any]]) -> Answer:
    return answer[0], answer[1], json.dumps(rows).encode()


def relist(world: World, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], kind: str = "charger") -> None:
    """What lists of a kind show is changed."""

    def alter(method: str, path: str, answer: Answer) -> Answer:
        return with_rows(answer, change(rows_of(answer))) if lists(method, path, kind) and answer[0] == 200 else answer

    world.alter = alter


NO: tuple[Answer, ...] = tuple((status, {}, b"{}") for status in (401, 403, 422))


@pytest.mark.parametrize("refusal", NO, ids=lambda answer: str(answer[0]))
def test_row_F1_a_delete_whose_repetition_is_refused(runs: Runs, world: World, refusal: Answer) -> None:
    """A delete that took effect is not called failed because its repetition was refused."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)
    world.add("acme", "charger", identity="CP-2", **CHARGER)
    count = answers(world, "DELETE", "lost", refusal)
    end = runs.apply(document("acme", removed=[{"charger": "CP-1"}]))
    assert names(world) == ["CP-2"] and runs.result is not None
    assert (end, runs.result.totals, count) == (Exit.DONE, (0, 0, 1), [1])


@pytest.mark.parametrize("refusal", NO, ids=lambda answer: str(answer[0]))
def test_row_F1_an_update_whose_repetition_is_refused(runs: Runs, world: World, refusal: Answer) -> None:
    """An update that may have arrived is not called failed because its repetition was refused."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)
    answers(world, "PUT", (504, {}, b""), refusal)
    end = runs.apply(yaml("CP-1", profileId=2))
    assert end is Exit.UNKNOWN and "no clear answer" in runs.said and runs.open() == ["update acme/charger/CP-1"]


@pytest.mark.parametrize("status", [404, 410])
def test_row_F1_gone_is_gone(runs: Runs, world: World, status: int) -> None:
    """404 and 410 to a DELETE mean gone, and after a lost answer that it was ours; the replace goes on."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    answers(world, "DELETE", "lost", (status, {}, b""), kind="/cpms")
    text = document("acme", policy={"allowReplace": ["cpms/R"]}, cpms=[{"displayName": "R", **CPMS, "interval": 9}])
    end = runs.apply(text)
    assert (end, [row["interval"] for row in world.live("acme", "cpms")]) == (Exit.DONE, [9])
    assert runs.result is not None and runs.result.totals == (1, 0, 1)


def replace(name: str, interval: int) -> str:
    return document(
        "acme", policy={"allowReplace": [f"cpms/{name}"]}, cpms=[{"displayName": name, **CPMS, "interval": interval}]
    )


def test_row_F2_two_applies_in_a_row_while_the_list_shows_the_old_one(runs: Runs, world: World) -> None:
    """What an earlier run deleted and made is known: a list that still shows the old one is waited for."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    assert runs.apply(replace("R", 9)) is Exit.DONE
    old, shown_until = world.rows("acme", "cpms")[0] | {"deletedAt": None}, runs.clock.now + 5
    relist(world, lambda rows: [old] if runs.clock.now < shown_until else rows, kind="cpms")
    assert runs.apply(replace("R", 9)) is Exit.DONE
    assert len(world.live("acme", "cpms")) == 1 and "Waiting up to" in runs.said


def test_row_F2_a_replace_of_what_is_gone_already_makes_nothing(runs: Runs, world: World) -> None:
    """Without any memory: a DELETE answered 404 says that the list is old, so nothing is created in its place."""
    row_id = world.add("acme", "cpms", displayName="R", **CPMS)
    old = world.rows("acme", "cpms")[0]
    world.soft_delete("acme", "cpms", row_id)
    world.add("acme", "cpms", displayName="R", **CPMS, id=77)
    relist(world, lambda rows: [old], kind="cpms")
    end = runs.apply(replace("R", 9))
    assert len(world.live("acme", "cpms")) == 1 and end is not Exit.DONE and "E-STALE" in runs.said


def killed_create(runs: Runs, world: World, *, after: bool = True) -> None:
    """A run that is killed right after its create arrived."""

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "POST":
            runs.kill()
        return answer

    world.alter = alter
    assert runs.apply(yaml("CP-1")) is None
    world.alter = None


def test_row_F3_what_one_read_showed_no_other_read_takes_back(runs: Runs, world: World) -> None:
    """A killed create that a list showed once is not made again because the next list does not show it."""
    killed_create(runs, world)
    reads = [0]

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        reads[0] += 1
        return [] if 1 < reads[0] <= 3 else rows

    relist(world, change)
    assert runs.apply(yaml("CP-1")) is Exit.DONE
    assert names(world) == ["CP-1"]


def test_row_F4_age_counts_from_sending(runs: Runs, world: World) -> None:
    """A create that waited long for its turn is as young as its request, not as its intent."""
    late: list[Callable[[], object]] = []

    def override(method: str, path: str) -> Answer | None:
        if method != "POST":
            return None
        if runs.clock.now < 1_080:
            return 429, {"Retry-After": "80"}, b""
        late.append(lambda: world.add("acme", "charger", identity="CP-1", **CHARGER))
        runs.kill()
        return None

    world.override = override
    assert runs.apply(yaml("CP-1")) is None
    world.override, arrives = None, runs.clock.now + 40

    def passed() -> None:
        if late and runs.clock.now >= arrives:
            late.pop()()

    runs.clock.passed = passed
    runs.clock.sleep(20)
    assert runs.apply(yaml("CP-1")) is Exit.DONE
    runs.clock.sleep(100)
    assert names(world) == ["CP-1"]


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


@pytest.mark.parametrize("get", [200, 404])
def test_row_F7_the_recheck_is_as_new_as_the_stage(runs: Runs, world: World, get: int) -> None:
    """Where GET answers 404 the list is read anew for each stage: another hand's edit is seen."""
    for number in range(30):
        world.add("acme", "charger", identity=f"CP-{number:02}", **CHARGER)
    if get == 404:
        world.override = lambda method, path: (404, {}, b"") if method == "GET" and "/charger/" in path else None
    edited = [False]

    def before(index: int, method: str, path: str) -> None:
        if len(world.writes) == 11 and not edited[0]:
            edited[0] = True
            world.edit("acme", "charger", "CP-29", profileId=77)

    world.before_request = before
    end = runs.apply(yaml(*(f"CP-{number:02}" for number in range(30)), profileId=2))
    assert end is Exit.INCOMPLETE and "E-STALE" in runs.said
    assert [row["profileId"] for row in world.live("acme", "charger") if row["identity"] == "CP-29"] == [77]


def test_row_F8_a_delete_that_never_happened(runs: Runs, world: World) -> None:
    """Without a clear answer one empty list is no proof: the object is asked for by its id."""
    for name in ("CP-1", "CP-2"):
        world.add("acme", "charger", identity=name, **CHARGER)
    world.override = lambda method, path: (503, {}, b"") if method == "DELETE" else None
    relist(world, lambda rows: [] if world.writes else rows)
    end = runs.apply(document("acme", removed=[{"charger": "CP-1"}]))
    assert end is Exit.UNKNOWN and runs.result is not None and runs.result.totals == (0, 0, 0)


@pytest.mark.parametrize("get", [200, 404])
def test_row_F9_F10_what_the_journal_knows_is_waited_for(runs: Runs, world: World, get: int) -> None:
    """The id of what was made stays known, settled by this run or the next; a list that lags is waited for, GET or not."""
    killed_create(runs, world)
    runs.clock.sleep(10)
    assert runs.apply(document("acme", chargers=[])) is Exit.DONE
    if get == 404:
        world.override = lambda method, path: (404, {}, b"") if method == "GET" and "/charger/" in path else None
    until = runs.clock.now + 3
    relist(world, lambda rows: [] if runs.clock.now < until else rows)
    assert runs.apply(yaml("CP-1"), allow_shrunk=("acme/charger",)) is Exit.DONE
    assert names(world) == ["CP-1"]


def test_row_F11_open_deletes_are_waited_for(runs: Runs, world: World) -> None:
    """A delete of a killed run that arrives late is waited for, and not taken for what did not happen."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)
    world.add("acme", "charger", identity="CP-2", **CHARGER)
    world.override = lambda method, path: runs.kill() if method == "DELETE" else None
    assert runs.apply(document("acme", removed=[{"charger": "CP-1"}])) is None
    world.override, late = None, [runs.clock.now + 20]

    def passed() -> None:
        if late and runs.clock.now >= late[0]:
            late.pop()
            world.soft_delete("acme", "charger", "CP-1")

    runs.clock.passed = passed
    assert runs.apply(yaml("CP-1", "CP-2")) is Exit.DONE
    runs.clock.sleep(WINDOW)
    assert names(world) == ["CP-1", "CP-2"]


def test_row_F12_nothing_is_sent_after_a_signal(runs: Runs, world: World) -> None:
    """A write that waits for its turn when the signal comes is not sent: skipped, not unknown."""
    posts = [0]

    def override(method: str, path: str) -> Answer | None:
        if method != "POST":
            return None
        posts[0] += 1
        if posts[0] == 1:
            runs.stop.ask(signal.SIGINT)
            return 429, {"Retry-After": "8"}, b""
        return None

    world.override = override
    assert (runs.apply(yaml("CP-1", "CP-2")), posts, runs.open()) == (Exit.INTERRUPTED, [1], [])


def test_row_F13_a_repetition_looks_first(runs: Runs, world: World) -> None:
    """An update without an answer is not sent again over what another hand wrote in between."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "PUT":
            world.edit("acme", "charger", "CP-1", profileId=77)
            raise ConnectionError("reset")
        return answer

    world.alter = alter
    end = runs.apply(yaml("CP-1", profileId=2))
    assert end is Exit.UNKNOWN and [r.method for r in world.writes] == ["PUT"]
    assert world.live("acme", "charger")[0]["profileId"] == 77


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_row_F13_what_is_as_it_was_is_sent_again(runs: Runs, world: World, method: str) -> None:
    """A repetition of what did not arrive is fine."""
    for name in ("CP-1", "CP-2"):
        world.add("acme", "charger", identity=name, **CHARGER)
    count = answers(world, method, "lost, never came", (502, {}, b""))
    text = yaml("CP-1", profileId=2) if method == "PUT" else document("acme", removed=[{"charger": "CP-1"}])
    assert (runs.apply(text), count) == (Exit.DONE, [3])


def test_row_F14_answered_is_known_at_once(runs: Runs, world: World) -> None:
    """A create that was answered and killed while waiting for a blind list is not made again."""
    for _ in range(3):
        relist(world, lambda rows: [])
        runs.clock.passed = lambda: runs.kill() if world.writes else None
        runs.apply(yaml("CP-1"))
        runs.clock.passed = lambda: None
        runs.clock.sleep(2 * WINDOW)
    assert len(world.writes) == 1 and runs.open() == ["create acme/charger/CP-1"]


def test_row_F15_a_replace_says_which_half(runs: Runs, world: World) -> None:
    """A replace whose delete was done and whose create was not answered counts the half that happened and names the other."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    world.override = lambda method, path: (503, {}, b"") if method == "POST" else None
    end = runs.apply(replace("R", 9))
    assert end is Exit.UNKNOWN and runs.result is not None and runs.result.totals == (0, 0, 1)
    assert "is deleted; no clear answer to the create" in runs.said


def test_row_F15_a_create_that_was_never_sent_is_not_in_doubt(runs: Runs, world: World) -> None:
    """A delete in doubt, and so no create: only the delete is called unclear."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    world.override = lambda method, path: (503, {}, b"") if method == "DELETE" else None
    end = runs.apply(replace("R", 9))
    assert end is Exit.UNKNOWN and "no clear answer to the delete" in runs.said and "nothing was created" in runs.said


def test_row_F16_what_answers_by_its_id_is_not_made_again(runs: Runs, world: World) -> None:
    """An object that no list shows, and whose id answers, is held back, however old it is."""
    assert runs.apply(yaml("CP-1")) is Exit.DONE
    relist(world, lambda rows: [])
    runs.clock.sleep(5 * WINDOW)
    end = runs.apply(yaml("CP-1"), allow_shrunk=("acme/charger",))
    assert end is Exit.INCOMPLETE and len(world.writes) == 1 and names(world) == ["CP-1"]


def test_row_F17_only_known_deletes_explain_a_shrunk_list(runs: Runs, world: World) -> None:
    """A delete that may not have happened does not excuse an empty list."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)
    world.override = lambda method, path: runs.kill() if method == "DELETE" else None
    assert runs.apply(document("acme", removed=[{"charger": "CP-1"}]), allow_deletes=1) is None
    world.override = None
    runs.clock.sleep(2 * WINDOW)
    relist(world, lambda rows: [])
    end = runs.apply(yaml("CP-1"))
    assert isinstance(end, ReconcileError) and end.code == "E-LIST-SHRANK" and names(world) == ["CP-1"]


def test_row_F17_a_kill_between_deletes_is_no_false_alarm(runs: Runs, world: World) -> None:
    """What a killed run deleted is known: the list that it emptied did not shrink by itself."""
    for name in ("CP-1", "CP-2"):
        world.add("acme", "charger", identity=name, **CHARGER)

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "DELETE" and len([r for r in world.writes if r.changed]) == 2:
            runs.kill()
        return answer

    world.alter = alter
    text = document("acme", removed=[{"charger": "CP-1"}, {"charger": "CP-2"}])
    assert runs.apply(text, allow_deletes=2) is None
    world.alter = None
    assert runs.apply(document("acme", chargers=[])) is Exit.DONE


def test_row_F18_nothing_is_called_held_back_where_nothing_is(runs: Runs, world: World) -> None:
    """Exit 9 because of an earlier write names that write."""
    world.override = lambda method, path: (201, {}, b"") if method == "POST" else None
    assert runs.apply(yaml("CP-1")) is Exit.UNKNOWN
    end = runs.apply(document("acme", chargers=[]))
    assert end is Exit.UNKNOWN and "held back" not in runs.said and "create acme/charger/CP-1" in runs.said


def test_row_F24_a_get_with_fewer_fields_is_no_change(runs: Runs, world: World) -> None:
    """A GET that leaves out fields which the list has does not make the object changed."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)

    def alter(method: str, path: str, answer: Answer) -> Answer:
        if method == "GET" and "/charger/" in path:
            row = json.loads(answer[2])
            del row["displayName"]
            return answer[0], answer[1], json.dumps(row).encode()
        return answer

    world.alter = alter
    assert runs.apply(yaml("CP-1", profileId=2)) is Exit.DONE


def test_row_C3_an_earlier_unknown_create_is_named_however_the_run_ends(runs: Runs, world: World) -> None:
    """A run that ends before it could settle an earlier create ends with 9 and names it."""
    killed_create(runs, world)
    world.override = lambda method, path: (503, {}, b"") if method == "GET" else None
    end = runs.apply(yaml("CP-1"))
    assert isinstance(end, ReconcileError) and end.exit_code is Exit.UNKNOWN
    assert "create acme/charger/CP-1" in runs.said and runs.open() == ["create acme/charger/CP-1"]


def test_row_E9_urls_in_the_record_are_masked(runs: Runs, world: World, tmp_path: Path) -> None:
    """What goes on record of an object before its write has the secrets of whatever looks like a URL masked."""
    world.add(
        "acme", "charger", identity="CP-1", **CHARGER, firmwareVersion="https://u:hunter2@fw.example.com/?k=hunter2"
    )
    assert runs.apply(yaml("CP-1", profileId=2)) is Exit.DONE
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"hunter2" in text for text in texts) and any(b"fw.example.com" in text for text in texts)


@pytest.mark.parametrize(
    ("updated", "code"), [("2026-11-02T10:00:30Z", "E-STALE"), ("2026-11-02T10:00:00Z", "E-NORMALISED")]
)
def test_row_C11_another_writer_is_not_the_server(runs: Runs, world: World, updated: str, code: str) -> None:
    """What another writer changed after our write is told from what the server does not keep: by `updatedAt`."""
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

    world.edit = edited  # type: ignore[method-assign]
    end = runs.apply(document("acme", chargers=chargers("CP-1", profileId=2)))
    assert end is Exit.INCOMPLETE and runs.result is not None and runs.result.outcomes[0].code == code
    assert "another writer changed it since" in runs.said


def test_row_F10_what_was_made_moments_ago_is_waited_for_without_a_get(runs: Runs, world: World) -> None:
    """Two applies in a row, a list that lags and a GET that answers 404: the second one waits and makes nothing."""
    assert runs.apply(yaml("CP-1")) is Exit.DONE
    until = runs.clock.now + 3
    world.override = lambda method, path: (404, {}, b"") if method == "GET" and "/charger/" in path else None
    relist(world, lambda rows: [] if runs.clock.now < until else rows)
    assert runs.apply(yaml("CP-1"), allow_shrunk=("acme/charger",)) is Exit.DONE
    assert names(world) == ["CP-1"] and len(world.writes) == 1


def test_row_F19_the_twin_of_a_pinned_entry_is_spoken_of(world: World) -> None:
    """A live object with the name of an entry that pins another id is unmanaged, and a note names both."""
    pinned, twin = (world.add("acme", "cpms", displayName="P", **CPMS) for _ in range(2))
    with pipeline(world) as run:
        plan = run.plan(document("acme", cpms=[{"displayName": "P", **CPMS, "id": pinned}]))
    assert plan.unmanaged_counts["cpms"] == 1
    assert any(note.code == "E-DUPLICATE-LIVE" and f"(id {twin})" in note.summary for note in plan.notes)


def test_row_F25_what_create_only_keeps_back_is_said_so(world: World) -> None:
    """A field that an update needs and that `createOnly` keeps out of it is written in the YAML, and the reason says so."""
    loaded = YAML(typ="safe").load(CONTRACT_TEXT)
    [path] = [path for path, operations in loaded["paths"].items() if "/cpms/" in path and "put" in operations]
    schema = {"type": "object", "required": ["url", "interval"],
              "properties": {"url": {"type": "string"}, "interval": {"type": "integer"}}}  # fmt: skip
    loaded["paths"][path]["put"]["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    world.add("acme", "cpms", displayName="P", **CPMS)
    entry = {"displayName": "P", "url": "wss://new/", "interval": 9, "createOnly": ["interval"]}
    with pipeline(world, contract_text=json.dumps(loaded)) as run:
        [held] = run.plan(document("acme", cpms=[entry])).held_back
    assert "interval, which `createOnly` keeps out of updates" in held.reason


def test_row_C6_a_finished_update_beside_a_held_back_field_is_done(world: World) -> None:
    """A saved plan whose update is done is applied, whatever is held back beside it."""
    world.add("acme", "cpms", displayName="P", **CPMS)
    text = document("acme", cpms=[{"displayName": "P", "url": "wss://new/", "interval": 9}])
    with pipeline(world) as run:
        desired = run.desired(text)
        saved = reader.read(as_json(run.plan(desired)).encode())
        run.apply(desired)
        with pytest.raises(PlanStale) as caught:
            reader.check(saved, run.plan(desired), desired, run.live(desired))
    assert caught.value.code == "E-APPLIED"


def on_answer(world: World, method: str, act: Callable[[], object], *, lost: bool = False) -> None:
    """Something happens right after each write of a method took effect, before its answer comes, or instead of it."""

    def alter(found: str, path: str, answer: Answer) -> Answer:
        if found == method:
            act()
            if lost:
                raise ConnectionError("reset")
        return answer

    world.alter = alter


def test_a_signal_between_the_halves_of_a_replace(runs: Runs, world: World) -> None:
    """What a signal skipped is the signal's; an object that was deleted and not made again is incomplete."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    on_answer(world, "DELETE", lambda: runs.stop.ask(signal.SIGINT))
    end = runs.apply(replace("R", 9))
    assert end is Exit.INCOMPLETE and "deleted, but not created again" in runs.said and runs.open() == []
    world.alter = None
    assert runs.apply(replace("R", 9)) is Exit.DONE and len(world.live("acme", "cpms")) == 1


def test_another_hand_between_the_halves_of_a_replace(runs: Runs, world: World) -> None:
    """What another hand makes under the name while ours is deleted is not called ours, and two of them are not a success."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    on_answer(world, "DELETE", lambda: world.add("acme", "cpms", displayName="R", url="wss://hand/", interval=1))
    end = runs.apply(replace("R", 9))
    assert end is Exit.INCOMPLETE and "E-DUPLICATE-LIVE" in runs.said and len(world.live("acme", "cpms")) == 2


def test_a_replace_that_was_killed_and_finished_by_another_hand(runs: Runs, world: World) -> None:
    """Killed between its halves, and somebody made the object by hand: nothing is made twice."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    on_answer(world, "DELETE", runs.kill)
    assert runs.apply(replace("R", 9)) is None
    world.alter = None
    world.add("acme", "cpms", displayName="R", **{**CPMS, "interval": 9})
    assert runs.apply(replace("R", 9)) is Exit.DONE and len(world.live("acme", "cpms")) == 1


def test_a_replace_that_was_killed_while_the_list_shows_the_old_one(runs: Runs, world: World) -> None:
    """Killed after its create arrived; the next run waits out a list that shows the old object, and makes nothing."""
    world.add("acme", "cpms", displayName="R", **CPMS)
    old = world.rows("acme", "cpms")[0]
    on_answer(world, "POST", runs.kill)
    assert runs.apply(replace("R", 9)) is None
    until = runs.clock.now + 60
    relist(world, lambda rows: [old] if runs.clock.now < until else rows, kind="cpms")
    assert runs.apply(replace("R", 9)) is Exit.DONE and len(world.live("acme", "cpms")) == 1


def test_another_hand_makes_it_while_ours_is_under_way(runs: Runs, world: World) -> None:
    """The same object, field by field, cannot be told from ours; when ours comes late both are held back, never a third."""
    late: list[float] = []

    def override(method: str, path: str) -> Answer | None:
        if method == "POST":
            world.add("acme", "charger", identity="CP-1", **CHARGER)
            late.append(runs.clock.now + 50)
            raise ConnectionError("reset")
        return None

    def passed() -> None:
        if late and runs.clock.now > late[0]:
            late.clear()
            world.add("acme", "charger", identity="CP-1", **CHARGER)

    world.override, runs.clock.passed = override, passed
    assert runs.apply(yaml("CP-1")) is Exit.DONE
    world.override = None
    runs.clock.sleep(2 * WINDOW)
    end = runs.apply(yaml("CP-1"))
    assert end is Exit.INCOMPLETE and "E-DUPLICATE-LIVE" in runs.said and names(world) == ["CP-1", "CP-1"]


def test_a_delete_whose_object_another_hand_made_again(runs: Runs, world: World) -> None:
    """The delete is done, and what stands there again under the name is left and said."""
    for name in ("CP-1", "CP-2"):
        world.add("acme", "charger", identity=name, **CHARGER)
    on_answer(world, "DELETE", lambda: world.add("acme", "charger", identity="CP-1", **CHARGER), lost=True)
    end = runs.apply(document("acme", removed=[{"charger": "CP-1"}]))
    assert end is Exit.INCOMPLETE and runs.result is not None and runs.result.totals == (0, 0, 1)
    assert names(world) == ["CP-1", "CP-2"] and len(world.writes) == 1


def test_a_delete_answered_404_of_what_is_still_listed(runs: Runs, world: World) -> None:
    """404 to a DELETE means gone, and a list that goes on showing the object says otherwise: unknown, not destroyed."""
    for name in ("CP-1", "CP-2"):
        world.add("acme", "charger", identity=name, **CHARGER)
    world.override = lambda method, path: (404, {}, b"") if method == "DELETE" else None
    end = runs.apply(document("acme", removed=[{"charger": "CP-1"}]))
    assert end is Exit.UNKNOWN and runs.result is not None and runs.result.totals == (0, 0, 0)


def test_an_object_that_was_replaced_by_another_hand(runs: Runs, world: World) -> None:
    """Two stale lists and no GET: the update of an id that is gone is not made to what took its place."""
    world.add("acme", "charger", identity="CP-1", **CHARGER)
    old, reads = world.rows("acme", "charger"), [0]
    world.soft_delete("acme", "charger", "CP-1")
    world.add("acme", "charger", identity="CP-1", displayName="by hand", profileId=5)

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        reads[0] += 1
        return old if reads[0] <= 2 else rows

    relist(world, change)
    world.override = lambda method, path: (404, {}, b"") if method == "GET" and "/charger/" in path else None
    end = runs.apply(yaml("CP-1", profileId=2))
    assert end in (Exit.INCOMPLETE, Exit.UNKNOWN) and world.live("acme", "charger")[0]["profileId"] == 5


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


def test_what_a_person_renames_before_any_list_shows_it(runs: Runs, world: World) -> None:
    """A create that was answered and never shows up under its name stays open, and nothing more is made there."""
    on_answer(world, "POST", lambda: world.edit("acme", "charger", "CP-1", identity="renamed"))
    assert runs.apply(yaml("CP-1", "CP-2")) is Exit.UNKNOWN
    world.alter = None
    runs.clock.sleep(5 * WINDOW)
    assert runs.apply(yaml("CP-1", "CP-2")) is Exit.UNKNOWN and names(world) == ["renamed"]
    assert runs.open() == ["create acme/charger/CP-1"]
