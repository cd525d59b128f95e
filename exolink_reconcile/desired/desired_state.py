"""Documents to desired state, or every problem at once.

A tenant is joined from all its documents before an entry is looked at, because `profiles` of one document name numbers
in another. Lists are validated in bulk by pydantic; only when a list has a bad entry are its entries told apart.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from exolink_reconcile import globs
from exolink_reconcile.desired import checks
from exolink_reconcile.desired.checks import POLICY_LISTS, TenantDraft
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.desired.nodes import Expanded, Node, Unresolved
from exolink_reconcile.desired.problems import Problems, hostile, in_order, nearest, quoted
from exolink_reconcile.errors import InputError
from exolink_reconcile.inert import hostile_character
from exolink_reconcile.model import Declared, DesiredState, DesiredTenant, Diagnostic, Pattern, Policy, Removed, Source
from exolink_reconcile.resource import (
    WHOLE_NUMBER,
    Kind,
    Resource,
    compared,
    entry_model,
    fields,
    key,
)
from exolink_reconcile.secret_url import SecretUrl

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_BATCH = 5000  # entries: what pydantic is given and what it makes are not in memory for all of 100,000 at once
_MEANT = {"string": "text", "integer": "a whole number, like 30", "boolean": "true or false"}


def build(
    documents: Sequence[Document],
    kinds: Sequence[Kind],
    *,
    config_digest: str = "",
    problems: Iterable[Diagnostic] = (),
) -> DesiredState:
    """What the documents declare. `problems` are what reading them already found.

    Raises:
        InputError: with every diagnostic of every file, in the order of files and lines.

    """
    builder = _Builder(kinds)
    tenants = builder.tenants(documents)
    found = [*problems, *builder.problems.located()]
    if any(diagnostic.severity == "error" for diagnostic in found):
        raise InputError(in_order(found))
    return DesiredState(tenants, config_digest, tuple(in_order(found)))


def is_tenant_name(text: str) -> bool:
    """Whether this can be a tenant's domain prefix, and so a segment of a path."""
    return _TENANT.fullmatch(text) is not None


