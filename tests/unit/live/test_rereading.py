"""A list that is read again has the rows, or the error, of one that is read for the first time."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exolink_reconcile.errors import ApiSurprise
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import live_state
from exolink_reconcile.live.api import Api
from exolink_reconcile.resource import Row

CPMS = KINDS[1]


class Server:
    """Answers each list in turn, the last one for ever."""

    def __init__(self, *lists: bytes) -> None:
        self.lists = list(lists)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=self.lists.pop(0) if len(self.lists) > 1 else self.lists[0])


def api(*lists: bytes, keeps: bool = True) -> Api:
    opened = Api("http://x.invalid", token="t", transport=lambda: httpx.MockTransport(server), parallelism=1)
    server = Server(*lists)
    opened.tenant_ids["acme"] = 1
    if keeps:
        opened.keep_lists()
    return opened


def answer_of(opened: Api) -> object:
    """The rows of a list and two of them as answered, or what is wrong with it."""
    try:
        return live_state.read_rows(opened, CPMS, "acme", (1, 3))
    except ApiSurprise as error:
        return error.summary


def row(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": number, "tenantId": 1, "displayName": f"B{number}", "url": "wss://h/", "deletedAt": None} | fields


def text(*rows: object, **how: Any) -> bytes:
    return json.dumps(rows, **{"separators": (",", ":"), **how}).encode()


ROWS = (row(1), row(2), row(3), row(4))
BEFORE = text(*ROWS)
AGAIN = {
    "as it was": BEFORE,
    "one changed": text(row(1), row(2, displayName="other"), row(3), row(4)),
    "one gone": text(row(1), row(3), row(4)),
    "one deleted": text(row(1), row(2, deletedAt="2026-01-01T00:00:00Z"), row(3), row(4)),
    "one more": text(*ROWS, row(5)),
    "one twice": text(*ROWS, row(4)),
    "one instead of another": text(row(1), row(1), row(3), row(4)),
    "another order": text(*reversed(ROWS)),
    "none": b"[]",
    "not a list": b"{}",
    "cut off": BEFORE[:-20],
    "without its end": BEFORE[:-1],
    "with something behind": BEFORE + b"{}",
    "with something in front": b"[" + BEFORE,
    "a comma too many": BEFORE[:-1] + b",]",
    "two commas": BEFORE.replace(b"},{", b"},,{", 1),
    "another blank": BEFORE.replace(b"},{", b"},\x0b{", 1),
    "a blank that is none in front": b"\x0b" + BEFORE,
    "a blank that is none behind": BEFORE + b"\x0c",
    "blanks": text(*ROWS, indent=1),
    "a row that is none": text(row(1), {}, row(3), row(4)),
    "not a row": text(row(1), 7, row(3), row(4)),
    "nested": text(row(1), row(2, other={"id": 3}), row(3), row(4)),
    "objects in a row": text(row(1), row(2, other=[{"id": 3}, {"id": 1}]), row(3), row(4)),
    "braces in a name": text(row(1), row(2, displayName="},{"), row(3), row(4)),
    "a brace for a brace": text(row(1), row(2, displayName="}{"), row(3), row(4)),
    "a field twice": text(row(1), row(2), row(3), row(4, marker=0)).replace(b'"marker":0', b'"id":4'),
    "of another tenant": text(row(1), row(2, tenantId=2), row(3), row(4)),
    # Two texts that are rows only together: the string of the first one ends in the second one.
    "one row in two texts": b"[{" + text(row(9))[2:-2] + b',"x":"' + b"},{" + b'"},{' + text(*ROWS)[2:],
    "one row in the texts of two": text(row(1), row(9)).replace(b'"B9"', b'"B},{9"')[:-1]
    + b","
    + text(row(3), row(4))[1:],
    "half a text": BEFORE.replace(b'"B2"', b'"B2'),
}


PLAIN = ("as it was", "blanks", "nested", "objects in a row", "braces in a name", "one more", "none")


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN)
@pytest.mark.parametrize("before", [AGAIN[name] for name in PLAIN], ids=PLAIN)
def test_a_list_that_is_read_again(before: bytes, again: bytes) -> None:
    """It has the rows, or the error, that it would have had without the one before."""
    with api(before, again) as keeping, api(again, keeps=False) as new:
        answer_of(keeping)
        assert answer_of(keeping) == answer_of(new)


_VALUES = st.sampled_from(['"', "\\", "}", "{", "},{", "a", '"},{"', "\u00e9", "id", ",", ""])
_NAMES = st.lists(_VALUES, min_size=1, max_size=4).map(lambda parts: "x" + "".join(parts))
_LISTS = st.lists(st.builds(row, st.integers(1, 6), displayName=_NAMES, other=st.one_of(st.none(), _NAMES)), max_size=6)
_SPOILED = st.tuples(
    st.integers(0, 400), st.integers(0, 8), st.sampled_from([b"", b"}", b"{", b"},{", b'"', b",", b"\\", b" "])
)


@given(_LISTS, _LISTS, st.one_of(st.none(), _SPOILED))
def test_any_list_after_any_other(before: list[Any], after: list[Any], spoiled: tuple[int, int, bytes] | None) -> None:
    """The same with names that look like JSON, and with bytes taken out or put in anywhere."""
    again = text(*before, *after)
    if spoiled is not None:
        at, length, instead = spoiled
        again = again[:at] + instead + again[at + length :]
    with api(text(*before), again) as keeping, api(again, keeps=False) as new:
        answer_of(keeping)
        assert answer_of(keeping) == answer_of(new)


def test_what_is_as_it_was_is_not_read_anew() -> None:
    """Of a list of 100,000 of which ten changed, ten rows are read: the others are the very rows of the last read."""
    with api(BEFORE, AGAIN["one changed"], AGAIN["one gone"]) as keeping:
        first, second, third = (_rows(keeping) for _ in range(3))
    assert [row is before for row, before in zip(second, first)] == [True, False, True, True]
    assert [row is before for row, before in zip(third, (first[0], first[2], first[3]))] == [True, True, True]


def test_another_tenant_of_the_name() -> None:
    """A tenant that was made anew has another id: its rows are judged again, all of them."""
    with api(BEFORE) as keeping:
        answer_of(keeping)
        keeping.tenant_ids["acme"] = 2
        assert "of another tenant" in str(answer_of(keeping))


def test_no_more_is_kept_than_allowed() -> None:
    """Lists that are too large together are not kept: a run of many tenants needs no more memory for it."""
    with api(BEFORE) as keeping:
        keeping.lists.most_bytes = len(BEFORE) + 10
        first = _rows(keeping)
        live_state.read_list(keeping, CPMS, "other")
        assert _rows(keeping)[0] is first[0]
        keeping.lists.most_bytes = 10
        assert _rows(keeping)[0] is first[0] and _rows(keeping)[0] is not first[0]


def _rows(opened: Api) -> list[Row]:
    return live_state.read_list(opened, CPMS, "acme")


def test_a_list_that_is_too_large_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be read has the same bound when it is read again: nothing is made of a row that stands there a million times."""
    monkeypatch.setattr(live_state, "_MOST_ROWS", len(ROWS))
    opened = api(BEFORE, text(*ROWS, ROWS[0]))
    answer_of(opened)
    assert "more than 4 objects" in str(answer_of(opened))
