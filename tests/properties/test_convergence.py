"""From any live world one apply reaches any declared world, and touches nothing else."""

import copy
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_pipeline import Pipeline, as_json, digest_of, document, pipeline
from world import World

from exolink_reconcile.model import Action, Plan, Status, remote_id

FAST = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))

TENANTS = ("acme", "Beta-9.x_y", "0123")
# Odd, and legal: what YAML, JSON, a path, a log or a glob might trip over. No two fold to the same name.
NAMES = (
    "Primary", "CP-0001", "0123", "1e5", "12:30:45", "NO", "null", "~", "- x", "a: b", "a #b", "{x}", "[y]", "&a", "*b",
    "!t", "| p", "> q", "%z", "@w", "`v", "'q'", '"dq"', "back\\slash", "a/b/c", "../..", "?x=1", "#frag", "${env:HOME}",
    "$${", " lead", "trail ", "Grün", "日本", "\U0001f50c", "::error::x", "##[group]", "<b>", "a,b", "=1+1", "true", "...",
)  # fmt: skip
URLS = (
    "wss://cpms.example.com/ocpp", "ws://h", "wss://h:8443/", "wss://user:hunter2@h/", "wss://h/?token=t0ps3cret&x=1",
    "WSS://[::1]:9/p?q", "wss://h/#frag", "wss://h/%20",
)  # fmt: skip
REQUIRED = {"cpms": {"displayName", "url", "interval"}, "charger": {"identity", "displayName", "profileId"}}
KEYS = {"cpms": "displayName", "charger": "identity"}
LISTS = {"cpms": "cpms", "charger": "chargers"}
UPDATABLE = {"cpms": {"url"}, "charger": {"displayName", "profileId"}}

names = st.sampled_from(NAMES) | st.sampled_from(NAMES[:3])  # some often, so that names collide
numbers = st.integers(0, 5)


@dataclass
class Case:
    """A live world and what is declared over it."""

    live: dict[str, dict[str, list[dict[str, Any]]]]
    declared: dict[str, dict[str, list[dict[str, Any]]]]
    removed: dict[str, list[dict[str, Any]]]
    policy: dict[str, dict[str, list[str]]]
    tenant_names: dict[str, str]
    prune: bool
    gone: set[int] = field(default_factory=set)

    def world(self) -> World:
        world = World(tenants=TENANTS)
        for tenant, kinds in self.live.items():
            for kind, rows in kinds.items():
                for row in rows:
                    world.add(tenant, kind, **row)
                    if row["id"] in self.gone:
                        world.soft_delete(tenant, kind, row["id"])
        return world

    def yaml(self) -> str:
        texts = []
        for tenant in self.declared:
            extra: dict[str, Any] = {"policy": self.policy[tenant]} if self.policy[tenant] else {}
            if tenant in self.tenant_names:
                extra["name"] = self.tenant_names[tenant]
            lists = {LISTS[kind]: entries for kind, entries in self.declared[tenant].items()}
            texts.append(document(tenant, **extra, **lists, removed=self.removed[tenant]))
        return "---\n".join(texts)


@st.composite
def live_rows(draw: st.DrawFn, kind: str, ids: list[int]) -> list[dict[str, Any]]:
    rows = []
    for name in draw(st.lists(names, max_size=6)):
        ids[0] += 1
        if kind == "cpms":
            fields = {"url": draw(st.sampled_from((*URLS, "", "not a url"))), "interval": draw(numbers)}
        else:
            fields = {"displayName": draw(names), "profileId": draw(numbers)}
        rows.append({KEYS[kind]: name, **fields, "id": ids[0]})
    return rows


