"""An OpenAPI description to what the API lets us do."""

import copy
import json
from typing import Any

import pytest
from ruamel.yaml import YAML
from support_pipeline import CONTRACT_TEXT, contract_of, document, pipeline, read_yaml, tenant_create_contract
from world import World

from exolink_reconcile import contract
from exolink_reconcile.errors import InputError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action

TENANT, CPMS, CHARGER = KINDS
BUNDLED = YAML(typ="safe").load(CONTRACT_TEXT)
DONE = {"responses": {"2XX": {"description": "done"}}}


def loaded() -> dict[str, Any]:
    return copy.deepcopy(BUNDLED)


def parse(description: Any) -> contract.Contract:
    return contract.parse(
        description if isinstance(description, str) else json.dumps(description), KINDS, name="c.yaml"
    )


def refused(description: Any) -> str:
    """Why a description is refused: always as E-CONTRACT, always naming the file."""
    with pytest.raises(InputError) as caught:
        parse(description)
    assert caught.value.code == "E-CONTRACT" and "c.yaml" in caught.value.summary
    return caught.value.summary


def cpms_create(schema: Any, **components: Any) -> contract.Operation:
    """The create of a CPMS where its body is `schema`."""
    description = loaded()
    description["components"]["schemas"].update(components)
    description["paths"]["/tenant/{tenant}/cpms"]["post"]["requestBody"]["content"]["application/json"]["schema"] = (
        schema
    )
    create = parse(description).offer(CPMS).create
    assert create is not None
    return create


# ------------------------------------------------------------------------------------------------------- the bundled


def test_bundled() -> None:
    """The bundled description offers what the vendor's pages say: only `url` of a CPMS can be updated."""
    offers = contract_of()
    cpms, charger, tenant = offers.offer(CPMS), offers.offer(CHARGER), offers.offer(TENANT)
    assert cpms.create and cpms.update and charger.create and charger.update and tenant.update
    assert set(cpms.create.fields) == cpms.create.required == {"displayName", "url", "interval"}
    assert set(cpms.update.fields) == {"url"}
    assert set(charger.create.fields) == {"identity", "displayName", "profileId"}
    assert set(charger.update.fields) == {"displayName", "profileId"}
    assert (tenant.create, tenant.list, tenant.delete, set(tenant.update.fields)) == (None, None, None, {"name"})


def test_evidence() -> None:
    """Charger writes are inferred, CPMS writes and the list of chargers are documented."""
    charger, cpms = contract_of().offer(CHARGER), contract_of().offer(CPMS)
    assert charger.list and charger.create and charger.update and charger.delete
    assert [op.inferred for op in (charger.list, charger.create, charger.update, charger.delete)] == [
        False,
        True,
        True,
        True,
    ]
    assert not any(op.infers(["url"]) for op in (cpms.create, cpms.update, cpms.delete) if op)


def test_no_mark_means_documented() -> None:
    """An operation without a mark is documented, and a single inferred field makes inferred what sends it."""
    description = loaded()
    put = description["paths"]["/tenant/{tenant}/charger/{chargerId}"]["put"]
    put.pop("x-exolink-evidence")
    put["requestBody"]["content"]["application/json"]["schema"] = {
        "properties": {"displayName": {"type": "string"}, "profileId": {"x-exolink-evidence": "inferred"}}
    }
    update = parse(description).offer(CHARGER).update
    assert update and not update.infers(["displayName"]) and update.infers(["displayName", "profileId"])


# -------------------------------------------------------------------------------------------------------- the shapes


@pytest.mark.parametrize("version", ["3.0.0", "3.0.3", "3.1.0", "3.1.1"])
def test_versions(version: str) -> None:
    """OpenAPI 3.0 and 3.1 are read."""
    assert parse({**loaded(), "openapi": version}).offer(CPMS).create


@pytest.mark.parametrize("version", ["2.0", "3.2.0", "4.0.0", "3", "", None])
def test_other_versions(version: Any) -> None:
    """Any other version is refused, and the message says what is needed."""
    assert "3.0 or 3.1" in refused({**loaded(), "openapi": version})


@pytest.mark.parametrize(
    "text", ["", "[]", "just text", "{", "a: [", "openapi: 3.1.0", "openapi: 3.1.0\npaths: []\n", "swagger: '2.0'"]
)
def test_not_openapi(text: str) -> None:
    """What is no OpenAPI description gets a clear error."""
    refused(text)


