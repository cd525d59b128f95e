"""Desired and live to facts."""

from typing import Any

import pytest
from support_pipeline import document, pipeline, read_yaml
from world import World

from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Changes, LiveState, LiveTenant
from exolink_reconcile.planning import differ
from exolink_reconcile.resource import ListKey, row_model

TENANT, CPMS, CHARGER = KINDS
ENTRY = {"displayName": "A", "url": "wss://h/", "interval": 30}


def changes_of(world: World, yaml: str) -> Changes:
    with pipeline(world) as run:
        desired = run.desired(yaml)
        return differ.diff(desired, run.live(desired))


def cpms_world(*rows: dict[str, Any]) -> World:
    world = World()
    for row in rows:
        world.add("acme", "cpms", **{**ENTRY, **row})
    return world


def facts(changes: Changes) -> list[tuple[str, list[tuple[str, str, str]]]]:
    return [
        (str(change.address), [(f.name, str(f.before), str(f.after)) for f in change.fields])
        for change in changes.changes
    ]


def test_nothing_differs() -> None:
    """What is live as declared is not a change."""
    changes = changes_of(cpms_world({}), document("acme", cpms=[ENTRY]))
    assert (changes.changes, changes.unclear, changes.unmanaged) == ((), (), ())


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"interval": 60}, [("interval", "30", "60")]),
        ({"url": "wss://h"}, [("url", "wss://h/", "wss://h")]),
        ({"authPassThrough": "true"}, [("authPassThrough", "False", "True")]),
        ({"interval": 60, "createOnly": ["interval"]}, None),
    ],
)
def test_one_field(change: dict[str, Any], fields: list[tuple[str, str, str]] | None) -> None:
    """One managed field that differs is one change of that field; a create-only one is none."""
    changes = changes_of(cpms_world({}), document("acme", cpms=[{**ENTRY, **change}]))
    assert facts(changes) == ([("acme/cpms/A", fields)] if fields else [])


def test_what_is_not_written_is_not_compared() -> None:
    """A field that the YAML leaves out never differs."""
    assert changes_of(cpms_world({"interval": 7}), document("acme", cpms=[{"displayName": "A"}])).changes == ()


def test_only_a_secret_differs() -> None:
    """Two URLs that look alike when masked count as two, and neither is shown."""
    changes = changes_of(
        cpms_world({"url": "wss://u:one@h/"}), document("acme", cpms=[{**ENTRY, "url": "wss://u:two@h/"}])
    )
    assert facts(changes) == [("acme/cpms/A", [("url", "wss://u:***@h/", "wss://u:***@h/")])]


LOOK_ALIKES = ["CP-1", "cp-1 ", " cp-1", "cp-1\u00a0", "Cp-1"]


@pytest.mark.parametrize("live", LOOK_ALIKES)
@pytest.mark.parametrize("entry", ["declared", "removed"])
def test_row_A5_a_name_that_people_would_take_for_it(live: str, entry: str) -> None:
    """A live name that differs only in case or blanks is neither doubled nor passed over: it is held back, with its id."""
    lists = {"cpms": [{**ENTRY, "displayName": "cp-1"}]} if entry == "declared" else {"removed": [{"cpms": "cp-1"}]}
    changes = changes_of(cpms_world({"id": 3, "displayName": live}), document("acme", **lists))
    assert (changes.changes, changes.unmanaged, changes.notes) == ((), (), ())
    assert [(unclear.code, unclear.removed, f"`{live}` (id 3)" in unclear.reason) for unclear in changes.unclear] == [
        ("E-SAME-NAME", entry == "removed", True)
    ]


@pytest.mark.parametrize(
    ("live", "name"), [("Cafe\u0301", "Café"), ("Café", "Cafe\u0301"), ("A  B", "A B"), ("A B", "A \u00a0 B")]
)
def test_row_A5_forms_of_accents_and_runs_of_blanks(live: str, name: str) -> None:
    """The form of an accent does not make another name, nor does the length of a run of blanks."""
    changes = changes_of(cpms_world({"displayName": live}), document("acme", cpms=[{**ENTRY, "displayName": name}]))
    assert changes.changes == () and [unclear.code for unclear in changes.unclear] == ["E-SAME-NAME"]


def test_row_A5_one_matches_exactly() -> None:
    """Where one object has exactly this name, the look-alike beside it is a note, and nobody's."""
    changes = changes_of(cpms_world({"id": 5}, {"id": 6, "displayName": "a"}), document("acme", cpms=[ENTRY]))
    assert (changes.changes, changes.unclear) == ((), ()) and [len(group.rows) for group in changes.unmanaged] == [1]
    [note] = changes.notes
    assert note.code == "E-SAME-NAME" and list(map(str, note.addresses)) == ["acme/cpms/A", "acme/cpms/a"]