@st.composite
def declared_entry(draw: st.DrawFn, kind: str, name: str, live: list[dict[str, Any]], pins: set[int]) -> dict[str, Any]:
    entry: dict[str, Any] = {KEYS[kind]: name}
    wanted = (
        {"url": st.sampled_from(URLS), "interval": numbers}
        if kind == "cpms"
        else {"displayName": names, "profileId": numbers}
    )
    for one, values in wanted.items():
        if draw(st.integers(0, 4)):
            entry[one] = draw(values)
    if draw(st.integers(0, 4)) == 0:
        entry["createOnly"] = [draw(st.sampled_from(sorted(wanted)))]
    free = [row["id"] for row in live if row["id"] not in pins]
    if free and draw(st.integers(0, 5)) == 0:
        entry["id"] = draw(st.sampled_from(free))
        pins.add(entry["id"])
    return entry


@st.composite
def cases(draw: st.DrawFn) -> Case:
    ids = [100]
    case = Case({}, {}, {}, {}, {}, draw(st.booleans()))
    for tenant in TENANTS:
        case.live[tenant] = {kind: draw(live_rows(kind, ids)) for kind in KEYS}
        rows = [row["id"] for kind in KEYS for row in case.live[tenant][kind]]
        case.gone |= set(draw(st.lists(st.sampled_from(rows), max_size=2))) if rows else set()
    for tenant in draw(st.lists(st.sampled_from(TENANTS), min_size=1, max_size=3, unique=True)):
        case.declared[tenant], case.removed[tenant], case.policy[tenant] = {}, [], {}
        for kind in KEYS:
            live = case.live[tenant][kind]
            pool: st.SearchStrategy[Any] = st.sampled_from([row[KEYS[kind]] for row in live]) | names if live else names
            chosen = draw(st.lists(pool, max_size=6, unique=True))
            cut = draw(st.integers(0, len(chosen)))
            pins: set[int] = set()
            case.declared[tenant][kind] = [draw(declared_entry(kind, name, live, pins)) for name in chosen[:cut]]
            for name in chosen[cut:]:
                same: list[Any] = [row["id"] for row in live if row[KEYS[kind]] == name and row["id"] not in pins]
                pin: dict[str, Any] = {"id": draw(st.sampled_from(same))} if same and bool(draw(st.booleans())) else {}
                case.removed[tenant].append({kind: name, **pin})
        if draw(st.booleans()):
            case.policy[tenant]["allowReplace"] = [
                f"{kind}/{entry[KEYS[kind]]}" for kind in KEYS for entry in case.declared[tenant][kind]
            ]
        if draw(st.booleans()):
            case.policy[tenant]["exclusive"] = [draw(st.sampled_from(["charger", "cpms/*", "*", "charger/CP-*"]))]
        if draw(st.booleans()):
            case.tenant_names[tenant] = draw(names)
    return case


def ids_of(plan: Plan) -> set[int]:
    return {remote_id(step.before) for step in plan.steps if step.before is not None}


def snapshot(world: World) -> dict[int, dict[str, Any]]:
    """Every row of the world by id: one counter gives ids to all kinds."""
    kinds = ("tenant", *KEYS)
    return {row["id"]: copy.deepcopy(row) for tenant in TENANTS for kind in kinds for row in world.rows(tenant, kind)}


def planned_requests(plan: Plan) -> Counter[tuple[str, str]]:
    """The writes that a plan allows, as method and path."""
    requests: Counter[tuple[str, str]] = Counter()
    for step in plan.steps:
        base = f"/tenant/{step.address.tenant}" + ("" if step.kind.is_tenant() else f"/{step.address.kind}")
        item = base if step.kind.is_tenant() else f"{base}/{remote_id(step.before) if step.before else ''}"
        if step.creates:
            requests["POST", base] += 1
        if step.deletes:
            requests["DELETE", item] += 1
        if step.action is Action.UPDATE:
            requests["PUT", item] += 1
    return requests


