"""`export`: what is live as YAML, which plans to no changes."""

import re
from collections.abc import Callable

from .conftest import Cli
from .support import NO_CHANGES

VARIABLE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


def variables(exported: str, url: str) -> dict[str, str]:
    """The variables that the exported form of this URL asks for, with the values that give the URL back."""
    for written in re.findall(r"wss?://[^\"'\s]+", exported):
        parts = VARIABLE.split(written)
        match = re.fullmatch("(.+)".join(re.escape(text) for text in parts[::2]), url)
        if match and len(parts) > 1:
            return dict(zip(parts[1::2], match.groups(), strict=True))
    raise AssertionError(f"no line of the export stands for {url}\n{exported}")


def comments(exported: str) -> str:
    return "\n".join(line for line in exported.splitlines() if line.lstrip().startswith("#"))


def test_export_then_plan(cli: Cli) -> None:
    """What is exported plans to no changes, whatever the names look like; deleted rows are left out."""
    world = cli.world
    for number, name in enumerate(("NO", "0123", "12:30:45", "a: b # c", "- x", "Köln „Süd“", "${env:X}", "it's", '"')):
        world.add("acme", "cpms", displayName=name, url=f"wss://{number}.example.com/", interval=30 + number % 3)
        world.add("acme", "charger", identity=name, displayName=name[::-1].strip() or "x", profileId=number % 3 + 1)
    world.add("acme", "cpms", displayName="Deleted one", deletedAt="2025-01-01T00:00:00Z")
    result = cli("export", "acme")
    assert result.out.startswith("# yaml-language-server: $schema=")
    assert "Deleted one" not in result.out
    (cli.folder / "exolink.yaml").write_text(result.out, encoding="utf-8")
    assert cli("plan", "--detailed-exitcode").counts(NO_CHANGES)
    assert world.writes == [] and "unmanaged" not in cli("plan").out


def test_passwords_become_variables(cli: Cli) -> None:
    """A password becomes ${env:…}, with a note which variable to set; with it set there are no changes."""
    url = "wss://user:hush1@a.example.com/ocpp?token=hush2&mode=x"
    cli.world.add("acme", "cpms", displayName="A", url=url, interval=30)
    result = cli("export", "acme")
    assert "hush" not in result.text
    values = variables(result.out, url)
    assert "hush1" in values.values()
    assert all(name in result.err + comments(result.out) for name in values), "it is noted what to set"
    (cli.folder / "exolink.yaml").write_text(result.out, encoding="utf-8")
    cli("plan", code=3)
    assert cli("plan", "--detailed-exitcode", env=values).counts(NO_CHANGES)


def test_what_yaml_may_not_declare(cli: Cli) -> None:
    """Rows with empty, hostile or duplicate names are left out, each with a comment and a warning."""
    cli.world.add("acme", "charger", identity="GOOD-1", displayName="A")
    for name in ("", "BIDI\u202e", "ESC\x1b[31m", "ZERO\u200bWIDTH", "TWIN-1", "TWIN-1"):
        cli.world.add("acme", "charger", identity=name, displayName="A")
    result = cli("export", "acme")
    assert not {"\u202e", "\x1b", "\u200b"} & set(result.text)
    for name in ("BIDI", "ESC", "ZERO", "TWIN-1"):
        assert name in comments(result.out) and name in result.err
    assert "TWIN-1" not in "\n".join(line.partition("#")[0] for line in result.out.splitlines())
    (cli.folder / "exolink.yaml").write_text(result.out, encoding="utf-8")
    assert cli("plan").counts(NO_CHANGES)


def test_one_file_a_tenant(start: Callable[..., Cli]) -> None:
    """--out FOLDER writes one file a tenant, and planning the folder shows no changes."""
    cli = start(("acme", "beta"))
    for tenant in ("acme", "beta"):
        cli.world.add(tenant, "cpms", displayName=f"of {tenant}")
    cli("export", "acme", "beta", "--out", "live")
    assert len(list((cli.folder / "live").rglob("*.y*ml"))) == 2
    assert cli("plan", "live", "--detailed-exitcode").counts(NO_CHANGES)


def test_a_file_that_is_there_is_not_written_over(start: Callable[..., Cli]) -> None:
    """Row D2: --out refuses a file that is there (3) and writes none of the others, unless --overwrite."""
    cli = start(("acme", "beta"))
    (cli.folder / "live").mkdir()
    (cli.folder / "live/beta.yaml").write_text("# by hand\n")
    refused = cli("export", "acme", "beta", "--out", "live", code=3)
    assert "E-EXISTS" in refused.err and "live/beta.yaml" in refused.err
    assert [path.name for path in (cli.folder / "live").iterdir()] == ["beta.yaml"]
    assert (cli.folder / "live/beta.yaml").read_text() == "# by hand\n"
    cli("export", "acme", "beta", "--out", "live", "--overwrite")
    assert (cli.folder / "live/beta.yaml").read_text() != "# by hand\n"


def test_the_schema_that_the_first_line_names_is_there(cli: Cli) -> None:
    """Row D8: the modeline of a file written with --out points at a file that is there."""
    cli("export", "acme", "--out", "live")
    first = (cli.folder / "live/acme.yaml").read_text().partition("\n")[0]
    assert (cli.folder / "live" / first.partition("$schema=")[2]).is_file()


def test_chargers_as_csv(start: Callable[..., Cli]) -> None:
    """--format csv writes the chargers of one tenant, with --out into TENANT.csv; two tenants are a usage error."""
    cli = start(("acme", "beta"))
    cli.world.add("acme", "charger", identity="CP-1", displayName='Lobby, "left"', profileId=2)
    cli.world.add("acme", "cpms", displayName="A", url="wss://h/")
    assert cli("export", "acme", "--format", "csv").out == 'identity,displayName,profileId\nCP-1,"Lobby, ""left""",2\n'
    cli("export", "acme", "--format", "csv", "--out", "live")
    assert [path.name for path in (cli.folder / "live").iterdir()] == ["acme.csv"]
    cli("export", "acme", "--format", "csv", "--out", "live", code=3)
    cli("export", "acme", "beta", "--format", "csv", code=3)


def test_export_reads_all_or_nothing(cli: Cli) -> None:
    """A tenant that is not there is 4, a refused token 10, and nothing is printed as if it were the whole."""
    assert cli("export", "acme", "ghost", code=4).out == ""
    assert cli("export", "acme", token=None, code=10).out == ""


def test_a_file_where_the_folder_has_to_be(cli: Cli) -> None:
    """It is an error of the command line, before any request; not one of the disk."""
    cli.write("taken", "mine")
    for out in ("taken", "taken/below"):
        assert "is not a folder" in cli("export", "acme", "--out", out, code=3).err
    assert cli.world.log == [] and (cli.folder / "taken").read_text() == "mine"
