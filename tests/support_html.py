"""Plans to show as HTML, among them what nobody should be able to put into a page."""

from collections.abc import Mapping
from typing import Any

from support_chargers import chargers
from support_pipeline import document, pipeline
from world import World

from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, Declared, FieldChange, HeldBack, Note, Plan, Refusal, Source, Step
from exolink_reconcile.resource import Address, entry_model, row_model
from exolink_reconcile.secret_url import SecretUrl

CPMS, CHARGER = KINDS[1], KINDS[2]
HOSTILE = {
    "ends the script": "</script><script>alert(1)</script>",
    "ends the data": "]]>--></script><!--<script>",
    "is an image": "<img src=x onerror=alert(2)>",
    "leaves an attribute": "\" onmouseover=alert(3) x='",
    "is a style": "</style><style>body{display:none}</style>",
    "loads from afar": '<link rel=stylesheet href="https://evil.example/x.css">',
    "is an entity": "&lt;b&gt;&amp;&quot;",
    "is a template": "${alert(4)} {{7*7}} `alert(5)`",
    "reads backwards": "acme\u202egnp.exe\u2066",
    "ends a line of JavaScript": "a\u2028b\u2029c",
    "moves a cursor": "\x1b[2J\x07\x00",
    "climbs over its neighbours": "Z" + "\u0300\u0336\u0489" * 60,
    "is right to left": "שלום/charger/مرحبا",
    "is an emoji": "👩‍👩‍👧‍👦 🔌",
    "is called like a property": "__proto__",
    "is long": "L" * 65_536,
    "is long and hostile": "<b>" * 2_000,
}


def lobbies(first: int, last: int, **fields: Any) -> list[dict[str, Any]]:
    """Chargers that each have a name of their own."""
    return [
        {**row, "displayName": f"Lobby {n}", **fields} for n, row in enumerate(chargers(first, last, **fields), first)
    ]


def everything() -> Plan:
    """A plan with all there is: a refusal, held back, deletes, replaces, updates, creates, unmanaged, secrets."""
    cpms = {"url": "wss://user:hunter2@cpms.example.com/ocpp?token=abcdef", "interval": 30}
    world = World()
    for row in lobbies(1, 40):
        world.add("acme", "charger", **row)
    for name in ("Held", "Gone", "Redo", "Edit", "Nobody"):
        world.add("acme", "cpms", displayName=name, **cpms)
    entries = [
        {"displayName": "Held", "interval": 60},
        {"displayName": "Redo", **cpms, "interval": 60},
        {"displayName": "Edit", "url": "wss://user:hunter3@cpms.example.com/ocpp?token=abcdef"},
        {"displayName": "Make", **cpms},
    ]
    yaml = document(
        "acme",
        policy={"allowReplace": ["cpms/Redo"]},
        profiles={"standard": 1, "night": 2},
        cpms=entries,
        chargers=lobbies(3, 12, profileId=2, displayName="By the lift")
        + lobbies(13, 40, profileId=2)
        + lobbies(41, 46),
        removed=[{"cpms": "Gone", "reason": "contract ended, OPS-123"}, {"charger": "CP-001"}, {"charger": "CP-002"}],
    )
    with pipeline(world) as run:
        return run.plan(yaml)


def step(action: Action, name: str, number: int = 1, *, tenant: str = "acme", **after: Any) -> Step:
    """One step at a charger, its fields as given; for what the pipeline would refuse to read."""
    source = Source(f"fleet/{tenant}.yaml", number, 5)
    live = {"id": number, "identity": name, "displayName": name, "profileId": 1}
    before = None if action is Action.CREATE else row_model(CHARGER)(**live)
    declared = None
    changes: tuple[FieldChange, ...] = ()
    if action is not Action.DELETE:
        declared = Declared(entry_model(CHARGER).model_construct(identity=name, **after), source)
        changes = tuple(FieldChange(field, live[field] if before else None, value) for field, value in after.items())
    return Step(action, Address(tenant, "charger", name), CHARGER, "because", source, before, declared, changes)


def plan_of(*steps: Step, held: tuple[HeldBack, ...] = (), names: Mapping[Any, Any] = {}, **more: Any) -> Plan:
    return Plan("https://api.exolink.cloud", (steps,) if steps else (), held, {}, names=names, **more)


def hostile() -> Plan:
    """Every hostile text in every place where a text can be."""
    steps, held = [], []
    for number, text in enumerate(HOSTILE.values(), 1):
        for action in Action:
            steps.append(step(action, f"{text}", number, profileId=2, displayName=f"x{text}"))
        place, address = Source(text, number, 1), Address(text, "cpms", text)
        change = FieldChange("url", SecretUrl(text), SecretUrl(f"{text}!"))
        held.append(HeldBack(address, CPMS, Action.UPDATE, "E-X", text, place, change, (text,)))
    return plan_of(
        *steps,
        held=tuple(held),
        names={("acme", "profileId"): {2: HOSTILE["is an image"]}},
        refusals=tuple(Refusal("E-X", text) for text in HOSTILE.values()),
        notes=tuple(Note("W-RENAME", text) for text in HOSTILE.values()),
    )


def many(count: int) -> Plan:
    """A third updates, two thirds creates, in two tenants."""
    return plan_of(
        *(
            step(Action.UPDATE if number % 3 == 0 else Action.CREATE, f"CP-{number:06}", number,
                 tenant="acme" if number % 2 else "zeta", profileId=2, displayName=f"Lobby {number}")
            for number in range(count)
        ),
        names={("acme", "profileId"): {1: "standard", 2: "night"}},
    )  # fmt: skip
