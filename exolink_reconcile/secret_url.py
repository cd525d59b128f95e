"""A URL that holds secrets: compared and sent as it is, shown and stored masked.

These are secret: the password, the values of the query and of path parameters (`;token=…`), the fragment, and whatever YAML
took from the environment into any part except scheme, host and port. In a text that is not well formed, everything but
scheme and host is secret.
"""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from exolink_reconcile.inert import hostile_character
from exolink_reconcile.references import Expanded, Reference, as_written

MASK = "***"

LONGEST_LIVE = 65_536  # characters; a row of the API with a longer value is invalid
_ROUNDS = ((64, 20_000), (4096, 300), (262_144, 5))
_SALT = b"exolink-reconcile: a secret that is written out"  # constant: the hashed text differs from URL to URL
_ANY_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}:(?://|\\/\\/)[^\s\"'<>]+")


class SecretUrl:
    """A URL whose secrets `str` and `repr` mask; equality compares the whole text.

    `references` say which characters came from which variable; `hidden` are parts that are masked completely, because the
    declared URL takes something in them from the environment.
    """

    __slots__ = ("_text", "_written", "hidden", "references", "rounds")

    def __init__(
        self, text: str, *, written: str | None = None, references: Iterable[Reference] = (), hidden: Iterable[str] = ()
    ) -> None:
        self._text = str(text)
        self._written = text if written is None else written
        self.references = tuple(references)
        self.hidden = frozenset(hidden)
        self.rounds = rounds_for(1)

    def reveal(self) -> str:
        """The URL as it is, for a request body and for limits. The result must never be shown, logged or stored."""
        return self._text

    @property
    def fingerprint(self) -> str:
        """What the digest of a plan covers: where each secret comes from, the variable's name or the literal.

        It is a hash of the URL as the YAML writes it, with `${env:NAME}` in place: another variable or another literal gives
        another hash, a new value of the same variable does not. For a literal it is a slow hash of `rounds`: otherwise a
        reader of the plan could try billions of passwords a second.
        """
        written = self._written.encode("utf-8", "surrogatepass")
        return _slow_hash(written, self.rounds) if self.literal_secrets else hashlib.sha256(written).hexdigest()

    @property
    def declarable(self) -> bool:
        """Whether YAML may declare it."""
        return _is_url(self._text)

    def masked_like(self, declared: "SecretUrl") -> "SecretUrl":
        """The live URL, which also masks the parts that the declared one takes from the environment."""
        parts = _parts(declared._text) or ()
        secret_names = {part.name for part in parts for ref in declared.references if _overlap(part, ref)}
        return SecretUrl(
            self._text, written=self._written, references=self.references, hidden=self.hidden | secret_names
        )

    def rewrite(self, secret: Callable[[str, str], str]) -> str:
        """The URL with each secret replaced by `secret(part, value)`.

        `part` is "password", the name in a query or path parameter, "query", "fragment", or the part of the URL that came
        from the environment.
        """
        pieces, at = [], 0
        for part, start, end, _ in self._secrets():
            pieces += [self._text[at:start], secret(part, self._text[start:end])]
            at = end
        return "".join((*pieces, self._text[at:]))

    @property
    def has_secret(self) -> bool:
        """Whether anything in the URL is masked when shown."""
        return bool(self._secrets())

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secret parts: "password", the names of its query, and so on, as for `rewrite`."""
        return tuple(span.name for span in self._secrets())

    @property
    def literal_secrets(self) -> tuple[str, ...]:
        """The secret parts that are written out in the YAML: nothing in them came from the environment."""
        return tuple(
            span.name for span in self._secrets() if not any(_overlap(span, reference) for reference in self.references)
        )

    @property
    def secret_values(self) -> tuple[str, ...]:
        """The secrets themselves, to search for in text before it is shown. They must never be shown."""
        return tuple(self._text[start:end] for _, start, end, _ in self._secrets())

    def _secrets(self) -> list["_Span"]:
        """The secret parts of the text, in order, none of them empty or overlapping another."""
        parts = _parts(self._text)
        if parts is None:
            return list(_secrets_of_odd_text(self._text))
        spans = [span for part in parts for span in self._secrets_of(part)]
        return [span for span in spans if span.start < span.end]

    def _secrets_of(self, part: "_Span") -> Iterator["_Span"]:
        if part.name in _OPEN:
            return
        if part.secret or part.name in self.hidden:
            yield part
            return
        for reference in self.references:  # the overlap is empty if it is in another part
            yield _Span(part.name, max(part.start, reference.start), min(part.end, reference.end))

    def __str__(self) -> str:
        return self.rewrite(lambda part, value: MASK)

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


def rounds_for(literals: int) -> int:
    """How slow the hash of a literal is, by the number of literals: all of them together take about half a second.

    It has few steps, because the digest of a plan changes with it.
    """
    return next((rounds for most, rounds in _ROUNDS if literals <= most), 1)


@functools.lru_cache(maxsize=5000)
def _slow_hash(written: bytes, rounds: int) -> str:
    return hashlib.pbkdf2_hmac("sha256", written, _SALT, rounds).hex()


def masked(value: Any) -> Any:
    """A value as JSON may hold it: a secret URL masked, the keys of a mapping in one order, everything else as it is."""
    if isinstance(value, SecretUrl):
        return str(value)
    if isinstance(value, dict):
        return {name: masked(value[name]) for name in sorted(value)}
    return [masked(element) for element in value] if isinstance(value, (list, tuple)) else value


def masked_text(text: str) -> str:
    """A text with the secrets of everything in it that looks like a URL masked."""
    return _ANY_URL.sub(lambda match: str(SecretUrl(match.group().replace("\\/", "/"))), text)


def may_be(value: Any, stored: Any) -> bool:
    """Whether a live value can be the value that was stored masked; the masked parts are not compared."""
    if not isinstance(value, SecretUrl) or not isinstance(stored, str):
        return bool(masked(value) == stored)
    live, kept = _WELL_FORMED.fullmatch(value.reveal()), _WELL_FORMED.fullmatch(stored)
    if live is None or kept is None:
        return str(value) == stored
    return all(map(_can_be, live.groups(), kept.groups()))


def _can_be(part: str | None, kept: str | None) -> bool:
    if part is None or kept is None:
        return part is kept
    return re.fullmatch(".*".join(map(re.escape, kept.split(MASK))), part) is not None


def quoted(text: str) -> str:
    """Text of the YAML, fit for a message: it may come from the environment, or be a URL in the wrong place."""
    text = as_written(text)
    return f"`{(str(SecretUrl(text)) if '://' in text or '@' in text else text)[:80]}`"


class _Span(NamedTuple):
    """A part of a URL: its name, its start and end, and whether it is secret in itself."""

    name: str
    start: int
    end: int
    secret: bool = False


_OPEN = frozenset({"scheme", "host", "port"})
_WELL_FORMED = re.compile(
    r"(?i)(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?:(?P<user>[^\s/?#@:\\]*)(?::(?P<password>[^\s/?#@\\]*))?@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[^\s/?#@:\[\]\\]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/(?P<path>[^\s?#]*))?(?:\?(?P<query>[^\s#]*))?(?:#(?P<fragment>\S*))?"
)
_PATH_PARAMETER = re.compile(r";([^/;=]*)=([^/;]*)")
# A text that is not a URL but whose host is still certain: nothing after it can be the end of a password.
_ODD = re.compile(
    r"(?i)[a-z][a-z0-9+.-]*://(?P<user>[^/?#@\\]*@)?(?P<host>[a-z0-9.-]+(?::[0-9]{1,5})?)(?=[/?#]|$)[^@]*"
)


def _parts(text: str) -> list[_Span] | None:
    """The parts of a URL in order, with those of path and query one by one; None if it is not well formed."""
    match = _WELL_FORMED.fullmatch(text)
    if match is None or hostile_character(text):
        return None
    spans = [_Span(name, *match.span(name), name in ("password", "fragment")) for name in _WELL_FORMED.groupindex]
    parts: list[_Span] = []
    for span in spans:
        if span.start < 0:
            continue
        if span.name == "path":
            parts += _path_parts(text, span)
        elif span.name == "query":
            parts += _query_parts(text, span)
        else:
            parts.append(span)
    return parts


def _path_parts(text: str, path: _Span) -> Iterator[_Span]:
    at = path.start
    for parameter in _PATH_PARAMETER.finditer(text, path.start, path.end):
        yield _Span("path", at, parameter.start(2))
        yield _Span(parameter[1] or "path", *parameter.span(2), True)
        at = parameter.end()
    yield _Span("path", at, path.end)


def _query_parts(text: str, query: _Span) -> Iterator[_Span]:
    at = query.start
    for parameter in text[query.start : query.end].split("&"):
        name, equals, value = parameter.partition("=")
        middle = at + len(name) + len(equals)
        if equals:
            yield _Span("query name", at, at + len(name))
            yield _Span(name, middle, middle + len(value), True)
        else:  # `?abcdef`: a bare value may be a key, so it is one
            yield _Span("query", at, middle, True)
        at += len(parameter) + 1


def _secrets_of_odd_text(text: str) -> Iterator[_Span]:
    match = _ODD.fullmatch(text)
    if match is None:
        scheme = re.match(r"(?i)[a-z][a-z0-9+.-]*://", text)
        yield from [_Span("URL", scheme.end() if scheme else 0, len(text))] if text else []
        return
    if match["user"]:
        yield _Span("user", match.start("user"), match.end("user") - 1)
    start = match.end("host") + (text[match.end("host") :][:1] == "/")
    if start < len(text):
        yield _Span("path", start, len(text))


def _overlap(part: _Span, reference: Reference) -> bool:
    return part.start < reference.end and reference.start < part.end


_URL = re.compile(
    r"(?i)wss?://(?:[^\s/?#@\\]*@)?(?:\[[0-9a-f:.]+\]|[^\s/?#@:\[\]\\]+)(?::(?P<port>[0-9]{1,5}))?(?:[/?#]\S*)?"
)
_NO_URL = "not a WebSocket URL: write ws://HOST/PATH or wss://HOST/PATH, percent-encode spaces and the like"


def _declared_url(text: object) -> SecretUrl:
    """The URL of a backend, as YAML may write it. The messages never quote it: it may hold a password."""
    if not isinstance(text, str):
        raise PydanticCustomError("url", "a URL must be text")
    references = text.references if isinstance(text, Expanded) else ()
    written = text.written if isinstance(text, Expanded) else text
    if stray := next((reference for reference in references if not _stays_in_its_part(text, reference)), None):
        raise _refused(
            f"the value of the environment variable {stray.name} does not stay in its part of the URL:"
            " in it `/ ? # @ : \\` and blanks must be percent-encoded"
        )
    if not _is_url(text):
        names = ", ".join(dict.fromkeys(reference.name for reference in references))
        raise _refused(f"with the value of {names} this is {_NO_URL}" if names else _hinted(text))
    return SecretUrl(text, written=written, references=references)


def _refused(message: str) -> PydanticCustomError:
    # Pydantic would take braces for placeholders.
    return PydanticCustomError("url", "{message}", {"message": message})


def _hinted(text: str) -> str:
    scheme = re.match(r"(?i)http(s?)://", text)
    return f"{_NO_URL}. Did you mean `ws{scheme[1].lower()}://`?" if scheme else _NO_URL


_DELIMITER = re.compile(r"[\s/?#@:\\]")
_BEFORE_HOST = re.compile(r"(?i)wss?://(?:[^\s/?#@]*@)?")
_IN_BRACKETS = r"\[[0-9a-f:.]+\]"
_IPV6 = re.compile(f"(?i){_IN_BRACKETS}")
_HOST_AND_PORT = re.compile(rf"(?i)(?:{_IN_BRACKETS}|[^\s/?#@:\[\]\\]+)(?::[0-9]{{1,5}})?")


def _stays_in_its_part(text: str, reference: Reference) -> bool:
    """Whether the value of a variable stays in the part of the URL that its reference stands in."""
    value = text[reference.start : reference.end]
    if (reference.start, reference.end) == (0, len(text)):
        return True
    before, after = text[: reference.start], text[reference.end :]
    in_authority = not re.search("[/?#]", before.partition("://")[2])
    plain = unicodedata.normalize("NFKC", value)  # some programs normalize it before they look for a host
    if not _DELIMITER.search(plain) and not (in_authority and re.search(r"[\[\]]", plain)):
        return True
    if not _BEFORE_HOST.fullmatch(before) or after[:1] not in ("", "/", "?", "#", ":"):
        return False
    return bool((_IPV6 if after.startswith(":") else _HOST_AND_PORT).fullmatch(value))


def _is_url(text: str) -> bool:
    match = _URL.fullmatch(text)
    return match is not None and not hostile_character(text) and 0 < int(match["port"] or 80) < 65536
