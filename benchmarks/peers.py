"""A number of chargers to the same number of resources for Terraform and records for octoDNS, planned with no network.

Terraform: one `terraform_data` block each, with a state as an apply would have left it (written here: applying 10,000
takes Terraform hours, because it rewrites the state after each). octoDNS: one A record each, YAML to YAML.
"""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from benchmarks import fleet
from benchmarks.measuring import Command

OCTODNS = Path(".cache/bench-venv/bin/octodns-sync")
_TERRAFORM_ENVIRONMENT = {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}


def versions() -> dict[str, str]:
    """The peers that are installed, and their versions."""
    found = {}
    if binary := _terraform():
        words = subprocess.run(
            [binary, "version", "-json"],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, **_TERRAFORM_ENVIRONMENT},
        )
        found["Terraform"] = str(json.loads(words.stdout)["terraform_version"])
    if OCTODNS.exists():
        words = subprocess.run([OCTODNS, "--version"], check=False, capture_output=True, text=True)
        found["octoDNS"] = words.stdout.split()[-1]
    return found


def missing() -> list[str]:
    """The peers that are not installed."""
    return [name for name in ("Terraform", "octoDNS") if name not in versions()]


def terraform(count: int) -> Command:
    """A plan in which nothing changes."""
    folder = fleet.CACHE / f"terraform-{count}"
    if not (folder / "done").exists():
        _write_terraform(folder, count)
    return Command(
        f"Terraform, {count:,} blocks",
        [str(_terraform()), "plan", "-input=false", "-no-color"],
        lambda code, out, err: code == 0 and "No changes. Your infrastructure matches the configuration." in out,
        _TERRAFORM_ENVIRONMENT,
        folder,
    )


def octodns(count: int) -> Command:
    """A plan in which nothing changes."""
    folder = fleet.CACHE / f"octodns-{count}"
    if not (folder / "done").exists():
        _write_octodns(folder, count)
    return Command(
        f"octoDNS, {count:,} records",
        [str(OCTODNS.absolute()), "--config-file", "config.yaml"],
        lambda code, out, err: code == 0 and "No changes were planned" in out + err,
        folder=folder,
    )


@cache
def _terraform() -> str | None:
    return os.environ.get("TERRAFORM") or shutil.which("terraform")


def _write_terraform(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    blocks, resources = [], []
    for number in range(1, count + 1):
        values = {
            "identity": fleet.identity(number),
            "displayName": fleet.display_name(number),
            "profileId": fleet.profile(number),
        }
        name = f"cp_{number:06d}"
        inner = "\n".join(f"    {key} = {json.dumps(value)}" for key, value in values.items())
        blocks.append(f'resource "terraform_data" "{name}" {{\n  input = {{\n{inner}\n  }}\n}}\n')
        typed = {
            "value": values,
            "type": ["object", {"displayName": "string", "identity": "string", "profileId": "number"}],
        }
        identifier = f"00000000-0000-4000-8000-{number:012d}"
        attributes = {"id": identifier, "input": typed, "output": typed, "triggers_replace": None}
        resources.append(
            {
                "mode": "managed",
                "type": "terraform_data",
                "name": name,
                "provider": 'provider["terraform.io/builtin/terraform"]',
                "instances": [{"schema_version": 0, "attributes": attributes, "sensitive_attributes": []}],
            }
        )
    (folder / "main.tf").write_text("\n".join(blocks))
    state = {
        "version": 4,
        "terraform_version": versions()["Terraform"],
        "serial": 1,
        "lineage": "0d5a8f0e-0000-4000-8000-000000000001",
        "outputs": {},
        "resources": resources,
        "check_results": None,
    }
    (folder / "terraform.tfstate").write_text(json.dumps(state))
    environment = {**os.environ, **_TERRAFORM_ENVIRONMENT}
    subprocess.run(
        [str(_terraform()), "init", "-input=false", "-no-color"],
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (folder / "done").touch()


def _write_octodns(folder: Path, count: int) -> None:
    provider = "    class: octodns.provider.yaml.YamlProvider\n    directory: ./{}\n    default_ttl: 3600\n    enforce_order: false\n"
    lines = ["---"]
    for number in range(1, count + 1):
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        lines.append(f"{fleet.identity(number).lower()}:\n  type: A\n  value: {address}")
    for side in ("desired", "live"):
        (folder / side).mkdir(parents=True, exist_ok=True)
        (folder / side / "example.com.yaml").write_text("\n".join(lines) + "\n")
    (folder / "config.yaml").write_text(
        "---\nproviders:\n  desired:\n"
        + provider.format("desired")
        + "  live:\n"
        + provider.format("live")
        + "zones:\n  example.com.:\n    sources: [desired]\n    targets: [live]\n"
    )
    (folder / "done").touch()
