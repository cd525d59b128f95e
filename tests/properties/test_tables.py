"""Properties of tables and of writing back: CSV and YAML are one fleet; live values go where they belong and nowhere else."""

import csv
import functools
import io
import json
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_pipeline import contract_of, digest_of, document, pipeline
from world import World

from exolink_reconcile import export, references
from exolink_reconcile.desired import desired_state, documents, write_back
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.desired.tables import TableFile
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import live_state
from exolink_reconcile.model import DesiredState
from exolink_reconcile.planning import differ

TENANT, CPMS, CHARGER = KINDS
NAMES = st.sampled_from(["A", "B b", "NO", "0123", "1e5", "Kö,ln", 'say "hi"', "it's", "a: b", "x # y", "[z]", "${env:X}", "null", "-", "wss://h", " e ", "a;b\tc"[:3]])  # fmt: skip
NUMBERS = st.integers(1, 4)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"identity": st.integers(0, 9).map(lambda n: f"CP-{n}")},
        optional={"displayName": NAMES, "profileId": NUMBERS, "profile": st.sampled_from(["standard", "night"])},
    ),
    unique_by=lambda row: row["identity"],
    max_size=6,
)
FAST = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
PROFILES = {"standard": 1, "night": 2}
EXPAND = functools.partial(references.expand, environment=references.Environment({}))


def with_table(yaml: bytes, table: bytes | None) -> list[Document]:
    """The documents of a YAML file, whose one table, if it has one, is this."""
    parsed, problems = documents.read("exolink.yaml", yaml, {})
    assert problems == []
    if table is None:
        return parsed
    return [
        replace(
            document,
            tables={
                (i.line, i.column): TableFile("t.csv", table, 1, EXPAND) for i in document.body.get("chargersFrom", ())
            },
        )
        for document in parsed
    ]


def as_csv(
    rows: Sequence[dict[str, object]], delimiter: str = ",", end: str = "\n", quoting: int = csv.QUOTE_MINIMAL
) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]  # generated: one of the csv constants
    names = ("identity", "displayName", "profileId", "profile")
    writer.writerow(names)
    writer.writerows([[str(row.get(name, "")).replace("${", "$${") for name in names] for row in rows])
    return file.getvalue().encode()


def one_form(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name != "profile" or "profileId" not in row} for row in rows]


