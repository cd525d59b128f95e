"""The desired state of files in a folder of their own."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from support_tables import Build

from exolink_reconcile.desired import desired_state, files
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import DesiredState


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Builds the desired state of files in a folder of their own, which is the working folder."""
    monkeypatch.chdir(tmp_path)

    def build(
        contents: Mapping[str, str | bytes],
        path: str = "exolink.yaml",
        environment: Mapping[str, str] | None = {},  # noqa: B006  # only read
        allowed: list[str] | None = None,
    ) -> DesiredState:
        for name, text in contents.items():
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
        inputs = files.read([path], environment, allowed)
        return desired_state.build(inputs.documents, KINDS, config_digest=inputs.digest, problems=inputs.problems)

    return build
