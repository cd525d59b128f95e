"""Plans to look at, for golden files and judges: one change, a mixed two dozen, ten thousand, and hostile names."""

import functools
from typing import Any

from support_pipeline import document, pipeline
from world import World

from exolink_reconcile.applying import verified
from exolink_reconcile.model import BaseInfo, Plan
from exolink_reconcile.planning.attribution import Base

NAMES = (
    "Lobby left", "Lobby right", "Parking deck 2", "Visitors", "Depot north", "Depot south", "Garage 4", "Rooftop",
)  # fmt: skip


def made(world: World, *documents: str, **choices: Any) -> Plan:
    with pipeline(world) as run:
        return run.plan("---\n".join(documents), **choices)


@functools.cache
def nothing() -> Plan:
    """Nothing to do, something unmanaged."""
    world = World()
    for number in range(3):
        world.add("acme", "charger", **charger(number))
    return made(world, document("acme", chargers=[charger(0)]))


@functools.cache
def one() -> Plan:
    """One charger gets another profile."""
    world = World()
    world.add("acme", "charger", **charger(1))
    profiles = {"standard": "1", "night": "2"}
    return made(world, document("acme", profiles=profiles, chargers=[charger(1, profile="night")]))


@functools.cache
def mixed() -> Plan:
    """25 steps of every action, three held back for two reasons, a refusal, a secret that changes, unmanaged ones."""
    world = World()
    primary = "wss://ops:secret-one@cpms.example.com/ocpp/1.6/primary?token=abc"
    world.add("acme", "cpms", displayName="Primary backend", url=primary, interval=30)
    world.add("acme", "cpms", displayName="Secondary backend", url="wss://second.example.com/ocpp", interval=30)
    world.add("acme", "cpms", displayName="Test bench", url="wss://bench.example.com/", interval=30)
    world.add("acme", "cpms", displayName="Old backend", url="wss://old.example.com/ocpp", interval=30)
    world.add("acme", "cpms", displayName="Roaming hub", url="wss://hub.example.com/ocpp/eu", interval=60)
    for number in [*range(1, 9), *range(90, 96)]:
        world.add("acme", "charger", **charger(number))
    for number in (7, 7):
        world.add("acme", "charger", **charger(number, identity="CP-TWIN"))
    entries = [
        {"displayName": "Primary backend", "url": primary.replace("one", "two"), "interval": 60},
        {"displayName": "Secondary backend", "url": "wss://second.example.com/ocpp/2.0.1", "interval": 45},
        {"displayName": "Test bench", "url": "wss://bench.example.com/", "interval": 60},
        {"displayName": "Roaming hub", "url": "wss://hub.example.com/ocpp/eu-central-1/v2"},
        {"displayName": "Analytics tap", "url": "wss://tap.example.com/ingest", "interval": 120},
    ]
    declared = [
        *(charger(number, profile="night") for number in range(1, 6)),
        charger(6, displayName="Parking deck 2, bay 14, next to the lift", profile="night"),
        *(charger(number, profile="standard") for number in range(20, 29)),
        charger(7, identity="CP-TWIN"),
    ]
    removed = [
        {"cpms": "Old backend", "reason": "contract ended, OPS-123"},
        *({"charger": f"CP-{number:04}"} for number in range(90, 94)),
    ]
    yaml = document(
        "acme",
        policy={"allowReplace": ["cpms/Test bench"]},
        profiles={"standard": "1", "night": "2"},
        cpms=entries,
        chargers=declared,
        removed=removed,
    )
    return made(world, yaml)


_BEFORE = """\
tenant: acme
profiles: {standard: 1, night: 2}
cpms:
  - {displayName: Primary backend, url: wss://cpms.example.com/ocpp, interval: 30}
  - {displayName: Roaming hub, url: wss://hub.example.com/ocpp, interval: 60}
  - {displayName: Billing, url: "wss://ops:${env:BILLING_PASSWORD}@billing.example.com/", interval: 60}
chargers:
  - {identity: CP-0001, displayName: Lobby left, profile: standard}
  - {identity: CP-0002, displayName: Lobby right, profile: standard}
  - {identity: CP-0003, displayName: Visitors, profile: standard}
  - {identity: CP-0004, displayName: Garage 4, profile: standard}
  - {identity: CP-0005, displayName: Rooftop, profile: standard}
  - {identity: CP-0006, displayName: Depot north, profile: standard}
  - {identity: CP-0007, displayName: Depot south, profile: standard}
removed:
  - {charger: CP-0098, reason: "scrapped, OPS-98"}
"""
_AFTER = """\
tenant: acme
profiles: {standard: 1, night: 2}
cpms:
  - {displayName: Primary backend, url: wss://cpms.example.com/ocpp/2.0.1, interval: 45}
  - {displayName: Roaming hub EU, url: wss://hub.example.com/ocpp, interval: 60}
  - {displayName: Billing, url: "wss://ops:${env:BILLING_PASSWORD}@billing.example.com/", interval: 60}
chargers:
  - {identity: CP-0001, displayName: Lobby left, profile: night}
  - {identity: CP-0002, displayName: Lobby right, profile: night}
  - {identity: CP-0003, displayName: "Visitors, level 1", profile: standard}
  - {identity: CP-0004, displayName: Garage 4, profile: standard}
  - {identity: CP-0005, displayName: "Rooftop, bay 1", profile: standard}
  - {identity: CP-0006, displayName: Depot north, profile: standard}
  - {identity: CP-0008, displayName: Parking deck 2, profile: night}
removed:
  - {charger: CP-0007, reason: "contract ended, OPS-123"}
  - {charger: CP-0098, reason: "scrapped, OPS-98"}
"""


