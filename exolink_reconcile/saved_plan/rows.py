"""Steps to the items of the three long lists of plan JSON, as text.

A plan may have 100,000 steps, and each is a kilobyte. So similar steps (one kind, one action, the same fields sent) are
written together: a template for the item, and a column of JSON texts for each of its slots. Then almost everything that runs
for each step runs in C.
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

from exolink_reconcile.inert import inert
from exolink_reconcile.model import Action, FieldChange, Source, Step, alike
from exolink_reconcile.planning import digest
from exolink_reconcile.resource import (
    Address,
    Resource,
    Row,
    fields,
    key,
    masked_fields,
    masked_values,
    secret_fields,
)
from exolink_reconcile.secret_url import SecretUrl

PROVIDER = "registry.exolink.cloud/exolink/exolink"
_ACTIONS = {
    Action.CREATE: '["create"]',
    Action.UPDATE: '["update"]',
    Action.REPLACE: '["delete","create"]',
    Action.DELETE: '["delete"]',
}
_REASONS = {Action.REPLACE: "replace_because_cannot_update", Action.DELETE: "delete_because_each_key"}
# Keys in order, as `canonical` writes them. `{…}` is what similar steps have in common, `%s` what each has of its own.
_CHANGE = '{{"action":"{action}","address":%s,"cause":%s,"digest":"%s","fields":%s,"inferred":%s,"reason":%s,"secrets":%s,"sends":{sends},"source":%s}}'
_PLANNED = (
    '{{"address":%s,"index":%s,"mode":"managed","name":%s,"provider_name":"{provider}","schema_version":0,'
    '"sensitive_values":%s,"type":"exolink_{kind}","values":%s}}'
)
_ROW = (
    '{{{reason}"address":%s,"change":{{"actions":{actions},"after":%s,"after_sensitive":%s,"after_unknown":%s,"before":%s,'
    '"before_sensitive":%s%s}},"index":%s,"mode":"managed","name":%s,"provider_name":"{provider}","type":"exolink_{kind}"}}'
)
_quoted = json.encoder.encode_basestring
_text = json.encoder.encode_basestring_ascii


_Items = tuple[str, str, str]


def items(steps: Sequence[Step], digests: Sequence[str]) -> list[_Items]:
    """Each step as an item of `changes`, `resources` (empty for a delete) and `resource_changes`, in the order of the steps.

    `digests` are the digests of the steps.
    """
    items_by_step: dict[int, _Items] = {}
    for places in alike(steps):
        written = _written([steps[place] for place in places], [digests[place] for place in places])
        items_by_step.update(zip(places, written))
    return [items_by_step[place] for place in range(len(steps))]


def canonical(document: Any) -> str:
    """One line, keys sorted, ASCII only: an escape in a name stays an escape."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def resource_address(address: Address) -> str:
    """Terraform's form: `exolink_cpms.acme["Primary backend"]`."""
    return f"exolink_{address.kind}.{address.tenant}[{inert(_quoted(address.name))}]"


_repeated = functools.lru_cache(maxsize=1000)(canonical)  # most steps have the field names of the step before


def _written(steps: Sequence[Step], digests: Sequence[str]) -> Iterator[_Items]:
    """The items of similar steps."""
    kind, action, sends = steps[0].kind, steps[0].action, steps[0].sends
    live = [step.before for step in steps if step.before is not None]
    declared = [step.declared.resource for step in steps if step.declared]
    before = _columns(live, tuple(sorted({"id", *fields(kind)})))
    after = {**(before if action is Action.UPDATE else {}), **_columns(declared, tuple(sorted(sends)))}
    changed = [_fields(tuple([change.name for change in step.fields])) for step in steps]
    addresses = [_text(resource_address(step.address)) for step in steps]
    indexes = [_text(step.address.name) for step in steps]
    tenants = [_text(step.address.tenant) for step in steps]
    holders = {name: declared if name in sends else live for name in secret_fields(kind) if name in after}
    after_texts, after_sensitive = _objects(after, len(steps)), _sensitive(after, holders, len(steps))
    common = {
        "action": action.word,
        "actions": _ACTIONS[action],
        "kind": kind.kind,
        "provider": PROVIDER,
        "reason": f'"action_reason":"{_REASONS[action]}",' if action in _REASONS else "",
        "sends": canonical(sends),
    }
    changes = zip(
        [_text("/".join(step.address)) for step in steps],
        [f'"{step.cause}"' if step.cause else "null" for step in steps],
        digests,
        map(_repeated, changed),
        ["true" if step.inferred else "false" for step in steps],
        [_text(step.reason) for step in steps],
        [_secrets(digest.secrets(step)) for step in steps],
        [_source(step.source) for step in steps],
    )
    planned = zip(addresses, indexes, tenants, after_sensitive, after_texts)
    rows = zip(
        addresses, after_texts, after_sensitive, _unknown(steps, before, after, changed), _objects(before, len(steps)),
        _sensitive(before, dict.fromkeys(secret_fields(kind), live), len(steps)),
        map(_replace_paths, changed) if action is Action.REPLACE else repeat(""), indexes, tenants,
    )  # fmt: skip
    return zip(
        map(_CHANGE.format_map(common).__mod__, changes),
        map(_PLANNED.format_map(common).__mod__, planned) if declared else repeat(""),
        map(_ROW.format_map(common).__mod__, rows),
    )