@FAST
@given(ROWS.map(one_form), ROWS.map(one_form), st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_fleet_has_one_digest(
    live: list[dict[str, object]], rows: list[dict[str, object]], delimiter: str, end: str, some_quotes: bool
) -> None:
    """The same fleet from CSV and from YAML, over the same world: the same plan and the same digest."""
    world = World()
    for row in live:
        world.add("acme", "charger", **{name: value for name, value in row.items() if name != "profile"})
    head = document("acme", profiles=PROFILES, defaults={"chargers": {"profile": "night"}})
    table = as_csv(rows, delimiter, end, csv.QUOTE_MINIMAL if some_quotes else csv.QUOTE_ALL)
    entries = document("acme", profiles=PROFILES, defaults={"chargers": {"profile": "night"}}, chargers=rows)
    with pipeline(world) as run:
        from_yaml = run.plan(desired_state.build(with_table(entries.encode(), None), KINDS))
        from_csv = run.plan(
            desired_state.build(with_table(f"{head}chargersFrom: [{{file: t.csv}}]\n".encode(), table), KINDS)
        )
    assert digest_of(from_yaml) == digest_of(from_csv)


@FAST
@given(ROWS.map(one_form))
def test_a_table_of_what_is_live_has_no_changes(live: list[dict[str, object]]) -> None:
    """What `export --format csv` writes, declared again, plans to nothing."""
    world = World()
    for row in live:
        world.add("acme", "charger", **{name: value for name, value in row.items() if name != "profile"})
    with pipeline(world) as run:
        rows = live_state.read(run.api, {"acme": [TENANT, CHARGER]}, TENANT).tenants["acme"].rows[CHARGER]
        table, warnings = export.table("acme", CHARGER, rows, contract_of())
        head = b"tenant: acme\nchargersFrom: [{file: t.csv}]\n"
        plan = run.plan(desired_state.build(with_table(head, table.encode()), KINDS))
    assert all("formulas" in warning for warning in warnings)  # nothing was left out
    assert not plan.differs and plan.unmanaged == ()


def scalar(text: object, style: str) -> str:
    written = str(text).replace("${", "$${")
    match style:
        case "plain" if str(text).isalnum() and written not in ("null",):
            return written
        case "single":
            return "'" + written.replace("'", "''") + "'"
        case _:
            return json.dumps(written, ensure_ascii=False)


STYLES = st.sampled_from(["plain", "single", "double"])


@st.composite
def yaml_files(draw: st.DrawFn, rows: Sequence[dict[str, object]]) -> str:
    """The rows as YAML that people write: any style, comments, blank lines."""
    lines = ["tenant: acme # ours", "profiles: {standard: 1, night: 2}", "chargers:" if rows else "chargers: []"]
    for row in rows:
        pairs = [f"{name}: {scalar(value, draw(STYLES))}" for name, value in row.items()]
        if draw(st.booleans()):
            lines.append(f"  - {{{', '.join(pairs)}}}  # {row['identity']}")
        else:
            lines += [f"  - {pairs[0]}", *(f"    {pair}   # why" for pair in pairs[1:])]
        lines += draw(st.sampled_from([[], [""], ["  # a comment"]]))
    return draw(st.sampled_from(["", "\ufeff"])) + draw(st.sampled_from(["\n", "\r\n"])).join([*lines, ""])


def check_written_back(world: World, parsed: list[Document]) -> None:
    """After writing back nothing differs but what was left, and only lines with an edit have changed."""
    desired = desired_state.build(parsed, KINDS)
    with pipeline(world) as run:
        live = live_state.read(run.api, {"acme": list(desired.tenants[0].mentioned)}, TENANT)
        changes = differ.diff(desired, live)
        rewrites, unwritten = write_back.rewrite(parsed, changes, lambda *what: export.refusal(contract_of(), *what))
        yaml, table = parsed[0].body.file.data, next((each.data for each in parsed[0].tables.values()), None)
        for rewrite in rewrites:
            before = table if rewrite.path == "t.csv" else yaml
            assert before == rewrite.mark + rewrite.before.encode()
            old, new = rewrite.before.split("\n"), rewrite.after.split("\n")
            touched = {rewrite.before.count("\n", 0, span.start) for span in rewrite.spans}
            assert len(old) == len(new) and {n for n, pair in enumerate(zip(old, new)) if pair[0] != pair[1]} <= touched
            yaml, table = (yaml, rewrite.data) if rewrite.path == "t.csv" else (rewrite.data, table)
            assert list(write_back.unified_diff(rewrite))[0] == f"--- {rewrite.path}"
        again: DesiredState = desired_state.build(with_table(yaml, table), KINDS)
        remaining = differ.diff(again, live)
    whats = {each.subject for each in unwritten}
    for change in remaining.changes:
        for field in change.fields:
            assert f"{field.name} of {change.address}" in whats
        assert change.fields or str(change.address) in whats


@FAST
@given(ROWS.map(one_form), ROWS.map(one_form), st.data())
def test_live_values_go_into_yaml(
    live: list[dict[str, object]], rows: list[dict[str, object]], data: st.DataObject
) -> None:
    """Any style of YAML: see `check_written_back`."""
    world = World()
    for row in live:
        world.add("acme", "charger", **{name: value for name, value in row.items() if name != "profile"})
    check_written_back(world, with_table(data.draw(yaml_files(rows)).encode(), None))


@FAST
@given(ROWS.map(one_form), ROWS.map(one_form), st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_live_values_go_into_tables(
    live: list[dict[str, object]], rows: list[dict[str, object]], delimiter: str, end: str, some_quotes: bool
) -> None:
    """Any delimiter and quoting: see `check_written_back`."""
    world = World()
    for row in live:
        world.add("acme", "charger", **{name: value for name, value in row.items() if name != "profile"})
    table = as_csv(rows, delimiter, end, csv.QUOTE_MINIMAL if some_quotes else csv.QUOTE_ALL)
    check_written_back(
        world, with_table(b"tenant: acme\nprofiles: {standard: 1, night: 2}\nchargersFrom: [{file: t.csv}]\n", table)
    )
