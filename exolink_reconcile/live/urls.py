"""Where requests may go: the base URL, its origin, what is loopback, the proxy on the way."""

import urllib.request
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from exolink_reconcile.errors import ApiSurprise, problem
from exolink_reconcile.live.quiet_httpx import httpx


def path(template: str, tenant: str, remote_id: int | None = None) -> str:
    if tenant in ("", ".", ".."):
        raise ApiSurprise("E-ORIGIN", f"`{tenant}` cannot be a path segment")
    path = template.replace("{tenant}", quote(tenant, safe=""))
    return path.replace("{id}", str(int(remote_id))) if remote_id is not None else path


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def checked_base(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        raise problem("E-API-URL", "--api-url is no URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in base_url):
        raise problem("E-API-URL", "--api-url must be https://HOST, http:// for loopback, or emulator:FILE")
    if parts.username is not None or parts.query or parts.fragment:
        raise problem("E-API-URL", "--api-url takes no user, query or fragment")
    labels = parts.hostname.removesuffix(".").split(".")
    if (
        port == 0
        or not all(c.isascii() and c.isprintable() for c in base_url)
        or not all(0 < len(label) < 64 for label in labels)
    ):
        raise problem("E-API-URL", "--api-url is no URL")
    try:
        origin(httpx.URL(base_url))
    except (httpx.InvalidURL, UnicodeError):
        raise problem("E-API-URL", "--api-url is no URL") from None
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise problem("E-INSECURE", f"http:// would send the token in clear to {parts.hostname}: use https://")
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: `localhost`, 127.0.0.0/8 or `::1`. Nothing is looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names for this URL. Loopback and plain http never go through one."""
    parts = urlsplit(base_url)
    if parts.scheme != "https" or not parts.hostname or is_loopback(parts.hostname):
        return None
    if urllib.request.proxy_bypass(parts.hostname):
        return None
    proxy = urllib.request.getproxies().get("https")
    try:
        if not proxy or urlsplit(proxy).scheme not in ("http", "https"):
            return None
        if urlsplit(proxy).hostname and urlsplit(proxy).port != 0:
            httpx.URL(proxy)
            return proxy
    except (ValueError, httpx.InvalidURL):
        pass
    raise problem("E-PROXY", "the proxy that the environment names for https is no URL (HTTPS_PROXY)")
