"""The digest covers what people approve, and nothing else."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from support_pipeline import digest_of, document, pipeline, read_yaml
from world import World

from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Plan
from exolink_reconcile.planning import digest
from exolink_reconcile.secret_url import rounds_for

CPMS = {"displayName": "A", "url": "wss://u:hunter2@h/?k=v", "interval": 30}
CHARGER = {"identity": "CP-1", "displayName": "Lobby", "profileId": 1}


def plan_of(text: str, rows: dict[str, Any] | None = None, **choices: Any) -> Plan:
    world = World()
    world.add("acme", "charger", **{**CHARGER, **(rows or {})})
    world.add("acme", "charger", identity="Old")
    with pipeline(world) as run:
        return run.plan(text, **choices)


def yaml(**charger: Any) -> str:
    return document(
        "acme", cpms=[CPMS], chargers=[{**CHARGER, "profileId": 2, **charger}], removed=[{"charger": "Old"}]
    )


BASE = digest_of(plan_of(yaml()))


def test_shape() -> None:
    """A digest is 64 hex digits."""
    assert len(BASE) == 64 and set(BASE) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n" + yaml(),
        yaml().replace("tenant", "\n\n\ntenant", 1),
        yaml().replace('{charger: "Old"}', "{charger: Old, reason: another}"),
        yaml().replace('"CP-1"', "CP-1").replace('"2"', "2"),
        yaml() + "profiles: {standard: 1, night: 2}\n",
        yaml() + "policy: {protect: [cpms/X], exclusive: [cpms]}\n",
    ],
)
def test_not_covered(text: str) -> None:
    """Places, comments, bytes, reasons, the names of profiles and the policy are no part of it."""
    assert text != yaml() and digest_of(plan_of(text)) == BASE


def test_held_back_and_unmanaged_are_not_covered() -> None:
    """A difference that apply will not settle changes no digest, and neither does an unmanaged object."""
    held = yaml().replace("cpms:\n", 'cpms:\n  - {displayName: "H", url: "wss://h/"}\n')
    plan = plan_of(held)
    assert plan.held_back and digest_of(plan) == BASE


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (yaml(profileId=3), {}),
        (yaml(displayName="Other"), {}),
        (yaml(identity="CP-2"), {}),
        (yaml(), {"profileId": 9}),
        (yaml(), {"displayName": "Drifted"}),
        (yaml().replace("removed", "removed: []\n$schema"), {}),
        (yaml().replace("acme", "acme", 1).replace("wss://u:hunter2@h/?k=v", "wss://other/"), {}),
        (yaml().replace('interval: "30"', 'interval: "31"'), {}),
    ],
)
def test_covered(text: str, rows: dict[str, Any]) -> None:
    """Address, action, live id, managed fields before and after: any of them other is another digest."""
    if "$schema" in text:
        text = document("acme", cpms=[CPMS], chargers=[{**CHARGER, "profileId": 2}])
    assert digest_of(plan_of(text, rows)) != BASE


def test_the_origin_is_covered() -> None:
    """A plan reviewed for one API is not approved for another."""
    assert digest_of(replace(plan_of(yaml()), origin="https://other.example.com")) != BASE


def test_the_live_id_is_covered() -> None:
    """The same name with another live id is another object."""
    assert digest_of(plan_of(yaml(), {"id": 77})) != BASE


def test_row_E14_a_secret_counts_by_where_it_comes_from() -> None:
    """Another literal, or another variable in its place, is another plan; the facts never hold the secret itself."""
    assert digest_of(plan_of(yaml().replace("u:hunter2", "u:two"))) != BASE
    assert "hunter2" not in str([list(digest.facts([step]).each) for step in plan_of(yaml()).steps])


def test_a_literal_is_hashed_slowly() -> None:
    """Who reads a plan cannot try passwords at the speed of a plain hash; a configuration of any size stays quick."""
    [step] = [step for step in plan_of(yaml()).steps if step.address.kind == "cpms"]
    [(_, fingerprint)] = digest.secrets(step)
    assert fingerprint != hashlib.sha256(str(CPMS["url"]).encode()).hexdigest()
    assert rounds_for(1) == rounds_for(64) >= 20_000
    assert all(count * rounds_for(count) < 1_500_000 for count in (64, 65, 4096, 4097, 262_144, 262_145, 1_000_000))


def rounds_of(resource: Any) -> int:
    """How slowly the literal of its URL is hashed."""
    return int(resource.url.rounds)


def test_every_literal_of_a_large_configuration_is_counted() -> None:
    """How slow it is goes by how many different ones there are, those of defaults too, and by nothing that is declared beside."""
    many = "".join(f'  - {{displayName: N{n}, url: "wss://u:p{n}@h/"}}\n' for n in range(64))
    text = "tenant: acme\ndefaults: {cpms: {url: 'wss://u:pw@h/', interval: 5}}\ncpms:\n" + many
    rounds = [rounds_of(declared.resource) for declared in read_yaml(text).tenants[0].declared[KINDS[1]]]
    assert set(rounds) == {rounds_for(64)} and len(rounds) == 64
    text += "  - {displayName: A}\n  - {displayName: B}\n"
    rounds = [rounds_of(declared.resource) for declared in read_yaml(text).tenants[0].declared[KINDS[1]]]
    assert set(rounds) == {rounds_for(65)} and len(rounds) == 66


def test_the_facts_of_a_delete() -> None:
    """For a delete the id, the key and every compared fact are covered."""
    [step] = [step for step in plan_of(yaml()).steps if step.deletes]
    facts = digest.facts([step])
    [(address, _, before, after, _)] = facts.each
    assert (facts.action, address, after) == ("delete", "acme/charger/Old", None)
    assert dict(zip(facts.before, before)) == {"identity": "Old", "displayName": "Old", "profileId": 1}
