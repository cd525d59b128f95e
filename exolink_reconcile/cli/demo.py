"""The story that `demo` tells, in a scratch folder, on the emulator inside the process."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from exolink_reconcile import emulator, files
from exolink_reconcile.cli.console import Console
from exolink_reconcile.codes import Exit
from exolink_reconcile.live.quiet_httpx import httpx

_API = "emulator:exolink.db"
_YAML = """\
tenant: acme
profiles: {standard: 1, night: 2}
defaults:
  chargers: {profile: standard}
cpms:
  - {displayName: Primary backend, url: "wss://cpms.example.com/ocpp", interval: 60}
chargers:
  - {identity: CP-0001, displayName: Lobby left}
  - {identity: CP-0002, displayName: Lobby right, profile: night}
"""


def run(console: Console, command: Callable[[Sequence[str]], Exit]) -> Exit:
    """Tell the story. `command` runs a command line and returns its exit code. The result is 0 if every step went well."""
    with _scratch_folder():
        _say(console, "1. A tenant in YAML: exolink.yaml")
        console.out(_YAML)
        Path("exolink.yaml").write_text(_YAML, "utf-8")
        story = [
            ("2. What would be done?", ["plan"], Exit.DONE),
            ("3. Do it.", ["apply", "--auto-approve"], Exit.DONE),
            ("4. Plan again: nothing is left to do.", ["plan", "--detailed-exitcode"], Exit.DONE),
        ]
        repair = [
            ("6. Plan shows the drift (exit code 2) ...", ["plan", "--detailed-exitcode"], Exit.DIFFERS),
            ("7. ... and apply repairs it.", ["apply", "--auto-approve"], Exit.DONE),
            ("8. Plan again: nothing is left to do.", ["plan", "--detailed-exitcode"], Exit.DONE),
        ]
        for title, arguments, expected in story:
            if not _step(console, command, title, arguments, expected):
                return Exit.BUG
        _say(console, "5. Drift: somebody renames charger CP-0001 by another way.")
        _drift()
        for title, arguments, expected in repair:
            if not _step(console, command, title, arguments, expected):
                return Exit.BUG
        _say(console, "That is the whole story. Next: examples/quickstart, and the README.")
        return Exit.DONE


def _step(
    console: Console, command: Callable[[Sequence[str]], Exit], title: str, arguments: list[str], expected: Exit
) -> bool:
    _say(console, title)
    full_command = [*arguments, "--api-url", _API, "--state", "state"]
    console.out(f"$ exolink-reconcile {' '.join(full_command)}\n")
    code = command(full_command)
    if code != expected:
        console.err(f"The demo expected exit code {expected:d} here, and got {code:d}.\n")
    return code == expected


def _say(console: Console, title: str) -> None:
    console.out(f"\n=== {title}\n")


def _drift() -> None:
    """Act as another hand: use the same API without this tool's own client."""
    app = emulator.application(Path("exolink.db"), files.bundled("exolink-api.openapi.yaml"), tenants=None, token=None)
    with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://emulator.invalid") as client:
        rows = client.get("/tenant/acme/charger").json()
        first = next(row for row in rows if row["identity"] == "CP-0001")
        client.put(f"/tenant/acme/charger/{first['id']}", json={"displayName": "Lobby, left side"}).raise_for_status()
    app.close()


@contextmanager
def _scratch_folder() -> Iterator[None]:
    """A new working folder, without the user's options, so that the story is the same everywhere."""
    before = tempfile.gettempdir()
    with suppress(FileNotFoundError):  # the folder we stand in may have been deleted
        before = os.getcwd()
    options = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("EXOLINK_")}
    with tempfile.TemporaryDirectory(prefix="exolink-demo-") as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.environ.update(options)
            os.chdir(before)
