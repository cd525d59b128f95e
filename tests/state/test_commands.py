"""`history`, `locks` and `store`, as a user calls them, with either home."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import postgres_server
import pytest
from support_cli import CommandResult, Run, in_process

from exolink_reconcile.state import homes, migrations

API = "emulator:e.db"
FIRST = """
tenant: acme
cpms:
  - {displayName: Primary, url: "wss://one.example.com/", interval: 30}
  - {displayName: "C:lon ${env:ODD}", url: "wss://u:${env:PW}@two.example.com/", interval: 60}
chargers:
  - {identity: CP-1, displayName: "Bay 1", profileId: 1}
  - {identity: CP-2, displayName: "yes", profileId: 2}
"""
SECOND = """
tenant: acme
cpms:
  - {displayName: Primary, url: "wss://uno.example.com/", interval: 30}
chargers:
  - {identity: CP-1, displayName: "Bay one", profileId: 1}
  - {identity: CP-3, displayName: "New", profileId: 2}
removed:
  - {charger: CP-2}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("PW", "hunter22secret")
    monkeypatch.setenv("ODD", "#1: 'x'")
    monkeypatch.setenv("EXOLINK_API_URL", API)
    monkeypatch.setenv("EXOLINK_SETTLE", "0.5")
    monkeypatch.chdir(tmp_path)

    return in_process(capfd)


