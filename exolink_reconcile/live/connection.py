"""Options to an open API: whose token, over which transport."""

import contextlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from exolink_reconcile.errors import ApiDenied, problem
from exolink_reconcile.live import urls
from exolink_reconcile.live.api import Api, Exchange
from exolink_reconcile.live.quiet_httpx import httpx

if TYPE_CHECKING:
    from exolink_reconcile import emulator

EMULATOR = "emulator:"


def connect(
    api_url: str,
    *,
    token_file: str | None,
    ca_file: str | None,
    timeout: float,
    parallelism: int,
    contract: str,
    environment: Mapping[str, str],
    trace: Callable[[Exchange], object] | None = None,
) -> Api:
    """The API that `--api-url` names, `emulator:FILE` included. Nothing is sent yet.

    Raises:
        InputError: the URL is not a place to send a token to.
        ApiDenied: there is no token, or it is malformed.

    """
    if api_url.startswith(EMULATOR):
        return _emulator(api_url, timeout, parallelism, contract, trace)
    urls.checked_base(api_url)  # report a bad URL before a missing token: the user has to fix it first
    token = read_token(token_file, environment)

    def reread() -> str | None:
        with contextlib.suppress(ApiDenied):
            return read_token(token_file, environment)
        return None

    return Api(
        api_url,
        token=token,
        reread=reread,
        ca_file=ca_file,
        timeout=timeout,
        parallelism=parallelism,
        trace=trace,
    )


def origin(api_url: str) -> str:
    """The key of an API's state: its URL; for an emulator the id inside its database, so that a new one starts afresh.

    Raises:
        InputError: the emulator's database cannot be used.

    """
    if not api_url.startswith(EMULATOR):
        return api_url.rstrip("/")
    from exolink_reconcile import emulator

    try:
        return EMULATOR + emulator.database_id(Path(api_url.removeprefix(EMULATOR)))
    except emulator.EmulatorError as error:
        raise problem("E-EMULATOR", str(error)) from None


def is_safe_ground(api_url: str) -> bool:
    """Whether this is an emulator or this machine, where inferred writes can do no harm."""
    if api_url.startswith(EMULATOR):
        return True
    try:
        return urls.is_loopback(urlsplit(api_url).hostname or "")
    except ValueError:  # not a URL: it is refused where it is used
        return False


def read_token(token_file: str | None, environment: Mapping[str, str]) -> str:
    """The bearer token: `--token-file`, else EXOLINK_TOKEN_FILE (the option's own variable), else EXOLINK_TOKEN.

    Raises:
        ApiDenied: missing, unreadable or malformed. The message never shows it.

    """
    if token_file is not None:
        try:
            text = Path(token_file).read_text("ascii")
        except OSError as error:
            raise ApiDenied("E-TOKEN", f"the token file {token_file} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ApiDenied(
                "E-TOKEN", f"the token in {token_file} is malformed: it has characters that are not ASCII"
            ) from None
        origin = f"in {token_file}"
    else:
        text = environment.get("EXOLINK_TOKEN", "")
        origin = "in EXOLINK_TOKEN"
        if not text:
            summary = "no token: use --token-file FILE, EXOLINK_TOKEN_FILE or EXOLINK_TOKEN"
            raise ApiDenied("E-TOKEN", summary, says_what_now=True)
    token = text.removesuffix("\n").removesuffix("\r")
    if not token:
        raise ApiDenied("E-TOKEN", f"the token {origin} is empty")
    if not all("!" <= character <= "~" for character in token):
        raise ApiDenied(
            "E-TOKEN", f"the token {origin} is malformed: it has spaces, line breaks or characters that are not ASCII"
        )
    return token


def _emulator(
    api_url: str, timeout: float, parallelism: int, contract: str, trace: Callable[[Exchange], object] | None
) -> Api:
    from exolink_reconcile import emulator

    path = api_url.removeprefix(EMULATOR)
    if not path:
        raise problem("E-API-URL", "emulator: needs a file, like emulator:exolink.db")
    try:
        app = emulator.application(Path(path), contract, tenants=None, token=None)
    except emulator.EmulatorError as error:
        raise problem("E-EMULATOR", str(error)) from None
    return Api(
        "http://emulator.invalid",
        token=None,
        timeout=timeout,
        parallelism=parallelism,
        trace=trace,
        transport=lambda: _Emulated(app),
    )


class _Emulated(httpx.WSGITransport):
    """Sends requests to an emulator in this process and closes it at the end, so that its database is one file."""

    def __init__(self, app: "emulator.Application") -> None:
        super().__init__(app=app, wsgi_errors=sys.stderr)
        self._close = app.close

    def close(self) -> None:
        self._close()
