"""The command as a process of its own, for every test that needs one.

It starts as a fork of a process that has its libraries loaded: the start of Python and the imports are nine tenths of a
short run. What has to be seen from the very start (another Python, a patched one, a limit, another encoding) runs as
`python -m exolink_reconcile`, as everything does with TESTS_REAL_START=1.
"""

import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

COMMAND = (sys.executable, "-m", "exolink_reconcile")
# What the start of Python looks at, and a fork does not.
_START = ("PYTHON", "LC_", "LANG")
_PLAIN = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
_Stream = IO[bytes] | int


class Process(Protocol):
    """What tests use of a running process."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: _Stream,
    stderr: _Stream,
    wrap: Iterable[str] = (),
    preexec: Callable[[], Any] | None = None,
) -> Process:
    """Start the command without an input; `wrap` goes before it (strace)."""
    if preexec or [*wrap] or os.environ.get("TESTS_REAL_START") or any(map(_matters_at_start, env.items())):
        return subprocess.Popen(
            [*wrap, *COMMAND, *arguments],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=preexec,
        )
    return _server().start({"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}, stdout, stderr)


def run(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start(arguments, cwd=cwd, env=env, stdout=out, stderr=err)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(list(arguments), code, out.read(), err.read())


def _matters_at_start(variable: tuple[str, str]) -> bool:
    name, value = variable
    if name == "PYTHONPATH":  # a fork runs what patches the command, and cannot take another build of it
        return any(not Path(folder, "sitecustomize.py").exists() for folder in value.split(os.pathsep))
    return name.startswith(_START) and _PLAIN.get(name) != value


class _Server:
    """The forking process of this one, and what it told of the processes it started."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        script = str(Path(__file__).with_name("forkserver.py"))
        # Not in our process group: who interrupts the tests does not interrupt it before they have ended.
        self.process = subprocess.Popen(
            [sys.executable, script, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            cwd="/",
            start_new_session=True,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        )
        theirs.close()
        self._socket = ours
        self._starting = threading.Lock()
        self._news = threading.Condition()
        self._started: list[int] = []
        self._codes: dict[int, int] = {}
        threading.Thread(target=self._listen, daemon=True).start()
        atexit.register(ours.close)

    def start(self, request: Mapping[str, Any], stdout: _Stream, stderr: _Stream) -> "_Forked":
        with self._starting, open(os.devnull, "r+b") as nothing:
            streams = [nothing.fileno()]
            for stream in (stdout, stderr):
                if stream == subprocess.DEVNULL:
                    streams.append(nothing.fileno())
                elif stream == subprocess.STDOUT:
                    streams.append(streams[1])
                else:
                    streams.append(stream if isinstance(stream, int) else stream.fileno())
            socket.send_fds(self._socket, [json.dumps(request).encode()], streams)
            with self._news:
                self._news.wait_for(lambda: self._started)
                return _Forked(self, self._started.pop())

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._socket.recv(4096):
                told = json.loads(data)
                with self._news:
                    if "code" in told:
                        self._codes[told["pid"]] = told["code"]
                    else:
                        self._codes.pop(told["pid"], None)
                        self._started.append(told["pid"])
                    self._news.notify_all()

    def code(self, pid: int, timeout: float | None) -> int | None:
        """The exit code of a process, waited for so long; None while it runs."""
        with self._news:
            self._news.wait_for(lambda: pid in self._codes, timeout)
            return self._codes.get(pid)


@functools.cache
def _server() -> _Server:
    return _Server()


class _Forked:
    """A process that the server started, as subprocess.Popen has it."""

    def __init__(self, server: _Server, pid: int) -> None:
        self._server = server
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.code(self.pid, 0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.returncode = self._server.code(self.pid, timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("exolink-reconcile", timeout or 0.0)
        return self.returncode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
