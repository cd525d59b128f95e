"""Gates, monitoring and the CronJob: run, or held against the names that the tool really uses."""

import json
import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from exolink_reconcile.cli.metrics import METRICS
from exolink_reconcile.codes import Exit

from .conftest import ROOT

EXAMPLES = ROOT / "examples"


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text("utf-8"))


def test_monitoring_uses_the_metrics_that_there_are() -> None:
    """Every expression names metrics and labels that `--metrics-file` writes, and every metric is of use to somebody."""
    written = METRICS.text(Exit.DONE, 1.0, "") + 'exolink_differences{tenant="a",kind="b",cause="c"} 1\n'
    labels: dict[str, set[str]] = {name: set() for name in re.findall(r"^# TYPE (\w+) gauge$", written, re.MULTILINE)}
    for name, inside in re.findall(r"^(\w+)\{(.*)\} ", written, re.MULTILINE):
        labels[name] |= set(re.findall(r"(\w+)=", inside))
    rules = [
        rule["expr"] for group in load(EXAMPLES / "monitoring" / "alerts.yml")["groups"] for rule in group["rules"]
    ]
    panels = json.loads((EXAMPLES / "monitoring" / "dashboard.json").read_text())["panels"]
    expressions = [*rules, *(target["expr"] for panel in panels for target in panel["targets"])]
    assert set(re.findall(r"exolink_\w+", " ".join(expressions))) == set(labels)
    for expression in expressions:
        (name, *_) = re.findall(r"exolink_\w+", expression)
        named = re.findall(r"by \((.*?)\)|\{(\w+)=", expression)
        assert {word for pair in named for part in pair for word in re.findall(r"\w+", part)} <= labels[name], (
            expression
        )
    assert len({panel["id"] for panel in panels}) == len(panels)
    sources = [place["datasource"] for panel in panels for place in (panel, *panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


def gate(
    name: str, tmp_path: Path, *arguments: str, addresses: str = "", **variables: str
) -> "subprocess.CompletedProcess[str]":
    (tmp_path / "addresses").write_text(addresses)
    environment = {
        "PATH": "/usr/bin:/bin",
        "EXOLINK_STAGE": "2",
        "EXOLINK_ADDRESSES": str(tmp_path / "addresses"),
        **variables,
    }
    command = ["sh", str(EXAMPLES / "gates" / name), *arguments]
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
@pytest.mark.parametrize(("connected", "code"), [(["CP-1", "CP-2", "CP-9"], 0), (["CP-1"], 1), ([], 1), (None, 1)])
def test_the_gate_that_asks_a_csms(tmp_path: Path, connected: list[str] | None, code: int) -> None:
    """Enough of what was just written is connected: go on. Too few, or no answer: stop, and say which."""
    (tmp_path / "csms").mkdir()
    if connected is not None:
        (tmp_path / "csms" / "connected").write_text(json.dumps(connected))
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "csms"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        addresses = "acme/charger/CP-1\nacme/charger/CP-2\nacme/cpms/Primary\n"
        done = gate("connected.sh", tmp_path, addresses=addresses, CSMS_URL=url, TRIES="2", PAUSE="0")
    finally:
        server.shutdown()
    assert done.returncode == code, done.stdout + done.stderr
    assert f"{len(set(connected or []) & {'CP-1', 'CP-2'})} of 2 connected" in done.stdout
    assert ("CP-2\n" in done.stdout) == (code == 1)


@pytest.mark.parametrize(("file", "code"), [("go-2", 0), ("stop", 1)])
def test_the_gate_that_waits_for_somebody(tmp_path: Path, file: str, code: int) -> None:
    """A file for this stage lets the apply go on; another one ends it."""
    (tmp_path / file).touch()
    done = gate("approved.sh", tmp_path, str(tmp_path / "go"), addresses="acme/charger/CP-1\n", PAUSE="0")
    assert done.returncode == code and "touch" in done.stdout


def test_the_cron_job_may_do_little() -> None:
    """No root, no service account, a file system that is read-only, a token as a file; it only plans."""
    spec = load(EXAMPLES / "kubernetes" / "cronjob.yaml")["spec"]
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert spec["concurrencyPolicy"] == "Forbid" and pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
    assert container["args"][0] == "plan" and {variable["name"] for variable in container["env"]} == {
        "CI",
        "EXOLINK_TOKEN_FILE",
        "EXOLINK_STATE",
        "EXOLINK_ONLY",
    }
