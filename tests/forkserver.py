"""A process that has the libraries of the command loaded, and forks for each run: see command.py. Not imported by a test."""

import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

LARGEST = 1 << 20  # bytes of a request
# What the command imports on its way. `cli` is not among it: its console takes the streams when it is imported.
OTHERS = (
    "click",
    "click.shell_completion",
    "importlib.metadata",
    "jsonschema",
    "psycopg",
    "sqlite3",
    "werkzeug",
    "ssl",
)


def main() -> None:
    """Serve the socket whose descriptor is the argument, until its other end closes."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    preload()
    while True:
        ready, _, _ = select.select([requests.fileno(), ended], [], [])
        if ended in ready:
            os.read(ended, 4096)
            for pid, status in iter(_reaped, None):
                requests.send(json.dumps({"pid": pid, "code": os.waitstatus_to_exitcode(status)}).encode())
        if requests.fileno() in ready:
            data, streams, _, _ = socket.recv_fds(requests, LARGEST, 3)
            if not data:
                return
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                run(json.loads(data), streams)
            requests.send(json.dumps({"pid": pid}).encode())
            for stream in streams:
                os.close(stream)


def _reaped() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def preload() -> None:
    """Import what a run imports, and leave it to all of them."""
    package = importlib.import_module("exolink_reconcile")
    ours = (module.name for module in pkgutil.walk_packages(package.__path__, "exolink_reconcile."))
    for name in (*OTHERS, *ours):
        if ".cli" not in name and not name.endswith("__main__"):
            try:
                importlib.import_module(name)
            except ImportError:
                continue
    gc.freeze()


def run(request: Mapping[str, Any], streams: Sequence[int]) -> NoReturn:
    """Be the command: its streams, folder, environment and signals, as `python -m` would have them."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 256)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.orig_argv = [sys.executable, "-m", "exolink_reconcile", *request["arguments"]]
    sys.argv = ["exolink_reconcile", *request["arguments"]]
    sys.stdin = _stream(0, "r", "surrogateescape")
    sys.stdout = _stream(1, "w", "surrogateescape")
    sys.stderr = _stream(2, "w", "backslashreplace")
    code: object = 1
    try:
        for folder in filter(None, request["env"].get("PYTHONPATH", "").split(os.pathsep)):
            runpy.run_path(f"{folder}/sitecustomize.py")
        importlib.import_module("exolink_reconcile.__main__").main()
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _stream(number: int, mode: str, errors: str) -> io.TextIOWrapper:
    binary = open(number, f"{mode}b", closefd=False)
    return io.TextIOWrapper(binary, "utf-8", errors, line_buffering=binary.isatty() or number == 2)


if __name__ == "__main__":
    main()
