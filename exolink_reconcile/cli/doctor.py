"""Options to a diagnosis: what a plan needs, checked one thing at a time. It writes nothing, here or at the API."""

import json
import os
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from exolink_reconcile import pipeline
from exolink_reconcile.cli import start, variables
from exolink_reconcile.cli.console import Console
from exolink_reconcile.cli.options import ApiOptions
from exolink_reconcile.codes import Exit
from exolink_reconcile.contract import Contract
from exolink_reconcile.errors import ApiError, InputError, ReconcileError
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import answers, connection, live_state, names, probe, trust, urls
from exolink_reconcile.live.api import Api
from exolink_reconcile.live.quiet_httpx import httpcore
from exolink_reconcile.model import DesiredState
from exolink_reconcile.planning import choices
from exolink_reconcile.planning.choices import Choices
from exolink_reconcile.report.listings import Check
from exolink_reconcile.report.sentences import counted
from exolink_reconcile.resource import Kind
from exolink_reconcile.state import homes

_CLOCK_OFF = 60.0  # seconds
_SOON = 14 * 86_400.0
_ROWS = 100  # rows of each list that are searched for unknown fields


@dataclass(slots=True)
class Doctor:
    """The checks in their order; each uses the results of those before it, or says that it was not made."""

    options: ApiOptions
    paths: Sequence[str]
    state: str | None
    env_allow: Sequence[str] | None
    console: Console
    desired: DesiredState | None = field(default=None, init=False)
    contract: Contract | None = field(default=None, init=False)
    contract_text: str = field(default="", init=False)
    _silent: bool = field(default=False, init=False)  # whether the API answered nothing at all
    _nameless: bool = field(default=False, init=False)

    def checks(self) -> Iterator[Check]:
        """Each check, as soon as it is made."""
        yield self._yaml()
        yield self._name()
        yield self._tls()
        yield self._token()
        with ExitStack() as stack:
            api = self._api(stack)
            yield from self._tenants(api)
            yield self._fields(api)
            yield self._state()
            yield self._clock(api)

    # -------------------------------------------------------------------------------------------------------- offline

    def _yaml(self) -> Check:
        try:
            self.contract_text, self.contract = pipeline.read_contract(self.options.contract)
        except ReconcileError as error:
            return _failed("YAML", error, "the contract: ")
        try:
            wanted = pipeline.wanted(
                self.paths,
                variables.watched(os.environ),
                api_url=self.options.api_url,
                contract_path=self.options.contract,
                choices=Choices(),
                env_allow=self.env_allow,
            )
        except ReconcileError as error:
            return _failed("YAML", error)
        self.desired = wanted.desired
        count = sum(
            len(entries)
            for tenant in self.desired.tenants
            for kind, entries in tenant.declared.items()
            if not kind.is_tenant()
        )
        detail = f"{counted(len(self.desired.tenants), 'tenant')} with {counted(count, 'object')} declared"
        if warnings := self.desired.warnings:
            return _warning(
                "YAML", f"{detail}; {counted(len(warnings), 'warning')}, see `validate`: {warnings[0].summary}"
            )
        return _ok("YAML", detail)

    def _name(self) -> Check:
        if self._is_emulator:
            return _ok("API name", "the emulator in this process needs none")
        try:
            urls.checked_base(self.options.api_url)
            if (proxy := urls.proxy_for(self.options.api_url)) is not None:
                return _ok("API name", f"for the proxy {proxy.host} to look up, which {proxy.variable} names")
            addresses = names.look_up(*self._place, self.options.timeout)
        except ReconcileError as error:
            return _failed("API name", error)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            self._nameless = True
            return Check("API name", "failed", f"{self._place[0]}: {probe.why_not(error)}", Exit.NO_ANSWER)
        listed = ", ".join(addresses[:3])
        return _ok("API name", listed if listed == self._place[0] else f"{self._place[0]} is {listed}")

    def _tls(self) -> Check:
        if self._is_emulator or urlsplit(self.options.api_url).scheme == "http":
            return _ok("TLS", "not used on this machine")
        if self._nameless:
            return _warning("TLS", "not tried: see above")
        try:
            urls.checked_base(self.options.api_url)
            context = trust.context(self.options.ca_file)
        except ReconcileError as error:
            return _failed("TLS", error)
        try:
            deadline = time.monotonic() + self.options.timeout
            with probe.connected(*self._place, True, deadline, context, os.environ) as stream:
                version, certificate = stream.version(), stream.getpeercert()  # type: ignore[attr-defined]  # an SSLSocket
        except Exception as error:
            return Check("TLS", "failed", probe.why_not(error), Exit.NO_ANSWER)
        until = ssl.cert_time_to_seconds(certificate["notAfter"]) if certificate else time.time() + _SOON
        detail = f"{version}, certificate trusted until {time.strftime('%Y-%m-%d', time.gmtime(until))}"
        return _warning("TLS", detail) if until < time.time() + _SOON else _ok("TLS", detail)

    def _token(self) -> Check:
        if self._is_emulator:
            return _ok("token", "the emulator in this process needs none")
        try:
            connection.read_token(self.options.token_file, os.environ)
        except ReconcileError as error:
            return _failed("token", error)
        return _ok("token", f"read from {self.options.token_file or 'EXOLINK_TOKEN'}")

    # --------------------------------------------------------------------------------------------------------- online

    def _api(self, stack: ExitStack) -> Api | None:
        """The API, open; None if it cannot be opened: an earlier check says why."""
        try:
            api = stack.enter_context(start.connected(self.options, self.contract_text, self.console))
        except ReconcileError:
            return None
        api.hurry(self.options.timeout)
        return api

    def _tenants(self, api: Api | None) -> Iterator[Check]:
        if self.desired is None or self.contract is None or api is None:
            self._silent = api is None
            yield _warning("tenants", "not read: see above")
            return
        self._silent = bool(self.desired.tenants)
        absent_ok = self.contract.offer(pipeline.TENANT).create is not None
        for tenant, kinds in choices.wanted(self.desired, Choices()).items():
            name = f"tenant {tenant}"
            try:
                live = live_state.read(api, {tenant: kinds}, pipeline.TENANT, absent_ok=absent_ok)
            except (ApiError, InputError) as error:
                self._silent &= error.code == "E-UNREACHABLE"
                yield _failed(name, error)
                continue
            self._silent = False
            rows = live.tenants[tenant].rows
            parts = [counted(len(rows[kind]), kind.kind) for kind in KINDS if kind in rows and not kind.is_tenant()]
            existence = "readable" if live.tenants[tenant].exists else "not there yet: apply creates it"
            yield _ok(name, ": ".join(filter(None, (existence, ", ".join(parts)))))

    def _fields(self, api: Api | None) -> Check:
        if self.desired is None or self.contract is None or api is None or self._silent:
            return _warning("fields", "not compared with the contract: see above")
        odd: list[str] = []
        row_count = 0
        for tenant, kinds in choices.wanted(self.desired, Choices()).items():
            for kind in kinds:
                try:
                    rows = _rows(api, kind, tenant)
                except (ApiError, InputError, ValueError, RecursionError):
                    continue  # the tenant's own check says why
                row_count += len(rows)
                odd += [name for name in _unknown_fields(self.contract, kind, rows) if name not in odd]
        if odd:
            return _warning("fields", f"the API answers what the contract does not describe: {', '.join(odd[:10])}")
        if not row_count:
            return _warning("fields", "nothing live to compare with the contract")
        return _ok("fields", f"those of {counted(row_count, 'live object')} are in the contract")

    def _state(self) -> Check:
        try:
            home = homes.home(self.state, os.environ)
            memory = home.memory(connection.origin(self.options.api_url), ())
        except ReconcileError as error:
            return _failed("state", error)
        if memory.note:
            return Check("state", "failed", memory.note, Exit.STORAGE)
        if isinstance(home, homes.FolderHome) and (blocked := _not_writable(home.folder)):
            return Check("state", "failed", f"{home.where} cannot be written: {blocked} is read-only", Exit.STORAGE)
        if count := len(memory.intents):
            return _warning(
                "state", f"{home.where}: {counted(count, 'write')} of earlier runs not settled, see `unknowns`"
            )
        return _ok("state", home.where)

    def _clock(self, api: Api | None) -> Check:
        theirs = api.now() if api is not None and not self._silent else None
        if theirs is None:
            if self._silent:
                return _warning("clock", "not compared: see above")
            return _ok("clock", "not compared: no answer said what time it is there")
        off = time.time() - theirs
        if abs(off) > _CLOCK_OFF:
            return _warning("clock", f"this machine is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the API")
        return _ok("clock", "within a minute of the API's")

    @property
    def _is_emulator(self) -> bool:
        return self.options.api_url.startswith(connection.EMULATOR)

    @property
    def _place(self) -> tuple[str, int]:
        parts = urlsplit(self.options.api_url)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _rows(api: Api, kind: Kind, tenant: str) -> Sequence[Mapping[str, Any]]:
    def read() -> Sequence[Mapping[str, Any]]:
        data = api.get(kind, tenant) if kind.is_tenant() else api.list(kind, tenant).data
        rows = json.loads(data or b"[]")
        return [row for row in (rows if isinstance(rows, list) else [rows])[:_ROWS] if isinstance(row, dict)]

    return answers.in_turn(read)


