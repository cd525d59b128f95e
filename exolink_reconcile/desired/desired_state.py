"""Documents to desired state, or every problem at once.

A tenant is joined from all its documents before any entry is read, because an entry may use the `profiles` of another
document. Pydantic validates lists in bulk; only a list with a bad entry is looked at entry by entry.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from exolink_reconcile import globs
from exolink_reconcile.desired import checks, entry_problems, policies, shapes, table_lists
from exolink_reconcile.desired.checks import POLICY_LISTS, TenantDraft
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.desired.entry_problems import MEANT
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.problems import (
    Problems,
    Spot,
    at_key,
    at_value,
    hostile,
    in_order,
)
from exolink_reconcile.errors import InputError
from exolink_reconcile.inert import hostile_character
from exolink_reconcile.model import Declared, DesiredState, DesiredTenant, Diagnostic, Policy, Removed, Source
from exolink_reconcile.references import Diagnosed, Expanded, Unresolved, as_written
from exolink_reconcile.resource import (
    TEXT,
    WHOLE_NUMBER,
    Address,
    Kind,
    Resource,
    compared,
    entry_keys,
    entry_model,
    fields,
    key,
)
from exolink_reconcile.secret_url import SecretUrl, quoted, rounds_for

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_BATCH = 5000  # entries, so that pydantic's input and output are never in memory for all of 100,000 at once


def build(
    documents: Sequence[Document],
    kinds: Sequence[Kind],
    *,
    config_digest: str = "",
    problems: Iterable[Diagnostic] = (),
    unread: tuple[Source, ...] = (),
    covers: Callable[[Address], bool] | None = None,
    thorough: bool = False,
) -> DesiredState:
    """What the documents declare. `problems` were found while reading them, `unread` could not be read.

    `covers` says which addresses this run is about: the variables of all others need not be set. None means all addresses.

    `thorough` also warns about entries that lack a field which the API needs to create one.

    Raises:
        InputError: with every diagnostic of every file, in the order of files and lines.

    """
    builder = _Builder(kinds, covers, thorough)
    tenants = builder.tenants(documents)
    rounds = rounds_for(len({url.reveal() for url in builder.literals}))
    for url in builder.literals:
        url.rounds = rounds
    diagnostics = in_order([*problems, *builder.problems.diagnostics()], builder.problems.more)
    if any(diagnostic.severity == "error" for diagnostic in diagnostics):
        raise InputError(diagnostics)
    return DesiredState(tenants, config_digest, tuple(diagnostics), unread)


def is_tenant_name(text: str) -> bool:
    """Whether this can be a tenant's domain prefix, and so a segment of a path."""
    return _TENANT.fullmatch(text) is not None


