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
from exolink_reconcile.openapi import Operation
from exolink_reconcile.patterns import Patterns

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


def cpms_create(schema: Any, **components: Any) -> Operation:
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
        {
            "allOf": [
                {"$ref": "#/components/schemas/Base"},
                {"properties": {"url": {"allOf": [{"type": "string"}, {"maxLength": 9}]}}},
            ]
        },
        Base={"allOf": [{"$ref": "#/components/schemas/Named"}], "required": ["url"]},
        Named={"properties": {"displayName": {"$ref": "#/components/schemas/A~1b~0"}}, "required": ["displayName"]},
        **{"A/b~": {"type": "string", "minLength": 2}},
    )
    assert set(create.fields) == create.required == {"displayName", "url"}
    assert create.fields["displayName"].limits == {"minLength": 2}
    assert create.fields["url"].limits == {"maxLength": 9}


def test_read_only_fields_cannot_be_sent() -> None:
    """A `readOnly` property is not a field of a body, and not required."""
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
    description["paths"]["/tenant/{tenant}/cpms"]["post"] = {
        "requestBody": {"content": {"application/json": {"schema": schema}}}
    }
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
        ({"multipleOf": 5}, 15, 16),
        ({"multipleOf": 2.5}, 5, 6),
        ({"const": 30}, 30, 31),
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
        ({"const": "x"}, "x", "y"),
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
        contract.check(
            parse(description), read_yaml(document("acme", cpms=[{"displayName": "A", "url": "wss://u:hunter2@h"}]))
        )
    assert "hunter2" not in caught.value.summary


def test_all_broken_limits_at_once() -> None:
    """Each entry outside a limit is reported, with its place; a field that is left out breaks none."""
    description = loaded()
    description["components"]["schemas"]["CpmsCreate"]["properties"]["interval"] = {"minimum": 5}
    yaml = document(
        "acme", cpms=[{"displayName": "A", "interval": 1}, {"displayName": "B"}, {"displayName": "C", "interval": 2}]
    )
    with pytest.raises(InputError) as caught:
        contract.check(parse(description), read_yaml(yaml))
    assert [diagnostic.source and diagnostic.source.line for diagnostic in caught.value.diagnostics] == [3, 5]


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
        {"properties": {"interval": {"minimum": "10"}}},
        {"properties": {"interval": {"exclusiveMaximum": []}}},
        {"properties": {"url": {"maxLength": "30"}}},
        {"properties": {"url": {"pattern": 5}}},
        {"properties": {"url": {"enum": 5}}},
        {"allOf": 5},
        {"required": "url"},
        {"required": 5},
    ],
)
def test_malformed_schemas(schema: Any) -> None:
    """What is not a limit or not a list is reported, not guessed at."""
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


# ------------------------------------------------------------------------------------- what a description may not say


def paths(**changes: Any) -> dict[str, Any]:
    """The bundled description with operations of the list and the item of CPMS changed."""
    description = loaded()
    for method, change in changes.items():
        name = "/tenant/{tenant}/cpms" if method == "list" else "/tenant/{tenant}/cpms/{cpmsId}"
        description["paths"][name]["get" if method == "list" else method].update(change)
    return description


PAGE = {"in": "query", "name": "page", "required": True, "schema": {"type": "integer"}}


@pytest.mark.parametrize(
    "parameter", [PAGE, {"$ref": "#/components/parameters/Page"}, PAGE | {"in": "header", "name": "X-Page"}]
)
def test_row_A6_a_list_that_needs_paging(parameter: Any) -> None:
    """A list that must be asked for page by page is refused: this tool would take a page for the whole."""
    description = paths(list={"parameters": [parameter]})
    description["components"]["parameters"]["Page"] = PAGE
    assert parameter.get("name", "page") in refused(description)
    description["paths"]["/tenant/{tenant}/cpms"]["get"]["parameters"] = [{**PAGE, "required": False}]
    assert parse(description).offer(CPMS).list
    del description["paths"]["/tenant/{tenant}/cpms"]["post"]
    description["paths"]["/tenant/{tenant}/cpms"]["parameters"].append(PAGE)
    assert parse(description).offer(CPMS).list, "the operation's own parameter stands over the path's"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"data": {"type": "array"}}},
        {"properties": {"items": {}}},
        {"$ref": "#/components/schemas/Cpms"},
        {"type": ["object", "null"]},
        {"allOf": [{"$ref": "#/components/schemas/Cpms"}]},
    ],
)
@pytest.mark.parametrize("status", ["200", "2XX", "default"])
def test_row_A6_a_list_that_is_not_an_array(schema: Any, status: str) -> None:
    """A list that is answered inside of something else is refused."""
    answer = {"responses": {status: {"content": {"application/json": {"schema": schema}}}}}
    assert "list" in refused(paths(list=answer))


