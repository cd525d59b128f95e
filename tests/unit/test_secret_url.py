"""Secrets in a URL are compared and sent, and never shown."""

import copy
import hashlib
import json
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from exolink_reconcile.kinds.cpms import Cpms
from exolink_reconcile.references import Environment, expand
from exolink_reconcile.resource import entry_model, row_model
from exolink_reconcile.secret_url import LONGEST_LIVE, SecretUrl, masked, masked_text, may_be, quoted, rounds_for

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
        makers: dict[str, Any] = {
            "named": lambda: f"{draw(safe)}={secret('=')}",
            "bare": secret,
            "empty": lambda: "x=",
            "semicolon": lambda: f"a={secret()};b={secret()}",
        }
        query = "?" + "&".join(makers[part]() for part in parts)
    return f"{draw(st.sampled_from(['wss', 'ws', 'WSS']))}://{credentials}{draw(hosts)}{path}{query}", found


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(urls())
def test_never_shown(url_and_secrets: tuple[str, list[str]]) -> None:
    """No password and no value of a query is in `str`, `repr`, a format or the repr of what holds it."""
    text, secrets = url_and_secrets
    url = SecretUrl(text)
    entry = entry_model(Cpms).model_validate({"displayName": "a", "url": text})
    row = TypeAdapter(row_model(Cpms)).validate_python({"id": 1, "displayName": "a", "url": text})
    output = f"{url} {url!r} {[url]} {entry!r} {row!r} {entry} {vars(entry)}"
    assert not [secret for secret in secrets if secret in output]
    assert url.reveal() == text and url.has_secret == bool(secrets)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(urls(), urls())
def test_compared_as_a_whole(one: tuple[str, list[str]], other: tuple[str, list[str]]) -> None:
    """Two URLs are equal only if they are the same text, secrets included."""
    assert (SecretUrl(one[0]) == SecretUrl(other[0])) == (one[0] == other[0])
    assert SecretUrl(one[0]) != one[0]
    assert SecretUrl(one[0]) == copy.deepcopy(SecretUrl(one[0])) and hash(SecretUrl(one[0])) == hash(SecretUrl(one[0]))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(urls())
def test_rewrite_is_faithful(url_and_secrets: tuple[str, list[str]]) -> None:
    """Putting each secret back where it was gives the URL again."""
    assert SecretUrl(url_and_secrets[0]).rewrite(lambda part, value: value) == url_and_secrets[0]


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_row_E8_what_is_shown(text: str, expected: str) -> None:
    """What is shown names where a secret is, and leaves the rest readable."""
    assert str(SecretUrl(text)) == expected


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


# ----------------------------------------------------------------------------------------------------------- its secrets


def declared_url(written: str, **environment: str) -> SecretUrl:
    """The URL of an entry, as YAML writes it."""
    text, problems = expand(written, Environment(environment))
    assert problems == ()
    url = vars(entry_model(Cpms).model_validate({"displayName": "a", "url": text}))["url"]
    assert isinstance(url, SecretUrl)
    return url


def refused(text: Any, **environment: str) -> str:
    """Why YAML may not write this as a URL."""
    text = expand(text, Environment(environment))[0] if isinstance(text, str) else text
    with pytest.raises(ValidationError) as caught:
        entry_model(Cpms).model_validate({"displayName": "a", "url": text})
    [error] = caught.value.errors()
    return error["msg"]


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("wss://h/p", {}),
        ("wss://u@h/p?#", {}),
        ("wss://u:pw@h/", {"password": "pw"}),
        ("wss://h/a/b;k=v;w/c;=e/;x=", {"k": "v", "path": "e"}),
        ("wss://h/?a=1&b&=2&c=", {"a": "1", "query": "b", "": "2"}),
        ("wss://h/#f", {"fragment": "f"}),
        ("wss://h/a b?c", {"path": "a b?c"}),
        ("wss://h?a b", {"path": "?a b"}),
        ("wss://u:w d@h/a b", {"user": "u:w d", "path": "a b"}),
        ("wss://u:w d@h/a@b", {"URL": "u:w d@h/a@b"}),
        ("wss://user@h/a b", {"user": "user", "path": "a b"}),
        ("Ws+S://x y", {"URL": "x y"}),
        ("1://x y", {"URL": "1://x y"}),
        ("wss://h/\u202e", {"path": "\u202e"}),
    ],
)
def test_which_secrets(text: str, secrets: dict[str, str]) -> None:
    """Each secret has the name of the part that it fills, and `rewrite` may put another in its place."""
    url, seen = SecretUrl(text), {}

    def remember(part: str, value: str) -> str:
        seen[part] = value
        return "?"

    rewritten = url.rewrite(remember)
    assert seen == secrets and (url.secrets, url.secret_values) == (tuple(secrets), tuple(secrets.values()))
    assert url.has_secret == bool(secrets) and url.literal_secrets == url.secrets
    for value in secrets.values():
        text = text.replace(value, "?", 1) if text.count(value) == 1 else "?".join(text.rsplit(value, 1))
    assert rewritten == text


