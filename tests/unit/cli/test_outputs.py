"""A result is never written over what the same command reads."""

from pathlib import Path

import pytest
from support_cli import API, Run

from exolink_reconcile.cli import commands


@pytest.mark.parametrize("out", ["exolink.yaml", "./exolink.yaml", "link.json", "contract.json"])
def test_row_D2_a_plan_over_what_it_reads(run: Run, out: str) -> None:
    """`plan --out` names an input: 3, and the file is as it was."""
    Path("link.json").symlink_to("exolink.yaml")
    contract = Path(commands.__file__).parents[3] / "schemas" / "exolink-api.openapi.yaml"
    Path("contract.json").write_bytes(contract.read_bytes())
    before = Path(out).read_bytes()
    code, _, err = run("plan", "exolink.yaml", *API, "--contract", "contract.json", "--out", out)
    assert code == 3 and "E-EXISTS" in err and Path(out).read_bytes() == before


def test_row_D2_a_plan_among_the_yaml(run: Run) -> None:
    """A plan that the next plan would read as YAML is refused."""
    Path("folder").mkdir()
    Path("exolink.yaml").rename("folder/acme.yaml")
    assert run("plan", "folder", *API, "--out", "folder/plan.yml")[0] == 3
    assert not Path("folder/plan.yml").exists()
    assert run("plan", "folder", *API, "--out", "folder/plan.json")[0] == 0
