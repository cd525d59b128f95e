"""The start of a run: what the options allow, before anything is read from the API."""

from dataclasses import replace

import pytest
from support_pipeline import pipeline
from world import World

from exolink_reconcile import pipeline as story
from exolink_reconcile.cli import start
from exolink_reconcile.cli.console import Console
from exolink_reconcile.cli.options import Options
from exolink_reconcile.errors import InputError

OPTIONS = Options(
    api_url="https://api.example.com", token_file=None, ca_file=None, contract=None, parallelism=1, timeout=1.0,
    log=None, verbose=False, paths=("exolink.yaml",), target=(), exclude=(), prune=False, allow_replace=(),
    allow_deletes=3, allow_shrunk=(), allow_inferred=False, probe=False, allow_unreachable=(), base=None, only=None,
    state=None, lock_timeout=0.0, settle=0.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("ci", "env_allow", "allowed"),
    [("", (), None), ("true", (), ()), ("", ("HOST_*",), ("HOST_*",)), ("true", ("HOST_*",), ("HOST_*",))],
)
def test_in_ci_yaml_names_no_variable_unasked(
    monkeypatch: pytest.MonkeyPatch, ci: str, env_allow: tuple[str, ...], allowed: tuple[str, ...] | None
) -> None:
    """A pull request must not read the secrets of a job; on a user's own machine all but our own are allowed."""
    monkeypatch.setenv("CI", ci)
    assert start.allowed_variables(env_allow) == allowed


@pytest.mark.parametrize(
    ("api_url", "may_infer"),
    [("https://api.example.com", False), ("emulator:x.db", True), ("http://127.0.0.1:8480", True)],
)
def test_inferred_writes_go_unasked_where_they_do_no_harm(api_url: str, may_infer: bool) -> None:
    """To an emulator and to this machine; anywhere else --allow-inferred must say so."""
    assert start.choices(replace(OPTIONS, api_url=api_url), reviewed=False).may_infer is may_infer
    assert start.choices(replace(OPTIONS, allow_inferred=True), reviewed=False).may_infer


def test_the_command_to_plan_again_leaves_the_number_of_deletes_out() -> None:
    """What is held back offers a command to paste; the number that it needs is another one."""
    choices = start.choices(replace(OPTIONS, prune=True), reviewed=False)
    assert choices.allow_deletes == 3
    assert "--prune" in choices.again and not any("allow-deletes" in word for word in choices.again)


def test_warnings_are_shown_and_errors_raised(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is only odd is on stderr before the plan; what is wrong ends the run."""
    from pathlib import Path

    monkeypatch.chdir(str(tmp_path))
    Path("exolink.yaml").write_text("tenant: acme\ncpms: [{displayName: A, url: 'wss://u:pw@h/'}]\n", "utf-8")
    wanted = start.wanted(OPTIONS, Console(), reviewed=False)
    assert wanted.tenants == ("acme",) and "W-SECRET" in capsys.readouterr().err
    with pytest.raises(InputError, match="E-TARGET"):
        start.wanted(replace(OPTIONS, target=("acme/cpms/B",)), Console(), reviewed=False)


def planned() -> story.PlannedRun:
    """A run that creates one backend."""
    text = "tenant: acme\ncpms: [{displayName: A, url: 'wss://127.0.0.1:1/', interval: 30}]\n"
    with pipeline(World()) as run:
        desired = run.desired(text)
        plan = run.plan(desired)
        return story.PlannedRun(desired, run.contract, run.seen[-1], plan, ["0" * 64])


def test_an_allowance_that_allows_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """--allow-unreachable for a backend that nobody probes is most likely a typo."""
    options = replace(OPTIONS, allow_unreachable=("acme/cpms/B",))
    assert start.probed(planned(), options).plan.probes is None
    start.tell_unprobed(planned(), options, Console())
    assert "acme/cpms/B allows nothing: that is only for --probe" in capsys.readouterr().err
    start.tell_unprobed(planned(), replace(options, probe=True), Console())
    assert "acme/cpms/B allows nothing: nothing is probed there" in capsys.readouterr().err
