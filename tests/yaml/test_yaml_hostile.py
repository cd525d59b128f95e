"""Any bytes as YAML end in a clean error, soon: limits, depth, and a few hundred broken files in one run."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MIB = 1024 * 1024
DEEP = 100_000

DEPTHS = {
    "lists": "[" * DEEP + "]" * DEEP,
    "lists-not-closed": "[" * DEEP,
    "lists-below-key": "tenant: acme\ncpms: " + "[" * DEEP + "]" * DEEP + "\n",
    "mappings": "{a: " * DEEP + "}" * DEEP,
    "block-lists": "- " * DEEP + "x\n",
    "keys": "? " * DEEP + "x\n",
    "below-schema-key": "tenant: acme\n$schema: " + "[" * DEEP + "]" * DEEP + "\n",
    "just-too-deep": "tenant: acme\nname: " + "[" * 40 + "]" * 40 + "\n",
    "just-too-deep-blocks": "tenant: acme\n" + "".join(f"{' ' * level}a:\n" for level in range(40)) + " " * 40 + "b\n",
}


@pytest.mark.parametrize("name", DEPTHS)
def test_depth_is_limited(name: str, validate: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """Deep nesting is refused as such, quickly: no stack overflow, no crash of a C parser."""
    root = folder({"a.yaml": DEPTHS[name]})
    result = validate("a.yaml", cwd=root, timeout=60)
    assert result.exit_code == 3
    assert re.search("(?i)deep|depth|nest|plain text", "\n".join(error.text for error in result.errors))
    assert {error.file for error in result.errors} == {"a.yaml"}
    assert len(result.errors) < 50


def test_size_is_limited_before_reading(validate: Callable[..., Any], tmp_path: Path) -> None:
    """More than 64 MiB is refused by its size; the file itself may be huge."""
    for size in (64 * MIB + 1, 4096 * MIB):
        with (tmp_path / "a.yaml").open("wb") as file:
            file.truncate(size)
        result = validate("a.yaml", cwd=tmp_path, timeout=20)
        assert result.exit_code == 3
        assert "64" in "\n".join(error.text for error in result.errors)


def test_large_files_are_fine(validate: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """12 MiB is far below the limit; the place of an error behind it is still right."""
    comments = ("# " + "x" * 1021 + "\n") * (12 * 1024)
    root = folder({"a.yaml": "tenant: acme\n" + comments + "chargrs: []\n"})
    result = validate("a.yaml", cwd=root, timeout=60)
    assert [(error.line, error.column) for error in result.errors] == [(12 * 1024 + 2, 1)]


def test_equal_problems_are_counted(validate: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """Of 2,000 equal mistakes the first 20 are shown and the rest is counted."""
    entries = "".join(f"  - {{identity: CP-{number}, profil: x}}\n" for number in range(2000))
    result = validate("a.yaml", cwd=folder({"a.yaml": "tenant: acme\nchargers:\n" + entries}), timeout=60)
    assert {error.line for error in result.errors} == set(range(3, 24))
    assert "and 1980 more like it" in result.errors[-1].text


def test_endless_names_do_not_fill_the_screen(run: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """A message shows a part of a value that goes on for ever."""
    root = folder(
        {"a.yaml": f"tenant: acme\n{'k' * 100}: 1\nchargers:\n  - identity: C\n    profileId: {'9' * 100_000}x\n"}
    )
    result = run("validate", "a.yaml", cwd=root)
    assert result.exit_code == 3
    assert len(result.output) < 20_000


SEEDS = [
    """\
# yaml-language-server: $schema=./schemas/exolink-config.schema.json
tenant: acme
name: "Acme ${env:NAME} GmbH"
policy:
  protect: ["cpms/Primary*", "charger/DEPOT-*"]
  exclusive: ["charger/CP-*"]
profiles: {standard: 1, night: 2}
defaults:
  cpms: {interval: 30}
  chargers: {profile: standard}
cpms:
  - displayName: Primary backend
    url: wss://user:secret@cpms.example.com/ocpp?token=secret
    interval: 60
    createOnly: [interval]
  - {displayName: Test bench, url: "wss://bench.example.com/", id: 7}
chargers:
  - {identity: CP-0001, displayName: Lobby left}
  - {identity: 12:30:45, displayName: 'Größe', profile: night}
