"""What holds for every kind, and what it takes to add one."""

import json
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from support_pipeline import CONTRACT_TEXT, as_json, document, pipeline, read_yaml
from world import World

from exolink_reconcile import schema
from exolink_reconcile.errors import InputError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, Status
from exolink_reconcile.report import capabilities, text
from exolink_reconcile.resource import (
    Flag,
    Key,
    Kind,
    Name,
    Resource,
    Text,
    WholeNumber,
    entry_model,
    fields,
    key,
    row_model,
)
from exolink_reconcile.resource import compared as compared_fields
from exolink_reconcile.saved_plan import reader

LISTED = [kind for kind in KINDS if not kind.is_tenant()]
VALUES = {"string": ("wss://a.example.com/", "wss://b.example.com/"), "integer": (3, 4), "boolean": (True, False)}
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
each_listed = pytest.mark.parametrize("kind", LISTED, ids=lambda kind: kind.kind)


def row(kind: Kind, **values: Any) -> Any:
    """A live row, decoded from JSON as the API would send it."""
    sent = {"id": 7, key(kind): "x", **values}
    return TypeAdapter(row_model(kind)).validate_json(json.dumps(sent), extra="ignore")


def sample(kind: Kind, variant: int = 0) -> dict[str, Any]:
    """A value for each field that the contract lets a create carry."""
    with pipeline(World()) as run:
        create = run.contract.offer(kind).create
    names = create.fields if create else ()
    return {name: VALUES[facts.json_type][variant] for name, facts in fields(kind).items() if name in names}


# ------------------------------------------------------------------------------------------------------- every kind


@each_kind
def test_key(kind: Kind) -> None:
    """A kind has one key, which is a required name, and everything else is optional and compared."""
    assert [name for name, facts in fields(kind).items() if facts.is_key] == [key(kind)]
    assert {name for name, info in kind.model_fields.items() if info.is_required()} == {key(kind)}
    assert compared_fields(kind) == tuple(name for name in fields(kind) if name != key(kind))
    for bad in ("", "  ", "a\u202eb", "a\nb", "a\u200bb"):
        with pytest.raises(ValidationError):
            entry_model(kind).model_validate({key(kind): bad})


@each_kind
def test_words(kind: Kind) -> None:
    """Words and paths of a kind are its own, and its paths name the tenant and, below a list, the id."""
    assert [other.kind for other in KINDS].count(kind.kind) == 1
    assert [other.entries for other in KINDS].count(kind.entries) == 1
    assert "/" not in kind.kind
    assert "{tenant}" in kind.item and ("{id}" in kind.item) is not kind.is_tenant()
    assert not set(kind.reported) & set(fields(kind))
    assert all(facts.description for facts in fields(kind).values())


@each_kind
def test_entries_refuse_unknown_keys(kind: Kind) -> None:
    """A key nobody knows is refused, and so is one that the API only reports."""
    for name in ("colour", "tenantId", *kind.reported):
        with pytest.raises(ValidationError, match="extra_forbidden"):
            entry_model(kind).model_validate({key(kind): "x", name: "1"})


@each_kind
def test_managed_is_what_was_written(kind: Kind) -> None:
    """A field that YAML leaves out is not managed, whatever its default."""
    assert entry_model(kind).model_validate({key(kind): "x"}).model_fields_set == {key(kind)}


@each_kind
def test_numbers_as_text(kind: Kind) -> None:
    """Ids and whole numbers decode from numbers, from floats and from their text; text decodes from numbers."""
    for name, facts in fields(kind).items():
        if facts.json_type == "integer":
            assert [getattr(row(kind, **{name: value}), name) for value in (30, 30.0, "30")] == [30, 30, 30]
        elif facts.json_type == "string" and not facts.secret:
            assert getattr(row(kind, **{name: 123}), name) == "123"
    assert row(kind, id="12").id == 12


@each_kind
def test_rows_take_more_than_we_know(kind: Kind) -> None:
    """A field we do not know is ignored; null is no value; a row is deleted when it says so."""
    nothing = dict.fromkeys(compared_fields(kind))
    parsed = row(kind, **nothing, brandNew={"a": [1]}, deletedAt="2025-10-15T15:19:50.834Z")
    assert all(getattr(parsed, name) is None for name in compared_fields(kind))
    assert parsed.deletedAt


@each_kind
@pytest.mark.parametrize("spoilt", [{"id": None}, {"id": "x"}, {"id": 7.5}, {"KEY": None}, {"KEY": {}}])
def test_rows_without_id_or_key(kind: Kind, spoilt: dict[str, Any]) -> None:
    """A row without a whole id or without a key is not a row: it spoils its list, and is never guessed."""
    with pytest.raises(ValidationError):
        row(kind, **{key(kind) if name == "KEY" else name: value for name, value in spoilt.items()})


