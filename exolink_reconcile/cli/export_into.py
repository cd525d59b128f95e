"""`export --into`: live values into the existing YAML and CSV."""

import os
from collections.abc import Iterator, Sequence

from exolink_reconcile import export as exporter
from exolink_reconcile import files, pipeline
from exolink_reconcile.cli import start, variables
from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.options import ApiOptions
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.codes import Exit
from exolink_reconcile.contract import Contract
from exolink_reconcile.desired import desired_state, write_back
from exolink_reconcile.desired import files as input_files
from exolink_reconcile.desired.write_back import Rewrite
from exolink_reconcile.errors import InputError, problem
from exolink_reconcile.inert import inert
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.live import live_state
from exolink_reconcile.model import Changes, DesiredState
from exolink_reconcile.planning import differ


def run(
    tenants: Sequence[str], path: str, *, write: bool, add: str | None, env_allow: Sequence[str], options: ApiOptions
) -> Exit:
    """Show what would change in the files, and write it if asked to. Raises InputError, ApiError, StorageFailed."""
    if write and path == "-":
        raise problem("E-USAGE", "--write needs files: standard input cannot be written")
    if add is not None:
        _check_place(add, path)
    inputs = input_files.read([path], variables.watched(os.environ), start.allowed_variables(env_allow))
    desired = desired_state.build(inputs.documents, KINDS, problems=inputs.problems, unread=inputs.unread)
    _refuse_partly_read(desired)
    desired = _only(desired, tenants, path)
    contract_text, contract = pipeline.read_contract(options.contract)
    kinds = {tenant.name: [kind for kind in KINDS if kind in tenant.mentioned] for tenant in desired.tenants}
    with start.connected(options, contract_text, CONSOLE) as api:
        live = live_state.read(api, kinds, pipeline.TENANT)
    changes = differ.diff(desired, live)
    rewrites, not_written = write_back.rewrite(
        inputs.documents, changes, lambda kind, name, value: exporter.refusal(contract, kind, name, value)
    )
    for unwritten in not_written:
        if add is None or unwritten.source is not None:
            place = f"{unwritten.source}: " if unwritten.source else ""
            reason = variables.hide(f"{unwritten.subject}: {unwritten.why}")
            CONSOLE.err(f"{inert(place)}left: {inert(reason)}\n")
    for rewrite in rewrites:
        CONSOLE.out("\n".join(write_back.unified_diff(rewrite)) + "\n")
    addition = _addition(changes, contract) if add else ""
    if add and addition:
        CONSOLE.out("".join(f"{line}\n" for line in _diff_of_addition(add, addition)))
    if write:
        _write(rewrites, add, addition)
    elif rewrites or addition:
        CONSOLE.err("Nothing was written. To write it: the same command with --write.\n")
    if not rewrites and not addition:
        CONSOLE.err("Nothing to change.\n")
    return Exit.DONE


def _check_place(add: str, path: str) -> None:
    """Refuse a file that the next plan of the same PATH would not read. Raises InputError."""
    inside = os.path.isdir(path) and os.path.realpath(add).startswith(os.path.realpath(path) + os.sep)
    same = os.path.exists(add) and os.path.realpath(add) == os.path.realpath(path)
    if not (inside or same) or not add.lower().endswith((".yaml", ".yml")):
        raise problem("E-USAGE", f"--add {add}: name a .yaml file of {path}, so that planning it finds what was added")


def _refuse_partly_read(desired: DesiredState) -> None:
    if desired.unread:
        partly = problem("E-READ", "the input cannot be read whole: nothing was written").diagnostics
        raise InputError([*desired.warnings, *partly])


def _only(desired: DesiredState, tenants: Sequence[str], path: str) -> DesiredState:
    by_name = {tenant.name: tenant for tenant in desired.tenants}
    for name in tenants:
        if name not in by_name:
            raise problem("E-TARGET", f"no document of {path} describes the tenant {name}")
    return DesiredState(tuple(by_name[name] for name in tenants), desired.config_digest, desired.warnings)


def _addition(changes: Changes, contract: Contract) -> str:
    """The documents that declare what is live and not declared yet."""
    rows: dict[str, dict[type, Sequence[object]]] = {}
    for unmanaged in changes.unmanaged:
        rows.setdefault(unmanaged.tenant, {})[unmanaged.kind] = unmanaged.rows
    texts, warnings = exporter.tenants(rows, contract)  # type: ignore[arg-type]  # kinds and their rows
    for warning in warnings:
        CONSOLE.err(f"warning: {inert(warning)}\n")
    return "".join(f"---\n{text.removeprefix(exporter.MODELINE)}" for text in texts.values())


def _diff_of_addition(add: str, addition: str) -> Iterator[str]:
    """The lines of a unified diff that appends to a file or makes a new one."""
    is_new = not os.path.exists(add)
    end = 0 if is_new else len(files.read(add, "the file of --add").splitlines())
    lines = (_of_new_file(addition) if is_new else addition).splitlines()
    yield "--- /dev/null" if is_new else f"--- {inert(add)}"
    yield f"+++ {inert(add)}"
    yield f"@@ -{end},0 +{end + 1},{len(lines)} @@"
    yield from (f"+{line}" for line in lines)


def _of_new_file(addition: str) -> str:
    return exporter.MODELINE + addition.removeprefix("---\n")


def _write(rewrites: Sequence[Rewrite], add: str | None, addition: str) -> None:
    """Write all files, or none."""
    contents = {rewrite.path: (rewrite.mark + rewrite.before.encode(), rewrite.data) for rewrite in rewrites}
    if add and addition and os.path.exists(add):
        before = files.read(add, "the file of --add")
        content = contents.get(add, (before, before))[1]
        gap = b"" if not content or content.endswith(b"\n") else b"\n"
        contents[add] = (before, content + gap + addition.encode())
        addition = ""
    RUN.wrote = True
    files.replace_all(contents)
    if add and addition:
        files.write(add, (_of_new_file(addition).encode(),), mode=0o644)
    for path in dict.fromkeys([*contents, *([add] if add and addition else [])]):
        CONSOLE.err(f"Wrote {inert(path)}\n")
