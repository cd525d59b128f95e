"""API to live state: all of it, or an error. A failed or doubtful read is never an empty list."""

import functools
import json
import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Annotated, Any, TypeVar

from pydantic import FailFast, TypeAdapter, ValidationError

from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import ApiError, ApiRejected, ApiSurprise, ApiUnreachable, NoTenant
from exolink_reconcile.live import answers, rereading
from exolink_reconcile.live.answers import Listing
from exolink_reconcile.live.api import Api
from exolink_reconcile.live.rereading import RowTexts
from exolink_reconcile.model import LiveState, LiveTenant, remote_id
from exolink_reconcile.resource import Kind, ListKey, Row, fields, name_of_row, row_model

_T = TypeVar("_T")
_MOST_ROWS = 1_000_000
_MOST_VALUES = 10_000_000


def read(api: Api, wanted: Mapping[str, Sequence[Kind]], tenant_kind: Kind, *, absent_ok: bool = False) -> LiveState:
    """Every tenant of `wanted` with the rows of its kinds; one list request a kind, one GET a tenant.

    `absent_ok`: a tenant that does not exist is not an error (the contract can create it).

    Raises:
        ApiError: if any part could not be read: there is no partial result.

    """
    tenants = {tenant: api.pool.submit(_read_tenant, api, tenant_kind, tenant) for tenant in wanted}
    lists: dict[tuple[str, Kind], Future[list[Row] | None]] = {
        (tenant, kind): api.pool.submit(_read_list_if_there, api, kind, tenant, tenants[tenant])
        for tenant, kinds in wanted.items()
        for kind in kinds
        if kind is not tenant_kind
    }
    errors: list[ApiError] = []
    live_tenants = {tenant: _result(future, errors) for tenant, future in tenants.items()}
    rows = {place: _result(future, errors) for place, future in lists.items()}
    if errors:
        raise _gravest(errors)
    for tenant, row in live_tenants.items():
        if row is None and not absent_ok:
            raise NoTenant(tenant, [name for name, row in live_tenants.items() if row is not None])
    return LiveState({tenant: _tenant(tenant, row, rows, tenant_kind) for tenant, row in live_tenants.items()})


def read_list(api: Api, kind: Kind, tenant: str) -> list[Row]:
    """The live rows of one kind, without soft-deleted ones.

    Raises:
        ApiError: the list could not be read, or is not a complete list of rows with an id and a key.

    """
    return read_rows(api, kind, tenant)[0]


def read_rows(
    api: Api, kind: Kind, tenant: str, raw_ids: Collection[int] = ()
) -> tuple[list[Row], Mapping[int, Mapping[str, Any]]]:
    """`read_list`, and the rows with these ids as the API answered them; nested objects may be left out."""
    return answers.in_turn(lambda: _rows(api, kind, tenant, api.list(kind, tenant), raw_ids))


def _rows(
    api: Api, kind: Kind, tenant: str, listing: Listing, raw_ids: Collection[int] = ()
) -> tuple[list[Row], Mapping[int, Mapping[str, Any]]]:
    return api.reader.submit(_checked_rows, api, kind, tenant, listing, raw_ids).result()


def _checked_rows(
    api: Api, kind: Kind, tenant: str, listing: Listing, raw_ids: Collection[int]
) -> tuple[list[Row], Mapping[int, Mapping[str, Any]]]:
    subject = f"the list of {kind.kind} of tenant {tenant}"
    if listing.next_page:
        raise ApiSurprise(
            "E-BAD-LIST", f"{subject} is one page of several ({listing.next_page} header): not all of it came"
        )
    data, tenant_id = listing.data, api.tenant_ids.get(tenant)
    _check_size(subject, data)
    row_texts = _read_again(api, kind, tenant, data, tenant_id, subject)
    rows = row_texts.rows if row_texts is not None else _parsed(subject, kind, data)
    if listing.total is not None and listing.total > len(rows):
        raise ApiSurprise("E-BAD-LIST", f"{subject} is not all there: {len(rows)} of {listing.total} rows came")
    ids = {remote_id(row) for row in rows}
    if len(ids) != len(rows):
        raise ApiSurprise("E-BAD-LIST", f"{subject} has one id twice")
    if row_texts is None:
        _check_each(subject, kind, data, rows, tenant_id)
    wanted_ids = ids.intersection(raw_ids)
    if row_texts is None and (wanted_ids or api.lists.keeps(data)):
        row_texts = rereading.row_texts(data, rows, tenant_id)
    if row_texts is not None:
        api.lists.keep(ListKey(tenant, kind.kind), row_texts)
    return [row for row in rows if not row.deletedAt], _whole_rows(data, row_texts, wanted_ids)


