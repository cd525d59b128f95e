"""The map for developers is true: what it names is there, and what is there is on it."""

import re
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGE = ROOT / "exolink_reconcile"


def test_every_module_that_the_page_names_is_there() -> None:
    """`live.api` or `live/`, in code marks."""
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name[0] != "_"}
    named = set(re.findall(r"`((?:cli|" + "|".join(rooms) + r")\.[a-z_.]+)`", PAGE))
    assert len(named) > 15
    missing = {name for name in named if find_spec(f"exolink_reconcile.{name}") is None}
    assert not missing


def test_every_type_that_the_page_names_is_there() -> None:
    """A `Type` in code marks is a class of the package."""
    named = set(re.findall(r"`([A-Z][a-z]\w+)(?:\([A-Z]+\))?`", PAGE))
    assert len(named) > 5
    classes = {
        name for path in PACKAGE.rglob("*.py") for name in re.findall(r"(?m)^class (\w+)", path.read_text("utf-8"))
    }
    assert named - classes == set()


def test_every_room_is_on_the_page() -> None:
    """A package or module of the first level that the map does not show cannot be found."""
    names = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert {name for name in names - {"__init__"} if f"`{name}" not in PAGE} == set()


def test_every_module_has_its_tests_where_the_page_says() -> None:
    """A module has a test file of its name, or tests/README.md says where it is tested."""
    page = (ROOT / "tests" / "README.md").read_text("utf-8")
    elsewhere = set(re.findall(r"`([a-z_/*]+)`", page.partition("## Where the test of a module is")[2]))
    untested = set[str]()
    for path in PACKAGE.rglob("*.py"):
        module = path.relative_to(PACKAGE).with_suffix("")
        own = ROOT / "tests" / "unit" / module.parent / f"test_{module.name.strip('_')}.py"
        if module.name == "__init__" or own.is_file():
            continue
        if not elsewhere & {str(module), module.name, f"{module.parent}/", f"{module.parent}/*"}:
            untested.add(str(module))
    assert untested == set()
