"""The parts of a kind: Address, Resource and the field marks.

A kind is a pydantic class with a few class constants and marked fields; see `kinds/`. Two models are derived from it:
the *entry* (what YAML may say: the fields, `id`, `createOnly`) and the *row* (what the API answers: the fields, `id`,
`deletedAt`). Both have the same field names and types.
"""

import functools
import operator
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, make_dataclass, replace
from dataclasses import field as dataclass_field
from itertools import chain
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, create_model
from pydantic_core import core_schema

from exolink_reconcile.inert import HOSTILE
from exolink_reconcile.secret_url import LONGEST_LIVE, SecretUrl, masked

# ---------------------------------------------------------------------------------------------------------- addresses


class ListKey(NamedTuple):
    """A list: its tenant and the name of its kind. As text `TENANT/KIND`."""

    tenant: str
    kind: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.kind}"


class Address(NamedTuple):
    """Where a resource is: `TENANT/KIND/NAME`. A name may contain slashes; a tenant and a kind may not."""

    tenant: str
    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "Address | None":
        """The address that `text` spells; None if it has fewer than two slashes or an empty part."""
        parts = text.split("/", 2)
        return cls(*parts) if len(parts) == 3 and all(parts) else None

    @property
    def list_key(self) -> ListKey:
        """The list that has this address."""
        return ListKey(self.tenant, self.kind)

    @property
    def local(self) -> str:
        """`KIND/NAME`: how a policy names it inside its tenant."""
        return f"{self.kind}/{self.name}"

    def __str__(self) -> str:
        return f"{self.tenant}/{self.kind}/{self.name}"


# ------------------------------------------------------------------------------------------------------------- values

WHOLE_NUMBER = r"^-?(0|[1-9][0-9]{0,17})$"


def _whole_number() -> core_schema.CoreSchema:
    """YAML: the text of a whole number. API: any JSON number, or its text (the API sends 30 and 30.0 for one value)."""
    text = core_schema.chain_schema(
        [core_schema.str_schema(strict=True, pattern=WHOLE_NUMBER), core_schema.int_schema()]
    )
    declared = core_schema.union_schema([text, core_schema.int_schema(strict=True)], mode="left_to_right")
    live = core_schema.union_schema(
        [core_schema.int_schema(), core_schema.float_schema(allow_inf_nan=False)], mode="left_to_right"
    )
    return core_schema.json_or_python_schema(json_schema=live, python_schema=declared)


def _flag() -> core_schema.CoreSchema:
    """YAML: `true` or `false`. API: a JSON boolean, or what pydantic reads as one."""
    text = core_schema.chain_schema([core_schema.literal_schema(["true", "false"]), core_schema.bool_schema()])
    declared = core_schema.union_schema([text, core_schema.bool_schema(strict=True)], mode="left_to_right")
    return core_schema.json_or_python_schema(json_schema=core_schema.bool_schema(), python_schema=declared)


def _text(pattern: str | None = None) -> core_schema.CoreSchema:
    """YAML: text without hidden characters. API: any text or number, because a live name may be anything."""
    declared = core_schema.str_schema(strict=True, pattern=pattern)
    live = core_schema.str_schema(coerce_numbers_to_str=True, max_length=LONGEST_LIVE)
    return core_schema.json_or_python_schema(json_schema=live, python_schema=declared)


@dataclass(frozen=True, slots=True)
class _Schema:
    """Puts a hand-made core schema under a plain type: type checkers see `int`, pydantic sees both readings."""

    make: Callable[[], core_schema.CoreSchema]
    json_type: str
    pattern: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return self.make()


NAME = f"^[^{HOSTILE}]*[^{HOSTILE}\\s][^{HOSTILE}]*$"
TEXT = f"^[^{HOSTILE}]*$"

Name = Annotated[str, _Schema(lambda: _text(NAME), "string", NAME)]
Text = Annotated[str, _Schema(lambda: _text(TEXT), "string", TEXT)]
WholeNumber = Annotated[int | float, _Schema(_whole_number, "integer")]
Flag = Annotated[bool, _Schema(_flag, "boolean")]


