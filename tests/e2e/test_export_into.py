"""`export --into`: live values into the YAML and CSV that is there, and nothing else."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Cli
from .support import NO_CHANGES

YAML = """\
# ours
tenant: acme
name: 'Acme'   # the account
profiles: {standard: 1, night: 2}
defaults: {chargers: {profile: standard}}
cpms:
  - displayName: Main
    url: wss://old.example.com/ocpp   # TODO
    interval: 30
  - {displayName: Secret, url: "wss://u:${env:PW}@h/"}
chargers:
  - identity: CP-1
    displayName: >-
      Old name
    profileId: 1
  - identity: CP-2
    displayName: a long
      name
  - {identity: CP-3, displayName: "old, \\x41", profile: night}
---
tenant: acme
chargersFrom: [{file: t.csv}]
"""
TABLE = '\ufeffidentity;displayName;profileId\r\nCP-4;"Old ""name""";1\r\nCP-5;Same;1\r\n'


@pytest.fixture
def files(cli: Cli) -> Path:
    """Files that differ from what is live in all ways."""
    world = cli.world
    world.edit("acme", "tenant", 0, name="Acme's")
    world.add("acme", "cpms", displayName="Main", url="wss://new.example.com/ocpp", interval=30)
    world.add("acme", "cpms", displayName="Secret", url="wss://u:other@h/", interval=30)
    world.add("acme", "charger", identity="CP-1", displayName="NO", profileId=7)
    world.add("acme", "charger", identity="CP-2", displayName="x: y", profileId=2)
    world.add("acme", "charger", identity="CP-3", displayName="Neu, \u00e4", profileId=3)
    world.add("acme", "charger", identity="CP-4", displayName="a;b", profileId=1)
    world.add("acme", "charger", identity="CP-5", displayName="Same", profileId=1)
    world.add("acme", "charger", identity="CP-9", displayName="New", profileId=1)
    (cli.folder / "exolink.yaml").write_text(YAML, encoding="utf-8")
    (cli.folder / "t.csv").write_bytes(TABLE.encode())
    os.chmod(cli.folder / "t.csv", 0o640)
    return cli.folder


ENV = {"PW": "mine"}
AFTER = (
    YAML.replace("'Acme'", "'Acme''s'")
    .replace("wss://old", "wss://new")
    .replace(">-\n      Old name\n    profileId: 1", '"NO"\n    profileId: 7')
    .replace("a long\n      name", '"x: y"')
    .replace('"old, \\x41"', '"Neu, \u00e4"')
)


def test_only_scalars_that_differ_change(cli: Cli, files: Path) -> None:
    """Comments, blanks, quotes, line ends, byte order mark and mode stay; what cannot be written is listed with its place."""
    shown = cli("export", "acme", "--into", "exolink.yaml", env=ENV)
    assert (files / "exolink.yaml").read_text() == YAML and (files / "t.csv").read_bytes() == TABLE.encode()
    result = cli("export", "acme", "--into", "exolink.yaml", "--write", env=ENV)
    assert result.out == shown.out and "-name: 'Acme'   # the account\n+name: 'Acme''s'   # the account\n" in shown.out
    text = (files / "exolink.yaml").read_text(encoding="utf-8")
    assert text.replace('"NO"', "NO") == AFTER.replace('"NO"', "NO")
    assert (files / "t.csv").read_bytes() == TABLE.replace('"Old ""name"""', '"a;b"').encode()
    assert (files / "t.csv").stat().st_mode & 0o777 == 0o640
    for place, reason in (
        ("5:32", "profileId of acme/charger/CP-2: it comes from `defaults`"),
        ("10:32", "url of acme/cpms/Secret: it comes from the environment"),
        ("19:57", "profileId of acme/charger/CP-3: it is written as `profile: night`"),
    ):
        assert f"exolink.yaml:{place}: left: {reason}" in result.err
    assert "left: acme/charger/CP-9: it is new" in result.err and "other" not in result.text
    assert cli.world.writes == []


