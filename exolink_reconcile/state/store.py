"""What survives a run: one interface for the homes of state, and the values that they keep.

    intend ──> sending ──> (the request) ──> answered ──> settle
      │           │                                         │
      durable     durable, each attempt                      closed, or open for the next run

A write may be sent only after `intend` and then `sending` have returned: both check that this run still holds its lock.
"""

import json
import zlib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from exolink_reconcile.model import Intent, Outcome, Status, Step
from exolink_reconcile.resource import Address, ListKey

# Seconds: a write whose intent is this young needs no second stamp before it leaves. Its age is then counted from the
# intent, so it is at most this much too high.
FRESH = 1.0
DATE_RESOLUTION = 1.0  # seconds: what a Date header leaves out
_MOST_UNPACKED = 256 * 2**20


class Base(NamedTuple):
    """What an apply of a tenant declared and verified: by address, the managed fields as JSON values, secrets masked.

    `when` is in seconds since the epoch. `removed` are the addresses that must not exist, `exclusive` the globs that the
    policy claimed; None if an older version did not keep them.
    """

    when: float
    declared: Mapping[Address, Mapping[str, Any]]
    removed: frozenset[Address] = frozenset()
    exclusive: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class NewBase:
    """What an apply of a tenant declared and verified now, with the fields of `Base`.

    An address in `keep` keeps its old base: it was held back, failed, or was not part of this run.
    """

    declared: Mapping[Address, Mapping[str, Any]]
    keep: Container[Address] = ()
    removed: Iterable[Address] = ()
    exclusive: Sequence[str] = ()

    def packed(self, before: Base | None) -> bytes:
        """The bytes to store in place of the base before."""
        declared = {address: fields for address, fields in self.declared.items() if address not in self.keep}
        removed = {address for address in self.removed if address not in self.keep}
        if before is not None:
            declared |= {address: fields for address, fields in before.declared.items() if address in self.keep}
            removed |= {address for address in before.removed if address in self.keep}
        return _packed(declared, removed, self.exclusive)


class Write(NamedTuple):
    """One write of the history. `outcome` is None while nobody knows it; `made_id` is the id of what a create made."""

    number: int
    run: str
    when: float
    who: str
    origin: str
    address: Address
    action: str
    remote_id: int | None
    made_id: int | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    outcome: str | None
    code: str = ""
    detail: str = ""


class Lease(NamedTuple):
    """The lock of a tenant and its holder. Times are in seconds since the epoch; a folder's lock has no token or expiry."""

    origin: str
    tenant: str
    token: int | None
    run: str
    who: str
    host: str
    taken: float
    last_seen: float | None
    expires: float | None


