"""A URL of libpq to where it leads, what people see of it, and what TLS it needs."""

import os
from pathlib import Path

import pytest

from exolink_reconcile.errors import InputError
from exolink_reconcile.state import database_url  # noqa: E402  # below importorskip


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGSERVICE", "PGPASSWORD", "PGSSLMODE", "PGDATABASE", "PGUSER", "PGHOSTADDR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("url", ["postgresql://db.example.com/x", "postgres://db.example.com/x?sslmode=require"])
def test_off_this_machine_who_answers_is_checked(url: str) -> None:
    """Without verify-full anybody in between could hand out locks."""
    with pytest.raises(InputError) as raised:
        database_url.parse(url)
    assert raised.value.diagnostics[0].code == "E-INSECURE"
    checked = database_url.parse("postgresql://db.example.com/x?sslmode=verify-full")
    assert checked.parameters["sslmode"] == "verify-full"


def test_the_host_counts_that_is_connected_to() -> None:
    """An address beside a name decides, and one of several hosts is enough."""
    for url in ("postgresql://localhost/x?hostaddr=192.0.2.1", "postgresql://localhost,db.example.com/x"):
        with pytest.raises(InputError, match="sslmode=verify-full"):
            database_url.parse(url)
    assert database_url.parse("postgresql://127.0.0.1/x").parameters["host"] == "127.0.0.1"


def test_a_password_is_never_shown() -> None:
    """Neither in the name of the database nor in what the server or libpq says."""
    database = database_url.parse("postgresql://me:hunter22@localhost/fleet")
    assert database.shown == "the database fleet on localhost"
    assert database.masked("wrong password hunter22 for me") == "wrong password *** for me"


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p4ssw0rd@h/x", "postgresql://u:p4ssw0rd@h/x", "postgresql://h/x?password=p4ssw0rd",
        "POSTGRES://u:p4ssw0rd@h/x", "postgresql://h/x?sslmode=disable&pass%77ord=p4ssw0rd", "postgresql://u:p4/ss@h/x",
        "postgresql:///x?sslpassword=p4ssw0rd", "postgresql://u:p4@ss@h/",
    ],
)  # fmt: skip
def test_a_password_is_seen(url: str) -> None:
    """Wherever libpq would take one from."""
    assert database_url.is_database(url) and database_url.has_password(url)


@pytest.mark.parametrize(
    "url", ["postgresql://u@h/x", "postgresql://h:5432/x?sslmode=verify-full", "postgresql:///x", "postgresql://u:@h/"]
)
def test_a_url_without_a_password(url: str) -> None:
    """These may stand on the command line."""
    assert not database_url.has_password(url)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


LOCAL = ["postgresql:///x", "postgresql://localhost/x", "postgresql://127.0.0.9/x", "postgresql://[::1]/x", "postgresql:///x?host=/run/pg", "postgresql://far.example.com/x?hostaddr=127.0.0.1"]  # fmt: skip

FAR = ["postgresql://far.example.com/x", "postgresql:///x?host=far.example.com", "postgresql://localhost,far.example.com/x", "postgresql://localhost/x?hostaddr=10.0.0.1", "postgresql://10.0.0.1/x?sslmode=require", "postgresql://far.example.com/x?sslmode=verify-ca"]  # fmt: skip


@pytest.mark.parametrize("url", LOCAL)
def test_this_machine_needs_no_tls(url: str, clean: None) -> None:
    """Loopback and sockets are safe as they are."""
    assert "sslmode" not in database_url.parse(url).parameters


@pytest.mark.parametrize("url", FAR)
def test_another_machine_needs_checked_tls(url: str, clean: None) -> None:
    """Anything weaker than verify-full is refused before a byte is sent."""
    with pytest.raises(InputError, match="E-INSECURE: .*sslmode=verify-full"):
        database_url.parse(url)
    separator = "&" if "?" in url else "?"
    if "sslmode" not in url:
        assert database_url.parse(f"{url}{separator}sslmode=verify-full").parameters["sslmode"] == "verify-full"


def test_the_host_of_the_environment(clean: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The host counts wherever libpq gets it from: PGHOST, a service, the service of the URL."""
    monkeypatch.setenv("PGHOST", "far.example.com")
    with pytest.raises(InputError, match="E-INSECURE"):
        database_url.parse("postgresql:///x")
    database_url.parse("postgresql://localhost/x")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert database_url.parse("postgresql:///x").parameters["sslmode"] == "verify-full"
    monkeypatch.delenv("PGSSLMODE")
    monkeypatch.delenv("PGHOST")
    services = tmp_path / "services"
    services.write_text("[far]\nhost=far.example.com\n", "utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    with pytest.raises(InputError, match="E-INSECURE"):
        database_url.parse("postgresql:///x?service=far")
    database_url.parse("postgresql:///x")
    monkeypatch.setenv("PGSERVICE", "far")
    with pytest.raises(InputError, match="E-INSECURE"):
        database_url.parse("postgresql:///x")
    assert os.environ["PGSERVICE"] == "far"


@pytest.mark.parametrize("url", ["postgresql://u:p4%zzword@localhost/x", "postgresql://localhost/x?p4ssword", "postgresql://u:p4ss@[::1/x", "postgresql://u:p4ss@localhost/x?nonsense=p4ss"])  # fmt: skip
def test_a_url_that_is_none(url: str, clean: None) -> None:
    """It is refused without being quoted: what libpq says of it may hold the password."""
    with pytest.raises(InputError) as caught:
        database_url.parse(url)
    assert "p4" not in caught.value.summary
