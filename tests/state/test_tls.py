"""A shared state behind TLS with a password: who answers is checked, and the password is in no byte that is written."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import postgres_server
import pytest

from exolink_reconcile.cli import commands
from exolink_reconcile.errors import StorageFailed
from exolink_reconcile.state import database_url, upkeep

pytest.importorskip("psycopg")
from exolink_reconcile.state.postgres import PostgresStore  # noqa: E402  # below importorskip

PASSWORD = "hunter22secret"
HOST = "db.example.test"
YAML = """
tenant: acme
cpms:
  - {displayName: Primary, url: "wss://one.example.com/", interval: 30}
"""


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def certificate(folder: Path, name: str) -> None:
    """A certificate of its own for a host name; it is its own authority."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt",
            "-days", "9", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")  # fmt: skip


class Guarded:
    """A server that takes a user with a password over TLS only, and where its certificates are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in (HOST, "elsewhere.example.test"):
            certificate(folder, name)
        if os.geteuid() == 0:
            for path in folder.iterdir():
                os.chown(path, postgres_server.NOBODY, postgres_server.NOBODY)
        files = {"ssl_cert_file": folder / f"{HOST}.crt", "ssl_key_file": folder / f"{HOST}.key"}
        self.server = postgres_server.Server(postgres_server.server().tools, more={"ssl": "on", **files})
        self.server.sql(f"CREATE ROLE guarded LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        rules = "host all postgres 127.0.0.1/32 trust\nhostssl all guarded 127.0.0.1/32 scram-sha-256\n"
        (self.server.data / "pg_hba.conf").write_text(rules)
        self.server.sql("SELECT pg_reload_conf()")
        self.name = self.server.new_database()

    def url(self, host: str = HOST, authority: str = HOST, mode: str = "verify-full", password: str = PASSWORD) -> str:
        more = f"hostaddr=127.0.0.1&sslmode={mode}&sslrootcert={self.folder}/{authority}.crt"
        return f"postgresql://guarded:{password}@{host}:{self.server.port}/{self.name}?{more}"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    postgres_server.server()
    folder = Path(tempfile.mkdtemp(prefix="exolink-tls-", dir="/tmp"))
    folder.chmod(0o755)
    server = Guarded(folder)
    yield server
    server.server.remove()
    shutil.rmtree(folder)


def test_the_right_server(guarded: Guarded) -> None:
    """Its certificate is checked, its name too, and the connection is encrypted."""
    store = PostgresStore(database_url.parse(guarded.url()), "https://api.example.com")
    try:
        assert store._link.ask("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [{"ssl": True}]
        with store.hold(["acme"], 0.0, print):
            store.may_send()
    finally:
        store.close()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"host": "elsewhere.example.test"}, "does not match host name"),
        ({"authority": "elsewhere.example.test"}, "certificate verify failed"),
        ({"authority": "none"}, "root certificate file"),
        ({"mode": "disable"}, "no pg_hba.conf entry"),
        ({"password": "wr0ngsecret"}, "password authentication failed"),
    ],
)
def test_another_server(guarded: Guarded, changed: dict[str, str], words: str) -> None:
    """Another name, another authority, no TLS, a wrong password: 11 for all that needs it, without the password."""
    database = database_url.parse(guarded.url(**changed))
    for use in (lambda: PostgresStore(database, "x"), lambda: upkeep.init(database), lambda: upkeep.status(database)):
        with pytest.raises(StorageFailed, match=words) as caught:
            use()
        assert "secret" not in caught.value.summary


@pytest.mark.parametrize("fails", [False, True])
def test_the_password_is_written_nowhere(
    guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], fails: bool
) -> None:
    """Neither in what is printed, nor in logs, metrics, saved plans, the database or beside it."""
    for name in [name for name in os.environ if name.startswith(("EXOLINK_", "PG")) and name != "PG_BIN"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EXOLINK_STATE", guarded.url(mode="disable") if fails else guarded.url())
    monkeypatch.setenv("EXOLINK_API_URL", "emulator:e.db")
    Path("exolink.yaml").write_text(YAML, "utf-8")
    expected = 11 if fails else 0
    text = ""
    for arguments, code in (
        (("plan", "--out", "p.json", "-v", "--log", "l.json"), 0),
        (("apply", "--auto-approve", "-v", "--log", "l.json", "--metrics-file", "m.prom"), expected),
        (("apply", "--plan", "p.json", "--format", "json"), 11 if fails else 6),
        (("history",), expected),
        (("history", "--format", "json"), expected),
        (("locks", "--format", "json"), expected),
        (("unknowns", "--format", "json"), expected),
        (("store", "status"), expected),
        (("store", "init"), expected),
        (("doctor",), expected),
        (("doctor", "--format", "json"), expected),
        (("locks", "--break", "acme", "--token", "1", "--reason", "x"), 11 if fails else 7),
    ):
        assert int(commands.exit_code(arguments)) == code, capfd.readouterr()
        text += "".join(capfd.readouterr())
    assert PASSWORD not in text and (fails or "created" in text or "Apply complete" in text)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    for table in ("version", "lease", "op", "seen", "audit"):
        rows = guarded.server.sql(f"SELECT t::text FROM exolink.{table} AS t", guarded.name)
        assert PASSWORD not in str(rows)
