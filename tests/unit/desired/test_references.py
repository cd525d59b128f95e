"""`${env:NAME}` stays in its place, and what came from the environment is in no text."""

from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support_pipeline import read_yaml

from exolink_reconcile.desired import desired_state, documents
from exolink_reconcile.errors import InputError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.kinds.cpms import Cpms
from exolink_reconcile.references import Diagnosed, Environment, Expanded, Unresolved, as_written, expand
from exolink_reconcile.resource import Address
from exolink_reconcile.secret_url import SecretUrl, may_be

SECRET = "hunter2"


def problems(text: str, allowed: list[str] | None = None, **environment: str) -> str:
    """Everything that is said of a text."""
    parsed, problems = documents.read("f.yaml", text.encode(), environment, allowed)
    try:
        diagnostics = desired_state.build(parsed, KINDS, problems=problems).warnings
    except InputError as error:
        diagnostics = error.diagnostics
    return "\n".join(
        f"{diagnostic.code} {diagnostic.source} {diagnostic.summary} {diagnostic.detail}" for diagnostic in diagnostics
    )


def url_of(written: str, **environment: str) -> SecretUrl:
    desired = read_yaml(f'tenant: acme\ncpms: [{{displayName: A, url: "{written}"}}]\n', environment=environment)
    url = desired.tenants[0].declared[Cpms][0].resource.url  # type: ignore[attr-defined]  # a field of this kind
    assert isinstance(url, SecretUrl)
    return url


@pytest.mark.parametrize(
    "value", [f"12/{SECRET}", f"7#{SECRET}", f"x?{SECRET}", f"@{SECRET}", f"a:{SECRET}", f"{SECRET} a", f"\\{SECRET}"]
)
@pytest.mark.parametrize(
    "written",
    ["wss://user:${env:PW}@host/", "wss://host/${env:PW}/x", "wss://host/?t=${env:PW}", "wss://u${env:PW}@h/"],
)
def test_row_B1_a_value_fills_only_its_part(value: str, written: str) -> None:
    """A value that would break out of its part is refused with the variable's name, and never shown."""
    messages = problems(f'tenant: acme\ncpms: [{{displayName: A, url: "{written}"}}]\n', PW=value)
    assert messages.startswith("E-URL f.yaml:2:30") and " PW " in messages and SECRET not in messages


@pytest.mark.parametrize("value", [f"{SECRET}\u200b", f"{SECRET}\x07", f"\u202e{SECRET}", f"{SECRET}\ufeff"])
@pytest.mark.parametrize("written", ["wss://user:${env:PW}@host/", "wss://host/?t=${env:PW}", "${env:PW}"])
def test_row_B3_the_variable_is_blamed(value: str, written: str) -> None:
    """Where a value makes the URL none, the message names the variable; it does not call what the YAML has wrong."""
    messages = problems(f'tenant: acme\ncpms: [{{displayName: A, url: "{written}"}}]\n', PW=value)
    assert (
        messages.startswith("E-URL f.yaml:2:30")
        and "PW" in messages.split("not a WebSocket URL")[0]
        and SECRET not in messages
    )


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        ("wss://user:${env:V}@host/", "p%40ss", "wss://user:***@host/"),
        ("wss://${env:V}:pw@host/", "bob", "wss://***:***@host/"),
        ("wss://${env:V}/ocpp", "host:9000", "wss://host:9000/ocpp"),
        ("wss://${env:V}:9000/", "[::1]", "wss://[::1]:9000/"),
        ("wss://h:${env:V}/", "9000", "wss://h:9000/"),
        ("wss://h/a/${env:V}/b", "path", "wss://h/a/***/b"),
        ("wss://h/?${env:V}=1", "name", "wss://h/?***=***"),
        ("wss://h/#${env:V}", "part", "wss://h/#***"),
        ("${env:V}", "wss://u:p@h:1/path?q=r#f", "wss://***:***@h:1/***?***=***#***"),
    ],
)
def test_row_B1_what_came_from_the_environment_is_masked(written: str, value: str, expected: str) -> None:
    """Host and port are shown, whatever else came from a variable is not; the digest goes by the variable's name."""
    url = url_of(written, V=value)
    assert (str(url), url.reveal()) == (expected, written.replace("${env:V}", value))
    assert url.fingerprint == url_of(written, V="9001" if value == "9000" else value.replace("p", "q")).fingerprint
    assert url.fingerprint != url_of(written.replace(":V}", ":W}"), W=value).fingerprint


