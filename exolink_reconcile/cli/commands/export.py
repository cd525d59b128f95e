"""The export command: what is live to YAML or CSV."""

import os
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
    tenants: tuple[str, ...],
    out: str | None,
    overwrite: bool,
    format: str,
    into: str | None,
    write: bool,
    add: str | None,
    env_allow: tuple[str, ...],
    **reach: Any,
) -> Exit:
    """Write YAML for what is live.

    With --format csv: the chargers of one tenant, as a table for `chargersFrom`.
    """
    from exolink_reconcile.cli import live_text, outputs
    from exolink_reconcile.errors import problem

    tenants = tuple(dict.fromkeys(tenants))
    live_text.check_names(tenants)
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
        outputs.refuse_existing(paths.values(), "--overwrite writes over it.")
    texts = live_text.read(tenants, format, ApiOptions(**reach))
    if out is None:
        CONSOLE.out("---\n".join(texts.values()))
    else:
        _write(out, {paths[tenant]: text for tenant, text in texts.items()}, with_schema=format == "yaml")
    return Exit.DONE


def _refuse_without_use(overwrite: bool) -> None:
    """Refuse --format and --overwrite together with --into: they would have no effect. Raises InputError."""
    from exolink_reconcile.errors import problem

    source = click.get_current_context().get_parameter_source("format")
    if source is ParameterSource.COMMANDLINE:
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
        name = folder if path == os.path.abspath(folder) else path
        raise problem("E-EXISTS", f"--out {name} is not a folder: name another. Nothing was written")


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
