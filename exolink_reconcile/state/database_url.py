"""A --state URL to the database that it names, checked for safety; its password is in no text."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qsl

from exolink_reconcile.errors import problem

SCHEMES = ("postgresql://", "postgres://")
_SECRET = ("password", "sslpassword")


def is_database(state: str) -> bool:
    """Whether --state names a database."""
    return state.lower().startswith(SCHEMES)


def has_password(url: str) -> bool:
    """Whether a URL holds a password, anywhere that libpq would take one from. In doubt it does."""
    rest = url.partition("://")[2]
    before_query, _, query = rest.partition("?")
    user = before_query.rpartition("@")[0]
    if user.partition(":")[2]:
        return True
    return any(name.lower() in _SECRET and value for name, value in parse_qsl(query, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Database:
    """The database that a URL names: its parameters for libpq, and the text that people may see."""

    parameters: Mapping[str, str]
    shown: str
    secrets: Sequence[str]

    def masked(self, text: str) -> str:
        """A text of libpq or of the server, without our password."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def parse(url: str) -> Database:
    """The database that a URL names to libpq: by its own parameters, then a service, the environment, the defaults.

    Raises:
        InputError: it is not a URL for libpq, psycopg is missing, or it leads off this machine without checked TLS.

    """
    try:
        from psycopg import Error, conninfo, pq
    except ImportError:
        raise problem(
            "E-USAGE", "--state names a PostgreSQL database: install exolink-reconcile[postgres] for it"
        ) from None
    scheme = next(scheme for scheme in SCHEMES if url.lower().startswith(scheme))
    try:
        written = {name: str(value) for name, value in conninfo.conninfo_to_dict(scheme + url[len(scheme) :]).items()}
    except Error:  # libpq's message quotes the URL, its password included
        raise problem("E-USAGE", "--state is not a URL that libpq understands: postgresql://HOST/DATABASE") from None
    with _service(written.get("service")):
        try:
            defaults = {
                option.keyword.decode(): option.val.decode() for option in pq.Conninfo.get_defaults() if option.val
            }
        except Error:
            raise problem("E-USAGE", "the service that --state or PGSERVICE names cannot be read") from None
    merged = {**defaults, **{name: value for name, value in written.items() if value}}
    parameters = {**written, **_checked_tls(merged)}
    host, database = merged.get("host") or merged.get("hostaddr") or "a local socket", merged.get("dbname")
    label = f"the database {database or merged.get('user', '')} on {host}"
    secrets = [merged[name] for name in _SECRET if len(merged.get(name, "")) > 3]
    return Database(parameters, label, secrets)


def _checked_tls(merged: Mapping[str, str]) -> dict[str, str]:
    """The parameters that make libpq check TLS. Raises InputError: the URL leads off this machine without checked TLS."""
    mode = merged.get("sslmode", "")
    if merged.get("sslrootcert") == "system" and mode in ("", "prefer"):
        mode = "verify-full"  # libpq reads it so
    far = [host for host in _hosts(merged) if not _is_local(host)]
    if far and mode != "verify-full":
        raise problem(
            "E-INSECURE",
            f"the state's database on {far[0]} would be reached without checking who answers:"
            " add ?sslmode=verify-full (and sslrootcert=FILE, if its certificate is your own)",
        )
    if not far:
        return {"gssencmode": "disable"}
    own = merged.get("sslrootcert") or os.path.join(os.path.expanduser("~"), ".postgresql", "root.crt")
    roots = {} if merged.get("sslrootcert") or os.path.exists(own) else {"sslrootcert": "system"}
    return {"sslmode": "verify-full", "gssencmode": "disable", **roots}


def _hosts(merged: Mapping[str, str]) -> list[str]:
    """Each host that libpq may connect to: its address, if the URL gives one, else its name."""
    names, addresses = (merged.get(name, "").split(",") for name in ("host", "hostaddr"))
    count = max(len(names), len(addresses))
    names += [""] * (count - len(names))
    addresses += [""] * (count - len(addresses))
    return [address.strip() or name.strip() for name, address in zip(names, addresses, strict=True)]


def _is_local(host: str) -> bool:
    if not host or host.startswith(("/", "@")) or host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _service(name: str | None) -> Iterator[None]:
    """Put the URL's service into the environment for a while: libpq takes its defaults from there."""
    if name is None:
        yield
        return
    before = os.environ.get("PGSERVICE")
    os.environ["PGSERVICE"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["PGSERVICE"]
        else:
            os.environ["PGSERVICE"] = before
