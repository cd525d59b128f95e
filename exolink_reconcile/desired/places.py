"""Bytes of a file to where keys, values and items stand in it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from exolink_reconcile.desired import tables
from exolink_reconcile.desired.documents import MAX_DEPTH
from exolink_reconcile.desired.nodes import File
from exolink_reconcile.desired.parser import YamlFile, cut_lists, parse_events
from exolink_reconcile.desired.plain_lists import Run
from exolink_reconcile.desired.tables import Table


class Places(NamedTuple):
    """Where one key of a mapping, its value and (for a list) the items of the value stand: (line, column), 1-based."""

    key: tuple[int, int]
    value: tuple[int, int]
    items: list[tuple[int, int]]


def of_file(file: File, wanted: Iterable[tuple[int, int]]) -> Mapping[tuple[int, int], Mapping[str, Places]]:
    """Where each key and value stands in the mappings at the `wanted` places of a file, YAML or a table."""
    if isinstance(file, Table):
        return _in_table(file, wanted)
    assert isinstance(file, YamlFile)
    return locate(file, wanted)


def _in_table(table: Table, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], dict[str, Places]]:
    places_of_row: dict[tuple[int, int], dict[str, Places]] = {}
    for line, spans in tables.locate(table, (line for line, _ in wanted)).items():
        cells = ((name, (span.line, span.column)) for name, span in zip(table.fields, spans) if name is not None)
        places_of_row[line, 1] = {name: Places(cell, cell, []) for name, cell in cells}
    return places_of_row


def locate(file: YamlFile, wanted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], dict[str, Places]]:
    """Where each key and value stands in the mappings whose first keys are at the `wanted` places.

    One walk over the events, however many are wanted. The file must be one that `read` accepted or diagnosed.
    """
    wanted = set(wanted)
    if cut := cut_lists(file):
        located = _locate(parse_events(file, cut.rest({line for line, _ in wanted})), cut.runs, wanted)
        if located.keys() >= wanted:
            return located
    return _locate(parse_events(file), (), wanted)


_Located = dict[tuple[int, int], dict[str, Places]]


def _locate(events: Iterator[Any], runs: Iterable[Run], wanted: set[tuple[int, int]]) -> _Located:
    located: _Located = {}
    with suppress(YAMLError):  # already diagnosed; the places before the error are still found
        _walk(events, {run.place: run for run in runs}, wanted, located)
    for places in located.values():
        for of_key in places.values():  # an entry of a run that was kept in the text was met twice
            of_key.items[:] = sorted(set(of_key.items))
    return located


def _walk(
    events: Iterator[Any], runs: Mapping[tuple[int, int], Run], wanted: set[tuple[int, int]], located: _Located
) -> None:
    """Follow the events with a stack of open collections; note the places inside the wanted mappings."""
    stack: list[_Open] = []
    for event in events:
        kind = event.__class__
        if kind is MappingEndEvent or kind is SequenceEndEvent:
            stack.pop()
            continue
        if kind not in (ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent):
            continue
        position = (event.start_mark.line + 1, event.start_mark.column + 1)
        top = stack[-1] if stack else None
        if top is not None:
            top.meet(event, position, wanted, located)
            if kind is MappingStartEvent and position in runs:
                for node in runs[position].inner:
                    top.meet_item((node.line, position[1]))
        if kind is MappingStartEvent or kind is SequenceStartEvent:
            if len(stack) > MAX_DEPTH:
                return
            stack.append(_Open(kind is MappingStartEvent, parent=top))


class _Open:
    """A collection the walk is inside of."""

    __slots__ = ("at_key", "is_mapping", "key", "key_place", "parent", "places")

    def __init__(self, is_mapping: bool, parent: "_Open | None") -> None:
        self.is_mapping = is_mapping
        self.parent = parent
        self.at_key = True
        self.key = ""
        self.key_place = (0, 0)
        self.places: dict[str, Places] | None = None

    def meet(
        self,
        event: Any,
        position: tuple[int, int],
        wanted: set[tuple[int, int]],
        located: _Located,
    ) -> None:
        """Take in the next child of this collection."""
        if not self.is_mapping:
            self.meet_item(position)
        elif self.at_key:
            if self.key_place == (0, 0) and position in wanted:
                self.places = located.setdefault(position, {})
            self.key, self.key_place, self.at_key = getattr(event, "value", ""), position, False
        else:
            self.at_key = True
            if self.places is not None:
                self.places[self.key] = Places(self.key_place, position, [])

    def meet_item(self, position: tuple[int, int]) -> None:
        """Take in the next item of this list."""
        parent = self.parent
        if parent is not None and parent.is_mapping and parent.at_key and parent.places is not None:
            parent.places[parent.key].items.append(position)
