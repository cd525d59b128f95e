"""Steps to write into a state, and another hand on the files of a journal."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exolink_reconcile.applying.settings import Record
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Action, Step
from exolink_reconcile.resource import Address, row_model

CPMS = KINDS[1]
API_NOW = 1_000_000.0
ORIGIN = "https://api.example.com"

CpmsRow: Any = row_model(CPMS)

ROW = CpmsRow(id=7, displayName="A")


def step(name: str = "A", action: Action = Action.CREATE, tenant: str = "acme") -> Step:
    before = None if action is Action.CREATE else ROW
    return Step(action, Address(tenant, "cpms", name), CPMS, "declared", None, before=before)


def intended(store: Record, *steps: Step) -> None:
    for step in steps:
        store.intend(step, {"displayName": "before"}, {"displayName": step.address.name})


def names(operations: Any) -> list[str]:
    return [op.address.name for op in operations]


@contextlib.contextmanager
def beside(folder: Path) -> Iterator[sqlite3.Connection]:
    """Another hand on the database."""
    with contextlib.closing(sqlite3.connect(folder / "journal.db", isolation_level=None)) as database:
        database.row_factory = sqlite3.Row
        yield database


def row(folder: Path, name: str = "A") -> dict[str, Any]:
    with beside(folder) as database:
        return dict(database.execute("SELECT * FROM op WHERE name = ?", (name,)).fetchone())


def change(folder: Path, statement: str) -> None:
    with beside(folder) as database:
        database.execute(statement)


def audit(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text("utf-8").splitlines()]
