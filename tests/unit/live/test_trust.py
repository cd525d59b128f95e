"""Whom to trust: what was named, and the name of what cannot be used."""

import ssl
from pathlib import Path

import pytest

from exolink_reconcile.errors import InputError
from exolink_reconcile.live import trust


def test_row_C9_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    """The option or variable that names what cannot be used is the one that is blamed."""
    text = tmp_path / "text"
    text.write_text("no certificates in here")
    wrong: list[tuple[str | None, dict[str, str], str]] = [
        (None, {"SSL_CERT_FILE": str(file)}, "SSL_CERT_FILE") for file in (tmp_path / "gone", tmp_path, text)
    ]
    wrong += [(None, {"SSL_CERT_DIR": f"{tmp_path}:{file}"}, "SSL_CERT_DIR") for file in (tmp_path / "gone", text)]
    wrong += [(str(file), {"SSL_CERT_FILE": "/gone"}, "--ca-file") for file in (tmp_path / "gone", text)]
    for option, environment, culprit in wrong:
        with pytest.raises(InputError) as caught:
            trust.context(option, environment)
        assert caught.value.code == "E-CA-FILE" and caught.value.summary.startswith(culprit), caught.value.summary


def test_the_systems_trust_store(tmp_path: Path) -> None:
    """Without a word from the user it is the system's, imported only then; a named folder or file is used instead."""
    assert type(trust.context(None, {})).__module__.startswith(("truststore", "ssl"))
    assert trust.context(None, {"SSL_CERT_DIR": str(tmp_path)}).verify_mode is ssl.CERT_REQUIRED
    import certifi

    named = trust.context(None, {"SSL_CERT_FILE": certifi.where(), "SSL_CERT_DIR": str(tmp_path)})
    assert named.check_hostname and named.cert_store_stats()["x509_ca"] > 50
