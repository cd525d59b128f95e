"""Where the token may go: base URL, loopback, proxy."""

import socket
from collections.abc import Mapping

import pytest
from support_wire import (
    HOST,
    TOKEN,
)

from exolink_reconcile.errors import ApiUnreachable, InputError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import urls
from exolink_reconcile.live.api import Api

CPMS = KINDS[1]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://api.example.com", "E-INSECURE"),
        ("ftp://api.example.com", "E-API-URL"),
        ("https://user@api.example.com", "E-API-URL"),
        ("https://api.example.com?token=1", "E-API-URL"),
        ("https://api.example.com:0", "E-API-URL"),
        ("https://[::1", "E-API-URL"),
    ],
)
def test_where_no_token_is_sent(url: str, code: str) -> None:
    """Clear text to another machine, other schemes, and whatever else a URL may smuggle."""
    with pytest.raises(InputError) as raised:
        urls.checked_base(url)
    assert raised.value.diagnostics[0].code == code


@pytest.mark.parametrize(
    "url", ["https://api.example.com/", "http://localhost:8480", "http://127.9.9.9", "http://[::1]:1"]
)
def test_where_it_may_be_sent(url: str) -> None:
    """https anywhere, http on this machine; the last slash counts for nothing."""
    assert urls.checked_base(url) == url.rstrip("/")


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "proxy.example.com:3128"}, "proxy.example.com:3128"),
        ({"ALL_PROXY": "http://user:pw@proxy.example.com:8080"}, "proxy.example.com:8080"),
        ({"HTTPS_PROXY": "http://one:1", "https_proxy": "http://two:2"}, "two:2"),
        ({"HTTPS_PROXY": "http://one:1", "NO_PROXY": "example.com"}, None),
        ({"HTTPS_PROXY": "http://one:1", "NO_PROXY": "*"}, None),
    ],
)
def test_the_proxy_that_the_environment_names(environment: dict[str, str], host: str | None) -> None:
    """As curl reads it: small letters win, `HOST:PORT` means http, NO_PROXY has subdomains; never with its password."""
    proxy = urls.proxy_for("https://api.example.com", environment)
    assert (proxy.host if proxy else None) == host
    assert urls.proxy_for("http://localhost:1", environment) is None


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({"HTTPS_PROXY": "proxy.lan:3128"}, "http://proxy.lan:3128"),
        ({"https_proxy": "http://low:1", "HTTPS_PROXY": "http://high:1"}, "http://low:1"),
        ({"ALL_PROXY": "http://all:1"}, "http://all:1"),
        ({"all_proxy": "all:1", "HTTPS_PROXY": "https://own:1"}, "https://own:1"),
        ({"HTTPS_PROXY": "", "ALL_PROXY": "all:1"}, "http://all:1"),
        ({"HTTPS_PROXY": "u:p%40@proxy.lan"}, "http://u:p%40@proxy.lan:1080"),
        ({"HTTPS_PROXY": "[::1]:3128/"}, "http://[::1]:3128/"),
        ({"HTTP_PROXY": "http://plain:1"}, None),
        ({"HTTPS_PROXY": "p:1", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "p:1", "NO_PROXY": "other.com, .example.com"}, None),
        ({"HTTPS_PROXY": "p:1", "no_proxy": "EXAMPLE.com"}, None),
        ({"HTTPS_PROXY": "p:1", "no_proxy": "api.example.com:443"}, None),
        ({"HTTPS_PROXY": "p:1", "no_proxy": "api.example.com:8443 ample.com"}, "http://p:1"),
        ({"HTTPS_PROXY": "p:1", "no_proxy": "other", "NO_PROXY": "*"}, "http://p:1"),
    ],
)
def test_row_C9_proxies_as_curl_reads_them(environment: Mapping[str, str], proxy: str | None) -> None:
    """Which proxy is meant, for a host behind https."""
    named = urls.proxy_for(HOST, environment)
    assert (named.url if named else None) == proxy


@pytest.mark.parametrize(
    ("host", "exempt"), [("https://10.1.2.3", True), ("https://[2001:db8::5]:8443", True), ("https://10.2.0.1", False)]
)
def test_row_C9_networks_without_a_proxy(host: str, exempt: bool) -> None:
    """NO_PROXY takes addresses and networks as well as names."""
    assert (urls.proxy_for(host, {"ALL_PROXY": "p:1", "NO_PROXY": "10.1.0.0/16,2001:db8::/32"}) is None) is exempt


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1080", "socks4a://u:hunter2@h:1", "ftp://h:1", "http://", "h:hunter2", "http://u:hunter2@h:99999", "http://h:1/path", "h h:1", "h:0"])  # fmt: skip
def test_row_C9_a_proxy_that_cannot_be_used(variable: str, value: str) -> None:
    """It is an error that names the variable and never quotes a password: nothing goes past a proxy in silence."""
    with pytest.raises(InputError) as caught:
        urls.proxy_for(HOST, {variable: value})
    assert caught.value.code == "E-PROXY" and variable in caught.value.summary and "hunter2" not in str(caught.value)


def test_row_C9_the_proxy_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is named: a proxy that does not listen is not the API's address. Its password stays secret."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"ops:hunter2@127.0.0.1:{port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with Api(HOST, token=TOKEN, sleep=lambda s: None) as api, pytest.raises(ApiUnreachable) as caught:
        api.list(CPMS, "acme")
    assert f"127.0.0.1:{port}" in caught.value.summary and "HTTPS_PROXY" in caught.value.summary
    assert "--api-url" not in caught.value.summary and "hunter2" not in caught.value.summary
