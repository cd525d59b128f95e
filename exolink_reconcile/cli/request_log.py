"""Each request to a line: JSON in a file (`--log`), words on stderr (`-v`). It never holds a body, token or query."""

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from exolink_reconcile.cli.console import Console
from exolink_reconcile.errors import StorageFailed, problem
from exolink_reconcile.inert import inert, json_without_commands
from exolink_reconcile.live.api import Exchange

Trace = Callable[[Exchange], object]


@contextmanager
def trace(log: str | None, verbose: bool, console: Console) -> Iterator[Trace | None]:
    """The function that reports each request; None if the user asked for no report. Lines of an existing file stay.

    Raises:
        InputError: the file is there and is not a log.
        StorageFailed: it cannot be opened.

    """
    file = _opened(log) if log is not None else None
    if file is None and not verbose:
        yield None
        return
    requests = _RequestLog(file, verbose, console)
    try:
        yield requests.note
    finally:
        requests.close()
        if requests.lost:
            console.err(f"Warning: --log {inert(str(log))} is not whole: {requests.lost}.\n")


class _RequestLog:
    def __init__(self, file: int | None, verbose: bool, console: Console) -> None:
        self.lost = ""  # why a line could not be written; an apply goes on without its log
        self._file = file
        self._verbose = verbose
        self._console = console
        self._lock = threading.Lock()

    def note(self, exchange: Exchange) -> None:
        if self._verbose:
            repeated = f" (try {exchange.attempt})" if exchange.attempt > 1 else ""
            status = "no answer" if exchange.status is None else exchange.status
            self._console.err(f"{exchange.method} {inert(exchange.path)}: {status}, {exchange.ms:.0f} ms{repeated}\n")
        if self._file is not None:
            line = {
                "method": exchange.method,
                "path": exchange.path,
                "status": exchange.status,
                "ms": round(exchange.ms, 1),
                "try": exchange.attempt,
            }
            self._write(json_without_commands(json.dumps(line, ensure_ascii=True)).encode() + b"\n")

    def close(self) -> None:
        """Close the file. Later requests are not logged: the descriptor may belong to another file by then."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
            self._file = None

    def _write(self, line: bytes) -> None:
        with self._lock:
            if self._file is None or self.lost:
                return
            try:
                while line:
                    line = line[os.write(self._file, line) :]
            except OSError as error:
                self.lost = error.strerror or type(error).__name__


def _opened(path: str) -> int:
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, 0o600)
    except OSError as error:
        raise StorageFailed("E-STORAGE", f"--log {inert(path)} cannot be written: {error.strerror}") from None
    try:
        if stat.S_ISREG(os.fstat(file).st_mode) and os.pread(file, 1, 0) not in (b"", b"{"):
            raise problem("E-EXISTS", f"--log {inert(path)} is a file that is not a log: it is left as it is")
    except BaseException:
        os.close(file)
        raise
    return file
