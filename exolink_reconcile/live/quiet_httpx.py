"""httpx without the imports that no request of ours needs.

Its own command line imports click, rich and pygments (45 ms), and httpcore imports trio and anyio for asynchronous clients,
if they happen to be installed (80 ms). Both handle an ImportError themselves.
"""

import sys

_NOT_NEEDED = ("trio", "anyio")
_hidden = [name for name in _NOT_NEEDED if sys.modules.setdefault(name, None) is None]  # type: ignore[arg-type]  # None blocks an import
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # the same

import httpcore
import httpx

for _name in _hidden:  # other code in this process may import them
    del sys.modules[_name]

__all__ = ["httpcore", "httpx"]
