"""Text that is legal goes from live to YAML to declared, and from YAML to the API, as it is."""

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support_pipeline import contract_of, entry, pipeline, read_yaml, scalar
from world import World

from exolink_reconcile import export
from exolink_reconcile.desired import documents
from exolink_reconcile.inert import hostile_character
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.resource import row_model

TENANT, CPMS, CHARGER = KINDS
FAST = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
# What YAML gives a meaning to, and what it might take for something else than text.
SHARP = st.sampled_from(list(" :#-?,[]{}&*!|>'\"%@`\\$~=<.0123456789aeEoxyYnNfF/") + ["${", "$${", "null", "true"])
anything = st.characters(exclude_categories=["Cs"]).filter(lambda character: not hostile_character(character))
texts = st.lists(SHARP | anything, min_size=1, max_size=12).map("".join)
legal = texts.filter(str.strip)


def survives_quoting(text: str) -> None:
    parsed, problems = documents.read("f.yaml", f"tenant: acme\nname: {scalar(text)}\n".encode(), {})
    assert problems == [] and parsed[0].body["name"] == text


def survives_export(name: str, label: str) -> None:
    """`export` writes what `documents` reads back, or leaves it out with a warning; never a file that cannot be read."""
    row_of: Any = row_model(CHARGER)
    rows = {
        TENANT: [],
        CPMS: [],
        CHARGER: [row_of(id=7, identity=name, displayName=label, profileId=1)],
    }
    texts, warnings = export.tenants({"acme": rows}, contract_of())
    text = texts["acme"]
    declared = [entry.resource for entry in read_yaml(text).tenants[0].declared[CHARGER]]
    names = [(entry.identity, entry.displayName) for entry in declared]  # type: ignore[attr-defined]  # a field of this kind
    assert names == [(name, label)] or warnings


@FAST
@given(legal)
def test_double_quotes(text: str) -> None:
    """Any legal name in double quotes is that name."""
    assume("\ufffe" not in text and "\uffff" not in text)  # no YAML can hold these
    survives_quoting(text)


@FAST
@given(legal, legal)
def test_export(name: str, label: str) -> None:
    """Any legal name that is live is exported so that it reads back as itself."""
    survives_export(name, label)


@pytest.mark.long
@pytest.mark.timeout(600)
@LONG
@given(legal, legal)
def test_export_long(name: str, label: str) -> None:
    """The same, five thousand times."""
    survives_export(name, label)


@pytest.mark.parametrize("character", ["\ufffe", "\uffff"])
def test_export_leaves_out_what_yaml_cannot_hold(character: str) -> None:
    """A live name that no YAML file can hold does not spoil the export."""
    survives_export(f"CP{character}", "label")
    survives_export("CP-1", f"label{character}")


@pytest.mark.parametrize("text", ["a\ue05ab"])
@pytest.mark.parametrize("form", ["name: {}", 'name: "{}"', "name: '{}'"])
def test_private_use(text: str, form: str) -> None:
    """A private-use character is text like any other, also the one that stands in for a colon inside the reader."""
    parsed, problems = documents.read("f.yaml", f"tenant: acme\n{form.format(text)}\n".encode(), {})
    assert problems == [] and parsed[0].body["name"] == text


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(legal.filter(lambda text: "\ufffe" not in text and "\uffff" not in text and "\ue05a" not in text))
def test_to_the_api_and_back(name: str) -> None:
    """A created object has the very name that was written, and is found again by it."""
    world = World()
    yaml = f"tenant: acme\nchargers:\n  - {entry(identity=name, displayName=name, profileId=3)}\n"
    with pipeline(world) as run:
        run.apply(yaml)
        assert list(run.plan(yaml).steps) == []
    assert [(row["identity"], row["displayName"], row["profileId"]) for row in world.live("acme", "charger")] == [
        (name, name, 3)
    ]
