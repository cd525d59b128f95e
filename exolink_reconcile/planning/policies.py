"""The policies of tenants to the pattern that matches an address."""

from collections.abc import Mapping, Sequence
from typing import Literal

from exolink_reconcile.globs import Globs
from exolink_reconcile.model import DesiredTenant, Pattern
from exolink_reconcile.resource import Address


class Policies:
    """Finds the pattern of a tenant's policy that matches an address."""

    def __init__(self, tenants: Mapping[str, DesiredTenant]) -> None:
        self._tenants = tenants
        self._lists: dict[tuple[str, str], tuple[Globs, dict[str, tuple[int, Pattern]]]] = {}

    def first(self, name: Literal["protect", "exclusive"], address: Address) -> Pattern | None:
        """The first pattern of that list that matches."""
        place = (address.tenant, name)
        if place not in self._lists:
            patterns: Sequence[Pattern] = getattr(self._tenants[address.tenant].policy, name)
            ranks = {p.glob: (rank, p) for rank, p in reversed(list(enumerate(patterns)))}
            self._lists[place] = Globs(ranks), ranks
        together, ranks = self._lists[place]
        matching = [ranks[glob] for glob in together.matching(address.local)]
        return min(matching)[1] if matching else None
