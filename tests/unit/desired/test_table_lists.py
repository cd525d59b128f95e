"""`chargersFrom` and `cpmsFrom`: tables as if their rows stood in the YAML, and what is wrong with them."""

from typing import Any

import pytest
from support_tables import Build, problems, shown

from exolink_reconcile.desired import files
from exolink_reconcile.kinds import KINDS

TENANT, CPMS, CHARGER = KINDS


HEAD = "tenant: acme\nprofiles: {standard: 1, night: 2}\ndefaults: {chargers: {profile: standard}}\n"
FROM = HEAD + "chargersFrom:\n  - file: t.csv\n"


def test_rows_are_entries(build: Build) -> None:
    """The same fleet from CSV and from YAML is the same desired state, but for its places."""
    rows = "identity,displayName,profile,profileId,id\nCP-1,Lobby,,,\nCP-2,,night,,7\nCP-3,NO,,3,\n"
    entries = (
        "chargers:\n  - {identity: CP-1, displayName: Lobby}\n  - {identity: CP-2, profile: night, id: 7}\n"
        "  - {identity: CP-3, displayName: NO, profileId: 3}\n"
    )
    csv = build({"exolink.yaml": FROM, "t.csv": rows}).tenants[0].declared[CHARGER]
    yaml = build({"exolink.yaml": HEAD + entries}).tenants[0].declared[CHARGER]
    assert [entry.resource for entry in csv] == [entry.resource for entry in yaml]
    assert [entry.resource.model_fields_set for entry in csv] == [entry.resource.model_fields_set for entry in yaml]
    assert [str(entry.source) for entry in csv] == ["t.csv:2:1", "t.csv:3:1", "t.csv:4:1"]


def test_every_list_has_its_tables(build: Build) -> None:
    """`cpmsFrom` too; a literal password in a cell is a warning there."""
    text = "tenant: acme\ncpmsFrom: [{file: t.csv}]\n"
    state = build(
        {"exolink.yaml": text, "t.csv": "displayName,url\nA,wss://u:${env:P}@h/\nB,wss://u:pw@h/\n"},
        environment={"P": "secret"},
    )
    assert [entry.resource.url.reveal() for entry in state.tenants[0].declared[CPMS]] == [  # type: ignore[attr-defined]  # a field of this kind
        "wss://u:secret@h/",
        "wss://u:pw@h/",
    ]
    assert [shown(warning)[:20] for warning in state.warnings] == ["t.csv:3:3 W-SECRET a"]


BAD = {
    "a value of the wrong type": ("identity,profileId\nCP-1,two\n", "t.csv:2:6 E-TYPE"),
    "an unknown profile": ("identity,profile\nCP-1,nigth\n", "t.csv:2:6 E-PROFILE"),
    "a number by name and by value": ("identity,profile,profileId\nCP-1,night,2\n", "t.csv:2:6 E-CONFLICT"),
    "a hostile name": ("identity,displayName\nCP-1,a\u202eb\n", "t.csv:2:6 E-NAME"),
    "a line break in a name": ('identity,displayName\nCP-1,"a\nb"\n', "t.csv:2:6 E-NAME"),
    "no key": ("identity,displayName\n,x\n", "t.csv:2:1 E-REQUIRED"),
    "a variable that is not set": ('displayName,identity\n"x\ny",${env:NONE}\n', "t.csv:3:4 E-ENV"),
    "no reference": ("identity\n${HOME}\n", "t.csv:2:1 E-ENV"),
    "twice": ("identity\nCP-1\n\nCP-1\n", "t.csv:4:1 E-DUPLICATE-ADDRESS"),
    "names that read alike": ("identity\nCP-1\ncp-1\n", "t.csv:3:1 E-SAME-NAME"),
    "a bad header": ("identity,colour\nCP-1\n", "t.csv:1:10 E-UNKNOWN-KEY"),
    "a ragged row": ("identity\nCP-1,x\n", "t.csv:2:1 E-TABLE"),
}


