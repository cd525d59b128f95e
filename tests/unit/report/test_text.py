"""A plan as people read it: the most dangerous first, short where it is long, and never more than it should be."""

from typing import Any

import pytest
import support_plans
from support_chargers import CHARGER, chargers
from support_pipeline import digest_of, document, pipeline
from support_text import CPMS, everything, lines, marked, plan_of
from world import World

from exolink_reconcile.inert import inert
from exolink_reconcile.model import FieldChange
from exolink_reconcile.report import text
from exolink_reconcile.secret_url import SecretUrl


def test_the_order() -> None:
    """Held back, deletes, replaces, updates, creates; a legend of just the marks in use; the totals last."""
    output = lines(everything())
    marks = [line.split()[0] for line in output if line.startswith("  ") and not line.startswith("   ")]
    assert marks == ["!", "-", "-/+", "~", "+", "+"]
    assert output[0].startswith("Compared ")
    assert output[1] == "Marks: ! held back   - delete   -/+ replace   ~ update   + create"
    assert output[-3] == "Plan: 3 to add, 1 to change, 2 to destroy."
    assert output[-2] == "1 held back. 1 unmanaged."
    assert output[-1] == f"Digest: {digest_of(everything())}"


def test_the_legend_has_only_what_is_used() -> None:
    """A plan of creates explains the create alone."""
    assert lines(plan_of(document("acme", chargers=chargers(1, 1))))[1] == "Marks: + create"


def test_only_held_back() -> None:
    """With nothing but held-back differences the totals are zeros, and it is not called `No changes`."""
    output = lines(plan_of(document("acme", cpms=[{"displayName": "A", "interval": 60}]), cpms=[{"displayName": "A"}]))
    assert "Plan: 0 to add, 0 to change, 0 to destroy." in output and "1 held back." in output
    assert not any("No changes" in line for line in output)


def test_one_line_an_object() -> None:
    """An update of one field is one line: mark, address, before and after, and the place in the YAML."""
    plan = plan_of(document("acme", chargers=chargers(1, 1, profileId=2)), live=chargers(1, 1))
    assert marked(plan, "~") == ["  ~ acme/charger/CP-001  profileId: 1 -> 2  exolink.yaml:3:6"]


def test_a_delete_says_which_and_why() -> None:
    """A delete names the live id, the reason and the place, and a CPMS that goes reminds of what points at it."""
    plan = everything()
    [line] = marked(plan, "-", width=200)
    step = next(step for step in plan.steps if step.action.value == "-")
    assert step.before is not None
    assert f"(id {step.before.id}) removed: contract ended" in line and "exolink.yaml:" in line
    assert any("profiles and Lab flows" in shown for shown in lines(plan))


# ----------------------------------------------------------------------------------------------------------- folding


@pytest.mark.parametrize(("count", "written_out"), [(10, 10), (11, 1), (500, 1)])
@pytest.mark.parametrize("mark", ["~", "+"])
def test_folding(count: int, written_out: int, mark: str) -> None:
    """More than ten alike updates or creates are one line with a count; `full` unfolds them."""
    live = chargers(1, count) if mark == "~" else []
    plan = plan_of(document("acme", chargers=chargers(1, count, profileId=2)), live=live)
    assert len(marked(plan, mark)) == written_out
    assert len(marked(plan, mark, full=True)) == count
    if written_out == 1:
        assert f"{count} chargers" in marked(plan, mark)[0] and "profileId" in marked(plan, mark)[0]


def test_a_fold_of_updates_says_what() -> None:
    """The folded line has before and after, the first and the last name, and the lines of the file."""
    output = lines(plan_of(document("acme", chargers=chargers(1, 500, profileId=2)), live=chargers(1, 500)))
    number = next(n for n, line in enumerate(output) if "500 chargers:" in line)
    assert output[number] == "  ~ acme: 500 chargers: profileId 1 -> 2"
    assert output[number + 1].split() == ["CP-001", "…", "CP-500", "exolink.yaml:3-502"]


def test_what_is_not_alike_is_not_folded_together() -> None:
    """Another value is another line."""
    entries = [*chargers(1, 11, profileId=2), *chargers(12, 22, profileId=3), *chargers(23, 24, profileId=4)]
    plan = plan_of(document("acme", chargers=entries), live=chargers(1, 24))
    assert [line.split(":")[-1].strip() for line in marked(plan, "~") if "chargers" in line] == [
        "profileId 1 -> 2",
        "profileId 1 -> 3",
    ]
    assert len(marked(plan, "~")) == 4


@pytest.mark.parametrize("count", [11, 40])
def test_deletes_are_never_folded(count: int) -> None:
    """Each delete has its line, however many there are."""
    removed = [{"charger": f"CP-{number:03}"} for number in range(1, count + 1)]
    plan = plan_of(document("acme", removed=removed), live=chargers(1, 400))
    assert len(marked(plan, "-")) == count


def test_replaces_are_never_folded() -> None:
    """Each replace has its line, and what it changes."""
    names = [f"B{number}" for number in range(15)]
    entries = [{"displayName": name, **CPMS, "interval": 60} for name in names]
    policy = {"allowReplace": [f"cpms/{name}" for name in names]}
    plan = plan_of(
        document("acme", policy=policy, cpms=entries), cpms=[{"displayName": name, **CPMS} for name in names]
    )
    assert len(marked(plan, "-/+")) == 15
    assert sum("interval: 30 -> 60" in line for line in lines(plan)) == 15


# ------------------------------------------------------------------------------------------------------------ 80 columns


