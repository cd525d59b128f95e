"""A plan with a step of each kind, saved."""

from support_pipeline import Pipeline, as_json, document
from world import World

from exolink_reconcile.saved_plan import reader

CHARGER = {"displayName": "Lobby", "profileId": 1}
WANTED = document(
    "acme",
    cpms=[{"displayName": "A", "url": "wss://u:hunter2@h/", "interval": 5}],
    chargers=[{**CHARGER, "identity": "CP-1", "profileId": 2}, {**CHARGER, "identity": "CP-2"}],
    removed=[{"charger": "Old"}],
)


def world() -> World:
    live = World()
    live.add("acme", "charger", **CHARGER, identity="CP-1")
    live.add("acme", "charger", **CHARGER, identity="Old")
    return live


def save(run: Pipeline, yaml: str = WANTED) -> reader.SavedPlan:
    return reader.read(as_json(run.plan(yaml)).encode())
