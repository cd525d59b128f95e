"""A number of chargers to a fleet on disk: the YAML of one tenant, and the lists that an API would answer for it.

    python -m benchmarks.fleet FOLDER CHARGERS plain|named

`plain` writes `profileId` in every entry. `named` is what the README shows: a default profile by name, and a second
one in every fifth entry. Both declare the same fleet. The lists: `same.json` has no difference, `percent.json` another
display name in every hundredth row, `all.json` another one in every row (each its own, so that nothing folds).
`bad.yaml` is the YAML with one entry that is wrong, nine tenths down; `BAD_LINE` of it is in `bad.txt`.

A process of its own: a harness that held the data would lend its memory to the children it measures.
"""

import json
import sys
from pathlib import Path

CACHE = Path(".cache/bench")
STYLES = ("plain", "named")
TENANT = "acme"


def ensure(chargers: int, style: str = "plain") -> Path:
    """The folder of a fleet, made by a process of its own where it is not there yet."""
    import subprocess

    folder = CACHE / f"fleet-{chargers}-{style}"
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "benchmarks.fleet", str(folder), str(chargers), style], check=True)
    return folder


def write(folder: Path, chargers: int, style: str) -> None:
    """Fill the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = _head(style)
    numbers = range(1, chargers + 1)
    for number in numbers:
        lines += _entry(number, style)
    (folder / "exolink.yaml").write_text("\n".join(lines) + "\n")
    _write_bad(folder, lines)
    _write_list(folder / "same.json", [_row(number, "") for number in numbers])
    _write_list(folder / "percent.json", [_row(number, " was" if number % 100 == 0 else "") for number in numbers])
    _write_list(folder / "all.json", [_row(number, " was") for number in numbers])
    (folder / "done").touch()


def split(folder: Path, files: int) -> Path:
    """A folder beside the YAML of a plain fleet that declares the same in so many files."""
    parts = folder / f"in-{files}-files"
    if not parts.exists():
        made = parts.with_suffix(".new")
        made.mkdir(exist_ok=True)
        *head, first = (folder / "exolink.yaml").read_text().partition("chargers:\n")
        entries = first.split("  - ")[1:]
        size = -(-len(entries) // files)
        for number in range(files):
            text = "".join(f"  - {entry}" for entry in entries[number * size : (number + 1) * size])
            (made / f"{number:05d}.yaml").write_text("".join(head) + text)
        made.rename(parts)
    return parts


def as_table(folder: Path, chargers: int) -> Path:
    """A folder beside the YAML of a plain fleet that declares the same in a table."""
    made = folder / "as-table"
    made.mkdir(exist_ok=True)
    rows = (f"{identity(number)},{display_name(number)},{profile(number)}" for number in range(1, chargers + 1))
    (made / "fleet.csv").write_text("\n".join(["identity,displayName,profileId", *rows]) + "\n")
    (made / "exolink.yaml").write_text(f"tenant: {TENANT}\nchargersFrom: [{{file: fleet.csv}}]\n")
    return made


def for_tenants(folder: Path, tenants: int) -> Path:
    """A folder beside the YAML of a fleet that declares the same for so many tenants, a file each."""
    made = folder / f"for-{tenants}-tenants"
    if not made.exists():
        made.mkdir()
        text = (folder / "exolink.yaml").read_text()
        for number in range(tenants):
            (made / f"{number:02d}.yaml").write_text(
                text.replace(f"tenant: {TENANT}\n", f"tenant: {TENANT}{number}\n", 1)
            )
    return made


def display_name(number: int) -> str:
    """What people call a charger."""
    return f"Depot {number // 50:04d} bay {number % 50:02d}"


def identity(number: int) -> str:
    """Its OCPP identity."""
    return f"CP-{number:06d}"


def profile(number: int) -> int:
    """The number of its profile."""
    return 2 if number % 5 == 0 else 1


def _head(style: str) -> list[str]:
    head = [f"tenant: {TENANT}"]
    if style == "named":
        head += ["profiles:", "  standard: 1", "  night: 2", "defaults:", "  chargers:", "    profile: standard"]
    return [*head, "chargers:"]


def _entry(number: int, style: str) -> list[str]:
    entry = [f"  - identity: {identity(number)}", f"    displayName: {display_name(number)}"]
    if style == "plain":
        entry.append(f"    profileId: {profile(number)}")
    elif profile(number) == 2:
        entry.append("    profile: night")
    return entry


def _write_bad(folder: Path, lines: list[str]) -> None:
    """Spoil one value nine tenths down: a number that is none, or (named) a profile that has no number."""
    line = next(index for index in range(len(lines) * 9 // 10, len(lines)) if lines[index].startswith("    profile"))
    name = lines[line].partition(":")[0]
    (folder / "bad.yaml").write_text("\n".join([*lines[:line], f"{name}: nihgt", *lines[line + 1 :]]) + "\n")
    (folder / "bad.txt").write_text(f"{line + 1}:{len(name) + 3}")


def _row(number: int, suffix: str) -> dict[str, object]:
    """A row with every field that the description of the API names."""
    return {
        "id": 100_000 + number, "tenantId": 1, "profileId": profile(number), "displayName": display_name(number) + suffix,
        "provisioned": True, "identity": identity(number), "chargeBoxSerialNumber": f"CB{number:010d}",
        "chargePointSerialNumber": f"CPS{number:010d}", "meterSerialNumber": f"MTR{number:010d}",
        "chargePointModel": "KC-P30-EC2404B2-E00", "chargePointVendor": "Keba AG", "firmwareVersion": "1.17.3-rc2",
        "iccid": f"8949{number:015d}", "imsi": f"26201{number:010d}", "createdAt": "2025-03-01T08:15:00.000Z",
        "updatedAt": "2026-01-20T17:45:12.000Z", "deletedAt": None,
    }  # fmt: skip


def _write_list(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text(json.dumps(rows, separators=(",", ":")))


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
