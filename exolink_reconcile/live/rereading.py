"""A list that is read again to its rows: a row whose text did not change is the row of the last read.

An apply reads a list again after every stage, and of 100,000 rows a stage changes ten. Premise: cut the text of a list
at everything that looks like the boundary of two rows. Every real boundary looks like one, so if there are as many pieces
as rows, each piece is the inside of exactly one row, and it would be that row in any other list. In any doubt the answer
is None, and the caller parses the whole list as if it had never been read.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from exolink_reconcile.resource import ListKey, Row

_BOUNDARY = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*\{")
_BLANKS = b" \t\r\n"


class RowTexts(NamedTuple):
    """A complete and valid list: the text of each row without its braces, and the row itself.

    `tenant_id` is the id of the tenant that the rows were checked against.
    """

    texts: Sequence[bytes]
    rows: Sequence[Row]
    tenant_id: int | None

    @property
    def size(self) -> int:
        """The number of bytes of all texts."""
        return sum(map(len, self.texts))


class ReadLists:
    """The last read of each list, up to `most_bytes` of text in total: nothing by default."""

    def __init__(self) -> None:
        self.most_bytes = 0
        self._lists: dict[ListKey, RowTexts] = {}

    def get(self, key: ListKey) -> RowTexts | None:
        """The last read of a list, if it was kept."""
        return self._lists.get(key)

    def keeps(self, data: bytes) -> bool:
        """Whether a list of this size could be kept."""
        return len(data) <= self.most_bytes

    def keep(self, key: ListKey, row_texts: RowTexts) -> None:
        """Keep a list in place of its last read, unless all lists together are too large."""
        self._lists.pop(key, None)
        if sum(other.size for other in self._lists.values()) + row_texts.size <= self.most_bytes:
            self._lists[key] = row_texts


def row_texts(data: bytes, rows: Sequence[Row], tenant_id: int | None) -> RowTexts | None:
    """A list that was parsed and checked, with the text of each row; None if the text cannot be cut into its rows."""
    texts = _pieces(data)
    return RowTexts(texts, rows, tenant_id) if texts is not None and len(texts) == len(rows) else None


def read_again(
    last: RowTexts, data: bytes, tenant_id: int | None, parse: Callable[[bytes], Sequence[Row]]
) -> RowTexts | None:
    """The list in `data`; `parse` gets a list of only the rows that changed. None if all of it must be parsed."""
    texts = _pieces(data) if last.tenant_id == tenant_id else None
    if texts is None:
        return None
    rows: list[Row | None]
    if len(texts) == len(last.texts):
        rows = [row if text == last_text else None for text, last_text, row in zip(texts, last.texts, last.rows)]
    else:
        rows = list(map(dict(zip(last.texts, last.rows)).get, texts))
    changed = [place for place, row in enumerate(rows) if row is None]
    if changed:
        changed_rows = parse(b"[{" + b"},{".join([texts[place] for place in changed]) + b"}]")
        if len(changed_rows) != len(changed):  # a piece is not the inside of one row
            return None
        for place, row in zip(changed, changed_rows):
            rows[place] = row
    return RowTexts(texts, [row for row in rows if row is not None], tenant_id)


def _pieces(data: bytes) -> list[bytes] | None:
    """The text of a list, cut at everything that looks like a boundary; None if it is not a list of objects."""
    start, end = data.find(b"{"), data.rfind(b"}")
    if start < 0 or data[:start].strip(_BLANKS) != b"[" or data[end + 1 :].strip(_BLANKS) != b"]":
        return None
    return _BOUNDARY.split(data[start + 1 : end])
