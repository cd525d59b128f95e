"""What is wrong and where, to diagnostics with their places, in the order of files and lines."""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from exolink_reconcile.desired import places as yaml_places
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.places import Places
from exolink_reconcile.model import Diagnostic, Source
from exolink_reconcile.secret_url import SecretUrl

_FEW = 20  # known names in a hint


class _Finding(NamedTuple):
    """A diagnostic whose place is still to be found: a key of a mapping, its value, an item of its list, or itself."""

    document: Document
    node: Node
    key: str | None
    part: Literal["key", "value"] | int
    diagnostic: Diagnostic
    also: "tuple[Document, Node, str] | None" = None


class Problems:
    """What was found wrong so far."""

    def __init__(self) -> None:
        self.findings: list[_Finding] = []

    def report(
        self,
        document: Document,
        node: Node,
        key: str | None,
        part: Literal["key", "value"] | int,
        code: str,
        summary: str,
        detail: str = "",
        severity: Literal["error", "warning"] = "error",
        also: "tuple[Document, Node, str] | None" = None,
    ) -> None:
        """Note a problem at a key of `node` (None: at the node itself), its value, or item `part` of its list.

        `also` is a key in a mapping of a document, whose place the summary ends with.
        """
        diagnostic = Diagnostic(code, summary, None, detail, severity)
        self.findings.append(_Finding(document, node, key, part, diagnostic, also))

    def located(self) -> list[Diagnostic]:
        """The findings with their places: one more walk over each file that has any."""
        wanted: dict[str, set[tuple[int, int]]] = defaultdict(set)
        data: dict[str, bytes] = {}
        for finding in self.findings:
            here = [(finding.document, finding.node)] if finding.key is not None else []
            for document, node in [*here, *([finding.also[:2]] if finding.also else [])]:
                wanted[document.path].add((node.line, node.column))
                data[document.path] = document.data
        places = {path: yaml_places.locate(data[path], marks) for path, marks in wanted.items()}
        return [_located(finding, places) for finding in self.findings]

    def at(self, source: Source, code: str, summary: str, detail: str = "") -> None:
        node = Node()
        node.line, node.column = source.line, source.column
        self.report(Document(source.path, node, b""), node, None, "key", code, summary, detail)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or lists them all."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1) or difflib.get_close_matches(
        word.lower(), {name.lower(): name for name in known}, n=1
    )
    by_lower = {name.lower(): name for name in known}
    if close:
        return f"Did you mean `{by_lower[close[0].lower()]}`?"
    more = f" and {len(known) - _FEW} more" if len(known) > _FEW else ""
    return f"Known here: {', '.join(known[:_FEW])}{more}."


def quoted(text: str) -> str:
    """Text of the YAML in a message: it may be a URL in the wrong place."""
    return f"`{str(SecretUrl(text))[:80]}`"


def hostile(what: str, bad: str | None) -> str:
    if bad is None:
        return f"{what} is blank"
    return f"{what} has a control, bidi or zero-width character: U+{ord(bad):04X}"


_Found = Mapping[str, Mapping[tuple[int, int], Mapping[str, Places]]]


def _located(finding: _Finding, places: _Found) -> Diagnostic:
    d = finding.diagnostic
    source = _place(finding.document, finding.node, finding.key, finding.part, places)
    summary = f"{d.summary}: also at {_place(*finding.also, 'key', places)}" if finding.also else d.summary
    return Diagnostic(d.code, summary, source, d.detail, d.severity)


def _place(
    document: Document, node: Node, key: str | None, part: Literal["key", "value"] | int, places: _Found
) -> Source:
    here = (node.line, node.column)
    found = places.get(document.path, {}).get(here, {}).get(key or "")
    if found is not None:
        here = found.key if part == "key" else found.value
        if isinstance(part, int) and part < len(found.items):
            here = found.items[part]
    return Source(document.path, *here)


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Each diagnostic once, in the order of files, lines and columns, without those that another one explains.

    A misspelt key explains the one that is missing; what else is wrong with a key explains that it is not known.
    """
    found = list(dict.fromkeys(diagnostics))
    misspelt = {(each.source, each.detail) for each in found if each.code == "E-UNKNOWN-KEY"}
    no_keys = {each.source for each in found if each.code in ("E-MERGE", "E-NULL", "E-ENV", "E-DUPLICATE-KEY")}

    def is_explained(each: Diagnostic) -> bool:
        if each.code == "E-REQUIRED" and (name := re.search("`[^`]+`", each.summary)):
            return (each.source, f"Did you mean {name.group()}?") in misspelt
        return each.code == "E-UNKNOWN-KEY" and each.source in no_keys

    told = [each for each in found if not is_explained(each)]
    return sorted(told, key=lambda each: (each.source or Source("", 0, 0), each.code == "E-REQUIRED"))