def test_what_is_written_out_and_what_is_not() -> None:
    """Literal is a secret of which nothing came from the environment."""
    url = declared_url("wss://u:${env:A}@h/p${env:B}?k=lit&t=x${env:A}&plain", A="aa", B="bb")
    assert url.secrets == ("password", "path", "k", "t", "query")
    assert url.literal_secrets == ("k", "query")
    assert str(url) == "wss://u:***@h/p***?k=***&t=***&***"
    assert declared_url("wss://u:${env:A}@h/", A="aa").literal_secrets == ()


def test_a_part_that_only_touches_a_reference() -> None:
    """What ends where the value begins, or begins where it ends, did not come from there."""
    assert declared_url("wss://${env:A}:pw@h/", A="user").literal_secrets == ("password",)
    assert declared_url("wss://u:pw@h/p?k=v&${env:A}=w", A="n").literal_secrets == ("password", "k", "n")
    assert str(declared_url("wss://h/a${env:A}", A="b")) == "wss://h/a***"
    assert str(declared_url("wss://h${env:A}/p", A="b")) == "wss://hb/p"


def test_a_parameter_of_a_path() -> None:
    """Its name and the path before it are masked where they come from a variable, and only there."""
    assert str(declared_url("wss://h/p${env:A};${env:B}=v/q", A="a", B="b")) == "wss://h/p***;***=***/q"
    assert declared_url("wss://h/a;${env:A}lit", A="k=").literal_secrets == ("k",)
    hidden = SecretUrl("wss://h/b;k=x").masked_like(declared_url("wss://h/a;k=${env:A}", A="v"))
    assert str(hidden) == "wss://h/b;k=***"


def test_where_a_secret_comes_from() -> None:
    """The digest goes by the variable's name, or by a slow hash of what is written out: the same in every version."""
    from_variable = declared_url("wss://u:${env:A}@h/", A="x").fingerprint
    assert from_variable == hashlib.sha256(b"wss://u:${env:A}@h/").hexdigest()
    assert declared_url("wss://u:${env:A}@h/", A="y").fingerprint == from_variable
    literal = declared_url("wss://u:hunter2@h/")
    salt = b"exolink-reconcile: a secret that is written out"
    assert literal.fingerprint == hashlib.pbkdf2_hmac("sha256", b"wss://u:hunter2@h/", salt, 20_000).hex()
    assert SecretUrl("wss://u:hunter2@h/").fingerprint == literal.fingerprint
    literal.rounds = 5
    assert literal.fingerprint == hashlib.pbkdf2_hmac("sha256", b"wss://u:hunter2@h/", salt, 5).hex()


@pytest.mark.parametrize(
    ("literals", "rounds"),
    [(1, 20_000), (64, 20_000), (65, 300), (4096, 300), (4097, 5), (262_144, 5), (262_145, 1), (10**7, 1)],
)
def test_how_slow_the_hash_is(literals: int, rounds: int) -> None:
    """A step that moved would change the digest of plans that are reviewed already."""
    assert rounds_for(literals) == rounds