def test_row_E24_a_live_name_that_looks_like_a_declared_one() -> None:
    """A live name of other letters that look the same is a note that names both."""
    changes = changes_of(cpms_world({"id": 5}, {"id": 6, "displayName": "\u0410"}), document("acme", cpms=[ENTRY]))
    [note] = changes.notes
    assert note.code == "W-CONFUSABLE" and list(map(str, note.addresses)) == ["acme/cpms/A", "acme/cpms/\u0410"]


def test_row_D12_a_removal_and_a_create_that_differ_in_case() -> None:
    """A name that goes and one that comes in another case do not meet in one plan: the create waits, and says for what."""
    yaml = document("acme", cpms=[{**ENTRY, "displayName": "a"}], removed=[{"cpms": "A"}])
    changes = changes_of(cpms_world({"id": 5}), yaml)
    assert [(str(change.address), change.declared) for change in changes.changes] == [("acme/cpms/A", None)]
    assert [(unclear.code, "apply it, then plan again" in unclear.reason) for unclear in changes.unclear] == [
        ("E-SAME-NAME", True)
    ]


def test_two_live_objects_with_one_name() -> None:
    """A name that is live twice is unclear, for a declared and for a removed entry, and both ids are named."""
    world = cpms_world({"id": 8}, {"id": 5}, {"id": 9})
    for yaml in (document("acme", cpms=[ENTRY]), document("acme", removed=[{"cpms": "A"}])):
        changes = changes_of(world, yaml)
        assert changes.changes == () and changes.unmanaged == ()
        assert [(unclear.code, "ids 5 and 8 and 9" in unclear.reason) for unclear in changes.unclear] == [
            ("E-DUPLICATE-LIVE", True)
        ]


def test_a_pin_tells_two_objects_apart() -> None:
    """With `id` the one meant is compared; the other, at the same address, is nobody's, and a note says so."""
    changes = changes_of(cpms_world({"id": 5}, {"id": 8, "interval": 9}), document("acme", cpms=[{**ENTRY, "id": 5}]))
    assert (changes.changes, changes.unclear) == ((), ()) and [len(group.rows) for group in changes.unmanaged] == [1]
    assert [(note.code, "id 8" in note.summary) for note in changes.notes] == [("E-DUPLICATE-LIVE", True)]
    assert (
        changes_of(cpms_world({"id": 5}, {"id": 8}), document("acme", cpms=[{**ENTRY, "id": 99}])).unclear[0].code
        == "E-NOT-LIVE"
    )


def test_row_A4_a_pinned_object_has_another_name() -> None:
    """A pinned id whose object has another name is held back whole, and nothing of that object is shown (E15)."""
    world = cpms_world({"id": 5, "displayName": "Foreign", "url": "wss://internal/"})
    changes = changes_of(world, document("acme", cpms=[{**ENTRY, "id": 5}]))
    assert (changes.changes, changes.unmanaged) == ((), ())
    assert [unclear.code for unclear in changes.unclear] == ["E-OTHER-NAME"]
    assert "Foreign" not in str((changes.unclear, changes.notes)) and "internal" not in str(
        (changes.unclear, changes.notes)
    )


def test_a_name_that_another_entry_pins() -> None:
    """An entry cannot take by name what another entry pins by id."""
    yaml = document("acme", cpms=[ENTRY, {**ENTRY, "displayName": "B", "id": 5}])
    changes = changes_of(cpms_world({"id": 5}), yaml)
    codes = {str(unclear.address): unclear.code for unclear in changes.unclear}
    assert codes == {"acme/cpms/A": "E-PINNED", "acme/cpms/B": "E-OTHER-NAME"}
    assert "(id 5) is pinned by acme/cpms/B" in changes.unclear[0].reason


@pytest.mark.parametrize("entry", ["declared", "removed"])
def test_a_name_that_is_live_twice_where_another_entry_pins_one_of_them(entry: str) -> None:
    """Which of the two is meant is not certain: the other one is neither changed nor deleted."""
    others: dict[str, Any] = {"removed": [{"cpms": "A"}]} if entry == "removed" else {}
    pinning = {**ENTRY, "displayName": "B", "id": 5}
    declared = [pinning] if entry == "removed" else [{**ENTRY, "interval": 60}, pinning]
    changes = changes_of(cpms_world({"id": 5}, {"id": 8}), document("acme", cpms=declared, **others))
    assert changes.changes == () and changes.unmanaged == ()
    codes = {str(unclear.address): unclear.code for unclear in changes.unclear}
    assert codes == {"acme/cpms/A": "E-DUPLICATE-LIVE", "acme/cpms/B": "E-OTHER-NAME"}