@pytest.mark.parametrize(
    "schema", [{"type": "array"}, {"type": ["array", "null"]}, {}, {"items": {"type": "object"}}, None]
)
def test_row_A6_a_list_that_may_be_an_array(schema: Any) -> None:
    """An array is fine, and so is a description that says nothing."""
    assert (
        parse(paths(list={"responses": {"200": {"content": {"application/json": {"schema": schema}}}}}))
        .offer(CPMS)
        .list
    )


def item(name: str, schema: Any) -> dict[str, Any]:
    """The bundled description with chargers addressed by another parameter."""
    description = loaded()
    value = description["paths"].pop("/tenant/{tenant}/charger/{chargerId}")
    value["parameters"] = [{"in": "path", "name": name, "required": True} | ({"schema": schema} if schema else {})]
    description["paths"][f"/tenant/{{tenant}}/charger/{{{name}}}"] = value
    return description


@pytest.mark.parametrize(("name", "schema"), [("identity", None), ("identity", {"type": "string"}), ("chargerId", {"type": "string"}), ("key", {}), ("chargerId", {"allOf": [{"type": "string"}]})])  # fmt: skip
def test_row_F20_an_item_that_is_not_found_by_its_id(name: str, schema: Any) -> None:
    """A path that takes a charger's identity would delete the charger *called* 501: refused."""
    assert f"`{name}`" in refused(item(name, schema))


@pytest.mark.parametrize(
    ("name", "schema"),
    [("id", None), ("charger_id", {}), ("number", {"type": "integer"}), ("x", {"type": ["integer", "string"]})],
)
def test_row_F20_an_item_that_is_found_by_its_id(name: str, schema: Any) -> None:
    """An integer, or what is called an id and not said to be anything else."""
    assert parse(item(name, schema)).offer(CHARGER).update


def test_row_F21_keywords_beside_a_reference() -> None:
    """What stands beside a `$ref` counts, in a schema as in everything else."""
    create = cpms_create(
        {
            "$ref": "#/components/schemas/Base",
            "required": ["url"],
            "properties": {"interval": {"$ref": "#/components/schemas/N", "maximum": 5}},
        },
        Base={"properties": {"url": {"type": "string"}}},
        N={"type": "integer", "minimum": 2, "maximum": 9},
    )
    assert set(create.fields) == {"url", "interval"} and create.required == {"url"}
    assert create.fields["interval"].limits == {"minimum": 2, "maximum": 5}
    description = loaded()
    description["components"]["pathItems"] = {"P": {"get": DONE}}
    description["paths"]["/tenant/{tenant}/cpms/{cpmsId}"] = {"$ref": "#/components/pathItems/P", "put": DONE}
    offer = parse(description).offer(CPMS)
    assert offer.get and offer.update


def test_row_F21_templates_that_differ_in_a_name() -> None:
    """Operations of one path may stand under several spellings of it; the same operation twice is refused."""
    description = loaded()
    put = description["paths"]["/tenant/{tenant}/cpms/{cpmsId}"].pop("put")
    description["paths"]["/tenant/{t}/cpms/{id}/"] = {"put": put}
    offer = parse(description).offer(CPMS)
    assert offer.update and offer.get and offer.delete
    description["paths"]["/tenant/{t}/cpms/{id}/"]["get"] = DONE
    assert "twice" in refused(description)


def test_limits_add_up() -> None:
    """Of limits that are given in several places all hold."""
    create = cpms_create(
        {
            "allOf": [
                {"properties": {"interval": {"maximum": 5, "enum": [1, 2, 3], "multipleOf": 2}}},
                {"properties": {"interval": {"maximum": 9, "minimum": 1, "enum": [2, 3, 4]}}},
            ]
        }
    )
    assert create.fields["interval"].limits == {
        "maximum": 5,
        "minimum": 1,
        "enum": dict.fromkeys([2, 3]),
        "multipleOf": 2,
    }


