"""The user's command between two stages, which says whether the apply may go on."""

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from exolink_reconcile.applying.waiting import Stop
from exolink_reconcile.errors import StorageFailed

_WITHHELD = ("EXOLINK_TOKEN", "EXOLINK_TOKEN_FILE", "EXOLINK_STATE", "PYDANTIC_DISABLE_PLUGINS")  # the last is ours
_SLICE = 0.2  # seconds: how late the command's end, its timeout or a wish to stop may be noticed
_MERCY = 2.0  # seconds between SIGTERM and SIGKILL
_LONGEST_LINE = 4096


@dataclass(frozen=True, slots=True)
class Gate:
    """The command, how long it may take, the environment that it sees, and where its output goes."""

    command: str
    timeout: float
    environment: Mapping[str, str]
    say: Callable[[str], None]
    stop: Stop

    def __call__(self, stage: int, addresses: Sequence[str]) -> str:
        """Run the command after a stage; returns why nothing more may start, empty if it may.

        Raises:
            StorageFailed: the file of addresses cannot be written.

        """
        try:
            with tempfile.TemporaryDirectory(prefix="exolink-gate-") as folder:
                path = Path(folder) / "addresses"
                path.write_text("".join(f"{address}\n" for address in addresses), "utf-8")
                variables = {"EXOLINK_STAGE": str(stage), "EXOLINK_ADDRESSES": str(path)}
                return self._run(stage, {**self.environment, **variables})
        except OSError as error:
            raise StorageFailed("E-STORAGE", f"the gate cannot be run: {error.strerror or error}") from None

    def _run(self, stage: int, environment: Mapping[str, str]) -> str:
        process = subprocess.Popen(
            ["/bin/sh", "-c", self.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
        try:
            reason = self._wait(process)
        finally:
            _end(process)
        return f"the gate after stage {stage} {reason}" if reason else ""

    def _wait(self, process: "subprocess.Popen[bytes]") -> str:
        """Pass on the command's output until it ends; returns why nothing more may start, empty if it may."""
        assert process.stdout is not None
        ends_at, pending = time.monotonic() + self.timeout, b""
        os.set_blocking(process.stdout.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                ended = process.poll() is not None
                chunk = self._read(selector, process.stdout.fileno(), 0 if ended else _SLICE)
                pending = self._pass_on(pending + chunk)
                if ended and not chunk:
                    break
                if self.stop.signal:
                    return "was ended by the signal"
                if time.monotonic() > ends_at:
                    return f"took longer than {self.timeout:g} s"
        if pending:
            self.say(pending.decode("utf-8", "replace"))
        if process.returncode == 0:
            return ""
        if process.returncode < 0:
            return f"was ended by signal {-process.returncode}"
        return f"ended with exit code {process.returncode}"

    def _read(self, selector: selectors.BaseSelector, handle: int, seconds: float) -> bytes:
        if not selector.get_map():
            time.sleep(seconds)
            return b""
        if not selector.select(seconds):
            return b""
        with suppress(BlockingIOError):
            if chunk := os.read(handle, 65536):
                return chunk
            selector.unregister(handle)
        return b""

    def _pass_on(self, text: bytes) -> bytes:
        """Print every complete line; returns the rest, cut if it grows too long."""
        *lines, rest = text.split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            self.say(line[:_LONGEST_LINE].decode("utf-8", "replace"))
        return rest


def environment(variables: Mapping[str, str], named_by_yaml: Container[str]) -> dict[str, str]:
    """The environment of a gate: no token, no state, no variables of PostgreSQL, and none that the YAML names."""
    return {
        name: value
        for name, value in variables.items()
        if name not in _WITHHELD and not name.startswith("PG") and name not in named_by_yaml
    }


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process group, and collect the command."""
    for number, patience in ((signal.SIGTERM, _MERCY), (signal.SIGKILL, _MERCY)):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            break
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()