@pytest.mark.parametrize("pin", [5, 99])
def test_a_pin_of_another_name_is_in_nobodys_way(pin: int) -> None:
    """An entry that is not live is a create, whatever other entries pin, live or not."""
    yaml = document("acme", cpms=[ENTRY, {**ENTRY, "displayName": "B", "id": pin}])
    changes = changes_of(cpms_world({"id": 5, "displayName": "B"}), yaml)
    assert [(str(change.address), change.before) for change in changes.changes] == [("acme/cpms/A", None)]
    assert [unclear.code for unclear in changes.unclear] == ([] if pin == 5 else ["E-NOT-LIVE"])
    assert all("id 5 has this name" in unclear.reason for unclear in changes.unclear)


@pytest.mark.parametrize("others", [1, 2])
def test_a_pinned_object_whose_name_is_taken(others: int) -> None:
    """Where the pinned object has another name live and others have this one, nothing is changed nor theirs to prune."""
    world = cpms_world({"id": 5, "displayName": "Old"}, *({"id": 9 - number} for number in range(others)))
    changes = changes_of(world, document("acme", cpms=[{**ENTRY, "interval": 60, "id": 5}]))
    assert changes.changes == () and [unclear.code for unclear in changes.unclear] == ["E-OTHER-NAME"]
    assert [len(group.rows) for group in changes.unmanaged] == [others] and {note.code for note in changes.notes} == {
        "E-DUPLICATE-LIVE"
    }


def test_soft_deleted_rows_do_not_exist() -> None:
    """A row with `deletedAt` is neither matched nor counted."""
    world = cpms_world({"id": 5})
    world.soft_delete("acme", "cpms", 5)
    changes = changes_of(world, document("acme", cpms=[ENTRY]))
    assert changes.changes[0].before is None and changes.live_counts[ListKey("acme", "cpms")] == 0


def test_removed() -> None:
    """A removed entry is a change while its object is live, by name or by id, and none when it is gone."""
    world = cpms_world({"id": 5}, {"id": 8})
    assert [c.before.id for c in changes_of(world, document("acme", removed=[{"cpms": "A", "id": 8}])).changes] == [8]  # type: ignore[union-attr]
    by_id = changes_of(world, document("acme", removed=[{"cpms": "A", "id": 8}]))
    assert [[row.displayName for row in group.rows] for group in by_id.unmanaged] == [["A"]]  # type: ignore[attr-defined]  # a field of this kind
    assert changes_of(world, document("acme", removed=[{"cpms": "B"}])).changes == ()
    assert changes_of(world, document("acme", removed=[{"cpms": "A", "id": 9}])).changes == ()


def test_removed_by_an_id_of_another_name() -> None:
    """An id that is live under another name is not what was meant to go: it is said, and nothing is deleted."""
    changes = changes_of(cpms_world({"id": 5}, {"id": 8}), document("acme", removed=[{"cpms": "B", "id": 8}]))
    assert changes.changes == () and [unclear.code for unclear in changes.unclear] == ["E-OTHER-NAME"]


def test_removed_by_name_is_not_what_an_entry_pins() -> None:
    """What one entry pins under another name is not removed by its name: both are held back."""
    yaml = document("acme", cpms=[{**ENTRY, "displayName": "B", "id": 5}], removed=[{"cpms": "A"}])
    changes = changes_of(cpms_world({"id": 5}), yaml)
    assert changes.changes == () and [unclear.code for unclear in changes.unclear] == ["E-OTHER-NAME", "E-PINNED"]


def test_unmanaged_does_not_depend_on_removed() -> None:
    """A live row without a name is unmanaged, also beside a removed entry whose object is gone."""
    world = cpms_world({"displayName": ""}, {"displayName": "B"})
    for removed in ([], [{"cpms": "Gone"}], [{"cpms": "Gone", "id": 77}]):
        changes = changes_of(world, document("acme", cpms=[ENTRY], removed=removed))
        assert [len(group.rows) for group in changes.unmanaged] == [2]


def test_kinds_that_were_not_read() -> None:
    """Nothing is said of a kind that was not read: absence of a list is not an empty list."""
    desired = read_yaml(document("acme", cpms=[ENTRY]))
    row_of: Any = row_model(TENANT)
    tenant = row_of(id=1, domainPrefix="acme")
    assert differ.diff(desired, LiveState({"acme": LiveTenant(True, {TENANT: (tenant,)})})).changes == ()
    assert differ.diff(desired, LiveState({})).changes == ()
    assert [change.kind for change in differ.diff(desired, LiveState({"acme": LiveTenant(False, {})})).changes] == [
        TENANT
    ]
    assert differ.diff(desired, LiveState({"acme": LiveTenant(True, {})})).changes == ()


def test_nested_values_differ_by_place() -> None:
    """A mapping that differs inside is shown by the place inside, each with before and after."""
    differences = list(differ._nested("flow", {"a": [1, 2], "b": 1}, {"a": [1, 3], "c": 1}))
    assert {(change.name, change.field, change.before, change.after) for change in differences} == {
        ("flow['a'][1]", "flow", 2, 3),
        ("flow['b']", "flow", 1, None),
        ("flow['c']", "flow", None, 1),
    }
