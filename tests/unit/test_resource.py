"""Addresses, values as YAML and API write them, and names that people would take for one."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from exolink_reconcile.kinds.charger import Charger
from exolink_reconcile.kinds.cpms import Cpms
from exolink_reconcile.resource import Address, ListKey, entry_model, folded, masked_fields, row_model


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("acme/cpms/Primary backend", Address("acme", "cpms", "Primary backend")),
        ("acme/charger/a/b//c", Address("acme", "charger", "a/b//c")),
        ("acme/cpms", None),
        ("acme/cpms/", None),
        ("/cpms/A", None),
        ("acme//A", None),
        ("", None),
    ],
)
def test_an_address_is_split_at_the_first_two_slashes(text: str, address: Address | None) -> None:
    """A name may hold slashes; no part is empty. It is written as it was read."""
    assert Address.parse(text) == address
    assert address is None or (str(address), address.list_key) == (text, ListKey("acme", address.kind))


def test_managed_is_what_the_entry_writes() -> None:
    """A field that is left out is never compared and never sent, whatever its value would be."""
    entry = entry_model(Charger).model_validate({"identity": "0123", "profileId": "2"})
    assert entry.model_fields_set == {"identity", "profileId"} and (entry.identity, entry.profileId) == ("0123", 2)  # type: ignore[attr-defined]  # a field of this kind


@pytest.mark.parametrize(
    ("written", "number"),
    [("7", 7), ("-7", -7), ("0", 0), ("07", None), ("7.0", None), ("1e3", None), ("", None), (True, None), ("٧", None)],
)
def test_a_number_of_yaml_is_plainly_whole(written: Any, number: int | None) -> None:
    """Anything else stays text and is refused where a number is meant."""
    try:
        entry = entry_model(Charger).model_validate({"identity": "A", "profileId": written})
    except ValidationError:
        assert number is None
    else:
        assert entry.profileId == number and number is not None  # type: ignore[attr-defined]  # a field of this kind


@pytest.mark.parametrize("live", [30, 30.0, "30"])
def test_one_number_of_the_api_has_one_value(live: Any) -> None:
    """30, 30.0 and "30" differ in nothing: no plan comes from how the API writes it."""
    text = f'{{"id": 1, "displayName": "A", "interval": {live if not isinstance(live, str) else chr(34) + live + chr(34)}}}'
    row: Any = TypeAdapter(row_model(Cpms)).validate_json(text)
    assert row.interval == 30


@pytest.mark.parametrize("moment", ["2026-01-01", 1760541590834, 0.5])
def test_a_row_that_says_when_it_was_deleted_is_deleted(moment: Any) -> None:
    """Text or a number; a zero could mean never, and is not taken for either."""
    rows = TypeAdapter(row_model(Charger))
    assert rows.validate_python({"id": 1, "identity": "A", "deletedAt": moment}).deletedAt
    with pytest.raises(ValidationError):
        rows.validate_python({"id": 1, "identity": "A", "deletedAt": 0})


@pytest.mark.parametrize(
    ("one", "other"), [("CP-1", " cp-1 "), ("é", "e\u0301"), ("STRASSE", "straße"), (" É", "e\u0301")]
)
def test_names_that_people_take_for_one(one: str, other: str) -> None:
    """Case, blanks at the ends and the Unicode form make no other object."""
    assert folded(one) == folded(other) and folded(one) != folded(f"{one}x")


def test_what_is_shown_or_stored_of_an_object_has_no_secret() -> None:
    """The journal and every report take the fields from here."""
    entry = entry_model(Cpms).model_validate({"displayName": "A", "url": "wss://u:hunter2@h/?t=hunter2"})
    assert masked_fields(entry, ("displayName", "url")) == {"displayName": "A", "url": "wss://u:***@h/?t=***"}
