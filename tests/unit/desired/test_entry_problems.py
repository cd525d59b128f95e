"""What is wrong with an entry, in a user's words: what the field takes, what stands there, and what may be meant."""

import pytest
from support_pipeline import read_yaml

from exolink_reconcile.errors import InputError
from exolink_reconcile.model import Diagnostic


def problem(entry: str, kind: str = "cpms") -> Diagnostic:
    """The one problem of an entry."""
    with pytest.raises(InputError) as error:
        read_yaml(f"tenant: acme\n{kind}:\n  - {entry}\n")
    [diagnostic] = error.value.diagnostics
    return diagnostic


@pytest.mark.parametrize(
    ("entry", "summary"),
    [
        ("{displayName: A, interval: soon}", "`interval` must be a whole number, like 30, not `soon`"),
        ("{displayName: A, interval: [1]}", "`interval` must be a whole number, like 30"),
        ("{displayName: A, authPassThrough: on}", "`authPassThrough` must be true or false, not `on`"),
        ("{displayName: [A]}", "`displayName` must be text"),
        ("{displayName: A, id: 1.5}", "`id` must be a whole number, like 30, not `1.5`"),
        ("{displayName: ' '}", "`displayName` is blank"),
        ('{displayName: "A\\u200b"}', "`displayName` has a control, bidi or zero-width character: U+200B"),
        ("{url: wss://h/}", "`displayName` is required"),
    ],
)
def test_a_wrong_value_says_what_the_field_takes(entry: str, summary: str) -> None:
    """The message names the field, what it takes and the value, in words of the YAML."""
    assert problem(entry).summary == summary


def test_an_unknown_key_names_the_nearest() -> None:
    """A typo in a key is reported once, with the key that is meant, and not as a missing field too."""
    diagnostic = problem("{displayNam: A}")
    assert (diagnostic.code, diagnostic.detail) == ("E-UNKNOWN-KEY", "Did you mean `displayName`?")
    assert "unknown key `displayNam` in a cpms" in diagnostic.summary


def test_what_the_device_reports_is_read_only() -> None:
    """A field that the API only reports is not called unknown: whoever copied it from there must leave it out."""
    diagnostic = problem("{identity: A, firmwareVersion: '1'}", "chargers")
    assert (diagnostic.code, diagnostic.detail) == ("E-READ-ONLY", "Leave it out.")


@pytest.mark.parametrize("listed", ["colour", "[colour]", "{url: 1}", "[[url]]"])
def test_create_only_lists_fields(listed: str) -> None:
    """What is not a list of fields says which fields there are, or which one is meant."""
    diagnostic = problem(f"{{displayName: A, createOnly: {listed}}}")
    assert diagnostic.code == "E-CREATE-ONLY" and "url" in diagnostic.detail


def test_a_bad_url_is_not_quoted() -> None:
    """The value may hold a password, so the message shows none of it."""
    diagnostic = problem("{displayName: A, url: 'https://u:hunter2@h/'}")
    assert diagnostic.code == "E-URL" and "hunter2" not in f"{diagnostic.summary}{diagnostic.detail}"