@pytest.fixture(params=["folder", "database"])
def state(request: pytest.FixtureRequest, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a state, which the environment gives to every command."""
    if request.param == "folder":
        name = "state"
    else:
        server = postgres_server.server()
        name = server.url(server.new_database())
    monkeypatch.setenv("EXOLINK_STATE", name)
    yield name


def apply(run: Run, document: str, *options: str, code: int = 0) -> CommandResult:
    Path("exolink.yaml").write_text(document, "utf-8")
    ran = run("apply", "--auto-approve", *options)
    assert ran.code == code, ran
    return ran


def test_history(run: Run, state: str) -> None:
    """The writes, newest first, with what they changed; by address, by run, so many; as JSON the same."""
    apply(run, FIRST)
    apply(run, SECOND)
    writes = run("history", "--format", "json").json["writes"]
    assert len(writes) == 8 and {write["outcome"] for write in writes} == {"done"}
    update = next(write for write in writes if write["address"] == "acme/cpms/Primary" and write["action"] == "update")
    assert update["fields"] == {"url": {"before": "wss://one.example.com/", "after": "wss://uno.example.com/"}}
    assert list(update) == ["run", "when", "who", "api_url", "address", "action", "id", "fields", "outcome", "code", "detail"]  # fmt: skip
    assert update["when"].endswith("Z") and isinstance(update["id"], int)
    assert [w["address"] for w in run("history", "acme/charger/CP-2", "--format", "json").json["writes"]] == [
        "acme/charger/CP-2"
    ] * 2
    assert len(run("history", "--limit", "3", "--format", "json").json["writes"]) == 3
    of_run = run("history", "--run", writes[-1]["run"], "--format", "json").json["writes"]
    assert len(of_run) == 4 and of_run == writes[-4:]
    text = run("history", "acme/cpms/*").out
    assert "update acme/cpms/Primary [done] url: wss://one.example.com/ -> wss://uno.example.com/" in text
    assert run("history", "--run", "nonsense").code == 3 and run("history", "--format", "yaml").code == 3
    everything = text + run("history").out + json.dumps(writes)
    assert "hunter22secret" not in everything


def test_a_run_is_put_back(run: Run, state: str) -> None:
    """The document of a run is YAML like any other: applied, what the run changed is as it was, but for ids and secrets."""
    apply(run, FIRST)
    apply(run, SECOND)
    latest = run("history", "--format", "json").json["writes"][0]["run"]
    back = run("history", "--run", latest, "--format", "yaml").out
    assert "acme/charger/CP-2: it gets another id" in back
    Path("back.yaml").write_text(back, "utf-8")
    assert run("validate", "back.yaml").code == 0
    ran = run("apply", "--auto-approve", "back.yaml")
    assert ran.code == 0, (back, ran)
    Path("exolink.yaml").write_text(FIRST, "utf-8")
    assert run("plan", "--detailed-exitcode").code == 0
    unmanaged = run("plan", "--show-unmanaged").out
    assert "CP-3" not in unmanaged


def test_a_run_that_made_everything(run: Run, state: str) -> None:
    """What it created is removed, each by its id, odd names included; what it did not make is not named."""
    apply(run, FIRST)
    created = run("history", "--format", "json").json["writes"][0]["run"]
    Path("back.yaml").write_text(run("history", "--run", created, "--format", "yaml").out, "utf-8")
    ran = run("apply", "--auto-approve", "--allow-deletes", "4", "back.yaml")
    assert ran.code == 0 and "4 destroyed" in ran.out, ran
    assert run("plan", "--detailed-exitcode", "back.yaml").code == 0


def test_a_secret_cannot_come_back(run: Run, state: str) -> None:
    """It is not kept anywhere, so a comment stands in its place."""
    apply(run, FIRST)
    apply(run, FIRST.replace("two.example.com", "due.example.com"))
    latest = run("history", "--format", "json").json["writes"][0]["run"]
    back = run("history", "--run", latest, "--format", "yaml").out
    assert "its secret is not kept" in back and "hunter22secret" not in back
    Path("back.yaml").write_text(back, "utf-8")
    assert run("plan", "--detailed-exitcode", "back.yaml").code == 0


def test_who_holds_what(run: Run, state: str) -> None:
    """The holder with run, host and times; a folder's lock is only shown, a lease is taken away by its own token."""
    apply(run, FIRST)
    assert run("locks", "--format", "json").json == {"format_version": "1.0", "locks": []}
    origin = run("history", "--format", "json").json["writes"][0]["api_url"]
    with homes.home(state, os.environ).open(origin) as store, store.hold(["acme"], 0.0, print):
        [lock] = run("locks", "--format", "json").json["locks"]
        assert list(lock) == ["api_url", "tenant", "token", "run", "who", "host", "taken", "last_seen", "expires"]
        assert (lock["api_url"], lock["tenant"], lock["run"]) == (origin, "acme", store.run)
        assert "acme" in run("locks").out and store.run in run("locks").out
        ran = run("apply", "--auto-approve")
        assert ran.code == 8 and "E-LOCKED" in ran.err
        shared = lock["token"] is not None
        arguments = ("--break", "acme", "--reason", "it hangs", "--token")
        assert run("locks", *arguments, "99").code == (7 if shared else 3)
        assert run("locks", "--break", "acme", "--token", "1").code == 3
        assert run("locks", "--token", "1").code == 3
        if shared:
            assert lock["expires"].endswith("Z") and lock["last_seen"].endswith("Z")
            assert run("locks", *arguments, str(lock["token"])).code == 0
            assert "E-TOKEN" in run("locks", *arguments, str(lock["token"])).err
            assert run("apply", "--auto-approve").code == 0
        else:
            assert (lock["expires"], lock["last_seen"]) == (None, None)


def test_the_token_of_the_api_is_not_that_of_a_lock(run: Run, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """EXOLINK_TOKEN is never read for it, nor shown."""
    monkeypatch.setenv("EXOLINK_TOKEN", "canary-5d1f0c7e")
    apply(run, FIRST)
    ran = run("locks")
    assert ran.code == 0 and "canary" not in ran.out + ran.err


def test_status_and_prune(run: Run, state: str) -> None:
    """How much is kept, and how to keep less: never what is open, the base or the counts."""
    apply(run, FIRST)
    assert "Writes: 0 open, 4 closed" in run("store", "status").out
    assert run("store", "prune", "--older-than", "1").out.startswith("Threw away 0 closed writes and 0 lines")
    pruned = run("store", "prune", "--older-than", "0")
    assert pruned.code == 0 and pruned.out.startswith("Threw away 4 closed writes"), pruned
    assert run("history").out == "No write is on record.\n" and run("store", "prune").code == 3
    apply(run, SECOND)


def test_making_and_filling_a_shared_state(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tables apply is 11 and names `store init`; a folder is imported once."""
    apply(run, FIRST, "--state", "old")
    server = postgres_server.server()
    monkeypatch.setenv("EXOLINK_STATE", server.url(server.new_database(tables=False)))
    ran = apply(run, SECOND, code=11)
    assert "store init" in ran.err
    assert all(run(command).code == 11 for command in ("history", "unknowns", "locks"))
    plan = run("plan")
    assert plan.code == 0 and "Note:" in plan.err
    assert run("store", "init").out.startswith(f"Made: tables of version {migrations.VERSION}")
    assert run("store", "init").out.endswith("already.\n")
    assert run("store", "import", "old").out == "Imported 4 writes, 1 base and 3 counts.\n"
    assert run("store", "import", "old").out == "Imported 0 writes, 0 bases and 0 counts.\n"
    assert run("store", "import", "nowhere").code == 11
    apply(run, SECOND)
    assert len(run("history", "--format", "json").json["writes"]) == 8


def test_a_folder_has_no_tables(run: Run) -> None:
    """What only a database can do says so: 3. Its SQL can be printed anywhere."""
    for arguments in (("init",), ("import", "."), ("init", "--state", "x")):
        assert run("store", *arguments).code == 3
    sql = run("store", "init", "--sql").out
    assert "CREATE SCHEMA" in sql and "exolink.audit" in sql and sql.rstrip().endswith("TO exolink_owner;")
    assert sql.index("GRANT ALL") > sql.index("GRANT SELECT") > sql.index("CREATE TABLE")


@pytest.mark.parametrize("command", ["plan", "apply", "unknowns", "history", "locks"])
def test_rules_of_the_url(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Every command refuses a password on the command line and a database far away without checked TLS: 3, unseen."""
    Path("exolink.yaml").write_text(FIRST, "utf-8")
    for url in ("postgresql://u:hunter22secret@localhost/x", "postgres://localhost/x?password=hunter22secret"):
        ran = run(command, "--state", url)
        assert ran.code == 3 and "hunter22secret" not in ran.out + ran.err and "EXOLINK_STATE" in ran.err
    monkeypatch.setenv("EXOLINK_STATE", "postgresql://u:hunter22secret@far.example.com/x?sslmode=require")
    extra = ("--auto-approve",) if command == "apply" else ()
    ran = run(command, *extra)
    assert ran.code == 3 and "verify-full" in ran.err and "hunter22secret" not in ran.out + ran.err


@pytest.mark.parametrize("command", ["plan", "apply", "unknowns", "history", "locks"])
def test_another_kind_of_database(run: Run, command: str) -> None:
    """There is no folder of that name: 3, and none is made."""
    Path("exolink.yaml").write_text(FIRST, "utf-8")
    ran = run(command, "--state", "mysql://h/x", *(("--auto-approve",) if command == "apply" else ()))
    assert ran.code == 3 and "E-USAGE" in ran.err and not Path("mysql:").exists()
