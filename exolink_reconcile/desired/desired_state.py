"""Documents to desired state, or every problem at once.

A tenant is joined from all its documents before an entry is looked at, because `profiles` of one document name numbers
in another. Lists are validated in bulk by pydantic; only when a list has a bad entry are its entries told apart.
"""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from exolink_reconcile import globs
from exolink_reconcile.desired import places as yaml_places
from exolink_reconcile.desired.documents import Document
from exolink_reconcile.desired.nodes import Expanded, Node, Unresolved
from exolink_reconcile.desired.places import Places
from exolink_reconcile.errors import InputError
from exolink_reconcile.inert import hostile_character
from exolink_reconcile.model import Declared, DesiredState, DesiredTenant, Diagnostic, Pattern, Policy, Removed, Source
from exolink_reconcile.resource import (
    WHOLE_NUMBER,
    Address,
    Kind,
    Resource,
    compared,
    entry_model,
    fields,
    folded,
    key,
    name_of,
)
from exolink_reconcile.secret_url import SecretUrl

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_BATCH = 5000  # entries: what pydantic is given and what it makes are not in memory for all of 100,000 at once
_FEW = 20  # known names in a hint
_POLICY_LISTS = {"protect": "protect", "exclusive": "exclusive", "allowReplace": "allow_replace"}
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
    found = [*problems, *builder.located()]
    if any(diagnostic.severity == "error" for diagnostic in found):
        raise InputError(_in_order(found))
    return DesiredState(tenants, config_digest, tuple(_in_order(found)))


def is_tenant_name(text: str) -> bool:
    """Whether this can be a tenant's domain prefix, and so a segment of a path."""
    return _TENANT.fullmatch(text) is not None


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or lists them all."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1) or difflib.get_close_matches(
        word.lower(), {name.lower(): name for name in known}, n=1
    )
    by_lower = {name.lower(): name for name in known}
    if close:
        return f"Did you mean `{by_lower[close[0].lower()]}`?"
    more = f" and {len(known) - _FEW} more" if len(known) > _FEW else ""
    return f"Known here: {', '.join(known[:_FEW])}{more}."


class _Finding(NamedTuple):
    """A diagnostic whose place is still to be found: a key of a mapping, its value, an item of its list, or itself."""

    document: Document
    node: Node
    key: str | None
    part: Literal["key", "value"] | int
    diagnostic: Diagnostic
    also: "tuple[Document, Node, str] | None" = None


@dataclass(slots=True)
class _Tenant:
    """A tenant while its documents are joined."""

    name: str
    documents: list[Document] = field(default_factory=list)
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    written: dict[tuple[str, str], tuple[Document, Node, str]] = field(default_factory=dict)
    policy: dict[str, list[Pattern]] = field(default_factory=lambda: {name: [] for name in _POLICY_LISTS})
    declared: dict[Kind, list[Declared]] = field(default_factory=lambda: defaultdict(list))
    removed: dict[Kind, list[Removed]] = field(default_factory=lambda: defaultdict(list))
    unsure: set[Source] = field(default_factory=set)  # entries that pin an id which is not known yet


