"""Chargers as a configuration declares them and as the API has them."""

from typing import Any

CHARGER = {"displayName": "Lobby", "profileId": 1}


def charger(identity: str, **fields: Any) -> dict[str, Any]:
    """One charger, with these fields instead of the usual ones."""
    return {"identity": identity, **CHARGER, **fields}


def chargers(first: int, last: int, **fields: Any) -> list[dict[str, Any]]:
    """CP-001 and on, both ends included."""
    return [charger(f"CP-{number:03}", **fields) for number in range(first, last + 1)]
