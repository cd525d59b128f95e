"""What a run that ended may say that it verified."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support_cli import CommandResult, in_process, leave_home

from exolink_reconcile.cli import commands
from exolink_reconcile.state import homes, journal

DOCUMENT = """
tenant: acme
name: Acme
cpms:
  - {displayName: A, url: "wss://u:${env:PW}@a.example.com/", interval: 30, createOnly: [interval]}
chargers:
  - {identity: CP-1, displayName: One, profileId: 1}
  - {identity: CP-2, displayName: Two, profileId: 1}
"""
Apply = Callable[..., CommandResult]


@pytest.fixture
def apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Apply:
    leave_home(monkeypatch, tmp_path)
    monkeypatch.setenv("PW", "hunter22secret")
    command = in_process(capfd)

    def run(document: str, *options: str) -> CommandResult:
        Path("exolink.yaml").write_text(document, "utf-8")
        return command("apply", "--auto-approve", "--api-url", "emulator:e.db", "--state", "state", *options)

    return run


def stored(tenant: str) -> Any:
    """What the state remembers of a tenant."""
    origin = next(write.origin for write in journal.Journal(Path("state"), "", read_only=True).history())
    return homes.home("state", os.environ).memory(origin, [tenant]).bases.get(tenant)


def base(tenant: str = "acme") -> Any:
    """The fields that the state remembers, by KIND/NAME."""
    stored_base = stored(tenant)
    return stored_base and {f"{a.kind}/{a.name}": dict(fields) for a, fields in stored_base.declared.items()}


def test_what_was_applied(apply: Apply) -> None:
    """What the YAML manages of each address, secrets masked; with what is sent on create only, for a repair."""
    assert apply(DOCUMENT).code == 0
    assert base() == {
        "tenant/acme": {"name": "Acme"},
        "cpms/A": {"url": "wss://u:***@a.example.com/", "interval": 30},
        "charger/CP-1": {"displayName": "One", "profileId": 1},
        "charger/CP-2": {"displayName": "Two", "profileId": 1},
    }
    assert b"hunter22secret" not in b"".join(path.read_bytes() for path in Path("state").rglob("*") if path.is_file())


def test_an_apply_with_nothing_to_do_renews_it(apply: Apply) -> None:
    """Objects that somebody else made and the YAML adopts have a base too; what is declared no more has none."""
    apply(DOCUMENT)
    assert apply(DOCUMENT.replace("  - {identity: CP-2, displayName: Two, profileId: 1}\n", "")).code == 0
    assert "charger/CP-2" not in base()
    assert apply(DOCUMENT).code == 0
    assert base()["charger/CP-2"] == {"displayName": "Two", "profileId": 1}


def test_what_a_run_leaves_out_keeps_its_base(apply: Apply) -> None:
    """A partial run says nothing about the rest."""
    apply(DOCUMENT)
    changed = DOCUMENT.replace("One", "Uno").replace("Two", "Due")
    assert apply(changed, "--target", "acme/charger/CP-1").code == 0
    assert base()["charger/CP-1"]["displayName"] == "Uno" and base()["charger/CP-2"]["displayName"] == "Two"
    assert base()["cpms/A"] == {"url": "wss://u:***@a.example.com/", "interval": 30}


def test_what_is_held_back_keeps_its_base(apply: Apply) -> None:
    """A difference that is not settled is not verified."""
    document = DOCUMENT.replace(", createOnly: [interval]", "")
    apply(document)
    assert base()["cpms/A"]["interval"] == 30
    assert apply(document.replace("interval: 30", "interval: 60").replace("One", "Uno")).code == 5
    assert base()["cpms/A"]["interval"] == 30 and base()["charger/CP-1"]["displayName"] == "Uno"
    assert apply(document.replace("interval: 30", "interval: 60").replace("One", "Uno")).code == 5
    assert base()["cpms/A"]["interval"] == 30


def test_what_must_not_exist_and_what_is_claimed(apply: Apply) -> None:
    """What was removed, and what the policy claimed, belongs to the base: else its return could not be shown as drift."""
    document = DOCUMENT + "  - {identity: CP-3, displayName: Three, profileId: 1}\n"
    apply(document)
    removed = DOCUMENT + "removed: [{charger: CP-3}]\npolicy: {exclusive: [charger/CP-*]}\n"
    assert apply(removed).code == 0
    stored_base = stored("acme")
    assert {str(address) for address in stored_base.removed} == {"acme/charger/CP-3"} and stored_base.exclusive == (
        "charger/CP-*",
    )
    assert apply(DOCUMENT, "--target", "acme/charger/CP-1").code == 0
    assert {str(address) for address in stored("acme").removed} == {"acme/charger/CP-3"}


def test_a_repair_creates_what_has_fields_for_create_only(apply: Apply) -> None:
    """`--only drift` makes again what another hand deleted, although a field of it is never compared."""
    other = "  - {displayName: B, url: wss://b.example.com/, interval: 30}\nchargers:\n"
    plain = DOCUMENT.replace("u:${env:PW}@", "").replace("chargers:\n", other)
    apply(plain)
    with sqlite3.connect("e.db") as database:
        database.execute("DELETE FROM object WHERE shown LIKE '%\"A\"%'")
    code, out, _ = apply(plain, "--only", "drift", "--settle", "0")
    assert code == 0 and "1 added" in out


def test_what_comes_back_is_drift(apply: Apply, capfd: pytest.CaptureFixture[str]) -> None:
    """An object that the last apply removed, and that another hand made again, is not this change's."""
    apply(DOCUMENT)
    removed = DOCUMENT.replace("  - {identity: CP-2, displayName: Two, profileId: 1}\n", "removed: [{charger: CP-2}]\n")
    assert apply(removed).code == 0
    assert apply(DOCUMENT, "--state", "elsewhere").code == 0
    Path("exolink.yaml").write_text(removed, "utf-8")
    capfd.readouterr()
    assert commands.exit_code(["plan", "--api-url", "emulator:e.db", "--state", "state"]) == 0
    assert "To delete (1), drift" in capfd.readouterr().out
