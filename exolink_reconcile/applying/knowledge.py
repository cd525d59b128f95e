"""What we know about an address: one value for each write, built from the journal and from every read.

Terms. A *write* is what a step (or an open intent of an earlier run) wants at an address. An *attempt* is one request
for it that left. Its *target* is the live object that it updates or deletes; its *products* are the objects that a create
may have made: they have the name, and nobody knew their id before. A *sighting* is a read that showed an object.

Premise. A read may be old, but what it shows was there: a sighting stays until something says that the object is gone. What
a read does not show proves little: a list may lack an object that is too new for it, and a list that also lacks an object
which nobody deleted proves nothing at all. So absence is kept with the moment at which the read began, and the judge decides
what it is worth.

All moments are seconds on one monotonic clock. An attempt of an earlier run was sent its age ago.
"""

import enum
import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from exolink_reconcile.model import Action, Intent, Step, remote_id
from exolink_reconcile.resource import Address, Kind, Row, folded, key
from exolink_reconcile.secret_url import may_be

NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Verb(enum.Enum):
    """What one request does. A replace is a delete and then a create."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class End(enum.Enum):
    """How an attempt ended. Only `REFUSED` says that it has no effect."""

    OPEN = "no answer yet"
    ANSWERED = "answered"
    GONE = "404 or 410 to a delete"
    REFUSED = "refused"
    UNCLEAR = "no clear answer"


class Answer(enum.Enum):
    """The answer to all attempts of one verb together. A later refusal does not make an unclear attempt clear."""

    NOTHING = "not sent"
    REFUSED = "refused"
    UNCLEAR = "no clear answer"
    YES = "answered"


class Attempt(NamedTuple):
    """One request that left: when, and how it ended; `detail` and `code` say why it is not simply answered."""

    verb: Verb
    sent_at: float
    end: End = End.OPEN
    detail: str = ""
    code: str = ""


class Sighting(NamedTuple):
    """A read that showed an object: the row, when the read began, and whether it was a GET by id."""

    row: Row
    at: float
    by_id: bool = False


class Write(NamedTuple):
    """What is wanted at an address. `values` are what is sent; `masked`: as the journal keeps them, with secrets masked.

    `has_get`: the API offers a GET by id for the kind. `made_before` is the id of what was made at the address before.
    """

    address: Address
    kind: Kind
    action: Action
    target: int | None
    values: Mapping[str, Any]
    masked: bool = False
    has_get: bool = True
    made_before: int | None = None

    def differing(self, row: Row) -> list[str]:
        """The sent fields that have another value in a row."""
        if self.masked:
            return [name for name, value in self.values.items() if not may_be(getattr(row, name, None), value)]
        return [name for name, value in self.values.items() if getattr(row, name) != value]


class Listing:
    """One list of a kind that was read: when the read began, and its rows.

    `ids_before` are the ids when the plan was made, None if that is not known. `lost` are known ids that the list lacks
    although nobody is known to have deleted them: then no absence from it proves anything. `raw_rows` are a few rows as the
    API answered them, by id.
    """

    def __init__(
        self,
        kind: Kind,
        rows: Sequence[Row],
        at: float,
        *,
        ids_before: frozenset[int] | None = None,
        lost: Iterable[int] = (),
        raw_rows: Mapping[int, Mapping[str, Any]] = NOTHING,
    ) -> None:
        self.kind, self.rows, self.at, self.ids_before, self.raw_rows = kind, rows, at, ids_before, raw_rows
        self.lost = frozenset(lost)

    @functools.cached_property
    def by_id(self) -> Mapping[int, Row]:
        """The rows by id."""
        return {remote_id(row): row for row in self.rows}

    @functools.cached_property
    def by_name(self) -> Mapping[str, Sequence[Row]]:
        """The rows by name."""
        by_name: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            by_name[getattr(row, key(self.kind))].append(row)
        return by_name

    @functools.cached_property
    def new(self) -> Mapping[str, Row]:
        """The rows that were not there when the plan was made, by name as people read it."""
        ids_before = self.ids_before
        new = [row for row in self.rows if remote_id(row) not in ids_before] if ids_before is not None else []
        return {folded(getattr(row, key(self.kind))): row for row in new}


class Knowledge(NamedTuple):
    """Everything we know about one write. Nothing in it is ever taken back; each read makes a new value.

    `checked` is the target right before the write, `target_seen` its last sighting. The moments: `target_unlisted_at` of the
    last list that lacks it (and lost nothing), `target_not_found_at` of a GET answered with 404 (which an API without that
    GET also answers), `target_deleted_at` of an answer that says it is deleted, `effect_seen_at` of the last read that shows
    it as an update sends it. `products` are sightings by id; `product_unlisted_at` is the moment of the last list that shows
    no product.
    """

    write: Write
    attempts: tuple[Attempt, ...] = ()
    checked: Row | None = None
    target_seen: Sighting | None = None
    target_unlisted_at: float | None = None
    target_not_found_at: float | None = None
    target_deleted_at: float | None = None
    effect_seen_at: float | None = None
    products: Mapping[int, Sighting] = NOTHING
    product_unlisted_at: float | None = None

    # ------------------------------------------------------------------------------------------------------ what we do

    def sending(self, verb: Verb, at: float) -> "Knowledge":
        """An attempt is about to leave. An earlier one that is still open had no effect: only such are repeated at once."""
        return self._replace(attempts=(*self._closed(), Attempt(verb, at)))

    def ended(self, end: End, detail: str = "", code: str = "") -> "Knowledge":
        """The last attempt ended, if it is open. What ended it first stands."""
        if not self.attempts or self.attempts[-1].end is not End.OPEN:
            return self
        *earlier, last = self.attempts
        return self._replace(attempts=(*earlier, last._replace(end=end, detail=detail, code=code)))

    def not_sent(self) -> "Knowledge":
        """The last attempt did not leave after all."""
        return self._replace(attempts=self._closed()) if self.attempts else self

    def _closed(self) -> tuple[Attempt, ...]:
        return self.attempts[:-1] if self.attempts and self.attempts[-1].end is End.OPEN else self.attempts

    # --------------------------------------------------------------------------------------------------- what reads show

    def listed(self, listing: Listing) -> "Knowledge":
        """A list was read."""
        target, knowledge = self.write.target, self
        if target is not None:
            if (row := listing.by_id.get(target)) is not None:
                knowledge = knowledge._seen(Sighting(row, listing.at))
            elif not listing.lost:
                knowledge = knowledge._replace(target_unlisted_at=listing.at)
        if self.write.action.creates:
            if rows := _products(self.write, listing):
                sightings = {remote_id(row): Sighting(row, listing.at) for row in rows}
                return knowledge._replace(products={**self.products, **sightings})
            if not listing.lost:
                return knowledge._replace(product_unlisted_at=listing.at)
        return knowledge

    def got(self, row: Row | None, at: float) -> "Knowledge":
        """The target was read by its id: None is a 404, a row with `deletedAt` is one that the API calls deleted."""
        if row is None:
            return self._replace(target_not_found_at=at)
        if row.deletedAt:
            return self._replace(target_deleted_at=at)
        return self._seen(Sighting(row, at, by_id=True))

    def _seen(self, sighting: Sighting) -> "Knowledge":
        effect = self.write.action is Action.UPDATE and not self.write.differing(sighting.row)
        return self._replace(target_seen=sighting, effect_seen_at=sighting.at if effect else self.effect_seen_at)

    # ------------------------------------------------------------------------------------------------------ what that means

    def answer(self, verb: Verb) -> Answer:
        """The answer to the attempts of a verb together."""
        ends = {attempt.end for attempt in self.attempts if attempt.verb is verb}
        if ends & {End.ANSWERED, End.GONE}:
            return Answer.YES
        if ends & {End.OPEN, End.UNCLEAR}:
            return Answer.UNCLEAR
        return Answer.REFUSED if ends else Answer.NOTHING

    def effective(self, verb: Verb) -> list[Attempt]:
        """The attempts of a verb that may have had an effect, oldest first."""
        return [attempt for attempt in self.attempts if attempt.verb is verb and attempt.end is not End.REFUSED]

    def detail(self, verb: Verb) -> str:
        """Why the attempts of a verb are not simply answered: first what was unclear, then what was refused later."""
        reasons = [attempt for attempt in self.attempts if attempt.verb is verb and attempt.detail]
        unclear = [attempt for attempt in reasons if attempt.end is End.UNCLEAR][-1:]
        refused = [attempt for attempt in reasons[-1:] if attempt.end is End.REFUSED]
        return "; then ".join(attempt.detail for attempt in (*unclear, *refused)) or "no answer came"

    def code(self, verb: Verb) -> str:
        """The code of the last refusal."""
        return next((attempt.code for attempt in reversed(self.attempts) if attempt.verb is verb and attempt.code), "")


def of_step(step: Step, *, has_get: bool) -> Knowledge:
    """What we know about a step's write before it is sent."""
    resource = step.declared.resource if step.declared else None
    values = {name: getattr(resource, name) for name in step.sends}
    target = remote_id(step.before) if step.before is not None else None
    return Knowledge(Write(step.address, step.kind, step.action, target, values, has_get=has_get))


