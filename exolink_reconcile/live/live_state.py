"""API to live state: all of it, or an error. A failed or doubtful read is never an empty list."""

import functools
import json
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from exolink_reconcile.codes import Exit
from exolink_reconcile.errors import ApiError, ApiSurprise, ApiUnreachable
from exolink_reconcile.live.api import Api
from exolink_reconcile.model import LiveState, LiveTenant, remote_id
from exolink_reconcile.resource import Kind, Row, fields, key, row_model

_T = TypeVar("_T")


def read(api: Api, wanted: Mapping[str, Sequence[Kind]], tenant_kind: Kind, *, absent_ok: bool = False) -> LiveState:
    """Every tenant of `wanted` with the rows of the kinds named for it; one list a kind, one get a tenant.

    `absent_ok`: a tenant that does not exist is an answer (the contract can create it), not an error.

    Raises:
        ApiError: if anything of it could not be read: then nothing was.

    """
    tenants = {tenant: api.pool.submit(_read_tenant, api, tenant_kind, tenant) for tenant in wanted}
    lists: dict[tuple[str, Kind], Future[list[Row] | None]] = {
        (tenant, kind): api.pool.submit(_read_list_if_there, api, kind, tenant)
        for tenant, kinds in wanted.items()
        for kind in kinds
        if kind is not tenant_kind
    }
    errors: list[ApiError] = []
    found = {tenant: _result(future, errors) for tenant, future in tenants.items()}
    rows = {place: _result(future, errors) for place, future in lists.items()}
    if errors:
        raise _gravest(errors)
    for tenant, row in found.items():
        if row is None and not absent_ok:
            raise ApiUnreachable(
                "E-NO-TENANT", f"tenant {tenant} does not exist, or was deleted; this contract cannot create it"
            )
    return LiveState({tenant: _tenant(tenant, row, rows, tenant_kind) for tenant, row in found.items()})


def read_list(api: Api, kind: Kind, tenant: str) -> list[Row]:
    """The live rows of one kind, soft-deleted ones left out.

    Raises:
        ApiError: the list could not be read, or is not a whole list of rows with an id and a key.

    """
    return read_rows(api, kind, tenant)[0]


def read_rows(
    api: Api, kind: Kind, tenant: str, whole: Container[int] = ()
) -> tuple[list[Row], Mapping[int, Mapping[str, Any]]]:
    """`read_list`, and the rows with these ids as the API answered them, without what they have inside of them."""
    data = api.list(kind, tenant)
    where = f"the list of {kind.kind} of tenant {tenant}"
    try:
        rows = _list_adapter(kind).validate_json(data, extra="ignore")
    except ValidationError as error:
        raise _bad(where, error, data) from None
    ids = {remote_id(row) for row in rows}
    if len(ids) != len(rows):
        raise ApiSurprise("E-BAD-LIST", f"{where} has one id twice")
    if _says_twice(kind, data, len(rows)):
        raise ApiSurprise("E-BAD-LIST", f"{where} has a row that gives one field twice")
    return [row for row in rows if not row.deletedAt], _whole_rows(data, whole) if whole else {}


def _whole_rows(data: bytes, ids: Container[int]) -> dict[int, Mapping[str, Any]]:
    """Few rows of a list that was found to be one; of the others nothing is kept while it is read."""

    def keep(row: dict[str, Any]) -> dict[str, Any] | None:
        return row if str(row.get("id")).isdecimal() and int(row["id"]) in ids else None

    return {int(row["id"]): row for row in json.loads(data, object_hook=keep) if row is not None}


def read_one(api: Api, kind: Kind, tenant: str, identifier: int | None = None) -> Row | None:
    """One live object, or None where it does not exist or was deleted.

    Raises:
        ApiError: it could not be read, or the answer is no such object.

    """
    found = read_whole(api, kind, tenant, identifier)
    return found[0] if found is not None else None


def read_whole(
    api: Api, kind: Kind, tenant: str, identifier: int | None = None
) -> tuple[Row, Mapping[str, Any]] | None:
    """One live object, and the row as the API answered it, with the fields that no kind knows. Raises as `read_one`."""
    data = api.get(kind, tenant, identifier)
    if data is None:
        return None
    try:
        row = _row_adapter(kind).validate_json(data, extra="ignore")
    except ValidationError as error:
        what = f"{kind.kind} {identifier} of tenant {tenant}" if identifier is not None else f"tenant {tenant}"
        raise _bad(what, error, data) from None
    if _says_twice(kind, data, 1):
        raise ApiSurprise("E-BAD-ANSWER", f"the answer for {kind.kind} of tenant {tenant} gives one field twice")
    return None if row.deletedAt else (row, json.loads(data))


def _says_twice(kind: Kind, data: bytes, rows: int) -> bool:
    """Whether some object of the JSON gives one field twice, which JSON readers pass over in silence.

    Counting is cheap and exact but for nested objects; only a count that is too high is worth the slow look.
    """
    if all(data.count(f'"{name}"'.encode()) <= rows for name in ("id", "deletedAt", *fields(kind))):
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


def _read_tenant(api: Api, kind: Kind, tenant: str) -> Row | None:
    row = read_one(api, kind, tenant)
    if row is not None and getattr(row, key(kind)) != tenant:
        raise ApiSurprise("E-BAD-TENANT", f"asked for tenant {tenant}, the API answered with another one")
    return row


def _read_list_if_there(api: Api, kind: Kind, tenant: str) -> list[Row] | None:
    """The rows, or None for 404: what that means depends on whether the tenant exists."""
    try:
        return read_list(api, kind, tenant)
    except ApiError as error:
        if getattr(error, "status", None) == 404:
            return None
        raise


def _tenant(
    tenant: str, row: Row | None, rows: Mapping[tuple[str, Kind], list[Row] | None], tenant_kind: Kind
) -> LiveTenant:
    if row is None:  # to be created: its lists count as empty, whatever was answered for them
        return LiveTenant(False, {kind: () for name, kind in rows if name == tenant})
    found: dict[Kind, Sequence[Row]] = {tenant_kind: (row,)}
    for (name, kind), each in rows.items():
        if name == tenant:
            if each is None:
                raise ApiUnreachable("E-NO-LIST", f"the API answers 404 for the list of {kind.kind} of tenant {tenant}")
            found[kind] = each
    return LiveTenant(True, found)


def _result(future: "Future[_T]", errors: list[ApiError]) -> _T | None:
    try:
        return future.result()
    except ApiError as error:
        errors.append(error)
        return None


def _gravest(errors: Sequence[ApiError]) -> ApiError:
    worst = Exit.worst(error.exit_code for error in errors)
    return next(error for error in errors if error.exit_code is worst)


def _bad(what: str, error: ValidationError, data: bytes) -> ApiSurprise:
    """Why an answer is no data. Quotes nothing of it: it may be anything."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = "/".join(str(part) for part in first["loc"])
    if data[:200].lstrip()[:1] == b"<":
        return ApiSurprise("E-BAD-LIST", f"{what} is a web page, not JSON: is --api-url right?")
    at = f" at {place}" if place else ""
    return ApiSurprise("E-BAD-LIST", f"{what} is not as it should be{at}: {first['msg'][:200]}")


@functools.cache
def _list_adapter(kind: Kind) -> TypeAdapter[list[Row]]:
    model: Any = row_model(kind)
    return TypeAdapter(list[model])


@functools.cache
def _row_adapter(kind: Kind) -> TypeAdapter[Row]:
    return TypeAdapter(row_model(kind))
