"""What cannot be done as declared is held back, with the reason and the ways out; replaces and pins."""

import pytest

from .conftest import Cli
from .support import NO_CHANGES


@pytest.fixture
def drifted(cli: Cli) -> Cli:
    """One CPMS whose interval is not what the YAML says, which by the contract no update can change."""
    cli.world.add("acme", "cpms", displayName="Primary", url="wss://a.example.com/", interval=30, id=4711)
    cli.write(
        "exolink.yaml",
        """
        tenant: acme
        cpms:
          - {displayName: Primary, url: "wss://a.example.com/", interval: 60}
        """,
    )
    return cli


def test_a_field_that_cannot_be_updated(drifted: Cli) -> None:
    """A changed interval is held back, the plan names three ways out, apply exits 5 and writes nothing."""
    plan = drifted("plan")
    assert plan.counts("Plan: 0 to add, 0 to change, 0 to destroy.") and plan.counts("1 held back.")
    assert "interval" in plan.out and NO_CHANGES not in plan.out
    assert "revert" in plan.text.lower() and "createOnly: [interval]" in plan.text and "--allow-replace" in plan.text
    drifted("plan", "--detailed-exitcode", code=2)
    drifted("apply", "--auto-approve", code=5)
    assert drifted.world.writes == []


def test_way_out_create_only(drifted: Cli) -> None:
    """`createOnly` fields are sent on create and never compared."""
    drifted.swap("exolink.yaml", "interval: 60}", "interval: 60, createOnly: [interval]}")
    assert drifted("plan", "--detailed-exitcode").counts(NO_CHANGES)
    drifted.world.soft_delete("acme", "cpms", "Primary")
    drifted("apply", "--auto-approve")
    assert drifted.world.writes[0].json["interval"] == 60


def test_way_out_replace(drifted: Cli) -> None:
    """--allow-replace deletes and makes again: a new id, and a reminder of what may point at the old one."""
    before = drifted.world.row("acme", "cpms", "Primary")["id"]
    options = ("--allow-replace", "acme/cpms/Primary")
    plan = drifted("plan", *options)
    assert plan.counts("Plan: 1 to add, 0 to change, 1 to destroy.")
    assert plan.place("-/+", "Primary") >= 0 and "Lab" in plan.text
    applied = drifted("apply", "--auto-approve", *options)
    assert applied.counts("Apply complete! Resources: 1 added, 0 changed, 1 destroyed.")
    assert [request.method for request in drifted.world.writes] == ["DELETE", "POST"]
    [row] = drifted.world.live("acme", "cpms")
    assert row["id"] != before and row["interval"] == 60


def test_a_replace_allowed_by_policy(drifted: Cli) -> None:
    """policy.allowReplace allows it too, by the exact name."""
    drifted.swap("exolink.yaml", "cpms:", "policy: {allowReplace: [cpms/Prim]}\ncpms:")
    assert drifted("plan").counts("Plan: 0 to add, 0 to change, 0 to destroy.")
    drifted.swap("exolink.yaml", "cpms/Prim", "cpms/Primary")
    assert drifted("plan").counts("Plan: 1 to add, 0 to change, 1 to destroy.")


def test_protected_is_never_replaced(drifted: Cli) -> None:
    """A replace of what is protected is refused with 7, and nothing else is written either."""
    text = 'policy: {protect: ["cpms/Pri*"]}\nchargers: [{identity: CP-1, displayName: A, profileId: 1}]\ncpms:'
    drifted.swap("exolink.yaml", "cpms:", text)
    drifted("apply", "--auto-approve", "--allow-replace", "acme/cpms/Primary", code=7)
    assert drifted.world.writes == []


def test_a_replace_whose_create_fails(drifted: Cli) -> None:
    """If the create of a replace fails, the summary names it first, and a re-run makes it."""
    drifted.world.override = lambda method, path: (400, {}, b'{"error": "no"}') if method == "POST" else None
    applied = drifted("apply", "--auto-approve", "--allow-replace", "acme/cpms/Primary", code=5)
    assert "Primary" in applied.text and drifted.world.live("acme", "cpms") == []
    drifted.world.override = None
    assert "1 added, 0 changed, 0 destroyed" in drifted("apply", "--auto-approve").out