def test_json_and_yaml_mean_the_same() -> None:
    """A description may be JSON or YAML."""
    assert parse(CONTRACT_TEXT) == parse(json.dumps(BUNDLED)) == parse("\ufeff" + json.dumps(BUNDLED))


def test_parameter_names_do_not_count() -> None:
    """Operations are found by method and path template, whatever the vendor calls the parameters."""
    description = loaded()
    description["paths"] = {
        path.replace("{tenant}", "{domainPrefix}").replace("{cpmsId}", "{id}") + "/": item
        for path, item in description["paths"].items()
    }
    assert parse(description).offers == contract_of().offers


def test_refs_and_all_of() -> None:
    """`$ref` and `allOf` add up, through each other and at any place."""
    create = cpms_create(
        {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"url": {"allOf": [{"type": "string"}, {"maxLength": 9}]}}}]},
        Base={"allOf": [{"$ref": "#/components/schemas/Named"}], "required": ["url"]},
        Named={"properties": {"displayName": {"$ref": "#/components/schemas/A~1b~0"}}, "required": ["displayName"]},
        **{"A/b~": {"type": "string", "minLength": 2}},
    )  # fmt: skip
    assert set(create.fields) == create.required == {"displayName", "url"}
    assert create.fields["displayName"].limits == {"minLength": 2}
    assert create.fields["url"].limits == {"maxLength": 9}


def test_read_only_fields_cannot_be_sent() -> None:
    """A `readOnly` property is no field of a body, and not required."""
    create = cpms_create({"properties": {"url": {"type": "string", "readOnly": True}}, "required": ["url"]})
    assert (set(create.fields), create.required) == (set(), frozenset())


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/components/schemas/Loop"},
        {"allOf": [{"$ref": "#/components/schemas/Grow"}]},
        {"properties": {"url": {"$ref": "#/components/schemas/Loop"}}},
    ],
)
def test_circles(schema: Any) -> None:
    """References that go round in a circle are an error, not a hang."""
    description = loaded()
    description["components"]["schemas"] |= {
        "Loop": {"$ref": "#/components/schemas/Loop"},
        "Grow": {"allOf": [{"$ref": "#/components/schemas/Grow"}, {"$ref": "#/components/schemas/Grow"}]},
    }
    description["paths"]["/tenant/{tenant}/cpms"]["post"] = {"requestBody": {"content": {"application/json": {"schema": schema}}}}  # fmt: skip
    refused(description)


@pytest.mark.parametrize(
    "reference", ["other.yaml#/X", "https://example.com/x.json", "#/components/schemas/Missing", "#x"]
)
def test_references_out_of_the_file(reference: str) -> None:
    """Only references inside the file are followed, to what is there."""
    description = loaded()
    description["components"]["schemas"]["CpmsCreate"] = {"$ref": reference}
    assert reference in refused(description)


def test_a_tenant_must_be_readable() -> None:
    """Without a GET of a tenant nothing can be read, and the error says which path is missing."""
    description = loaded()
    del description["paths"]["/tenant/{tenant}"]["get"]
    assert "GET /tenant/{tenant}" in refused(description)


def test_a_kind_that_cannot_be_listed() -> None:
    """A kind without a list is an error only for who declares it, with the place."""
    description = loaded()
    del description["paths"]["/tenant/{tenant}/charger"]["get"]
    offers = parse(description)
    contract.check(offers, read_yaml("tenant: acme\ncpms: []\n"))
    with pytest.raises(InputError) as caught:
        contract.check(offers, read_yaml(document("acme", chargers=[{"identity": "A"}])))
    assert caught.value.code == "E-CONTRACT" and caught.value.diagnostics[0].source


@pytest.mark.parametrize(
    ("field", "stated"), [("interval", "string"), ("url", "object"), ("displayName", ["integer", "null"])]
)
def test_types_that_clash(field: str, stated: Any) -> None:
    """A description that gives a field another type is refused, naming field and operation."""
    description = loaded()
    description["components"]["schemas"]["CpmsCreate"]["properties"][field] = {"type": stated}
    summary = refused(description)
    assert f"`{field}`" in summary and "POST" in summary