def _row_id() -> core_schema.CoreSchema:
    """7, 7.0 and "7" are 7; 7.5, "7.0", true and numbers too large for the journal are not ids."""
    number = core_schema.int_schema(strict=True, ge=-(2**63), lt=2**63)
    text = core_schema.chain_schema(
        [core_schema.str_schema(strict=True, pattern=WHOLE_NUMBER), core_schema.int_schema(ge=-(2**63), lt=2**63)]
    )
    whole_number = core_schema.chain_schema(
        [core_schema.float_schema(strict=True, allow_inf_nan=False), core_schema.int_schema(ge=-(2**63), lt=2**63)]
    )
    return core_schema.union_schema([number, text, whole_number], mode="left_to_right")


_RowId = Annotated[int, _Schema(_row_id, "integer")]


# -------------------------------------------------------------------------------------------------------------- marks


@dataclass(frozen=True, slots=True)
class Key:
    """Marks the natural key: unique in its collection, how desired and live find each other."""


@dataclass(frozen=True, slots=True)
class NamedBy:
    """Marks a number that YAML may also write by name: `profile: night` for `profileId: 2`, from a table `profiles`.

    `example` is a possible name in such a table.
    """

    alias: str
    table: str
    example: str = "standard"


class Resource(BaseModel):
    """Base of every kind: the fields that YAML may declare, all optional except the key. No verbs.

    Class constants a kind sets:
        kind: the word in addresses and in `removed`.
        entries: the YAML key of its list and of its defaults; None for the tenant, which a document itself describes.
        collection, item: path templates; `{tenant}` and `{id}` are filled in by the sender, and only there.
        reported: fields of the API that YAML may not write, because the device or the server reports them.
        expected: fields that an entry should have; `validate` warns if one is missing.
        when_gone: what to check before an object is deleted, in a sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    entries: ClassVar[str | None]
    collection: ClassVar[str]
    item: ClassVar[str]
    reported: ClassVar[tuple[str, ...]] = ()
    expected: ClassVar[tuple[str, ...]] = ()
    when_gone: ClassVar[str] = ""

    @classmethod
    def is_tenant(cls) -> bool:
        """Whether a document itself describes this kind: it has no list, and no id in its path."""
        return cls.entries is None


Kind = type[Resource]


@dataclass(frozen=True, slots=True)
class FieldFacts:
    """What the marks say about one field. `json_type` is the JSON Schema type that YAML and API agree on.

    `pattern` is what its text must match. `examples` are values as in YAML: an editor offers them, and its snippets use the
    first one.
    """

    name: str
    json_type: str
    is_key: bool
    secret: bool
    named_by: NamedBy | None
    description: str
    examples: tuple[str | int, ...] = ()
    pattern: str | None = None


@functools.cache
def fields(kind: Kind) -> Mapping[str, FieldFacts]:
    """The fields of a kind by name, in the order of the class."""
    return MappingProxyType({name: _facts(name, info) for name, info in kind.model_fields.items()})


def _facts(name: str, info: Any) -> FieldFacts:
    marks = [*info.metadata, *_nested_marks(info.annotation)]
    secret = info.annotation is SecretUrl or SecretUrl in getattr(info.annotation, "__args__", ())
    schema = next((mark for mark in marks if isinstance(mark, _Schema)), None)
    return FieldFacts(
        name=name,
        json_type=schema.json_type if schema else "string",
        is_key=any(isinstance(mark, Key) for mark in marks),
        secret=secret,
        named_by=next((mark for mark in marks if isinstance(mark, NamedBy)), None),
        description=info.description or "",
        examples=tuple(info.examples or ()),
        pattern=schema.pattern if schema else None,
    )


def _nested_marks(annotation: Any) -> list[Any]:
    return [
        mark
        for part in (annotation, *getattr(annotation, "__args__", ()))
        for mark in getattr(part, "__metadata__", ())
    ]


@functools.cache
def key(kind: Kind) -> str:
    """The name of the key field."""
    return next(facts.name for facts in fields(kind).values() if facts.is_key)


@functools.cache
def compared(kind: Kind) -> tuple[str, ...]:
    """The fields that are not the key."""
    return tuple(name for name in fields(kind) if name != key(kind))


@functools.cache
def entry_keys(kind: Kind) -> tuple[str, ...]:
    """The keys that an entry of a list may have."""
    aliases = [facts.named_by.alias for facts in fields(kind).values() if facts.named_by]
    return (*fields(kind), *aliases, "id", "createOnly")


@functools.cache
def cell_keys(kind: Kind) -> tuple[str, ...]:
    """The keys of an entry that a cell of a table can hold."""
    return tuple(name for name in entry_keys(kind) if name != "createOnly")


@functools.cache
def secret_fields(kind: Kind) -> tuple[str, ...]:
    """The fields that may hold a secret."""
    return tuple(name for name, facts in fields(kind).items() if facts.secret)


@functools.cache
def entry_model(kind: Kind) -> type[Resource]:
    """What YAML may say about one resource: the fields, `id` to pin one live object, `createOnly`."""
    names: Any = Literal.__getitem__(compared(kind))
    create_only: Any = (tuple[names, ...], ())
    pin: Any = (WholeNumber | None, None)
    return create_model(f"{kind.__name__}Entry", __base__=kind, id=pin, createOnly=create_only)


# A moment as a number, but not 0 or false: they could mean that it never was deleted.
_Epoch = Annotated[float, Field(gt=0, strict=True)]


class Row:
    """What the API has for one resource: the fields of its kind, its `id` and `deletedAt`. See `row_model`."""

    __slots__ = ()
    id: int
    deletedAt: str | float | None


@functools.cache
def row_model(kind: Kind) -> type[Row]:
    """The rows of one kind; the key and `id` are required.

    It is a dataclass with slots, which pydantic fills: 100,000 rows of a model would take 90 MB more.
    """
    hints = get_type_hints(kind, include_extras=True)
    members: list[Any] = [("id", _RowId, dataclass_field())]
    for name, info in kind.model_fields.items():
        default = {} if info.is_required() else {"default": info.default}
        members.append((name, hints[name], dataclass_field(**default)))
    members.append(("deletedAt", str | _Epoch | None, dataclass_field(default=None)))
    return make_dataclass(f"{kind.__name__}Row", members, bases=(Row,), frozen=True, kw_only=True, slots=True)


@functools.cache
def attributes(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that takes these fields of an object in one C call."""
    if len(names) > 1:
        return operator.attrgetter(*names)
    return lambda resource: tuple(getattr(resource, name) for name in names)


