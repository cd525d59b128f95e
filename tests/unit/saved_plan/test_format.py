"""The format of a saved plan: closed, so that nothing is read that no version of this tool wrote."""

import json
from typing import Any

import pytest
import support_plans
from pydantic import ValidationError
from support_pipeline import as_json

from exolink_reconcile.saved_plan.format import PlanDocument, SavedDocument

WRITTEN: Any = json.loads(as_json(support_plans.mixed()))


def at(document: Any, *path: str | int) -> Any:
    for name in path:
        document = document[name]
    return document


def read(document: Any) -> PlanDocument:
    return PlanDocument.model_validate_json(json.dumps(document))


def test_what_is_written_is_what_is_read() -> None:
    """Each step in Terraform's words has one in ours, in the same order."""
    document = read(WRITTEN)
    assert [change.address for change in document.exolink.changes] == [
        f"{row.name}/{row.type.removeprefix('exolink_')}/{row.index}" for row in document.resource_changes
    ]


MAPPINGS = [
    (), ("planned_values",), ("planned_values", "root_module"), ("planned_values", "root_module", "resources", 0),
    ("resource_changes", 0), ("resource_changes", 0, "change"), ("exolink",), ("exolink", "options"), ("exolink", "changes", 0),
    ("exolink", "changes", 0, "source"), ("exolink", "held_back", 0), ("exolink", "notes", 0),
]  # fmt: skip


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: ".".join(map(str, path)) or "top")
def test_an_unknown_key_is_refused_wherever_it_stands(path: tuple[str | int, ...]) -> None:
    """A key of a later version may change what a step means: it is not passed over."""
    document = json.loads(json.dumps(WRITTEN))
    at(document, *path)["surprise"] = 1
    with pytest.raises(ValidationError, match="surprise"):
        read(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format_version",), "1.3"),
        (("exolink", "schema_version"), 2),
        (("exolink", "digest"), "abc"),
        (("exolink", "changes", 0, "action"), "destroy"),
        (("exolink", "changes", 0, "cause"), "mine"),
        (("resource_changes", 0, "mode"), "data"),
        (("resource_changes", 0, "change", "actions"), ["forget"]),
        (("exolink", "held_back", 0, "code"), "E-NONSENSE"),
        (("exolink", "options", "only"), "all"),
    ],
)
def test_a_word_that_this_version_does_not_know_is_refused(path: tuple[str | int, ...], value: object) -> None:
    """Actions, causes, codes and versions are closed lists."""
    document = json.loads(json.dumps(WRITTEN))
    at(document, *path[:-1])[path[-1]] = value
    with pytest.raises(ValidationError):
        read(document)


def test_what_other_tools_read_is_not_read_again() -> None:
    """Planned values and what only Terraform's readers need of a row shape nothing here; everything else is still closed."""
    document = json.loads(json.dumps(WRITTEN))
    document["planned_values"]["surprise"] = 1
    document["resource_changes"][0]["surprise"] = 1
    saved = SavedDocument.model_validate_json(json.dumps(document))
    assert saved.exolink == read(WRITTEN).exolink
    for change, row in zip(read(WRITTEN).resource_changes, saved.resource_changes, strict=True):
        assert (change.address, change.change.before, change.change.after) == (
            row.address,
            row.change.before,
            row.change.after,
        )
    document["exolink"]["surprise"] = 1
    with pytest.raises(ValidationError, match="surprise"):
        SavedDocument.model_validate_json(json.dumps(document))