def test_live_urls_hide_what_the_declared_one_hides() -> None:
    """By the names of the parts, wherever they stand in the live URL; what was hidden before stays hidden."""
    declared = declared_url("wss://h/${env:P}?${env:N}=1", P="tok", N="n")
    live = SecretUrl("wss://h/other/path?m=2", hidden=["user"])
    hidden = live.masked_like(declared)
    assert hidden == live and hidden.hidden == {"user", "path", "query name"}
    assert str(hidden) == "wss://h/***?***=***"
    assert str(SecretUrl("wss://u@h/").masked_like(declared_url("wss://${env:U}@h/", U="x"))) == "wss://***@h/"
    assert str(SecretUrl("wss://h:1/p").masked_like(declared_url("wss://h:${env:P}/", P="2"))) == "wss://h:1/p"
    assert str(SecretUrl("wss://h/p").masked_like(SecretUrl("no URL"))) == "wss://h/p"
    kept = declared_url("wss://u:${env:A}@h/", A="x").masked_like(declared)
    assert (
        kept.references
        and kept.literal_secrets == ()
        and kept.fingerprint == declared_url("wss://u:${env:A}@h/", A="y").fingerprint
    )


# ------------------------------------------------------------------------------------------------------ other texts


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (SecretUrl("wss://u:pw@h"), "wss://u:***@h"),
        ({"b": SecretUrl("wss://u:pw@h"), "a": [1, SecretUrl("#x")]}, {"a": [1, "***"], "b": "wss://u:***@h"}),
        ((1, "x", None), [1, "x", None]),
        ("wss://u:pw@h", "wss://u:pw@h"),
        (5, 5),
    ],
)
def test_values_as_json(value: Any, expected: Any) -> None:
    """Every secret URL inside a value is masked, and the keys of a mapping have one order."""
    assert masked(value) == expected
    assert not isinstance(value, dict) or list(masked(value)) == sorted(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("got wss://u:pw@h/p?k=v, sorry", "got wss://u:***@h/p?k=***, sorry".replace("***, sorry", "*** sorry")),
        ('{"url": "https://u:pw@h/"}', '{"url": "https://u:***@h/"}'),
        ('{"url": "https:\\/\\/u:pw@h\\/p"}', '{"url": "https://u:***@h/p"}'),
        ("<a href='x://h?k'>", "<a href='x://h?***'>"),
        ("two wss://a:b@c wss://d:e@f", "two wss://a:***@c wss://d:***@f"),
        ("note: nothing / here", "note: nothing / here"),
        ("http://", "http://"),
    ],
)
def test_urls_in_a_text(text: str, expected: str) -> None:
    """Whatever looks like a URL in a text of somebody else is masked like one."""
    assert masked_text(text) == expected


@pytest.mark.parametrize(
    ("live", "stored", "same"),
    [
        ("wss://u:pw@h/p?k=v", "wss://u:***@h/p?k=***", True),
        ("wss://u:other@h/p?k=w", "wss://u:***@h/p?k=***", True),
        ("wss://u:pw@h/q?k=v", "wss://u:***@h/p?k=***", False),
        ("wss://u:pw@h/p?k=v&x=1", "wss://u:***@h/p?k=***", True),  # what the mask hides may hold anything
        ("wss://u:pw@h/p?j=v", "wss://u:***@h/p?k=***", False),
        ("wss://u@h/", "wss://u:***@h/", False),
        ("wss://u:pw@h/", "wss://u@h/", False),
        ("ws://u:pw@h/", "wss://u:***@h/", False),
        ("wss://h/a.b", "wss://h/aXb", False),
        ("wss://h/aXb", "wss://h/a.b", False),
        ("no URL", "***", True),
        ("wss://h/", "***", False),
        ("no URL", "wss://h/", False),
    ],
)
def test_what_a_stored_url_can_be(live: str, stored: str, same: bool) -> None:
    """A live URL is the one that was stored if all that the mask leaves is the same."""
    assert may_be(SecretUrl(live), stored) is same


@pytest.mark.parametrize(
    ("value", "stored", "same"), [(1, 1, True), (1, 2, False), (None, None, True), ("a", "a", True)]
)
def test_what_other_stored_values_can_be(value: Any, stored: Any, same: bool) -> None:
    """Every other value is the one that was stored if it is equal; a URL is never something that is not text."""
    assert may_be(value, stored) is same
    assert may_be(SecretUrl("wss://h/"), None) is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "`plain`"),
        ("wss://u:pw@h/", "`wss://u:***@h/`"),
        ("u:pw@h", "`***`"),
        ("wss://h/?k=v", "`wss://h/?k=***`"),
        ("x" * 100, f"`{'x' * 80}`"),
        (expand("a${env:A}", Environment({"A": "hush"}))[0], "`a${env:A}`"),
    ],
)
def test_text_in_a_message(text: str, expected: str) -> None:
    """A message quotes the YAML as it is written, without the secrets of a URL in the wrong place, and not at any length."""
    assert quoted(text) == expected


