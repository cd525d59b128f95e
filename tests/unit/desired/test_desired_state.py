"""Documents to desired state, or every problem at once."""

import pytest
from support_pipeline import read_yaml

from exolink_reconcile.desired import desired_state, documents
from exolink_reconcile.errors import InputError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.model import DesiredState

TENANT, CPMS, CHARGER = KINDS
HEAD = "tenant: acme\n"


def problems(text: str) -> list[tuple[str, int, int]]:
    with pytest.raises(InputError) as caught:
        read_yaml(text)
    return [
        (diagnostic.code, diagnostic.source.line, diagnostic.source.column)
        for diagnostic in caught.value.diagnostics
        if diagnostic.source
    ]


def declared_chargers(state: DesiredState) -> list[dict[str, object]]:
    return [entry.resource.model_dump(exclude_unset=True) for entry in state.tenants[0].declared[CHARGER]]


def test_settled() -> None:
    """A document is a tenant, its fields and its entries, each with its place."""
    state = read_yaml("tenant: acme\nname: Acme\ncpms:\n  - {displayName: A, url: wss://h/, interval: '30'}\n")
    [tenant] = state.tenants
    [own], [cpms] = tenant.declared[TENANT], tenant.declared[CPMS]
    assert own.resource.model_dump(exclude_unset=True) == {"domainPrefix": "acme", "name": "Acme"}
    assert cpms.resource.interval == 30 and cpms.source == ("exolink.yaml", 4, 6)  # type: ignore[attr-defined]  # a field of this kind
    assert tenant.mentioned == {TENANT, CPMS}


def test_a_tenant_may_be_spread() -> None:
    """Documents of one tenant are joined, whichever defines the profiles."""
    state = read_yaml(
        f"{HEAD}chargers: [{{identity: A, profile: night}}]\n---\n{HEAD}name: N\nprofiles: {{night: 2}}\nchargers: [{{identity: B}}]\n"
    )
    assert declared_chargers(state) == [{"identity": "A", "profileId": 2}, {"identity": "B"}]
    assert [tenant.name for tenant in state.tenants] == ["acme"]
    [own] = state.tenants[0].declared[TENANT]
    assert own.resource.name == "N"  # type: ignore[attr-defined]  # a field of this kind


def test_tenants_are_sorted() -> None:
    """The order of documents is not the order of tenants."""
    assert [tenant.name for tenant in read_yaml("tenant: b\n---\ntenant: a\n").tenants] == ["a", "b"]


