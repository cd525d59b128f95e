"""What `--log` and `-v` tell of each request, and what they never do."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from exolink_reconcile.cli import request_log
from exolink_reconcile.cli.console import Console
from exolink_reconcile.errors import InputError, StorageFailed
from exolink_reconcile.live.api import Exchange

FIRST = Exchange("GET", "/tenant/acme/cpms", None, 1234.567, 1)
SECOND = Exchange("PUT", "/tenant/acme/cpms/7", 200, 12.0, 2)


def told(log: Path | str | None, verbose: bool = False) -> None:
    with request_log.trace(None if log is None else str(log), verbose, Console()) as trace:
        if trace is not None:
            trace(FIRST)
            trace(SECOND)


def test_a_line_of_json_for_each_request(tmp_path: Path, capsys: Any) -> None:
    """Exactly these keys, in a file that only its owner can read; a second run adds to it."""
    log = tmp_path / "log.jsonl"
    told(log)
    assert [json.loads(line) for line in log.read_text().splitlines()] == [
        {"method": "GET", "path": "/tenant/acme/cpms", "status": None, "ms": 1234.6, "try": 1},
        {"method": "PUT", "path": "/tenant/acme/cpms/7", "status": 200, "ms": 12.0, "try": 2},
    ]
    told(log)
    assert len(log.read_text().splitlines()) == 4 and log.stat().st_mode & 0o077 == 0
    assert capsys.readouterr() == ("", "")


def test_in_words(capsys: Any) -> None:
    """-v says each request on stderr, and nothing on stdout; without either nothing is logged."""
    told(None, verbose=True)
    assert capsys.readouterr() == (
        "",
        "GET /tenant/acme/cpms: no answer, 1235 ms\nPUT /tenant/acme/cpms/7: 200, 12 ms (try 2)\n",
    )
    told(None)
    assert capsys.readouterr() == ("", "")


def test_a_file_that_is_not_a_log(tmp_path: Path) -> None:
    """What a person wrote is not written into."""
    file = tmp_path / "exolink.yaml"
    file.write_text("tenant: acme\n")
    with pytest.raises(InputError, match="E-EXISTS"):
        told(file)
    assert file.read_text() == "tenant: acme\n"


def test_a_log_that_cannot_be_opened(tmp_path: Path) -> None:
    """The error comes before the first request."""
    with pytest.raises(StorageFailed):
        told(tmp_path)
    with pytest.raises(StorageFailed):
        told(tmp_path / "gone" / "log")


def test_a_full_disk_stops_no_run(capsys: Any) -> None:
    """A log that is cut off is said once, at the end; what the run does goes on."""
    told("/dev/full")
    assert capsys.readouterr().err == "Warning: --log /dev/full is not whole: No space left on device.\n"
    told(os.devnull)


def test_a_request_that_ends_after_the_log(tmp_path: Path) -> None:
    """A thread that nobody waits for does not fail on a log that is closed."""
    with request_log.trace(str(tmp_path / "log"), False, Console()) as trace:
        assert trace is not None
    trace(FIRST)