@pytest.mark.parametrize("width", [80, 100])
def test_columns(width: int) -> None:
    """With short names no line is wider than the terminal: nothing wraps in the middle of a word."""
    plan = everything(names=30)
    wide = [
        line
        for line in lines(plan, width=width, terminal=True, show_unmanaged=True)
        if len(line) > width and "exolink-reconcile plan" not in line
    ]
    assert wide == []


def test_columns_of_refusals() -> None:
    """The rails, too, fit on a terminal."""
    removed = [{"charger": f"CP-{number:03}"} for number in range(1, 6)]
    plan = plan_of(document("acme", removed=removed), live=chargers(1, 5))
    assert [line for line in lines(plan, width=80) if len(line) > 80] == []


def test_long_names_do_not_cut_anything() -> None:
    """What does not fit goes on lines of its own, whole."""
    name = "N" * 120
    plan = plan_of(document("acme", chargers=[{"identity": name, "displayName": "D" * 90, "profileId": 1}]))
    output = "\n".join(lines(plan, width=80))
    assert name in output and "D" * 90 in output and "exolink.yaml:3:6" in output


# ------------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "(none)"),
        (True, "true"),
        (30, "30"),
        ("", '""'),
        (" a", '" a"'),
        ("a -> b", '"a -> b"'),
        ("plain", "plain"),
        ("a\nb", "a\\x0ab"),
        (SecretUrl("wss://u:p@h"), "wss://u:***@h"),
    ],
)
def test_values(value: Any, expected: str) -> None:
    """A value is one line; text that would be misread is quoted; a secret is masked."""
    assert text.value(value) == expected


def test_a_secret_that_changes() -> None:
    """A change of just the secret says so, and shows neither."""
    change = FieldChange("url", SecretUrl("wss://u:one1@h"), SecretUrl("wss://u:two2@h"))
    output = text.field_change(change, {})
    assert "secret" in output and "one1" not in output and "two2" not in output


def test_hostile_names_steer_nothing() -> None:
    """A live name with control characters or CI commands is shown inert, wherever it appears."""
    hostile = "\x1b[2J\n::error::x\u202e"
    live = [{"identity": hostile, **CHARGER}, {"identity": "CP-1", "displayName": hostile, "profileId": 1}]
    yaml = document("acme", policy={"exclusive": ["charger"]}, chargers=[{"identity": "CP-1", **CHARGER}])
    output = text.plan(plan_of(yaml, live=live, prune=True), "0" * 64, show_unmanaged=True)
    assert inert(hostile) in output
    own = ("Plan: ", "No changes. ")
    assert all(inert(line) == line for line in output.splitlines() if not line.startswith(own)) and "\x1b" not in output


def test_two_tenants_are_two_blocks() -> None:
    """On a terminal a section has a heading for each tenant, and its entries stand together, backends first."""
    world = World(tenants=("acme", "zeta"))
    yaml = "---\n".join(
        document(tenant, cpms=[{"displayName": f"Hub {tenant}", **CPMS}], chargers=chargers(1, 2))
        for tenant in ("zeta", "acme")
    )
    with pipeline(world) as run:
        plan = run.plan(yaml)
    output = lines(plan, terminal=True, width=120)
    start = output.index("To create (6):")
    block = [line.split("  ")[1 if line.startswith("  ") else 0] for line in output[start + 1 : start + 9]]
    assert block == [
        " acme",
        "+ acme/cpms/Hub acme",
        "+ acme/charger/CP-001",
        "+ acme/charger/CP-002",
        " zeta",
        "+ zeta/cpms/Hub zeta",
        "+ zeta/charger/CP-001",
        "+ zeta/charger/CP-002",
    ]
    assert [line for line in lines(plan) if line in (" acme", " zeta")] == []


def test_columns_are_aligned() -> None:
    """On a terminal what happens, and the places, begin in one column; in a pipe two spaces apart, to be found."""
    entries = [{"identity": name, "displayName": "D" * len(name), "profileId": 2} for name in ("A", "BBBB", "CCCCCCCC")]
    plan = plan_of(document("acme", chargers=entries), live=[{**entry, "profileId": 1} for entry in entries])
    output = marked(plan, "~", terminal=True)
    assert (
        len({line.index("profileId") for line in output}) == len({line.index("exolink.yaml") for line in output}) == 1
    )
    assert marked(plan, "~")[0] == "  ~ acme/charger/A  profileId: 1 -> 2  exolink.yaml:3:6"


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("story", ["one", "mixed", "hostile", "many"])
def test_layout_loses_nothing(story: str, width: int) -> None:
    """At every width a terminal shows each address that the pipe shows, and each place, whole."""
    plan = support_plans.many(1_000) if story == "many" else getattr(support_plans, story)()
    words = " ".join(text.plan(plan, "0" * 64, full=True, width=width, terminal=True).split())
    for step in plan.steps:
        assert " ".join(inert(str(step.address)).split()) in words
        assert " ".join(inert(str(step.source)).split()) in words


@pytest.mark.parametrize("terminal", [True, False])
def test_a_wide_change(terminal: bool) -> None:
    """On a terminal a change that is too wide is broken at the arrow; in a pipe it stays one line, to be found."""
    before, after = (f"wss://cpms.example.com/{word}/ocpp/1.6" for word in ("a-long-word" * 2, "another-word" * 2))
    plan = plan_of(
        document("acme", cpms=[{"displayName": "A", "url": after}]), cpms=[{"displayName": "A", "url": before}]
    )
    output = lines(plan, width=80, terminal=terminal)
    assert (f"      url: {before} -> {after}" in output) is not terminal
    assert (f"        -> {after}" in output) is terminal
    assert all(len(line) <= 80 for line in output) is terminal
