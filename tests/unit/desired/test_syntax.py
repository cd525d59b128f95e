"""What is not YAML, in words, with what to do about it."""

import pytest

from exolink_reconcile.desired import documents


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("a:\n  - {b: c, url: wss://u:${env:PW}@h/, d: 1}", '`{url: "${env:NAME}"}`'),
        ("a:\n  - {b: c, url: ${env:PW}}", '`{url: "${env:NAME}"}`'),
        ("a:\n  b: Lobby: left", 'must be quoted: `key: "Lobby: left"`'),
        ("a:\n - b: c\n    d: e", "keys of one mapping start in one column"),
        ("a:\n  - b: c\n  d: e", "Look at the indent of this line"),
        ("a:\n\t- b", "Indent with spaces."),
        ("a: @b", "Text that starts with @"),
        ('a: "c:\\d"', "a backslash begins an escape"),
        ('a: b\nc: "d\ne: f\n', "A quote that opens in line 2 is not closed."),
        ("a:\n  - {b: c\n  - {b: d}\n", "A bracket that opens in line 2 is not closed, or a comma is missing."),
        ("a: [{b: c}", "A bracket that opens in line 1 is not closed, or a comma is missing."),
    ],
)
def test_what_is_not_yaml_says_what_to_do(text: str, advice: str) -> None:
    """The mistakes that people make most have a sentence of their own beside the parser's words."""
    [problem] = documents.read("f.yaml", text.encode(), {})[1]
    assert problem.code == "E-SYNTAX" and advice in problem.detail
