"""A URL of libpq to where it leads, what people see of it, and what TLS it needs."""

import pytest

from exolink_reconcile.errors import InputError
from exolink_reconcile.state import database_url


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