def _read_again(api: Api, kind: Kind, tenant: str, data: bytes, tenant_id: int | None, subject: str) -> RowTexts | None:
    """The list, with the rows of the last read if their text is the same; None if all of it must be parsed."""
    before = api.lists.get(ListKey(tenant, kind.kind))
    if before is None:
        return None

    def read(new: bytes) -> Sequence[Row]:
        rows = _parsed(subject, kind, new)
        _check_each(subject, kind, new, rows, tenant_id)
        return rows

    try:
        return rereading.read_again(before, data, tenant_id, read)
    except ApiSurprise:  # parsing all of it tells which row it is
        return None


def _check_size(subject: str, data: bytes) -> None:
    """Refuse a list that would take too much memory, before anything is made of it."""
    if data.count(b"{") > _MOST_ROWS:
        raise ApiSurprise("E-BAD-LIST", f"{subject} has more than {_MOST_ROWS:,} objects")
    if data.count(b",") > _MOST_VALUES:  # fields that no kind knows are read too
        raise ApiSurprise("E-BAD-LIST", f"{subject} has more than {_MOST_VALUES:,} values")


def _parsed(subject: str, kind: Kind, data: bytes) -> list[Row]:
    """The rows of a list, each with an id and a key."""
    try:
        return _list_adapter(kind).validate_json(data, extra="ignore")
    except ValidationError as error:
        raise _bad(subject, error, data) from None


def _check_each(subject: str, kind: Kind, data: bytes, rows: Sequence[Row], tenant_id: int | None) -> None:
    """Refuse a list with a row that is not right by itself."""
    if _says_twice(kind, data, rows):
        raise ApiSurprise("E-BAD-LIST", f"{subject} has a row that gives one field twice")
    if _is_of_another_tenant(data, tenant_id):
        raise ApiSurprise("E-BAD-LIST", f"{subject} has a row of another tenant (tenantId)")


