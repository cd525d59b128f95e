"""An error of the YAML parser to what is wrong in a user's words, and what to do."""

import re

from ruamel.yaml.error import MarkedYAMLError

from exolink_reconcile.desired.parser import OLD_YAML

_QUOTE = "Put the whole value in quotes."
_NO_TOKEN = "found character that cannot start any token"


def explain(error: MarkedYAMLError, line: bytes) -> tuple[str, str]:
    """What is wrong with a line that is not YAML, and what to do. The line is not quoted: it may hold a password."""
    if b"\t" in line[: len(line) - len(line.lstrip())]:
        return "not YAML: a tab indents this line", "Indent with spaces."
    context = f" ({error.context})" if error.context else ""
    summary = f"not YAML: {error.problem or 'cannot be read'}{context}"
    if error.problem == "mapping values are not allowed in this context":
        if b"${" in line or re.search(rb":\s.*:(\s|$)", line):
            return summary, f'A value with a colon and a blank after it must be quoted: `key: "Lobby: left"`. {_QUOTE}'
        return summary, "Look at the indent of this line and the one above: keys of one mapping start in one column."
    if b"${" in line and (error.problem in OLD_YAML or error.problem == _NO_TOKEN):
        return summary, f'Between braces `${{env:NAME}}` must be quoted: `{{url: "${{env:NAME}}"}}`. {_QUOTE}'
    if error.problem in ("did not find expected key", "did not find expected '-' indicator"):
        hint = "Look at the indent of this line: keys of one mapping, and dashes of one list, start in one column."
        return summary, f"{hint} Text that starts with a mark like ` or %, or goes on after a quote, must be quoted."
    if error.problem == _NO_TOKEN:
        return summary, f"Text that starts with @, ` or % must be quoted. {_QUOTE}"
    if error.problem == "found unknown escape character":
        return summary, "In double quotes a backslash begins an escape: double it, or use single quotes."
    return summary, _not_closed(error)


def _not_closed(error: MarkedYAMLError) -> str:
    """The line in which a quote or bracket opens that nothing closes; empty where that is not the problem."""
    opened = (
        f"that opens in line {error.context_mark.line + 1} is not closed" if error.context_mark else "is not closed"
    )
    if error.context == "while scanning a quoted scalar":
        return f"A quote {opened}."
    if error.context in ("while parsing a flow sequence", "while parsing a flow mapping"):
        return f"A bracket {opened}, or a comma is missing."
    return ""