def as_declared(case: Case, world: World, plan: Plan) -> None:
    """Judge the world against the declaration, without a word of the tool's own logic but what it held back."""
    held = {str(held.address) for held in plan.held_back}
    unclear = {
        str(held.address)
        for held in plan.held_back
        if held.code in ("E-DUPLICATE-LIVE", "E-PINNED", "E-OTHER-NAME", "E-SAME-NAME")
    }
    for tenant, kinds in case.declared.items():
        if tenant in case.tenant_names:
            assert world.row(tenant, "tenant", 0)["name"] == case.tenant_names[tenant]
        for kind, entries in kinds.items():
            live = world.live(tenant, kind)
            for entry in entries:
                address = f"{tenant}/{kind}/{entry[KEYS[kind]]}"
                if "id" in entry:
                    rows = [row for row in live if row["id"] == entry["id"]]
                else:
                    pinned = {other["id"] for other in entries if "id" in other}
                    rows = [r for r in live if r[KEYS[kind]] == entry[KEYS[kind]] and r["id"] not in pinned]
                if len(rows) != 1 or address in unclear:
                    assert address in held, (address, rows)
                    continue
                skip = {"id", "createOnly", KEYS[kind], *entry.get("createOnly", ())}
                wrong = {n for n, v in entry.items() if n not in skip and rows[0][n] != v}
                assert not wrong or (address in held and not wrong & UPDATABLE[kind]), (address, wrong)
        for entry in case.removed[tenant]:
            kind = next(kind for kind in KEYS if kind in entry)
            pinned = {other["id"] for other in kinds[kind] if "id" in other}
            rows = [
                row
                for row in world.live(tenant, kind)
                if row[KEYS[kind]] == entry[kind]
                and row["id"] not in pinned
                and entry.get("id", row["id"]) == row["id"]
            ]
            assert not rows or f"{tenant}/{kind}/{entry[kind]}" in held


def only_planned_was_touched(world: World, before: dict[int, dict[str, Any]], plan: Plan) -> None:
    after = snapshot(world)
    touched = ids_of(plan)
    assert {i: row for i, row in after.items() if i in before and i not in touched} == {
        i: row for i, row in before.items() if i not in touched
    }
    assert len(after) - len(before) == sum(1 for step in plan.steps if step.creates)
    sent = Counter((request.method, request.path) for request in world.writes)
    assert sent <= planned_requests(plan), sent - planned_requests(plan)


def declared_ids(case: Case, before: dict[int, dict[str, Any]]) -> set[int]:
    """The ids of rows that some entry, or a pruned scope, speaks of: by name or by id."""
    numbers = set()
    for tenant, kinds in case.live.items():
        for kind, rows in kinds.items():
            entries = case.declared.get(tenant, {}).get(kind, [])
            spoken = {entry[KEYS[kind]] for entry in entries} | {
                e[kind] for e in case.removed.get(tenant, []) if kind in e
            }
            pins = {entry["id"] for entry in entries if "id" in entry}
            claimed = case.prune and case.policy.get(tenant, {}).get("exclusive")
            numbers |= {row["id"] for row in rows if row[KEYS[kind]] in spoken or row["id"] in pins or claimed}
    return numbers | {row["id"] for row in before.values() if "domainPrefix" in row}


def converges(case: Case) -> None:
    world = case.world()
    before = snapshot(world)
    with pipeline(world) as run:
        desired = run.desired(case.yaml())
        first = run.plan(desired, prune=case.prune)
        assert ids_of(first) <= declared_ids(case, before) - case.gone
        result = run.apply(desired, first)
        assert [o for o in result.outcomes if o.status is not Status.DONE] == []
        assert (result.left, result.exit_codes) == ((), ())
        assert result.totals == first.counts
        second = run.plan(desired, prune=case.prune)
    assert list(second.steps) == []
    assert {held.address for held in second.held_back} <= {held.address for held in first.held_back}
    as_declared(case, world, second)
    only_planned_was_touched(world, before, first)


@FAST
@given(cases())
def test_one_apply_reaches_the_declared_world(case: Case) -> None:
    """One apply settles everything but what is held back, a second plan is empty, and nothing else was touched."""
    converges(case)


@pytest.mark.long
@pytest.mark.timeout(1200)
@LONG
@given(cases())
def test_one_apply_reaches_the_declared_world_long(case: Case) -> None:
    """The same, a thousand times."""
    converges(case)