def test_the_diff_is_one_that_patch_takes(cli: Cli, files: Path) -> None:
    """The printed diff makes the same YAML as --write."""
    (files / "t.csv").write_bytes(TABLE.replace('"Old ""name"""', '"a;b"').encode())
    diff = cli("export", "acme", "--into", "exolink.yaml", env=ENV).out
    done = subprocess.run(["patch", "-p0"], input=diff, cwd=files, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    by_patch = (files / "exolink.yaml").read_text()
    (files / "exolink.yaml").write_text(YAML)
    cli("export", "acme", "--into", "exolink.yaml", "--write", env=ENV)
    assert (files / "exolink.yaml").read_text() == by_patch


def test_what_is_new_is_added_on_request(cli: Cli, files: Path) -> None:
    """--add appends a document; then nothing is unmanaged, and nothing of it differs."""
    (files / "exolink.yaml").write_text("tenant: acme\nchargers: [{identity: CP-5}]\n# end")
    cli("export", "acme", "--into", ".", "--add", "exolink.yaml", "--write")
    text = (files / "exolink.yaml").read_text()
    assert text.startswith("tenant: acme\nchargers: [{identity: CP-5}]\n# end\n---\ntenant: acme\n")
    plan = cli("plan", "exolink.yaml", "--detailed-exitcode")
    assert plan.counts(NO_CHANGES) and "unmanaged" not in plan.out


@pytest.mark.parametrize("name", ["exolink.yaml", "new.yaml"])
def test_the_diff_of_what_is_added(cli: Cli, files: Path, name: str) -> None:
    """It is what --write makes, for a file that is there as for a new one."""
    text = "tenant: acme\nchargers: [{identity: CP-5}]\n"
    (files / "exolink.yaml").write_text(text)
    diff = cli("export", "acme", "--into", ".", "--add", name).out
    done = subprocess.run(["patch", "-p0"], input=diff, cwd=files, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    by_patch = (files / name).read_text()
    (files / name).unlink()
    (files / "exolink.yaml").write_text(text)
    cli("export", "acme", "--into", ".", "--add", name, "--write")
    assert (files / name).read_text() == by_patch


def test_refusals(cli: Cli, files: Path) -> None:
    """Nothing is written where the input cannot be read whole, the tenant is not described, or options do not fit."""
    before = (files / "exolink.yaml").read_bytes()
    assert "E-ENV" in cli("export", "acme", "--into", "exolink.yaml", "--write", code=3).err
    cli("export", "beta", "--into", "exolink.yaml", "--write", env=ENV, code=3)
    cli("export", "acme", "--into", "exolink.yaml", "--add", "other.yaml", env=ENV, code=3)
    cli("export", "acme", "--write", code=3)
    cli("export", "acme", "--into", "-", "--write", code=3)
    cli("export", "acme", "--into", ".", "--out", "x", env=ENV, code=3)
    (files / "link.yaml").symlink_to("nowhere.yaml")
    cli("export", "acme", "--into", ".", "--write", env=ENV, code=3)
    (files / "link.yaml").unlink()
    (files / "bad.yaml").write_text("tenant: [\n")
    cli("export", "acme", "--into", ".", "--write", env=ENV, code=3)
    assert (files / "exolink.yaml").read_bytes() == before


def test_nothing_to_change(cli: Cli) -> None:
    """What is as it is live stays as it is, and nothing is printed."""
    (cli.folder / "exolink.yaml").write_text("tenant: acme\n")
    result = cli("export", "acme", "--into", "exolink.yaml", "--write")
    assert result.out == "" and "Nothing to change" in result.err


def test_secrets_and_commands_of_the_context_are_not_printed(cli: Cli) -> None:
    """The lines around a change may hold a password or what a runner obeys."""
    cli.world.add("acme", "cpms", displayName="A", url="wss://u:hush@h/", interval=60)
    yaml = 'tenant: acme\ncpms:\n  - displayName: A\n    url: "wss://u:hush@h/"  # ##vso[task] \x1b\n    interval: 30\n'
    (cli.folder / "exolink.yaml").write_text(yaml.replace(" \x1b", ""))
    result = cli("export", "acme", "--into", "exolink.yaml")
    assert "+    interval: 60" in result.out and "hush" not in result.text and "##vso" not in result.text


def test_a_long_plain_list(start: Callable[..., Cli]) -> None:
    """Entries that the parser never sees are changed where they stand."""
    cli = start(("acme",))
    text = "tenant: acme\nchargers:\n"
    for number in range(100):
        cli.world.add("acme", "charger", identity=f"CP-{number}", displayName="Same" if number % 10 else "New")
        text += f"  - identity: CP-{number}\n    displayName: Same\n"
    (cli.folder / "exolink.yaml").write_text(text)
    cli("export", "acme", "--into", "exolink.yaml", "--write")
    lines = text.splitlines()
    for number in range(0, 100, 10):
        lines[number * 2 + 3] = "    displayName: New"
    assert (cli.folder / "exolink.yaml").read_text().splitlines() == lines


@pytest.mark.parametrize("options", [("--format", "csv"), ("--format", "yaml"), ("--overwrite",), ("--out", "folder")])
def test_options_that_say_nothing(cli: Cli, files: Path, options: tuple[str, ...]) -> None:
    """--into changes what is there: an option that says how to write anew is refused before anything is read."""
    cli("export", "acme", "--into", ".", *options, code=3, env=ENV)
    assert cli.world.log == []
    assert cli("export", "acme", "--into", ".", env={**ENV, "EXOLINK_FORMAT": "csv"}).out.startswith("---")
