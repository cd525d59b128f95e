"""Secrets in a URL are compared and sent, and never shown."""

import copy
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from exolink_reconcile.kinds.cpms import Cpms
from exolink_reconcile.resource import entry_model, row_model
from exolink_reconcile.secret_url import SecretUrl

# Secrets are of capital letters that stand nowhere else in the URL, so that finding one means it leaked.
secrets = st.text(alphabet="QXZKVJ", min_size=3, max_size=8)
safe = st.text(alphabet=string.ascii_lowercase + "019-._~%", min_size=1, max_size=6)
hosts = st.sampled_from(["h", "cpms.example.com", "[::1]", "h:8443"])


@st.composite
def urls(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A URL that YAML may declare, and the secrets in it."""
    found = []

    def secret(*more: str) -> str:
        found.append(draw(secrets))
        return found[-1] + draw(st.sampled_from(["", "%40", "%2F", "!", ":", *more]))

    user = draw(st.sampled_from(["", "user", "us%40er"]))
    credentials = f"{user}:{secret()}@" if draw(st.booleans()) else f"{user}@" if user and draw(st.booleans()) else ""
    path = draw(st.sampled_from(["", "/", "/a/b", "/a@b:c", "//x"]))
    query = ""
    if draw(st.booleans()):
        parts = draw(st.lists(st.sampled_from(["named", "bare", "empty", "semicolon"]), min_size=1, max_size=3))
        made: dict[str, Any] = {"named": lambda: f"{draw(safe)}={secret('=')}", "bare": secret, "empty": lambda: "x=", "semicolon": lambda: f"a={secret()};b={secret()}"}  # fmt: skip
        query = "?" + "&".join(made[part]() for part in parts)
    return f"{draw(st.sampled_from(['wss', 'ws', 'WSS']))}://{credentials}{draw(hosts)}{path}{query}", found


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(urls())
def test_never_shown(made: tuple[str, list[str]]) -> None:
    """No password and no value of a query is in `str`, `repr`, a format or the repr of what holds it."""
    text, found = made
    url = SecretUrl(text)
    entry = entry_model(Cpms).model_validate({"displayName": "a", "url": text})
    row = TypeAdapter(row_model(Cpms)).validate_python({"id": 1, "displayName": "a", "url": text})
    shown = f"{url} {url!r} {[url]} {entry!r} {row!r} {entry} {vars(entry)}"
    assert not [secret for secret in found if secret in shown]
    assert url.reveal() == text and url.has_secret == bool(found)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(urls(), urls())
def test_compared_as_a_whole(one: tuple[str, list[str]], other: tuple[str, list[str]]) -> None:
    """Two URLs are equal only if they are the same text, secrets included."""
    assert (SecretUrl(one[0]) == SecretUrl(other[0])) == (one[0] == other[0])
    assert SecretUrl(one[0]) == copy.deepcopy(SecretUrl(one[0])) and hash(SecretUrl(one[0])) == hash(SecretUrl(one[0]))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(urls())
def test_rewrite_is_faithful(made: tuple[str, list[str]]) -> None:
    """Putting each secret back where it was gives the URL again."""
    assert SecretUrl(made[0]).rewrite(lambda what, value: value) == made[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wss://h/p", "wss://h/p"),
        ("wss://user:pass@h/p?token=t&x=", "wss://user:***@h/p?token=***&x="),
        ("wss://user@h/", "wss://user@h/"),
        ("wss://:p@h", "wss://:***@h"),
        ("wss://h/?abcdef", "wss://h/?***"),
        ("wss://h/?a=b=c#frag", "wss://h/?a=***#***"),
        ("wss://h/a;token=t;x/b", "wss://h/a;token=***;x/b"),
        ("https://u:p@h/p?q=x", "https://u:***@h/p?q=***"),
        ("wss://u:SECRET", "wss://***"),
        ("wss://h:9000/a b?t=x", "wss://h:9000/***"),
        ("wss://u:p w@h", "wss://***@h"),
        ("words", "***"),
        ("", ""),
        ("wss://h/p@q:r?", "wss://h/p@q:r?"),
    ],
)
def test_row_E8_what_is_shown(text: str, shown: str) -> None:
    """What is shown names where a secret is, and leaves the rest readable."""
    assert str(SecretUrl(text)) == shown


@pytest.mark.parametrize(
    "live",
    [
        "user:QQQQ@host/path",
        "//user:QQQQ@host/",
        "wss:user:QQQQ@host",
        "wss:/user:QQQQ@host/",
        "wss://user:QQQQ/x@host/",
        "wss://a@b:QQQQ@host/",
        "wss://user:QQ@QQQQ@host/",
        "wss://user:SEC#QQQQ@host/",
        "wss://user:SEC?a=b#QQQQ@host/",
        "user@host/?t=QQQQ",
        "host/?t=QQQQ@x",
        "host/#QQQQ@x",
    ],
)
def test_row_E8_odd_live_urls(live: str) -> None:
    """What is live may be no URL at all; whatever may be a password or the value of a query is not shown."""
    assert "QQQQ" not in str(SecretUrl(live))


@pytest.mark.parametrize("form", [str, repr, "{}".format, "%s".__mod__])
def test_forms(form: Callable[[object], str]) -> None:
    """No way of formatting reveals it."""
    assert "hunter2" not in form(SecretUrl("wss://u:hunter2@h"))