@pytest.mark.parametrize(("text", "problem"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_stands_in_the_table(build: Build, text: str, problem: str) -> None:
    """Findings of the schema, of references and of whole lists have their place in the CSV."""
    messages = problems(build, {"exolink.yaml": FROM, "t.csv": text})
    assert problem in [" ".join(message.split(" ")[:2]) for message in messages]


def test_all_problems_of_all_files_are_reported(build: Build) -> None:
    """The bad row of a table hides neither the YAML nor the next row."""
    messages = problems(build, {"exolink.yaml": FROM + "name: ''\n", "t.csv": "identity,id\na\nb,x\nc,1,2\n"})
    assert [message.split(" ")[0] for message in messages] == [
        "exolink.yaml:6:7",
        "t.csv:2:1",
        "t.csv:3:3",
        "t.csv:4:1",
    ]


YAML = {
    "no file": ("[{}]", "2:16 E-REQUIRED"),
    "an unknown key": ("[{file: t.csv, column: {}}]", "2:30 E-UNKNOWN-KEY"),
    "no list": ("{file: t.csv}", "2:15 E-TYPE"),
    "an item that is text": ("[t.csv]", "2:16 E-TYPE"),
    "not there": ("[{file: u.csv}]", "2:23 E-READ"),
    "a folder": ("[{file: .}]", "2:23 E-READ"),
    "an odd name": ('[{file: "\\0"}]', "2:23 E-READ"),
    "a variable that is not set": ("[{file: '${env:X}.csv'}]", "2:23 E-ENV"),
    "twice": ("[{file: t.csv}, {file: ./t.csv}]", "2:38 E-TABLE"),
    "an unknown field": ("[{file: t.csv, columns: {identity: identiy}}]", "2:50 E-UNKNOWN-KEY"),
    "a column that is not there": ("[{file: t.csv, columns: {Site: displayName}}]", "2:40 E-UNKNOWN-KEY"),
    "columns that are no mapping": ("[{file: t.csv, columns: [identity]}]", "2:39 E-TYPE"),
    "a column that is a list": ("[{file: t.csv, columns: {identity: [a]}}]", "2:50 E-TYPE"),
    "a list in a cell": ("[{file: t.csv, columns: {identity: createOnly}}]", "2:50 E-UNKNOWN-KEY"),
}


@pytest.mark.parametrize(("text", "problem"), YAML.values(), ids=YAML.keys())
def test_what_is_wrong_stands_in_the_yaml(build: Build, text: str, problem: str) -> None:
    """What names the table is at fault: the place is in the YAML."""
    messages = problems(build, {"exolink.yaml": f"tenant: acme\nchargersFrom: {text}\n", "t.csv": "identity\n"})
    assert f"exolink.yaml:{problem}" in [" ".join(message.split(" ")[:2]) for message in messages]


def test_a_table_may_be_named_by_two_tenants(build: Build) -> None:
    """Staging and production may share one; one tenant may not name it twice, whatever the path."""
    text = "tenant: {}\nchargersFrom: [{{file: t.csv}}]\n"
    contents = {"a.yaml": text.format("acme"), "b.yaml": text.format("beta"), "t.csv": "identity\nCP-1\n"}
    assert [len(tenant.declared[CHARGER]) for tenant in build(contents, ".").tenants] == [1, 1]
    assert "named twice: also at ./a.yaml:2:23" in problems(build, {"b.yaml": text.format("acme")}, ".")[0]


def test_validate_needs_no_variable(build: Build) -> None:
    """Without an environment only the syntax is checked."""
    text = "tenant: acme\nchargersFrom: [{file: t.csv}, {file: '${env:X}.csv'}]\n"
    build({"exolink.yaml": text, "t.csv": "identity,profileId\n${env:A},${env:B}\n"}, environment=None)


def test_what_the_operator_does_not_allow_is_refused_in_a_cell(build: Build) -> None:
    """--env-allow holds for tables too."""
    contents = {"exolink.yaml": FROM, "t.csv": "identity\n${env:AWS_KEY}\n"}
    [problem] = problems(build, contents, environment={"AWS_KEY": "hush"}, allowed=["CPMS_*"])
    assert problem.startswith("t.csv:2:1 E-ENV") and "hush" not in problem


def test_defaults_of_a_list_that_is_only_a_table_have_an_effect(build: Build) -> None:
    """No warning that they have none."""
    assert build({"exolink.yaml": FROM, "t.csv": "identity\nCP-1\n"}).warnings == ()


def test_many_equal_problems_of_a_table_are_counted(build: Build) -> None:
    """Of equal ones in one file the first 20, the rest counted."""
    messages = problems(build, {"exolink.yaml": FROM, "t.csv": "identity\n" + "a,b\n" * 5_000})
    assert len(messages) < 30


def test_the_annotations_of_a_plan_stand_in_the_table(build: Build) -> None:
    """See also tests/unit/desired/test_sources.py: the cell that differs is the cause."""
    from support_pipeline import ORIGIN, contract_of

    from exolink_reconcile.desired import sources
    from exolink_reconcile.model import LiveState, LiveTenant
    from exolink_reconcile.planning import differ, planner
    from exolink_reconcile.planning.choices import Choices
    from exolink_reconcile.resource import row_model

    row_of: Any = row_model(CHARGER)

    desired = build(
        {
            "exolink.yaml": FROM,
            "t.csv": 'displayName,identity,profile\n"a b",X,\n' + "Roof,CP-2,night\n",
        }
    )
    rows = [row_of(id=n, identity=name, displayName="Roof", profileId=1) for n, name in ((1, "X"), (2, "CP-2"))]
    live = LiveState({"acme": LiveTenant(True, {CHARGER: rows})})
    plan = planner.plan(differ.diff(desired, live), desired, contract_of(), Choices(may_infer=True), ORIGIN)
    documents = files.read(["exolink.yaml"], {}).documents
    causes = {
        (cause.item.address.name, cause.field.name if cause.field else ""): str(cause.causes[0].source)
        for cause in sources.find(plan, documents)
    }
    assert causes == {("X", "displayName"): "t.csv:2:1", ("CP-2", "profileId"): "t.csv:3:11"}