@pytest.mark.parametrize(
    "schema", [{"multipleOf": 0}, {"multipleOf": -1}, {"multipleOf": "2"}, {"minLength": True}, {"maximum": True}]
)
def test_limits_that_are_none(schema: Any) -> None:
    """A limit that cannot be one is refused."""
    with pytest.raises(InputError, match="E-CONTRACT"):
        cpms_create({"properties": {"interval": schema}})


# ------------------------------------------------------------------------------------------------------ bounded in time


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|a)*b", "^(a?){40}a{40}$", "a?" * 40 + "a{40}", "(a*)*b", "(?:a{1,40}){1,40}b", "(.*)=\\1", "(?=(a+)+b)", "^" + "(a|b|)" * 40 + "c", "a*" * 20 + "b", "\\p{L}+", "(", "x" * 2_000])  # fmt: skip
def test_row_E18_patterns_end(pattern: str) -> None:
    """A pattern that could take long, or that Python does not know, is left to the API: it refuses nothing, and at once."""
    assert Patterns().allow(pattern, "a" * 39 + "!")


@pytest.mark.parametrize(("pattern", "good", "bad"), [("^[A-Z]{2}-[0-9]+$", "CP-1", "cp-1"), ("^wss?://[^/]+(/.*)?$", "wss://h", "http://h"), ("^(AC|DC)$", "AC", "XC"), ("^([0-9a-f]{2}:){5}[0-9a-f]{2}$", "00:11:22:33:44:55", "00"), ("^\\d+$", "5", "٥"), ("^\\S.*\\S$", "a b", " a")])  # fmt: skip
def test_row_E18_patterns_that_people_write(pattern: str, good: str, bad: str) -> None:
    """Plain patterns are judged here, as ECMAScript means them."""
    assert Patterns().allow(pattern, good) and not Patterns().allow(pattern, bad)


def test_row_E18_the_budget_is_for_all_of_them() -> None:
    """Many texts and slow patterns together end as well: what is over the budget is left to the API."""
    patterns = Patterns(steps=1_000)
    assert [patterns.allow("^b*$", "a" * 30) for _ in range(3)] == [False, True, True]


def test_row_E18_a_reference_counts_once() -> None:
    """`allOf` doubled thirty-one times, by references or YAML aliases, is thirty-one schemas."""
    description = loaded()
    schemas = description["components"]["schemas"]
    for number in range(31):
        link = {"$ref": f"#/components/schemas/N{number + 1}"}
        schemas[f"N{number}"] = {"allOf": [link, link]}
    schemas["N31"] = {"properties": {"url": {"type": "string"}}}
    schemas["CpmsUpdate"] = {"$ref": "#/components/schemas/N0"}
    update = parse(description).offer(CPMS).update
    assert update and set(update.fields) == {"url"}


def test_row_E18_a_description_of_aliases() -> None:
    """Nothing that YAML multiplies by aliases is ever written out, not even in a message."""
    lines = "".join(f"a{n + 1}: &a{n + 1} {{allOf: [*a{n}, *a{n}, *a{n}]}}\n" for n in range(40))
    refused(
        f"openapi: 3.1.0\na0: &a0 {{type: object}}\n{lines}paths: {{/tenant/{{tenant}}: {{get: {{requestBody: {{content: {{application/json: {{schema: {{allOf: *a40}}}}}}}}}}}}}}\n"
    )


@pytest.mark.parametrize("text", ["{" + " " * 17_000_000 + "}", "a: 1\n" * 500_000])
def test_row_E18_a_huge_description(text: str) -> None:
    """A file that would take minutes to read is refused by its size."""
    assert "larger than" in refused(text)


def test_a_choice_of_very_many() -> None:
    """A message names the first few of them; what no field can be is not one."""
    description = loaded()
    interval = {"enum": [{}, [], *range(100, 1100)]}
    description["components"]["schemas"]["CpmsCreate"]["properties"]["interval"] = interval
    offer = contract.parse(json.dumps(description), KINDS).offer(CPMS)
    message = contract.broken_limit(offer, "interval", 7)
    assert message.startswith("must be one of 100, 101, ") and message.endswith(" 119 and 980 more")
    assert contract.broken_limit(offer, "interval", 600) == ""