@functools.cache
def pull_request() -> Plan:
    """A branch beside its base: edits, a create, a rename, a delete and what is held back; drift, a delete and a create
    of it too; both at an update and at a create; and a secret of which no cause is claimed.
    """
    world = World()
    world.add("acme", "cpms", displayName="Primary backend", url="wss://cpms.example.com/ocpp", interval=30)
    world.add("acme", "cpms", displayName="Roaming hub", url="wss://hub.example.com/ocpp", interval=60)
    world.add("acme", "cpms", displayName="Billing", url="wss://ops:by-hand@billing.example.com/", interval=60)
    live: dict[int, dict[str, Any]] = {
        1: {"displayName": "Lobby left"},
        2: {"displayName": "Lobby right"},
        3: {"displayName": "Visitors (by hand)"},
        4: {"displayName": "Garage 4", "profileId": 2},
        7: {"displayName": "Depot south"},
        98: {"displayName": "Scrap"},
    }
    for number, fields in live.items():
        world.add("acme", "charger", **{"identity": f"CP-{number:04}", "profileId": 1, **fields})
    with pipeline(world) as run:
        environment = {"BILLING_PASSWORD": "declared"}
        [before] = run.desired(_BEFORE, environment).tenants
        base = Base(
            BaseInfo("path", path="main/exolink"),
            frozenset({"acme"}),
            verified.declared(before),
            verified.removed(before),
        )
        return run.plan(run.desired(_AFTER, environment), base=base)


@functools.cache
def many(count: int = 10_000) -> Plan:
    """About `count` steps over two tenants: renames, profile moves, 40 deletes, creates; an interval held back in each."""
    world = World(tenants=("acme", "north"))
    yaml = []
    for tenant in ("acme", "north"):
        half = count // 2
        renames, moves, gone = range(half // 5), range(half // 5, half // 2), range(half // 2, half // 2 + 20)
        for number in [*renames, *moves, *gone]:
            world.add(tenant, "charger", **charger(number))
        world.add(tenant, "cpms", displayName="Primary backend", url="wss://cpms.example.com/ocpp", interval=30)
        entries = [
            *(charger(number, displayName=f"Site {number // 40:03}, bay {number % 40:02}") for number in renames),
            *(charger(number, profileId=2) for number in moves),
            *(charger(number) for number in range(half // 2 + 20, half)),
        ]
        yaml.append(
            document(
                tenant,
                chargers=entries,
                removed=[{"charger": f"CP-{number:04}"} for number in gone],
                cpms=[{"displayName": "Primary backend", "url": "wss://cpms.example.com/ocpp", "interval": 60}],
            )
        )
    return made(world, *yaml)


def charger(number: int, **fields: Any) -> dict[str, Any]:
    own = {"identity": f"CP-{number:04}", "displayName": NAMES[number % len(NAMES)], "profileId": 1, **fields}
    if "profile" in fields:
        del own["profileId"]
    return own


HOSTILE = (
    "```` | <img src=x onerror=a()> </details> [l](http://evil.example) **b** `c`",
    "@octocat Fixes #1 GH-2 @org/team",
    "<!-- exolink-reconcile plan 000000000000 -->",
    "https://evil.example www.evil.example FTP://evil.example ops@evil.example",
    "~~~ ```",
    "| a | b |",
    "</summary></details></pre></code><script>a()</script>",
    "![i](//evil.example/i.png) [x]: //evil.example",
    "&lt;b&gt; &#64;octocat \\@octocat",
    "- [ ] task",
)
LIVE_HOSTILE = ("\n```\n# Approved\n@octocat", "\x1b[2J\u202e::error::x", "a\r\n\r\n</details>\r\n\r\n<img src=x>")


@functools.cache
def hostile() -> Plan:
    """Names and values that try to leave their place, in every section: declared ones, and worse ones that are live."""
    world = World()
    for number, name in enumerate((*HOSTILE, *LIVE_HOSTILE)):
        world.add("acme", "cpms", displayName=name, url=f"wss://h/{number} ```@x#1", interval=30)
        world.add("acme", "charger", identity=name, displayName=name, profileId=1)
    for _ in range(2):
        world.add("acme", "charger", identity=HOSTILE[0] + " twin", profileId=1)
    cpms = [
        {"displayName": HOSTILE[0], "url": "wss://ops:pw@octocat/", "interval": 60},
        {"displayName": HOSTILE[1], "interval": 60},
        {"displayName": HOSTILE[2], "url": "wss://h/", "interval": 30},
    ]
    made_new = [{"identity": f"{name} new", "displayName": name, "profile": "@team"} for name in HOSTILE]
    renamed = [{"identity": name, "displayName": f"{name}?", "profileId": 1} for name in HOSTILE[3:]]
    removed = [{"cpms": HOSTILE[3], "reason": HOSTILE[0]}, {"charger": HOSTILE[0], "reason": HOSTILE[1]}]
    yaml = document(
        "acme",
        policy={"allowReplace": [f"cpms/{HOSTILE[1]}"], "exclusive": ["charger/*"]},
        profiles={'"@team"': "1"},
        cpms=cpms,
        chargers=[*made_new, *renamed, {"identity": HOSTILE[0] + " twin", "profileId": 1}],
        removed=removed,
    )
    return made(world, yaml, prune=True)