@functools.lru_cache(maxsize=1000)
def _fields(names: tuple[str, ...]) -> tuple[str, ...]:
    """The fields that changes with these names are about, each once."""
    return tuple(dict.fromkeys(FieldChange(name, None, None).field for name in names))


def _columns(objects: Sequence[Resource | Row], names: tuple[str, ...]) -> dict[str, list[str]]:
    """The JSON texts of each field of the objects, secrets masked; no fields if there are no objects."""
    return {name: _column(column) for name, column in zip(names, zip(*masked_values(objects, names)))}


_PLAIN: Mapping[type, Callable[[Any], str]] = {str: _text, int: str, type(None): lambda nothing: "null"}


def _column(column: Sequence[Any]) -> list[str]:
    kinds = set(map(type, column))
    if len(kinds) == 1 and (write := _PLAIN.get(kinds.pop())):
        return list(map(write, column))
    return [_PLAIN.get(type(cell), canonical)(cell) for cell in column]


def _objects(columns: Mapping[str, Sequence[str]], count: int) -> list[str]:
    """The JSON objects made of the columns; `null` for each if there are no columns."""
    template = "{" + ",".join(f'"{name}":%s' for name in columns) + "}"
    return list(map(template.__mod__, zip(*columns.values()))) if columns else ["null"] * count


def _unknown(
    steps: Sequence[Step],
    before: Mapping[str, Sequence[str]],
    after: Mapping[str, Sequence[str]],
    changed: Sequence[tuple[str, ...]],
) -> Iterable[str]:
    """The mask of what `after` cannot show: what the server gives a new object, and a value that differs in a secret only."""
    kind = steps[0].kind
    if steps[0].creates:
        return repeat(_mask(["id", *(name for name in fields(kind) if name not in after)]))
    if not secret_fields(kind):
        return repeat("{}")
    return [
        _mask([name for name in names if before[name][place] == after[name][place]])
        for place, names in enumerate(changed)
    ]


def _sensitive(
    columns: Mapping[str, Sequence[str]], holders: Mapping[str, Sequence[Resource | Row]], count: int
) -> Sequence[str]:
    """The mask of each object made of columns: which of these fields, each with its holders, have a secret."""
    if not columns:
        return ["false"] * count
    urls = {name: [getattr(holder, name) for holder in objects] for name, objects in holders.items()}
    if not urls:
        return ["{}"] * count
    return [
        _mask([name for name, column in urls.items() if isinstance(url := column[place], SecretUrl) and url.has_secret])
        for place in range(count)
    ]


def _mask(names: Iterable[str]) -> str:
    return canonical(dict.fromkeys(names, True))


def _replace_paths(names: Iterable[str]) -> str:
    return f',"replace_paths":{canonical([[name] for name in names])}'


def has_drift(step: Step) -> bool:
    """Whether somebody else changed the object of a step, alone or beside this change."""
    return (step.cause == "drift" and not step.deletes) or bool(step.was)


def drift(step: Step) -> dict[str, Any]:
    """Somebody else's change to an object, in Terraform's form: from what was declared before to what is live."""
    names = tuple(fields(step.kind))
    live = {"id": step.before.id, **masked_fields(step.before, names)} if step.before is not None else None
    if step.cause == "both":
        declared = {key(step.kind): step.address.name, **dict(step.was)}
    else:
        declared = masked_fields(step.declared.resource, step.sends) if step.declared else {}
    changed = {change.field for change in step.fields}
    before = {**live, **{name: declared[name] for name in changed if name in declared}} if live else declared
    secret = {
        change.field: True
        for change in step.fields
        if any(isinstance(value, SecretUrl) and value.has_secret for value in (change.before, change.after))
    }
    return {
        "address": resource_address(step.address),
        "mode": "managed",
        "type": f"exolink_{step.kind.kind}",
        "name": step.address.tenant,
        "index": step.address.name,
        "provider_name": PROVIDER,
        "change": {
            "actions": ["update"] if live else ["delete"],
            "before": before,
            "after": live,
            "after_unknown": {},
            "before_sensitive": secret,
            "after_sensitive": secret if live else False,
        },
    }


def _secrets(secrets: digest.Secrets) -> str:
    return canonical(dict(secrets)) if secrets else "{}"


def _source(place: Source | None) -> str:
    return f'{{"column":{place.column},"file":{_text(place.path)},"line":{place.line}}}' if place else "null"