# ------------------------------------------------------------------------------------------------------ same bytes


@FAST
@given(cases(), st.integers(1, 1_000).map(random.Random))
def test_the_order_of_rows_does_not_reach_the_plan(case: Case, chance: random.Random) -> None:
    """The API may list its rows in any order: the plan has the same bytes and the same digest."""
    plans = []
    for shuffled in (False, True):
        world = case.world()
        if shuffled:
            for rows in world._rows.values():
                rows[:] = reversed(rows) if chance.random() < 0.5 else chance.sample(rows, len(rows))
        with pipeline(world) as run:
            plan = run.plan(case.yaml(), prune=case.prune)
        plans.append((as_json(plan), digest_of(plan)))
    assert plans[0] == plans[1]


@FAST
@given(cases(), st.integers(1, 1_000).map(random.Random))
def test_the_order_of_documents_does_not_reach_the_digest(case: Case, chance: random.Random) -> None:
    """Entries may be written in any order: reviewed and applied are the same digest, and the same steps in one order."""
    with pipeline(case.world()) as run:
        first = run.plan(case.yaml(), prune=case.prune)
        case.declared = dict(chance.sample(list(case.declared.items()), len(case.declared)))
        for kinds in case.declared.values():
            for entries in kinds.values():
                chance.shuffle(entries)
        for entries in case.removed.values():
            chance.shuffle(entries)
        second = run.plan(case.yaml(), prune=case.prune)
    assert digest_of(first) == digest_of(second)
    assert [(s.action, s.address, s.sends, s.before) for s in first.steps] == [
        (s.action, s.address, s.sends, s.before) for s in second.steps
    ]


# ---------------------------------------------------------------------------------------------------------- export


def exported_plans_to_nothing(run: Pipeline, tenants: tuple[str, ...]) -> None:
    text, _ = run.export(*tenants)
    environment: dict[str, str] = {}
    for tenant in tenants:  # the variables stand for the secrets of the live URLs
        for row in run.world.live(tenant, "cpms"):
            environment |= secrets_of(tenant, row)
    desired = run.desired(text, environment)
    plan = run.plan(desired)
    assert (list(plan.steps), plan.held_back) == ([], ())


def secrets_of(tenant: str, row: dict[str, Any]) -> dict[str, str]:
    """Every name that a variable for a secret of this row may have. All rows of the strategy share each secret's value."""
    values = {"PASSWORD": "hunter2", "TOKEN": "t0ps3cret", "X": "1", "QUERY": "q", "FRAGMENT": "frag"}
    stem = "".join(c if c.isascii() and c.isalnum() else "\0" for c in f"{tenant}_{row['displayName']}".upper())
    stem = "_".join(part for part in stem.split("\0") if part)
    stem = "_" + stem if stem[:1].isdigit() else stem
    return {
        f"{stem}_{name}{n}": value for name, value in values.items() for n in ("", *(f"_{i}" for i in range(2, 20)))
    }


@FAST
@given(cases())
def test_what_is_exported_plans_to_no_changes(case: Case) -> None:
    """`export`, then `plan`: nothing to do and nothing held back, whatever is live."""
    with pipeline(case.world()) as run:
        exported_plans_to_nothing(run, TENANTS)


def test_the_strategy_makes_worlds_that_matter() -> None:
    """The property is about something: its worlds lead to every action, and to things held back."""
    met: Counter[str] = Counter()

    @settings(max_examples=80, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(cases())
    def look(case: Case) -> None:
        with pipeline(case.world()) as run:
            plan = run.plan(case.yaml(), prune=case.prune)
        met.update({step.action.word for step in plan.steps} | {held.code for held in plan.held_back})
        met.update(["prune"] if any(step.pruned for step in plan.steps) else [])

    look()
    wanted = {"create", "update", "replace", "delete", "prune", "E-CANNOT-UPDATE", "E-DUPLICATE-LIVE", "E-CONTRACT"}
    assert wanted <= {word for word, times in met.items() if times > 2}, json.dumps(met)
