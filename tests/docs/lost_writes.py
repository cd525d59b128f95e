"""The emulator behind a gateway that loses creates while a file named `lossy` exists: `python lost_writes.py DATABASE`."""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from exolink_reconcile import emulator, files

_app = emulator.application(
    Path(sys.argv[1]), files.bundled("exolink-api.openapi.yaml"), tenants=("acme",), token="dev"
)


def gateway(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "POST" and Path("lossy").exists():
        start_response("504 Gateway Timeout", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return [b""]
    return _app(environ, start_response)


host, _, port = os.environ["EXOLINK_LISTEN"].rpartition(":")
emulator.serve(gateway, host, int(port), ready=lambda host, port: print("Try: it listens", flush=True))