def test_defaults() -> None:
    """Defaults hold for their own document's lists, and an entry wins over them in either form."""
    text = f"{HEAD}profiles: {{one: 1, two: 2}}\ndefaults: {{chargers: {{profile: one, displayName: D}}}}\nchargers: [{{identity: A}}, {{identity: B, profileId: 9}}, {{identity: C, profile: two}}]\n---\n{HEAD}chargers: [{{identity: E}}]\n"
    assert declared_chargers(read_yaml(text)) == [
        {"identity": "A", "displayName": "D", "profileId": 1},
        {"identity": "B", "displayName": "D", "profileId": 9},
        {"identity": "C", "displayName": "D", "profileId": 2},
        {"identity": "E"},
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: x\n", [("E-REQUIRED", 1, 1)]),
        ("tenant: a/b\n", [("E-NAME", 1, 9)]),
        ("tenant: ..\n", [("E-NAME", 1, 9)]),
        (HEAD + "nam: x\n", [("E-UNKNOWN-KEY", 2, 1)]),
        (HEAD + "name: x\n---\n" + HEAD + "name: x\n", [("E-DUPLICATE-ADDRESS", 5, 1)]),
        (HEAD + "---\ntenant: ACME\n", [("E-SAME-NAME", 3, 9)]),
        (HEAD + "cpms: {displayName: A}\n", [("E-TYPE", 2, 7)]),
        (HEAD + "cpms: [A]\n", [("E-TYPE", 2, 8)]),
        (HEAD + "cpms: [{url: wss://h}]\n", [("E-REQUIRED", 2, 9)]),
        (HEAD + "cpms: [{displayName: A, url: http://h}]\n", [("E-URL", 2, 30)]),
        (HEAD + "cpms: [{displayName: A, interval: 3.5}]\n", [("E-TYPE", 2, 35)]),
        (HEAD + "cpms: [{displayName: A, interval: true}]\n", [("E-TYPE", 2, 35)]),
        (HEAD + "cpms: [{displayName: A, authPassThrough: yes}]\n", [("E-TYPE", 2, 42)]),
        (HEAD + "cpms: [{displayName: A, createOnly: [colour]}]\n", [("E-CREATE-ONLY", 2, 38)]),
        (HEAD + "cpms: [{displayName: A, createOnly: [displayName]}]\n", [("E-CREATE-ONLY", 2, 38)]),
        (HEAD + "chargers: [{identity: A, firmwareVersion: 1}]\n", [("E-READ-ONLY", 2, 26)]),
        (HEAD + "chargers: [{identity: A, profile: night}]\n", [("E-PROFILE", 2, 35)]),
        (HEAD + "profiles: {n: 1}\nchargers: [{identity: A, profile: n, profileId: 1}]\n", [("E-CONFLICT", 3, 26)]),
        (HEAD + "defaults: {chargers: {identity: A}}\n", [("E-DEFAULT", 2, 23)]),
        (HEAD + "defaults: {cpms: {id: 1}}\n", [("E-DEFAULT", 2, 19)]),
        (HEAD + "chargers: [{identity: A}, {identity: A}]\n", [("E-DUPLICATE-ADDRESS", 2, 28)]),
        (HEAD + "chargers: [{identity: Cafe\u0301}, {identity: ' CAF\u00c9'}]\n", [("E-SAME-NAME", 2, 32)]),
        (HEAD + "chargers: [{identity: A, id: 1}, {identity: B, id: 1}]\n", [("E-DUPLICATE-ID", 2, 35)]),
        (HEAD + "chargers: [{identity: A}]\nremoved: [{charger: A}]\n", [("E-CONFLICT", 3, 12)]),
        (HEAD + "chargers: [{identity: A, id: 1}]\nremoved: [{charger: A, id: 1}]\n", [("E-CONFLICT", 3, 12)]),
        (HEAD + "removed: [{charger: A}, {charger: A}]\n", [("E-DUPLICATE-ADDRESS", 2, 26)]),
        (HEAD + "removed: [{tenant: acme}]\n", [("E-TENANT", 2, 12)]),
        (HEAD + "removed: [{cpms: A, charger: B}]\n", [("E-REQUIRED", 2, 12)]),
        (HEAD + "removed: [{cpms: A, id: x}]\n", [("E-TYPE", 2, 25)]),
        (HEAD + "policy: {protect: [charger]}\nremoved: [{charger: A}]\n", [("E-PROTECTED", 3, 12)]),
        (HEAD + "policy: {protect: [chargers/*]}\n", [("E-GLOB", 2, 20)]),
        (HEAD + "policy: {allowReplace: [Primary]}\n", [("E-GLOB", 2, 25)]),
        (HEAD + "policy: {protect: charger}\n", [("E-TYPE", 2, 19)]),
    ],
)
def test_refused(text: str, expected: list[tuple[str, int, int]]) -> None:
    """Each mistake has its word and its place, and none has a second one as its consequence."""
    assert problems(text) == expected


def test_all_in_one_go() -> None:
    """All problems of all files come at once, in the order of files and lines."""
    first, one = documents.read(
        "a.yaml", b"tenant: acme\ncpms: [{displayName: A, interval: x}]\nfoo: 1\nbar: &x y\n", {}
    )
    second, two = documents.read("b.yaml", b"tenant: acme\nchargers: [{identity: ''}]\n", {})
    from exolink_reconcile.desired import desired_state

    with pytest.raises(InputError) as caught:
        desired_state.build([*second, *first], KINDS, problems=[*two, *one])
    assert [(d.code, str(d.source)) for d in caught.value.diagnostics] == [
        ("E-TYPE", "a.yaml:2:35"),
        ("E-UNKNOWN-KEY", "a.yaml:3:1"),
        ("E-UNKNOWN-KEY", "a.yaml:4:1"),
        ("E-ANCHOR", "a.yaml:4:6"),
        ("E-NAME", "b.yaml:2:23"),
    ]


