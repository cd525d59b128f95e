"""Where the token may go: base URL, loopback, proxy."""

import pytest

from exolink_reconcile.errors import InputError
from exolink_reconcile.live import urls


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
