"""Live state to YAML text that plans to no changes."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from exolink_reconcile.contract import Contract
from exolink_reconcile.inert import inert
from exolink_reconcile.resource import Kind, Row, compared, entry_model, folded, key
from exolink_reconcile.secret_url import SecretUrl

MODELINE = "# yaml-language-server: $schema=./schemas/exolink-config.schema.json\n"
_PLAIN = re.compile(r"\w(?:[\w ./()+@=-]*[\w./()+@=-])?")
_LOOKS_TYPED = re.compile(r"(?i)[-+.0-9_:eox]+|0x[0-9a-f]+|null|true|false|yes|no|on|off|nan|inf")


def tenants(found: Mapping[str, Mapping[Kind, Sequence[Row]]], contract: Contract) -> tuple[dict[str, str], list[str]]:
    """Each tenant as one document, and a warning for each thing that YAML cannot or may not say.

    A variable that stands for a password has a name of its own among all of them.
    """
    texts: dict[str, str] = {}
    warnings: list[str] = []
    taken: set[str] = set()
    for name, rows in found.items():
        writer = _Writer(name, contract, frozenset(taken))
        texts[name] = _tenant(name, rows, writer)
        warnings += writer.warnings
        taken |= writer.variables.keys()
    return texts, warnings


def _tenant(name: str, rows: Mapping[Kind, Sequence[Row]], writer: "_Writer") -> str:
    lines = [f"tenant: {_scalar(name)}"]
    for kind, found in rows.items():
        if kind.entries is None:
            lines += [line for row in found for line in writer.fields(kind, row, "")]
    for kind, found in rows.items():
        if kind.entries is not None and found:
            entries = writer.entries(kind, found)
            declared = any(not line.lstrip().startswith("#") for line in entries)
            lines += ["", *([f"{kind.entries}:"] if declared else []), *entries]
    notes = [f"# Set {variable} before planning: {what}." for variable, what in writer.variables.items()]
    return "\n".join([MODELINE.rstrip("\n"), *notes, *lines]) + "\n"


class _Writer:
    """Writes entries, and keeps what must be said beside them."""

    def __init__(self, tenant: str, contract: Contract, taken: frozenset[str]) -> None:
        self.tenant = tenant
        self.taken = taken
        self.contract = contract
        self.warnings: list[str] = []
        self.variables: dict[str, str] = {}

    def entries(self, kind: Kind, rows: Sequence[Row]) -> list[str]:
        """The entries of one list, by name."""
        folds = Counter(folded(getattr(row, key(kind))) for row in rows)
        lines: list[str] = []
        for row in sorted(rows, key=lambda row: (getattr(row, key(kind)), row.id)):
            name = getattr(row, key(kind))
            if why := self._undeclarable(kind, name, folds):
                address = inert(f"{self.tenant}/{kind.kind}/{name}")
                number = row.id
                lines.append(f"  # left out: {address} (id {number}): {why}")
                self.warnings.append(f"{address} (id {number}) is left out: {why}")
                continue
            fields = self.fields(kind, row, "    ")
            lines += [f"  - {key(kind)}: {_scalar(name)}", *fields]
        return lines

    def fields(self, kind: Kind, row: Row, indent: str) -> list[str]:
        """The fields that the contract can write; what it cannot would only be held back."""
        offer = self.contract.offer(kind)
        writable = {name for operation in (offer.create, offer.update) if operation for name in operation.fields}
        lines = []
        for name in compared(kind):
            value = getattr(row, name)
            if value is None or name not in writable:
                continue
            if not _declarable(kind, name, value):
                address = inert(f"{self.tenant}/{kind.kind}/{getattr(row, key(kind))}")
                lines.append(f"{indent}# left out: {name}, whose live value YAML may not declare")
                self.warnings.append(f"{name} of {address} is left out: YAML may not declare its live value")
                continue
            lines.append(f"{indent}{name}: {self._value(kind, row, value)}")
        return lines

    def _value(self, kind: Kind, row: Row, value: Any) -> str:
        if isinstance(value, SecretUrl):
            url = value.rewrite(lambda what, _: "\0" + what + "\0")
            parts = _escape(url).split("\0")
            # Odd parts are the names of secrets: each becomes a variable that the reader must set.
            text = "".join(self._variable(kind, row, part) if index % 2 else part for index, part in enumerate(parts))
            return _quoted(text) if len(parts) > 1 else _scalar(text, escaped=True)
        if isinstance(value, bool):
            return "true" if value else "false"
        return _scalar(value) if isinstance(value, str) else str(value)

    def _variable(self, kind: Kind, row: Row, what: str) -> str:
        name = getattr(row, key(kind))
        base = re.sub(r"[^A-Z0-9]+", "_", f"{self.tenant}_{name}_{what}".upper()).strip("_")
        base = base if not base[:1].isdigit() else f"_{base}"
        variable, number = base, 2
        while variable in self.variables or variable in self.taken:
            variable, number = f"{base}_{number}", number + 1
        address = inert(f"{self.tenant}/{kind.kind}/{name}")
        self.variables[variable] = f"the {inert(what)} in the URL of {address}"
        return f"${{env:{variable}}}"

    def _undeclarable(self, kind: Kind, name: str, folds: Mapping[str, int]) -> str:
        if not _declarable(kind, key(kind), name):
            return "its name is empty, or has control, bidi or zero-width characters"
        if folds[folded(name)] > 1:
            return "another live object has the same name, or one that reads the same"
        return ""


def _declarable(kind: Kind, name: str, value: Any) -> bool:
    if isinstance(value, SecretUrl):
        return value.declarable
    text = value if isinstance(value, str) else json.dumps(value)  # as YAML will say it
    try:
        entry_model(kind).model_validate({key(kind): "x", name: text})
    except ValidationError:
        return False
    return True


def _scalar(text: str, *, escaped: bool = False) -> str:
    text = text if escaped else _escape(text)
    return text if _PLAIN.fullmatch(text) and not _LOOKS_TYPED.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # JSON's strings are YAML's double-quoted ones


def _escape(text: str) -> str:
    return text.replace("${", "$${")
