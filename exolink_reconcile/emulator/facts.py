"""What the API does with the kinds we know, beyond what a contract can say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Json = bool | int | float | str | list["Json"] | dict[str, "Json"] | None
Fields = Mapping[str, Json]

TENANT = "tenant"


def _no_defaults(_: Fields) -> Fields:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One kind: the field unique among its live objects, fields shown as numbers, fields it has from the start."""

    unique: str | None = None
    numbers: frozenset[str] = frozenset()
    defaults: Callable[[Fields], Fields] = _no_defaults

    def at_birth(self, fields: Fields) -> dict[str, Json]:
        """All fields of a new object for which these were sent."""
        return {**self.defaults(fields), **self.as_read(fields)}

    def as_read(self, fields: Fields) -> dict[str, Json]:
        """The fields as the API shows them later: `interval` is an integer when sent and a number when read."""
        return {name: self._number(name, value) for name, value in fields.items()}

    def _number(self, name: str, value: Json) -> Json:
        if name in self.numbers and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return value


def _tenant_defaults(fields: Fields) -> Fields:
    prefix = str(fields.get("domainPrefix", ""))
    return {"name": prefix[:1].upper() + prefix[1:], "connectUrl": f"wss://{prefix}.broker.exolink.cloud/"}


# Other collections are served too; nothing is known about them but their contract.
FACTS: Mapping[str, Facts] = {
    TENANT: Facts(unique="domainPrefix", defaults=_tenant_defaults),
    "cpms": Facts(numbers=frozenset({"interval"}), defaults=lambda _: {"authPassThrough": False}),
    "charger": Facts(unique="identity", defaults=lambda _: {"provisioned": False}),
}


def of(collection: str) -> Facts:
    """The facts about a collection; none for one we do not know."""
    return FACTS.get(collection, Facts())