@pytest.mark.parametrize("stated", ["number", "integer", ["integer", "null"], None])
def test_types_that_agree(stated: Any) -> None:
    """A number may be an integer, null may be allowed beside it, and no type is any type."""
    create = cpms_create({"properties": {"interval": {"type": stated} if stated else {}}})
    assert "interval" in create.fields


# -------------------------------------------------------------------------------------------------------- the limits


@pytest.mark.parametrize(
    ("limits", "good", "bad"),
    [
        ({"minimum": 5}, 5, 4),
        ({"maximum": 5}, 5, 6),
        ({"exclusiveMinimum": 5}, 6, 5),
        ({"exclusiveMaximum": 5}, 4, 5),
        ({"minimum": 5, "exclusiveMinimum": True}, 6, 5),
        ({"maximum": 5, "exclusiveMaximum": True}, 4, 5),
        ({"minimum": 5, "exclusiveMinimum": False}, 5, 4),
        ({"enum": [30, 60]}, 60, 61),
    ],
)
def test_limits_of_numbers(limits: Any, good: int, bad: int) -> None:
    """Numbers outside the limits of the contract are refused, in 3.0's form of the keywords and in 3.1's."""
    description = loaded()
    description["components"]["schemas"]["CpmsCreate"]["properties"]["interval"] = {"type": "integer", **limits}
    offers = parse(description)
    contract.check(offers, read_yaml(document("acme", cpms=[{"displayName": "A", "interval": good}])))
    with pytest.raises(InputError) as caught:
        contract.check(offers, read_yaml(document("acme", cpms=[{"displayName": "A", "interval": bad}])))
    assert caught.value.code == "E-LIMIT" and "interval of acme/cpms/A" in caught.value.summary


@pytest.mark.parametrize(
    ("limits", "good", "bad"),
    [
        ({"minLength": 2}, "ab", "a"),
        ({"maxLength": 2}, "éé", "abc"),
        ({"pattern": "^[A-Z]+$"}, "AB", "aB"),
        ({"pattern": "B"}, "ABA", "AA"),
        ({"enum": ["x", "y"]}, "x", "z"),
    ],
)
def test_limits_of_text(limits: Any, good: str, bad: str) -> None:
    """Text outside the limits is refused; lengths count characters, patterns search."""
    description = loaded()
    description["components"]["schemas"]["ChargerUpdate"]["properties"]["displayName"] = {"type": "string", **limits}
    offers = parse(description)
    contract.check(offers, read_yaml(document("acme", chargers=[{"identity": "A", "displayName": good}])))
    with pytest.raises(InputError, match="E-LIMIT"):
        contract.check(offers, read_yaml(document("acme", chargers=[{"identity": "A", "displayName": bad}])))


def test_a_broken_limit_does_not_show_a_secret() -> None:
    """A URL that is too long is refused without quoting it."""
    description = loaded()
    description["components"]["schemas"]["CpmsCreate"]["properties"]["url"]["maxLength"] = 5
    with pytest.raises(InputError) as caught:
        contract.check(parse(description), read_yaml(document("acme", cpms=[{"displayName": "A", "url": "wss://u:hunter2@h"}])))  # fmt: skip
    assert "hunter2" not in caught.value.summary


def test_all_broken_limits_at_once() -> None:
    """Each entry outside a limit is told, with its place; a field that is left out breaks none."""
    description = loaded()
    description["components"]["schemas"]["CpmsCreate"]["properties"]["interval"] = {"minimum": 5}
    yaml = document("acme", cpms=[{"displayName": "A", "interval": 1}, {"displayName": "B"}, {"displayName": "C", "interval": 2}])  # fmt: skip
    with pytest.raises(InputError) as caught:
        contract.check(parse(description), read_yaml(yaml))
    assert [each.source and each.source.line for each in caught.value.diagnostics] == [3, 5]


# ------------------------------------------------------------------------------------------------ another description


def test_an_update_that_takes_interval() -> None:
    """With a description whose update of a CPMS takes `interval`, what was held back is updated."""
    description = loaded()
    description["components"]["schemas"]["CpmsUpdate"]["properties"]["interval"] = {"type": "integer"}
    yaml = document("acme", cpms=[{"displayName": "A", "url": "wss://h/", "interval": 60}])
    for text, fields, updatable in ((CONTRACT_TEXT, 0, ("url",)), (json.dumps(description), 1, ("url", "interval"))):
        world = World(cpms_update_fields=updatable)
        world.add("acme", "cpms", displayName="A", url="wss://h/", interval=30)
        with pipeline(world, contract_text=text) as run:
            plan = run.plan(yaml)
            run.apply(yaml, plan)
        assert [[change.name for change in step.fields] for step in plan.steps] == [["interval"]] * fields
        assert len(plan.held_back) == 1 - fields
        assert world.row("acme", "cpms", "A")["interval"] == (60 if fields else 30)


