"""The reference is complete and true: every option, exit code and error word of the code, and no other."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from exolink_reconcile import errors
from exolink_reconcile.cli import commands

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
    known = {name for option in _options(commands.main) for name in (*option.opts, *option.secondary_opts)}
    known |= {"--help", "--version"}
    text = page.read_text("utf-8")
    ours = re.findall(
        r"exolink-reconcile [^\n`]*|`--[^`]*`|`(?:plan|apply|show|export|validate|emulate|unknowns) [^`]*`", text
    )
    named = {name for each in ours for name in re.findall(r"(?<![\w-])--[a-z][a-z-]*", each)}
    assert named - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_variables_that_the_pages_name_exist(page: Path) -> None:
    """Each EXOLINK_ variable belongs to an option, but for the token's own and what pipelines call their own."""
    pipelines = "".join(path.read_text("utf-8") for path in (ROOT / "examples/pipelines").rglob("*") if path.is_file())
    known = (
        set(VARIABLE.findall(pipelines))
        | {option.envvar for option in _options(commands.main)}
        | {"EXOLINK_TOKEN", "EXOLINK_DIGEST"}
    )
    assert set(VARIABLE.findall(page.read_text("utf-8"))) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_the_pages_name_exist(page: Path) -> None:
    """`exolink-reconcile WORD` is a command."""
    text = page.read_text("utf-8")
    named = set(re.findall(r"(?:\$ |`|^)exolink-reconcile ([a-z]+)", text, re.MULTILINE))
    assert named - set(commands.main.commands) == set()


def test_every_option_is_in_the_reference() -> None:
    """With its environment variable, in a row of its own."""
    text = (DOCS / "reference/commands.md").read_text("utf-8")
    for option in _options(commands.main):
        assert re.search(rf"^\| `{re.escape(option.opts[0])}[` ].*\| `{option.envvar}` \|", text, re.MULTILINE), option


def _options(group: click.Group) -> Iterator[click.Option]:
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from _options(command)
        elif not command.hidden:
            yield from (each for each in command.params if isinstance(each, click.Option) and not each.hidden)


# ---------------------------------------------------------------------------------------------------------- exit codes


def test_exit_codes() -> None:
    """The page, the README and the code know the same codes, with the same meaning."""
    page = _codes((DOCS / "reference/exit-codes.md").read_text("utf-8"))
    readme = _codes((ROOT / "README.md").read_text("utf-8"))
    assert set(page) == set(readme) == {str(code) for code in (0, 2, *errors.MOST_CARE_FIRST)} | {"130, 143"}
    assert {code: said.removesuffix(" (`--out`, `--state`)") for code, said in page.items()} == {
        code: said + "; the journal is whole" * (code == "130, 143") for code, said in readme.items()
    }
    classes = {each.exit_code for each in _errors(errors.ReconcileError)}
    assert classes <= {int(code) for code in page if code.isdigit()}


def test_the_order_of_care() -> None:
    """The order in which exit codes win is the code's."""
    order = ", ".join(map(str, errors.MOST_CARE_FIRST))
    assert f"the one that asks for the most care wins: {order}." in (DOCS / "reference/exit-codes.md").read_text(
        "utf-8"
    )


def _codes(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\| (\d[\d, ]*) \| (.*?) \|", text, re.MULTILINE))


def _errors(error: type[errors.ReconcileError]) -> Iterator[type[errors.ReconcileError]]:
    yield error
    for each in error.__subclasses__():
        yield from _errors(each)


# --------------------------------------------------------------------------------------------------------- error words


def test_every_error_word_is_in_the_reference_once() -> None:
    """And the reference has none that the code does not have."""
    assert sorted(word for word, _ in _rows()) == sorted(_words())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_error_words_that_the_pages_name_exist(page: Path) -> None:
    """A reader finds every word in the reference."""
    assert set(WORD.findall(page.read_text("utf-8"))) - _words() == set()


def test_exit_codes_of_error_words() -> None:
    """Where the code gives a word to an error, the reference has the exit code of that error."""
    said = {word: set(re.findall(r"\d+", codes)) for word, codes in _rows()}
    raised = generate.exits()
    assert len(raised) > 30
    assert {word: codes for word, codes in raised.items() if not codes <= said[word]} == {}


def _rows() -> list[tuple[str, str]]:
    """The rows of the reference: word, and its exit codes."""
    return re.findall(
        r"^\| `([EW]-[A-Z-]+)` \| (.*?) ?\|", (DOCS / "reference/errors.md").read_text("utf-8"), re.MULTILINE
    )


def _words() -> set[str]:
    """Every word that is in a text of the code."""
    constants = (node.value for tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {word for text in constants if isinstance(text, str) for word in WORD.findall(text)}


def _trees() -> Iterator[ast.Module]:
    return (ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / "exolink_reconcile").rglob("*.py")))
