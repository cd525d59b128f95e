"""Open operations of earlier runs, live state to what became of them.

A create that got no clear answer may still happen for as long as the settle window. So a run first waits until each is
either visible or older than the window; then one reading tells of all of them. Absence counts only after the window. A
create that was *answered* and does not show up is another matter: the list is blind to it, so it stays open.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from exolink_reconcile.live import live_state
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import LiveState, Operation, remote_id
from exolink_reconcile.resource import Kind, Row, key
from exolink_reconcile.secret_url import may_be

_POLL = 2.0


@dataclass(frozen=True, slots=True)
class Settled:
    """What reading told: outcomes by operation number, and the creates that stay open because the list is blind."""

    outcomes: Mapping[int, str]
    blind: tuple[Operation, ...]

    @property
    def sentence(self) -> str:
        """One line for the person."""
        done = sum(1 for outcome in self.outcomes.values() if outcome == "applied")
        total = len(self.outcomes)
        return f"Settled {total} write{'s' if total != 1 else ''} of an earlier run: {done} had been applied, {total - done} had not."


def wait(
    api: Api,
    operations: Iterable[Operation],
    kinds: Sequence[Kind],
    window: float,
    say: Callable[[str], None],
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Wait until each open create is visible or older than the window, in seconds.

    Raises:
        ApiError: a list could not be read.

    """
    by_word = {kind.kind: kind for kind in kinds}
    young = [op for op in operations if op.action in ("create", "replace") and op.address.kind in by_word]
    until = {op.number: time.monotonic() + window - op.age for op in young}
    young = [op for op in young if until[op.number] > time.monotonic()]
    said = False
    while young:
        names = {
            (tenant, word): _names(api, by_word[word], tenant)
            for tenant, word in sorted({(op.address.tenant, op.address.kind) for op in young})
        }
        young = [op for op in young if op.address.name not in names[op.address.tenant, op.address.kind]]
        left = max((until[op.number] - time.monotonic() for op in young), default=0.0)
        if left <= 0:
            return
        if not said:
            said = True
            creates = f"{len(young)} create{'s' if len(young) != 1 else ''}"
            say(f"Waiting up to {left:.0f} s for {creates} of an earlier run that got no answer.")
        sleep(min(_POLL, max(left, 0.05)))
        young = [op for op in young if until[op.number] > time.monotonic()]


def hidden(api: Api, made: Iterable[Operation], kinds: Sequence[Kind]) -> list[Operation]:
    """Of creates that made an object which no list shows now: those whose object still answers by its id.

    Then the list lags, and to create again would make a second one. Raises ApiError.
    """
    by_word = {kind.kind: kind for kind in kinds}
    return [
        op
        for op in made
        if live_state.read_one(api, by_word[op.address.kind], op.address.tenant, op.remote_id) is not None
    ]


def judge(api: Api, operations: Iterable[Operation], live: LiveState, kinds: Sequence[Kind]) -> Settled:
    """What became of each operation: a kind that the plan had no reason to read any more is read for it.

    An operation of an unknown kind or of a tenant that is gone stays open. Raises ApiError.
    """
    by_word = {kind.kind: kind for kind in kinds}
    read: dict[tuple[str, Kind], Sequence[Row]] = {}
    outcomes: dict[int, str] = {}
    blind: list[Operation] = []
    for op in operations:
        kind = by_word.get(op.address.kind)
        name = op.address.tenant
        tenant = live.tenants.get(name)
        if kind is None or tenant is None or not (tenant.exists or kind in tenant.rows):
            continue
        if (name, kind) not in read:
            read[name, kind] = tenant.rows[kind] if kind in tenant.rows else live_state.read_list(api, kind, name)
        found = _applied(op, kind, read[name, kind])
        if found or not op.answered:
            outcomes[op.number] = "applied" if found else "not applied"
        else:
            blind.append(op)
    return Settled(outcomes, tuple(blind))


def _names(api: Api, kind: Kind, tenant: str) -> set[str]:
    if kind.entries is None:
        row = live_state.read_one(api, kind, tenant)
        return {getattr(row, key(kind))} if row is not None else set()
    return {getattr(row, key(kind)) for row in live_state.read_list(api, kind, tenant)}


def _applied(op: Operation, kind: Kind, rows: Sequence[Row]) -> bool:
    if op.action == "delete":
        return all(remote_id(row) != op.remote_id for row in rows)
    if op.action == "update":
        row = next((row for row in rows if remote_id(row) == op.remote_id), None)
        return row is not None and all(may_be(getattr(row, name, None), value) for name, value in op.after.items())
    return any(getattr(row, key(kind)) == op.address.name and remote_id(row) != op.remote_id for row in rows)
