"""A plan to the facts that people approve, and their digest.

The facts of a step are what its write depends on and what it makes: not places, not what was held back. The fact of a
secret is only where it comes from: the variable's name, or a hash of the literal. The digest of a plan is made of the origin
and the digests of its steps, in no order.

Similar steps are digested together, a column of values at a time: one step after the other takes twice as long.
"""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from exolink_reconcile.model import Action, Plan, Step, alike, remote_id
from exolink_reconcile.resource import fields, masked_values, secret_fields
from exolink_reconcile.secret_url import SecretUrl


class Facts(NamedTuple):
    """The facts of similar steps: what they have in common, and `each` step's own.

    `before` names the fields whose live values `each` has, `after` those whose new values it has. A delete has the key and
    the compared fields before, and nothing after.
    """

    action: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    each: Iterable[tuple[Any, ...]]


Secrets = tuple[tuple[str, str], ...]


def facts(steps: Sequence[Step]) -> Facts:
    """The facts of similar steps: address, live id, values before and after, and where changed secrets come from."""
    kind, action, sends = steps[0].kind, steps[0].action, steps[0].sends
    names = tuple(fields(kind)) if action.deletes else sends
    ids: Iterable[int | None] = repeat(None)
    before: Iterable[Any] = repeat(None)
    after: Iterable[Any] = repeat(None)
    if steps[0].before is not None:
        rows = [step.before for step in steps if step.before is not None]
        ids, before = map(remote_id, rows), masked_values(rows, names)
    if action is not Action.DELETE:
        after = masked_values([step.declared.resource for step in steps if step.declared], sends)
    addresses = ["/".join(step.address) for step in steps]
    return Facts(action.word, names, sends, zip(addresses, ids, before, after, map(secrets, steps)))


def secrets(step: Step) -> Secrets:
    """The fields of a step whose secrets change, each with where the secret comes from."""
    if not secret_fields(step.kind):
        return ()
    urls = ((change.field, change.after) for change in step.fields if isinstance(change.after, SecretUrl))
    return tuple(sorted((name, url.fingerprint) for name, url in urls if url.has_secret))


def of_each(plan: Plan) -> tuple[str, ...]:
    """The digests of a plan's steps, in their order."""
    steps = tuple(plan.steps)
    digests = [""] * len(steps)
    for places in alike(steps):
        similar = [steps[place] for place in places]
        for place, own in zip(places, of_alike(facts(similar)), strict=True):
            digests[place] = own
    return tuple(digests)


def of_alike(facts: Facts) -> list[str]:
    """The digests of similar steps, made from ASCII text of a fixed form, so that no version of Python changes them."""
    *common, each = facts
    start = ascii(common)
    return [hashlib.sha256((start + fact).encode()).hexdigest() for fact in map(ascii, each)]


def of_steps(origin: str, steps: Iterable[str]) -> str:
    """The digest that a reviewer approves, 64 hex digits: from the origin of a plan and its steps' digests."""
    return hashlib.sha256(ascii([origin, sorted(steps)]).encode()).hexdigest()
