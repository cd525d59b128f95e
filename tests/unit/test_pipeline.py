"""The story of a run: what is wanted, then what a plan makes of it, with everything to show as values."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import support_pipeline as pipelines
from support_pipeline import ORIGIN
from world import World

from exolink_reconcile import pipeline
from exolink_reconcile.applying import recovery
from exolink_reconcile.errors import InputError, NoTenant
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import Action
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.resource import ListKey

YAML = """\
tenant: acme
cpms:
  - {displayName: Main, url: "wss://${env:HOST}/", interval: 30}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("exolink.yaml").write_text(YAML, "utf-8")


@pytest.fixture
def world() -> World:
    """A tenant with a backend that nobody declared."""
    world = World()
    world.add("acme", "cpms", displayName="Other", url="wss://h/", interval=30)
    return world


@pytest.fixture
def api(world: World) -> Iterator[Api]:
    """The API of the world, without a network."""
    with pipelines.pipeline(world) as run:
        yield run.api


def wanted(choices: Choices = Choices()) -> pipeline.Wanted:
    return pipeline.wanted(
        ["exolink.yaml"], {"HOST": "h", "UNUSED": "x"}, api_url=ORIGIN, contract_path=None, choices=choices
    )


def test_wanted_says_what_the_files_name() -> None:
    """What is wanted knows its tenants, its files and the variables that the YAML names."""
    run = wanted()
    assert (run.tenants, run.files, run.variables) == (("acme",), ("exolink.yaml",), frozenset({"HOST"}))
    assert run.documents == ()  # kept on request only


def test_what_the_user_excludes_is_not_read() -> None:
    """A tenant whose every address is excluded is none of this run's."""
    assert wanted(Choices(excludes=("acme/*",))).tenants == ()


def test_all_problems_come_at_once() -> None:
    """A limit of the contract and a target that matches nothing are errors before anything is sent."""
    with pytest.raises(InputError) as error:
        wanted(Choices(targets=("acme/cpms/Mian",)))
    assert [diagnostic.code for diagnostic in error.value.diagnostics] == ["E-TARGET"]


def test_a_plan_reads_compares_and_decides(api: Api) -> None:
    """The run has the plan, its digest, the lists that were read and the addresses that differ."""
    run = pipeline.plan(wanted(), api, {})
    assert [(step.action, str(step.address)) for step in run.plan.steps] == [(Action.CREATE, "acme/cpms/Main")]
    assert set(run.lists) == {ListKey("acme", "tenant"), ListKey("acme", "cpms")}
    assert list(map(str, run.differing)) == ["acme/cpms/Main"]
    assert len(run.digest) == 64 and run.digest == pipeline.plan(wanted(), api, {}).digest
    assert run.plan.unmanaged_counts["cpms"] == 1


def test_what_may_be_there_is_held_back(api: Api) -> None:
    """A create of what still answers by its id is not a step any more, and the digest is that of what is left."""
    run = pipeline.plan(wanted(), api, {})
    held = pipeline.with_plan(run, recovery.hold_back(run.plan, dict.fromkeys(run.differing, 7)))
    assert list(held.plan.steps) == [] and [back.code for back in held.plan.held_back] == ["E-LIST-BLIND"]
    assert held.digest != run.digest


def test_a_tenant_that_is_not_live_comes_with_its_place_and_the_nearest(api: Api) -> None:
    """A typo in `tenant` is reported at its line, with the name that is meant."""
    Path("exolink.yaml").write_text("# first\n" + YAML.replace("acme", "acmee"), "utf-8")
    with pytest.raises(NoTenant) as error:
        pipeline.plan(wanted(), api, {ListKey("acme", "cpms"): 1})
    assert str(error.value.source) == "exolink.yaml:2:1" and "Did you mean acme?" in error.value.summary


def test_a_contract_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """A contract in another encoding is an input error with its path."""
    (tmp_path / "openapi.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"openapi\.yaml is not UTF-8"):
        pipeline.contract_text("openapi.yaml")
