"""What YAML may say, and the values that it then means (read off `plan --format json`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

HEAD = "tenant: TENANT\n"

FINE: dict[str, str | bytes | Mapping[str, str]] = {
    "tenant-only": HEAD,
    "name-only": HEAD + "name: Acme\n",
    "schema-key": "$schema: ./schemas/exolink-config.schema.json\n" + HEAD,
    "modeline": "# yaml-language-server: $schema=./schemas/exolink-config.schema.json\n" + HEAD,
    "flow": "{tenant: TENANT, chargers: [{identity: CP-1}, {identity: CP-2}]}\n",
    "json": '{"tenant": "TENANT", "chargers": [{"identity": "CP-1", "profileId": 1}]}',
    "no-last-line-break": "tenant: TENANT",
    "document-marks": "---\ntenant: TENANT\n...\n",
    "empty-lists": HEAD
    + "cpms: []\nchargers: []\nremoved: []\npolicy: {protect: [], exclusive: [], allowReplace: []}\n",
    "byte-order-mark": b"\xef\xbb\xbftenant: byte-order-mark\nname: Gr\xc3\xb6\xc3\x9fe\n",
    "carriage-returns": "tenant: TENANT\r\nchargers:\r\n  - identity: CP-1\r\n    displayName: Größe\r\n",
    "every-key": (
        HEAD
        + "name: Acme\npolicy: {protect: [cpms/P*], exclusive: ['charger/CP-*'], allowReplace: [cpms/Test bench]}\n"
        + "profiles: {standard: 1, night: 2}\ndefaults: {cpms: {interval: 30}, chargers: {profile: standard}}\n"
        + "cpms:\n  - {displayName: P, url: wss://a.example.com/, interval: 60, createOnly: [interval]}\n"
        + "  - {displayName: Test bench, url: wss://b.example.com/, id: 7}\n"
        + "chargers:\n  - {identity: CP-1, displayName: Lobby}\n"
        + "  - {identity: CP-2, displayName: Lobby, profile: night}\n"
        + "removed:\n  - {cpms: Old, reason: 'ended, OPS-1'}\n  - {charger: CP-99}\n"
    ),
    "entries-of-keys-alone": HEAD + "cpms:\n  - displayName: A\nchargers:\n  - identity: CP-1\n",
    "boolean-declared": HEAD
    + "cpms:\n  - {displayName: A, authPassThrough: true}\n  - {displayName: B, authPassThrough: false}\n",
    "quoted-numbers": HEAD
    + "profiles: {a: '1'}\ncpms:\n  - {displayName: A, interval: '30', id: \"7\"}\n"
    + "chargers:\n  - {identity: C, profileId: '2'}\n",
    "quoted-null-is-text": HEAD
    + "name: 'null'\ncpms:\n  - displayName: '~'\n  - displayName: \"null\"\n"
    + "chargers:\n  - {identity: C, displayName: ''}\n",
    "same-display-name-of-chargers": HEAD
    + "chargers:\n  - {identity: A, displayName: x}\n  - {identity: B, displayName: x}\n",
    "same-name-of-two-kinds": HEAD + "cpms:\n  - displayName: CP-1\nchargers:\n  - identity: CP-1\n",
    "same-name-of-two-tenants": "tenant: TENANT-a\nchargers: [{identity: C}]\n---\n"
    "tenant: TENANT-b\nchargers: [{identity: c}]\n",
    "slashes-in-names": HEAD + "cpms:\n  - displayName: a/b/c\n  - displayName: /\n",
    "emoji-in-names": HEAD + "cpms:\n  - displayName: Büro 🚗 北京\n",
    "block-scalars": HEAD + "name: >-\n  Acme\n  Charging\ncpms:\n  - displayName: |-\n      Primary\n",
    "several-documents": HEAD + "name: A\n---\n" + HEAD + "chargers: [{identity: C}]\n---\ntenant: TENANT-other\n",
    "several-files": {
        "a.yaml": HEAD + "name: A\nprofiles: {night: 2}\nchargers: [{identity: A, profile: day}]\n",
        "b.yml": HEAD + "profiles: {day: 1}\nchargers: [{identity: B, profile: night}]\n",
        "deep/deeper/c.yaml": HEAD + "cpms: [{displayName: A}]\npolicy: {protect: [cpms/A]}\n",
    },
    "removed-beside-another-id": HEAD + "cpms:\n  - {displayName: A, id: 8}\nremoved:\n  - {cpms: A, id: 7}\n",
    "removed-beside-another-id-first": HEAD
    + "removed:\n  - {charger: A, id: 7}\nchargers:\n  - {identity: A, id: 8}\n",
    "removed-beside-another-kind": HEAD + "cpms:\n  - displayName: A\nremoved:\n  - charger: A\n",
    "removed-beside-another-case": HEAD + "chargers:\n  - identity: cp-1\nremoved:\n  - charger: CP-1\n",
    "removed-in-another-tenant": "tenant: TENANT-a\nchargers: [{identity: C}]\n---\n"
    "tenant: TENANT-b\nremoved: [{charger: C}]\n",
    "protected-and-declared": HEAD + "policy: {protect: [cpms/A]}\ncpms:\n  - displayName: A\n",
    "protected-case-counts": HEAD + "policy: {protect: [charger/cp-*]}\nremoved:\n  - charger: CP-1\n",
    "protected-another-kind": HEAD + "policy: {protect: [cpms]}\nremoved:\n  - charger: cpms\n",
    "protected-whole-name": HEAD + "policy: {protect: [charger/CP]}\nremoved:\n  - charger: CP-1\n  - charger: XCP\n",
    "protected-dot-is-plain": HEAD + "policy: {protect: [cpms/a.b]}\nremoved:\n  - cpms: axb\n",
    "protected-one-character": HEAD
    + "policy: {protect: ['charger/CP-?']}\nremoved:\n  - charger: CP-10\n  - charger: CP-\n",
    "protected-elsewhere": "tenant: TENANT-a\npolicy: {protect: ['*']}\n---\n"
    "tenant: TENANT-b\nremoved: [{charger: C}]\n",
    "reference-text": HEAD + "name: ${env:NOT_SET_1}\n",
    "reference-quoted": HEAD
    + "name: '${env:NOT_SET_1}'\ncpms:\n  - displayName: \"x ${env:NOT_SET_2} y ${env:_X9}\"\n",
    "reference-url": HEAD + "cpms:\n  - {displayName: A, url: 'wss://u:${env:NOT_SET_1}@a.example.com/'}\n",
    "reference-number": HEAD + "cpms:\n  - {displayName: A, interval: '${env:NOT_SET_1}', id: '${env:NOT_SET_2}'}\n",
    "reference-boolean": HEAD + "cpms:\n  - {displayName: A, authPassThrough: '${env:NOT_SET_1}'}\n",
    "reference-profile-id": HEAD
    + "profiles: {a: '${env:NOT_SET_1}'}\nchargers:\n  - {identity: C, profileId: '${env:NOT_SET_2}'}\n",
    "reference-reason": HEAD + "removed:\n  - {charger: C, reason: '${env:NOT_SET_1}'}\n",
    "reference-escaped": HEAD + "name: $${NAME} and $${env:NAME}\n",
    "dollars": HEAD + "name: $ 5$ $x $$ $env:X {x} ${env:NOT_SET_1}$\n",
    "reference-in-comment": HEAD + "# ${NAME}\nname: Acme # ${\n",
}


def _files() -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for name, content in FINE.items():
        texts = content if isinstance(content, Mapping) else {"a.yaml": content}
        for file, text in texts.items():
            files[f"{name}/{file}"] = text if isinstance(text, bytes) else text.replace("TENANT", name).encode()
    return files


@pytest.mark.parametrize("name", FINE)
def test_accepted_without_a_word(name: str, corpus: Callable[..., Any]) -> None:
    """What the page allows is neither an error nor a warning."""
    result = corpus("fine", _files())
    assert [
        entry
        for entry in result.diagnostics
        if (entry.file or "").startswith(f"corpus/{name}/") and "without `url`" not in entry.text
    ] == []


def test_the_whole_corpus_is_valid(corpus: Callable[..., Any]) -> None:
    """Exit 0 means that there is no error anywhere."""
    result = corpus("fine", _files())
    assert (result.exit_code, result.errors) == (0, [])


@pytest.fixture
def plan(run: Callable[..., Any], folder: Callable[..., Any]) -> Callable[..., Any]:
    """`plan({"a.yaml": …}, env={…})` against an empty emulator inside the process."""

    def plan_files(files: Mapping[str, str | bytes], env: Mapping[str, str] | None = None) -> Any:
        root = folder({f"conf/{name}": text for name, text in files.items()})
        options = ["--api-url", "emulator:live.db", "--state", "state", "--format", "json"]
        return run("plan", "conf", *options, cwd=root, env=env)

    return plan_files


def created(result: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """What the plan would create: (kind, name) to the fields."""
    assert result.exit_code == 0, result.output
    steps = [step for step in result.json["resource_changes"] if step["change"]["actions"] == ["create"]]
    return {(step["type"].removeprefix("exolink_"), step["index"]): step["change"]["after"] for step in steps}


TYPED_TEXTS = [
    "0123", "12:30:45", "1e5", "NO", "yes", "Off", "1_000", "1.10", "0x1F", "0o17", ".5", "+1", "-0", "2020-13-45",
    "2024-01-02", "1.", "y", "=", "00", "1e400", "'null'", "'~'", "'true'", '"NO"', "9007199254740993",
]  # fmt: skip


def test_scalars_stay_what_was_typed(plan: Callable[..., Any]) -> None:
    """YAML is plain data: an identity is its text, whatever YAML 1.1 would make of it."""
    entries = "".join(f"  - {{identity: {t}, displayName: {t}, profileId: 1}}\n" for t in TYPED_TEXTS)
    texts = [text.strip("'\"") for text in TYPED_TEXTS if text != '"NO"']
    result = plan(
        {"a.yaml": "tenant: acme\nchargers:\n" + entries.replace('  - {identity: "NO"', "  - {identity: QUOTED")}
    )
    chargers = {name: after for (kind, name), after in created(result).items() if kind == "charger"}
    assert sorted(chargers) == sorted([*texts, "QUOTED"])
    assert {name: (after["identity"], after["displayName"]) for name, after in chargers.items()} == {
        **{text: (text, text) for text in texts},
        "QUOTED": ("QUOTED", "NO"),
    }


def test_cpms_and_tenant_names_stay_text(plan: Callable[..., Any]) -> None:
    """Names and tenants are text as much as identities are."""
    entry = "{displayName: 1e5, url: wss://a.example.com/, interval: '60'}"
    result = plan({"a.yaml": f"tenant: 0123\nname: 12:30:45\ncpms:\n  - {entry}\n"})
    assert created(result)["cpms", "1e5"]["interval"] == 60
    names = {step["name"]: step["change"] for step in result.json["resource_changes"]}
    assert set(names) == {"0123"}
    updates = [step for step in result.json["resource_changes"] if step["type"] == "exolink_tenant"]
    assert [step["change"]["after"]["name"] for step in updates] == ["12:30:45"]


def test_numbers_are_numbers_quoted_or_not(plan: Callable[..., Any]) -> None:
    """Quoted numbers are fine where a number is meant."""
    cpms = "  - {displayName: A, url: wss://a.example.com/, interval: 60}\n"
    cpms += "  - {displayName: B, url: wss://b.example.com/, interval: '60'}\n"
    chargers = '  - {identity: C, displayName: C, profileId: "2"}\n'
    after = created(plan({"a.yaml": f"tenant: acme\ncpms:\n{cpms}chargers:\n{chargers}"}))
    assert (after["cpms", "A"]["interval"], after["cpms", "B"]["interval"]) == (60, 60)
    assert after["charger", "C"]["profileId"] == 2
    assert isinstance(after["charger", "C"]["profileId"], int)


def test_own_form_wins_over_the_other_form_of_the_default(plan: Callable[..., Any]) -> None:
    """`profile` and `profileId` are one field: what the entry writes counts, in either form."""
    text = """\
