"""Where requests may go: the base URL, its origin, what is loopback, the proxy on the way."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import quote, urlsplit

from exolink_reconcile.errors import ApiSurprise, problem
from exolink_reconcile.live.quiet_httpx import httpx


def path(template: str, tenant: str, remote_id: int | None = None) -> str:
    """The path of a template, filled in. Raises ApiSurprise: the tenant's name would lead elsewhere."""
    if tenant in ("", ".", ".."):
        raise ApiSurprise("E-ORIGIN", f"`{tenant}` cannot be a path segment")
    path = template.replace("{tenant}", quote(tenant, safe=""))
    return path.replace("{id}", str(int(remote_id))) if remote_id is not None else path


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """What a token belongs to: scheme, host and port."""
    return url.scheme, url.host, url.port


def checked_base(base_url: str) -> str:
    """The URL without a slash at the end. Raises InputError: it is not a place to send a token to."""
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        raise problem("E-API-URL", "--api-url is not a URL") from None
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
        raise problem("E-API-URL", "--api-url is not a URL")
    try:
        origin(httpx.URL(base_url))
    except (httpx.InvalidURL, UnicodeError):
        raise problem("E-API-URL", "--api-url is not a URL") from None
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise problem("E-INSECURE", f"http:// would send the token in clear to {parts.hostname}: use https://")
    return base_url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: `localhost`, 127.0.0.0/8 or `::1`. Does no DNS look-up."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy to go through, and the variable that names it. `url` holds its credentials: it is never shown."""

    url: str
    variable: str

    @property
    def host(self) -> str:
        """Host and port, without credentials."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{host}:{parts.port}"


def proxy_for(base_url: str, environment: Mapping[str, str] = os.environ) -> Proxy | None:
    """The proxy that the environment names for this URL, read as curl reads it. Loopback and plain http have none.

    Raises:
        InputError: the named proxy cannot be used; it is never ignored in silence.

    """
    parts = urlsplit(base_url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    return proxy_to(parts.hostname, parts.port or 443, ("https_proxy", "HTTPS_PROXY"), environment)


def proxy_to(
    host: str, port: int, variables: Sequence[str], environment: Mapping[str, str] = os.environ
) -> Proxy | None:
    """The proxy to a host that the first of these variables names, else ALL_PROXY. Raises as `proxy_for`."""
    named = (name for name in (*variables, "all_proxy", "ALL_PROXY") if environment.get(name))
    variable = next(named, "")
    without = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if not variable or is_loopback(host) or _is_exempt(host, port, without):
        return None
    return Proxy(_proxy_url(environment[variable].strip(), variable), variable)


def _proxy_url(text: str, variable: str) -> str:
    """The complete URL of a proxy; `HOST:PORT` means http."""
    url = text if "://" in text else f"http://{text}"
    scheme = url.partition("://")[0].lower()
    if scheme not in ("http", "https"):
        shown_scheme = scheme if scheme.isascii() and scheme.isalnum() and len(scheme) < 20 else "something else"
        raise problem(
            "E-PROXY", f"{variable} names a proxy of scheme {shown_scheme}: only http:// and https:// can be used"
        )
    try:
        parts = urlsplit(url)
        if parts.hostname and parts.port != 0 and parts.path in ("", "/") and not any(c.isspace() for c in url):
            port = parts.port or (443 if scheme == "https" else 1080)  # curl's defaults
            with_port = url if parts.port else f"{scheme}://{parts.netloc.rstrip(':')}:{port}"
            httpx.URL(with_port)
            return with_port
    except (ValueError, httpx.InvalidURL):
        pass
    raise problem("E-PROXY", f"the proxy that {variable} names is not a URL: write http://HOST:PORT")


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY names this host: as a domain with all below it, an address, a network, or `*` for everything."""
    host = host.lower().rstrip(".")
    for entry in no_proxy.lower().replace(",", " ").split():
        if entry == "*":
            return True
        name, colon, stated = entry.rpartition(":")
        if colon and stated.isascii() and stated.isdigit() and ":" not in name.strip("[]"):
            if int(stated) != port:
                continue
            entry = name
        name = entry.strip("[]").removeprefix("*").strip(".")
        if name and (host == name or host.endswith(f".{name}") or _is_in_network(host, name)):
            return True
    return False


def _is_in_network(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