def test_a_create_of_tenants() -> None:
    """With a description that creates tenants, a tenant that is missing is planned before what is in it, and made."""
    yaml = document("new", name="New", cpms=[{"displayName": "A", "url": "wss://h/", "interval": 60}])
    world = World(tenant_create=True)
    with pipeline(world, contract_text=tenant_create_contract()) as run:
        plan = run.plan(yaml)
        result = run.apply(yaml, plan)
        again = run.plan(yaml)
    assert [[str(step.address) for step in wave] for wave in plan.waves] == [["new/tenant/new"], ["new/cpms/A"]]
    assert result.totals == (2, 0, 0) and not again.differs
    assert world.rows("new", "tenant")[0]["name"] == "New"


def test_tenants_are_never_deleted() -> None:
    """Whatever the contract offers, no plan deletes a tenant."""
    description = loaded()
    description["paths"]["/tenant/{tenant}"]["delete"] = DONE
    assert parse(description).offer(TENANT).delete is None
    world = World(tenants=("acme", "other"))
    yaml = document("acme", policy={"exclusive": ["*"]})
    with pipeline(world, contract_text=json.dumps(description)) as run:
        assert [step for step in run.plan(yaml, prune=True).steps if step.action is Action.DELETE] == []


def test_a_create_that_needs_more() -> None:
    """A field the API requires and nobody wrote holds the create back whole, naming the field."""
    with pipeline(World()) as run:
        plan = run.plan(document("acme", cpms=[{"displayName": "A", "url": "wss://h/"}]))
    assert list(plan.steps) == []
    assert [(held.code, "interval" in held.reason) for held in plan.held_back] == [("E-CONTRACT", True)]


def test_a_create_that_takes_less() -> None:
    """A declared field that no create takes holds the create back whole: it would come out other than declared."""
    entry = {"displayName": "A", "url": "wss://h/", "interval": 1, "authPassThrough": "true"}
    with pipeline(World()) as run:
        plan = run.plan(document("acme", cpms=[entry]))
    assert list(plan.steps) == [] and "authPassThrough" in plan.held_back[0].reason


def test_required_fields_that_we_do_not_know() -> None:
    """A body that requires a field unknown to the kind holds the create back, and names it."""
    description = loaded()
    create = description["components"]["schemas"]["CpmsCreate"]
    create["properties"].update({"region": {"type": "string"}, "made": {"type": "string", "readOnly": True}})
    create["required"] += ["region", "authMode", "made"]
    yaml = document("acme", cpms=[{"displayName": "A", "url": "wss://h/", "interval": 1}])
    with pipeline(World(), contract_text=json.dumps(description)) as run:
        plan = run.plan(yaml)
    assert list(plan.steps) == []
    assert plan.held_back[0].reason == "the contract's create needs authMode, region, which the YAML does not write"


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"interval": {"minimum": "10"}}}, {"properties": {"interval": {"exclusiveMaximum": []}}},
        {"properties": {"url": {"maxLength": "30"}}}, {"properties": {"url": {"pattern": 5}}},
        {"properties": {"url": {"enum": 5}}}, {"allOf": 5}, {"required": "url"}, {"required": 5},
    ],
)  # fmt: skip
def test_malformed_schemas(schema: Any) -> None:
    """A limit or list that is none is told, not guessed at."""
    with pytest.raises(InputError) as caught:
        cpms_create(schema)
    assert caught.value.code == "E-CONTRACT"


def test_many_references_take_no_time() -> None:
    """A description whose parts refer to each other many times over is read in a moment, or refused."""
    description = loaded()
    schemas = description["components"]["schemas"]
    for number in range(28):
        link = {"$ref": f"#/components/schemas/N{number + 1}"}
        schemas[f"N{number}"] = {"allOf": [link, link]}
    schemas["N28"] = {"type": "object"}
    schemas["CpmsUpdate"] = {"$ref": "#/components/schemas/N14"}
    assert parse(description).offer(CPMS).update is not None