@each_kind
def test_an_entry_equals_its_row(kind: Kind) -> None:
    """What YAML says as text compares equal to what the API answers as JSON."""
    for name, facts in fields(kind).items():
        if facts.json_type != "string":
            value = VALUES[facts.json_type][0]
            written = entry_model(kind).model_validate({key(kind): "x", name: str(value).lower()})
            assert getattr(written, name) == getattr(row(kind, **{name: value}), name)


# ------------------------------------------------------------------------------------------- through the pipeline


@each_listed
def test_create(kind: Kind) -> None:
    """What is declared and not live is created, with what was written and nothing else."""
    values = {**sample(kind), key(kind): "New one"}
    world = World()
    yaml = document("acme", **{str(kind.entries): [values]})
    with pipeline(world) as run:
        result = run.apply(yaml)
        again = run.plan(yaml)
    assert [outcome.status for outcome in result.outcomes] == [Status.DONE]
    assert [request.json for request in world.writes] == [values]
    assert not again.differs


@each_listed
def test_update(kind: Kind) -> None:
    """A field that differs is sent where the contract takes it, and held back where it does not."""
    before = {**sample(kind), key(kind): "Old one"}
    for name, after in sample(kind, 1).items():
        if name == key(kind):
            continue
        world = World()
        world.add("acme", kind.kind, **before)
        yaml = document("acme", **{str(kind.entries): [{**before, name: after}]})
        with pipeline(world) as run:
            update = run.contract.offer(kind).update
            plan = run.plan(yaml)
            run.apply(yaml, plan)
        sendable = update is not None and name in update.fields
        assert [step.action for step in plan.steps] == [Action.UPDATE] * sendable
        assert [held.field.name for held in plan.held_back if held.field] == [name] * (not sendable)
        assert world.row("acme", kind.kind, "Old one")[name] == (after if sendable else before[name])


@each_listed
def test_delete(kind: Kind) -> None:
    """A `removed` entry deletes its object, and one that is gone already is not a change."""
    world = World()
    world.add("acme", kind.kind, **{key(kind): "Old one"})
    world.add("acme", kind.kind, **{key(kind): "Other"})
    yaml = document("acme", removed=[{kind.kind: "Old one"}])
    with pipeline(world) as run:
        run.apply(yaml)
        assert not run.plan(yaml).differs
    assert [live[key(kind)] for live in world.live("acme", kind.kind)] == ["Other"]


@each_listed
def test_without_an_operation_it_is_held_back(kind: Kind) -> None:
    """What the contract does not offer is shown with its reason, and never sent."""
    loaded = YAML(typ="safe").load(CONTRACT_TEXT)
    for path, item in loaded["paths"].items():
        if f"/{kind.kind}" in path:
            for method in ("post", "put", "delete"):
                item.pop(method, None)
    world = World()
    world.add("acme", kind.kind, **{**sample(kind), key(kind): "Here"})
    world.add("acme", kind.kind, **{**sample(kind), key(kind): "Gone"})
    entries = [{**sample(kind), key(kind): "New"}, {**sample(kind, 1), key(kind): "Here"}]
    yaml = document("acme", **{str(kind.entries): entries}, removed=[{kind.kind: "Gone"}])
    with pipeline(world, contract_text=json.dumps(loaded)) as run:
        plan = run.plan(yaml)
        run.apply(yaml, plan)
    assert list(plan.steps) == [] and world.writes == []
    assert {(held.address.name, held.action) for held in plan.held_back} == {
        ("New", Action.CREATE),
        ("Here", Action.UPDATE),
        ("Gone", Action.DELETE),
    }


# -------------------------------------------------------------------------------------------------- a fourth kind


class Widget(Resource):
    """The one class."""

    kind: ClassVar[str] = "widget"
    entries: ClassVar[str | None] = "widgets"
    collection: ClassVar[str] = "/tenant/{tenant}/widget"
    item: ClassVar[str] = "/tenant/{tenant}/widget/{id}"

    title: Annotated[Name, Key()] = Field(description="Its name.")
    colour: Text | None = Field(None, description="Its colour.")
    size: WholeNumber | None = Field(None, description="Its size.")
    shiny: Flag | None = Field(None, description="Whether it shines.")


MORE_KINDS: tuple[Kind, ...] = (*KINDS, Widget)  # the one line

_WIDGET_BODY: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": {
    "title": {"type": "string"}, "colour": {"type": "string", "maxLength": 10}, "size": {"type": "integer"},
    "shiny": {"type": "boolean"},
}}  # fmt: skip


def widget_contract() -> str:
    """The bundled description, with an API for widgets."""
    loaded = YAML(typ="safe").load(CONTRACT_TEXT)
    update = {**_WIDGET_BODY, "properties": {n: s for n, s in _WIDGET_BODY["properties"].items() if n != "title"}}
    done = {"responses": {"2XX": {"description": "done"}}}

    def body(schema: dict[str, Any]) -> dict[str, Any]:
        return {"requestBody": {"content": {"application/json": {"schema": schema}}}, **done}

    tenant = {"$ref": "#/components/parameters/Tenant"}
    number = {"name": "w", "in": "path", "required": True, "schema": {"type": "integer"}}
    loaded["paths"]["/tenant/{t}/widget".replace("{t}", "{tenant}")] = {
        "parameters": [tenant],
        "get": done,
        "post": body({**_WIDGET_BODY, "required": ["title", "colour"]}),
    }
    loaded["paths"]["/tenant/{tenant}/widget/{w}"] = {
        "parameters": [tenant, number],
        "get": done,
        "put": body(update),
        "delete": done,
    }
    return json.dumps(loaded)


