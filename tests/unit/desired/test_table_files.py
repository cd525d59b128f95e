"""The tables that documents name: which file is meant, which may be read, which nobody named."""

import os
from pathlib import Path

import pytest
from support_tables import Build, problems, shown

from exolink_reconcile.desired import table_files
from exolink_reconcile.kinds import KINDS

CHARGER = KINDS[2]
FROM = "tenant: acme\nchargersFrom:\n  - file: t.csv\n"


def test_a_table_belongs_to_the_folder_of_its_yaml(build: Build) -> None:
    """The place of a row is the YAML's folder joined with `file`."""
    contents = {
        "exolink/a/b.yml": "tenant: acme\nchargersFrom: [{file: c/t.csv}]\n",
        "exolink/a/c/t.csv": "identity\nCP-1\n",
    }
    [declared] = build(contents, "exolink").tenants[0].declared[CHARGER]
    assert declared.source.path == "exolink/a/c/t.csv"


def test_the_digest_of_the_input_covers_tables(build: Build) -> None:
    """Another byte in a table is another configuration."""
    digests = {build({"exolink.yaml": FROM, "t.csv": f"identity\nCP-{n}\n"}).config_digest for n in (1, 2)}
    assert len(digests) == 2


def test_a_table_outside_of_the_folder_is_refused(build: Build, tmp_path: Path) -> None:
    """By a path that climbs, an absolute one or a link: E-LINK, and nothing of the file is shown."""
    outside = {"secret.csv": "identity\nhush\n"}
    os.makedirs("in")
    os.symlink("../secret.csv", "in/link.csv")
    os.symlink("..", "in/up")
    for file in (
        "../secret.csv",
        str(tmp_path / "secret.csv"),
        "link.csv",
        "up/secret.csv",
        "../none.csv",
        "/etc/passwd",
    ):
        contents = {**outside, "in/exolink.yaml": f"tenant: acme\nchargersFrom: [{{file: {file}}}]\n"}
        [problem] = problems(build, contents, "in/exolink.yaml")
        assert problem.startswith("in/exolink.yaml:2:23 E-LINK") and "hush" not in problem


def test_a_variable_in_the_name_of_a_table_is_not_shown(build: Build) -> None:
    """Places and errors have the reference as it is written."""
    text = "tenant: acme\nchargersFrom: [{file: '${env:REGION}.csv'}]\n"
    state = build({"exolink.yaml": text, "berlin.csv": "identity\nCP-1\n"}, environment={"REGION": "berlin"})
    assert str(state.tenants[0].declared[CHARGER][0].source) == "${env:REGION}.csv:2:1"
    assert not any(
        "munich" in problem for problem in problems(build, {"exolink.yaml": text}, environment={"REGION": "munich"})
    )


@pytest.mark.parametrize("end", ["", "\n"])
def test_row_E16_a_table_counts_for_each_tenant_that_names_it(
    build: Build, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file that names one table very often is not a way to millions of entries."""
    text = "".join(
        f"---\ntenant: t{n}\nchargersFrom: [{{file: t.csv}}]\ncpms: [{{displayName: A}}]\n" for n in range(3)
    )
    contents = {"exolink.yaml": text, "t.csv": f"identity\nCP-1\nCP-2{end}"}
    rows_and_items = 3 * (2 if end else 1) + 3
    monkeypatch.setattr(table_files, "MAX_ENTRIES_IN_ALL", rows_and_items)
    assert len(build(contents).tenants) == 3
    monkeypatch.setattr(table_files, "MAX_ENTRIES_IN_ALL", rows_and_items - 1)
    [problem] = problems(build, contents)
    assert problem.startswith("exolink.yaml:11:23 E-SIZE") and f"more than {rows_and_items - 1} entries" in problem


def test_a_table_that_nobody_names_is_a_warning(build: Build) -> None:
    """W-UNUSED for a CSV of a folder; hidden ones and those that are named are fine."""
    contents = {
        "x/exolink.yaml": "tenant: acme\nchargersFrom: [{file: t.csv}]\n",
        "x/t.csv": "identity\n",
        "x/sub/U.CSV": "what\n",
        "x/.hidden.csv": "",
        "x/.git/v.csv": "",
        "outside.csv": "",
    }
    assert [shown(warning)[:25] for warning in build(contents, "x").warnings] == ["x/sub/U.CSV:1:1 W-UNUSED "]
