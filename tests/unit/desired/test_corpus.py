"""A corpus of YAML files, good and bad: what `validate` says of each, and whether the JSON Schema for editors agrees.

A bad file says in its first line which code validate reports, where and why. check-jsonschema stands for every program
that reads the schema and knows nothing of this tool; it parses with YAML 1.2, one document a file.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from exolink_reconcile.desired import desired_state, documents
from exolink_reconcile.errors import InputError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import Diagnostic

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = ROOT / "schemas" / "exolink-config.schema.json"
GOOD = {path.stem: path for path in sorted((ROOT / "tests/corpus/good").iterdir())}
BAD = {path.stem: path for path in sorted((ROOT / "tests/corpus/bad").iterdir())}
SAYS = re.compile(r"# (E-[A-Z-]+) in line (\d+): \S")

# What a JSON Schema cannot see, and why.
NOT_SEEN = {
    "charger-id-twice": "it compares two entries",
    "charger-profile-unknown": "it compares an entry with `profiles`, which may stand in another file",
    "charger-twice": "it compares two entries",
    "charger-twice-in-case": "it compares two entries",
    "cpms-flag-capital": "a reader has made it a boolean before the schema looks",
    "cpms-interval-exponent": "a reader has made it the number 30 before the schema looks",
    "cpms-interval-hexadecimal": "a reader has made it the number 30 before the schema looks",
    "cpms-interval-leading-zero": "a reader has made it the number 30 before the schema looks",
    "cpms-interval-point-zero": "to JSON Schema 30.0 is an integer",
    "cpms-url-port": "a pattern does not compare numbers",
    "removed-and-declared": "it compares two lists",
    "removed-and-protected": "it matches a name against a glob",
    "yaml-anchor": "a reader has dissolved it before the schema looks",
    "yaml-merge": "a reader has dissolved it before the schema looks",
    "yaml-tag": "a reader has dissolved it before the schema looks",
}
# A good file that check-jsonschema's reader cannot read.
NOT_READ = {"equals-sign": "ruamel.yaml knows YAML 1.1's type of `=` and cannot make a value of it"}


def validate(path: Path) -> list[Diagnostic]:
    """The errors of one file, as `validate` finds them."""
    parsed, problems = documents.read(str(path), path.read_bytes(), None)
    try:
        desired_state.build(parsed, KINDS, problems=problems)
    except InputError as error:
        return [diagnostic for diagnostic in error.diagnostics if diagnostic.severity == "error"]
    return []


@pytest.fixture(scope="module")
def refused_by_schema() -> dict[str, str]:
    """Every file that check-jsonschema refuses, by name, with what it says."""
    command = [sys.executable, "-m", "check_jsonschema", "--output-format", "json", "--schemafile", str(SCHEMA)]
    paths = [*GOOD.values(), *BAD.values()]
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, timeout=60, cwd=ROOT)
    report = json.loads(done.stdout)
    return {Path(error["filename"]).stem: error["message"] for error in report["errors"] + report["parse_errors"]}


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    """A good file has no error."""
    assert validate(GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str) -> None:
    """A bad file has the one error that its first line tells, in that line: one mistake, one diagnostic."""
    says = SAYS.match(BAD[name].read_text("utf-8"))
    assert says is not None, "the first line tells nothing"
    assert [(diagnostic.code, diagnostic.source and diagnostic.source.line) for diagnostic in validate(BAD[name])] == [
        (says[1], int(says[2]))
    ]


def test_schema_accepts_the_good(refused_by_schema: dict[str, str]) -> None:
    """What validate accepts, the schema accepts."""
    assert {name: said for name, said in refused_by_schema.items() if name in GOOD.keys() - NOT_READ.keys()} == {}


def test_schema_refuses_the_bad(refused_by_schema: dict[str, str]) -> None:
    """What validate refuses, the schema refuses, but for what it cannot see; and what it cannot see it does not."""
    assert BAD.keys() - refused_by_schema.keys() == NOT_SEEN.keys()


def test_names_are_told_apart() -> None:
    """No good file has the name of a bad one, and each file has one document, as check-jsonschema needs it."""
    assert not GOOD.keys() & BAD.keys()
    assert [path for path in [*GOOD.values(), *BAD.values()] if b"\n---" in path.read_bytes()] == []


def test_the_schema_is_ascii() -> None:
    """The characters that its patterns forbid would not be seen in it."""
    assert SCHEMA.read_bytes().isascii()