def widget_world() -> World:
    types = {"title": str, "colour": str, "size": int, "shiny": bool}
    update = {name: each for name, each in types.items() if name != "title"}
    extra = {"widget": {"key": "title", "create": types, "update": update, "required": ["title", "colour"]}}
    return World(extra_kinds=extra)


def widgets(world: World) -> list[tuple[Any, ...]]:
    return [(r["title"], r["colour"], r.get("size"), r.get("shiny")) for r in world.live("acme", "widget")]


def with_widgets(world: World) -> Any:
    return pipeline(world, kinds=MORE_KINDS, contract_text=widget_contract())


WIDGETS = """
tenant: acme
defaults: {widgets: {colour: red}}
policy: {exclusive: [widget]}
widgets:
  - {title: First, size: 3, shiny: true}
  - {title: Second, colour: blue, createOnly: [colour]}
removed:
  - {widget: Third}
"""


def test_a_fourth_kind_is_reconciled() -> None:
    """A new kind is planned, applied, verified and planned to nothing, and no module had to know it."""
    world = widget_world()
    world.add("acme", "widget", title="Third", colour="grey")
    world.add("acme", "widget", title="Second", colour="grey", size=1, shiny=False)
    with with_widgets(world) as run:
        plan = run.plan(WIDGETS)
        result = run.apply(WIDGETS, plan)
        again = run.plan(WIDGETS)
    assert [(s.action.word, str(s.address)) for s in plan.steps] == [
        ("create", "acme/widget/First"),
        ("delete", "acme/widget/Third"),
    ]
    assert [outcome.status for outcome in result.outcomes] == [Status.DONE] * 2
    assert not again.differs
    assert sorted(widgets(world)) == [("First", "red", 3, True), ("Second", "grey", 1, False)]


def test_a_fourth_kind_is_updated_and_pruned() -> None:
    """The verbs of a new kind are those of the contract."""
    world = widget_world()
    world.add("acme", "widget", title="First", colour="red", size=1, shiny=True)
    world.add("acme", "widget", title="Stray", colour="grey")
    with with_widgets(world) as run:
        plan = run.plan(WIDGETS, prune=True)
        run.apply(WIDGETS, plan)
    assert [(s.action.word, s.address.name, [c.name for c in s.fields]) for s in plan.steps] == [
        ("update", "First", ["size"]),
        ("create", "Second", ["title", "colour"]),
        ("delete", "Stray", []),
    ]
    assert sorted(widgets(world)) == [("First", "red", 3, True), ("Second", "blue", None, None)]


def test_a_fourth_kind_is_shown_saved_and_exported() -> None:
    """Every writer knows a new kind: text, plan JSON, a saved plan, export, capabilities, the schema of the YAML."""
    world = widget_world()
    world.add("acme", "widget", title="Third", colour="grey", size=2)
    with with_widgets(world) as run:
        plan = run.plan(WIDGETS)
        exported, warnings = run.export("acme")
        offered = capabilities.capabilities(run.contract)
    assert "acme/widget/First" in text.plan(plan, "0" * 64)
    saved = reader.plan(reader.read(as_json(plan).encode(), MORE_KINDS), MORE_KINDS)
    assert [step.address for step in saved.steps] == [step.address for step in plan.steps]
    assert "  - title: Third\n    colour: grey\n    size: 2\n" in exported and warnings == []
    assert "widget" in offered and "shiny" in offered
    assert "widgets" in schema.config(MORE_KINDS)["properties"]


def test_a_fourth_kind_is_judged_like_the_others() -> None:
    """Limits, types and unknown keys of a new kind are reported with their places."""
    with with_widgets(widget_world()) as run:
        with pytest.raises(InputError) as types:
            run.desired("tenant: acme\nwidgets:\n  - {title: A, shiny: yes}\n  - {title: B, colur: red}\n")
        with pytest.raises(InputError) as limits:
            run.desired("tenant: acme\nwidgets:\n  - {title: A, colour: much too long a word}\n")
    assert [(d.code, d.source and d.source.line) for d in types.value.diagnostics] == [
        ("E-TYPE", 3),
        ("E-UNKNOWN-KEY", 4),
    ]
    assert [d.code for d in limits.value.diagnostics] == ["E-LIMIT"]


def test_the_other_kinds_do_not_see_it() -> None:
    """Without its line in the list a kind does not exist."""
    with pytest.raises(InputError, match="unknown key `widgets`"):
        read_yaml("tenant: acme\nwidgets: []\n")