class _Builder:
    """Builds tenants and collects what is wrong on the way."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.kinds = kinds
        self.findings: list[_Finding] = []
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

    def report(
        self,
        document: Document,
        node: Node,
        key: str | None,
        part: Literal["key", "value"] | int,
        code: str,
        summary: str,
        detail: str = "",
        severity: Literal["error", "warning"] = "error",
        also: "tuple[Document, Node, str] | None" = None,
    ) -> None:
        """Note a problem at a key of `node` (None: at the node itself), its value, or item `part` of its list.

        `also` is a key in a mapping of a document, whose place the summary ends with.
        """
        diagnostic = Diagnostic(code, summary, None, detail, severity)
        self.findings.append(_Finding(document, node, key, part, diagnostic, also))

    def located(self) -> list[Diagnostic]:
        """The findings with their places: one more walk over each file that has any."""
        wanted: dict[str, set[tuple[int, int]]] = defaultdict(set)
        data: dict[str, bytes] = {}
        for finding in self.findings:
            here = [(finding.document, finding.node)] if finding.key is not None else []
            for document, node in [*here, *([finding.also[:2]] if finding.also else [])]:
                wanted[document.path].add((node.line, node.column))
                data[document.path] = document.data
        places = {path: yaml_places.locate(data[path], marks) for path, marks in wanted.items()}
        return [_located(finding, places) for finding in self.findings]

    # ------------------------------------------------------------------------------------------------------- documents

    def tenants(self, documents: Sequence[Document]) -> tuple[DesiredTenant, ...]:
        """Every tenant, sorted by name."""
        drafts: dict[str, _Tenant] = {}
        for document in documents:
            name = self._tenant_name(document)
            drafts.setdefault(name, _Tenant(name)).documents.append(document)
        self._check_tenant_names(drafts.values())
        for tenant in drafts.values():
            for document in tenant.documents:
                self._top_level(document, tenant)
            for document in tenant.documents:
                self._lists(document, tenant)
            self._check(tenant)
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
                f"`tenant` must be a domain prefix, not {_quoted(tenant)}",
                "It has letters, digits, `-`, `_` and `.`, and starts with a letter or digit.",
            )
        else:
            return tenant
        return stand_in

    def _check_tenant_names(self, tenants: Iterable[_Tenant]) -> None:
        seen: dict[str, _Tenant] = {}
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

    def _top_level(self, document: Document, tenant: _Tenant) -> None:
        self._document_fields(document, tenant)
        self._policy(document, tenant)
        for table in self.tables:
            self._table(document, tenant, table)

    def _document_fields(self, document: Document, tenant: _Tenant) -> None:
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

    def _policy(self, document: Document, tenant: _Tenant) -> None:
        policy = self._mapping(document, document.body, "policy", list(_POLICY_LISTS))
        for name, patterns in (policy or {}).items():
            if name not in _POLICY_LISTS or _is_diagnosed(patterns):
                continue
            if not isinstance(patterns, list):
                self.report(document, policy, name, "value", "E-TYPE", f"`{name}` must be a list of KIND/NAME globs")  # type: ignore[arg-type]
                continue
            for index, pattern in enumerate(patterns):
                self._pattern(document, tenant, policy, name, index, pattern)  # type: ignore[arg-type]

    def _pattern(self, document: Document, tenant: _Tenant, policy: Node, name: str, index: int, pattern: Any) -> None:
        if isinstance(pattern, Unresolved):
            return
        words = [kind.kind for kind in self.kinds]
        if not isinstance(pattern, str):
            self.report(document, policy, name, index, "E-TYPE", "a glob must be text: KIND/NAME")
            return
        if bad := hostile_character(pattern):
            self.report(document, policy, name, index, "E-GLOB", _hostile("the glob", bad), "It would match nothing.")
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

    def _table(self, document: Document, tenant: _Tenant, table: str) -> None:
        """`profiles` and its like: names for numbers."""
        rows = self._mapping(document, document.body, table, None)
        known = tenant.tables.setdefault(table, {})
        for name, number in (rows or {}).items():
            assert rows is not None
            if "${" in name:
                continue  # diagnosed where it was read
            if (bad := hostile_character(name)) or not name.strip():
                self.report(document, rows, name, "key", "E-NAME", _hostile("a name", bad))
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

    def _lists(self, document: Document, tenant: _Tenant) -> None:
        all_defaults = self._mapping(document, document.body, "defaults", [str(kind.entries) for kind in self.listed])
        for kind in self.listed:
            assert kind.entries is not None
            defaults = self._defaults(document, tenant, kind, all_defaults)
            if kind.entries in document.body:
                self._entries(document, tenant, kind, defaults)
        self._removed(document, tenant)

    def _defaults(self, document: Document, tenant: _Tenant, kind: Kind, all_defaults: Node | None) -> dict[str, Any]:
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
        self, document: Document, tenant: _Tenant, kind: Kind, node: Node, values: dict[str, Any]
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

    def _entries(self, document: Document, tenant: _Tenant, kind: Kind, defaults: dict[str, Any]) -> None:
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
        self, document: Document, tenant: _Tenant, kind: Kind, nodes: list[Node], defaults: dict[str, Any]
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
                        summary, hint = f"no field {_quoted(given)} to list here", nearest(given, compared(kind))
                self.report(document, node, name, item, "E-CREATE-ONLY", summary, hint)
            case "string_pattern_mismatch" if facts is not None and facts.json_type == "string":
                bad = hostile_character(str(details["input"]))
                self.report(document, node, name, "value", "E-NAME", _hostile(f"`{name}`", bad))
            case _:
                meant = _MEANT["integer"] if name == "id" or facts is None else _MEANT[facts.json_type]
                given = details["input"]
                secret = isinstance(given, Expanded) or (facts is not None and facts.secret)
                but = f", not {_quoted(given)}" if isinstance(given, str) and not secret else ""
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

    def _removed(self, document: Document, tenant: _Tenant) -> None:
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

    def _removed_entry(self, document: Document, tenant: _Tenant, node: Node) -> None:
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
            self.report(
                document, node, "id", "value", "E-TYPE", f"`id` must be {_MEANT['integer']}, not {_quoted(pin)}"
            )
            return
        name = node[words[0]]
        if isinstance(name, Unresolved) or isinstance(pin, Unresolved):
            return
        if (bad := hostile_character(name)) or not name.strip():
            self.report(document, node, words[0], "value", "E-NAME", _hostile(f"`{words[0]}`", bad))
            return
        number = int(pin) if pin is not None else None
        removed = Removed(name, number, str(node.get("reason", "")), document.source(node))
        tenant.removed[by_word[words[0]]].append(removed)

    # ---------------------------------------------------------------------------------------------------- cross checks

    def _check(self, tenant: _Tenant) -> None:
        for kind in self.listed:
            self._check_names(tenant, kind)
            self._check_removed(tenant, kind)

    def _check_names(self, tenant: _Tenant, kind: Kind) -> None:
        """Each address once; no two names that people would take for one; each live id pinned once."""
        declared = tenant.declared[kind]
        folds = [folded(name_of(each.resource)) for each in declared]
        if len(set(folds)) < len(folds):
            self._report_same_names(tenant, kind, zip(folds, declared))
        by_id: dict[int, Declared] = {}
        for each in declared:
            pin = each.pinned_id
            if pin is not None and (other := by_id.setdefault(pin, each)) is not each:
                self._at(each.source, "E-DUPLICATE-ID", f"id {pin} is pinned twice: also at {other.source}")

    def _report_same_names(self, tenant: _Tenant, kind: Kind, folds: Iterable[tuple[str, Declared]]) -> None:
        by_fold: dict[str, Declared] = {}
        for fold, each in folds:
            other = by_fold.setdefault(fold, each)
            if other is each:
                continue
            address, before = (Address(tenant.name, kind.kind, name_of(one.resource)) for one in (each, other))
            if address == before:
                self._at(each.source, "E-DUPLICATE-ADDRESS", f"{address} is declared twice: also at {other.source}")
            else:
                self._at(
                    each.source,
                    "E-SAME-NAME",
                    f"`{address}` reads like `{before}` at {other.source}",
                    "Two names must differ in more than case, spaces at the ends or the form of an accent.",
                )

    def _check_removed(self, tenant: _Tenant, kind: Kind) -> None:
        if not tenant.removed[kind]:
            return
        by_pin = {declared.pinned_id: declared for declared in tenant.declared[kind] if declared.pinned_id is not None}
        by_name = {name_of(declared.resource): declared for declared in tenant.declared[kind]}
        seen: dict[str, list[Removed]] = defaultdict(list)
        for removed in tenant.removed[kind]:
            address = Address(tenant.name, kind.kind, removed.name)
            declared = by_name.get(removed.name)
            sure = declared is not None and declared.source not in tenant.unsure
            if declared is not None and sure and not _differ(removed.remote_id, declared.pinned_id):
                self._at(
                    removed.source,
                    "E-CONFLICT",
                    f"{address} is both declared ({declared.source}) and removed",
                    "Keep one of the two entries.",
                )
            pinned = by_pin.get(removed.remote_id) if removed.remote_id is not None else None
            if pinned is not None and pinned is not declared:
                other_address = Address(tenant.name, kind.kind, name_of(pinned.resource))
                summary = f"id {removed.remote_id} is both removed and pinned by {other_address} ({pinned.source})"
                self._at(removed.source, "E-CONFLICT", summary, "Keep one of the two entries.")
            for other in seen[removed.name]:
                if not _differ(removed.remote_id, other.remote_id):
                    self._at(
                        removed.source, "E-DUPLICATE-ADDRESS", f"{address} is removed twice: also at {other.source}"
                    )
            seen[removed.name].append(removed)
            for pattern in tenant.policy["protect"]:
                if globs.matches(pattern.glob, address.local):
                    self._at(
                        removed.source,
                        "E-PROTECTED",
                        f"{address} is both removed and protected (`{pattern.glob}`, {pattern.source})",
                        "Unprotect it in one change, remove it in the next.",
                    )
                    break

    def _at(self, source: Source, code: str, summary: str, detail: str = "") -> None:
        node = Node()
        node.line, node.column = source.line, source.column
        self.report(Document(source.path, node, b""), node, None, "key", code, summary, detail)

    def _finish(self, tenant: _Tenant) -> DesiredTenant:
        # Sorted: which of two patterns is named as the reason must not depend on the order of the files.
        policy = Policy(**{_POLICY_LISTS[name]: tuple(sorted(patterns)) for name, patterns in tenant.policy.items()})
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


def _quoted(text: str) -> str:
    """Text of the YAML in a message: it may be a URL in the wrong place."""
    return f"`{str(SecretUrl(text))[:80]}`"


def _differ(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and one != other


def _hostile(what: str, bad: str | None) -> str:
    if bad is None:
        return f"{what} is blank"
    return f"{what} has a control, bidi or zero-width character: U+{ord(bad):04X}"


_Found = Mapping[str, Mapping[tuple[int, int], Mapping[str, Places]]]


def _located(finding: _Finding, places: _Found) -> Diagnostic:
    d = finding.diagnostic
    source = _place(finding.document, finding.node, finding.key, finding.part, places)
    summary = f"{d.summary}: also at {_place(*finding.also, 'key', places)}" if finding.also else d.summary
    return Diagnostic(d.code, summary, source, d.detail, d.severity)


def _place(
    document: Document, node: Node, key: str | None, part: Literal["key", "value"] | int, places: _Found
) -> Source:
    here = (node.line, node.column)
    found = places.get(document.path, {}).get(here, {}).get(key or "")
    if found is not None:
        here = found.key if part == "key" else found.value
        if isinstance(part, int) and part < len(found.items):
            here = found.items[part]
    return Source(document.path, *here)


def _in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Each diagnostic once, in the order of files, lines and columns, without those that another one explains.

    A misspelt key explains the one that is missing; what else is wrong with a key explains that it is not known.
    """
    found = list(dict.fromkeys(diagnostics))
    misspelt = {(each.source, each.detail) for each in found if each.code == "E-UNKNOWN-KEY"}
    no_keys = {each.source for each in found if each.code in ("E-MERGE", "E-NULL", "E-ENV", "E-DUPLICATE-KEY")}

    def is_explained(each: Diagnostic) -> bool:
        if each.code == "E-REQUIRED" and (name := re.search("`[^`]+`", each.summary)):
            return (each.source, f"Did you mean {name.group()}?") in misspelt
        return each.code == "E-UNKNOWN-KEY" and each.source in no_keys

    told = [each for each in found if not is_explained(each)]
    return sorted(told, key=lambda each: (each.source or Source("", 0, 0), each.code == "E-REQUIRED"))
