"""What every home keeps: the base of a tenant, packed and read again, and text that any of them can hold."""

import json
import zlib
from typing import Any

import pytest

from exolink_reconcile.resource import Address
from exolink_reconcile.state import store

A, B, C = (Address("acme", "cpms", name) for name in "ABC")
GONE = Address("acme", "charger", "CP-9")


def renewed(
    before: store.Base | None, declared: dict[Address, dict[str, Any]], keep: set[Address], **more: Any
) -> store.Base:
    return store.unpack_base("acme", 5.0, store.NewBase(declared, keep, **more).packed(before))


def test_a_base_is_read_as_it_was_packed() -> None:
    """Each address with its own fields, whatever others declare; addresses without any field too."""
    declared: dict[Address, dict[str, Any]] = {
        A: {"url": "wss://h/", "interval": 30},
        B: {"interval": 60, "url": "é"},
        C: {},
        GONE: {"profileId": 1},
    }
    base = renewed(None, declared, set(), removed=[Address("acme", "cpms", "Old")], exclusive=["charger/*"])
    assert (base.when, base.declared) == (5.0, declared)
    assert base.removed == {Address("acme", "cpms", "Old")} and base.exclusive == ("charger/*",)


def test_what_was_not_verified_keeps_what_was_remembered() -> None:
    """Declared or removed: an address in `keep` has its old base, or none; every other one has the new one or goes."""
    before = renewed(None, {A: {"url": "old"}, B: {"url": "old"}}, set(), removed=[GONE])
    after = renewed(before, {A: {"url": "new"}, C: {"url": "new"}}, {A, C, GONE}, removed=[])
    assert after.declared == {A: {"url": "old"}} and after.removed == {GONE}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"not packed", zlib.compress(b"{"), zlib.compress(b"7"), zlib.compress(b"{}"),
        zlib.compress(json.dumps({"declared": [["cpms", ["url"], ["A", "B"], [["1"]]]], "removed": [], "exclusive": None}).encode()),
        zlib.compress(json.dumps({"declared": [], "removed": [["cpms"]], "exclusive": None}).encode()),
    ],
    ids=["empty", "not packed", "cut", "a number", "no keys", "a column too short", "half an address"],
)  # fmt: skip
def test_a_damaged_base_is_an_error(content: bytes) -> None:
    """Never half a base: what is not in it would be called drift."""
    with pytest.raises((ValueError, TypeError)):
        store.unpack_base("acme", 5.0, content)


def test_a_base_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is unpacked than a base can be."""
    monkeypatch.setattr(store, "_MOST_UNPACKED", 1_000)
    with pytest.raises(ValueError, match="too large"):
        store.unpack_base("acme", 5.0, zlib.compress(b'"' + b"x" * 100_000 + b'"'))


@pytest.mark.parametrize(("text", "kept"), [("plain é", "plain é"), ("a\0b", "a\ufffdb"), ("a\udce9b", "a?b")])
def test_what_a_server_said_can_be_kept(text: str, kept: str) -> None:
    """PostgreSQL takes no NUL, and no home takes half a character."""
    assert store.storable(text) == kept
