"""What the state remembers, in words and as JSON: two renderings of one value."""

import json
from dataclasses import replace
from typing import Any

import pytest

from exolink_reconcile.codes import Exit
from exolink_reconcile.model import Intent
from exolink_reconcile.report import listings
from exolink_reconcile.report.listings import Check
from exolink_reconcile.resource import Address
from exolink_reconcile.state.store import Lease, Write

A = Address("acme", "cpms", "A")


def intent(number: int = 1, *, answered: bool = False) -> Intent:
    return Intent(number, "https://api", A, "create", None, {}, 0.0, 5.0, answered)


def write(action: str = "update", outcome: str | None = "done", **more: Any) -> Write:
    facts: dict[str, Any] = {"before": {"interval": 30, "url": "wss://u:***@h/"}, "after": {"interval": 60}, **more}
    return Write(
        1, "run1", 0.0, "kim", "https://api", A, action, 7, facts.get("made"), facts["before"], facts["after"], outcome,
        facts.get("code", ""), facts.get("detail", ""),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answered", "in_flight", "words"),
    [
        (False, (), "sent, no clear answer"),
        (True, (), "no list has shown it yet"),
        (True, (1,), "in flight: an apply is at work on it"),
    ],
)
def test_why_a_write_is_open(answered: bool, in_flight: tuple[int, ...], words: str) -> None:
    """And how to drop it; as JSON the facts that a program asks for."""
    text = listings.unknowns("text", [intent(answered=answered)], in_flight)
    assert words in text and "unknowns --forget acme/cpms/A" in text
    [entry] = json.loads(listings.unknowns("json", [intent(answered=answered)], in_flight))["unknowns"]
    assert entry == {
        "address": "acme/cpms/A",
        "action": "create",
        "api_url": "https://api",
        "when": "1970-01-01T00:00:00Z",
        "answered": answered,
    }


def test_a_command_to_drop_a_write_names_its_api_where_two_have_one_there() -> None:
    """Without it the command would be refused; where only one API has a write open there, nothing needs to be named."""
    other = replace(intent(2), origin="https://other")
    text = listings.unknowns("text", [intent(), other])
    for origin in ("https://api", "https://other"):
        assert f"unknowns --forget acme/cpms/A --api-url {origin}\n" in text
    assert "--api-url" not in listings.unknowns(
        "text", [intent(), replace(other, address=Address("acme", "cpms", "B"))]
    )


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (None, "unknown"),
        ("done", "done"),
        ("applied", "done"),
        ("not applied", "failed"),
        ("forgotten", "unknown"),
        ("failed", "failed"),
    ],
)
def test_how_a_later_run_closed_a_write_is_said_in_the_words_of_a_run(outcome: str | None, expected: str) -> None:
    """`outcome` has the four words that an apply has, whoever closed it; the detail says who did."""
    [entry] = json.loads(listings.history("json", [write(outcome=outcome)]))["writes"]
    assert entry["outcome"] == expected and f"[{expected}" in listings.history("text", [write(outcome=outcome)])
    assert ("later run" in entry["detail"]) == (outcome in ("applied", "not applied"))


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        (write(), {"interval": {"before": 30, "after": 60}}),
        (write(after={"interval": 30}), {}),
        (write(after={"url": "wss://u:***@h/"}), {"url": {"before": "wss://u:***@h/", "after": "wss://u:***@h/"}}),
        (write("create", before={}, after={"interval": 60}), {"interval": {"before": None, "after": 60}}),
        (write("delete", before={"interval": 30}, after={}), {"interval": {"before": 30, "after": None}}),
    ],
    ids=["changed", "the same", "a secret", "create", "delete"],
)
def test_the_fields_that_a_write_changed(changed: Write, fields: dict[str, Any]) -> None:
    """Both sides of each; a secret may have changed, so it is named."""
    [entry] = json.loads(listings.history("json", [changed]))["writes"]
    assert entry["fields"] == fields


def test_nothing_that_matches_is_not_nothing() -> None:
    """A mistyped glob is not taken for an empty record."""
    assert listings.history("text", []) != listings.history("text", [], ["acme/cpms/X"])
    assert json.loads(listings.history("json", []))["writes"] == []


@pytest.mark.parametrize("shared", [True, False])
def test_who_holds_a_tenant(shared: bool) -> None:
    """A lease has a token and an end; the lock of a folder has neither, and no words about them."""
    times = (
        {"token": 3, "last_seen": 50.0, "expires": 60.0}
        if shared
        else {"token": None, "last_seen": None, "expires": None}
    )
    lease = Lease(origin="https://api", tenant="acme", run="r", who="kim", host="h", taken=0.0, **times)
    text = listings.locks("text", [lease])
    assert ("token 3" in text) is ("unless renewed" in text) is shared and "held by kim on h" in text
    [entry] = json.loads(listings.locks("json", [lease]))["locks"]
    assert entry["expires"] == ("1970-01-01T00:01:00Z" if shared else None) and entry["token"] == times["token"]


def test_names_from_outside_steer_nothing() -> None:
    """A name of the API or of another user is inert in each of them."""
    bad = Intent(1, "https://api", Address("acme", "cpms", "\x1b[2J\n::error::x"), "create", None, {}, 0.0, 5.0, False)
    for text in (
        listings.unknowns("text", [bad]),
        listings.unknowns("json", [bad]),
        listings.check(Check("na\x1bme", "failed", "\n::error::x", Exit.NO_ANSWER)),
    ):
        assert "\x1b" not in text and "\n::error" not in text and ": ::error" not in text
