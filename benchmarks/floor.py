"""Only what a plan cannot avoid, with the libraries the tool is built on: the floor that `plan` is measured against.

    python -m benchmarks.floor YAML URL plain|named        prints a JSON object of seconds by stage

The stages of a plan, each as short as it can be written: imports; libyaml's events into plain dicts and lists, each
mapping with its line; pydantic over all entries at once; the list over HTTP; pydantic over its bytes, only the fields
that are compared; one dict look-up an entry; a digest of bytes and changes, and the text. No position of a value, no
diagnostics, no policy, no check for duplicates: nothing that a user would miss only when something is wrong. The
process ends without tidying up, because a plan could do the same.

Interpreter start is not in the numbers: the harness adds what the process took beside them.
"""

# ruff: noqa: E402  # the modules that must not be imported are barred first

import gc
import os
import sys
from time import perf_counter
from typing import Any

BEGAN = perf_counter()
gc.disable()
for name in ("httpx._main", "trio", "anyio"):  # what httpx imports where it is installed, and does not need here
    sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None bars the import

import hashlib
import json
from pathlib import Path
from typing import Annotated

import click  # noqa: F401  # its import is part of the floor
import httpx
from _ruamel_yaml import CParser
from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter
from ruamel.yaml.events import (
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

Name = Annotated[str, StringConstraints(pattern=r"^[^\p{Cc}\p{Cf}]*$")]


class Entry(BaseModel):
    """What the YAML says of a charger."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    identity: Name
    displayName: Name | None = None
    profileId: int | None = None


class Row(BaseModel):
    """What is compared of a row, its id, and whether it was deleted."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    id: int
    identity: str
    displayName: str | None = None
    profileId: int | None = None
    deletedAt: str | None = None


def load(data: bytes) -> Any:
    """The one document: dicts, lists and text; the lines of the mappings in a list of their own."""
    lines: list[int] = []
    stack: list[Any] = []
    here: Any = None
    root: Any = None
    key: str | None = None
    in_mapping = False
    for event in iter(CParser(data).get_event, None):
        kind = event.__class__
        if kind is ScalarEvent:
            if not in_mapping:
                if here is not None:
                    here.append(event.value)
            elif key is None:
                key = event.value
            else:
                here[key] = event.value
                key = None
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            child: Any = {} if kind is MappingStartEvent else []
            if kind is MappingStartEvent:
                lines.append(event.start_mark.line)
            if root is None:
                root = child
            elif in_mapping:
                here[key] = child
            else:
                here.append(child)
            stack.append((here, in_mapping))
            here, in_mapping, key = child, kind is MappingStartEvent, None
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            here, in_mapping = stack.pop()
            key = None
    return root


def resolved(body: Any) -> list[dict[str, Any]]:
    """The entries with the default profile and profile names turned into numbers."""
    numbers = body["profiles"]
    default = numbers[body["defaults"]["chargers"]["profile"]]
    for entry in body["chargers"]:
        name = entry.pop("profile", None)
        entry["profileId"] = default if name is None else numbers[name]
    entries: list[dict[str, Any]] = body["chargers"]
    return entries


def main(path: str, url: str, style: str) -> None:
    """Run the stages in turn."""
    seconds: dict[str, float] = {}
    last = BEGAN

    def lap(stage: str) -> None:
        nonlocal last
        now = perf_counter()
        seconds[stage] = now - last
        last = now

    entries_adapter, rows_adapter = TypeAdapter(list[Entry]), TypeAdapter(list[Row])
    lap("imports and models")
    data = Path(path).read_bytes()
    body = load(data)
    lap("YAML events to dicts")
    entries = entries_adapter.validate_python(resolved(body) if style == "named" else body["chargers"])
    lap("validate entries")
    with httpx.Client(trust_env=False, headers={"Authorization": "Bearer bench"}) as client:
        client.get(url.rpartition("/")[0]).raise_for_status()
        received = client.get(url).content
    lap("receive tenant and list")
    rows = rows_adapter.validate_json(received)
    del received
    lap("validate list")
    live = {row.identity: row for row in rows}
    changed = []
    for entry in entries:
        row = live[entry.identity]
        if entry.displayName != row.displayName or entry.profileId != row.profileId:
            changed.append((row, entry))
    lap("match and compare")
    digest = hashlib.sha256(data)
    lines = []
    for row, entry in changed:
        facts = {"id": row.id, "identity": entry.identity, "before": row.displayName, "after": entry.displayName}
        digest.update(json.dumps(facts, sort_keys=True).encode())
        lines.append(f"~ {entry.identity}  displayName: {row.displayName} -> {entry.displayName}\n")
    sys.stderr.write("".join(lines) + digest.hexdigest() + "\n")
    lap("digest and text")
    sys.stdout.write(json.dumps(seconds))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:4])
