"""Any bytes as a list or an object of the API end in rows or in an ApiSurprise; never in anything else.

The first byte chooses the kind. What is read as a list must be one to a reader of JSON that shares no code with it.
"""

import json
from typing import Any, cast

import atheris

with atheris.instrument_imports(include=["exolink_reconcile"]):
    from exolink_reconcile.errors import ApiSurprise
    from exolink_reconcile.kinds import KINDS
    from exolink_reconcile.live import live_state
    from exolink_reconcile.live.answers import Listing
    from exolink_reconcile.live.api import Api
    from exolink_reconcile.live.rereading import ReadLists
    from exolink_reconcile.model import remote_id
    from exolink_reconcile.resource import fields, key

from support import fuzz


class _Canned:
    """An API that answers the same bytes to everything."""

    def __init__(self, data: bytes) -> None:
        self.data = data

        self.tenant_ids: dict[str, int] = {}
        self.lists = ReadLists()

    def list(self, *args: Any) -> Listing:
        return Listing(self.data)

    def get(self, *args: Any) -> bytes:
        return self.data


def judge(data: bytes) -> None:
    """The rule above, on one input."""
    kind = KINDS[data[0] % len(KINDS)] if data else KINDS[0]
    api = cast(Api, _Canned(data[1:]))
    try:
        one = live_state.read_whole(api, kind, "acme", 1)
        assert one is None or isinstance(one[1], dict)
    except ApiSurprise as error:
        assert len(error.summary) < 1_000
    if kind.is_tenant():
        return
    try:
        rows = live_state.read_list(api, kind, "acme")
    except ApiSurprise as error:
        assert len(error.summary) < 1_000
        return
    whole = json.loads(data[1:])
    assert isinstance(whole, list)
    assert len(rows) <= len(whole)
    assert len({remote_id(row) for row in rows}) == len(rows)
    for row in rows:
        assert isinstance(getattr(row, key(kind)), str)
        for name in fields(kind):
            str(getattr(row, name))


fuzz(judge)
