"""The API is asked for no more than docs/performance.md promises."""

import re
from collections import Counter
from pathlib import Path

from .conftest import Cli

PAGE = (Path(__file__).parents[2] / "docs" / "performance.md").read_text("utf-8")
CREATES, UPDATES, DELETES, LIVE = 100, 100, 40, 400


def test_requests_of_an_apply(cli: Cli) -> None:
    """The mix of the page (creates, updates and deletes among other chargers) takes what its table allows, kind by kind."""
    allowed = {what: int(limit) for what, limit in re.findall(r"\| requests of an apply: (.*?) \| <= (\d+) \|", PAGE)}
    assert (allowed["POST charger"], allowed["PUT charger item"], allowed["DELETE charger item"]) == (100, 100, 40)
    for number in range(LIVE):
        name = "before" if number < UPDATES else "Bay"
        cli.world.add("acme", "charger", identity=f"CP-{number:04}", displayName=name, profileId=1)
    kept = [f"  - {{identity: CP-{number:04}, displayName: Bay}}\n" for number in range(LIVE + CREATES)]
    gone = [f"  - {{charger: CP-{number:04}, reason: sold}}\n" for number in range(LIVE - DELETES, LIVE)]
    del kept[LIVE - DELETES : LIVE]
    header = "tenant: acme\ndefaults: {chargers: {profileId: 1}}\n"
    cli.write("exolink.yaml", f"{header}chargers:\n{''.join(kept)}removed:\n{''.join(gone)}")
    cli("apply", "--auto-approve", "--allow-deletes", str(DELETES))
    counts = Counter(_kind_of(request.method, request.path) for request in cli.world.log)
    assert {what: count for what, count in counts.items() if count > allowed.get(what, 0)} == {}


def _kind_of(method: str, path: str) -> str:
    _, _, _, *rest = path.split("/")
    return f"{method} {rest[0] if rest else 'tenant'}{' item' if rest[1:] else ''}"
