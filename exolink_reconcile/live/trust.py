"""Whom to trust: --ca-file, else SSL_CERT_FILE and SSL_CERT_DIR, else the system's trust store."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from exolink_reconcile.errors import problem


def context(ca_file: str | None, environment: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """The context that verifies a server's certificate.

    Raises:
        InputError: a named file or folder cannot be used; the message says where it was named.

    """
    if ca_file is not None:
        return _of_file("--ca-file", ca_file)
    file, folders = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    if not file and not folders:
        return _of_system()
    trust = _of_file("SSL_CERT_FILE", file) if file else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for folder in (folders or "").split(os.pathsep):
        if folder:
            _add_folder(trust, folder)
    return trust


def _of_file(name: str, file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=file)
    except (OSError, ValueError) as error:
        reason = "it holds no certificates" if isinstance(error, ssl.SSLError) else getattr(error, "strerror", error)
        raise problem("E-CA-FILE", f"{name} {file} cannot be used: {reason}") from None


def _add_folder(trust: ssl.SSLContext, folder: str) -> None:
    try:
        if not Path(folder).is_dir():
            raise NotADirectoryError(0, "it is not a folder")
        trust.load_verify_locations(capath=folder)
    except (OSError, ValueError) as error:
        raise problem(
            "E-CA-FILE", f"SSL_CERT_DIR {folder} cannot be used: {getattr(error, 'strerror', error)}"
        ) from None


def _of_system() -> ssl.SSLContext:
    """The system's trust store, which has a company's own CA; certifi's certificates if the system has none."""
    import truststore

    if _is_empty(ssl.get_default_verify_paths()):
        import certifi

        return ssl.create_default_context(cafile=certifi.where())
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _is_empty(paths: ssl.DefaultVerifyPaths) -> bool:
    """Whether this is a system that keeps its certificates in files and has none: a bare container."""
    if os.name != "posix" or Path("/System/Library").is_dir():
        return False
    if paths.cafile or any(Path(file).is_file() for file in _BUNDLES):
        return False
    return not (paths.capath and any(Path(paths.capath).iterdir()))


# Where distributions keep their bundle; truststore looks there too.
_BUNDLES = (
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
)
