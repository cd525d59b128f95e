"""A URL that holds secrets: compared and sent as it is, shown and stored masked."""

import re
from collections.abc import Callable
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from exolink_reconcile.inert import hostile_character

LONGEST_LIVE = 65_536  # characters; a longer value of the API spoils its row


class SecretUrl:
    """A WebSocket URL whose password and query values are secret: `str` and `repr` mask them, equality does not."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The URL as it is. For a request body and for checking limits: the result is never shown, logged or stored."""
        return self._text

    @property
    def declarable(self) -> bool:
        """Whether YAML may declare it."""
        return _is_url(self._text)

    def rewrite(self, secret: Callable[[str, str], str]) -> str:
        """The URL with each secret part replaced by `secret(what, value)`; `what` is "password" or a query name."""
        # A live URL may be anything: where it is not well formed, all before its last @ is taken for a user's.
        user_info, at, text = ("", "", self._text) if self.declarable else self._text.rpartition("@")
        head, hash_, fragment = text.partition("#")
        head, mark, query = head.partition("?")
        scheme, slashes, rest = head.partition("://") if self.declarable else ("", "", head)
        host, slash, path = rest.partition("/") if self.declarable else (rest, "", "")
        if self.declarable:
            user_info, at, host = host.rpartition("@")
        user, colon, password = user_info.partition(":")
        if not colon and re.search("[?=#]", user):  # not a user's name after all: a query with an @ in it
            user, password = "", user
        shown_password = secret("password", password) if password else ""
        shown_query = "&".join(_rewrite_parameter(part, secret) for part in query.split("&")) if mark else ""
        return "".join(
            (scheme, slashes, user, colon, shown_password, at, host, slash, path, mark, shown_query, hash_, fragment)
        )

    @property
    def has_secret(self) -> bool:
        """Whether anything in the URL is masked when shown."""
        return bool(self.secrets)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What is secret in it: "password", and the names of its query."""
        return tuple(what for what, _ in self._parts())

    @property
    def secret_values(self) -> tuple[str, ...]:
        """The secrets themselves: to be searched for in what will be shown, never to be shown."""
        return tuple(value for _, value in self._parts())

    def _parts(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []

        def note(what: str, value: str) -> str:
            found.append((what, value))
            return value

        self.rewrite(note)
        return found

    def __str__(self) -> str:
        return self.rewrite(lambda what, value: "***")

    def __repr__(self) -> str:
        return f"SecretUrl({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretUrl) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        declared = core_schema.no_info_plain_validator_function(_declared_url)
        live = core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(coerce_numbers_to_str=True, max_length=LONGEST_LIVE)
        )
        return core_schema.json_or_python_schema(json_schema=live, python_schema=declared)


def masked(value: Any) -> Any:
    """A value as JSON may hold it: a secret URL masked, the keys of a mapping in one order, everything else as it is."""
    if isinstance(value, SecretUrl):
        return str(value)
    if isinstance(value, dict):
        return {name: masked(value[name]) for name in sorted(value)}
    return [masked(each) for each in value] if isinstance(value, (list, tuple)) else value


def _rewrite_parameter(part: str, secret: Callable[[str, str], str]) -> str:
    name, equals, value = part.partition("=")
    if not equals:  # `?abcdef`: a bare value may be a key, so it is one
        return secret("query", name) if name else ""
    return f"{name}={secret(name, value)}" if value else part


_URL = re.compile(
    r"(?i)wss?://(?:[^\s/?#@]*@)?(?:\[[0-9a-f:.]+\]|[^\s/?#@:\[\]]+)(?::(?P<port>[0-9]{1,5}))?(?:[/?#]\S*)?"
)


def _declared_url(text: object) -> SecretUrl:
    """What YAML may write as the URL of a backend. The messages never quote it: it may hold a password."""
    if isinstance(text, SecretUrl):
        return text
    if not isinstance(text, str):
        raise PydanticCustomError("url", "a URL must be text")
    if not _is_url(text):
        raise PydanticCustomError(
            "url", "not a WebSocket URL: write ws://HOST/PATH or wss://HOST/PATH, percent-encode spaces and the like"
        )
    return SecretUrl(text)


def _is_url(text: str) -> bool:
    found = _URL.fullmatch(text)
    return found is not None and not hostile_character(text) and 0 < int(found["port"] or 80) < 65536
