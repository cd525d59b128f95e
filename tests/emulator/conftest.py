"""What the emulator's tests share: the contract, an emulator in the process, an emulator on a socket."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import ruamel.yaml

from exolink_reconcile import emulator

CONTRACT = Path(__file__).parents[2] / "schemas" / "exolink-api.openapi.yaml"

SERVER = """
import pathlib, sys
from exolink_reconcile import emulator
database, contract, tenants, token = sys.argv[1:]
app = emulator.application(
    pathlib.Path(database), pathlib.Path(contract).read_text(),
    tenants=None if tenants == "*" else tenants.split(","), token=token,
)
emulator.serve(app, "127.0.0.1", 0, ready=lambda host, port: print(f"http://{host}:{port}", flush=True))
app.close()
"""

Client = Callable[..., httpx.Client]
Server = Callable[..., contextlib.AbstractContextManager[str]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes longer than a few seconds")


@pytest.fixture
def contract() -> Any:
    """The bundled contract, to be changed by a test."""
    return ruamel.yaml.YAML(typ="safe").load(CONTRACT.read_text())


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "emulator.db"


@pytest.fixture
def client(database: Path) -> Iterator[Client]:
    """Opens an emulator in this process (every tenant exists, no token) and returns a client of it."""
    with contextlib.ExitStack() as stack:

        def opened(
            text: str = CONTRACT.read_text(), *, tenants: list[str] | None = None, token: str | None = None
        ) -> httpx.Client:
            app = emulator.application(database, text, tenants=tenants, token=token)
            stack.callback(app.close)
            return stack.enter_context(httpx.Client(transport=httpx.WSGITransport(app), base_url="http://emulator"))

        yield opened


@pytest.fixture
def server(database: Path) -> Server:
    """Runs a server in its own process; the value is its URL. Stopped by Ctrl-C, which must be quick and silent."""

    @contextlib.contextmanager
    def running(*, tenants: str = "acme", token: str = "dev", contract: Path = CONTRACT) -> Iterator[str]:
        command = [sys.executable, "-W", "error", "-c", SERVER, str(database), str(contract), tenants, token]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().strip()
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    output = process.communicate(timeout=5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise
        assert (process.returncode, *output) == (0, "", "")

    return running
