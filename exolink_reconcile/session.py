"""Options to a plan: what is wanted, what is live, what would be done."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exolink_reconcile import contract as contracts
from exolink_reconcile import files
from exolink_reconcile.cli import checkout
from exolink_reconcile.cli.console import Console
from exolink_reconcile.contract import Contract
from exolink_reconcile.desired import desired_state, sources
from exolink_reconcile.desired import files as input_files
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.errors import StorageFailed, problem
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import connection, live_state
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import DesiredState, LiveState, Plan
from exolink_reconcile.planning import choices, differ, digest, planner
from exolink_reconcile.planning.choices import Choices, ReviewedPlan
from exolink_reconcile.report import diagnostics_text, github, text
from exolink_reconcile.saved_plan import writer
from exolink_reconcile.state import journal

TENANT = next(kind for kind in KINDS if kind.entries is None)

# The options that shape a plan: they are recorded in a saved plan, and a different one refuses to apply it.
PLAN_OPTIONS = (
    "api_url", "contract", "target", "exclude", "prune", "allow_replace", "allow_deletes", "allow_shrunk", "allow_inferred",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reach:
    """How to reach the API. Times are in seconds."""

    api_url: str
    token_file: str | None
    ca_file: str | None
    contract: str | None
    parallelism: int
    timeout: float


@dataclass(frozen=True, slots=True)
class Options(Reach):
    """The options that plan and apply share, as given."""

    paths: tuple[str, ...]
    target: tuple[str, ...]
    exclude: tuple[str, ...]
    prune: bool
    allow_replace: tuple[str, ...]
    allow_deletes: int | None
    allow_shrunk: tuple[str, ...]
    allow_inferred: bool
    state: str | None
    lock_timeout: float
    settle: float

    @property
    def recorded(self) -> dict[str, Any]:
        """What a saved plan keeps of them."""
        values = {name: getattr(self, name) for name in PLAN_OPTIONS}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def choices(self, *, reviewed: bool, saved: ReviewedPlan | None = None) -> Choices:
        """The part of them that the planner wants."""
        return Choices(
            self.target, self.exclude, self.prune, self.allow_replace, self.allow_deletes, self.allow_shrunk, reviewed,
            saved, self.allow_inferred or connection.is_safe_ground(self.api_url),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything up to the plan: read, compared, decided; nothing written."""

    options: Options
    desired: DesiredState
    contract: Contract
    live: LiveState
    plan: Plan
    digests: Sequence[str]

    @property
    def digest(self) -> str:
        """The digest of the plan."""
        return digest.of_steps(self.plan.origin, self.digests)

    def document(self) -> Sequence[bytes]:
        """The plan as JSON, as it is shown and saved, in pieces."""
        return writer.plan(
            self.plan,
            self.digests,
            config_digest=self.desired.config_digest,
            paths=self.options.paths,
            options=self.options.recorded,
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the files and options want, before anything is sent.

    `documents` are kept only for who asked: they are as large as everything else together.
    """

    options: Options
    desired: DesiredState
    contract: Contract
    contract_text: str
    choices: Choices
    documents: Sequence[Document] = ()

    @property
    def tenants(self) -> Sequence[str]:
        """The tenants that this run reads."""
        return tuple(choices.wanted(self.desired, self.choices))

    def plan(self, api: Api, seen: Mapping[tuple[str, str], int]) -> Prepared:
        """Read the live state, compare, decide. Raises ApiError, InputError."""
        can_create = self.contract.offer(TENANT).create is not None
        live = live_state.read(api, choices.wanted(self.desired, self.choices), TENANT, absent_ok=can_create)
        changes = differ.diff(self.desired, live)
        plan = planner.plan(changes, self.desired, self.contract, self.choices, self.options.api_url, seen)
        return Prepared(self.options, self.desired, self.contract, live, plan, digest.of_each(plan))


def wanted(
    options: Options,
    console: Console,
    *,
    reviewed: bool,
    saved: ReviewedPlan | None = None,
    keep_documents: bool = False,
) -> Wanted:
    """Read the files and check them against the contract and the options. Raises InputError with every problem."""
    inputs = input_files.read(options.paths, os.environ)
    desired = desired_state.build(inputs.documents, KINDS, config_digest=inputs.digest, problems=inputs.problems)
    console.err(diagnostics_text.diagnostics(desired.warnings))
    contract_text, contract = read_contract(options.contract)
    contracts.check(contract, desired)
    chosen = options.choices(reviewed=reviewed, saved=saved)
    choices.check_choices(desired, chosen)
    documents = inputs.documents if keep_documents else ()
    return Wanted(options, desired, contract, contract_text, chosen, documents)


@contextmanager
def connected(reach: Reach, contract_text: str, console: Console) -> Iterator[Api]:
    """The API of the options, open. Raises InputError, ApiDenied."""
    with connection.connect(
        reach.api_url, token_file=reach.token_file, ca_file=reach.ca_file, timeout=reach.timeout,
        parallelism=reach.parallelism, contract=contract_text, environment=os.environ,
    ) as api:  # fmt: skip
        if api.proxy:
            console.err(f"Going through the proxy {api.proxy_host}.\n")
        yield api


def memory(options: Options) -> journal.Memory:
    """What earlier runs left, for a command that may not write; nothing where there is no state folder."""
    try:
        return journal.peek(state_folder(options.state), connection.origin(options.api_url))
    except StorageFailed:
        return journal.Memory()


def state_folder(state: str | None) -> Path:
    """The folder of `--state`, else the user's. Raises StorageFailed."""
    return Path(state) if state else journal.default_folder(os.environ)


def read_contract(path: str | None) -> tuple[str, Contract]:
    """The contract in a file, else the bundled one: its text, and what it offers. Raises InputError."""
    text = contract_text(path)
    return text, contracts.parse(text, KINDS, name=path or "the bundled contract")


def contract_text(path: str | None) -> str:
    """The text of a contract. Raises InputError."""
    if path is None:
        return files.bundled("exolink-api.openapi.yaml")
    try:
        return files.read_text(path, "the contract").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise problem("E-CONTRACT", f"{path} is not UTF-8") from None


@dataclass(frozen=True, slots=True)
class Shown:
    """How a plan is to be shown."""

    format: str
    full: bool = False
    show_unmanaged: bool = False
    max_size: int | None = None


def rendered(
    shown: Shown, plan: Plan, digest: str, paths: Sequence[str], options: Mapping[str, Any], console: Console
) -> str:
    """A plan in any format but its JSON. `paths` and `options` are those it was made with. Raises InputError."""
    match shown.format:
        case "markdown":
            from exolink_reconcile.report import markdown

            return markdown.plan(
                plan, digest, paths=paths, options=options,
                full=shown.full, show_unmanaged=shown.show_unmanaged, max_size=shown.max_size,
            )  # fmt: skip
        case "html":
            from exolink_reconcile.report import html

            return html.plan(
                plan, digest, paths=paths, options=options, full=shown.full, show_unmanaged=shown.show_unmanaged
            )
        case "gitlab":
            from exolink_reconcile.report import gitlab

            return gitlab.plan(plan)
        case _:
            return plan_text(plan, digest, console, full=shown.full, show_unmanaged=shown.show_unmanaged)


def plan_text(plan: Plan, digest: str, console: Console, *, full: bool = False, show_unmanaged: bool = False) -> str:
    """A plan as text for the console: its width, its colours."""
    shown = text.plan(
        plan, digest, full=full, width=console.width, terminal=console.terminal, show_unmanaged=show_unmanaged
    )
    return text.colour(shown) if console.colours else shown


def plan_annotations(plan: Plan, documents: Sequence[Document] = ()) -> str:
    """A plan as GitHub annotations: on the lines that cause it, or without documents on the places it recorded."""
    caused = sources.find(plan, documents) if documents else sources.recorded(plan)
    return github.plan(plan, caused, checkout.from_root(os.environ))
