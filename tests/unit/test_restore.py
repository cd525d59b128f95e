"""The writes of a run to YAML that puts back what they changed, and a comment for each thing that cannot come back."""

from typing import Any

import pytest
from support_pipeline import contract_of, read_yaml

from exolink_reconcile import restore
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.resource import Address
from exolink_reconcile.state.store import Write

CPMS = {"url": "wss://old/", "interval": 30}


def back(action: str, *, name: str = "A", outcome: str | None = "done", code: str = "", **facts: Any) -> str:
    before, after = facts.get("before", {}), facts.get("after", {})
    write = Write(
        1, "run1", 0.0, "kim", "https://api", Address("acme", "cpms", name), action, 7, facts.get("made"), before, after,
        outcome, code,
    )  # fmt: skip
    return restore.text("run1", [write], KINDS, contract_of())


def test_an_update_is_put_back_field_by_field() -> None:
    """Only what it changed: a field that it left alone is not declared."""
    text = back("update", before=CPMS, after={"url": "wss://new/"})
    [entry] = read_yaml(text).tenants[0].declared[KINDS[1]]
    assert entry.resource.model_fields_set == {"displayName", "url"} and "wss://old/" in text


def test_what_was_made_is_removed_by_its_id() -> None:
    """Not by its name alone: another one may have it by now."""
    [removed] = read_yaml(back("create", made=41)).tenants[0].removed[KINDS[1]]
    assert (removed.name, removed.remote_id) == ("A", 41) and "run1" in removed.reason


def test_what_was_deleted_is_declared_with_what_it_had() -> None:
    """And a comment says that it gets another id."""
    text = back("delete", before=CPMS)
    [entry] = read_yaml(text).tenants[0].declared[KINDS[1]]
    assert entry.resource.interval == 30 and "another id (it had 7)" in text  # type: ignore[attr-defined]  # a field of this kind


@pytest.mark.parametrize(
    ("facts", "comment"),
    [
        (
            {"before": {"url": "wss://u:***@h/"}, "after": {"url": "wss://u:***@h/"}},
            "its secret is not kept anywhere here",
        ),
        ({"before": {}, "after": {"url": "wss://new/"}}, "a value cannot be taken away"),
        ({"before": {"interval": 30}, "after": {"interval": 60}}, "the API offers no way to set it"),
        ({"before": CPMS, "after": {"url": "wss://new/"}, "outcome": None}, "nobody knows what became of its update"),
    ],
)
def test_what_cannot_come_back_is_a_comment(facts: dict[str, Any], comment: str) -> None:
    """Never a line of YAML: the document declares nothing of it."""
    text = back("update", **facts)
    assert comment in text and read_yaml(text).tenants[0].declared.get(KINDS[1], ()) in ((), [])


@pytest.mark.parametrize(
    ("outcome", "code", "put_back"),
    [
        ("done", "", True),
        ("applied", "", True),
        ("failed", "E-NORMALISED", True),
        ("failed", "E-REJECTED", False),
        ("skipped", "E-STALE", False),
        ("not applied", "", False),
    ],
)
def test_only_what_happened_is_put_back(outcome: str, code: str, put_back: bool) -> None:
    """A write that was refused changed nothing; one that was stored otherwise did."""
    text = back("update", before=CPMS, after={"url": "wss://new/"}, outcome=outcome, code=code)
    assert ("wss://old/" in text) is put_back


@pytest.mark.parametrize("name", ["yes", "#1: 'x'", "a\nb: c", "${env:HOME}", "::error::x"])
def test_any_name_stays_that_name(name: str) -> None:
    """What a name holds is neither YAML nor a reference nor a command."""
    text = back("create", name=name, made=1)
    if "\n" not in name:  # such a name cannot be declared at all
        [removed] = read_yaml(text, environment={"HOME": "/"}).tenants[0].removed[KINDS[1]]
        assert removed.name == name
    assert "\n::" not in text and "\nb: c" not in text