def test_live_urls_hide_the_same_parts() -> None:
    """The live path is as secret as the declared one that comes from a variable; it can still be compared."""
    declared, live = url_of("wss://h/a/${env:V}", V="token"), SecretUrl("wss://h/a/token")
    assert declared == live and str(live.masked_like(declared)) == "wss://h/***"
    assert may_be(live, str(declared)) and not may_be(SecretUrl("wss://other/a/token"), str(declared))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    value=st.text(alphabet=st.sampled_from("ab:/?#@&=%[]\\. ;\u00e9\uff0f\u2100\t1"), min_size=1, max_size=12),
    place=st.sampled_from(["wss://{}@h:1/p?q=1", "wss://u:{}@h:1/p?q=1", "wss://h:1/p{}?q=1", "wss://h:1/p?{}", "wss://h:1/p?q={}", "wss://h:1/p?q=1#{}"]),
)  # fmt: skip
@example(value="]", place="wss://u:{}@h:1/p?q=1")
def test_row_B1_host_and_port_are_those_of_the_yaml(value: str, place: str) -> None:
    """For any value and any place of a reference, either it is E-URL or the URL goes where the YAML says."""
    value = f"Q{value}Q"
    try:
        url = url_of(place.format("${env:V}"), V=value)
    except InputError as error:
        assert {diagnostic.code for diagnostic in error.diagnostics} == {"E-URL"}
        assert value not in str([*error.diagnostics])
        return
    parts = urlsplit(url.reveal())
    assert (parts.hostname, parts.port) == ("h", 1)
    assert parts.path == place.partition("h:1")[2].partition("?")[0].format(value)
    assert value not in str(url)


def test_row_B2_our_own_variables_cannot_be_named() -> None:
    """The token is in them: E-ENV in the same words whether one is set or not, and in `validate` too."""
    text = 'tenant: acme\nchargers: [{identity: A, displayName: "${env:EXOLINK_TOKEN}"}]\n'
    messages = problems(text, EXOLINK_TOKEN=SECRET)
    assert messages == problems(text) and messages.startswith("E-ENV f.yaml:2:39") and SECRET not in messages
    assert [problem.code for problem in documents.read("f.yaml", text.encode(), None)[1]] == ["E-ENV"]


def test_row_E4_the_operator_says_which_variables() -> None:
    """What no glob of --env-allow matches cannot be named, set or not."""
    text = 'tenant: acme\nchargers: [{identity: A, displayName: "${env:AWS_KEY}"}]\n'
    for allowed in ([], ["CPMS_*"], ["aws_key"]):
        messages = problems(text, allowed, AWS_KEY=SECRET)
        assert messages == problems(text, allowed) and "--env-allow AWS_KEY" in messages and SECRET not in messages
    assert problems(text, ["AWS_*"], AWS_KEY="x") == problems(text, None, AWS_KEY="x") == ""


@pytest.mark.parametrize(
    "text",
    [
        'profiles: {night: 1}\nchargers: [{identity: A, profile: "${env:S}"}]',
        'chargers: [{identity: "${env:S}"}, {identity: "${env:S}"}]',
        'chargers: [{identity: "${env:S}"}, {identity: "${env:UPPER}"}]',
        'chargers: [{identity: "${env:S}"}]\nremoved: [{charger: "${env:S}", reason: "${env:S}"}]',
        'policy: {protect: ["charger/${env:S}"]}\nremoved: [{charger: "${env:S}"}]',
        'policy: {protect: ["${env:S}"]}',
        'removed: [{charger: A, id: "${env:S}"}]',
        'chargers: [{identity: A, id: "${env:S}"}]',
        'chargers: [{identity: A, profileId: "${env:S}"}]',
        'cpms: [{displayName: A, url: "${env:S}"}]',
        'cpms: [{displayName: A, url: "ws:${env:S}"}]',
        'chargers: [{identity: A, createOnly: ["${env:S}"]}]',
        'profiles: {a: "${env:S}"}',
        'chargers: "${env:S}"',
    ],
)
def test_row_E5_no_message_quotes_a_value(text: str) -> None:
    """An error names the variable, as `${env:NAME}`, and never what it holds."""
    messages = problems(f"tenant: acme\n{text}\n", S=SECRET, UPPER=SECRET.upper())
    assert messages and SECRET not in messages.lower()


def test_row_E5_the_tenant_too() -> None:
    """A tenant's name that came from a variable is not quoted either."""
    messages = problems('tenant: "${env:T}"\nprofiles: {a: 1}\nchargers: [{identity: A, profile: b}]\n', T=SECRET)
    assert "tenant ${env:T}" in messages and SECRET not in messages
    assert SECRET not in problems('tenant: "${env:T}"\n', T=f"{SECRET}/x")


