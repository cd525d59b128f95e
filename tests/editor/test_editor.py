"""What people see who type YAML in an editor: yaml-language-server with our schema, over LSP. Run by `make editor`.

It needs Node, and yaml-language-server from npm; EXOLINK_LANGUAGE_SERVER says where it is. Without it the tests are
skipped, so that `make test` needs neither.
"""

import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from language_server import LanguageServer

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "schemas" / "exolink-config.schema.json"
GOOD = sorted((ROOT / "tests/corpus/good").iterdir())
BAD = sorted((ROOT / "tests/corpus/bad").iterdir())
EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*.yaml") if "pipelines" not in path.parts)
SERVER = os.environ.get("EXOLINK_LANGUAGE_SERVER", "")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not SERVER, reason="EXOLINK_LANGUAGE_SERVER is not set: run `make editor`"),
]

# What an editor cannot see: the same as for every JSON Schema (see tests/unit/desired/test_corpus.py), but for the anchor, of
# which this server says that nothing uses it.
NOT_SEEN = {
    "charger-id-twice", "charger-profile-unknown", "charger-twice", "charger-twice-in-case", "cpms-flag-capital",
    "cpms-interval-exponent", "cpms-interval-hexadecimal", "cpms-interval-leading-zero", "cpms-interval-point-zero",
    "cpms-url-port", "removed-and-declared", "removed-and-protected", "yaml-merge", "yaml-tag",
}  # fmt: skip