def masked_values(objects: Iterable[Resource | Row], names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """These fields of each object, fit to be shown and stored: secrets masked."""
    return masked_tuples(list(map(attributes(names), objects)))


def masked_tuples(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The values, fit to be shown and stored: secrets masked."""
    if _PLAIN.issuperset(map(type, chain.from_iterable(rows))):  # nearly always
        return rows
    return [tuple(map(masked, values)) for values in rows]


def masked_fields(resource: Resource | Row, names: tuple[str, ...]) -> dict[str, Any]:
    """The fields, fit to be shown and stored: secrets masked."""
    return dict(zip(names, masked_values([resource], names)[0]))


def masked_like(row: Row, declared: Resource) -> Row:
    """The live row, with the parts of its URLs masked that the declared resource takes from the environment."""
    hidden: dict[str, Any] = {}
    for name in secret_fields(type(declared)):
        live, desired = getattr(row, name), getattr(declared, name)
        if isinstance(live, SecretUrl) and isinstance(desired, SecretUrl) and desired.references:
            hidden[name] = live.masked_like(desired)
    return replace(row, **hidden) if hidden else row  # type: ignore[type-var]  # rows are dataclasses


_PLAIN = frozenset({str, int, float, bool, type(None)})


def folded(name: str) -> str:
    """The name, trimmed, in NFC and case-folded: equal for all names that people would take for the same."""
    if name.isascii():
        return name.strip().casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())


def name_of(resource: Resource) -> str:
    """The value of the key field."""
    value: str = getattr(resource, key(type(resource)))
    return value


def name_of_row(kind: Kind, row: Row) -> str:
    """The natural key of a live row."""
    value: str = getattr(row, key(kind))
    return value