tenant: acme
profiles: {standard: 1, night: 2}
defaults: {chargers: {profile: standard}}
chargers:
  - {identity: by-default, displayName: x}
  - {identity: by-id, displayName: x, profileId: 5}
  - {identity: by-name, displayName: x, profile: night}
---
tenant: acme
defaults: {chargers: {profileId: 7, displayName: Default}}
chargers:
  - {identity: by-id-default}
  - {identity: name-over-id, profile: night, displayName: Own}
"""
    after = created(plan({"a.yaml": text}))
    fields = {name: (charger["profileId"], charger["displayName"]) for (_, name), charger in after.items()}
    assert fields == {
        "by-default": (1, "x"),
        "by-id": (5, "x"),
        "by-name": (2, "x"),
        "by-id-default": (7, "Default"),
        "name-over-id": (2, "Own"),
    }


def test_defaults_are_for_their_own_document(plan: Callable[..., Any]) -> None:
    """Defaults reach no other document, not even one of the same tenant in the same file."""
    entry = "cpms:\n  - {{displayName: {}, url: wss://a.example.com/}}\n"
    text = (
        "tenant: acme\ndefaults: {cpms: {interval: 30}}\n"
        + entry.format("A")
        + "---\ntenant: acme\n"
        + entry.format("B")
    )
    result = plan({"a.yaml": text})
    assert {name: after["interval"] for (_, name), after in created(result).items()} == {"A": 30}
    assert {held["address"] for held in result.json["exolink"]["held_back"]} == {"acme/cpms/B"}


def test_carriage_returns_and_byte_order_mark_are_no_data(plan: Callable[..., Any]) -> None:
    """A file from Windows means the same as one from Linux."""
    text = "tenant: acme\r\nchargers:\r\n  - identity: CP-1\r\n    displayName: Größe\r\n    profileId: 1\r\n"
    after = created(plan({"a.yaml": b"\xef\xbb\xbf" + text.encode()}))
    assert {name: charger["displayName"] for (_, name), charger in after.items()} == {"CP-1": "Größe"}


def test_block_scalars_are_their_text(plan: Callable[..., Any]) -> None:
    """Folded and literal text is text like any other."""
    entry = "  - identity: >-\n      CP\n      1\n    displayName: |-\n      Lobby\n    profileId: 1\n"
    text = "tenant: acme\nchargers:\n" + entry
    after = created(plan({"a.yaml": text}))
    assert {name: charger["displayName"] for (_, name), charger in after.items()} == {"CP 1": "Lobby"}


REFERENCES = """\
tenant: ${env:TENANT}
profiles: {standard: "${env:PROFILE}"}
cpms:
  - {displayName: "Backend ${env:A}${env:B}", url: "wss://${env:HOST}/ocpp", interval: "${env:INTERVAL}"}
