"""The reference is complete and true: every option, exit code and error code of the code, and no other."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from exolink_reconcile.cli import commands
from exolink_reconcile.codes import Code, Exit

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "examples/README.md"]
VARIABLE = re.compile(r"\bEXOLINK_[A-Z_]*[A-Z]\b")
WORD = re.compile(r"\b[EW]-[A-Z]+(?:-[A-Z]+)*\b")


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _module(DOCS / "generate.py")


@pytest.mark.parametrize("page", generate.PAGES)
def test_generated_parts_are_fresh(page: str) -> None:
    """Run `make docs` after a change of commands, kinds, contract or plan format."""
    assert (DOCS / "reference" / page).read_text("utf-8") == generate.fresh(page)


# ------------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_that_the_pages_name_exist(page: Path) -> None:
    """A reader never types an option that there is not."""
    existing = {name for option in _options() for name in (*option.opts, *option.secondary_opts)}
    existing |= {"--help", "--version"}
    text = page.read_text("utf-8")
    ours = re.findall(
        r"exolink-reconcile [^\n`]*|`--[^`]*`|`(?:plan|apply|show|export|validate|emulate|unknowns) [^`]*`", text
    )
    named = {name for each in ours for name in re.findall(r"(?<![\w-])--[a-z][a-z-]*", each)}
    assert named - existing == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_variables_that_the_pages_name_exist(page: Path) -> None:
    """Each EXOLINK_ variable belongs to an option, but for the token's own and what pipelines call their own."""
    pipelines = "".join(path.read_text("utf-8") for path in (ROOT / "examples/pipelines").rglob("*") if path.is_file())
    existing = (
        set(VARIABLE.findall(pipelines))
        | {option.envvar for option in _options()}
        | {"EXOLINK_TOKEN", "EXOLINK_DIGEST"}
    )
    assert set(VARIABLE.findall(page.read_text("utf-8"))) - existing == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_the_pages_name_exist(page: Path) -> None:
    """`exolink-reconcile WORD` is a command."""
    text = page.read_text("utf-8")
    named = set(re.findall(r"(?:\$ |`|^)exolink-reconcile ([a-z]+)", text, re.MULTILINE))
    assert named - set(commands.COMMANDS) == set()


def test_every_option_is_in_the_reference() -> None:
    """With its environment variable, in a row of its own."""
    text = (DOCS / "reference/commands.md").read_text("utf-8")
    for option in _options():
        variable = f"`{option.envvar}`" if option.envvar else ""
        assert re.search(rf"^\| `{re.escape(option.opts[0])}[` ].*\| {variable} \|", text, re.MULTILINE), option


def _options() -> Iterator[click.Option]:
    for _, command in commands.leaves():
        yield from (
            parameter for parameter in command.params if isinstance(parameter, click.Option) and not parameter.hidden
        )


# ---------------------------------------------------------------------------------------------------------- exit codes


def test_exit_codes() -> None:
    """The page, the README and the code know the same exit codes, with the same meaning."""
    meanings = {str(int(exit)): exit.means for exit in Exit}
    assert _exits(DOCS / "reference/exit-codes.md") == _exits(ROOT / "README.md") == meanings


def _exits(page: Path) -> dict[str, str]:
    return dict(re.findall(r"^\| (\d+) \| (.*?) \|", page.read_text("utf-8"), re.MULTILINE))


# --------------------------------------------------------------------------------------------------------- error codes


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_error_codes_that_the_pages_name_exist(page: Path) -> None:
    """A reader finds every code in the reference."""
    assert set(WORD.findall(page.read_text("utf-8"))) - set(Code) == set()
