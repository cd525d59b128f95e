"""The contract decides: what another OpenAPI description offers changes plans without a line of code."""

from collections.abc import Callable
from pathlib import Path

from .conftest import Cli
from .support import NO_CHANGES

BUNDLED = (Path(__file__).parents[2] / "schemas" / "exolink-api.openapi.yaml").read_text(encoding="utf-8")

CPMS_UPDATE = """    CpmsUpdate:
      type: object
      additionalProperties: false
      properties:
"""
TENANT_CREATE = """paths:
  /tenant:
    post:
      operationId: create_tenant
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              required: [domainPrefix, name]
              properties:
                domainPrefix: {type: string}
                name: {type: string}
      responses:
        2XX: {description: Done.}
"""


def swapped(before: str, after: str) -> str:
    assert BUNDLED.count(before) == 1, before
    return BUNDLED.replace(before, after)


def test_capabilities(cli: Cli) -> None:
    """`capabilities` says field by field what the contract lets us do, and what is only inferred; offline."""
    bundled = cli("capabilities", token=None)
    assert all(word in bundled.out for word in ("tenant", "cpms", "charger", "interval", "documented", "inferred"))
    (cli.folder / "other.yaml").write_text(BUNDLED.replace("-evidence: inferred", "-evidence: documented"))
    other = cli("capabilities", "--contract", "other.yaml", token=None)
    assert other.out.count("inferred") < bundled.out.count("inferred")
    assert cli.world.log == []


def test_an_update_that_takes_the_interval(start: Callable[..., Cli]) -> None:
    """A contract whose CPMS update takes `interval` turns what was held back into an update."""
    cli = start(cpms_update_fields=("url", "interval"))
    cli.world.add("acme", "cpms", displayName="Primary", url="wss://a.example.com/", interval=30)
    entry = '{displayName: Primary, url: "wss://a.example.com/", interval: 60}'
    cli.write("exolink.yaml", f"tenant: acme\ncpms: [{entry}]\n")
    contract = swapped(CPMS_UPDATE, f"{CPMS_UPDATE}        interval: {{type: integer}}\n")
    (cli.folder / "contract.yaml").write_text(contract)
    assert cli("plan").counts("1 held back.")
    plan = cli("plan", "--contract", "contract.yaml", "--out", "p")
    assert plan.counts("Plan: 0 to add, 1 to change, 0 to destroy.") and "held back" not in plan.out
    cli("apply", "--plan", "p")
    assert [request.json for request in cli.world.writes] == [{"url": "wss://a.example.com/", "interval": 60}]


def test_a_tenant_that_can_be_created(start: Callable[..., Cli]) -> None:
    """With a tenant create in the contract, a tenant that is 404 is planned, and its lists count as empty."""
    cli = start(tenants=(), tenant_create=True)
    cli.write(
        "exolink.yaml",
        """
        tenant: fresh
        name: Fresh GmbH
        cpms: [{displayName: A, url: "wss://a.example.com/", interval: 30}]
        chargers: [{identity: CP-1, displayName: A, profileId: 1}]
        """,
    )
    (cli.folder / "contract.yaml").write_text(swapped("paths:\n", TENANT_CREATE))
    cli("plan", code=4)
    swap = ("--contract", "contract.yaml")
    plan = cli("plan", *swap)
    assert plan.counts("Plan: 3 to add, 0 to change, 0 to destroy.") and "fresh" in plan.out
    cli("apply", "--auto-approve", *swap)
    first = cli.world.writes[0]
    assert (first.line, first.json) == ("POST /tenant", {"domainPrefix": "fresh", "name": "Fresh GmbH"})
    assert len(cli.world.live("fresh", "cpms")) == len(cli.world.live("fresh", "charger")) == 1
    assert cli("plan", *swap).counts(NO_CHANGES)


def test_what_the_contract_does_not_offer(cli: Cli) -> None:
    """Without a DELETE in the contract, a removed entry is held back."""
    lines = BUNDLED.splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if "operationId: delete_cpms" in line) - 1
    last = next(number for number, line in enumerate(lines) if number > first and line.startswith("  /"))
    (cli.folder / "contract.yaml").write_text("".join(lines[:first] + lines[last:]))
    cli.world.add("acme", "cpms", displayName="Old")
    cli.write("exolink.yaml", "tenant: acme\nremoved: [{cpms: Old}]\n")
    plan = cli("plan", "--contract", "contract.yaml")
    assert plan.counts("Plan: 0 to add, 0 to change, 0 to destroy.") and plan.counts("1 held back.")
    cli("apply", "--auto-approve", "--contract", "contract.yaml", code=5)
    assert cli.world.writes == []


def test_a_description_we_cannot_use(cli: Cli) -> None:
    """What is no OpenAPI, lacks what we need, or refers elsewhere is an input error before any request."""
    cli.write("exolink.yaml", "tenant: acme\nchargers: []\n")
    bad = {
        "words": "hello",
        "swagger": "swagger: '2.0'\ninfo: {title: x, version: '1'}\npaths: {}\n",
        "empty": "openapi: 3.1.0\ninfo: {title: x, version: '1'}\npaths: {}\n",
        "remote": swapped(
            "schema: {$ref: '#/components/schemas/CpmsUpdate'}",
            "schema: {$ref: 'https://exolink.invalid/api.yaml#/x'}",
        ),
    }
    for name, text in bad.items():
        (cli.folder / f"{name}.yaml").write_text(text)
    runs = [("plan", "exolink.yaml", "--contract", f"{name}.yaml") for name in (*bad, "missing")]
    cli.each(runs, code=3)
    assert cli.world.log == []