def test_what_the_target_leaves_out_needs_no_variable() -> None:
    """A variable must be set only where the run is about the entry; in `defaults`, where it is about any."""
    text = 'tenant: acme\ncpms: [{displayName: A, url: "wss://${env:A}/"}, {displayName: B, url: "wss://${env:B}/"}]\n'

    def missing(*names: str) -> list[str]:
        parsed, before = documents.read("f.yaml", text.encode(), {"B": "b"})
        try:
            desired_state.build(
                parsed,
                KINDS,
                problems=before,
                covers=lambda address: address in [Address("acme", "cpms", n) for n in names],
            )
        except InputError as error:
            return [diagnostic.summary for diagnostic in error.diagnostics]
        return []

    assert missing("B") == [] and missing("A") == ["the environment variable A is not set, or empty"]


def test_escapes() -> None:
    """`$${` is a literal `${`, also beside a reference."""
    value, reported = expand("$${a}${env:V}$${", Environment({"V": "x"}))
    assert (value, reported) == ("${a}x${", ())


ENVIRONMENT = Environment({"A": "one", "B": "two", "EMPTY": ""})


@pytest.mark.parametrize(
    ("text", "value", "references"),
    [
        ("${env:A}", "one", [(0, 3, "A")]),
        ("x${env:A}y", "xoney", [(1, 4, "A")]),
        ("${env:A}${env:B}", "onetwo", [(0, 3, "A"), (3, 6, "B")]),
        ("$${${env:A}", "${one", [(2, 5, "A")]),
        ("a$${b}${env:A}-${env:B}c", "a${b}one-twoc", [(5, 8, "A"), (9, 12, "B")]),
        ("$$", "$$", None),
        ("$a {b} $", "$a {b} $", None),
        ("", "", None),
    ],
)
def test_where_a_value_came_from(text: str, value: str, references: list[tuple[int, int, str]] | None) -> None:
    """The value, what was written, and which of its characters came from which variable; plain text is left as it is."""
    expanded, problems = expand(text, ENVIRONMENT)
    assert (expanded, problems) == (value, ())
    if references is None:
        assert type(expanded) is str
    else:
        assert isinstance(expanded, Expanded)
        assert (expanded.written, list(map(tuple, expanded.references))) == (text, references)
    assert as_written(expanded) == text


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        (ENVIRONMENT, ("EMPTY", "NONE", "NONE")),
        (Environment(None), ()),
        (Environment({}), ("A", "EMPTY", "NONE", "NONE")),
    ],
)
def test_what_is_not_set(environment: Environment, missing: tuple[str, ...]) -> None:
    """A text whose variables are not set has no value, and the names of them; without an environment none is missing."""
    text = "${env:A} ${env:EMPTY} ${env:NONE}${env:NONE}"
    value, problems = expand(text, environment)
    assert isinstance(value, Unresolved) and not isinstance(value, Diagnosed)
    assert (str(value), value.missing, problems) == (text, missing, ())


@pytest.mark.parametrize(
    "text",
    ["${A}", "${env:}", "${env:1A}", "${env:A B}", "${env:A", "${", "x${env:A}${hunter2", "${ENV:A}", "${env: A}"],
)
def test_what_is_no_reference(text: str) -> None:
    """`${` that starts no reference is an error that says what to write, and quotes nothing of the text."""
    value, [problem] = expand(text, ENVIRONMENT)
    assert isinstance(value, Diagnosed) and value == ""
    assert (problem.code, problem.summary) == ("E-ENV", "`${` starts no reference here")
    assert problem.detail.startswith("Write ${env:NAME}") and "hunter2" not in str(problem)


@pytest.mark.parametrize("name", ["EXOLINK_TOKEN", "exolink_token", "EXOLINK_"])
def test_row_B2_our_own_in_any_case(name: str) -> None:
    """A variable of the tool is refused by its name, whoever allows it."""
    _, [problem] = expand(f"${{env:{name}}}", Environment({name: SECRET}, ["*"]))
    assert (
        problem.summary == f"the environment variable {name} cannot be used in YAML" and "its token" in problem.detail
    )


def test_row_E4_what_is_not_allowed() -> None:
    """The message names the variable and the option that allows it."""
    _, [problem] = expand("${env:A}", Environment({"A": SECRET}, ["B*"]))
    assert problem.summary == "the environment variable A is not allowed in YAML" and "--env-allow A." in problem.detail
