"""The same inputs give the same bytes, in every process."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SCRIPT = """
from support_pipeline import as_json, digest_of, document, pipeline
from world import World

world = World(tenants=("acme", "beta"))
for tenant in ("acme", "beta"):
    for number in range(12):
        world.add(tenant, "charger", identity=f"CP-{number}", profileId=number % 3)
        world.add(tenant, "cpms", displayName=f"B{number % 7}", interval=number)
yaml = "---\\n".join(
    document(
        tenant,
        name="New name",
        policy={"exclusive": ["charger/CP-1*", "cpms"], "allowReplace": ["cpms/B5"], "protect": ["charger/CP-9"]},
        profiles={"standard": 1, "night": 2, "day": 2},
        cpms=[{"displayName": f"B{number}", "interval": 99, "url": "wss://u:p@h/?a=b"} for number in range(9)],
        chargers=[{"identity": f"CP-{number}", "displayName": "d", "profileId": 2} for number in range(2, 20, 2)],
        removed=[{"charger": "CP-3", "reason": "old"}],
    )
    for tenant in ("beta", "acme")
)
with pipeline(world) as run:
    plan = run.plan(yaml, prune=True)
print(as_json(plan), digest_of(plan))
"""


def test_hash_seed() -> None:
    """No set and no hash reaches a plan: three hash seeds, one plan."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'tests'}"},
            stdout=subprocess.PIPE,
        )
        for seed in ("0", "1", "4242")
    ]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len(outputs[0]) > 10_000 and len(set(outputs)) == 1