def test_an_update_goes_ahead_with_what_it_may_send(drifted: Cli) -> None:
    """The url is updated, the interval held back, and apply says 5."""
    drifted.swap("exolink.yaml", "a.example", "b.example")
    plan = drifted("plan")
    assert plan.counts("Plan: 0 to add, 1 to change, 0 to destroy.") and plan.counts("1 held back.")
    drifted("apply", "--auto-approve", code=5)
    assert [request.json for request in drifted.world.writes] == [{"url": "wss://b.example.com/"}]


def test_each_field_is_an_entry_of_its_own(drifted: Cli) -> None:
    """Each field that differs and cannot be sent is one held-back entry."""
    drifted.swap("exolink.yaml", "interval: 60}", "interval: 60, authPassThrough: true}")
    assert drifted("plan").counts("2 held back.")
    drifted.world.edit("acme", "cpms", "Primary", authPassThrough=True)
    assert drifted("plan").counts("1 held back.")


def test_a_create_is_held_back_whole(cli: Cli) -> None:
    """A create without a field the API requires, or with one that cannot be sent, is held back; other work goes on."""
    cli.write(
        "exolink.yaml",
        """
        tenant: acme
        cpms:
          - {displayName: No interval, url: "wss://a.example.com/"}
          - {displayName: Too much, url: "wss://b.example.com/", interval: 30, authPassThrough: true}
          - {displayName: Right, url: "wss://c.example.com/", interval: 30}
        """,
    )
    plan = cli("plan")
    assert plan.counts("Plan: 1 to add, 0 to change, 0 to destroy.") and plan.counts("2 held back.")
    assert "interval" in plan.out and "authPassThrough" in plan.out
    cli("apply", "--auto-approve", code=5)
    assert [row["displayName"] for row in cli.world.live("acme", "cpms")] == ["Right"]


def test_two_live_objects_of_one_name(drifted: Cli) -> None:
    """Two live objects with the same key are held back with both ids; which one is meant is never guessed."""
    drifted.swap("exolink.yaml", "a.example", "b.example")
    drifted.world.add("acme", "cpms", displayName="Primary", url="wss://c.example.com/", interval=60, id=4712)
    plan = drifted("plan")
    held_back = "\n".join(plan.lines[plan.place("!", "Primary") :])
    assert "4711" in held_back and "4712" in held_back and "E-DUPLICATE-LIVE" in plan.text
    assert plan.counts("Plan: 0 to add, 0 to change, 0 to destroy.")
    drifted("apply", "--auto-approve", code=5)
    assert drifted.world.writes == []


def test_a_pinned_id_settles_which_one(drifted: Cli) -> None:
    """Where the YAML pins an id, that object is meant, and only that."""
    second = drifted.world.add("acme", "cpms", displayName="Primary", url="wss://c.example.com/", interval=60)
    drifted.swap("exolink.yaml", "interval: 60}", f"interval: 60, id: {second}}}")
    drifted("apply", "--auto-approve")
    assert [request.line for request in drifted.world.writes] == [f"PUT /tenant/acme/cpms/{second}"]


def test_a_pinned_id_that_is_not_live(drifted: Cli) -> None:
    """A pinned id that is not live is held back: nothing is made in its place, and no namesake is touched."""
    drifted.world.add("acme", "cpms", displayName="Gone", id=4713)
    drifted.world.soft_delete("acme", "cpms", "Gone")
    drifted.swap("exolink.yaml", "interval: 60}", "interval: 60, id: 4713}")
    drifted.swap("exolink.yaml", "a.example", "b.example")
    plan = drifted("plan")
    assert plan.counts("Plan: 0 to add, 0 to change, 0 to destroy.") and "4713" in plan.out
    drifted("apply", "--auto-approve", code=5)
    assert drifted.world.writes == []


def test_soft_deleted_rows_do_not_exist(drifted: Cli) -> None:
    """A soft-deleted row is neither matched, nor a duplicate, nor unmanaged."""
    drifted.world.soft_delete("acme", "cpms", "Primary")
    drifted.world.add("acme", "cpms", displayName="Other", deletedAt="2025-01-01T00:00:00Z")
    plan = drifted("plan")
    assert plan.counts("Plan: 1 to add, 0 to change, 0 to destroy.") and "unmanaged" not in plan.out
    drifted("apply", "--auto-approve")
    assert len(drifted.world.live("acme", "cpms")) == 1
