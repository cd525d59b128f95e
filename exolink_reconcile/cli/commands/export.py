"""The export command: what is live to YAML or CSV."""

import os
from collections.abc import Iterable
from typing import Any

import click
from click.core import ParameterSource

from exolink_reconcile.cli.console import CONSOLE
from exolink_reconcile.cli.help import command
from exolink_reconcile.cli.options import EXPORT_FORMATS, ApiOptions, env_allow, formats, option, reach
from exolink_reconcile.cli.run import RUN
from exolink_reconcile.codes import Exit

_SCHEMA = "exolink-config.schema.json"


@command("export acme", "export acme nordkap --out exolink")
@click.argument("tenants", nargs=-1, required=True, metavar="TENANT...")
@reach
@option("--out", "-o", metavar="FOLDER", help="Write one file a tenant there instead of to stdout.")
@option("--overwrite", is_flag=True, help="Write over files that are there.")
@formats(EXPORT_FORMATS)
@option("--into", metavar="PATH", help="Take live values into the YAML and CSV that is there; prints a diff.")
@option("--write", is_flag=True, help="With --into: write the files.")
@option("--add", metavar="FILE", help="With --into: write what is new into this YAML file.")
@env_allow
def export(
    tenants: tuple[str, ...], out: str | None, overwrite: bool, format: str, into: str | None, write: bool,
    add: str | None, env_allow: tuple[str, ...], **reach: Any,
) -> Exit:  # fmt: skip
    """Write YAML for what is live.

    With --format csv: the chargers of one tenant, as a table for `chargersFrom`.
    """
    from exolink_reconcile.desired import desired_state
    from exolink_reconcile.errors import problem
    from exolink_reconcile.inert import inert

    tenants = tuple(dict.fromkeys(tenants))
    for tenant in tenants:
        if not desired_state.is_tenant_name(tenant):
            raise problem("E-NAME", f"`{tenant}` is not a tenant's domain prefix")
    if into is not None:
        if out is not None:
            raise problem("E-USAGE", "--into and --out: give one of them")
        _refuse_without_use(overwrite)
        from exolink_reconcile.cli import export_into

        return export_into.run(tenants, into, write=write, add=add, env_allow=env_allow, options=ApiOptions(**reach))
    if write or add:
        raise problem("E-USAGE", "--write and --add need --into PATH")
    if format == "csv" and len(tenants) > 1:
        raise problem("E-USAGE", "--format csv writes the chargers of one tenant: name one")
    paths = {tenant: os.path.join(out, f"{tenant}.{format}") for tenant in tenants} if out else {}
    if out:
        _refuse_no_folder(out)
    if not overwrite:
        _refuse_existing(paths.values())
    texts, warnings = _read(tenants, format, ApiOptions(**reach))
    for warning in warnings:
        CONSOLE.err(f"warning: {inert(warning)}\n")
    if out is None:
        CONSOLE.out("---\n".join(texts.values()))
    else:
        _write(out, {paths[tenant]: text for tenant, text in texts.items()}, with_schema=format == "yaml")
    return Exit.DONE


def _refuse_without_use(overwrite: bool) -> None:
    """Refuse --format and --overwrite together with --into: they would have no effect. Raises InputError."""
    from exolink_reconcile.errors import problem

    given = click.get_current_context().get_parameter_source("format")
    if given is ParameterSource.COMMANDLINE:
        raise problem("E-USAGE", "--into keeps the format of each file: leave out --format")
    if overwrite:
        raise problem("E-USAGE", "--into changes what is there, and only with --write: leave out --overwrite")


def _refuse_no_folder(folder: str) -> None:
    """Refuse a folder if a file stands in its place, or in that of a folder above it. Raises InputError."""
    from exolink_reconcile.errors import problem

    path = os.path.abspath(folder)
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    if not os.path.isdir(path):
        what = f"{folder} is not a folder" if path == os.path.abspath(folder) else f"{path} is not a folder"
        raise problem("E-EXISTS", f"--out {what}: name another. Nothing was written")


def _refuse_existing(paths: Iterable[str]) -> None:
    from exolink_reconcile.errors import problem

    if existing := [path for path in paths if os.path.lexists(path)]:
        are = "is there already" if len(existing) == 1 else "are there already"
        raise problem("E-EXISTS", f"{', '.join(existing)} {are}; --overwrite writes over it. Nothing was written")


def _read(tenants: tuple[str, ...], format: str, options: ApiOptions) -> tuple[dict[str, str], list[str]]:
    """The text of each tenant, and the warnings."""
    from exolink_reconcile import export as exporter
    from exolink_reconcile import pipeline
    from exolink_reconcile.cli import start
    from exolink_reconcile.kinds import KINDS
    from exolink_reconcile.live import live_state

    contract_text, contract = pipeline.read_contract(options.contract)
    charger = next(kind for kind in KINDS if kind.entries == "chargers")
    kinds = (pipeline.TENANT, charger) if format == "csv" else KINDS
    listed = [kind for kind in kinds if contract.offer(kind).list is not None]
    with start.connected(options, contract_text, CONSOLE) as api:
        live = live_state.read(api, dict.fromkeys(tenants, listed), pipeline.TENANT)
    if format == "csv":
        [tenant] = tenants
        text, warnings = exporter.table(tenant, charger, live.tenants[tenant].rows.get(charger, ()), contract)
        return {tenant: text}, warnings
    return exporter.tenants({name: tenant.rows for name, tenant in live.tenants.items()}, contract)


def _write(folder: str, texts: dict[str, str], *, with_schema: bool) -> None:
    """Write the files, and beside them the schema that the first line of the YAML points at."""
    from exolink_reconcile import files
    from exolink_reconcile.inert import inert

    RUN.wrote = True
    files.make_folder(folder)
    for path, text in texts.items():
        files.write(path, (text.encode(),), mode=0o644)
        CONSOLE.note(f"Wrote {inert(path)}\n")
    schema = os.path.join(folder, "schemas", _SCHEMA)
    if with_schema and not os.path.lexists(schema):
        files.make_folder(os.path.dirname(schema))
        files.write(schema, (files.bundled(_SCHEMA).encode(),), mode=0o644)