class _Builder:
    """Builds tenants and collects the problems on the way."""

    def __init__(self, kinds: Sequence[Kind], covers: Callable[[Address], bool] | None, thorough: bool) -> None:
        self.kinds = kinds
        self.covers = covers
        self.thorough = thorough
        self.literals: list[SecretUrl] = []  # those with a secret that is written out
        self.problems = Problems()
        self.managed: dict[frozenset[str], set[str]] = {}
        self.document_kind = next(kind for kind in kinds if kind.is_tenant())
        self.listed = {str(kind.entries): kind for kind in kinds if not kind.is_tenant()}
        self.by_name = {kind.kind: kind for kind in self.listed.values()}
        self.tables = [facts.named_by.table for kind in kinds for facts in fields(kind).values() if facts.named_by]
        self.document_fields = compared(self.document_kind)
        self.top_level = [
            "tenant", *self.document_fields, "policy", *self.tables, "defaults", *self.listed,
            *map(table_lists.key_of, self.listed.values()), "removed", "$schema",
        ]  # fmt: skip

    # ------------------------------------------------------------------------------------------------------- documents

    def tenants(self, documents: Sequence[Document]) -> tuple[DesiredTenant, ...]:
        """Every tenant, sorted by name."""
        drafts: dict[str, TenantDraft] = {}
        for document in documents:
            name = self._tenant_name(document.body)
            drafts.setdefault(name, TenantDraft(name)).documents.append(document)
        self._check_tenant_names(drafts.values())
        for tenant in drafts.values():
            for document in tenant.documents:
                self._top_level(document.body, tenant)
            for document in tenant.documents:
                self._lists(document, tenant)
            checks.check(tenant, list(self.listed.values()), self.problems)
        return tuple(self._finish(drafts[name]) for name in sorted(drafts))

    def _tenant_name(self, body: Node) -> str:
        """The tenant's name, or a placeholder, so that the rest of the document is still checked."""
        for name in body:
            if name not in self.top_level:
                self.problems.unknown(body, name, f"unknown key `{name}`", self.top_level)
        tenant = body.get("tenant")
        stand_in = Diagnosed(f"(tenant of {body.source})")
        if tenant is None:
            hint = "Write `tenant: PREFIX`, the tenant's domain prefix."
            self.problems.missing(body, "tenant", "a document needs `tenant`", hint)
        elif not isinstance(tenant, str):
            self.problems.error("E-TYPE", at_value(body, "tenant"), "`tenant` must be text")
        elif isinstance(tenant, Unresolved):
            self.problems.needs(tenant, at_value(body, "tenant"))
            return stand_in if isinstance(tenant, Diagnosed) else tenant
        elif not _TENANT.fullmatch(tenant):
            self.problems.error(
                "E-NAME",
                at_value(body, "tenant"),
                f"`tenant` must be a domain prefix, not {quoted(tenant)}",
                "It has letters, digits, `-`, `_` and `.`, and starts with a letter or digit.",
            )
        else:
            return tenant
        return stand_in

    def _check_tenant_names(self, tenants: Iterable[TenantDraft]) -> None:
        by_fold: dict[str, TenantDraft] = {}
        for tenant in tenants:
            if isinstance(tenant.name, Unresolved):
                continue
            other = by_fold.setdefault(tenant.name.casefold(), tenant)
            if other is not tenant:
                place = other.documents[0].body.source
                summary = f"tenant `{tenant.shown}` differs from `{other.shown}` ({place}) in case only"
                self.problems.error("E-SAME-NAME", at_value(tenant.documents[0].body, "tenant"), summary)

    def _is_covered(self, tenant: TenantDraft, kind: Kind, name: Any) -> bool:
        """Whether this run is about an object; true where its name is not known yet."""
        if self.covers is None or not isinstance(name, str) or isinstance(name, Unresolved):
            return True
        return self.covers(Address(tenant.name, kind.kind, name))

    def _top_level(self, body: Node, tenant: TenantDraft) -> None:
        self._document_fields(body, tenant)
        policies.read(body, tenant, self.kinds, self.problems)
        for table in self.tables:
            self._table(body, tenant, table)

    def _document_fields(self, body: Node, tenant: TenantDraft) -> None:
        """The fields of the tenant itself, which stand at the top of its document."""
        kind = self.document_kind
        values = {name: body[name] for name in self.document_fields if name in body}
        managed = {name: value for name, value in values.items() if not isinstance(value, Unresolved)}
        for name, value in values.items():
            other = tenant.spots.setdefault(("", name), at_key(body, name))
            if other.node is not body:
                summary = f"`{name}` of tenant {tenant.shown} is given twice"
                self.problems.error("E-DUPLICATE-ADDRESS", at_key(body, name), summary, also=other)
            if self._is_covered(tenant, kind, tenant.name):
                self.problems.needs(value, at_value(body, name))
        try:
            resource = entry_model(kind).model_validate({key(kind): tenant.name, **managed})
        except ValidationError as error:
            for details in error.errors(include_url=False):
                if details["loc"][0] != key(kind):  # an unresolved prefix need not be a name yet
                    entry_problems.wrong_value(self.problems, body, kind, details, details["loc"])
            return
        if not tenant.declared[kind]:
            tenant.declared[kind].append(Declared(resource, body.source))
        elif values:
            before = tenant.declared[kind][0].resource.model_dump(exclude_unset=True)
            merged = entry_model(kind).model_validate({**before, **managed})
            tenant.declared[kind][0] = Declared(merged, body.source)

    def _table(self, body: Node, tenant: TenantDraft, table: str) -> None:
        """Take in a table of names for numbers, like `profiles`."""
        rows = shapes.mapping(self.problems, body, table, None)
        numbers = tenant.tables.setdefault(table, {})
        if rows is None:
            return
        shapes.needs_all(self.problems, rows)
        for name, number in rows.items():
            if "${" in name:
                continue  # diagnosed where it was read
            if (bad := hostile_character(name)) or not name.strip():
                self.problems.error("E-NAME", at_key(rows, name), hostile("a name", bad))
            elif isinstance(number, Unresolved):
                numbers.setdefault(name, 0)
            elif not isinstance(number, str) or not re.fullmatch(WHOLE_NUMBER, number):
                self.problems.error("E-TYPE", at_value(rows, name), f"`{name}` must be {MEANT['integer']}")
                numbers.setdefault(name, 0)
            elif other := tenant.spots.get((table, name)):
                summary = f"`{name}` is given twice in {table} of tenant {tenant.shown}"
                self.problems.error("E-DUPLICATE-KEY", at_key(rows, name), summary, also=other)
            else:
                numbers[name] = int(number)
                tenant.spots[table, name] = at_key(rows, name)

    # ----------------------------------------------------------------------------------------------------------- lists

    def _lists(self, document: Document, tenant: TenantDraft) -> None:
        body = document.body
        all_defaults = shapes.mapping(self.problems, body, "defaults", list(self.listed))
        for entries, kind in self.listed.items():
            nodes = shapes.entries(self.problems, body, entries, f"- {key(kind)}: NAME")
            tables = shapes.entries(self.problems, body, table_lists.key_of(kind), "- file: PATH.csv")
            defaults = self._defaults(tenant, kind, all_defaults, [*nodes, *tables])
            for start in range(0, len(nodes), _BATCH):
                self._entries(document, tenant, kind, nodes[start : start + _BATCH], defaults)
            batches = table_lists.batches(document, tables, kind, self.problems, tenant.tables_named, _BATCH)
            for table, batch in batches:
                self._entries(table, tenant, kind, batch, defaults)
        for node in shapes.entries(self.problems, body, "removed", f"- {next(iter(self.by_name))}: NAME"):
            self._removed_entry(tenant, node)

    def _defaults(
        self, tenant: TenantDraft, kind: Kind, all_defaults: Node | None, nodes: Sequence[Node]
    ) -> dict[str, Any]:
        """The valid defaults of a kind, as an entry would write them, with names already turned into numbers."""
        entries = str(kind.entries)
        node = shapes.mapping(self.problems, all_defaults, entries, None) if all_defaults is not None else None
        if node is None or all_defaults is None:
            return {}
        if any(self._is_covered(tenant, kind, entry.get(key(kind))) for entry in nodes):
            shapes.needs_all(self.problems, node)
        allowed = [name for name in entry_keys(kind) if name not in (key(kind), "id")]
        usable = dict(node)
        for name in node:
            if name in (key(kind), "id"):
                summary = f"`{name}` cannot be a default: it names one object"
                self.problems.error("E-DEFAULT", at_key(node, name), summary)
                del usable[name]
            elif name not in allowed:
                entry_problems.unknown(self.problems, node, kind, name, allowed)
                del usable[name]
        values = self._resolve(tenant, kind, node, usable)
        try:
            entry_model(kind).model_validate({key(kind): "x", **values})
        except ValidationError as error:
            for details in error.errors(include_url=False):
                entry_problems.wrong_value(self.problems, node, kind, details, details["loc"])
                values.pop(str(details["loc"][0]), None)
        if values and not nodes:
            summary = f"the defaults of `{entries}` have no effect: this document has no `{entries}`"
            self.problems.warn(
                "W-UNUSED", at_key(all_defaults, entries), summary, "Defaults are for their own document."
            )
        return values

    def _resolve(self, tenant: TenantDraft, kind: Kind, node: Node, values: dict[str, Any]) -> dict[str, Any]:
        """`values` with names turned into numbers, and without what is not known yet."""
        resolved = {name: _known(value) for name, value in values.items() if not isinstance(value, Unresolved)}
        for facts in _named(kind):
            mark = facts.named_by
            assert mark is not None
            if mark.alias not in values:
                continue
            if facts.name in values:
                summary = f"`{mark.alias}` and `{facts.name}` say the same thing"
                self.problems.error("E-CONFLICT", at_key(node, mark.alias), summary, "Keep one of them.")
            name = resolved.pop(mark.alias, None)
            table = tenant.tables.get(mark.table, {})
            if name is None:
                continue
            spot = at_value(node, mark.alias)
            if not isinstance(name, str):
                self.problems.error("E-TYPE", spot, f"`{mark.alias}` must be {MEANT['string']}")
            elif name in table:
                resolved[facts.name] = table[name]
            else:
                hint = f"Name it in `{mark.table}`."
                if table:
                    hint = self.problems.nearest("" if isinstance(name, Expanded) else name, table)
                summary = f"no {quoted(name)} in {mark.table} of tenant {tenant.shown}"
                self.problems.error("E-PROFILE", spot, summary, hint)
        return resolved

    def _entries(
        self, document: Document, tenant: TenantDraft, kind: Kind, nodes: list[Node], defaults: dict[str, Any]
    ) -> None:
        values = self._entry_values(document, tenant, kind, nodes, defaults)
        resources = self._validate(kind, nodes, values)
        declared = tenant.declared[kind]
        path = document.path
        declared.extend(
            Declared(resource, Source(path, node.line, node.column))
            for node, resource in zip(nodes, resources, strict=True)
            if resource is not None
        )
        name, texts = key(kind), [facts.name for facts in fields(kind).values() if facts.pattern and not facts.secret]
        for node in nodes:
            if node.get(name).__class__ is Expanded or node.get("id").__class__ is Expanded:
                _note_written(tenant, node.get(name), node.get("id"))
        for field in texts:
            self._check_marks(field, nodes)
        for field in kind.expected if self.thorough else ():
            for node in nodes:
                if field not in node and field not in defaults and "id" not in node:
                    summary = f"a {kind.kind} without `{field}`: the API needs it to create one"
                    self.problems.warn("W-INCOMPLETE", Spot(node), summary, "Write it in the entry.")

    def _check_marks(self, field: str, nodes: Iterable[Node]) -> None:
        """Refuse text that stacks more accents than any language does; pydantic finds the other bad characters."""
        for node in nodes:
            text = node.get(field, "")
            if isinstance(text, str) and not text.isascii():
                bad = hostile_character(text)
                if bad is not None and unicodedata.category(bad)[0] == "M" and re.fullmatch(TEXT, text):
                    self.problems.error("E-NAME", at_value(node, field), hostile(f"`{field}`", bad))

    def _entry_values(
        self, document: Document, tenant: TenantDraft, kind: Kind, nodes: list[Node], defaults: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """The values that pydantic gets for each entry. An entry with nothing to resolve and no defaults goes as it is."""
        named = {facts.named_by.alias: facts.name for facts in _named(kind) if facts.named_by}
        if not document.unresolved and not any(alias in node for alias in named for node in nodes):
            return [{**defaults, **node} for node in nodes] if defaults else list[dict[str, Any]](nodes)
        values = []
        for node in nodes:
            if not document.unresolved and not any(alias in node for alias in named):
                values.append({**defaults, **node})
                continue
            own = self._resolve(tenant, kind, node, node)
            if document.unresolved:
                self._unresolved_entry(tenant, kind, node, own)
            values.append({**defaults, **own})
        return values

    def _unresolved_entry(self, tenant: TenantDraft, kind: Kind, node: Node, own: dict[str, Any]) -> None:
        """Report what an entry with unknown values needs, and give it a name that stands for itself."""
        if self._is_covered(tenant, kind, node.get(key(kind))):
            shapes.needs_all(self.problems, node)
        for name, value in node.items():
            if isinstance(value, Unresolved) and name not in entry_keys(kind):
                entry_problems.unknown(self.problems, node, kind, name, entry_keys(kind))
        if isinstance(node.get(key(kind)), Unresolved):
            own[key(kind)] = f"(name at {node.source})"
        if isinstance(node.get("id"), Unresolved):
            tenant.unsure.add(node.source)

    def _validate(self, kind: Kind, nodes: list[Node], values: list[dict[str, Any]]) -> list[Resource | None]:
        """A resource for each entry. A bad entry is reported and reduced to its name; None if it has no name."""
        adapter = _list_adapter(kind)
        try:
            resources: list[Resource | None] = list(adapter.validate_python(values))
        except ValidationError as error:
            bad = set()
            for details in error.errors(include_url=False):
                index = int(details["loc"][0])
                bad.add(index)
                entry_problems.wrong_value(self.problems, nodes[index], kind, details, details["loc"][1:])
            good = iter(adapter.validate_python([entry for index, entry in enumerate(values) if index not in bad]))
            resources = [_only_name(kind, entry) if i in bad else next(good) for i, entry in enumerate(values)]
        self._warn_literal_secrets(kind, nodes, resources)
        self._share_names(resources)
        return resources

    def _share_names(self, resources: Iterable[Resource | None]) -> None:
        """Let entries with the same managed names share one set: a set each would be a fifth of their memory."""
        for resource in resources:
            if resource is not None:
                names = resource.__pydantic_fields_set__
                shared = self.managed.setdefault(frozenset(names), names)
                object.__setattr__(resource, "__pydantic_fields_set__", shared)

    def _warn_literal_secrets(self, kind: Kind, nodes: list[Node], resources: list[Resource | None]) -> None:
        for name in (facts.name for facts in fields(kind).values() if facts.secret):
            for node, resource in zip(nodes, resources, strict=True):
                url = getattr(resource, name, None)
                if not isinstance(url, SecretUrl) or not url.literal_secrets:
                    continue
                self.literals.append(url)
                if name in node:
                    secret = "a password" if "password" in url.literal_secrets else "what may be a secret"
                    summary = f"{secret} is written out in `{name}`"
                    self.problems.warn("W-SECRET", at_value(node, name), summary, "Write ${env:NAME} in its place.")

    # --------------------------------------------------------------------------------------------------------- removed

    def _removed_entry(self, tenant: TenantDraft, node: Node) -> None:
        known_keys = [*self.by_name, "id", "reason"]
        if self.document_kind.kind in node:
            summary = "a tenant cannot be removed: this tool never deletes one"
            self.problems.error("E-TENANT", at_key(node, self.document_kind.kind), summary)
            return
        for name in node:
            if name not in known_keys:
                self.problems.unknown(node, name, f"unknown key `{name}` in `removed`", known_keys)
        words = [word for word in self.by_name if word in node]
        if len(words) != 1:
            problem = f"names {' and '.join(words)}" if words else "names no kind"
            detail = f"Give one of {', '.join(self.by_name)}, with the name."
            self.problems.error("E-REQUIRED", Spot(node), f"an entry of `removed` {problem}", detail)
            return
        if self._is_covered(tenant, self.by_name[words[0]], node[words[0]]):
            shapes.needs_all(self.problems, node)
        for name, value in node.items():
            if name in known_keys and not isinstance(value, str):
                meant = MEANT["integer" if name == "id" else "string"]
                self.problems.error("E-TYPE", at_value(node, name), f"`{name}` must be {meant}")
                return
        self._removed_object(tenant, words[0], node)

    def _removed_object(self, tenant: TenantDraft, word: str, node: Node) -> None:
        name, pin = node[word], node.get("id")
        if pin is not None and not isinstance(pin, Unresolved) and not re.fullmatch(WHOLE_NUMBER, pin):
            summary = f"`id` must be {MEANT['integer']}, not {quoted(pin)}"
            self.problems.error("E-TYPE", at_value(node, "id"), summary)
            return
        if isinstance(name, Unresolved) or isinstance(pin, Unresolved):
            return
        if (bad := hostile_character(name)) or not name.strip():
            self.problems.error("E-NAME", at_value(node, word), hostile(f"`{word}`", bad))
            return
        _note_written(tenant, name, pin)
        number = int(pin) if pin is not None else None
        # Only people read the reason: a value from the environment is of no use to them, and may be a secret.
        removed = Removed(str(name), number, as_written(node.get("reason", "")), node.source)
        tenant.removed[self.by_name[word]].append(removed)

    def _finish(self, tenant: TenantDraft) -> DesiredTenant:
        # Sorted: the pattern that is named as the reason must not depend on the order of the files.
        policy = Policy(**{POLICY_LISTS[name]: tuple(sorted(patterns)) for name, patterns in tenant.policy.items()})
        claimed = frozenset(
            kind
            for kind in self.listed.values()
            if any(globs.may_match_below(p.glob, f"{kind.kind}/") for p in policy.exclusive)
        )
        used = frozenset(kind for kind in self.kinds if tenant.declared.get(kind) or tenant.removed.get(kind))
        return DesiredTenant(
            name=str(tenant.name),
            source=tenant.documents[0].body.source,
            declared={kind: tuple(tenant.declared.get(kind, ())) for kind in self.kinds},
            removed={kind: tuple(tenant.removed.get(kind, ())) for kind in self.kinds},
            policy=policy,
            tables=tenant.tables,
            mentioned=used | claimed,
        )


@cache
def _list_adapter(kind: Kind) -> TypeAdapter[list[Resource]]:
    model: Any = entry_model(kind)
    return TypeAdapter(list[model])


@cache
def _named(kind: Kind) -> list[Any]:
    return [facts for facts in fields(kind).values() if facts.named_by]


def _only_name(kind: Kind, values: Mapping[str, Any]) -> Resource | None:
    name = values.get(key(kind))
    if not isinstance(name, str):
        return None
    only: dict[str, Any] = {key(kind): name}
    pin = values.get("id")
    if isinstance(pin, str) and re.fullmatch(WHOLE_NUMBER, pin):
        only["id"] = int(pin)
    return entry_model(kind).model_construct(**only)


def _note_written(tenant: TenantDraft, name: Any, pin: Any) -> None:
    """Remember how the file writes a name or id that came from the environment."""
    if isinstance(name, Expanded):
        tenant.names[str(name)] = name.written
    if isinstance(pin, Expanded) and re.fullmatch(WHOLE_NUMBER, pin):
        tenant.ids[int(pin)] = pin.written


def _known(value: Any) -> Any:
    """A list without the items that are not known yet; anything else as it is."""
    return [element for element in value if not isinstance(element, Unresolved)] if isinstance(value, list) else value