def _whole_rows(data: bytes, row_texts: RowTexts | None, ids: Collection[int]) -> dict[int, Mapping[str, Any]]:
    """A few rows of a valid list, as answered; nothing of the other rows is kept while it is read."""
    if not ids:
        return {}
    if row_texts is not None:
        texts = (text for row, text in zip(row_texts.rows, row_texts.texts) if remote_id(row) in ids)
        return {int(row["id"]): row for row in (json.loads(b"{%s}" % text) for text in texts)}

    def keep(row: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return row if int(row["id"]) in ids else None
        except (KeyError, TypeError, ValueError, OverflowError):  # not a row but an object nested in one
            return None

    return {int(row["id"]): row for row in json.loads(data, object_hook=keep) if row is not None}


def read_one(api: Api, kind: Kind, tenant: str, identifier: int | None = None) -> Row | None:
    """One live object; None if it does not exist or was deleted.

    Raises:
        ApiError: it could not be read, or the answer is not such an object.

    """
    item = read_whole(api, kind, tenant, identifier)
    return item[0] if item is not None else None


def read_whole(
    api: Api, kind: Kind, tenant: str, identifier: int | None = None
) -> tuple[Row, Mapping[str, Any]] | None:
    """One live object, and the row as the API answered it, with the fields that no kind knows. Raises as `read_one`."""
    item = read_item_whole(api, kind, tenant, identifier)
    return None if item is None or item[0].deletedAt else item


def read_item(api: Api, kind: Kind, tenant: str, identifier: int | None = None) -> Row | None:
    """One object, with `deletedAt` if the API says that it was deleted; None for a 404. Raises as `read_one`."""
    item = read_item_whole(api, kind, tenant, identifier)
    return item[0] if item is not None else None


def read_item_whole(
    api: Api, kind: Kind, tenant: str, identifier: int | None = None
) -> tuple[Row, Mapping[str, Any]] | None:
    """`read_item`, and the row as the API answered it."""
    data = api.get(kind, tenant, identifier)
    if data is None:
        return None
    try:
        row = _row_adapter(kind).validate_json(data, extra="ignore")
    except ValidationError as error:
        subject = f"{kind.kind} {identifier} of tenant {tenant}" if identifier is not None else f"tenant {tenant}"
        raise _bad(subject, error, data) from None
    answer = f"the answer for {kind.kind} {'' if identifier is None else f'{identifier} '}of tenant {tenant}"
    if identifier is not None and remote_id(row) != identifier:
        raise ApiSurprise("E-BAD-ANSWER", f"{answer} is another object: its id is {remote_id(row)}")
    if _says_twice(kind, data, [row]):
        raise ApiSurprise("E-BAD-ANSWER", f"{answer} gives one field twice")
    if kind.is_tenant():
        api.tenant_ids[tenant] = remote_id(row)
    elif _is_of_another_tenant(data, api.tenant_ids.get(tenant)):
        raise ApiSurprise("E-BAD-ANSWER", f"{answer} belongs to another tenant (tenantId)")
    return row, json.loads(data)


_BETWEEN_ROWS = re.compile(rb"\}\s*,\s*\{")


def _says_twice(kind: Kind, data: bytes, rows: Sequence[Row]) -> bool:
    """Whether some object of the JSON gives one field twice, which JSON parsers accept in silence.

    If a field stands in the text as often as there are rows with a value for it, each of them has it once. Only if these
    counts differ (a null, a nested object, a field given twice) do we count row by row, and then parse everything.
    """
    suspects: list[bytes] = []
    for name in ("id", "deletedAt", *fields(kind)):
        quoted = f'"{name}"'.encode()
        count = data.count(quoted)
        if count and count != len(rows) - [getattr(row, name) for row in rows].count(None):
            suspects.append(quoted)
    if not suspects:
        return False
    texts = _BETWEEN_ROWS.split(data)
    if len(texts) == len(rows) and not any(text.count(quoted) > 1 for quoted in suspects for text in texts):
        return False

    def refuse(pairs: list[tuple[str, Any]]) -> None:
        if len(pairs) != len({name for name, _ in pairs}):
            raise _TwiceError

    try:
        json.loads(data, object_pairs_hook=refuse)
    except _TwiceError:
        return True
    return False


class _TwiceError(Exception):
    pass


def _is_of_another_tenant(data: bytes, tenant_id: int | None) -> bool:
    """Whether a row says that it belongs to another tenant than the one that we asked for."""
    count = data.count(b'"tenantId"')
    if tenant_id is None or not count:
        return False
    if len(re.findall(rb'"tenantId"\s*:\s*%d\s*[,}]' % tenant_id, data)) == count:
        return False
    rows = json.loads(data)  # the slow way: a null, a text, or a nested field of that name
    owners = (row.get("tenantId") for row in (rows if isinstance(rows, list) else [rows]))
    return not all(owner is None or _is_number(owner, tenant_id) for owner in owners)


def _is_number(value: object, number: int) -> bool:
    return str(value) == str(number) or (isinstance(value, float) and value == number)


def _read_tenant(api: Api, kind: Kind, tenant: str) -> Row | None:
    row = read_one(api, kind, tenant)
    if row is not None and name_of_row(kind, row) != tenant:
        raise ApiSurprise("E-BAD-TENANT", f"asked for tenant {tenant}, the API answered with another one")
    return row


def _read_list_if_there(api: Api, kind: Kind, tenant: str, tenant_row: "Future[Row | None]") -> list[Row] | None:
    """The rows; None for a 404, whose meaning depends on whether the tenant exists.

    The list is requested at once and judged when the tenant is known. Tenants are requested first, so none waits for us.
    """

    def read() -> list[Row] | None:
        try:
            listing = api.list(kind, tenant)
        except ApiRejected as error:
            if error.status == 404:
                return None
            raise
        tenant_row.exception()
        return _rows(api, kind, tenant, listing)[0]

    return answers.in_turn(read)


def _tenant(
    tenant: str, row: Row | None, rows: Mapping[tuple[str, Kind], list[Row] | None], tenant_kind: Kind
) -> LiveTenant:
    if row is None:  # to be created: its lists count as empty, whatever the API answered for them
        return LiveTenant(False, {kind: () for name, kind in rows if name == tenant})
    rows_by_kind: dict[Kind, Sequence[Row]] = {tenant_kind: (row,)}
    for (name, kind), kind_rows in rows.items():
        if name == tenant:
            if kind_rows is None:
                raise ApiUnreachable("E-NO-LIST", f"the API answers 404 for the list of {kind.kind} of tenant {tenant}")
            rows_by_kind[kind] = kind_rows
    return LiveTenant(True, rows_by_kind)


def _result(future: "Future[_T]", errors: list[ApiError]) -> _T | None:
    try:
        return future.result()
    except ApiError as error:
        errors.append(error)
        return None


def _gravest(errors: Sequence[ApiError]) -> ApiError:
    worst = Exit.worst(error.exit_code for error in errors)
    return next(error for error in errors if error.exit_code is worst)


def _bad(subject: str, error: ValidationError, data: bytes) -> ApiSurprise:
    """Why an answer is not what it should be. Nothing of it is quoted: it may be anything."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = "/".join(str(part) for part in first["loc"])
    if data[:200].lstrip()[:1] == b"<":
        summary = f"{subject} is a web page, not JSON: is --api-url right?"
        return ApiSurprise("E-BAD-LIST", summary, says_what_now=True)
    at = f" at {place}" if place else ""
    return ApiSurprise("E-BAD-LIST", f"{subject} is not as it should be{at}: {first['msg'][:200]}")


@functools.cache
def _list_adapter(kind: Kind) -> TypeAdapter[list[Row]]:
    model: Any = row_model(kind)
    return TypeAdapter(Annotated[list[model], FailFast()])  # the first of a million bad rows is enough


@functools.cache
def _row_adapter(kind: Kind) -> TypeAdapter[Row]:
    return TypeAdapter(row_model(kind))