def test_both_places_are_named() -> None:
    """The error for an address given twice names both places."""
    with pytest.raises(InputError) as caught:
        read_yaml(HEAD + "chargers:\n  - identity: A\n  - identity: A\n")
    assert "exolink.yaml:3:5" in caught.value.diagnostics[0].summary
    assert str(caught.value.diagnostics[0].source) == "exolink.yaml:4:5"


def test_the_nearest_name_is_offered() -> None:
    """An unknown key comes with the nearest known one."""
    with pytest.raises(InputError) as caught:
        read_yaml(HEAD + "cpms: [{displayname: A}]\n")
    assert "`displayName`" in caught.value.diagnostics[0].detail


def test_an_id_is_not_both_pinned_and_removed() -> None:
    """One live object is not declared by one entry and deleted by another, whatever names they use for it."""
    assert problems(HEAD + "cpms: [{displayName: B, id: 7}]\nremoved: [{cpms: A, id: 7}]\n")[0][1] == 3


def test_pinned_and_removed_may_share_a_name() -> None:
    """A removed entry with an id may stand beside an entry of the same name that pins another id."""
    state = read_yaml(HEAD + "cpms: [{displayName: A, id: 7}]\nremoved: [{cpms: A, id: 8, reason: old}]\n")
    [removed] = state.tenants[0].removed[CPMS]
    assert (removed.name, removed.remote_id, removed.reason) == ("A", 8, "old")


def test_a_literal_password_is_a_warning_that_does_not_show_it() -> None:
    """A password written out is warned about, once, and its text appears nowhere."""
    state = read_yaml(HEAD + "cpms: [{displayName: A, url: 'wss://u:hunter2@h/'}]\n")
    assert [warning.code for warning in state.warnings] == ["W-SECRET"]
    assert "hunter2" not in repr(state)


@pytest.mark.parametrize("url", ["http://u:hunter2@h/", "wss://u:hunter2@h /", "wss://u:hunter2@h:99999/", "hunter2"])
def test_a_bad_url_is_refused_without_quoting_it(url: str) -> None:
    """The message about a URL never quotes it: it may hold a password."""
    with pytest.raises(InputError) as caught:
        read_yaml(HEAD + f"cpms: [{{displayName: A, url: '{url}'}}]\n")
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E-URL"]
    assert "hunter2" not in f"{caught.value!r}{caught.value.diagnostics!r}"


def test_validate_needs_no_variable() -> None:
    """Without an environment references are checked for their syntax, and what they stand for is taken on trust."""
    text = (
        HEAD
        + "name: ${env:N}\nprofiles: {n: '${env:P}'}\nchargers: [{identity: '${env:I}', profile: n}, {identity: '${env:J}'}]\n"
    )
    parsed, problems = documents.read("f.yaml", text.encode(), None)
    from exolink_reconcile.desired import desired_state

    assert desired_state.build(parsed, KINDS, problems=problems).warnings == ()


@pytest.mark.parametrize(
    "character", ["\u200b", "\u202e", "\u2066", "\u00ad", "\ufeff", "\u180b", "\U0001d173", "\U0001bca0"]
)
def test_characters_that_do_not_show(character: str) -> None:
    """A name that reads like another because a character of it takes no room is refused."""
    assert problems(f"{HEAD}chargers: [{{identity: A{character}B}}]\n") == [("E-NAME", 2, 23)]


@pytest.mark.parametrize("text", ["7", "'7'", "-7", "0"])
def test_whole_numbers(text: str) -> None:
    """A whole number may be quoted."""
    state = read_yaml(f"{HEAD}cpms: [{{displayName: A, interval: {text}}}]\n")
    assert state.tenants[0].declared[CPMS][0].resource.interval == int(text.strip("'"))  # type: ignore[attr-defined]  # a field of this kind