removed:
  - {cpms: Old backend, reason: "contract ended, OPS-123"}
---
tenant: nordwind
chargers: [{identity: N-1, profileId: '2'}]
""",
    """\
tenant: &a !!str acme
name: >-
  folded
   text
<<: *a
? [complex, key]
: |+
  literal

cpms: [{displayName: ~, interval: 0x1F}, null, 1e999, .inf, "\\ud83d\\ude00\\0", !x {}]
...
%YAML 1.1
---
"{json: [like], 'it''s': \\"quoted\\"}"
""",
]
PIECES = [
    b"&a ", b"*a", b"!!int ", b"!!python/none ", b"<<: ", b"? ", b": ", b"- ", b"[", b"]", b"{", b"}", b",", b"#",
    b"|", b">-", b"\t", b"\r", b"\r\n", b"\n", b"\n\n", b"---\n", b"...\n", b"%YAML 9.9\n", b"%TAG ! tag:x,1:\n",
    b"'", b'"', b"\\", b"~", b"null", b"\x00", b"\x1b[31m", b"\x7f", b"\x85", b"\xc2\x85", b"\xff", b"\xfe\xff",
    b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\xf0\x9f\x9a\x97", b"${", b"${env:X}",
    b"$${", b"9" * 400, b"1e400", b"-", b"=", b"tenant: acme\n", b"id: 7\n", b"  ", b"@", b"`", b"profile: x",
    b"  - {charger: CP-0001}\n", b"[" * 50, b"{a: " * 50,
]  # fmt: skip


def broken(dice: random.Random) -> bytes:
    """Random bytes, or a good file after a few accidents."""
    if dice.random() < 0.15:
        return dice.randbytes(dice.randrange(200))
    if dice.random() < 0.15:
        return b"".join(dice.choices(PIECES, k=dice.randrange(1, 40)))
    content = bytearray(dice.choice(SEEDS).encode())
    for _ in range(dice.randrange(1, 6)):
        start = dice.randrange(len(content) + 1)
        end = min(len(content), start + dice.randrange(1, 30))
        accident = dice.randrange(5)
        if accident == 0:
            content[start:start] = dice.choice(PIECES)
        elif accident == 1:
            del content[start:end]
        elif accident == 2:
            content[start:start] = content[start:end] * dice.randrange(1, 4)
        elif accident == 3 and start < len(content):
            content[start] ^= 1 << dice.randrange(8)
        elif accident == 4 and dice.random() < 0.3:
            del content[start:]
    return bytes(content)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_bytes_end_in_a_clean_answer(
    seed: int, validate: Callable[..., Any], tmp_path: Path, hostile: frozenset[str]
) -> None:
    """300 broken files: every complaint is about one of them, at a place that it has."""
    dice = random.Random(seed)
    files = {f"conf/{number:03}.yaml": broken(dice) for number in range(300)}
    try:
        result = validate_files(validate, tmp_path / "all", files)
    except Exception as crash:
        names = culprits(validate, tmp_path, files)
        raise AssertionError({name: files[name] for name in names}) from crash
    assert result.exit_code == 3
    assert hostile.intersection(result.output) == set()
    for entry in result.diagnostics:
        assert entry.file in files or entry.file is None, entry
        if entry.file and entry.line is not None:
            lines = len(re.split(rb"\r\n|\r|\n|\xc2\x85|\xe2\x80[\xa8\xa9]", files[entry.file]))
            assert 1 <= entry.line <= lines + 1, (entry, files[entry.file])
            assert entry.column is None or entry.column >= 1, (entry, files[entry.file])


def validate_files(validate: Callable[..., Any], folder: Path, files: dict[str, bytes]) -> Any:
    (folder / "conf").mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return validate("conf", cwd=folder, timeout=60)


def culprits(validate: Callable[..., Any], tmp_path: Path, files: dict[str, bytes]) -> list[str]:
    """The files that still make it crash, found by halving."""
    names, step = sorted(files), 0
    while len(names) > 1:
        half = names[: len(names) // 2]
        step += 1
        try:
            validate_files(validate, tmp_path / f"half-{step}", {name: files[name] for name in half})
        except Exception:
            names = half
        else:
            names = names[len(names) // 2 :]
    return names
