"""Checks of the setup: each one line, and the exit code of the worst."""

import os
from pathlib import Path

import pytest
from support_cli import API, Run


def test_doctor_finds_a_state_that_cannot_be_written(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would end an apply with 11 is found beforehand; a folder that can still be made is fine."""
    assert "ok       state" in run("doctor", *API, "--state", "not/yet/there")[1]
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    code, out, _ = run("doctor", *API, "--state", "not/yet/there")
    assert code == 11 and "failed   state: the folder not/yet/there cannot be written" in out
    assert not Path("not").exists()