@pytest.mark.parametrize("text", ["07", "1e3", "0x10", "1_0", "7.0", "+7", "٧", "7 0"])
def test_not_whole_numbers(text: str) -> None:
    """Anything that is not plainly a whole number is not taken for one."""
    assert [code for code, _, _ in problems(f"{HEAD}cpms: [{{displayName: A, interval: {text}}}]\n")] == ["E-TYPE"]


def checked(text: str, environment: dict[str, str] | None = None) -> list[tuple[str, int, int]]:
    """The problems of a text, as `validate` finds them, or as `plan` does with an environment."""
    parsed, more = documents.read("exolink.yaml", text.encode(), environment)
    try:
        state = desired_state.build(parsed, KINDS, problems=more)
    except InputError as error:
        return [
            (diagnostic.code, diagnostic.source.line, diagnostic.source.column)
            for diagnostic in error.diagnostics
            if diagnostic.source
        ]
    return [(warning.code, warning.source.line, warning.source.column) for warning in state.warnings if warning.source]


@pytest.mark.parametrize(
    "text",
    [
        "cpms: [{displayName: A, url: 'wss://user:pa${hunter2@host/?token=hunter2'}]\n",
        "cpms: [{displayName: A, url: 'wss://user:${PW:-hunter2}@host/'}]\n",
        "cpms: [{displayName: A, interval: 'wss://user:hunter2@host/'}]\n",
        "cpms: [{displayName: A, id: 'wss://user:hunter2@host/'}]\n",
        "chargers: [{identity: A, profileId: '${env:S}'}]\n",
        "chargers: [{identity: A, createOnly: ['${env:S}']}]\n",
        "removed: [{cpms: A, id: 'wss://user:hunter2@host/'}]\n",
    ],
)
def test_no_message_quotes_a_secret(text: str) -> None:
    """Not what stands in a malformed reference, not a URL in the wrong place, not what came from the environment."""
    parsed, more = documents.read("exolink.yaml", f"{HEAD}{text}".encode(), {"S": "hunter2"})
    with pytest.raises(InputError) as caught:
        desired_state.build(parsed, KINDS, problems=more)
    assert "hunter2" not in str(caught.value.diagnostics)


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "chargers:\n  - identity: ${env:A}\n---\n" + HEAD + "chargers:\n  - identity: ${env:B}\n",
        "tenant: ${env:T}\n---\ntenant: ${env:t}\n",
        HEAD + 'cpms: [{displayName: A, url: wss://h/, createOnly: ["${env:F}"]}]\n',
        HEAD + 'cpms: [{displayName: A, id: "${env:NEW}"}]\nremoved: [{cpms: A, id: 2}]\n',
    ],
)
def test_what_is_not_known_yet_is_no_problem(text: str) -> None:
    """`validate` has no variables: it does not judge what only they can tell."""
    assert checked(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('cpms: [{displayName: A, urll: "wss://u:${env:P}@h/"}]\n', [("E-UNKNOWN-KEY", 2, 25)]),
        ('chargers: [{identity: A, imsi: "${env:P}"}]\n', [("E-READ-ONLY", 2, 26)]),
        ("cpms: ${env:X}\n", [("E-TYPE", 2, 7)]),
        ("policy: ${env:X}\n", [("E-TYPE", 2, 9)]),
        ("profiles: ${env:X}\n", [("E-TYPE", 2, 11)]),
        ('cpms: ["${env:X}"]\n', [("E-TYPE", 2, 8)]),
        ("chargers: [{identity: A, foo: }]\n", [("E-UNKNOWN-KEY", 2, 26), ("E-NULL", 2, 31)]),
    ],
)
def test_what_no_variable_could_mend(text: str, expected: list[tuple[str, int, int]]) -> None:
    """A key is right or wrong whatever its value is, and what comes from a variable is always text."""
    assert checked(HEAD + text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'tenant: "bad name"\ncpms: [{displayname: A}]\nchargers: x\n',
            [("E-NAME", 1, 9), ("E-UNKNOWN-KEY", 2, 9), ("E-TYPE", 3, 11)],
        ),
        (f"{HEAD}chargers:\n  - {{foo: 1, profileId: x}}\n", [("E-UNKNOWN-KEY", 3, 6), ("E-REQUIRED", 3, 6), ("E-TYPE", 3, 25)]),
        (f"{HEAD}chargers:\n  - {{identiti: A}}\n", [("E-UNKNOWN-KEY", 3, 6)]),
        (f"{HEAD}foo: 1\n? [a]\n: {{b: c}}\nbar: 2\n---\ntenant: b\nbaz: 1\n", [("E-UNKNOWN-KEY", 2, 1), ("E-KEY", 3, 3), ("E-UNKNOWN-KEY", 5, 1), ("E-UNKNOWN-KEY", 8, 1)]),
        (f"{HEAD}name: \"a\\tb\"\n---\n{HEAD}name: b\n", [("E-NAME", 2, 7), ("E-DUPLICATE-ADDRESS", 5, 1)]),
        (f"{HEAD}profiles: {{std: abc}}\nchargers: [{{identity: A, profile: std}}]\n", [("E-TYPE", 2, 17)]),
        (f"{HEAD}cpms: [{{displayName: A, id: 1, interval: abc}}]\nremoved: [{{cpms: A, id: 2}}]\n", [("E-TYPE", 2, 42)]),
        (f"{HEAD}policy: {{protect: [\"cpms/Pri\\u200bmary\"], allowReplace: [cpms]}}\n", [("E-GLOB", 2, 20), ("E-GLOB", 2, 58)]),
        (f"{HEAD}---\n~\n", [("E-NULL", 3, 1)]),
    ],
)  # fmt: skip
def test_every_problem_and_no_other(text: str, expected: list[tuple[str, int, int]]) -> None:
    """One mistake neither hides another one nor makes a second one up."""
    assert checked(text) == expected