def of_intent(intent: Intent, kind: Kind, now: float, *, has_get: bool, made_before: int | None = None) -> Knowledge:
    """What the journal knows about a write that an earlier run left open.

    `made_before` is the id on record of what was made last at its address: by this write itself, or by an earlier one.
    """
    action = Action[intent.action.upper()]
    write = Write(
        intent.address, kind, action, intent.remote_id, intent.after, masked=True, has_get=has_get,
        made_before=made_before if made_before != intent.made_id else None,
    )  # fmt: skip
    sent_at = now - intent.age
    end = End.ANSWERED if intent.answered else End.UNCLEAR
    if action is Action.REPLACE and (intent.answered or intent.deleted):
        return Knowledge(write, (Attempt(Verb.DELETE, sent_at, End.ANSWERED), Attempt(Verb.CREATE, sent_at, end)))
    verb = Verb.DELETE if action.deletes else Verb.CREATE if action.creates else Verb.UPDATE
    return Knowledge(write, (Attempt(verb, sent_at, end),))


def _products(write: Write, listing: Listing) -> list[Row]:
    """The rows of a list that a create may have made: neither the one that it replaces nor one that was there before."""
    ids_before = listing.ids_before if listing.ids_before is not None else {write.target, write.made_before}
    rows = [row for row in listing.by_name.get(write.address.name, ()) if remote_id(row) not in ids_before]
    if rows or (row := listing.new.get(folded(write.address.name))) is None:
        return rows
    return [row]  # the API may change a name that it stores: what it made is there, under a name that reads the same