Typing = Callable[[str], tuple[str, int, int]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    with LanguageServer(["node", SERVER, "--stdio"], tmp_path_factory.mktemp("editor"), SCHEMA) as server:
        yield server


@pytest.fixture
def typing(server: LanguageServer, tmp_path: Path) -> Typing:
    """Open a text with a `|` where the cursor is; the file's URI, and the line and column of the cursor."""

    numbers = itertools.count()

    def open_(text: str) -> tuple[str, int, int]:
        before, _, after = text.partition("|")
        # A file of its own each time: the server keeps what it parsed of a version of a file.
        uri = server.open(tmp_path / f"typing-{next(numbers)}.yaml", before + after)
        server.diagnostics(uri)
        return uri, before.count("\n") + 1, len(before) - before.rfind("\n")

    return open_


@pytest.mark.parametrize("path", [*GOOD, *EXAMPLES], ids=lambda path: path.stem)
def test_nothing_is_underlined_in_a_good_file(server: LanguageServer, path: Path) -> None:
    """A good file, or an example, has no diagnostics at all."""
    assert server.diagnostics(server.open(path)) == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_bad_line_is_underlined(server: LanguageServer, path: Path) -> None:
    """A bad file is underlined in the line where `validate` finds the mistake, and nowhere else."""
    diagnostics = server.diagnostics(server.open(path))
    wanted = re.match(r"# \S+ in line (\d+)", path.read_text("utf-8"))
    assert wanted is not None
    lines = {diagnostic["range"]["start"]["line"] + 1 for diagnostic in diagnostics}
    assert lines == (set() if path.stem in NOT_SEEN else {int(wanted[1])}), diagnostics


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("charger-both-forms", 5, "`profile` and `profileId` say the same thing. Keep one of them."),
        ("charger-read-only", 5, "Read-only: the API reports it. Leave it out."),
        ("charger-identity-null", 15, "Text is wanted here. Leave the field out if it has no value."),
        ("cpms-interval-text", 15, "A whole number, such as 30; quoted is fine."),
        ("cpms-flag-yes", 22, "true or false."),
        ("cpms-unknown-key", 5, "Property intervall is not allowed."),
        (
            "cpms-url-https",
            10,
            "A WebSocket URL: ws://HOST/PATH or wss://HOST/PATH, spaces and the like percent-encoded.",
        ),
        ("defaults-key", 14, "Cannot be a default: it names one object."),
        ("reference-bare", 15, "Only ${env:NAME} is a reference; write $${ for a literal ${."),
        ("removed-two", 15, "An entry names one object."),
        ("removed-nothing", 5, "Name what must not exist: cpms or charger."),
        ("removed-tenant", 5, "A tenant cannot be removed: this tool never deletes one."),
    ],
)
def test_what_is_wrong_is_said_at_its_key_or_value(
    server: LanguageServer, name: str, column: int, message: str
) -> None:
    """One mistake is one diagnostic, at the key or value that has it, in words that say what to do."""
    diagnostics = server.diagnostics(server.open(ROOT / f"tests/corpus/bad/{name}.yaml"))
    assert [(diagnostic["range"]["start"]["character"] + 1, diagnostic["message"]) for diagnostic in diagnostics] == [
        (column, message)
    ]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("|", {"tenant", "name", "policy", "profiles", "defaults", "cpms", "chargers", "removed", "exolink document"}),
        ("tenant: acme\n|", {"name", "policy", "profiles", "defaults", "cpms", "chargers", "removed"}),
        ("tenant: acme\npolicy:\n  |", {"protect", "exclusive", "allowReplace"}),
        ("tenant: acme\ndefaults:\n  |", {"cpms", "chargers"}),
        ("tenant: acme\ndefaults:\n  chargers:\n    |", {"displayName", "profileId", "profile", "createOnly"}),
        ("tenant: acme\ncpms:\n  - |", {"cpms entry", "displayName", "url", "interval", "authPassThrough", "id", "createOnly"}),
        ("tenant: acme\ncpms:\n  - displayName: A\n    |", {"url", "interval", "authPassThrough", "id", "createOnly"}),
        ("tenant: acme\nchargers:\n  - |", {"charger entry", "identity", "displayName", "profileId", "profile", "id"}),
        ("tenant: acme\nchargers:\n  - identity: A\n    |", {"displayName", "profileId", "profile", "id", "createOnly"}),
        ("tenant: acme\nremoved:\n  - |", {"removed cpms", "removed charger", "cpms", "charger", "id", "reason"}),
        ("tenant: acme\nremoved:\n  - cpms: A\n    |", {"id", "reason"}),
    ],
)  # fmt: skip
def test_keys_are_offered(server: LanguageServer, typing: Typing, text: str, labels: set[str]) -> None:
    """Each place offers the keys that may stand there, with what they mean."""
    offered = {suggestion["label"]: suggestion for suggestion in server.completion(*typing(text))}
    assert labels <= offered.keys()
    assert [label for label in labels if not offered[label].get("documentation")] == []


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("tenant: acme\ncpms:\n  - displayName: A\n    authPassThrough: |", {"true", "false"}),
        ("tenant: acme\ncpms:\n  - displayName: A\n    createOnly: [|]", {"url", "interval", "authPassThrough"}),
        ("tenant: acme\ncpms:\n  - displayName: A\n    interval: |", {"60", "30"}),
        ("tenant: acme\nchargers:\n  - identity: |", {"CP-0001"}),
    ],
)
def test_values_are_offered(server: LanguageServer, typing: Typing, text: str, labels: set[str]) -> None:
    """A value that is one of a few is offered, and nothing that makes no sense: no `true` for a name."""
    assert {suggestion["label"] for suggestion in server.completion(*typing(text))} == labels


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("tenant: acme\ndefaults:\n  chargers:\n    |", {"identity", "id"}),
        ("tenant: acme\nchargers:\n  - identity: A\n    |", {"firmwareVersion", "provisioned", "identity"}),
        ("tenant: acme\nremoved:\n  - |", {"tenant"}),
    ],
)
def test_what_is_forbidden_is_not_offered(server: LanguageServer, typing: Typing, text: str, absent: set[str]) -> None:
    """A key that would be refused is not offered."""
    assert not absent & {suggestion["label"] for suggestion in server.completion(*typing(text))}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("|", "exolink document"),
        ("tenant: acme\ncpms:\n  - |", "cpms entry"),
        ("tenant: acme\nchargers:\n  - |", "charger entry"),
        ("tenant: acme\nchargers:\n  - identity: A\n  - |", "charger entry"),
        ("tenant: acme\nremoved:\n  - |", "removed cpms"),
        ("tenant: acme\nremoved:\n  - |", "removed charger"),
    ],
)
def test_a_snippet_makes_a_good_file(server: LanguageServer, typing: Typing, text: str, label: str) -> None:
    """What a snippet inserts, with its values left as they are, has nothing underlined."""
    uri, line, column = typing(text)
    snippet = next(
        suggestion["textEdit"]["newText"]
        for suggestion in server.completion(uri, line, column)
        if suggestion["label"] == label and "\n" in suggestion["textEdit"]["newText"]
    )
    # An editor indents the further lines of a snippet as the line it is inserted in.
    last = text.partition("|")[0].rpartition("\n")[2]
    indent = last[: len(last) - len(last.lstrip())]
    inserted = re.sub(r"\$\{\d+:([^}]*)\}", r"\1", snippet).replace("\n", "\n" + indent)
    uri, *_ = typing(text.replace("|", inserted))
    assert server.diagnostics(uri) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ten|ant: acme\n", ["domain prefix", "acme"]),
        ("tenant: acme\npol|icy: {}\n", ["`*` any run", "protect:"]),
        ("tenant: acme\nremo|ved: []\n", ["must not exist", "- charger: CP-0001"]),
        ("tenant: acme\ncpms:\n  - displayName: A\n    inter|val: 30\n", ["in seconds", "60"]),
        (
            "tenant: acme\ncpms:\n  - displayName: A\n    u|rl: wss://a/\n",
            ["ws:// or wss://", "wss://cpms.example.com/ocpp"],
        ),
        ("tenant: acme\nchargers:\n  - identity: A\n    pro|file: B\n", ["`profileId`", "`profiles`", "standard"]),
        ("tenant: acme\nchargers:\n  - identity: A\n    i|d: 7\n", ["Pins one live object"]),
    ],
)
def test_hover(server: LanguageServer, typing: Typing, text: str, words: list[str]) -> None:
    """Hovering over a key says what it means, in which unit, with an example."""
    hover = server.hover(*typing(text))
    assert [word for word in words if word not in hover] == [], hover
