"""The pipeline of the tool, in process, over a world: YAML -> desired -> changes -> plan -> outcomes.

Waits cost nothing here, and every request is judged by `support_contract`.
"""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from support_contract import BUNDLED, Judge
from world import World

from exolink_reconcile import contract
from exolink_reconcile import export as exporter
from exolink_reconcile.applying import applier
from exolink_reconcile.applying.settings import Settings
from exolink_reconcile.applying.waiting import Stop
from exolink_reconcile.desired import desired_state, documents
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import live_state
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import DesiredState, LiveState, Plan, Result
from exolink_reconcile.planning import differ, digest, planner
from exolink_reconcile.planning.attribution import Base
from exolink_reconcile.planning.choices import Choices, wanted
from exolink_reconcile.resource import Kind
from exolink_reconcile.saved_plan import writer

ORIGIN = "http://x.invalid"
CONTRACT_TEXT = BUNDLED.read_text("utf-8")


@functools.cache
def judge_of(text: str) -> Judge:
    return Judge(text)


@functools.cache
def contract_of(text: str = CONTRACT_TEXT, kinds: Sequence[Kind] = KINDS) -> contract.Contract:
    return contract.parse(text, kinds)


def read_yaml(
    text: str,
    *,
    kinds: Sequence[Kind] = KINDS,
    environment: Mapping[str, str] | None = None,
    path: str = "exolink.yaml",
) -> DesiredState:
    """What a YAML text declares. Raises InputError with every diagnostic."""
    parsed, problems = documents.read(path, text.encode(), {} if environment is None else environment)
    return desired_state.build(parsed, kinds, problems=problems)


@dataclass(frozen=True)
class Pipeline:
    """One world, one open API, and the steps in between."""

    world: World
    api: Api
    kinds: Sequence[Kind] = KINDS
    contract_text: str = CONTRACT_TEXT
    seen: list[LiveState] = field(default_factory=list)  # what plans were made from

    @property
    def contract(self) -> contract.Contract:
        return contract_of(self.contract_text, tuple(self.kinds))

    def desired(self, text: str, environment: Mapping[str, str] | None = None) -> DesiredState:
        desired = read_yaml(text, kinds=self.kinds, environment=environment)
        contract.check(self.contract, desired)
        return desired

    def live(self, desired: DesiredState, choices: Choices = Choices()) -> LiveState:
        absent_ok = self.contract.offer(self.kinds[0]).create is not None
        return live_state.read(self.api, wanted(desired, choices), self.kinds[0], absent_ok=absent_ok)

    def plan(self, text: str | DesiredState, *, base: Base | None = None, **choices: Any) -> Plan:
        desired = text if isinstance(text, DesiredState) else self.desired(text)
        chosen = Choices(**{"may_infer": True, **choices})
        self.seen.append(self.live(desired, chosen))
        changes = differ.diff(desired, self.seen[-1])
        return planner.plan(changes, desired, self.contract, chosen, ORIGIN, base=base)

    def apply(self, text: str | DesiredState, plan: Plan | None = None, **choices: Any) -> Result:
        desired = text if isinstance(text, DesiredState) else self.desired(text)
        plan = plan or self.plan(desired, **choices)
        return run_plan(plan, desired, self.contract, self.api, self.seen[-1] if self.seen else None)

    def export(self, *tenants: str) -> tuple[str, list[str]]:
        """The YAML of these tenants, and the warnings."""
        live = live_state.read(self.api, dict.fromkeys(tenants, list(self.kinds)), self.kinds[0])
        texts, warnings = exporter.tenants({name: tenant.rows for name, tenant in live.tenants.items()}, self.contract)
        return "---\n".join(texts.values()), warnings


def run_plan(
    plan: Plan, desired: DesiredState, offers: contract.Contract, api: Api, before: LiveState | None = None
) -> Result:
    """Apply without waiting for anything."""
    settings = Settings(settle=0.0, sleep=lambda seconds: None)
    differing = differ.addresses(differ.diff(desired, before)) if before is not None else []
    return applier.apply(plan, desired, offers, api, Stop(), settings, before, differing)


OPTIONS: dict[str, Any] = {
    "api_url": ORIGIN,
    "contract": None,
    "target": [],
    "exclude": [],
    "prune": False,
    "allow_replace": [],
    "allow_deletes": None,
    "allow_shrunk": [],
    "allow_inferred": False,
    "base": None,
    "only": None,
}


def as_json(plan: Plan) -> str:
    pieces = writer.plan(
        plan,
        digest.of_each(plan),
        config_digest="",
        paths=("exolink.yaml",),
        options={**OPTIONS, "api_url": plan.origin},
    )
    return b"".join(pieces).decode()


def digest_of(plan: Plan) -> str:
    return digest.of_steps(plan.origin, digest.of_each(plan))


@contextmanager
def pipeline(
    world: World, *, kinds: Sequence[Kind] = KINDS, contract_text: str = CONTRACT_TEXT, parallelism: int = 4
) -> Iterator[Pipeline]:
    """A pipeline over `world`. Leaving it fails if any request broke the contract."""
    judge = judge_of(contract_text)
    before = len(judge.broken)
    api = Api(
        ORIGIN,
        token=world.token,
        parallelism=parallelism,
        transport=lambda: judge.wrap(world.transport()),
        sleep=lambda seconds: None,
    )
    with api:
        yield Pipeline(world, api, kinds, contract_text)
    assert judge.broken[before:] == [], "a request broke the contract"


def entry(**fields: Any) -> str:
    """One YAML flow mapping; every scalar is quoted, so that it is text whatever it looks like."""
    return "{" + ", ".join(f"{name}: {scalar(value)}" for name, value in fields.items()) + "}"


def scalar(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(scalar, value)) + "]"
    return json.dumps(str(value).replace("${", "$${"), ensure_ascii=False)


def document(tenant: str, **lists: Sequence[Mapping[str, Any]] | Any) -> str:
    """One YAML document: lists of mappings as entries, anything else as a scalar or raw flow YAML."""
    lines = [f"tenant: {scalar(tenant)}"]
    for name, value in lists.items():
        if isinstance(value, (list, tuple)):
            lines += [f"{name}:" if value else f"{name}: []", *(f"  - {entry(**each)}" for each in value)]
        elif isinstance(value, Mapping):
            inner = (f"{k}: {entry(**v) if isinstance(v, Mapping) else scalar(v)}" for k, v in value.items())
            lines.append(f"{name}: {{{', '.join(inner)}}}")
        else:
            lines.append(f"{name}: {scalar(value)}")
    return "\n".join(lines) + "\n"


def tenant_create_contract(*, required: Sequence[str] = ()) -> str:
    """The bundled description with a POST /tenant."""
    loaded = YAML(typ="safe").load(CONTRACT_TEXT)
    properties = {"domainPrefix": {"type": "string"}, "name": {"type": "string"}}
    schema = {"type": "object", "properties": properties, "required": list(required)}
    body = {"content": {"application/json": {"schema": schema}}}
    loaded["paths"]["/tenant"] = {"post": {"requestBody": body, "responses": {"2XX": {"description": "done"}}}}
    return json.dumps(loaded)
