"""The story of a run: what is wanted, what is live, how they differ, what to do about it. It prints nothing.

    wanted  = pipeline.wanted(paths, ...)     YAML and tables -> desired state, checked against the contract
    planned = pipeline.plan(wanted, api, ...) live state -> changes -> plan

Everything that a command wants to show comes back as a value: warnings are `wanted.desired.warnings`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from exolink_reconcile import contract as contracts
from exolink_reconcile import files
from exolink_reconcile.applying import verified
from exolink_reconcile.contract import Contract
from exolink_reconcile.desired import desired_state
from exolink_reconcile.desired import files as input_files
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.errors import InputError, NoTenant, problem
from exolink_reconcile.globs import Globs
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import live_state
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import BaseInfo, DesiredState, LiveState, Plan
from exolink_reconcile.planning import attribution, differ, digest, planner
from exolink_reconcile.planning import choices as planning_choices
from exolink_reconcile.planning.attribution import Base
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.references import Watched
from exolink_reconcile.resource import Address, ListKey
from exolink_reconcile.state.store import Base as StoredBase

TENANT = next(kind for kind in KINDS if kind.is_tenant())


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the files and options ask for, before anything is sent.

    `documents` are kept only on request: they are as large as everything else together. `files` are the files that hold a
    document; `variables` are the environment variables that they name.
    """

    api_url: str
    desired: DesiredState
    contract: Contract
    contract_text: str
    choices: Choices
    documents: Sequence[Document] = ()
    files: Sequence[str] = ()
    variables: frozenset[str] = frozenset()
    base: Base | None = None

    @property
    def tenants(self) -> Sequence[str]:
        """The tenants that this run reads."""
        return tuple(planning_choices.wanted(self.desired, self.choices))


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run up to its plan: read, compared, decided; nothing written.

    `differing` are the addresses where anything differs or is unclear, whatever the plan does about it.
    """

    desired: DesiredState
    contract: Contract
    live: LiveState
    plan: Plan
    digests: Sequence[str]
    differing: Sequence[Address] = ()

    @property
    def digest(self) -> str:
        """The digest of the plan."""
        return digest.of_steps(self.plan.origin, self.digests)

    @property
    def lists(self) -> Sequence[ListKey]:
        """The lists that were read: tenant and name of the kind."""
        return tuple(ListKey(name, kind.kind) for name, tenant in self.live.tenants.items() for kind in tenant.rows)


def wanted(
    paths: Sequence[str],
    environment: Mapping[str, str],
    *,
    api_url: str,
    contract_path: str | None,
    choices: Choices,
    env_allow: Sequence[str] | None = None,
    keep_documents: bool = False,
    base_path: str | None = None,
) -> Wanted:
    """Read the files and check them against the contract and the choices. Raises InputError with every problem.

    `env_allow` are globs on the variables that YAML may name; None allows all but our own.
    """
    variables: dict[str, str] = {}
    inputs = input_files.read(paths, Watched(environment, variables), env_allow)
    desired = desired_state.build(
        inputs.documents,
        KINDS,
        config_digest=inputs.digest,
        problems=inputs.problems,
        unread=inputs.unread,
        covers=choices.cover,
    )
    text, contract = read_contract(contract_path)
    try:
        contracts.check(contract, desired)
        planning_choices.check_choices(desired, choices)
    except InputError as error:
        raise InputError([*desired.warnings, *error.diagnostics]) from None
    read = tuple(dict.fromkeys(document.path for document in inputs.documents))
    documents = inputs.documents if keep_documents else ()
    base = read_base(base_path, environment, choices, env_allow) if base_path else None
    return Wanted(api_url, desired, contract, text, choices, documents, read, frozenset(variables), base)


def read_base(path: str, environment: Mapping[str, str], choices: Choices, env_allow: Sequence[str] | None) -> Base:
    """What another checkout declares, to judge causes by. Raises InputError."""
    inputs = input_files.read((path,), environment, env_allow)
    desired = desired_state.build(inputs.documents, KINDS, problems=inputs.problems, covers=choices.cover)
    declared: dict[Address, Mapping[str, Any]] = {}
    removed: set[Address] = set()
    exclusive: dict[str, Globs] = {}
    for tenant in desired.tenants:
        declared |= verified.declared(tenant)
        exclusive[tenant.name] = Globs(pattern.glob for pattern in tenant.policy.exclusive)
        removed |= verified.removed(tenant)
    info = BaseInfo("path", path=path)
    return Base(info, frozenset(exclusive), declared, frozenset(removed), _claims(exclusive))


def remembered_base(bases: Mapping[str, StoredBase]) -> Base | None:
    """What the last applies of these tenants declared and verified; None if there were none."""
    if not bases:
        return None
    declared = {address: values for base in bases.values() for address, values in base.declared.items()}
    oldest = datetime.fromtimestamp(min(base.when for base in bases.values()), UTC)
    info = BaseInfo("state", when=oldest.strftime("%Y-%m-%dT%H:%M:%SZ"))
    removed = frozenset().union(*(base.removed for base in bases.values()))
    exclusive = {tenant: Globs(["*"] if b.exclusive is None else b.exclusive) for tenant, b in bases.items()}
    return Base(info, frozenset(bases), declared, removed, _claims(exclusive))


def _claims(exclusive: Mapping[str, Globs]) -> Callable[[Address], bool]:
    """A function that says whether a base claimed an address as exclusive."""
    return lambda address: address.tenant in exclusive and exclusive[address.tenant].match(address.local)


def plan(
    wanted: Wanted,
    api: Api,
    counts_before: Mapping[ListKey, int],
    bases: Mapping[str, StoredBase] = MappingProxyType({}),
) -> PlannedRun:
    """Read the live state, compare, decide. `counts_before` are the lengths of the lists in earlier runs.

    `bases` are what earlier runs declared, by tenant: the causes are judged by them unless another base was given.

    Raises:
        ApiError, InputError: nothing was written.

    """
    if wanted.choices.only and wanted.base is None and not bases.keys() >= set(wanted.tenants):
        raise attribution.no_base()
    absent_ok = wanted.contract.offer(TENANT).create is not None
    try:
        live = live_state.read(
            api, planning_choices.wanted(wanted.desired, wanted.choices), TENANT, absent_ok=absent_ok
        )
    except NoTenant as error:
        _place(error, wanted.desired, [tenant for tenant, _ in counts_before])
        raise
    changes = differ.diff(wanted.desired, live)
    base = wanted.base or remembered_base(bases)
    plan = planner.plan(changes, wanted.desired, wanted.contract, wanted.choices, wanted.api_url, counts_before, base)
    return PlannedRun(wanted.desired, wanted.contract, live, plan, digest.of_each(plan), differ.addresses(changes))


def _place(error: NoTenant, desired: DesiredState, tenants_before: Sequence[str]) -> None:
    """Add to the error where the YAML names the tenant, and the nearest name of a tenant that is, or was, live."""
    error.source = next((tenant.source for tenant in desired.tenants if tenant.name == error.tenant), None)
    candidates = dict.fromkeys(name for name in (*error.live, *tenants_before) if name != error.tenant)
    if near := get_close_matches(error.tenant, candidates, n=1):
        error.summary, error.says_what_now = f"{error.summary}. Did you mean {near[0]}?", True


def with_plan(run: PlannedRun, plan: Plan) -> PlannedRun:
    """The run with another plan, which is a part of its own."""
    return replace(run, plan=plan, digests=digest.of_each(plan))


def read_contract(path: str | None) -> tuple[str, Contract]:
    """The contract in a file, else the bundled one: its text, and the operations that it offers. Raises InputError."""
    text = contract_text(path)
    return text, contracts.parse(text, KINDS, name=path or "the bundled contract")


def contract_text(path: str | None) -> str:
    """The text of a contract. Raises InputError."""
    if path is None:
        return files.bundled("exolink-api.openapi.yaml")
    try:
        return files.read(path, "the contract").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise problem("E-CONTRACT", f"{path} is not UTF-8") from None
