"""Live state to YAML or CSV text that plans to no changes.

A CI runner may show what is written. So YAML has escapes for control characters and for a runner's commands. CSV has no
escapes: a value that would need one is left out, with a warning.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from exolink_reconcile.contract import Contract, broken_limit
from exolink_reconcile.inert import harmless, inert
from exolink_reconcile.resource import Kind, Row, compared, entry_model, folded, key, name_of_row
from exolink_reconcile.secret_url import SecretUrl

MODELINE = "# yaml-language-server: $schema=./schemas/exolink-config.schema.json\n"
_BREAKS_OUT = re.compile(r"[\s/?#@:\\\[\]]")
_PLAIN = re.compile(r"\w(?:[\w ./()+@=-]*[\w./()+@=-])?")
_LOOKS_TYPED = re.compile(r"(?i)[-+.0-9_:eox]+|0x[0-9a-f]+|null|true|false|yes|no|on|off|nan|inf")


def tenants(
    rows_by_tenant: Mapping[str, Mapping[Kind, Sequence[Row]]], contract: Contract
) -> tuple[dict[str, str], list[str]]:
    """Each tenant as one document, and a warning for everything that YAML cannot or must not say.

    Each variable that stands for a password has its own name, across all tenants.
    """
    texts: dict[str, str] = {}
    warnings: list[str] = []
    taken_variables: set[str] = set()
    for name, rows in rows_by_tenant.items():
        writer = _Writer(name, contract, frozenset(taken_variables))
        texts[name] = _tenant(name, rows, writer)
        warnings += [f"{subject} is left out: {why}" for subject, why in writer.left_out]
        taken_variables |= writer.variables.keys()
    return texts, warnings


def table(tenant: str, kind: Kind, rows: Sequence[Row], contract: Contract) -> tuple[str, list[str]]:
    """The rows of one list as CSV, for `LISTFrom`, and a warning for everything that it cannot or must not say."""
    writer = _Writer(tenant, contract, frozenset())
    names = (key(kind), *writer.writable(kind))
    lines = [",".join(names)]
    formulas = 0
    for row in writer.declarable(kind, rows):
        cells = [writer.cell(kind, row, name) for name in names]
        if cells[0]:
            lines.append(",".join(map(_csv_cell, cells)))
            formulas += any(cell.startswith(_FORMULA) for cell in cells)
    warnings = [f"{name} is left out: {why}" for name, why in writer.left_out]
    if formulas:
        rows_ = "1 row has" if formulas == 1 else f"{formulas} rows have"
        warnings.append(f"{rows_} cells that a spreadsheet takes for formulas: import them as text")
    return "\n".join(lines) + "\n", warnings


def refusal(contract: Contract, kind: Kind, name: str, value: Any) -> str:
    """Why YAML must not declare a live value, in words; empty if it may."""
    if not _declarable(kind, name, value):
        return "YAML may not declare its live value"
    if broken := broken_limit(contract.offer(kind), name, value):
        return f"it {inert(broken)}, says the contract"
    return ""


_FORMULA = ("=", "+", "-", "@")


def _csv_cell(text: str) -> str:
    if re.search(r'[",;\t\r\n]|^\s|\s$|^(?:Plan:|No changes)', text):
        return '"' + text.replace('"', '""') + '"'
    return text


def _tenant(name: str, rows: Mapping[Kind, Sequence[Row]], writer: "_Writer") -> str:
    lines = [f"tenant: {scalar(name)}"]
    for kind, rows_of_kind in rows.items():
        if kind.is_tenant():
            lines += [line for row in rows_of_kind for line in writer.fields(kind, row, "")]
    for kind, rows_of_kind in rows.items():
        if not kind.is_tenant() and rows_of_kind:
            entries = writer.entries(kind, rows_of_kind)
            declared = any(not line.lstrip().startswith("#") for line in entries)
            lines += ["", *([f"{kind.entries}:"] if declared else []), *entries]
    notes = [f"# Set {variable} before planning: {purpose}." for variable, purpose in writer.variables.items()]
    return "\n".join([MODELINE.rstrip("\n"), *notes, *lines]) + "\n"


class _Writer:
    """Writes entries, and collects the warnings and variables that go with them."""

    def __init__(self, tenant: str, contract: Contract, taken_variables: frozenset[str]) -> None:
        self.tenant = tenant
        self.taken = taken_variables
        self.contract = contract
        self.left_out: list[tuple[str, str]] = []
        self.variables: dict[str, str] = {}

    def entries(self, kind: Kind, rows: Sequence[Row]) -> list[str]:
        """The entries of one list, by name; a comment for each row that is left out."""
        lines: list[str] = []
        before = len(self.left_out)
        for row in self.declarable(kind, rows):
            lines += self._comments("  ", before)
            lines += [f"  - {key(kind)}: {scalar(name_of_row(kind, row))}", *self.fields(kind, row, "    ")]
            before = len(self.left_out)
        return [*lines, *self._comments("  ", before)]

    def _comments(self, indent: str, start: int) -> list[str]:
        return [f"{indent}# left out: {subject}: {why}" for subject, why in self.left_out[start:]]

    def declarable(self, kind: Kind, rows: Sequence[Row]) -> Iterator[Row]:
        """The rows that may be declared, by name."""
        folds = Counter(folded(name_of_row(kind, row)) for row in rows)
        for row in sorted(rows, key=lambda row: (name_of_row(kind, row), row.id)):
            name = name_of_row(kind, row)
            if why := self._undeclarable(kind, name, folds):
                address = inert(f"{self.tenant}/{kind.kind}/{name}")
                self.left_out.append((f"{address} (id {row.id})", why))
            else:
                yield row

    def writable(self, kind: Kind) -> list[str]:
        """The fields that the contract can write, without the key."""
        offer = self.contract.offer(kind)
        writable = {name for operation in (offer.create, offer.update) if operation for name in operation.fields}
        return [name for name in compared(kind) if name in writable]

    def fields(self, kind: Kind, row: Row, indent: str) -> list[str]:
        """The lines of the fields that the contract can write; others would only be held back."""
        lines = []
        for name in self.writable(kind):
            value = getattr(row, name)
            if value is None:
                continue
            before = len(self.left_out)
            if self._may_declare(kind, row, name):
                lines.append(f"{indent}{name}: {self._value(kind, row, value)}")
            else:
                lines += self._comments(indent, before)
        return lines

    def cell(self, kind: Kind, row: Row, name: str) -> str:
        """The text of a cell; empty if there is no value that it can hold."""
        value = getattr(row, name)
        if value is None or not self._may_declare(kind, row, name):
            return ""
        text = _escape(value if isinstance(value, str) else str(value))
        if harmless(text) != text:
            self.left_out.append((self._named(kind, row, name), "it holds what a CI runner may take for a command"))
            return ""
        return text

    def _may_declare(self, kind: Kind, row: Row, name: str) -> bool:
        if why := refusal(self.contract, kind, name, getattr(row, name)):
            self.left_out.append((self._named(kind, row, name), why))
        return not why

    def _named(self, kind: Kind, row: Row, name: str) -> str:
        return f"{name} of {inert(f'{self.tenant}/{kind.kind}/{name_of_row(kind, row)}')}"

    def _value(self, kind: Kind, row: Row, value: Any) -> str:
        if isinstance(value, SecretUrl):
            if any(_BREAKS_OUT.search(secret) for secret in value.secret_values):
                # A variable fills one part of a URL only; one for the whole URL may hold anything.
                return _quoted(self._variable(kind, row, "URL"))
            url = value.rewrite(lambda part_name, _: "\0" + part_name + "\0")
            parts = _escape(url).split("\0")
            # Odd parts are the names of secrets: each becomes a variable that the reader must set.
            text = "".join(self._variable(kind, row, part) if index % 2 else part for index, part in enumerate(parts))
            return _quoted(text) if len(parts) > 1 else scalar(text, escaped=True)
        if isinstance(value, bool):
            return "true" if value else "false"
        return scalar(value) if isinstance(value, str) else str(value)

    def _variable(self, kind: Kind, row: Row, part: str) -> str:
        name = name_of_row(kind, row)
        base = re.sub(r"[^A-Z0-9]+", "_", f"{self.tenant}_{name}_{part}".upper()).strip("_")
        if base[:1].isdigit() or base.startswith("EXOLINK_"):  # those are the tool's own
            base = f"_{base}"
        variable, number = base, 2
        while variable in self.variables or variable in self.taken:
            variable, number = f"{base}_{number}", number + 1
        address = inert(f"{self.tenant}/{kind.kind}/{name}")
        self.variables[variable] = (
            f"the {inert(part)} in the URL of {address}" if part != "URL" else f"the URL of {address}"
        )
        return f"${{env:{variable}}}"

    def _undeclarable(self, kind: Kind, name: str, folds: Mapping[str, int]) -> str:
        if not _declarable(kind, key(kind), name):
            return "its name is empty, or has control, bidi or zero-width characters"
        if broken := broken_limit(self.contract.offer(kind), key(kind), name):
            return f"its name {inert(broken)}, says the contract"
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


def scalar(text: str, *, escaped: bool = False) -> str:
    """The text as a scalar of YAML, in quotes where it could be misread; `escaped`: its `${` are escaped already."""
    text = text if escaped else _escape(text)
    return text if _PLAIN.fullmatch(text) and not _LOOKS_TYPED.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    # JSON's strings are YAML's double-quoted ones, and the escapes of `inert` mean the same in them.
    return inert(json.dumps(text, ensure_ascii=False))


def _escape(text: str) -> str:
    return text.replace("${", "$${")