class Content(NamedTuple):
    """Everything that a folder remembers: writes and counts by column name; bases as origin, tenant, when, bytes."""

    writes: Sequence[Mapping[str, Any]]
    bases: Sequence[tuple[str, str, float, bytes]]
    seen: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier runs left, for a command that may not write: open intents and last seen counts."""

    intents: tuple[Intent, ...] = ()
    seen: Mapping[ListKey, int] | None = None
    bases: Mapping[str, Base] = field(default_factory=dict)
    note: str = ""


class Store(Protocol):
    """The state of one API for one run; used from several threads. Every method may raise StorageFailed."""

    run: str
    digest: str
    is_new: bool
    api_now: Callable[[], float | None]
    # Seconds since a run noticed that another server keeps this state, which may lack its last writes; None if none does.
    took_over: float | None

    @property
    def where(self) -> str:
        """Where the state is kept, for people; secrets masked."""

    def hold(self, tenants: Iterable[str], timeout: float, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Hold the tenants. Raises Locked: somebody else holds one."""

    def may_send(self) -> None:
        """The last check right before a request that writes. Raises Locked, StorageFailed: then it must not be sent."""

    def intend(self, step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Make the intent of a write durable. Raises Locked, StorageFailed: then it must not be sent."""

    def sending(self, step: Step, api_date: float | None = None) -> None:
        """Stamp an attempt right before it leaves. Raises Locked, StorageFailed: then it must not be sent."""

    def answered(self, step: Step, *, deleted: bool = False) -> None:
        """Remember that a write was answered; `deleted`: only the delete of a replace was."""

    def settle(self, outcomes: Iterable[Outcome]) -> None:
        """Close the writes whose outcome is known, and put every outcome on the audit record."""

    def settle_earlier(self, intents: Mapping[int, str], new_ids: Mapping[int, int] | None = None) -> None:
        """Close writes of earlier runs, by number, with their outcome; `new_ids` are the ids of what they made."""

    def open_intents(self, tenants: Iterable[str] | None = None) -> list[Intent]:
        """The writes that are still open, oldest first: those of some tenants of this API, or all."""

    def made_lately(self, tenants: Iterable[str], window: float) -> list[Intent]:
        """The creates of the last `window` seconds that are known to have made an object, its id as `remote_id`."""

    def last_made(self, addresses: Iterable[Address]) -> dict[Address, int]:
        """The id of what was made last at each of these addresses; addresses without one on record are left out."""

    def forget(self, intents: Iterable[Intent]) -> None:
        """Close open writes for good, although nobody knows what became of them."""

    def seen(self) -> Mapping[ListKey, int]:
        """How many rows each list had when an apply last read it, by tenant and kind."""

    def saw(self, counts: Mapping[ListKey, int]) -> None:
        """Remember how many rows each list has."""

    def base(self, tenant: str) -> Base | None:
        """What the last apply of a tenant declared and verified; None if there was none."""

    def keep_base(self, tenant: str, base: NewBase) -> None:
        """Remember what an apply declared and verified, in place of the base before."""

    def history(self, run: str | None = None) -> Iterator[Write]:
        """The writes of earlier runs, or of one run, newest first."""

    def done(self, digest: str) -> frozenset[Address]:
        """The addresses of this API whose last completed write belongs to the plan with this digest."""

    def leases(self) -> list[Lease]:
        """Who holds which tenant of which API now."""

    def started(self, steps: int) -> None:
        """Put the start of a run on the audit record: nothing may be written to the API without it."""

    def ended(self, exit_code: int, totals: tuple[int, int, int]) -> None:
        """Put the end of a run on the audit record."""

    def close(self) -> None:
        """Close the store. Open writes stay open in it."""


def storable(text: str) -> str:
    """A text that every home can hold: a server's words may hold any character."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def closed_as(outcome: Outcome) -> str | None:
    """The outcome that a write is closed with; None: it stays open, for a later run to settle."""
    is_open = outcome.status is Status.UNKNOWN or outcome.code == "E-UNVERIFIED"
    return None if is_open else outcome.status.value


def is_answered_but_unseen(outcome: Outcome) -> bool:
    """Whether a create was answered and no list has shown it yet: it must not be sent again before one does."""
    return outcome.step.creates and outcome.code in ("E-LIST-BLIND", "E-UNVERIFIED")


def intent(row: Mapping[str, Any], age: float, *, id_column: str = "remote_id") -> Intent:
    """A write that is open, or lately made something, from its row; `id_column` is the column that its id is taken from."""
    return Intent(
        row["number"], row["origin"], Address(row["tenant"], row["kind"], row["name"]), row["action"], row[id_column],
        json.loads(row["after"]), row["intended_at"], age, bool(row["answered"]), row["made"], row["attempts"],
        bool(row["deleted"]), row["run"],
    )  # fmt: skip


def write(row: Mapping[str, Any]) -> Write:
    """A write of the history, from its row."""
    return Write(
        row["number"], row["run"], row["intended_at"], row["who"] or "", row["origin"],
        Address(row["tenant"], row["kind"], row["name"]), row["action"], row["remote_id"], row["made"],
        json.loads(row["before"]), json.loads(row["after"]), row["outcome"], row["code"] or "", row["detail"] or "",
    )  # fmt: skip


def _packed(
    declared: Mapping[Address, Mapping[str, Any]], removed: Iterable[Address], exclusive: Sequence[str]
) -> bytes:
    """Addresses that declare the same fields, grouped, with their values column by column."""
    groups: dict[tuple[str, tuple[str, ...]], tuple[list[str], list[tuple[Any, ...]]]] = {}
    for address, fields in declared.items():
        names, rows = groups.setdefault((address.kind, tuple(fields)), ([], []))
        names.append(address.name)
        rows.append(tuple(fields.values()))
    packed = [
        [kind, fields, names, [list(column) for column in zip(*rows, strict=True)]]
        for (kind, fields), (names, rows) in groups.items()
    ]
    gone = sorted([address.kind, address.name] for address in removed)
    content = {"declared": packed, "removed": gone, "exclusive": list(exclusive)}
    return zlib.compress(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), 3)


def unpack_base(tenant: str, when: float, content: bytes) -> Base:
    """A base from its bytes. Raises ValueError, TypeError: they are damaged."""
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(content, _MOST_UNPACKED)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    if unpacking.unconsumed_tail:
        raise ValueError("it is too large")
    loaded = json.loads(text)
    if not isinstance(loaded, dict):  # an older version kept only this list
        loaded = {"declared": loaded, "removed": [], "exclusive": None}
    declared: dict[Address, Mapping[str, Any]] = {}
    try:
        for kind, fields, names, columns in loaded["declared"]:
            rows = zip(*columns, strict=True) if fields else (() for _ in names)
            for name, values in zip(names, rows, strict=True):
                declared[Address(tenant, kind, name)] = dict(zip(fields, values, strict=True))
        removed = frozenset(Address(tenant, kind, name) for kind, name in loaded["removed"])
        exclusive = None if loaded["exclusive"] is None else tuple(map(str, loaded["exclusive"]))
    except KeyError as error:
        raise ValueError(f"it lacks {error}") from None
    return Base(float(when), declared, removed, exclusive)