def test_each_variable_that_is_missing_is_named() -> None:
    """Two in one value are two problems, not one today and one tomorrow."""
    text = f'{HEAD}cpms: [{{displayName: A, url: "wss://${{env:U}}:${{env:P}}@h/"}}]\n'
    parsed, more = documents.read("exolink.yaml", text.encode(), {})
    with pytest.raises(InputError) as caught:
        desired_state.build(parsed, KINDS, problems=more)
    assert [name for name in ("variable U", "variable P") if name in str(caught.value.diagnostics)] == [
        "variable U",
        "variable P",
    ]


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029"])
def test_line_breaks_that_hide(character: str) -> None:
    """What looks like the rest of a comment must not declare anything; all else keeps the lines that people see."""
    text = f"{HEAD}name: Acme # reviewed by Jo{character}removed: [{{cpms: Primary}}]\nfoo: 1\n"
    assert checked(text) == [("E-SYNTAX", 2, 28), ("E-UNKNOWN-KEY", 3, 1)]


@pytest.mark.parametrize(
    ("url", "defaults", "warned"),
    [
        ("wss://u:${env:P}@h/", True, False),
        ("wss://u:${env:P}@h/", False, False),
        ("wss://u:literal@${env:H}/", False, True),
        ("wss://u:lit$${x@h/", False, True),
        ("wss://${env:U}:literal@h/", False, True),
        ("wss://u@h/", False, False),
    ],
)
def test_which_password_is_written_out(url: str, defaults: bool, warned: bool) -> None:
    """A warning for a password that stands in the file, wherever references stand beside it."""
    entry = f"{HEAD}cpms: [{{displayName: A, url: '{url}'}}]\n"
    text = f"{HEAD}defaults: {{cpms: {{url: '{url}'}}}}\ncpms: [{{displayName: A}}]\n" if defaults else entry
    findings = checked(text, {"P": "pw", "H": "h", "U": "u"})
    assert [code for code, _, _ in findings] == (["W-SECRET"] if warned else [])
