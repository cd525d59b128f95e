"""Writes the seed corpora, one folder a harness, into the folder given: real inputs are the best start."""

import json
import sqlite3
import sys
import tempfile
from pathlib import Path

from exolink_reconcile.state.journal import Journal

ROOT = Path(__file__).parents[2]
ROWS = {
    b"\0": {"id": 1, "name": "Acme", "domainPrefix": "acme", "connectUrl": "wss://a/", "deletedAt": None},
    b"\1": {"id": 2, "tenantId": 1, "displayName": "P", "url": "wss://u:p@h/?t=1", "interval": 30.0, "deletedAt": None},
    b"\2": {"id": 3, "identity": "CP", "displayName": "P", "profileId": 1, "chargeBoxSerialNumber": 12345},
}
YAML = (
    b"tenant: acme\ncpms:\n  - {displayName: P, url: 'wss://h/?a=b', interval: 30, createOnly: [interval]}\n",
    b"tenant: acme\nchargers:\n- identity: CP\n  displayName: ${env:SECRET}\n  profileId: 1\n  id: 7\nremoved: [{cpms: X}]\n",
    b"tenant: &a acme\nname: *a\n---\n? {}\n: !!int 1\n",
    b"tenant: acme\npolicy: {exclusive: ['charger/*'], allowReplace: [cpms/A], protect: ['*']}\n<<: {a: ~}\n",
    b"%YAML 1.2\n---\ntenant: |\n  x\ncpms: >-\n  y\n...\n",
    b"tenant: acme\ncpms: [{url: wss://host/?a=b}]\n",
    b"tenant: acme\nchargers:\n" + b"  - identity: A\n    displayName: B c\n  - {identity: D, profileId: '1'}\n" * 3,
    b"tenant: |\n" + b"  - a: b\n" * 4 + b"chargers:\n" + b"- a: b\n" * 4 + b"- a: \xe2\x80\xa8b # c\n- - d: e\n",
)
TABLES = (
    b"identity,displayName\nCP-1,Lobby\n",
    b'\xef\xbb\xbf"OCPP ID";Site;;\r\nCP-1;"a ""b""\r\nc";;\r\n;;;\r\n',
    b"identity\tprofile\n${env:X}\tnight\n\n",
    b'identity,a\n"x',
    b'identity\n"x"y\n',
)
INERT = (
    b"::error::x",
    b"##[group]",
    b"##vso[task]",
    b"##teamcity[x",
    b":\0:a",
    "\u202ea\u200b".encode(),
    b"\x1b[31m\r\n",
)


def journals() -> list[bytes]:
    """A new journal, one with an open operation, and a database of somebody else."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal.db"
        for statement in (
            "",
            "INSERT INTO op (number, run, digest, origin, tenant, kind, name, action, remote_id, before, after,"
            " intended_at, boot, ticks, answered, made, outcome) VALUES (1, 'r', 'd', 'http://127.0.0.1', 'acme', 'cpms', 'A', 'create', 7, '{}', '{\"a\": 1}', 0, '', 0, 0, NULL, NULL)",
        ):
            Journal(Path(name), "http://127.0.0.1").close()
            database = sqlite3.connect(path)
            database.execute("PRAGMA journal_mode=DELETE")
            database.execute(statement)
            database.commit()
            database.close()
            found.append(path.read_bytes())
        other = Path(name) / "other.db"
        database = sqlite3.connect(other)
        database.execute("CREATE TABLE t (x)")
        database.commit()
        database.close()
        found.append(other.read_bytes())
    return [*found, b"", found[1][:5000]]


def main(folder: Path) -> None:
    """Write them."""
    lists = [
        first + json.dumps(value).encode() for first, row in ROWS.items() for value in (row, [row], [row, row], [])
    ]
    examples = [path.read_bytes() for path in sorted((ROOT / "examples").rglob("*.yaml"))]
    lists.append(b"\1<html></html>")
    for name, seeds in (
        ("yaml", [*YAML, *examples]),
        ("list", lists),
        ("journal", journals()),
        ("inert", INERT),
        ("table", TABLES),
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / name / f"seed-{number:02}").write_bytes(seed)


main(Path(sys.argv[1]))