# ----------------------------------------------------------------------------------------------------- what YAML may write


@pytest.mark.parametrize(
    "text", ["ws://h", "WSS://h:65535", "wss://[::1]:1/?a#b", "wss://u:p@h:80/a/b", "wss://a%40b@h/"]
)
def test_urls_that_yaml_may_write(text: str) -> None:
    """A WebSocket URL is taken as it is."""
    assert declared_url(text).reveal() == text and SecretUrl(text).declarable


NO_URL = "not a WebSocket URL: write ws://HOST/PATH or wss://HOST/PATH, percent-encode spaces and the like"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "wss://",
        "wss://h:0/",
        "wss://h:65536",
        "wss://h:x",
        "wss://h/a b",
        "wss://h/\u202e",
        "ftp://h",
        "wss:h",
    ],
)
def test_urls_that_yaml_may_not_write(text: str) -> None:
    """Anything else is refused, and the message does not quote it."""
    assert refused(text) == NO_URL and not SecretUrl(text).declarable


def test_the_messages_of_a_url() -> None:
    """They name what was probably meant, or the variables at fault, and hold no value; braces in a name are text."""
    assert refused("http://h/") == f"{NO_URL}. Did you mean `ws://`?"
    assert refused("HTTPS://h/") == f"{NO_URL}. Did you mean `wss://`?"
    assert refused("x http://h/") == NO_URL
    assert refused("ws://${env:A}:${env:B}/${env:A}", A="h", B="x") == f"with the value of A, B this is {NO_URL}"
    assert "value of the environment variable A does not stay" in refused("wss://h/${env:A}", A="a/b")
    assert refused(5) == "a URL must be text"


@pytest.mark.parametrize(
    ("written", "value", "stays"),
    [
        ("${env:A}", "wss://u:p@h:1/p?q#f", True),
        ("wss://${env:A}", "h:1", True),
        ("wss://${env:A}/p", "h:1", True),
        ("wss://${env:A}?q", "h:1", True),
        ("wss://${env:A}#f", "h:1", True),
        ("wss://u:p@${env:A}/", "h:1", True),
        ("wss://${env:A}/", "[::1]:1", True),
        ("wss://${env:A}/", "[::1]", True),
        ("wss://${env:A}:1/", "[::1]", True),
        ("wss://${env:A}:1/", "h:2", False),
        ("wss://${env:A}:1/", "[::1]:2", False),
        ("wss://${env:A}@h/", "u:p", False),
        ("wss://${env:A}x/", "h:1", False),
        ("wss://x${env:A}/", "h:1", False),
        ("wss://${env:A}/", "h/p", False),
        ("wss://${env:A}/", "u@h", False),
        ("wss://${env:A}/", "h:123456", False),
        ("wss://u:${env:A}@h/", "a[b", False),
        ("wss://u:${env:A}@h/", "a]b", False),
        ("wss://h/${env:A}", "a[b]", True),
        ("wss://h/?q=${env:A}", "a]b", True),
        ("wss://h/#${env:A}", "a[b", True),
        ("wss://h/${env:A}", "a\uff0fb", False),
        ("wss://u:${env:A}@h/", "a\u2100b", False),
        ("wss://h/p/${env:A}", "h:1", False),
    ],
)
def test_row_B1_where_a_value_stays(written: str, value: str, stays: bool) -> None:
    """A value may be a whole URL, a host with its port in the host's place, or text without any delimiter."""
    if stays:
        assert declared_url(written, A=value).reveal() == written.replace("${env:A}", value)
    else:
        assert "does not stay in its part" in refused(written, A=value)


def test_a_live_url() -> None:
    """The API may send any text, or a number, as a URL, up to a length."""
    rows: TypeAdapter[Any] = TypeAdapter(row_model(Cpms))

    def live(url: Any) -> Any:
        return rows.validate_json(json.dumps({"id": 1, "displayName": "a", "url": url})).url

    assert live("no URL").reveal() == "no URL" and live(5).reveal() == "5" and live(None) is None
    assert live("x" * LONGEST_LIVE).reveal() == "x" * LONGEST_LIVE
    with pytest.raises(ValidationError):
        live("x" * (LONGEST_LIVE + 1))
