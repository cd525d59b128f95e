"""httpx without its command line, which imports click, rich and pygments: 45 ms that no request needs."""

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # httpx falls back by itself on ImportError

import httpx

__all__ = ["httpx"]
