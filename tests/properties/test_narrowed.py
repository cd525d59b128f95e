"""A comparison of a part says what the comparison of everything would have said of it."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_pipeline import document, read_yaml

from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Changes, LiveState, LiveTenant
from exolink_reconcile.planning import differ
from exolink_reconcile.resource import Address, Row, row_model

CPMS = KINDS[1]
NAMES = ("A", "a", " A", "A  b", "A b", "B", "b", "\u0041\u030a", "\u00e5", "C", "D")
OTHERS = [f"Other {number}" for number in range(40)]  # enough for a part to be small
LIVE = st.dictionaries(st.integers(1, 6), st.tuples(st.sampled_from(NAMES), st.integers(1, 2)), max_size=7)
DECLARED = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.integers(1, 2), st.one_of(st.none(), st.integers(1, 4))), max_size=5
)


def live_state(rows: Sequence[Row]) -> LiveState:
    return LiveState({"acme": LiveTenant(True, {CPMS: rows})})


def row(number: int, name: str, interval: int) -> Row:
    values: Mapping[str, Any] = {"id": number, "displayName": name, "interval": interval}
    return row_model(CPMS)(**values)


def facts(changes: Changes) -> dict[Address, object]:
    differing = {change.address: (change.before, change.fields) for change in changes.changes}
    return differing | {unclear.address: (unclear.code, unclear.reason) for unclear in changes.unclear}


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    LIVE, LIVE, DECLARED, st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES), max_size=3), st.booleans()
)
def test_of_its_addresses_and_of_what_is_new(
    first: dict[int, tuple[str, int]],
    last: dict[int, tuple[str, int]],
    entries: dict[str, tuple[int, int | None]],
    removed: set[str],
    asked: set[str],
    pinned: bool,
) -> None:
    """It says the same of each address that was asked for, and leaves out only what differed before already."""
    folded = {name: unicodedata.normalize("NFC", " ".join(name.split())).casefold() for name in NAMES}
    one_each = {folded[name]: name for name in entries}  # two that read the same may not both be declared
    declared: list[dict[str, object]] = [{"displayName": name, "interval": 1} for name in OTHERS]
    ids: set[int | None] = set()
    for name in one_each.values():
        interval, pin = entries[name]
        pin = pin if pinned and pin not in ids else None
        ids.add(pin)
        declared.append({"displayName": name.strip(), "interval": interval} | ({"id": pin} if pin else {}))
    gone = {folded[name]: name.strip() for name in removed if folded[name] not in one_each}
    desired = read_yaml(document("acme", cpms=declared, removed=[{"cpms": name} for name in gone.values()]))
    others = [row(100 + number, name, number % 3) for number, name in enumerate(OTHERS)]
    before = [*others, *(row(number, *values) for number, values in first.items())]
    kept = {number: at for at, (number, values) in enumerate(first.items()) if last.get(number) == values}
    after = [*others, *(before[40 + kept[n]] if n in kept else row(n, *values) for n, values in last.items())]
    addresses = [Address("acme", "cpms", name.strip()) for name in asked]
    part = facts(differ.diff(*differ.narrowed(desired, live_state(before), live_state(after), addresses)))
    everything = facts(differ.diff(desired, live_state(after)))
    assert {address: part.get(address) for address in addresses} == {a: everything.get(a) for a in addresses}
    assert part.items() <= everything.items()
    assert everything.keys() - part.keys() <= facts(differ.diff(desired, live_state(before))).keys()


def test_a_part_is_smaller() -> None:
    """Where nothing but one row changed, only what has its name is compared."""
    desired = read_yaml(document("acme", cpms=[{"displayName": name, "interval": 1} for name in OTHERS]))
    rows = [row(number, name, 2) for number, name in enumerate(OTHERS)]
    changed: Any = rows[3]
    after = [*rows[:3], replace(changed, interval=3), *rows[4:]]
    part = differ.diff(*differ.narrowed(desired, live_state(rows), live_state(after), []))
    assert [change.address.name for change in part.changes] == ["Other 3"]