class _Builder:
    """Builds tenants and collects what is wrong on the way."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.kinds = kinds
        self.problems = Problems()
        self.report = self.problems.report
        self.document_kind = next(kind for kind in kinds if kind.entries is None)
        self.listed = [kind for kind in kinds if kind.entries is not None]
        self.tables = [facts.named_by.table for kind in kinds for facts in fields(kind).values() if facts.named_by]
        self.document_fields = compared(self.document_kind)
        self.top_level = [
            "tenant",
            *self.document_fields,
            "policy",
            *self.tables,
            "defaults",
            *(str(kind.entries) for kind in self.listed),
            "removed",
            "$schema",
        ]

    # ------------------------------------------------------------------------------------------------------- documents

    def tenants(self, documents: Sequence[Document]) -> tuple[DesiredTenant, ...]:
        """Every tenant, sorted by name."""
        drafts: dict[str, TenantDraft] = {}
        for document in documents:
            name = self._tenant_name(document)
            drafts.setdefault(name, TenantDraft(name)).documents.append(document)
        self._check_tenant_names(drafts.values())
        for tenant in drafts.values():
            for document in tenant.documents:
                self._top_level(document, tenant)
            for document in tenant.documents:
                self._lists(document, tenant)
            checks.check(tenant, self.listed, self.problems)
        return tuple(self._finish(drafts[name]) for name in sorted(drafts))

    def _tenant_name(self, document: Document) -> str:
        """Whose document it is; a stand-in where that cannot be told, so that the rest of it is checked all the same."""
        body = document.body
        stand_in = Unresolved(f"(tenant of {document.source(body)})")
        for name in body:
            if name not in self.top_level:
                self.report(
                    document, body, name, "key", "E-UNKNOWN-KEY", f"unknown key `{name}`", nearest(name, self.top_level)
                )
        tenant = body.get("tenant")
        if tenant is None:
            self.report(
                document,
                body,
                None,
                "key",
                "E-REQUIRED",
                "a document needs `tenant`",
                "Write `tenant: PREFIX`, the tenant's domain prefix.",
            )
        elif not isinstance(tenant, str):
            self.report(document, body, "tenant", "value", "E-TYPE", "`tenant` must be text")
        elif isinstance(tenant, Unresolved):
            return tenant or stand_in
        elif not _TENANT.fullmatch(tenant):
            self.report(
                document,
                body,
                "tenant",
                "value",
                "E-NAME",
                f"`tenant` must be a domain prefix, not {quoted(tenant)}",
                "It has letters, digits, `-`, `_` and `.`, and starts with a letter or digit.",
            )
        else:
            return tenant
        return stand_in

    def _check_tenant_names(self, tenants: Iterable[TenantDraft]) -> None:
        seen: dict[str, TenantDraft] = {}
        for tenant in tenants:
            if isinstance(tenant.name, Unresolved):
                continue
            other = seen.setdefault(tenant.name.casefold(), tenant)
            if other is not tenant:
                place = other.documents[0].source(other.documents[0].body)
                document = tenant.documents[0]
                self.report(
                    document,
                    document.body,
                    "tenant",
                    "value",
                    "E-SAME-NAME",
                    f"tenant `{tenant.name}` differs from `{other.name}` ({place}) in case only",
                )

    def _top_level(self, document: Document, tenant: TenantDraft) -> None:
        self._document_fields(document, tenant)
        self._policy(document, tenant)
        for table in self.tables:
            self._table(document, tenant, table)

    def _document_fields(self, document: Document, tenant: TenantDraft) -> None:
        """The fields of the tenant itself, which stand at the top of its document."""
        body = document.body
        kind = self.document_kind
        values = {name: body[name] for name in self.document_fields if name in body}
        managed = {name: value for name, value in values.items() if not isinstance(value, Unresolved)}
        for name in values:
            other = tenant.written.setdefault(("", name), (document, body, name))
            if other[1] is not body:
                self.report(
                    document,
                    body,
                    name,
                    "key",
                    "E-DUPLICATE-ADDRESS",
                    f"`{name}` of tenant {tenant.name} is given twice",
                    also=other,
                )
        try:
            resource = entry_model(kind).model_validate({key(kind): tenant.name, **managed})
        except ValidationError as error:
            for details in error.errors(include_url=False):
                if details["loc"][0] != key(kind):  # an unresolved prefix need not be a name yet
                    self._report_value(document, body, kind, details, details["loc"])
            return
        if not tenant.declared[kind]:
            tenant.declared[kind].append(Declared(resource, document.source(body)))
        elif values:
            before = tenant.declared[kind][0].resource.model_dump(exclude_unset=True)
            merged = entry_model(kind).model_validate({**before, **managed})
            tenant.declared[kind][0] = Declared(merged, document.source(body))

    def _policy(self, document: Document, tenant: TenantDraft) -> None:
        policy = self._mapping(document, document.body, "policy", list(POLICY_LISTS))
        for name, patterns in (policy or {}).items():
            if name not in POLICY_LISTS or _is_diagnosed(patterns):
                continue
            if not isinstance(patterns, list):
                self.report(document, policy, name, "value", "E-TYPE", f"`{name}` must be a list of KIND/NAME globs")  # type: ignore[arg-type]
                continue
            for index, pattern in enumerate(patterns):
                self._pattern(document, tenant, policy, name, index, pattern)  # type: ignore[arg-type]

    def _pattern(
        self, document: Document, tenant: TenantDraft, policy: Node, name: str, index: int, pattern: Any
    ) -> None:
        if isinstance(pattern, Unresolved):
            return
        words = [kind.kind for kind in self.kinds]
        if not isinstance(pattern, str):
            self.report(document, policy, name, index, "E-TYPE", "a glob must be text: KIND/NAME")
            return
        if bad := hostile_character(pattern):
            self.report(document, policy, name, index, "E-GLOB", hostile("the glob", bad), "It would match nothing.")
            return
        exact = name == "allowReplace"
        if pattern in words and not exact:
            pattern = f"{pattern}/*"
        word = pattern.partition("/")[0]
        known = (
            word in words and "/" in pattern if exact else any(globs.may_match_below(pattern, f"{w}/") for w in words)
        )
        if not known:
            what = "names no kind" if exact else "can match no kind"
            self.report(
                document,
                policy,
                name,
                index,
                "E-GLOB",
                f"`{pattern}` {what}",
                f"It is KIND/NAME. {nearest(word, words)}",
            )
            return
        tenant.policy[name].append(Pattern(pattern, document.source(policy)))

    def _table(self, document: Document, tenant: TenantDraft, table: str) -> None:
        """`profiles` and its like: names for numbers."""
        rows = self._mapping(document, document.body, table, None)
        known = tenant.tables.setdefault(table, {})
        for name, number in (rows or {}).items():
            assert rows is not None
            if "${" in name:
                continue  # diagnosed where it was read
            if (bad := hostile_character(name)) or not name.strip():
                self.report(document, rows, name, "key", "E-NAME", hostile("a name", bad))
            elif isinstance(number, Unresolved):
                known.setdefault(name, 0)
            elif not isinstance(number, str) or not re.fullmatch(WHOLE_NUMBER, number):
                self.report(document, rows, name, "value", "E-TYPE", f"`{name}` must be {_MEANT['integer']}")
                known.setdefault(name, 0)
            elif other := tenant.written.get((table, name)):
                self.report(
                    document,
                    rows,
                    name,
                    "key",
                    "E-DUPLICATE-KEY",
                    f"`{name}` is given twice in {table} of tenant {tenant.name}",
                    also=other,
                )
            else:
                known[name] = int(number)
                tenant.written[table, name] = (document, rows, name)

    def _mapping(self, document: Document, node: Node, name: str, known: list[str] | None) -> Node | None:
        """The mapping under a key; says so when it is none or has unknown keys."""
        value = node.get(name)
        if value is None or _is_diagnosed(value):
            return None
        if not isinstance(value, Node):
            self.report(document, node, name, "value", "E-TYPE", f"`{name}` must be a mapping")
            return None
        for inner in value:
            if known is not None and inner not in known:
                self.report(
                    document,
                    value,
                    inner,
                    "key",
                    "E-UNKNOWN-KEY",
                    f"unknown key `{inner}` in `{name}`",
                    nearest(inner, known),
                )
        return value

    # ----------------------------------------------------------------------------------------------------------- lists

    def _lists(self, document: Document, tenant: TenantDraft) -> None:
        all_defaults = self._mapping(document, document.body, "defaults", [str(kind.entries) for kind in self.listed])
        for kind in self.listed:
            assert kind.entries is not None
            defaults = self._defaults(document, tenant, kind, all_defaults)
            if kind.entries in document.body:
                self._entries(document, tenant, kind, defaults)
        self._removed(document, tenant)

    def _defaults(
        self, document: Document, tenant: TenantDraft, kind: Kind, all_defaults: Node | None
    ) -> dict[str, Any]:
        """The valid defaults of a kind, as entries would write them, with names already turned into numbers."""
        assert kind.entries is not None
        if all_defaults is None or kind.entries not in all_defaults:
            return {}
        allowed = [name for name in _entry_keys(kind) if name not in (key(kind), "id")]
        node = self._mapping(document, all_defaults, kind.entries, None)
        if node is None:
            return {}
        usable = dict(node)
        for name in node:
            if name in (key(kind), "id"):
                self.report(
                    document, node, name, "key", "E-DEFAULT", f"`{name}` cannot be a default: it names one object"
                )
                del usable[name]
            elif name not in allowed:
                self._report_unknown(document, node, kind, name, allowed)
                del usable[name]
        values = self._resolve(document, tenant, kind, node, usable)
        try:
            entry_model(kind).model_validate({key(kind): "x", **values})
        except ValidationError as error:
            for details in error.errors(include_url=False):
                self._report_value(document, node, kind, details, details["loc"])
                values.pop(str(details["loc"][0]), None)
        return values

    def _resolve(
        self, document: Document, tenant: TenantDraft, kind: Kind, node: Node, values: dict[str, Any]
    ) -> dict[str, Any]:
        """`values` with names turned into numbers, and without what is not known yet."""
        resolved = {name: _known(value) for name, value in values.items() if not isinstance(value, Unresolved)}
        for facts in _named(kind):
            mark = facts.named_by
            assert mark is not None
            if mark.alias not in values:
                continue
            if facts.name in values:
                self.report(
                    document,
                    node,
                    mark.alias,
                    "key",
                    "E-CONFLICT",
                    f"`{mark.alias}` and `{facts.name}` say the same thing",
                    "Keep one of them.",
                )
            name = resolved.pop(mark.alias, None)
            table = tenant.tables.get(mark.table, {})
            if name is None:
                continue
            if not isinstance(name, str):
                self.report(document, node, mark.alias, "value", "E-TYPE", f"`{mark.alias}` must be {_MEANT['string']}")
            elif name in table:
                resolved[facts.name] = table[name]
            else:
                hint = nearest(name, table) if table else f"Name it in `{mark.table}`."
                self.report(
                    document,
                    node,
                    mark.alias,
                    "value",
                    "E-PROFILE",
                    f"no `{name}` in {mark.table} of tenant {tenant.name}",
                    hint,
                )
        return resolved

    def _entries(self, document: Document, tenant: TenantDraft, kind: Kind, defaults: dict[str, Any]) -> None:
        assert kind.entries is not None
        written = document.body[kind.entries]
        if _is_diagnosed(written):
            return
        if not isinstance(written, list):
            self.report(document, document.body, kind.entries, "value", "E-TYPE", f"`{kind.entries}` must be a list")
            return
        nodes: list[Node] = []
        for index, node in enumerate(written):
            if node.__class__ is Node:
                nodes.append(node)
            elif not _is_diagnosed(node):
                self.report(
                    document,
                    document.body,
                    kind.entries,
                    index,
                    "E-TYPE",
                    f"an entry of `{kind.entries}` must be a mapping, like `- {key(kind)}: NAME`",
                )
        path = document.path
        for start in range(0, len(nodes), _BATCH):
            batch = nodes[start : start + _BATCH]
            resources = self._validate(
                document, kind, batch, self._entry_values(document, tenant, kind, batch, defaults)
            )
            tenant.declared[kind].extend(
                Declared(resource, Source(path, node.line, node.column))
                for node, resource in zip(batch, resources, strict=True)
                if resource is not None
            )

    def _entry_values(
        self, document: Document, tenant: TenantDraft, kind: Kind, nodes: list[Node], defaults: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """What pydantic gets for each entry. An entry with nothing to resolve and no defaults is passed on as it is."""
        aliases = [facts.named_by.alias for facts in _named(kind) if facts.named_by]
        if not document.unresolved and not any(alias in node for alias in aliases for node in nodes):
            return [{**defaults, **node} for node in nodes] if defaults else list[dict[str, Any]](nodes)
        values = []
        for node in nodes:
            if not document.unresolved and not any(alias in node for alias in aliases):
                values.append({**defaults, **node})
                continue
            own = self._resolve(document, tenant, kind, node, node)
            for name, value in node.items():
                if isinstance(value, Unresolved) and name not in _entry_keys(kind):
                    self._report_unknown(document, node, kind, name, _entry_keys(kind))
            if isinstance(node.get(key(kind)), Unresolved):
                own[key(kind)] = f"(name at {document.source(node)})"
            if isinstance(node.get("id"), Unresolved):
                tenant.unsure.add(document.source(node))
            values.append({**defaults, **own})
        return values

    def _validate(
        self, document: Document, kind: Kind, nodes: list[Node], values: list[dict[str, Any]]
    ) -> list[Resource | None]:
        """One resource an entry. A bad one's problems are reported, and its name still counts; None where it has none."""
        adapter = _list_adapter(kind)
        try:
            resources: list[Resource | None] = list(adapter.validate_python(values))
        except ValidationError as error:
            bad = set()
            for details in error.errors(include_url=False):
                index = int(details["loc"][0])
                bad.add(index)
                self._report_value(document, nodes[index], kind, details, details["loc"][1:])
            good = iter(adapter.validate_python([each for index, each in enumerate(values) if index not in bad]))
            resources = [_only_name(kind, each) if i in bad else next(good) for i, each in enumerate(values)]
        self._warn_literal_passwords(document, kind, nodes, resources)
        return resources

    def _warn_literal_passwords(
        self, document: Document, kind: Kind, nodes: list[Node], resources: list[Resource | None]
    ) -> None:
        for name in (facts.name for facts in fields(kind).values() if facts.secret):
            for node, resource in zip(nodes, resources, strict=True):
                url, text = getattr(resource, name, None), node.get(name)
                written = text.written if isinstance(text, Expanded) else text
                if isinstance(url, SecretUrl) and "password" in url.secrets and _has_literal_password(written):
                    self.report(
                        document,
                        node,
                        name,
                        "value",
                        "W-SECRET",
                        f"a password is written out in `{name}`",
                        "Write ${env:NAME} in its place.",
                        "warning",
                    )

    def _report_value(
        self, document: Document, node: Node, kind: Kind, details: ErrorDetails, loc: tuple[int | str, ...]
    ) -> None:
        """Put one pydantic error in a user's words. Never quotes a secret."""
        name = str(loc[0]) if loc else ""
        facts = fields(kind).get(name)
        match details["type"]:
            case "missing":
                self.report(document, node, None, "key", "E-REQUIRED", f"`{name}` is required")
            case "extra_forbidden":
                self._report_unknown(document, node, kind, name, _entry_keys(kind))
            case "url":
                self.report(document, node, name, "value", "E-URL", details["msg"])
            case _ if name == "createOnly":
                item: Literal["value"] | int = "value"
                summary, hint = "`createOnly` is a list of fields", f"Fields here: {', '.join(compared(kind))}."
                if len(loc) > 1 and isinstance(loc[1], int):
                    item = loc[1]
                    if isinstance(given := details["input"], str) and not isinstance(given, Expanded):
                        summary, hint = f"no field {quoted(given)} to list here", nearest(given, compared(kind))
                self.report(document, node, name, item, "E-CREATE-ONLY", summary, hint)
            case "string_pattern_mismatch" if facts is not None and facts.json_type == "string":
                bad = hostile_character(str(details["input"]))
                self.report(document, node, name, "value", "E-NAME", hostile(f"`{name}`", bad))
            case _:
                meant = _MEANT["integer"] if name == "id" or facts is None else _MEANT[facts.json_type]
                given = details["input"]
                secret = isinstance(given, Expanded) or (facts is not None and facts.secret)
                but = f", not {quoted(given)}" if isinstance(given, str) and not secret else ""
                self.report(document, node, name, "value", "E-TYPE", f"`{name}` must be {meant}{but}")

    def _report_unknown(self, document: Document, node: Node, kind: Kind, name: str, known: list[str]) -> None:
        if name in kind.reported:
            self.report(
                document,
                node,
                name,
                "key",
                "E-READ-ONLY",
                f"`{name}` is read-only: the API reports it",
                "Leave it out.",
            )
            return
        self.report(
            document, node, name, "key", "E-UNKNOWN-KEY", f"unknown key `{name}` in a {kind.kind}", nearest(name, known)
        )

    def _removed(self, document: Document, tenant: TenantDraft) -> None:
        written = document.body.get("removed")
        if written is None or _is_diagnosed(written):
            return
        if not isinstance(written, list):
            self.report(document, document.body, "removed", "value", "E-TYPE", "`removed` must be a list")
            return
        for index, node in enumerate(written):
            if isinstance(node, Node):
                self._removed_entry(document, tenant, node)
            elif not _is_diagnosed(node):
                self.report(
                    document,
                    document.body,
                    "removed",
                    index,
                    "E-TYPE",
                    "an entry of `removed` must be a mapping, like `- cpms: NAME`",
                )

    def _removed_entry(self, document: Document, tenant: TenantDraft, node: Node) -> None:
        by_word = {kind.kind: kind for kind in self.listed}
        known = [*by_word, "id", "reason"]
        for name in node:
            if name == self.document_kind.kind:
                self.report(
                    document, node, name, "key", "E-TENANT", "a tenant cannot be removed: this tool never deletes one"
                )
                return
            if name not in known:
                self.report(
                    document,
                    node,
                    name,
                    "key",
                    "E-UNKNOWN-KEY",
                    f"unknown key `{name}` in `removed`",
                    nearest(name, known),
                )
        words = [word for word in by_word if word in node]
        if len(words) != 1:
            said = f"names {' and '.join(words)}" if words else "names no kind"
            self.report(
                document,
                node,
                None,
                "key",
                "E-REQUIRED",
                f"an entry of `removed` {said}",
                f"Give one of {', '.join(by_word)}, with the name.",
            )
            return
        for name, value in node.items():
            if name in known and not isinstance(value, str):
                self.report(
                    document,
                    node,
                    name,
                    "value",
                    "E-TYPE",
                    f"`{name}` must be {_MEANT['integer' if name == 'id' else 'string']}",
                )
                return
        pin = node.get("id")
        if pin is not None and not isinstance(pin, Unresolved) and not re.fullmatch(WHOLE_NUMBER, pin):
            self.report(document, node, "id", "value", "E-TYPE", f"`id` must be {_MEANT['integer']}, not {quoted(pin)}")
            return
        name = node[words[0]]
        if isinstance(name, Unresolved) or isinstance(pin, Unresolved):
            return
        if (bad := hostile_character(name)) or not name.strip():
            self.report(document, node, words[0], "value", "E-NAME", hostile(f"`{words[0]}`", bad))
            return
        number = int(pin) if pin is not None else None
        removed = Removed(name, number, str(node.get("reason", "")), document.source(node))
        tenant.removed[by_word[words[0]]].append(removed)

    def _finish(self, tenant: TenantDraft) -> DesiredTenant:
        # Sorted: which of two patterns is named as the reason must not depend on the order of the files.
        policy = Policy(**{POLICY_LISTS[name]: tuple(sorted(patterns)) for name, patterns in tenant.policy.items()})
        claimed = frozenset(
            kind
            for kind in self.listed
            if any(globs.may_match_below(p.glob, f"{kind.kind}/") for p in policy.exclusive)
        )
        used = frozenset(kind for kind in self.kinds if tenant.declared.get(kind) or tenant.removed.get(kind))
        first = tenant.documents[0]
        return DesiredTenant(
            name=tenant.name,
            source=first.source(first.body),
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


@cache
def _entry_keys(kind: Kind) -> list[str]:
    aliases = [facts.named_by.alias for facts in _named(kind)]
    return [*fields(kind), *aliases, "id", "createOnly"]


def _only_name(kind: Kind, values: Mapping[str, Any]) -> Resource | None:
    name = values.get(key(kind))
    if not isinstance(name, str):
        return None
    only: dict[str, Any] = {key(kind): name}
    pin = values.get("id")
    if isinstance(pin, str) and re.fullmatch(WHOLE_NUMBER, pin):
        only["id"] = int(pin)
    return entry_model(kind).model_construct(**only)


def _is_diagnosed(value: Any) -> bool:
    """Whether nothing is there because of a problem that was reported already."""
    return isinstance(value, Unresolved) and not value


def _known(value: Any) -> Any:
    """A list without what is not known yet; anything else as it is."""
    return [each for each in value if not isinstance(each, Unresolved)] if isinstance(value, list) else value


def _has_literal_password(written: object) -> bool:
    """Whether the YAML itself has a password in this URL, and not a reference in its place."""
    if not isinstance(written, str):
        return False
    user_info = written.partition("://")[2].partition("/")[0].rpartition("@")[0]
    password = user_info.partition(":")[2].replace("$${", "")
    return bool(password) and "${" not in password
