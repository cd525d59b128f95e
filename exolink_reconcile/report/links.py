"""Places in YAML to addresses on the code host, below `--link-base`."""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from exolink_reconcile.model import Source

# What may stand in a link: nothing that ends one in Markdown, and no user, query or fragment.
_BASE = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~!$&'*+,;=:%/@-]*)?", re.ASCII)


def is_base(url: str) -> bool:
    """Whether a text can be the base of links."""
    return _BASE.fullmatch(url) is not None


@dataclass(frozen=True, slots=True)
class Links:
    """Links to lines of files: base, path from the repository's root, `#L` and the line. No links without a base."""

    base: str | None = None
    path_from_root: Callable[[str], str] = str

    def file(self, path: str) -> str | None:
        """The address of a file, percent-encoded; None for a file outside of the repository."""
        from_root = posixpath.normpath(self.path_from_root(path))
        if self.base is None or from_root == "-" or from_root.startswith(("/", "../")):
            return None
        return f"{self.base.rstrip('/')}/{quote(from_root, safe='/', errors='surrogateescape')}"

    def line(self, source: Source | None) -> str | None:
        """The address of a place."""
        address = self.file(source.path) if source else None
        return f"{address}#L{source.line}" if source and address else None


NO_LINKS = Links()