chargers:
  - {identity: '${env:IDENTITY}', displayName: "$${env:A} $${x} ${env:A}", profile: standard}
"""
VARIABLES = {
    "TENANT": "acme",
    "PROFILE": "2",
    "A": "${env:B}",
    "B": "x: [y",
    "HOST": "a.example.com",
    "INTERVAL": "45",
    "IDENTITY": "0123",
}


def test_references_are_put_in_once_and_as_text(plan: Callable[..., Any]) -> None:
    """A variable's value is a text: it is neither YAML nor searched for references again; `$${` is a literal `${`."""
    after = created(plan({"a.yaml": REFERENCES}, VARIABLES))
    assert set(after) == {("cpms", "Backend ${env:B}x: [y"), ("charger", "0123")}
    assert after["cpms", "Backend ${env:B}x: [y"]["interval"] == 45
    assert after["cpms", "Backend ${env:B}x: [y"]["url"] == "wss://a.example.com/ocpp"
    assert after["charger", "0123"]["displayName"] == "${env:A} ${x} ${env:B}"
    assert after["charger", "0123"]["profileId"] == 2


@pytest.mark.parametrize(
    ("variable", "content"), [("HOST", None), ("HOST", ""), ("INTERVAL", "soon"), ("IDENTITY", "C\x1bP"), ("B", "a\nb")]
)
def test_references_that_cannot_be_used(variable: str, content: str | None, plan: Callable[..., Any]) -> None:
    """Unset, empty, of the wrong type, or hostile in a name: an error with its place, before anything is sent."""
    variables = {name: text for name, text in {**VARIABLES, variable: content}.items() if text is not None}
    result = plan({"a.yaml": REFERENCES}, variables)
    assert result.exit_code == 3, result.output
    assert "conf/a.yaml:" in result.output
    assert "\x1b" not in result.output
    if not content:
        assert variable in result.output


