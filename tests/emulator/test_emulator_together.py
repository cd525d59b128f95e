"""Many threads, several processes, large lists."""

import concurrent.futures
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx

from exolink_reconcile import emulator

Client = Callable[..., httpx.Client]

THREADS = 8
EACH = 50


def create(api: httpx.Client, identity: str) -> int:
    return api.post(
        "/tenant/acme/charger", json={"identity": identity, "displayName": identity, "profileId": 1}
    ).status_code


def test_threads_create(client: Client) -> None:
    """Eight threads create, read and list at once: nothing fails, nothing is lost, every id is its own."""
    api = client()

    def work(thread: int) -> set[int]:
        seen = {create(api, f"CP-{thread}-{number}") for number in range(EACH)}
        return seen | {api.get("/tenant/acme/charger").status_code}

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        statuses = set().union(*pool.map(work, range(THREADS)))
    rows = api.get("/tenant/acme/charger").json()
    assert statuses == {200, 201}
    assert len({row["identity"] for row in rows}) == len({row["id"] for row in rows}) == len(rows) == THREADS * EACH


def test_threads_compete(client: Client) -> None:
    """Of many who create the same charger at once, one succeeds and the others conflict."""
    api = client()
    together = threading.Barrier(THREADS)

    def work(_: int) -> int:
        together.wait()
        return create(api, "CP-0001")

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        assert sorted(pool.map(work, range(THREADS))) == [201] + [409] * (THREADS - 1)


def test_threads_meet_a_tenant(client: Client) -> None:
    """A tenant met for the first time by many threads is one tenant."""
    api = client()
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        assert len(set(pool.map(lambda _: api.get("/tenant/new").json()["id"], range(THREADS * 4)))) == 1


PROCESS = """
import pathlib, sys, httpx
from exolink_reconcile import emulator
for turn in range(4):  # opening and closing is part of it: the last to close folds the write-ahead log
    contract = pathlib.Path(sys.argv[2]).read_text()
    app = emulator.application(pathlib.Path(sys.argv[1]), contract, tenants=None, token=None)
    with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://emulator") as api:
        for number in range(40):
            identity = f"CP-{sys.argv[3]}-{turn}-{number}"
            made = api.post("/tenant/acme/charger", json={"identity": identity, "displayName": "x", "profileId": 1})
            assert made.status_code == 201, made.text
            assert api.get("/tenant/acme/charger").status_code == 200
    app.close()
"""


def test_processes_share_a_database(client: Client, database: Path) -> None:
    """Several processes open, write and close one new database at once: nothing fails, nothing is lost."""
    contract = Path(__file__).parents[2] / "schemas" / "exolink-api.openapi.yaml"
    command = [sys.executable, "-W", "error", "-c", PROCESS, str(database), str(contract)]
    processes = [subprocess.Popen([*command, str(number)], stderr=subprocess.PIPE, text=True) for number in range(3)]
    assert [process.communicate()[1] for process in processes] == ["", "", ""]
    assert len({row["id"] for row in client().get("/tenant/acme/charger").json()}) == 3 * 4 * 40


def test_large_list(client: Client, database: Path) -> None:
    """A list of 100,000 chargers is answered whole."""
    api = client()
    create(api, "CP-first")
    connection = sqlite3.connect(database)
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)"
        " INSERT INTO object (owner, collection, unique_key, posted, shown)"
        " SELECT owner, collection, 'CP-' || i, 1, shown FROM n, object WHERE collection = 'charger'"
    )
    connection.commit()
    connection.close()
    answer = api.get("/tenant/acme/charger")
    assert len(answer.json()) == 100_000


def test_use_after_close(client: Client, database: Path) -> None:
    """Closing gives up the file; a later request opens it again instead of failing."""
    app = emulator.application(database, "paths: {'/tenant/{t}': {get: {}}}", tenants=None, token=None)
    app.close()
    with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://emulator") as api:
        assert api.get("/tenant/acme").status_code == 200
    app.close()


def test_embedded_in_an_apply(tmp_path: Path) -> None:
    """After an apply against `emulator:FILE` the file is all there is: who copies it copies everything."""
    yaml = tmp_path / "exolink.yaml"
    yaml.write_text("tenant: acme\ncpms: [{displayName: One, url: 'wss://one.example.com/', interval: 30}]\n", "utf-8")
    database = tmp_path / "db" / "try.db"
    database.parent.mkdir()
    words = (
        "apply",
        str(yaml),
        "--auto-approve",
        "--state",
        str(tmp_path / "state"),
        "--api-url",
        f"emulator:{database}",
    )
    subprocess.run([sys.executable, "-m", "exolink_reconcile", *words], check=True, capture_output=True, timeout=60)
    assert list(database.parent.iterdir()) == [database]
