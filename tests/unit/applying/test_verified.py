"""What a run that ended may say that it verified."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
Apply = Callable[..., int]


@pytest.fixture
def apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Apply:
    for name in [name for name in os.environ if name.startswith("EXOLINK_") or name == "CI"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PW", "hunter22secret")
    monkeypatch.chdir(tmp_path)

    def run(document: str, *options: str) -> int:
        Path("exolink.yaml").write_text(document, "utf-8")
        return int(
            commands.exit_code(["apply", "--auto-approve", "--api-url", "emulator:e.db", "--state", "state", *options])
        )

    return run


def base(tenant: str = "acme") -> Any:
    """What the state remembers, by KIND/NAME."""
    origin = next(write.origin for write in journal.Journal(Path("state"), "", read_only=True).history())
    memory = homes.home("state", os.environ).memory(origin, [tenant])
    found = memory.bases.get(tenant)
    return found and {f"{a.kind}/{a.name}": dict(fields) for a, fields in found.declared.items()}


def test_what_was_applied(apply: Apply) -> None:
    """What the YAML manages of each address, secrets masked; not what is never compared."""
    assert apply(DOCUMENT) == 0
    assert base() == {
        "tenant/acme": {"name": "Acme"},
        "cpms/A": {"url": "wss://u:***@a.example.com/"},
        "charger/CP-1": {"displayName": "One", "profileId": 1},
        "charger/CP-2": {"displayName": "Two", "profileId": 1},
    }
    assert b"hunter22secret" not in b"".join(path.read_bytes() for path in Path("state").rglob("*") if path.is_file())


def test_an_apply_with_nothing_to_do_renews_it(apply: Apply) -> None:
    """Objects that somebody else made and the YAML adopts have a base too; what is declared no more has none."""
    apply(DOCUMENT)
    assert apply(DOCUMENT.replace("  - {identity: CP-2, displayName: Two, profileId: 1}\n", "")) == 0
    assert "charger/CP-2" not in base()
    assert apply(DOCUMENT) == 0
    assert base()["charger/CP-2"] == {"displayName": "Two", "profileId": 1}


def test_what_a_run_leaves_out_keeps_its_base(apply: Apply) -> None:
    """A partial run says nothing about the rest."""
    apply(DOCUMENT)
    changed = DOCUMENT.replace("One", "Uno").replace("Two", "Due")
    assert apply(changed, "--target", "acme/charger/CP-1") == 0
    assert base()["charger/CP-1"]["displayName"] == "Uno" and base()["charger/CP-2"]["displayName"] == "Two"
    assert base()["cpms/A"] == {"url": "wss://u:***@a.example.com/"}


def test_what_is_held_back_keeps_its_base(apply: Apply) -> None:
    """A difference that is not settled is not verified."""
    document = DOCUMENT.replace(", createOnly: [interval]", "")
    apply(document)
    assert base()["cpms/A"]["interval"] == 30
    assert apply(document.replace("interval: 30", "interval: 60").replace("One", "Uno")) == 5
    assert base()["cpms/A"]["interval"] == 30 and base()["charger/CP-1"]["displayName"] == "Uno"
    assert apply(document.replace("interval: 30", "interval: 60").replace("One", "Uno")) == 5
    assert base()["cpms/A"]["interval"] == 30
