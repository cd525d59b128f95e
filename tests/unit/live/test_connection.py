"""Options to an open API: whose token, and what is imported for it."""

import json
import sys
from typing import Any

import pytest
from support_wire import TOKEN

from exolink_reconcile.errors import (
    ApiDenied,
)
from exolink_reconcile.live import connection


def test_nothing_of_this_is_imported_early() -> None:
    """The trust store is imported when a connection over TLS is made, not before."""
    import subprocess

    code = "import sys, exolink_reconcile.live.connection; print(json.dumps([m in sys.modules for m in ('truststore', 'websockets')]))"
    ran = subprocess.run([sys.executable, "-c", f"import json; {code}"], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [False, False]


@pytest.mark.parametrize("text", ["", "\n", "a b", "a\nb", "a\tb", "tök", "a\x7f", " a", "a ", "a\n\n"])
def test_malformed_tokens(text: str, tmp_path: Any) -> None:
    """A token that is missing or malformed ends it before a request, and is not shown."""
    file = tmp_path / "token"
    file.write_text(text, "utf-8")
    ways: list[tuple[str | None, dict[str, str]]] = [(str(file), {}), (None, {"EXOLINK_TOKEN": text})]
    for options in ways:
        with pytest.raises(ApiDenied) as caught:
            connection.read_token(*options)
        assert caught.value.exit_code == 10 and (len(text.strip()) < 3 or text.strip() not in caught.value.summary)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_line_break_at_the_end(end: str, tmp_path: Any) -> None:
    """A trailing line break is dropped; the option wins over the variable."""
    file = tmp_path / "token"
    file.write_bytes((TOKEN + end).encode())
    assert connection.read_token(str(file), {"EXOLINK_TOKEN": "other"}) == TOKEN
    assert connection.read_token(None, {"EXOLINK_TOKEN": TOKEN + end}) == TOKEN