def _unknown_fields(contract: Contract, kind: Kind, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    offer = contract.offer(kind)
    operation = offer.get if kind.is_tenant() else offer.list
    if operation is None or not operation.answers:
        return []
    known_names = {*operation.answers, *kind.reported}
    return [
        f"{kind.kind}.{name}" for name in dict.fromkeys(name for row in rows for name in row) if name not in known_names
    ]


def _not_writable(folder: Path) -> Path | None:
    """The folder in which `apply` must not write its state; None if it may. Writes nothing to find out."""
    existing = next((ancestor for ancestor in (folder, *folder.absolute().parents) if ancestor.exists()), folder)
    return None if os.access(existing, os.W_OK | os.X_OK) else existing


def _ok(name: str, detail: str) -> Check:
    return Check(name, "ok", detail, Exit.DONE)


def _warning(name: str, detail: str) -> Check:
    return Check(name, "warning", variables.hide(detail), Exit.DONE)


def _failed(name: str, error: ReconcileError, about: str = "") -> Check:
    more = ""
    if isinstance(error, InputError):
        problems = [diagnostic for diagnostic in error.diagnostics if diagnostic.severity == "error"]
        if source := problems[0].source:
            about = f"{about}{source.path}:{source.line}:{source.column}: "
        if len(problems) > 1:
            more = f" (and {len(problems) - 1} more, see `validate`)"
    summary = variables.hide(error.summary)
    return Check(name, "failed", f"{about}{summary} ({error.code}){more}", Exit(error.exit_code))