def test_references_do_not_work_in_keys(plan: Callable[..., Any]) -> None:
    """A key is what is written; a variable makes no profile."""
    text = "tenant: acme\nprofiles: {'${env:P}': 2}\nchargers:\n  - {identity: C, displayName: C, profile: night}\n"
    assert plan({"a.yaml": text}, {"P": "night"}).exit_code == 3


def test_variables_make_two_names_one(plan: Callable[..., Any]) -> None:
    """Names are compared as they are after the variables are put in."""
    text = 'tenant: acme\nchargers:\n  - {identity: "CP-${env:N}"}\n  - {identity: CP-1}\n'
    result = plan({"a.yaml": text}, {"N": "1"})
    assert result.exit_code == 3, result.output
    assert "conf/a.yaml:3:" in result.output and "conf/a.yaml:4:" in result.output


def test_validate_reads_no_variable(validate: Callable[..., Any], folder: Callable[..., Any]) -> None:
    """`validate` gives one answer wherever it runs: set, empty or unset variables change nothing."""
    root = folder({"a.yaml": REFERENCES})
    for variables in ({}, {"HOST": "", "INTERVAL": ""}, VARIABLES):
        result = validate("a.yaml", cwd=root, env=variables)
        assert (result.exit_code, result.diagnostics) == (0, [])
